/** `npm test`: sets everything up, then runs the tests of Rust, of other machines' lanes, of TypeScript and Python. All run, also when one fails. */

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { browser } from "./browser.mjs";
import { build } from "./build.mjs";
import { electron } from "./electron.mjs";
import { interop } from "./interop.mjs";
import { lanes } from "./lanes.mjs";
import { announce, cargoPlace, installed, root, tried } from "./toolchain.mjs";

// The tests' build differs from the addon's in our own crate only: it checks its assertions and its arithmetic.
const CHECKED = ["debug-assertions", "overflow-checks"].flatMap((check) => [
  "--config",
  `profile.release.package.gigamapper-core.${check}=true`,
]);

build();
const failed = [];

announce("cargo test");
if (!tried("cargo", ["test", "--workspace", ...cargoPlace(), ...CHECKED])) failed.push("cargo test");

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
