/** `gigamapper presence`: scores reference cells by the query cells that lie near them. */

import type { Command } from "commander";
import type { PresenceReport, PresenceRequest } from "../generated.js";
import { presence } from "../presence.js";
import { bytes, sentences } from "../sentence.js";
import { addManner, setAction } from "./command.js";
import { display } from "./display.js";
import { addLayout, addOutput, list, number } from "./options.js";
import { type Given, readRequest } from "./request.js";
import { tellStages } from "./stages.js";
import type { Terminal } from "./terminal.js";

/** Adds the command. */
export function registerPresence(program: Command): void {
  const command = program
    .command("presence")
    .description("score reference cells by the query cells that lie near them")
    .addHelpText(
      "after",
      "\nThe score of a reference cell is the summed weight of the query cells that have it for a neighbor, scaled to 0 to 1:\n" +
        "where the query is dense it is high, and near 0 where the atlas has cells that the query has not.\n" +
        "\nExamples:\n" +
        "  gigamapper presence --neighbors mapped.zarr --reference atlas.zarr --output presence.zarr\n" +
        "  gigamapper presence --neighbors mapped.zarr --reference atlas.zarr --groupby donor --query query.zarr --output presence.zarr",
    )
    .optionsGroup("Cells:")
    .option("--neighbors <path>", "the store of map or neighbors")
    .option("--reference <path>", "the reference that the neighbors are of")
    .option("--reference-where <condition>", "only the reference cells that they are among")
    .option("--groupby <column>", "a column of labels in the query's obs: scores for each of its categories, too")
    .option("--query <path>", "the store with that column (default: the store of the neighbors)")
    .option("--where <condition>", "only the query cells that the neighbors are of")
    .optionsGroup("Scores:")
    .option("--key-added <name>", "name of the scores in obs and obsm (default: presence_score)")
    .option("--log", "ln(1 + sum) first")
    .option("--percentile <low,high>", "clip to these percentiles (default: 1,99)", (text) => list(text).map(number))
    .option("--no-minmax", "do not scale to 0 to 1")
    .option("--minmax", "scale to 0 to 1 (default)")
    .option("--kernel-method <name>", "gauss, scarches, scarches_local, inverse_distance or equal (default: gauss)")
    .option("--bandwidth <sigma>", "sigma of gauss or scarches (default: from all stored distances)", number);
  addManner(addLayout(addOutput(command, "where the AnnData with the scores goes")));
  setAction<Given<PresenceRequest>>(command, async ({ terminal, signal }, options) => {
    const { neighbors = "", reference = "", ...rest } = await readRequest<PresenceRequest>(options);
    const shown = display(terminal);
    const onProgress = shown.update.bind(shown);
    try {
      const report = await presence({ ...rest, neighbors, reference, signal, onProgress });
      shown.finish();
      tellScored(terminal, report);
    } finally {
      shown.finish();
    }
  });
}

function tellScored(terminal: Terminal, report: PresenceReport): void {
  for (const warning of report.warnings) terminal.warn(warning);
  terminal.result(`${report.output}:`);
  for (const line of sentences(report)) terminal.result(line);
  tellStages(terminal, report.stages);
  terminal.say(`memory planned ${bytes(report.memory.planned)}, peak ${bytes(report.peakMemory)}`, 2);
  if (terminal.json) terminal.data(report, String);
}
