/** `gigamapper export`: results as a table, or in a copy of the query. */

import type { Command } from "commander";
import { wrongParameter } from "../errors.js";
import { type ExportOptions, type ExportReport, exportResults } from "../export.js";
import { bytes, counted, seconds } from "../sentence.js";
import { addManner, setAction } from "./command.js";
import { list } from "./options.js";
import type { Manner } from "./terminal.js";

/** Adds the command. */
export function registerExport(program: Command): void {
  const command = program
    .command("export")
    .description("results as CSV or Parquet, or joined into a copy of the query")
    .addHelpText(
      "after",
      "\nThe table has the names of the cells and the columns of obs; the copy has the predictions beside the query's own columns\n" +
        "and embeddings, and opens in scanpy as the query does. The query itself is never written to. Where it has results of an earlier\n" +
        "mapping, name what the copy gets: columns, and embeddings as obsm/<key>; nothing else is copied then. Where only some cells\n" +
        "were mapped, say which by --where: of these the copy has names, columns and embeddings, and no expression.\n" +
        "\nExamples:\n" +
        "  gigamapper export --mapped mapped.zarr --output mapped.csv\n" +
        "  gigamapper export --mapped mapped.zarr --columns cell_type_pred,cell_type_conf --output mapped.parquet\n" +
        "  gigamapper export --mapped mapped.zarr --query query.zarr --output annotated.zarr\n" +
        "  gigamapper export --mapped lung.zarr --query query.zarr --where 'tissue == \"lung\"' --output annotated.zarr",
    )
    .option("--mapped <path>", "the store of map")
    .option("--output <path>", "where the file, or the copy, goes")
    .option("--format <name>", "csv, parquet or zarr (default: the ending of --output)")
    .option(
      "--columns <names>",
      "columns of obs, and for zarr obsm/<key>, to write, comma-separated (default: all)",
      list,
    )
    .option("--query <path>", "of zarr: the query, which is copied")
    .option("--where <condition>", "of zarr: only the query cells for which it holds: those that were mapped")
    .option("--overwrite", "replace a file that is there; never a store");
  addManner(command);
  setAction<Manner & ExportOptions & { mapped?: string }>(command, async ({ terminal, signal }, options) => {
    const { mapped, output, format, columns, query, where, overwrite } = options;
    if (!mapped) throw wrongParameter("mapped", "", "must be given");
    const report = await exportResults(mapped, { output, format, columns, query, where, overwrite, signal });
    for (const warning of report.warnings) terminal.warn(warning);
    terminal.result(told(report));
    if (terminal.json) terminal.data(report, String);
  });
}

function told({ output, format, rows, columns, bytes: size, seconds: took }: ExportReport): string {
  const kind = format === "zarr" ? "a copy of the query with" : `${format}, ${counted(rows, "cell")} ×`;
  const length = size === null ? "" : `, ${bytes(size)}`;
  return `stored ${output} (${kind} ${counted(columns.length, "column")}${length}) in ${seconds(took)}`;
}
