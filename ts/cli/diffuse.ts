/** `gigamapper diffuse`: smooths columns of cells along the neighbours of a finished self-mapping. */

import type { Command } from "commander";
import { diffuse } from "../diffuse.js";
import type { DiffuseRequest } from "../generated.js";
import { addManner, setAction } from "./command.js";
import { display } from "./display.js";
import { tellReport } from "./map.js";
import { addLayout, addProfile, addRun, list, number } from "./options.js";
import { type Given, readRequest, withSymmetrize } from "./request.js";

/** Adds the command. */
export function registerDiffuse(program: Command): void {
  const command = program
    .command("diffuse")
    .description("smooth columns of cells along stored neighbors")
    .addHelpText(
      "after",
      "\nEach step replaces the value of a cell by the weighted mean of its neighbors' values: after t steps, values have\n" +
        "spread along t edges of the graph. Neighbors are those of a finished store of map or neighbors, of cells onto themselves;\n" +
        "distances in obsp of an AnnData, such as scanpy's; or two files, ids.npy,distances.npy (cells x k, -1 where there is none).\n" +
        "\nExamples:\n" +
        "  gigamapper diffuse --neighbors mapped.zarr --query cells.zarr --obs-keys score --t 3 --output smoothed.zarr\n" +
        "  gigamapper diffuse --neighbors mapped.zarr --query cells.zarr --layer-key X --genes CD3E,NKG7 --output smoothed.zarr\n" +
        "  gigamapper diffuse --neighbors cells.h5ad --query cells.h5ad --obs-keys louvain --symmetrize mean --output smoothed.zarr",
    )
    .optionsGroup("Cells:")
    .option("--neighbors <path>", "a store of neighbors, an AnnData with distances in obsp, or ids.npy,distances.npy")
    .option("--neighbors-key <key>", "the distances in obsp (default: distances, if the store is not one of ours)")
    .option("--n-neighbors <n>", "keep the n nearest, with the cell itself (default: all)", number)
    .option("--store-neighbors", "store the neighbors too (default: only where no store of ours has them just so)")
    .option("--query <path>", "the cells that were mapped")
    .option("--where <condition>", "only the cells for which it holds: those that the neighbors are of")
    .option("--obs-keys <keys>", "obs columns to diffuse, comma-separated", list)
    .option("--obsm-keys <keys>", "obsm keys to diffuse, comma-separated", list)
    .option("--layer-key <name>", "expression to diffuse: X, or the name of a layer")
    .option("--genes <names>", "genes of it, comma-separated (default: all)", list)
    .optionsGroup("Steps:")
    .option("--t <n>", "how many (default: 3)", number)
    .option("--diffusion-method <name>", "iterative, or spectral for at most 2048 cells (default: iterative)")
    .option("--kernel-method <name>", "how distances become weights, as in map (default: umap)")
    .option(
      "--bandwidth <sigma>",
      "pin the bandwidth of gauss or scarches (default: from all stored distances)",
      number,
    )
    .option("--symmetrize [how]", "both directions of an edge make one weight: max, mean or none (default: max)")
    .option("--self-edges", "let a cell keep a share of its own value (default)")
    .option("--no-self-edges", "do not")
    .option("--seed <n>", "seed of the weights of kernel random (default: 0)", number)
    .option("--metric <name>", "metric of the stored distances (default: euclidean)")
    .optionsGroup("Labels:")
    .option("--probabilities <which>", "none; all: store the share of every category; or top-5 (default: none)")
    .option("--subset-categories <names>", "labels that may be predicted, comma-separated (default: all)", list)
    .option("--missing <how>", "cells without a label: drop, category or error (default: drop)")
    .option("--as <kind>", "what booleans are: label, or numeric for the share that is true (default: label)")
    .option("--label-details", "store the second label, its margin and the entropy of the vote")
    .option("--prediction-postfix <text>", "suffix of predicted columns (default: pred)")
    .option("--confidence-postfix <text>", "suffix of confidence columns (default: conf)");
  addManner(addLayout(addProfile(addRun(command, "where the AnnData with the result goes"))));
  setAction<Given<DiffuseRequest>>(command, async ({ terminal, signal }, options) => {
    const { neighbors = "", query = "", ...rest } = withSymmetrize(await readRequest<DiffuseRequest>(options));
    const shown = display(terminal);
    const onProgress = shown.update.bind(shown);
    try {
      const report = await diffuse({ ...rest, neighbors, query, signal, onProgress });
      shown.finish();
      tellReport(terminal, report);
      if (terminal.json) terminal.data(report, String);
    } finally {
      shown.finish();
    }
  });
}
