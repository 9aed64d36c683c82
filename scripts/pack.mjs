/**
 * Makes the packages as they would be published, in .cache/packages: `gigamapper`, which holds the library and the command, and one
 * for this platform with the addon, which the first names as optional. `npm run pack` builds, makes them and tells their sizes.
 *
 * The project's own package.json names no such package, so that nothing of that name is ever fetched for a clone.
 */

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseTriple } from "@napi-rs/cli";
import { build } from "./build.mjs";
import { licences, moduleLicences } from "./licences.mjs";
import { announce, output, root, run, stop, tried } from "./toolchain.mjs";

/** What may be shipped, in bytes unpacked: the library with the demo's cells, and an addon. */
export const BUDGET = { library: 2.5 * 2 ** 20, addon: 24 * 2 ** 20 };

/** Where packages are made. */
export const packages = join(root, ".cache", "packages");

const SYSTEMS = { gnu: { os: ["linux"], libc: ["glibc"] } };

/** Makes the folders of both packages; returns them, and the name of the platform's. */
export function stage() {
  const library = stageLibrary();
  const addon = stageAddon();
  return { library, addon: addon.folder, platform: addon.name };
}

/** Makes the folder of the library, which needs no addon. */
export function stageLibrary() {
  rmSync(packages, { recursive: true, force: true });
  const folder = join(packages, "gigamapper");
  mkdirSync(folder, { recursive: true });
  run("tar", ["-xzf", packed(root), "-C", folder, "--strip-components=1"]);
  const { private: _private, scripts: _scripts, devDependencies: _tools, napi, ...manifest } = ownManifest();
  const names = napi.targets.map((triple) => `@gigamapper/${parseTriple(triple).platformArchABI}`);
  if (existsSync(join(folder, "dist/wasm/glue_bg.wasm"))) {
    writeFileSync(join(folder, "THIRD-PARTY-LICENSES"), moduleLicences());
  }
  write(folder, {
    ...manifest,
    files: [...manifest.files, "THIRD-PARTY-LICENSES"],
    optionalDependencies: Object.fromEntries(names.map((name) => [name, manifest.version])),
  });
  return folder;
}

/** Makes the tarballs of the folders that {@link stage} has made; returns their paths. */
export function tarballs({ library, addon }) {
  return [library, addon].map((folder) => packed(folder));
}

/** The tarball of a folder, as npm publishes it. */
export function packed(folder) {
  const text = output("npm", ["pack", folder, "--ignore-scripts", "--json", "--pack-destination", packages]);
  const [{ filename } = {}] = Object.values(JSON.parse(text ?? "[]"));
  if (!filename) stop(`npm pack ${folder}: failed`);
  return join(packages, filename.replace(/^@/, "").replace("/", "-"));
}

/** Bytes of all files of a folder. */
export function size(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((bytes, entry) => bytes + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function stageAddon() {
  const built = join(root, "dist", "native");
  const file = existsSync(built) ? readdirSync(built).find((name) => name.endsWith(".node")) : undefined;
  const [, platform] = /^gigamapper\.(.+)\.node$/.exec(file ?? "") ?? stop("There is no addon yet: npm run build.");
  const [system, processor, abi] = platform.split("-");
  const folder = join(packages, platform);
  mkdirSync(folder);
  copyFileSync(join(built, file), join(folder, file));
  // Names of functions are of no use to users and a quarter of the file. What is tested is what is left.
  if (system === "linux") tried("strip", ["--strip-all", join(folder, file)]);
  for (const name of ["LICENSE", "LICENSE-MIT", "LICENSE-APACHE"]) copyFileSync(join(root, name), join(folder, name));
  const { version, license, repository } = ownManifest();
  const name = `@gigamapper/${platform}`;
  const description = `The addon of gigamapper for ${platform}. Install gigamapper, which brings it.`;
  writeFileSync(join(folder, "README.md"), `# ${name}\n\n${description}\n`);
  writeFileSync(join(folder, "THIRD-PARTY-LICENSES"), licences());
  const fits = SYSTEMS[abi] ?? { os: [system] };
  const files = [file, "LICENSE*", "THIRD-PARTY-LICENSES"];
  write(folder, { name, version, description, license, repository, ...fits, cpu: [processor], main: file, files });
  return { folder, name };
}

function ownManifest() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}

function write(folder, manifest) {
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // Tests have built already, and read what was made as JSON.
  const asked = new Set(process.argv.slice(2));
  if (!asked.has("--built")) build();
  if (!asked.has("--json")) announce("packages");
  const staged = stage();
  const made = tarballs(staged);
  const sizes = { library: size(staged.library), addon: size(staged.addon) };
  if (asked.has("--json"))
    process.stdout.write(`${JSON.stringify({ ...staged, tarballs: made, sizes, budget: BUDGET })}\n`);
  else {
    const shown = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    for (const [name, bytes] of Object.entries(sizes)) {
      process.stdout.write(`${name}: ${shown(bytes)} of at most ${shown(BUDGET[name])}\n`);
    }
    for (const path of made) process.stdout.write(`${path}: ${shown(statSync(path).size)}\n`);
  }
}
