/** `gigamapper transfer`: transfers along neighbours that were found before. */

import type { Command } from "commander";
import type { TransferRequest } from "../generated.js";
import { transfer } from "../transfer.js";
import { addManner, setAction } from "./command.js";
import { display } from "./display.js";
import { tellReport } from "./map.js";
import { addLayout, addProfile, addRun, addTransfer, number } from "./options.js";
import { type Given, readRequest, withSymmetrize } from "./request.js";

/** Adds the command. */
export function registerTransfer(program: Command): void {
  const command = program
    .command("transfer")
    .description("transfer labels, numbers and embeddings along neighbors that were found before")
    .addHelpText(
      "after",
      "\nThe neighbors are those of a finished store of map or neighbors; distances in obsp of an AnnData, such as scanpy's, for one\n" +
        "store onto itself; or two files, ids.npy,distances.npy (cells x k, -1 where there is none). They need not be sorted, nor as\n" +
        "many for each cell; the cell itself is none of them. Between two stores jaccard, hnoca and hnoca_knn count shared neighbors,\n" +
        "in the graphs that neighbors --graphs yx,xx,yy,xy kept beside these, or in others that are named.\n" +
        "\nExamples:\n" +
        "  gigamapper transfer --query query.zarr --reference atlas.zarr --neighbors graph.zarr --obs-keys cell_type --output mapped.zarr\n" +
        "  gigamapper transfer --query cells.h5ad --neighbors cells.h5ad --obs-keys louvain --output smoothed.zarr\n" +
        "  gigamapper transfer --query query.zarr --reference atlas.zarr --neighbors ids.npy,distances.npy --obsm-keys X_umap --output mapped.zarr",
    )
    .optionsGroup("Cells:")
    .option("--query <path>", "query cells: an AnnData, or many as one: a.zarr,b.zarr or a pattern")
    .option("--reference <path>", "reference cells; none is self-mapping")
    .option("--where <condition>", "only the query cells that the neighbors are of")
    .option("--reference-where <condition>", "only the reference cells that they are among")
    .option("--neighbors <path>", "a store of neighbors, an AnnData with distances in obsp, or ids.npy,distances.npy")
    .option("--neighbors-key <key>", "the distances in obsp (default: distances, if the store is not one of ours)")
    .option("--neighbors-xx <path>", "within the reference, for shared neighbors (default: kept beside the neighbors)")
    .option("--neighbors-yy <path>", "the same within the query")
    .option("--neighbors-xy <path>", "the same from the reference to the query")
    .option("--n-neighbors <n>", "keep the n nearest; in self-mapping with the cell itself (default: all)", number)
    .option("--store-neighbors", "store the neighbors too (default: only where no store of ours has them just so)");
  addTransfer(command)
    .option("--metric <name>", "metric of the distances (default: euclidean)")
    .option("--seed <n>", "seed of the weights of random (default: 0)", number);
  addManner(addLayout(addProfile(addRun(command, "where the mapped AnnData goes"))));
  setAction<Given<TransferRequest>>(command, async ({ terminal, signal }, options) => {
    const { query = "", neighbors = "", ...rest } = withSymmetrize(await readRequest<TransferRequest>(options));
    const shown = display(terminal);
    const onProgress = shown.update.bind(shown);
    try {
      const report = await transfer({ ...rest, query, neighbors, signal, onProgress });
      shown.finish();
      tellReport(terminal, report);
      if (terminal.json) terminal.data(report, String);
    } finally {
      shown.finish();
    }
  });
}
