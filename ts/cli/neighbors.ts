/** `gigamapper neighbors`: the graph alone. */

import type { Command } from "commander";
import type { NeighborsRequest } from "../generated.js";
import { neighborsUnder } from "../kernel.js";
import { addManner, setAction } from "./command.js";
import { display } from "./display.js";
import { tellReport } from "./map.js";
import { list } from "./options.js";
import { addGraph, type Given, readRequest } from "./request.js";

/** Adds the command. */
export function registerNeighbors(program: Command): void {
  const command = program
    .command("neighbors")
    .description("find the nearest reference cells of each query cell, and store nothing else")
    .addHelpText(
      "after",
      "\nThe output is an AnnData with obsm/knn_indices (rows of the reference, -1 is padding) and obsm/knn_distances.\n" +
        "\nExamples:\n" +
        "  gigamapper neighbors --query query.zarr --reference atlas.zarr --output graph.zarr\n" +
        "  gigamapper neighbors --query cells.zarr --n-neighbors 15 --output self.zarr       (one store, onto itself)\n" +
        "  gigamapper neighbors --query query.zarr --reference atlas.zarr --recall 0.99 --output graph.zarr\n" +
        "  gigamapper neighbors --query query.zarr --reference atlas.zarr --graphs yx,xx,yy,xy --output graph.zarr  (for jaccard)",
    );
  addGraph(command);
  command.option(
    "--graphs <names>",
    "x is the reference, y the query: yx, and beside it xx,yy,xy as OUTPUT-xx.zarr and so on (default: yx)",
    list,
  );
  addManner(command);
  setAction<Given<NeighborsRequest>>(command, async ({ terminal, signal }, options) => {
    const { query = "", ...rest } = await readRequest<NeighborsRequest>(options);
    const shown = display(terminal);
    try {
      const onProgress = shown.update.bind(shown);
      const report = await neighborsUnder([signal], { ...rest, query, onProgress });
      shown.finish();
      tellReport(terminal, report);
      if (terminal.json) terminal.data(report, String);
    } finally {
      shown.finish();
    }
  });
}
