/** `gigamapper pca`: computes a representation of the genes that stores share. */

import type { Command } from "commander";
import type { JointReport, JointRequest } from "../generated.js";
import { compute } from "../representation.js";
import { bytes, counted, sentences } from "../sentence.js";
import { addManner, setAction } from "./command.js";
import { display } from "./display.js";
import { addLayout, addOutput, addProfile, list, number } from "./options.js";
import { type Given, readRequest } from "./request.js";
import { tellStages } from "./stages.js";
import type { Terminal } from "./terminal.js";

/** Adds the command. */
export function registerPca(program: Command): void {
  const command = program
    .command("pca")
    .description("compute joint principal components, or canonical correlations, of the genes that both stores have")
    .addHelpText(
      "after",
      "\nEach store gets a new AnnData with its names, columns and components, which map takes by --use-rep.\n" +
        "The matrix is taken as it is: normalise and logarithmise it first, and choose genes with --mask-var where there are many.\n" +
        "\nExamples:\n" +
        "  gigamapper pca --query query.zarr --reference atlas.zarr --output query-pca.zarr --reference-output atlas-pca.zarr\n" +
        "  gigamapper map --query query-pca.zarr --reference atlas-pca.zarr --use-rep X_pca --obs-keys cell_type --output mapped.zarr\n" +
        "  gigamapper pca --query cells.zarr --n-comps 30 --output cells-pca.zarr                     (one store)",
    )
    .optionsGroup("Cells:")
    .option("--query <path>", "query cells: an AnnData with a matrix of genes")
    .option("--reference <path>", "reference cells; none is the components of one store")
    .option("--where <condition>", "only query cells for which it holds")
    .option("--reference-where <condition>", "only reference cells for which it holds")
    .option("--reference-output <path>", "where the reference's part goes")
    .option("--layer <name>", "the matrix in both: X, or the name of a layer (default: X)")
    .option("--mask-var <column>", "booleans in var of both: genes to take, such as highly_variable (default: all)")
    .option("--obs-keys <keys>", "obs columns to copy, comma-separated (default: all that can be read)", list)
    .optionsGroup("Components:")
    .option("--method <name>", "joint_pca or fast_cca (default: joint_pca)")
    .option("--n-comps <n>", "components (default: 50)", number)
    .option("--key-added <key>", "where they go in obsm (default: X_pca or X_cca)")
    .option(
      "--solver <name>",
      "auto, gram (products of genes in memory) or passes (default: auto, gram up to 4096 genes)",
    )
    .option("--seed <n>", "seed of the search for them (default: 0)", number);
  addManner(addLayout(addProfile(addOutput(command, "where the query's part goes"))));
  setAction<Given<JointRequest>>(command, async ({ terminal, signal }, options) => {
    const request = await readRequest<JointRequest>(options);
    const { query = "", reference, method = "joint_pca", ...rest } = request;
    const shown = display(terminal);
    try {
      const onProgress = shown.update.bind(shown);
      const report = await compute(method, { ...rest, query, reference, signal, onProgress });
      shown.finish();
      tellComputed(terminal, report);
    } finally {
      shown.finish();
    }
  });
}

function tellComputed(terminal: Terminal, report: JointReport): void {
  for (const warning of report.warnings) terminal.warn(warning);
  if (report.resumedUnits > 0) terminal.say(`kept ${counted(report.resumedUnits, "unit")} of an earlier run`);
  terminal.result(`${report.output}:`);
  for (const line of sentences(report)) terminal.result(line);
  if (report.referenceOutput !== null) terminal.result(`${report.referenceOutput}: the same of the reference`);
  const explained = report.varianceRatio.reduce((sum, share) => sum + share, 0);
  const share = report.varianceRatio.length > 0 ? `, ${(explained * 100).toFixed(1)} % of the variance` : "";
  terminal.result(`${counted(report.nComps, "component")} of ${counted(report.nGenes, "gene")}${share}`);
  terminal.say(
    `by ${report.solver}, passes over the cells: ${report.passes}, residual ${report.residual.toExponential(1)}`,
    2,
  );
  tellStages(terminal, report.stages);
  terminal.say(`memory planned ${bytes(report.memory.planned)}, peak ${bytes(report.peakMemory)}`, 2);
  if (terminal.json) terminal.data(report, String);
}
