/**
 * Kills runs with SIGKILL at random times, resumes them, kills them again, and compares what they end in with the bytes of a run that
 * nobody disturbed.
 *
 *   node bench/kill.mjs [--kills 500] [--seed 1] [--query QUERY --reference REFERENCE] [--scratch FOLDER]
 *
 * Takes turns among an exact map, maps by lists in the order of rows and of lists, and the build of an index. Without stores it maps the
 * cells of the fixtures, in units of 64 cells, so that a run has hundreds of objects to be interrupted between. After every kill the
 * store must say truthfully whether it is finished. Prints one line of JSON; exits 1 at the first difference.
 */

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "500" },
    seed: { type: "string", default: "1" },
    query: { type: "string", default: "test/fixtures/pbmc/query.zarr" },
    reference: { type: "string", default: "test/fixtures/pbmc/reference.zarr" },
    "use-rep": { type: "string", default: "X_pca" },
    "obs-keys": { type: "string", default: "bulk_labels" },
    scratch: { type: "string", default: tmpdir() },
  },
});

/** Numbers between 0 and 1 that the seed decides. */
function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const common = ["--use-rep", values["use-rep"], "--memory", "256MiB", "--threads", "2", "--progress", "none"];
const mapping = [
  "map",
  ...["--query", values.query, "--reference", values.reference, "--obs-keys", values["obs-keys"]],
  ...["--layout", "64,1,256", ...common],
];
const lists = ["--method", "ivf", "--nlist", "8"];
const runs = {
  exact: { words: [...mapping, "--method", "exact"], output: "mapped.zarr" },
  rows: { words: [...mapping, ...lists, "--order", "rows"], output: "mapped.zarr" },
  lists: { words: [...mapping, ...lists, "--order", "lists"], output: "mapped.zarr" },
  index: { words: ["index", "--reference", values.reference, "--nlist", "8", ...common], output: "reference.gmx" },
};

/** Runs the command; with `after`, kills it after so many milliseconds unless it has ended. */
async function run(words, after) {
  const child = spawn(process.execPath, ["bin/gigamapper.mjs", ...words], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text) => {
    said += text;
  });
  const timer = after === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), after);
  const [code, signal] = await new Promise((done) => child.on("close", (...ended) => done(ended)));
  clearTimeout(timer);
  return { code, killed: signal === "SIGKILL", said };
}

/** One digest for each file below a folder. */
function digests(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  const digest = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length + 1), digest(path)]));
}

function differing(found, expected) {
  const names = new Set([...Object.keys(found), ...Object.keys(expected)]);
  return [...names].filter((name) => found[name] !== expected[name]);
}

function fail(what) {
  process.stderr.write(`${what}\n`);
  process.exit(1);
}

const began = Date.now();
const folder = mkdtempSync(join(values.scratch, "gigamapper-kill-"));
for (const one of Object.values(runs)) {
  const output = join(folder, `whole-${Object.values(runs).indexOf(one)}`, one.output);
  const started = Date.now();
  const ended = await run([...one.words, "--output", output]);
  if (ended.code !== 0) fail(ended.said);
  one.milliseconds = Date.now() - started;
  one.whole = digests(output);
  one.kills = 0;
  one.finished = 0;
  one.within = 0;
}

const next = dice(Number(values.seed));
const wanted = Number(values.kills);
let kills = 0;
let at = join(folder, "disturbed");
for (let turn = 0; kills < wanted; turn += 1) {
  const [name, one] = Object.entries(runs)[turn % 4];
  at = join(folder, `disturbed-${turn}`);
  const output = join(at, one.output);
  const journal = `${output}.journal`;
  let attempts = 0;
  for (;;) {
    const begun = existsSync(output) || existsSync(journal);
    // Long enough to end now and then, and after some kills always.
    const after = attempts < 8 && kills < wanted ? (0.2 + 0.9 * next()) * one.milliseconds : undefined;
    const ended = await run([...one.words, "--output", output, ...(begun ? ["--resume"] : [])], after);
    attempts += 1;
    if (ended.killed) {
      kills += 1;
      one.kills += 1;
      if (existsSync(output) || existsSync(journal)) one.within += 1;
      const root = join(output, "zarr.json");
      if (existsSync(root)) {
        const { status } = JSON.parse(readFileSync(root, "utf8")).attributes.gigamapper;
        const wrong = status === "complete" ? differing(digests(output), one.whole) : [];
        if (wrong.length > 0) fail(`${name}, turn ${turn}: it says complete and differs in ${wrong}`);
      }
      continue;
    }
    if (ended.code !== 0) fail(`${name}, turn ${turn}, attempt ${attempts}: ${ended.said}`);
    break;
  }
  const wrong = differing(digests(output), one.whole);
  if (wrong.length > 0) fail(`${name}, turn ${turn}: differs in ${wrong}; see ${at}`);
  const left = readdirSync(at).filter((entry) => ![one.output, `${one.output}.journal`].includes(entry));
  if (left.length > 0) fail(`${name}, turn ${turn}: left ${left} in ${at}`);
  one.finished += 1;
  rmSync(at, { recursive: true });
}
rmSync(folder, { recursive: true });
const told = Object.entries(runs).map(([name, { kills: of, finished, within }]) => [
  name,
  { kills: of, within, finished },
]);
process.stdout.write(
  `${JSON.stringify({ kills, runs: Object.fromEntries(told), seconds: Math.round((Date.now() - began) / 1000) })}\n`,
);
