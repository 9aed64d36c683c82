/** A copy of an embedding whose chunks are whole rows. The core copies, from disk to disk. */

import type { RechunkReport } from "./generated.js";
import { runTask } from "./job.js";
import type { RechunkOptions } from "./request.js";

/**
 * Copies the names of the cells, the matrix `useRep` (default `X_pca`, n × d) as f32 and columns of `obs` (default all that can
 * be read) of the store `input` into a new AnnData at `output`, in shards of whole rows, as mapped stores have them. One pass
 * within the memory that was given; the input is never written to. Worth it where a store is read more than once and its chunks
 * split the columns, or are larger than the memory of a mapping.
 *
 * Rejects, before anything is written, when the key is missing (`GM_NOT_FOUND`), a column that was named cannot be copied
 * (`GM_UNSUPPORTED`), chunks of the input do not fit the memory (`GM_BUDGET`, which says what would do) or the output exists
 * (`GM_EXISTS`); and when cancelled (`GM_CANCELLED`), which leaves a store that `resume: true` continues.
 *
 * @example await rechunk("atlas.zarr", { output: "atlas-rows.zarr", obsKeys: ["bulk_labels"] });
 */
export async function rechunk(input: string, options: RechunkOptions): Promise<RechunkReport> {
  const request = { ...options, input };
  return await runTask<RechunkReport>("rechunk", request, options.signal ? [options.signal] : []);
}
