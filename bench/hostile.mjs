/**
 * What refusing hostile files costs: `node bench/hostile.mjs`. Runs the tests of `crates/knn-core/tests/reading` as `npm test` compiles them
 * (optimised, with assertions), one at a time, and tells how long each reading of a hostile, damaged or fuzzed file took and how much it
 * allocated. The aim is 100 ms; the tests themselves assert no time.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { target } from "../scripts/toolchain.mjs";

const AIM = 0.1;
const KINDS = ["hostile", "damaged", "corpus"];

const folder = mkdtempSync(join(tmpdir(), "gigamapper-hostile-"));
const times = join(folder, "times.tsv");
try {
  const cargo = [
    "test",
    "--profile",
    "checked",
    "--target",
    target(),
    "-p",
    "gigamapper-core",
    "--test",
    "reading",
    "--",
    "--test-threads",
    "1",
    ...KINDS,
  ];
  execFileSync("cargo", cargo, { stdio: "inherit", env: { ...process.env, GIGAMAPPER_HOSTILE_TIMES: times } });
  const readings = readFileSync(times, "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const [seconds, bytes, test] = line.split("\t");
      return { seconds: Number(seconds), bytes: Number(bytes), test };
    });
  readings.sort((left, right) => right.seconds - left.seconds);
  const slow = readings.filter(({ seconds }) => seconds > AIM);
  const median = readings[readings.length >> 1];
  process.stdout.write(
    `${JSON.stringify({
      bench: "hostile",
      readings: readings.length,
      medianMs: Number((1e3 * median.seconds).toFixed(3)),
      longestMs: Number((1e3 * readings[0].seconds).toFixed(1)),
      above100Ms: slow.length,
      mostAllocatedMiB: Number((Math.max(...readings.map(({ bytes }) => bytes)) / 2 ** 20).toFixed(1)),
      slowest: readings.slice(0, 5).map(({ seconds, test }) => `${test}: ${(1e3 * seconds).toFixed(1)} ms`),
    })}\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
