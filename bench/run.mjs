/**
 * Runs a defined benchmark and writes a dated record of it:
 *
 *   npm run bench -- bench/definitions/1e6-lid10-self.json [--sides typescript,rust] [--rounds 1] [--memory 1GiB] [--threads 2]
 *                    [--scratch FOLDER] [--record bench/record] [--no-digest] [--keep]
 *
 * Cells are generated as they are read, so nothing is downloaded or stored before. Each side maps them in a process of its own, in turns;
 * then a sample is mapped exactly, and neighbours, labels and bits are compared. `--sides rust` needs `crates/knn-core/examples/run_request.rs`
 * built. `--memory` and `--threads` replace the definition's. The outputs go when they are compared, unless they are to be kept. Exits with 1
 * where the definition's contract was not kept.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { broken, compared, digest } from "./definition/checks.mjs";
import { queried, readDefinition, stores } from "./definition/definition.mjs";
import { machine } from "./definition/machine.mjs";
import { measured } from "./definition/measured.mjs";
import { record } from "./definition/record.mjs";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    sides: { type: "string", default: "typescript,rust" },
    rounds: { type: "string", default: "1" },
    memory: { type: "string" },
    threads: { type: "string" },
    scratch: { type: "string", default: tmpdir() },
    record: { type: "string", default: "bench/record" },
    digest: { type: "boolean", default: true },
    keep: { type: "boolean", default: false },
  },
});
const [path] = positionals;
if (!path || positionals.length > 1)
  throw new Error("name one definition, such as bench/definitions/1e5-lid10-self.json");

const library = await import("../dist/index.js");
const definition = readDefinition(path);
const { request, check } = definition;
if (values.memory) request.memory = values.memory;
if (values.threads) request.threads = Number(values.threads);
const folder = mkdtempSync(join(values.scratch, "gigamapper-bench-"));
const say = (line) => process.stderr.write(`${line}\n`);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));
if (!values.keep) process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const places = stores(definition, folder);
const rounds = Array.from({ length: Number(values.rounds) }, () => values.sides.split(","));
const turns = rounds.flat().map((side) => ({ side, memory: request.memory }));
// Another budget may change no bit. Where the core's own side is run too, it is a second run already.
if (check.memory && !values.memory) turns.push({ side: "typescript", memory: check.memory, extra: true });

const runs = [];
let output;
for (const [turn, { side, memory, extra }] of turns.entries()) {
  // One output at a time: that of a billion cells is a disk of its own. The first one is kept for the checks.
  const store = join(folder, turn === 0 ? "mapped.zarr" : "again.zarr");
  const run = await measured(side, "map", { ...places, ...request, memory, output: store, overwrite: true }, folder);
  if (turn === 0) output = store;
  runs.push({ ...run, memory, extra: extra === true, digest: values.digest ? digest(store) : undefined });
  if (turn > 0) rmSync(store, { recursive: true, force: true });
  say(
    `${definition.name}: ${side} in ${memory}: ${run.report.seconds.toFixed(2)} s, recall by the report ${run.report.recall.measured}`,
  );
}

const [{ report }] = runs;
const checks = await compared(library, definition, { report, output, folder, ...places });
const wrong = broken(definition, runs, checks);

const median = (numbers) => numbers.toSorted((left, right) => left - right)[Math.floor(numbers.length / 2)];
const of = (side, what) => runs.filter((run) => run.side === side && !run.extra).map(what);
const both = ["typescript", "rust"].every((side) => of(side, Boolean).length > 0);
const ratio = (what) => median(of("typescript", what)) / median(of("rust", what)) - 1;
const overhead = both
  ? {
      rounds: of("rust", Boolean).length,
      call: ratio((run) => run.seconds),
      whole: median(of("typescript", (run) => run.whole)) - median(of("rust", (run) => run.whole)),
    }
  : undefined;

const date = new Date().toISOString().slice(0, 10);
// Where files were put is nobody's business, and no result depends on it.
const words = process.argv
  .slice(2)
  .map((word, at, all) => (/^--(scratch|record)$/.test(all[at - 1] ?? "") ? "FOLDER" : word))
  .map((word) => word.replace(/^(--(?:scratch|record)=).*/, "$1FOLDER"));
const command = [
  "npm run bench --",
  ...words.map((word) => (word === path ? relative(process.cwd(), path) : word)),
].join(" ");
const facts = await machine(library);
const told = { definition, date, command, machine: facts, runs, checks, overhead, wrong };
const [here, there] = [resolve(folder), folder].map((path) => JSON.stringify(path).slice(1, -1));
const untold = JSON.parse(JSON.stringify(told).replaceAll(here, "FOLDER").replaceAll(there, "FOLDER"));
const written = record(values.record, untold);
const rows = queried(definition).rows;
process.stdout.write(
  `${JSON.stringify({
    name: definition.name,
    rows,
    rowsPerSecond: Math.round(rows / report.seconds),
    recall: checks.recall,
    agreement: checks.agreement,
    accuracy: Object.fromEntries(Object.entries(checks.labels).map(([key, { accuracy }]) => [key, accuracy])),
    overhead,
    digest: runs[0].digest,
    record: written,
    kept: wrong.length === 0,
    wrong,
  })}\n`,
);
if (wrong.length > 0) process.exitCode = 1;
