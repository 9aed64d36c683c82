/** `gigamapper eval`: how good stored predictions are. */

import type { Command } from "commander";
import { evaluate } from "../evaluate.js";
import type {
  Approximation,
  EvaluateRequest,
  EvaluationReport,
  ExpressionEvaluation,
  LabelEvaluation,
} from "../generated.js";
import { bytes, count, counted } from "../sentence.js";
import { addManner, setAction } from "./command.js";
import { display } from "./display.js";
import { list, number } from "./options.js";
import { type Given, readRequest } from "./request.js";
import { tellStages } from "./stages.js";
import { table } from "./table.js";

/** Genes, classes and pairs that are printed; all are in the JSON. */
const MOST_LINES = 30;

/** Adds the command. */
export function registerEval(program: Command): void {
  const command = program
    .command("eval")
    .description("compare stored predictions with true labels, original expression or an exact mapping")
    .addHelpText(
      "after",
      "\nNothing is written; --json prints all there is, by class and by gene.\n" +
        "\nExamples:\n" +
        "  gigamapper eval --mapped mapped.zarr --truth query.zarr --label cell_type\n" +
        "  gigamapper eval --mapped mapped.zarr --truth query.zarr --layer-key X --comparison-method pearson,spearman\n" +
        "  gigamapper eval --predictions theirs.parquet --truth query.zarr --label cell_type --prediction label\n" +
        "  gigamapper eval --mapped fast.zarr --exact exact.zarr --label cell_type --truth query.zarr --json > metrics.json",
    )
    .optionsGroup("Stores:")
    .option("--mapped <path>", "the store of map or transfer whose predictions are evaluated")
    .option("--predictions <path>", "or any store with predictions of another tool, a row for each cell")
    .option("--truth <path>", "the store with the truth, of the same cells (default: that of the predictions)")
    .option("--where <condition>", "only its cells for which it holds: those that were mapped")
    .option("--exact <path>", "the same mapping by exact search: recall of neighbors, and what labels lose")
    .optionsGroup("Labels:")
    .option("--label <column>", "true labels in obs")
    .option("--prediction <column>", "predicted labels (default: <label>_pred)")
    .option("--confidence <column>", "their confidences (default: <label>_conf, if there is one)")
    .option("--confidence-cutoff <x>", "evaluate cells of at least this confidence (default: 0)", number)
    .optionsGroup("Expression:")
    .option("--layer-key <key>", "the original: X, or the name of a layer")
    .option("--imputed-key <key>", "the prediction (default: as the original is called)")
    .option("--comparison-method <names>", "pearson, spearman, js and rmse, comma-separated (default: pearson)", list)
    .option("--groupby <column>", "a column of labels: within each of its categories, too")
    .option("--test-var-key <column>", "boolean column of var: genes that averages are over (default: all)")
    .option("--genes <names>", "genes that are compared, comma-separated (default: all that both have)", list)
    .optionsGroup("Run:")
    .option("--memory <size>", "memory budget, such as 4GiB (default: a quarter of the machine's)")
    .option("--threads <n>", "worker threads (default: all cores)", number)
    .option("--config <file>", "read options from a JSON file; those given here win");
  addManner(command);
  setAction<Given<EvaluateRequest>>(command, async ({ terminal, signal }, options) => {
    const request = await readRequest<EvaluateRequest>(options);
    const shown = display(terminal);
    try {
      const report = await evaluate({ ...request, signal, onProgress: (event) => shown.update(event) });
      shown.finish();
      for (const warning of report.warnings) terminal.warn(warning);
      terminal.data(report, () => render(report));
      tellStages(terminal, report.stages);
      terminal.say(`memory planned ${bytes(report.memory.planned)}, peak ${bytes(report.peakMemory)}`, 2);
    } finally {
      shown.finish();
    }
  });
}

function render(report: EvaluationReport): string {
  const { labels, expression, approximation } = report;
  const sections = [`${report.predictions}: ${counted(report.nObs, "cell")}`];
  if (labels) sections.push(renderLabels(labels));
  if (expression) sections.push(renderExpression(expression));
  if (approximation) sections.push(renderApproximation(approximation));
  return sections.join("\n");
}

/** A number of four decimals, or a dash where there is none. */
function decimal(value: number | null | undefined): string {
  return value == null ? "-" : value.toFixed(4);
}

function more(all: readonly unknown[], what: string): string[] {
  return all.length > MOST_LINES ? [`  and ${count(all.length - MOST_LINES)} more ${what}`] : [];
}

function renderLabels(labels: LabelEvaluation): string {
  const { scores, classes, calibration, riskCoverage } = labels;
  const left = [
    [labels.withoutTruth, "without a true label"],
    [labels.withoutPrediction, "without a prediction"],
    [labels.belowCutoff, `below confidence ${labels.confidenceCutoff}`],
  ] as const;
  const rows = [
    ["accuracy", decimal(scores?.accuracy)],
    ["precision, weighted", decimal(scores?.precision)],
    ["recall, weighted", decimal(scores?.recall)],
    ["F1, weighted", decimal(scores?.f1Weighted)],
    ["F1, macro", decimal(scores?.f1Macro)],
    ["excluded fraction", decimal(labels.excludedFraction)],
  ];
  if (calibration) {
    rows.push(["calibration error", decimal(calibration.expectedError)]);
    rows.push(["Brier score of the label", decimal(calibration.brier)]);
    if (calibration.brierOfAll !== null) rows.push(["Brier score of all labels", decimal(calibration.brierOfAll)]);
  }
  if (riskCoverage) rows.push(["area under risk-coverage", decimal(riskCoverage.area)]);
  const of = (entry: LabelEvaluation["classes"][number]): string[] => [
    entry.category,
    decimal(entry.precision),
    decimal(entry.recall),
    decimal(entry.f1),
    count(entry.support),
  ];
  return [
    `${labels.prediction} against ${labels.label}: ${counted(labels.evaluated, "cell")}`,
    ...left.filter(([cells]) => cells > 0).map(([cells, why]) => `  ${counted(cells, "cell")} ${why}`),
    table(rows),
    table([["class", "precision", "recall", "F1", "cells"], ...classes.slice(0, MOST_LINES).map(of)]),
    ...more(classes, "classes"),
  ].join("\n");
}

function renderExpression(expression: ExpressionEvaluation): string {
  const rows = expression.metrics.flatMap(({ method, average, testGenes, groups }) => [
    [method, "all cells", decimal(average), counted(testGenes, "gene")],
    ...groups.slice(0, MOST_LINES).map(({ group, cells, average: mean }) => {
      return ["", group, decimal(mean), counted(cells, "cell")];
    }),
  ]);
  const title = `${expression.imputed} against ${expression.original}: ${counted(expression.genes.length, "gene")}`;
  return [`${title}, ${counted(expression.cells, "cell")}`, table(rows)].join("\n");
}

function renderApproximation({ exact, neighbors, agreement, loss }: Approximation): string {
  const rows = [
    [`recall at ${neighbors.k}`, decimal(neighbors.recall)],
    ["nearest found", decimal(neighbors.first)],
    ["cells with all found", decimal(neighbors.complete)],
  ];
  if (agreement) rows.push(["same label", decimal(agreement.scores?.accuracy)]);
  if (loss) {
    rows.push([`macro F1 lost, by ${loss.by}`, decimal(loss.f1Macro)]);
    const [worst] = loss.classes;
    if (worst)
      rows.push(["worst class", `${worst.category}, ${decimal(worst.loss)} of ${counted(worst.support, "cell")}`]);
  }
  return [`against ${exact}: ${counted(neighbors.cells, "cell")}`, table(rows)].join("\n");
}
