/** `gigamapper inspect PATH`: what a store holds. */

import type { Command } from "commander";
import type { Inspection } from "../generated.js";
import { inspect } from "../inspect.js";
import { count, counted } from "../sentence.js";
import { addManner, setAction } from "./command.js";
import { table } from "./table.js";
import type { Manner } from "./terminal.js";

/** Adds the command. */
export function registerInspect(program: Command): void {
  const command = program
    .command("inspect")
    .description("what an AnnData store holds, and how it is chunked")
    .argument("<path>", "the store, or many as one: a.zarr,b.zarr or a pattern")
    .option("--where <condition>", "only cells for which it holds: 'tissue == \"lung\" and n_genes > 500'")
    .addHelpText(
      "after",
      "\nNames of obs columns are what --obs-keys takes, those of obsm what --use-rep and --obsm-keys take. An array that reads\n" +
        "much more than once (reads 8.0×) is worth a copy by gigamapper rechunk.\n" +
        "\nExamples:\n" +
        "  gigamapper inspect atlas.h5ad\n" +
        "  gigamapper inspect part_0.zarr,part_1.zarr\n" +
        '  gigamapper inspect atlas.zarr --where \'cell_type in ["B", "NK"] and not (donor is missing)\'\n' +
        "  gigamapper inspect mapped.zarr --json",
    );
  addManner(command);
  setAction<Manner & { where?: string }>(command, async ({ terminal, signal }, { where }, [path = ""]) => {
    const found = await inspect(path, { where, signal });
    terminal.data(found, () => render(path, found));
  });
}

function render(path: string, found: Inspection): string {
  const sections = [
    `${path}: ${counted(found.nObs, "cell")}, ${counted(found.nVars, "gene")} (AnnData ${found.encodingVersion}, ${found.format}${found.zarrFormat === null ? "" : ` v${found.zarrFormat}`})`,
  ];
  const section = (title: string, rows: string[][]): void => {
    if (rows.length > 0) sections.push(title, table(rows));
  };
  section(
    "stores",
    found.stores.map(({ path: store, nObs }) => [store, counted(nObs, "cell")]),
  );
  section(
    "obs",
    Object.entries(found.obs).map(([name, column]) => [
      name,
      column.kind,
      column.dtype,
      column.categories ? `${count(column.categories.length)} categories${column.ordered ? ", ordered" : ""}` : "",
      column.missing ? `${count(column.missing)} missing` : "",
    ]),
  );
  section(
    "obsm",
    Object.entries(found.obsm).map(([name, { kind, shape, dtype }]) => [name, kind, dimensions(shape), dtype ?? ""]),
  );
  section(
    "layers",
    Object.entries(found.layers).map(([name, { kind, shape, dtype, nnz }]) => [
      name,
      kind,
      dimensions(shape),
      dtype ?? "",
      nnz === null ? "" : `${count(nnz)} stored values`,
    ]),
  );
  section(
    "arrays",
    Object.entries(found.arrays).map(([name, { chunks, shards, codec, readAmplification }]) => [
      name,
      chunks.length > 0 ? `chunks ${dimensions(chunks)}` : "scalar",
      shards?.length ? `shards ${dimensions(shards)}` : "",
      codec,
      `reads ${readAmplification.toFixed(1)}×`,
    ]),
  );
  section(
    "skipped",
    found.skipped.map(({ path: skipped, reason }) => [skipped, reason]),
  );
  return sections.join("\n");
}

function dimensions(shape: readonly number[]): string {
  return shape.map(count).join(" × ");
}
