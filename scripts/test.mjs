/** `npm test`: sets everything up, then runs the tests of Rust, of other machines' lanes, of TypeScript and Python. All run, also when one fails. */

import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { browser } from "./browser.mjs";
import { build } from "./build.mjs";
import { electron } from "./electron.mjs";
import { interop } from "./interop.mjs";
import { lanes } from "./lanes.mjs";
import { announce, beside, installed, prepare, root, target, tried } from "./toolchain.mjs";

/** Bytes that the files of Rust's tests may need at once, many times over. */
const ROOM = 2 ** 30;

prepare();
// Of the crate that is left out test/wasm.test.ts is the test, and cargo would compile what is below it once more.
const WHAT = ["--workspace", "--exclude", "gigamapper-wasm-glue"];
const CARGO = ["test", ...WHAT, "--profile", "checked", "--target", target()];
// No examples, which cargo would link and not run; clippy compiles them. Beside the other build, as each often has work for one core only;
// a profile is a folder of its own, so none waits for the other.
const compiled = beside("cargo", [...CARGO, "--tests", "--no-run"]);
build();
const failed = [];

announce("cargo test");
if (!((await compiled()) && ["--tests", "--doc"].map(rust).every(Boolean))) failed.push("cargo test");

announce("lanes");
if (!(await lanes())) failed.push("lanes");

announce("vitest");
if (!vitest()) failed.push("vitest");

announce("browser");
if (!browser()) failed.push("browser");

// What reads arrays from the addon or gives it some; without arguments the script runs all tests.
announce("vitest without external ArrayBuffers, as in Electron");
if (!electron(["neighbors", "memory", "mapped", "electron"].map((name) => `test/${name}.test.ts`)))
  failed.push("Electron's rule");

announce("Python interop");
if (!interop()) failed.push("Python interop");

announce(failed.length === 0 ? "all passed" : `failed: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;

/**
 * Runs tests of Rust, with their files in memory where there is room and TMPDIR names no other place. They make and remove files by the
 * million, which costs file systems that avoid an inode that was just freed, as ext4 does, several times what the tests themselves take. None
 * of them needs a disk: what one may lose is modelled (crates/knn-core/tests/mapping/crash). The tests of the other languages write to a real one.
 */
function rust(kind) {
  const memory = "/dev/shm";
  const { bavail, bsize } = existsSync(memory) ? statfsSync(memory) : { bavail: 0, bsize: 0 };
  const isBetter = !process.env["TMPDIR"] && bavail * bsize > ROOM;
  return tried("cargo", [...CARGO, kind], isBetter ? { TMPDIR: memory } : {});
}

/** Runs vitest and closes with its counts on a line of their own. */
function vitest() {
  const report = join(root, ".cache", "vitest.json");
  mkdirSync(join(root, ".cache"), { recursive: true });
  rmSync(report, { force: true });
  const passed = tried(installed("vitest"), [
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ]);
  try {
    const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(report, "utf8"));
    // A file that cannot be loaded has no tests to fail; it still counts.
    const broken = numFailedTests === 0 ? numFailedTestSuites : 0;
    process.stdout.write(`vitest: ${numPassedTests} passed, ${numFailedTests + broken} failed\n`);
  } catch {
    process.stdout.write("vitest: 0 passed, 1 failed\n");
    return false;
  }
  return passed;
}
