/**
 * What a run is held to: neighbours and labels of a sample against an exact search, labels against the truth, and bits against another run.
 */

import { createHash } from "node:crypto";
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { join, relative } from "node:path";
import { sampled } from "./definition.mjs";

const PIECE = 2 ** 24;
const LABEL_ROWS = 2 ** 20;

/** SHA-256 over the names and contents of all files of a store. No clock and no path is in them, so equal runs have one digest. */
export function digest(store) {
  const hash = createHash("sha256");
  const files = readdirSync(store, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  const block = new Uint8Array(PIECE);
  for (const path of paths.sort()) {
    hash.update(`${relative(store, path)}\n`);
    const file = openSync(path, "r");
    for (let length = readSync(file, block); length > 0; length = readSync(file, block)) {
      hash.update(block.subarray(0, length));
    }
    closeSync(file);
  }
  return hash.digest("hex");
}

/** Neighbours of the rows 0, stride, 2 · stride, … of a store. */
async function neighborsOf(library, store, { rows, stride }) {
  const found = [];
  for await (const { firstRow, indices, distances, k } of new library.Neighbors(store).blocks()) {
    const end = firstRow + distances.length / k;
    for (let row = found.length * stride; row < end && found.length < rows; row = found.length * stride) {
      const at = (row - firstRow) * k;
      found.push({ ids: Array.from(indices.slice(at, at + k), Number), distances: distances.slice(at, at + k) });
    }
  }
  return found;
}

/** Labels of the same rows. */
async function labelsOf(library, store, key, { rows, stride }) {
  const mapped = new library.MappedStore(store);
  const all = await mapped.length();
  const found = [];
  for (let first = 0; first < all && found.length < rows; first += LABEL_ROWS) {
    const end = Math.min(first + LABEL_ROWS, all);
    const { codes, categories } = await mapped.obs(key, { rows: [first, end] });
    for (let row = found.length * stride; row < end && found.length < rows; row = found.length * stride) {
      found.push(categories[codes[row - first]] ?? null);
    }
  }
  return found;
}

/**
 * The share of the exact neighbours that were found. One no farther than the last exact one is right, so ties are held against nobody; where
 * lists hold rounded coordinates distances are not compared.
 */
function recallOf(found, exact, self, byDistance) {
  let [right, all] = [0, 0];
  for (const [at, row] of found.entries()) {
    const own = self === undefined ? -1 : self(at);
    let wanted = exact[at].ids.map((id, place) => ({ id, distance: exact[at].distances[place] }));
    wanted = wanted.filter(({ id }) => id >= 0 && id !== own).slice(0, row.ids.length);
    const ids = new Set(wanted.map(({ id }) => id));
    const last = wanted.at(-1)?.distance ?? Number.NEGATIVE_INFINITY;
    const hits = row.ids.filter((id, place) => ids.has(id) || (byDistance && id >= 0 && row.distances[place] <= last));
    right += Math.min(hits.length, wanted.length);
    all += wanted.length;
  }
  return all === 0 ? 1 : right / all;
}

/** Scores of labels in a store against the truth, and the recall of the classes that are rare. */
async function scored(library, predictions, truth, label, limits) {
  const { labels } = await library.evaluate({ mapped: predictions, truth, label, ...limits });
  const rare = labels.classes.filter(({ category, support }) => category.startsWith("rare ") && support > 0);
  const support = rare.reduce((sum, one) => sum + one.support, 0);
  const recalled = rare.reduce((sum, one) => sum + one.recall * one.support, 0);
  return {
    accuracy: labels.scores?.accuracy ?? null,
    f1Macro: labels.scores?.f1Macro ?? null,
    rareCells: support,
    rareRecall: support > 0 ? recalled / support : null,
    confidenceError: labels.calibration?.expectedError ?? null,
  };
}

/** Compares a finished mapping with an exact one of a sample of its cells, which has the same bandwidth. */
export async function compared(library, definition, { report, output, query, reference, folder }) {
  const sample = sampled(definition, folder);
  const { request } = definition;
  const { obsKeys = [], nNeighbors, kernelMethod, memory, threads } = request;
  const limits = { ...(memory && { memory }), ...(threads && { threads }) };
  const exactStore = join(folder, "exact.zarr");
  const began = performance.now();
  await library.map({
    query: sample.path,
    reference: reference ?? query,
    output: exactStore,
    overwrite: true,
    method: "exact",
    obsKeys,
    nNeighbors,
    kernelMethod,
    ...(report.sigma !== null && { bandwidth: report.sigma }),
    ...limits,
  });
  const exactSeconds = (performance.now() - began) / 1000;
  const [found, exact] = [
    await neighborsOf(library, output, sample),
    await neighborsOf(library, exactStore, { ...sample, stride: 1 }),
  ];
  const self = reference ? undefined : (at) => at * sample.stride;
  const result = {
    sample: found.length,
    exactSeconds,
    recall: recallOf(found, exact, self, request.listDtype !== "f16"),
    agreement: {},
    labels: {},
    exactLabels: {},
  };
  for (const key of obsKeys) {
    const [ours, theirs] = [
      await labelsOf(library, output, `${key}_pred`, sample),
      await labelsOf(library, exactStore, `${key}_pred`, { ...sample, stride: 1 }),
    ];
    result.agreement[key] = ours.filter((label, at) => label === theirs[at]).length / Math.max(1, ours.length);
    result.labels[key] = await scored(library, output, query, key, limits);
    result.exactLabels[key] = await scored(library, exactStore, sample.path, key, limits);
  }
  return result;
}

/** What of a definition's contract a run has not kept, in sentences. */
export function broken(definition, runs, found) {
  const { check, request } = definition;
  const wrong = [];
  if (found.recall < check.recall) wrong.push(`recall ${found.recall.toFixed(5)} is below ${check.recall}`);
  for (const [key, share] of Object.entries(found.agreement)) {
    if (share < check.agreement)
      wrong.push(`labels of ${key} agree with the exact ones in ${share}, not in ${check.agreement}`);
  }
  const digests = new Set(runs.map((run) => run.digest).filter(Boolean));
  if (digests.size > 1) wrong.push(`runs differ: ${[...digests].join(", ")}`);
  for (const run of runs) {
    const limit = run.report.plan.memory.limit;
    if (run.peak > limit)
      wrong.push(`${run.side} took ${run.peak} bytes of ${run.memory ?? request.memory} (${limit})`);
  }
  return wrong;
}
