/**
 * Adds to package-lock.json the binaries of other platforms that the registry in use did not offer when the file was
 * written: npm leaves them out, and `npm ci` then refuses the file on every machine. Their versions are fixed by the
 * package that names them, so nothing is guessed; only their integrity is unknown. Run it after a change of dependencies.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./toolchain.mjs";

const SYSTEMS = ["android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "aix", "win32"];
const PROCESSORS = ["arm64", "arm", "ia32", "loong64", "ppc64", "riscv64", "s390x", "x64", "wasm32"];

const path = join(root, "package-lock.json");
const lock = JSON.parse(readFileSync(path, "utf8"));
let added = 0;
for (const [owner, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`;
    if (owner === "" || lock.packages[place] || lock.packages[`${owner}/${place}`]) continue;
    const words = name.split(/[-/]/);
    const system = SYSTEMS.find((word) => words.includes(word));
    const processor = PROCESSORS.find((word) => words.includes(word));
    if (!/^\d+\.\d+\.\d+$/.test(version) || !(system || processor)) continue;
    lock.packages[place] = {
      version,
      ...(processor && { cpu: [processor] }),
      ...(entry.dev && { dev: true }),
      optional: true,
      ...(system && { os: [system] }),
    };
    added += 1;
  }
}
const sorted = Object.entries(lock.packages).sort(([left], [right]) => left.localeCompare(right, "en"));
lock.packages = Object.fromEntries(sorted);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added} binaries of other platforms added to package-lock.json\n`);
