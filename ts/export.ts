/**
 * Results as files that others read: a table as CSV or Parquet, or a copy of the query with the predictions in it.
 *
 * A file appears whole: it is written in a folder of this call alone, beside where it goes, and renamed when it is done. Blocks of rows are
 * read, written and forgotten, so no length of a store matters. Not here: what a table of one format is (`csv.ts`, `parquet.ts`) and the copy (`join.ts`).
 */

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve, sep } from "node:path";
import { cancelled, fromSystem, GigamapperError, wrongParameter } from "./errors.js";
import { type MappedColumn, MappedStore } from "./mapped.js";
import type { CallOptions } from "./request.js";

/** Formats of {@link exportResults}. */
export type ExportFormat = "csv" | "parquet" | "zarr";

/** Options of {@link exportResults}. */
export interface ExportOptions extends CallOptions {
  /** Where the file, or the copy, goes. */
  output: string;
  /** Default: what the ending of `output` says. */
  format?: ExportFormat | undefined;
  /** Columns of `obs` to write; of `zarr` also embeddings, as `obsm/<key>`. What is not named is left out. Default all. */
  columns?: readonly string[] | undefined;
  /** Of `zarr`: the query that was mapped, which is copied. It is never written to. A condition may stand behind it, as in `inspect`. */
  query?: string | undefined;
  /** Of `zarr`: only the query cells for which a condition on columns of `obs` holds: those that were mapped. Default all. */
  where?: string | undefined;
  /** Replace a file that is there. A store is never replaced. Default false. */
  overwrite?: boolean | undefined;
}

/** What {@link exportResults} did. */
export interface ExportReport {
  /** Where it is. */
  output: string;
  /** What it is. */
  format: ExportFormat;
  /** Cells written. */
  rows: number;
  /** Columns written, the names of the cells left out; of `zarr` also the embeddings, as `obsm/<key>`. */
  columns: string[];
  /** Bytes of the file; null for a copy. */
  bytes: number | null;
  /** Seconds that it took. */
  seconds: number;
  /** What the user should know: what of chosen cells was left out. */
  warnings: string[];
}

/** A table that is being written, block by block. */
export interface TableWriter {
  write(columns: Map<string, MappedColumn>): Promise<void>;
  /** Writes what ends the file, and waits until it is on disk. */
  finish(): Promise<void>;
  /** Lets go of the file, finished or not. Calling it again is harmless. */
  close(): Promise<void>;
}

/** Rows of a block: few enough that JavaScript does other things between them. */
const BLOCK_ROWS: Record<"csv" | "parquet", number> = { csv: 4096, parquet: 65_536 };

/**
 * Writes what the store at `path` holds of each cell to a file, or into a copy of the query.
 *
 * `csv`: a header, then a line for each cell, its name first; missing labels and NaN are empty, numbers as short as they can be and
 * still the same. `parquet`: the same columns with their types, labels as strings; a block of rows takes
 * JavaScript some tenths of a second, so an application exports in a worker. `zarr`: a copy of the query (a zarr v3 of one part)
 * whose `obs` and `obsm` have the predictions beside the query's own, as arrays of the same bytes as in the store, and whose `uns/gigamapper`
 * is the record of this mapping. A query with the results of an earlier mapping takes columns and embeddings under names of their own. Of chosen cells,
 * by `where` or a condition between brackets behind `query`, in any format, names, columns and embeddings are copied (embeddings as f32), and no expression.
 *
 * Rejects when there is no store, query or column (`GM_NOT_FOUND`), when the output exists (`GM_EXISTS`), when the query has other cells
 * (`GM_SHAPE`), when columns of both have the same name (`GM_EXISTS`), when the output would lie inside of what is read (`GM_PARAM`), when the system
 * refuses it (`GM_IO`), and when cancelled (`GM_CANCELLED`); then nothing is left. A process that
 * is killed leaves a folder `<output>.part-…`, which no other export reads or removes.
 *
 * @example
 * await exportResults("mapped.zarr", { output: "mapped.csv", columns: ["bulk_labels_pred", "bulk_labels_conf"] });
 * await exportResults("mapped.zarr", { output: "annotated.zarr", query: "query.zarr" });
 * await exportResults("mapped.zarr", { output: "label.zarr", query: "query.zarr", columns: ["bulk_labels_pred", "obsm/knn_indices"] });
 */
export async function exportResults(path: string, options: ExportOptions): Promise<ExportReport> {
  try {
    return await exported(path, options);
  } catch (error) {
    throw fromSystem(error);
  }
}

async function exported(path: string, options: ExportOptions): Promise<ExportReport> {
  const began = performance.now();
  const { output, query, where, columns, overwrite = false, signal } = options;
  const format = formatOf(options);
  const file = format !== "zarr";
  await refuseThere(output, file, overwrite);
  await refuseWithin(output, [path, ...(query ?? "").split(",").filter((store) => store !== "")]);
  await using mapped = new MappedStore(path);
  await mapped.length();
  const alive = (): void => {
    if (signal?.aborted) throw cancelled("export", signal.reason);
  };
  alive();
  await mkdir(dirname(resolve(output)), { recursive: true });
  // Made by this call and by no other, so that all of it may be removed, and nothing that a user or a killed export has left gets into it.
  const folder = await mkdtemp(`${resolve(output)}.part-${process.pid}-`);
  const part = join(folder, "part");
  try {
    const chosen =
      query !== undefined && choosesCells(query, where)
        ? await (await import("./chosen-copy.js")).copyChosen(query, where, folder, signal)
        : undefined;
    const written =
      format === "zarr"
        ? await (await import("./join.js")).joinCopy({ mapped, query, chosen, columns, part, alive })
        : await table(mapped, format, [...(columns ?? (await mapped.columns()))], part, alive);
    alive();
    await refuseThere(output, file, overwrite);
    await rename(part, output);
    const rows = await mapped.length();
    const bytes = file ? (await stat(output)).size : null;
    const seconds = (performance.now() - began) / 1000;
    return { output, format, rows, columns: written, bytes, seconds, warnings: chosen?.warnings ?? [] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Something may come to be there while the export is written, so this is asked again before it is renamed. */
async function refuseThere(output: string, file: boolean, overwrite: boolean): Promise<void> {
  if (!existsSync(output) || (overwrite && file && (await stat(output)).isFile())) return;
  const reason = file ? "is already there; overwrite replaces a file" : "is already there, and a store is not replaced";
  throw new GigamapperError("GM_EXISTS", `${output} ${reason}`, { path: output, reason });
}

/** Nothing is ever written into what is read. */
async function refuseWithin(output: string, read: string[]): Promise<void> {
  const target = await resolved(output);
  for (const store of read) {
    // The brackets of a condition are no part of a path.
    const place = existsSync(store) ? store : store.replace(/\[.*$/s, "");
    if (`${target}${sep}`.startsWith(`${await resolved(place)}${sep}`)) {
      throw wrongParameter("output", output, `lies inside ${place}, which is read: nothing is ever written there`);
    }
  }
}

/** A path as the system sees it; of what does not exist yet, as far as it does. */
async function resolved(path: string): Promise<string> {
  const whole = resolve(path);
  if (existsSync(whole) || dirname(whole) === whole) return await realpath(whole);
  return join(await resolved(dirname(whole)), basename(whole));
}

/** Whether only some cells of a query are meant. A path that exists is itself, whatever is in its name. */
function choosesCells(query: string, where: string | undefined): boolean {
  return where !== undefined || (query.endsWith("]") && !existsSync(query));
}

function formatOf({ output, format, query, where }: ExportOptions): ExportFormat {
  const known: readonly string[] = ["csv", "parquet", "zarr"];
  if (typeof output !== "string" || output === "") throw wrongParameter("output", output ?? "", "must be given");
  const named = format ?? extname(output).slice(1);
  if (!known.includes(named)) throw wrongParameter("format", named, `must be one of ${known.join(", ")}`);
  if (named === "zarr" && !query) throw wrongParameter("query", "", "must be given: it is what is copied");
  if (named !== "zarr" && query) throw wrongParameter("query", query, "is for format zarr");
  if (named !== "zarr" && where !== undefined) throw wrongParameter("where", where, "is for format zarr");
  return named as ExportFormat;
}

async function table(
  mapped: MappedStore,
  format: "csv" | "parquet",
  columns: string[],
  part: string,
  alive: () => void,
): Promise<string[]> {
  const rows = await mapped.length();
  const block = async (first: number): Promise<Map<string, MappedColumn>> => {
    const range: [number, number] = [first, Math.min(first + BLOCK_ROWS[format], rows)];
    const read = ["", ...columns].map(
      async (name) => [name || "cell", await mapped.obs(name, { rows: range })] as const,
    );
    return new Map(await Promise.all(read));
  };
  const head = await block(0);
  // Each is loaded when it is asked for: importing the library costs nothing.
  const begin = format === "csv" ? (await import("./csv.js")).csvTable : (await import("./parquet.js")).parquetTable;
  const writer = await begin(part, head);
  try {
    await writer.write(head);
    for (let first = BLOCK_ROWS[format]; first < rows; first += BLOCK_ROWS[format]) {
      alive();
      await writer.write(await block(first));
    }
    await writer.finish();
  } finally {
    await writer.close();
  }
  return columns;
}
