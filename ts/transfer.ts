/** Transfers along neighbours that were found before, from disk to disk. */

import type { Plan, RunReport } from "./generated.js";
import { withPaths } from "./held.js";
import { read, runTask } from "./job.js";
import { encode, type Stores, type TransferOptions, type TransferPlanOptions } from "./request.js";

/**
 * What {@link map} does behind its search, along `neighbors` that were found before: those of a finished store of `map` or `neighbors`; distances
 * in `obsp/<neighborsKey>` (sparse, cells × cells) of an AnnData, such as scanpy's, in self-mapping; or `"ids.npy,distances.npy"`, query cells × k.
 * They may be unsorted and of any number for each cell, up to 10 000; within one store the cell itself is dropped. Along the neighbours of a
 * mapping of ours its predictions are made again to the bit.
 *
 * Neighbours that stand in a store of ours just as they are used stay there: the output names that store, by its place from the output's folder and its
 * run, and {@link Neighbors}, {@link presence}, {@link diffuse} and this find them. Keep both, or say `storeNeighbors`, and the output has its own. Those of
 * other tools, and fewer of ours (`nNeighbors`), are stored.
 *
 * Between two stores `jaccard`, `hnoca` and `hnoca_knn` count shared neighbours in the other graphs as well: `neighborsXx` within the reference,
 * `neighborsYy` within the query and `neighborsXy` from the reference to the query, each in any of these forms; where they are not named, those that
 * {@link Kernel.computeNeighbors} kept with `graphs: ["yx", "xx", "yy", "xy"]`.
 *
 * All neighbours are looked at before anything is written. Rejects when they are of other cells (`GM_SHAPE`), when an id is no cell of the
 * reference or stands twice in a row, or a distance is negative or not finite (`GM_SCHEMA`), and when another graph is needed and not there
 * (`GM_PARAM`).
 *
 * @example
 * const stores = { query: "query.zarr", reference: "atlas.zarr" };
 * await new Kernel("atlas.zarr", "query.zarr").computeNeighbors({ output: "neighbors.zarr" });
 * await transfer({ ...stores, neighbors: "neighbors.zarr", obsKeys: ["bulk_labels"], output: "transferred.zarr" });
 */
export async function transfer(options: Stores & TransferOptions): Promise<RunReport> {
  return await transferUnder(options.signal ? [options.signal] : [], options);
}

/**
 * What {@link transfer} would do and cost with these options. Writes nothing and needs no `output`; neighbours of another tool are all looked at.
 * Rejects as `transfer` does before it starts.
 */
export async function planTransfer(options: Stores & TransferPlanOptions): Promise<Plan> {
  const { query, reference, ...rest } = options;
  const stores = reference === undefined ? { query } : { query, reference };
  return await withPaths(stores, (paths) => {
    const text = encode({ ...rest, ...paths });
    return read<Plan>("plan", options.signal, (addon) => addon.planTransfer(text));
  });
}

/** {@link transfer} for a caller with signals of its own: the first of them to fire cancels it. */
export async function transferUnder(signals: AbortSignal[], options: Stores & TransferOptions): Promise<RunReport> {
  const { query, reference, ...rest } = options;
  const stores = reference === undefined ? { query } : { query, reference };
  return await withPaths(stores, (paths) => runTask<RunReport>("transfer", { ...rest, ...paths }, signals));
}
