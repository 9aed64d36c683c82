/**
 * The tests as Electron would run them: no addon may make external ArrayBuffers, so whatever leaves the addon is a copy. On Linux, where
 * a library of ours can refuse them; elsewhere it is skipped, aloud. `node scripts/electron.mjs FILE…` runs some tests, without files all.
 */

import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { announce, installed, output, root, tried } from "./toolchain.mjs";

const SOURCE = join(root, "test", "electron", "refuse.c");
const FOLDER = join(root, ".cache", "electron");

/** Runs the tests of these files; returns false only if one failed, or if nothing was refused. */
export function electron(files) {
  if (process.platform !== "linux" || output("cc", ["--version"]) === undefined) {
    process.stdout.write("SKIPPED: tests without external ArrayBuffers, which need Linux and a C compiler.\n");
    return true;
  }
  mkdirSync(FOLDER, { recursive: true });
  const [library, refused] = [join(FOLDER, "refuse.so"), join(FOLDER, "refused")];
  rmSync(refused, { force: true });
  if (!tried("cc", ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library, SOURCE])) return false;
  const passed = tried(installed("vitest"), ["run", ...files], { LD_AUDIT: library, GIGAMAPPER_REFUSED: refused });
  const times = existsSync(refused) ? statSync(refused).size : 0;
  process.stdout.write(`external ArrayBuffers refused ${times} times\n`);
  return passed && times > 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  announce("Electron's rule");
  process.exitCode = electron(process.argv.slice(2)) ? 0 : 1;
}
