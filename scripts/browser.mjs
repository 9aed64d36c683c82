/**
 * The page of examples/browser and the module it loads, in headless Chromium. Where there is no Chromium the lane is skipped, aloud; on Debian
 * `apt-get install chromium` brings one, and the environment's CHROMIUM may name another.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { announce, installed, output, root, tried } from "./toolchain.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** Runs the tests in a browser; false only if one failed. */
export function browser() {
  const skipped = (why) => {
    process.stdout.write(`SKIPPED: the lane in a browser, because ${why}.\n`);
    return true;
  };
  const program = process.env["CHROMIUM"] ?? NAMES.find((name) => output(name, ["--version"]) !== undefined);
  if (program === undefined) return skipped("Chromium was not found (on Debian: apt-get install chromium)");
  if (!existsSync(join(root, "dist/wasm/glue_bg.wasm"))) return skipped("gigamapper/wasm was not built");
  const CHROMIUM = existsSync(program) ? program : output("which", [program]);
  return tried(installed("vitest"), ["run", "--config", "test/browser/vitest.config.mjs"], { CHROMIUM });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  announce("browser");
  process.chdir(root);
  process.exitCode = browser() ? 0 : 1;
}
