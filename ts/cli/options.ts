/**
 * The options that commands share, in the groups that their help shows. Names are the library's in kebab case. No defaults and no
 * checks beyond spelling: those are the core's, and are told here.
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import type { LayoutRequest } from "../generated.js";

/** The two sides. */
export function addSides(command: Command): Command {
  return command
    .optionsGroup("Cells:")
    .option("--query <path>", "query cells: an AnnData, or many as one: a.zarr,b.zarr or a pattern")
    .option("--reference <path>", "reference cells; none is self-mapping")
    .option("--where <condition>", "only query cells for which it holds: 'tissue == \"lung\" and n_genes > 500'")
    .option("--reference-where <condition>", "only reference cells for which it holds")
    .option("--use-rep <key>", "representation in obsm of both (default: X_pca)")
    .option(
      "--n-comps <n>",
      "its first components (default: all), or how many are computed where there is none",
      number,
    )
    .option("--fallback-representation <name>", "what is then computed: joint_pca or fast_cca (default: joint_pca)")
    .option("--n-neighbors <n>", "neighbors per cell; in self-mapping with the cell itself (default: 30)", number);
}

/** What is transferred, and how neighbours are weighted. */
export function addTransfer(command: Command): Command {
  return command
    .optionsGroup("Transfer:")
    .option("--obs-keys <keys>", "obs columns to transfer, comma-separated", list)
    .option("--obsm-keys <keys>", "obsm keys to transfer, comma-separated", list)
    .option("--layer-key <name>", "expression to transfer: X, or the name of a layer")
    .option("--genes <names>", "genes of it, comma-separated (default: all)", list)
    .option("--target-libsize <key>", "scale it to what query cells have in X, a layer, or obs/<column>")
    .option(
      "--kernel-method <name>",
      "how distances become weights: gauss, scarches, scarches_local, inverse_distance, equal, random, jaccard, hnoca or hnoca_knn; in self-mapping also umap or adaptive_gauss (default: gauss; in self-mapping umap)",
    )
    .option("--bandwidth <sigma>", "pin the bandwidth of gauss or scarches (default: from all valid distances)", number)
    .option(
      "--symmetrize [how]",
      "in self-mapping, both directions of an edge make one weight: max, mean or none (default: max)",
    )
    .option("--self-edges", "let a cell vote for itself (default in self-mapping)")
    .option("--no-self-edges", "do not")
    .option("--t <n>", "in self-mapping, steps of diffusion along the graph (default: 1)", number)
    .option("--diffusion-method <name>", "iterative, or spectral for at most 2048 cells (default: iterative)")
    .option(
      "--probabilities <which>",
      "none; all: store the weight of every category; or top-5: of the five largest (default: none)",
    )
    .option("--subset-categories <names>", "labels that may be predicted, comma-separated (default: all)", list)
    .option("--missing <how>", "reference cells without a label: drop, category or error (default: drop)")
    .option("--as <kind>", "what booleans are: label, or numeric for the share that is true (default: label)")
    .option("--label-details", "store the second label, its margin and the entropy of the vote")
    .option("--min-confidence <share>", "reject labels below this confidence", number)
    .option("--max-distance <d>", "reject labels of cells whose last neighbor is farther", number)
    .option("--reject-graph <path>", "learn that distance from the neighbors within the reference, stored here")
    .option("--reject-quantile <share>", "the quantile of theirs that it is (default: 0.99)", number)
    .option("--label-levels <keys>", "obs columns from coarse to fine, of which the deepest sure label is told", list)
    .option("--label-parents <pairs>", "or one column, and what is above its labels: CD4=T,CD8=T,T=lymphoid", table)
    .option("--level-threshold <share>", "weight from which a label is sure (default: 0.5)", number)
    .option("--prediction-postfix <text>", "suffix of predicted columns (default: pred)")
    .option("--confidence-postfix <text>", "suffix of confidence columns (default: conf)");
}

/** How neighbours are sought. */
export function addSearch(command: Command): Command {
  return command
    .optionsGroup("Search:")
    .option(
      "--method <name>",
      "auto, exact, ivf or ivfpq; auto is exact below 50 000 reference cells, else ivf (default: auto)",
    )
    .option("--recall <share>", "share of the true neighbors to find, measured on this run (default: 0.95)", number)
    .option("--nprobe <n>", "lists visited per cell, instead of what the recall needs", number)
    .option("--index <path>", "search this index of the reference (.gmx) instead of building one")
    .option("--io <mode>", "how lists are read: auto, pread or mmap (default: auto)")
    .option("--order <which>", "order of work by lists: auto, rows of the output or lists (default: auto)")
    .option(
      "--repair <when>",
      "compare with neighbors' neighbors too, in self-mapping or by an index with a graph: auto, never or always (default: auto)",
    )
    .option(
      "--exclude-batch <column>",
      "seek no neighbors among reference cells of the cell's own batch: a column of labels in obs of both",
    )
    .option(
      "--backend <name>",
      "what compares cells: auto (in an exact search a GPU where one is found), cpu or cuda (default: auto)",
    );
}

/** What decides an index, built for one run or for many. */
export function addLists(command: Command): Command {
  return command
    .option("--metric <name>", "euclidean, sqeuclidean, cosine or inner_product (default: euclidean)")
    .option("--nlist <n>", "lists of the index (default: a 350th of the reference cells)", number)
    .option("--list-dtype <type>", "numbers in the lists: f32, or f16 for half the bytes (default: f32)")
    .option("--rerank <how>", "what decides among what codes select, by ivfpq: exact, f16 or none (default: exact)")
    .option("--seed <n>", "seed of every sample (default: 0)", number);
}

/** Where things go, and what the process may take. */
export function addRun(command: Command, output: string): Command {
  return addOutput(command, output).option(
    "--work-dir <path>",
    "existing folder for intermediate files (default: beside the output)",
  );
}

/** The same of a command without intermediate files. */
export function addOutput(command: Command, output: string): Command {
  return command
    .optionsGroup("Run:")
    .option("--output <path>", output)
    .option("--memory <size>", "memory budget, such as 4GiB (default: a quarter of the machine's)")
    .option("--threads <n>", "worker threads (default: all cores)", number)
    .option("--resume", "continue an interrupted run of the same request")
    .option("--overwrite", "replace what an earlier run wrote there")
    .option("--config <file>", "read options from a JSON file; those given here win");
}

/** How matrices are stored. */
export function addProfile(command: Command): Command {
  return command.option(
    "--profile <name>",
    "how matrices are stored: fast, or compact, which compresses (default: fast)",
  );
}

/** The grid of the output, for tests. */
export function addLayout(command: Command): Command {
  const rows = new Option("--layout <rows>", "rows per inner chunk, chunks per unit, rows per part");
  return command.addOption(rows.argParser(layout).hideHelp());
}

/** Names between commas. */
export function list(text: string): string[] {
  return text.split(",").map((part) => part.trim());
}

/** Pairs, of which each label has one above it. */
function table(text: string): Record<string, string> {
  const pairs = list(text).map((pair) => pair.split("=").map((part) => part.trim()));
  const wrong = pairs.find((pair) => pair.length !== 2 || pair.includes(""));
  if (wrong) throw new InvalidArgumentError(`${wrong.join("=")} is not label=above.`);
  return Object.fromEntries(pairs);
}

/** A number. */
export function number(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError("It must be a number.");
  return value;
}

function layout(text: string): LayoutRequest {
  const [innerRows, innerPerUnit, partRows, ...more] = text.split(",").map(number);
  if (innerRows === undefined || innerPerUnit === undefined || partRows === undefined || more.length > 0) {
    throw new InvalidArgumentError("It must be three numbers.");
  }
  return { innerRows, innerPerUnit, partRows };
}
