/** Metrics of predictions that are stored. The core reads them in blocks; nothing is written. */

import type { EvaluationReport } from "./generated.js";
import { runTask } from "./job.js";
import type { EvaluateOptions } from "./request.js";

/**
 * Tells how good predictions are, and writes nothing. What is told follows from what is named:
 *
 * - `label`: predicted labels against true ones: accuracy, precision, recall and F1 as CellMapper's, by class too, the matrix of confusions,
 *   calibration of the confidences and the risk–coverage curve. Cells without a true label do not count; those without a prediction or with a
 *   confidence below `confidenceCutoff` are excluded, and told as `excludedFraction`.
 * - `layerKey`: predicted expression against the original, gene by gene: `pearson`, `spearman`, `js` and `rmse`, over all cells and within the
 *   groups of `groupby`. All but `spearman` are streamed; that holds as many genes at a time as fit, each with all cells.
 * - `exact`: the neighbours of `mapped` against those of an exact mapping, and with `label` what its labels lose by class.
 *
 * Predictions lie in `mapped`, a store of ours, or in `predictions`, whatever store another tool made; the truth in `truth`, with the same cells
 * in the same order.
 *
 * Rejects when a column is missing (`GM_NOT_FOUND`, with those that exist), labels are numbers (`GM_UNSUPPORTED`), stores have other cells
 * (`GM_SHAPE`, `GM_SCHEMA`), a mapped store is not finished (`GM_SCHEMA`) or the memory is too small (`GM_BUDGET`).
 *
 * @example
 * const { labels } = await evaluate({ mapped: "mapped.zarr", truth: "query.zarr", label: "bulk_labels" });
 * console.log(labels);
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationReport> {
  return await runTask<EvaluationReport>("evaluate", options, options.signal ? [options.signal] : []);
}
