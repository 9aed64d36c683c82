/** `gigamapper rechunk`: copies an embedding into shards of whole rows. */

import type { Command } from "commander";
import type { RechunkReport, RechunkRequest } from "../generated.js";
import { rechunk } from "../rechunk.js";
import { bytes, counted, sentences } from "../sentence.js";
import { addManner, setAction } from "./command.js";
import { display } from "./display.js";
import { addLayout, addOutput, list } from "./options.js";
import { type Given, readRequest } from "./request.js";
import { tellStages } from "./stages.js";
import type { Terminal } from "./terminal.js";

/** Adds the command. */
export function registerRechunk(program: Command): void {
  const command = program
    .command("rechunk")
    .description("copy an embedding and columns of a store into a new AnnData with chunks of whole rows")
    .addHelpText(
      "after",
      "\nWorth it where a store is read more than once and its chunks split the columns, or where its chunks are larger\n" +
        "than the memory of a mapping. The input is never written to.\n" +
        "\nExamples:\n" +
        "  gigamapper rechunk --input atlas.h5ad --use-rep X_scvi --output atlas-rows.zarr\n" +
        "  gigamapper rechunk --input atlas.zarr --obs-keys cell_type,age --output atlas-rows.zarr --memory 8GiB",
    )
    .optionsGroup("Cells:")
    .option("--input <path>", "the store to copy from")
    .option("--where <condition>", "only cells for which it holds: 'tissue == \"lung\"'")
    .option("--use-rep <key>", "what to copy: a key of obsm, X or layers/<name> (default: X_pca)")
    .option("--obs-keys <keys>", "obs columns to copy, comma-separated (default: all that can be read)", list);
  addManner(addLayout(addOutput(command, "where the copy goes")));
  setAction<Given<RechunkRequest>>(command, async ({ terminal, signal }, options) => {
    const { input = "", ...rest } = await readRequest<RechunkRequest>(options);
    const shown = display(terminal);
    try {
      const report = await rechunk(input, { ...rest, signal, onProgress: (event) => shown.update(event) });
      shown.finish();
      tellCopied(terminal, report);
    } finally {
      shown.finish();
    }
  });
}

function tellCopied(terminal: Terminal, report: RechunkReport): void {
  for (const warning of report.warnings) terminal.warn(warning);
  if (report.resumedUnits > 0) terminal.say(`kept ${counted(report.resumedUnits, "unit")} of an earlier run`);
  terminal.result(`${report.output}:`);
  for (const line of sentences(report)) terminal.result(line);
  tellStages(terminal, report.stages);
  terminal.say(`memory planned ${bytes(report.memory.planned)}, peak ${bytes(report.peakMemory)}`, 2);
  if (terminal.json) terminal.data(report, String);
}
