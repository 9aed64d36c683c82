/**
 * Results as files that others read: a table as CSV or Parquet, or a copy of the query with the predictions in it.
 *
 * A file appears whole: it is written under another name and renamed when it is done. Blocks of rows are read, written and forgotten,
 * so no length of a store matters. Not here: what a table of one format is (`csv.ts`, `parquet.ts`) and the copy (`join.ts`).
 */

import { existsSync } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { extname } from "node:path";
import { cancelled, GigamapperError, wrongParameter } from "./errors.js";
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
  /** Columns of `obs` to write. Default all. */
  columns?: readonly string[] | undefined;
  /** Of `zarr`: the query that was mapped, which is copied. It is never written to. */
  query?: string | undefined;
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
 * whose `obs` and `obsm` have the predictions beside the query's own, as arrays of the same bytes as in the store.
 *
 * Rejects when there is no store, query or column (`GM_NOT_FOUND`), when the output exists (`GM_EXISTS`), when the query has other cells
 * (`GM_SHAPE`), when columns of both have the same name (`GM_EXISTS`), and when cancelled (`GM_CANCELLED`); then nothing is left.
 *
 * @example
 * await exportResults("mapped.zarr", { output: "mapped.csv", columns: ["bulk_labels_pred", "bulk_labels_conf"] });
 * await exportResults("mapped.zarr", { output: "annotated.zarr", query: "query.zarr" });
 */
export async function exportResults(path: string, options: ExportOptions): Promise<ExportReport> {
  const began = performance.now();
  const { output, overwrite = false, signal } = options;
  const format = formatOf(options);
  const file = format !== "zarr";
  if (existsSync(output) && !(overwrite && file && (await stat(output)).isFile())) {
    const reason = file
      ? "is already there; overwrite replaces a file"
      : "is already there, and a store is not replaced";
    throw new GigamapperError("GM_EXISTS", `${output} ${reason}`, { path: output, reason });
  }
  await using mapped = new MappedStore(path);
  const columns = [...(options.columns ?? (await mapped.columns()))];
  const part = `${output}.part`;
  const alive = (): void => {
    if (signal?.aborted) throw cancelled("export", signal.reason);
  };
  alive();
  try {
    const written =
      format === "zarr"
        ? await (await import("./join.js")).joinCopy({ mapped, query: options.query, columns, part, alive })
        : await table(mapped, format, columns, part, alive);
    alive();
    await rename(part, output);
    const rows = await mapped.length();
    const bytes = file ? (await stat(output)).size : null;
    return { output, format, rows, columns: written, bytes, seconds: (performance.now() - began) / 1000 };
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

function formatOf({ output, format, query }: ExportOptions): ExportFormat {
  const known: readonly string[] = ["csv", "parquet", "zarr"];
  if (typeof output !== "string" || output === "") throw wrongParameter("output", output ?? "", "must be given");
  const named = format ?? extname(output).slice(1);
  if (!known.includes(named)) throw wrongParameter("format", named, `must be one of ${known.join(", ")}`);
  if (named === "zarr" && !query) throw wrongParameter("query", "", "must be given: it is what is copied");
  if (named !== "zarr" && query) throw wrongParameter("query", query, "is for format zarr");
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
