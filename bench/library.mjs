/**
 * What the library adds to the core, and how it stops.
 *
 *   node bench/library.mjs overhead QUERY.zarr REFERENCE.zarr [--index I.gmx] [--threads 1] [--rounds 3]
 *   node bench/library.mjs iterate MAPPED.zarr [--rounds 5]
 *   node bench/library.mjs cancel QUERY.zarr REFERENCE.zarr [--index I.gmx] [--nprobe 4] [--threads 2] [--moments 50]
 *
 * `overhead` maps in a process of its own and prints the share of the time that is not the core's, and the longest that the event loop
 * was blocked meanwhile. `iterate` reads all stored neighbours in blocks, and beside it copies as many bytes from the files into fresh
 * arrays, in turns. `cancel` cancels at random moments, each run a process of its own that goes on with the one before, and prints
 * how long the promise took to reject, how long the process took to end by itself, and whether the finished store is byte for byte that of
 * a run that nobody has cancelled. Each prints one line of JSON.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    index: { type: "string" },
    keys: { type: "string", default: "cell_type" },
    nprobe: { type: "string" },
    memory: { type: "string", default: "2GiB" },
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    moments: { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
    scratch: { type: "string", default: tmpdir() },
  },
});
const [what, first, second] = positionals;
const library = new URL("../dist/index.js", import.meta.url).href;
const scratch = mkdtempSync(join(values.scratch, "gigamapper-library-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

const median = (numbers) => numbers.toSorted((left, right) => left - right)[Math.floor(numbers.length / 2)];
const tell = (result) => process.stdout.write(`${JSON.stringify(result)}\n`);
const request = (output) => ({
  query: first,
  reference: second,
  output,
  obsKeys: values.keys === "" ? [] : values.keys.split(","),
  memory: values.memory,
  threads: Number(values.threads),
  ...(values.index && { index: values.index }),
  ...(values.nprobe && { nprobe: Number(values.nprobe) }),
});

/** Runs a program that has the library as `gigamapper`, and returns what it prints and how long the process took. */
function program(source) {
  const began = performance.now();
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--input-type=module", "--eval", `import * as gigamapper from ${JSON.stringify(library)};\n${source}`],
    { encoding: "utf8", maxBuffer: 2 ** 26 },
  );
  if (status !== 0) throw new Error(`exit ${status}: ${stderr}`);
  return { ...JSON.parse(stdout), process: performance.now() - began };
}

function overhead() {
  const rounds = Array.from({ length: Number(values.rounds) }, (_, round) =>
    program(`
      import { monitorEventLoopDelay } from "node:perf_hooks";
      await gigamapper.doctor();
      const delay = monitorEventLoopDelay({ resolution: 1 });
      let events = 0;
      delay.enable();
      const began = performance.now();
      const report = await gigamapper.map({ ...${JSON.stringify(request(join(scratch, `mapped${round}.zarr`)))}, onProgress: () => { events += 1; } });
      const seconds = (performance.now() - began) / 1000;
      delay.disable();
      console.log(JSON.stringify({ seconds, core: report.seconds, events, longest: delay.max / 1e6, usual: delay.percentile(99.9) / 1e6 }));
    `),
  );
  for (const { seconds, core, events, longest, usual } of rounds) {
    tell({ seconds, core, share: (seconds - core) / core, events, longestBlockMs: longest, p999Ms: usual });
  }
  tell({ what, share: median(rounds.map(({ seconds, core }) => (seconds - core) / core)) });
}

async function iterate() {
  const { Neighbors } = await import(library);
  const files = ["knn_indices", "knn_distances"].flatMap((name) => chunks(join(first, "obsm", name)));
  const ratios = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    let began = performance.now();
    let [rows, bytes] = [0, 0];
    for await (const { indices, distances, k } of new Neighbors(first).blocks()) {
      rows += distances.length / k;
      bytes += indices.byteLength + distances.byteLength;
    }
    const blocks = performance.now() - began;
    began = performance.now();
    let copied = 0;
    // A shard at the end is padded: no more is copied than was read.
    for (const path of files) copied += copy(path, bytes - copied);
    const bare = performance.now() - began;
    ratios.push(blocks / bare);
    tell({ rows, bytes, copied, blocksMs: blocks, bareMs: bare, ratio: blocks / bare });
  }
  tell({ what, ratio: median(ratios) });
}

/** The bytes of a file, but no more than `most`, in fresh arrays of at most 64 MiB. */
function copy(path, most) {
  const file = openSync(path, "r");
  let left = Math.min(statSync(path).size, most);
  const size = left;
  while (left > 0) {
    const block = new Uint8Array(Math.min(left, 2 ** 26));
    left -= readSync(file, block);
  }
  closeSync(file);
  return size;
}

function chunks(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== "zarr.json")
    .map((entry) => join(entry.parentPath, entry.name));
}

function cancel() {
  const random = generator(Number(values.seed));
  const whole = join(scratch, "whole.zarr");
  const { took } = program(`
    const began = performance.now();
    await gigamapper.map(${JSON.stringify(request(whole))});
    console.log(JSON.stringify({ took: performance.now() - began }));
  `);
  const expected = digest(whole);
  const output = join(scratch, "cancelled.zarr");
  const [waits, ends, stages] = [[], [], {}];
  let [finished, different, resumed] = [0, 0, false];
  while (waits.length < Number(values.moments)) {
    // Half of the moments lie anywhere in a run, half in its first tenth, where it opens, plans and locks.
    const moment = random() * took * (random() < 0.5 ? 1 : 0.1);
    const told = program(`
      const controller = new AbortController();
      let aborted;
      const onMoment = () => { aborted = performance.now(); controller.abort(); };
      const timer = setTimeout(onMoment, ${moment});
      const told = { code: null };
      try { await gigamapper.map({ ...${JSON.stringify(request(output))}, resume: ${resumed}, signal: controller.signal }); }
      catch (error) { Object.assign(told, { code: error.code, message: error.message, stage: error.details?.stage }); }
      clearTimeout(timer);
      const settled = performance.now();
      console.log(JSON.stringify({ ...told, wait: settled - (aborted ?? settled), left: process.getActiveResourcesInfo().filter((name) => !/Wrap$/.test(name)), at: Date.now() }));
    `);
    ends.push(Date.now() - told.at);
    if (told.left.length > 0) throw new Error(`left open: ${told.left}`);
    if (told.code === null) {
      finished += 1;
      different += digest(output) === expected ? 0 : 1;
      rmSync(output, { recursive: true, force: true });
      for (const name of readdirSync(scratch))
        if (name.startsWith("cancelled")) rmSync(join(scratch, name), { recursive: true });
      resumed = false;
      continue;
    }
    if (told.code !== "GM_CANCELLED") throw new Error(told.message);
    waits.push(told.wait);
    if (told.wait > 1000) process.stderr.write(`${Math.round(told.wait)} ms during ${told.stage}\n`);
    stages[told.stage] = (stages[told.stage] ?? 0) + 1;
    resumed = readdirSync(scratch).some((name) => name.startsWith("cancelled"));
  }
  program(`await gigamapper.map({ ...${JSON.stringify(request(output))}, resume: ${resumed} }); console.log("{}");`);
  finished += 1;
  different += digest(output) === expected ? 0 : 1;
  const longest = Math.max(...waits);
  tell({
    ...{ what, seconds: took / 1000, moments: waits.length, stages, longestMs: longest, medianMs: median(waits) },
    ...{ over1s: waits.filter((wait) => wait > 1000).length, longestEndMs: Math.max(...ends), finished, different },
  });
}

function digest(folder) {
  const hash = createHash("sha256");
  for (const path of chunksAndNodes(folder)) hash.update(path.slice(folder.length)).update(readFileSync(path));
  return hash.digest("hex");
}

function chunksAndNodes(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** mulberry32. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

if (!first) throw new Error(`name what to measure and a store; see ${fileURLToPath(import.meta.url)}`);
if (what === "overhead") overhead();
else if (what === "iterate") await iterate();
else if (what === "cancel") cancel();
else throw new Error(`no measurement of ${what}`);
