/** `gigamapper demo`: maps 200 blood cells onto 500 that ship with the package, and says how well it went. */

import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { columnOf } from "../mapped.js";
import { count, seconds } from "../sentence.js";
import { addManner, setAction } from "./command.js";
import { mapWithDisplay, tellReport } from "./map.js";
import type { Manner } from "./terminal.js";

const FIXTURE = new URL("../../test/fixtures/pbmc/", import.meta.url);
const TRUTH = "bulk_labels";

/** Adds the command. */
export function registerDemo(program: Command): void {
  const command = program
    .command("demo")
    .description("map 200 blood cells onto 500 that ship with the package")
    .option(
      "--output <path>",
      "where the mapped AnnData goes; an earlier demo there is replaced",
      "gigamapper-demo.zarr",
    )
    .addHelpText("after", "\nExamples:\n  gigamapper demo\n  gigamapper demo --output /tmp/demo.zarr --json");
  addManner(command);
  setAction<Manner & { output: string }>(command, async ({ terminal, signal }, { output }) => {
    const query = shorter(new URL("query.zarr", FIXTURE));
    const reference = shorter(new URL("reference.zarr", FIXTURE));
    terminal.say(`mapping ${query} onto ${reference}`);
    const report = await mapWithDisplay(terminal, {
      query,
      reference,
      output,
      obsKeys: [TRUTH, "louvain", "n_genes"],
      obsmKeys: ["X_umap"],
      overwrite: true,
      signal,
    });
    tellReport(terminal, report);

    const predicted = await labels(output, `${TRUTH}_pred`);
    const truth = await labels(query, TRUTH);
    const correct = truth.filter((label, cell) => label !== null && label === predicted[cell]).length;
    const share = correct / truth.length;
    terminal.result(
      `${(100 * share).toFixed(1)} % of the ${count(truth.length)} predicted labels are correct (${count(correct)} cells)`,
    );
    terminal.result(`mapped in ${seconds(report.seconds)}`);
    terminal.result();
    terminal.result("Open it in Python:");
    for (const line of python(output)) terminal.result(`    ${line}`);
    if (terminal.json) terminal.data({ ...report, correct, correctShare: share }, String);
  });
}

async function labels(store: string, column: string): Promise<(string | null)[]> {
  const read = await columnOf(store, column);
  return read.kind === "categorical" ? Array.from(read.codes, (code) => read.categories[code] ?? null) : [];
}

function python(output: string): string[] {
  return [
    "import anndata, scanpy",
    `cells = anndata.read_zarr(${JSON.stringify(output)})`,
    'scanpy.pl.embedding(cells, "X_umap_pred", color=["bulk_labels_pred", "bulk_labels_conf"])',
  ];
}

function shorter(url: URL): string {
  const path = fileURLToPath(url);
  const near = relative(process.cwd(), path);
  return near.length < path.length ? near : path;
}
