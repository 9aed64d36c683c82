/** What a store holds. The core reads it, metadata and small columns only. */

import type { Cells } from "./cells.js";
import type { Inspection } from "./generated.js";
import { withPaths } from "./held.js";
import { read } from "./job.js";
import type { InspectOptions } from "./request.js";

/**
 * Describes the AnnData store at a path, cells in memory, or as one the stores that it names (`a.zarr,b.zarr`, `part_*.zarr`): cells and genes, columns of `obs` with their kind, missing values and
 * categories, embeddings and layers with shape and dtype, and for every array its chunks, codec and how many bytes a
 * pass over it reads per byte used.
 *
 * With `where`, describes the cells for which a condition on columns of `obs` holds: `tissue == "lung" and n_genes > 500`. Any path may carry
 * its condition between brackets: `atlas.zarr[tissue == "lung"]`.
 *
 * Rejects with `GM_NOT_FOUND` if there is no store and `GM_SCHEMA` if it is not AnnData, `GM_PARAM` if the condition cannot be read.
 *
 * @example
 * const { nObs, obs } = await inspect("atlas.zarr");
 * console.log(nObs, Object.keys(obs));
 */
export async function inspect(cells: Cells, options: InspectOptions = {}): Promise<Inspection> {
  return await withPaths({ cells }, ({ cells: path }) =>
    read<Inspection>("inspect", options.signal, (addon) => addon.inspect(path, options.where)),
  );
}
