/** Presence scores: how much of the query lies at each reference cell. The core sums, from disk to disk. */

import type { PresenceReport } from "./generated.js";
import { runTask } from "./job.js";
import type { PresenceOptions } from "./request.js";

/**
 * Scores every reference cell of the graph stored at `neighbors` by the query cells that have it for a neighbour: the sum of the weights
 * exp(−d²/2σ²) of its edges (σ the mean of all stored distances; or those of another `kernelMethod`), clipped to percentiles (default 1 and 99) and scaled to 0 … 1, as
 * CellMapper does after HNOCA-tools (He et al. 2024). Writes a new AnnData with a row for each reference cell: `obs/presence_score`
 * (f64), and with `groupby` `obsm/presence_score` (n × groups, f32), whose columns are named in `uns/presence_score_groups`.
 *
 * The memory must hold three numbers for each reference cell; query and edges are streamed. Where sums of all groups do not fit at once, there are
 * more passes over the edges, and where their scores do not, they wait on disk; the scores are the same.
 *
 * Rejects, before anything is written, when the graph is not finished (`GM_SCHEMA`), the reference or the column of groups has other cells
 * (`GM_SHAPE`), a key is missing (`GM_NOT_FOUND`), groups have no categories (`GM_UNSUPPORTED`), the scores do not fit (`GM_BUDGET`) or
 * the output exists (`GM_EXISTS`).
 *
 * @example
 * const stores = { neighbors: "mapped.zarr", reference: "atlas.zarr" };
 * await presence({ ...stores, groupby: "bulk_labels_pred", output: "presence.zarr" });
 */
export async function presence(options: PresenceOptions): Promise<PresenceReport> {
  return await runTask<PresenceReport>("presence", options, options.signal ? [options.signal] : []);
}
