/** Diffusion: columns of cells smoothed along neighbours that are stored. The core takes the steps, from disk to disk. */

import type { Plan, RunReport } from "./generated.js";
import { read, runTask } from "./job.js";
import { type DiffuseOptions, type DiffusePlanOptions, encode } from "./request.js";

/**
 * Applies the mapping matrix M of a finished self-mapping `t` times (default 3) to columns of its cells: Mᵗ x, as CellMapper's
 * `MappingOperator.apply(x, t)` after MAGIC (van Dijk et al. 2018). The neighbours are not sought again: `neighbors` is, as of {@link transfer}, a
 * finished store of `map` or `neighbors`, an AnnData with `obsp/distances` (sparse, cells × cells), such as scanpy's, or `"ids.npy,distances.npy"`
 * (cells × k). Weights are made of their distances by the kernel (default `umap`). Writes a mapped AnnData with these neighbours, as `map` with `t` would:
 * `obs/<key>_pred` with `obs/<key>_conf` for labels and `obs/<key>_sd` for numbers, `obsm/<key>_pred` (n × columns, f32), expression (n × genes, f32).
 *
 * The memory bounds how many columns are diffused at a time, not how many cells there are; M goes through once for each step of each block of columns.
 *
 * Rejects, before anything is written, when the graph is not finished (`GM_SCHEMA`), is of other cells or between two stores (`GM_SHAPE`,
 * `GM_SCHEMA`), a key is missing (`GM_NOT_FOUND`), `t` is below 1 (`GM_PARAM`), it does not fit (`GM_BUDGET`) or the output exists (`GM_EXISTS`).
 *
 * @example
 * await map({ query: "cells.zarr", output: "self.zarr" });
 * await diffuse({ neighbors: "self.zarr", query: "cells.zarr", obsKeys: ["n_genes"], t: 3, output: "smoothed.zarr" });
 */
export async function diffuse(options: DiffuseOptions): Promise<RunReport> {
  return await runTask<RunReport>("diffuse", options, options.signal ? [options.signal] : []);
}

/**
 * What {@link diffuse} would do and cost with these options. Writes nothing and needs no `output`; neighbours of another tool are all looked at.
 * Rejects as `diffuse` does before it starts.
 */
export async function planDiffuse(options: DiffusePlanOptions): Promise<Plan> {
  const text = encode(options);
  return await read<Plan>("plan", options.signal, (addon) => addon.planDiffuse(text));
}
