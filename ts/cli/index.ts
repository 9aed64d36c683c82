/** `gigamapper index`: builds the index of a reference, appends to one, or describes one. */

import type { Command } from "commander";
import { wrongParameter } from "../errors.js";
import type { IndexDescription, IndexReport, IndexRequest } from "../generated.js";
import { ReferenceIndex } from "../reference-index.js";
import { bytes, count, counted, seconds, sentences } from "../sentence.js";
import { addManner, setAction } from "./command.js";
import { display } from "./display.js";
import { addLists, addRun, list, number } from "./options.js";
import { type Given, readRequest } from "./request.js";
import { tellStages } from "./stages.js";
import { table } from "./table.js";
import type { Terminal } from "./terminal.js";

/** Adds the command. */
export function registerIndex(program: Command): void {
  const command = program
    .command("index")
    .description("build the index of a reference, once for many searches, append to one, or describe one")
    .argument("[path]", "the index, name.gmx: built or appended to with --reference, described without")
    .addHelpText(
      "after",
      "\nA search by lists visits only the lists of the index that are nearest to a cell. map and neighbors build one for\n" +
        "themselves where that pays; build it once if many queries are mapped onto the same reference.\n" +
        "\nExamples:\n" +
        "  gigamapper index atlas.gmx --reference atlas.zarr --use-rep X_pca\n" +
        "  gigamapper index atlas.gmx --reference atlas.zarr --append\n" +
        "  gigamapper index atlas.gmx\n" +
        "  gigamapper index portable.gmx --reference atlas.zarr --bundle --obs-keys cell_type\n" +
        "  gigamapper map --query query.zarr --index portable.gmx --obs-keys cell_type --output out.zarr    (without the atlas)\n" +
        "  gigamapper map --query query.zarr --reference atlas.zarr --index atlas.gmx --obs-keys cell_type --output out.zarr",
    )
    .optionsGroup("Index:")
    .option("--reference <path>", "reference cells: an AnnData, or many as one")
    .option("--where <condition>", "only cells for which it holds: 'tissue == \"lung\"'")
    .option("--use-rep <key>", "representation in obsm (default: X_pca)")
    .option("--method <name>", "ivf, or ivfpq with codes of 4 bits (default: ivf)")
    .option(
      "--training <how>",
      "thorough, or brief: sooner done, and slower to search (default: thorough up to 2^18 lists)",
    )
    .option(
      "--keep-graph <n>",
      "keep the n nearest neighbors of each cell, 1 to 64, for --repair of later runs",
      number,
    )
    .option("--backend <name>", "what finds that graph: auto, cpu or cuda (default: auto)")
    .option("--bundle", "store names and columns of the cells with it: then map needs no reference beside the index")
    .option("--obs-keys <keys>", "columns of a bundle, comma-separated (default: all that can be read)", list)
    .option("--append", "append the cells that the reference has beyond those of the index");
  addManner(addRun(addLists(command), "where the index goes, if not named as the argument"));
  setAction<Given<IndexRequest>>(command, async ({ terminal, signal }, options, [path]) => {
    if (path !== undefined && options.output !== undefined && path !== options.output) {
      throw wrongParameter("output", options.output, `is ${path} already, by the argument: name one of them`);
    }
    const { reference, output = path, append, ...rest } = await readRequest<IndexRequest>(options);
    if (reference === undefined && output !== undefined && !append) {
      await using index = await ReferenceIndex.open(output, { signal });
      const described = await index.describe({ signal });
      terminal.data(described, () => renderDescription(described));
      return;
    }
    const shown = display(terminal);
    try {
      const request = { ...rest, ...(output === undefined ? {} : { output }) };
      const onProgress = (event: Parameters<typeof shown.update>[0]): void => shown.update(event);
      const made = append ? ReferenceIndex.append : ReferenceIndex.build;
      await using index = await made(reference ?? "", { ...request, signal, onProgress });
      shown.finish();
      if (index.report) tellBuilt(terminal, index.report);
    } finally {
      shown.finish();
    }
  });
}

function tellBuilt(terminal: Terminal, report: IndexReport): void {
  for (const warning of report.warnings) terminal.warn(warning);
  if (report.excludedRows > 0) terminal.warn(`${counted(report.excludedRows, "cell")} left out of the lists`);
  const did = report.generation > 1 ? `appended ${counted(report.addedRows, "cell")} to` : "stored";
  terminal.result(
    `${did} ${report.output} (${counted(report.rows, "cell")} × ${count(report.dim)} in ${counted(report.nlist, "list")}, ` +
      `${bytes(report.bytes)}) in ${seconds(report.seconds)}`,
  );
  for (const line of sentences(report)) terminal.result(line);
  tellStages(terminal, report.stages);
  terminal.say(`peak memory ${bytes(report.peakMemory)}`, 2);
  if (terminal.json) terminal.data(report, String);
}

function tellCells({ bundled, staleCells }: IndexDescription): string {
  if (bundled) return "names and columns: it is a reference by itself";
  return staleCells ? "those of an earlier index: build it again with --bundle to map onto it alone" : "none";
}

function renderDescription(index: IndexDescription): string {
  return table(
    [
      ["index", `${index.path} (format ${index.formatVersion}, generation ${index.generation})`],
      ["cells", `${count(index.rows)} × ${count(index.dim)}, ${count(index.excludedRows)} left out`],
      [
        "lists",
        `${count(index.nlist)} of ${index.listDtype} in ${index.levels} levels, ${index.metric}, ${index.training} training, seed ${index.seed}`,
      ],
      ...(index.rerank === null ? [] : [["codes", `4 bits for each sub-space, rerank ${index.rerank}`]]),
      ...(index.keepGraph === null ? [] : [["graph", `${counted(index.keepGraph, "neighbor")} of each cell`]]),
      ["cells within it", tellCells(index)],
      ["size", bytes(index.bytes)],
      ["digest", index.digest],
    ],
    0,
  );
}
