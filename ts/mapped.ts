/**
 * A finished store, read in JavaScript: its columns and its first cells.
 *
 * For looking at results and handing them on, some millions of cells at a time; what a run computes with is read by the core. A store
 * of many parts is read as the one table that they are together. Not here: neighbours (`neighbors.ts`), files
 * (`export.ts`), the store itself for zarrita (`zarr.ts`).
 */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Slice } from "zarrita";
import { names } from "./category-names.js";
import type { Numbers } from "./cells.js";
import { cancelled, GigamapperError, wrongParameter } from "./errors.js";
import { Lifetime } from "./lifetime.js";
import type { CallOptions } from "./request.js";

/** A column of `obs`, or a part of it, with a value for each cell. */
export type MappedColumn =
  | {
      kind: "categorical";
      /** A category for each cell, counted from 0; −1 where it has none. */
      codes: Int8Array | Int16Array | Int32Array;
      categories: string[];
      ordered: boolean;
    }
  | {
      kind: "numeric";
      /** NaN where a number is missing. Integers of which some may be missing are f64. */
      values: Numbers;
    }
  | {
      kind: "boolean";
      /** Null where a cell has none. */
      values: (boolean | null)[];
    }
  | {
      kind: "string";
      /** Null where a cell has none. */
      values: (string | null)[];
    };

/** One value of a column; null is a missing label, truth or text, NaN a missing number. */
export type MappedValue = string | number | bigint | boolean | null;

/** Options of {@link MappedStore.obs}. */
export interface ColumnOptions extends CallOptions {
  /** The first cell and the one behind the last. Default: all cells. */
  rows?: readonly [first: number, end: number] | undefined;
}

interface Mark {
  version: number;
  status: string;
  n_obs: number;
  part_rows: number;
}

/**
 * The cells of a store that `map`, or another verb that writes cells, has finished.
 *
 * @example
 * const mapped = new MappedStore("mapped.zarr");
 * console.log(await mapped.columns(), await mapped.head());
 * const labels = await mapped.obs("bulk_labels_pred");
 * if (labels.kind === "categorical") console.log(labels.categories[labels.codes[0] ?? -1]);
 */
export class MappedStore {
  /** Path of the store. */
  readonly path: string;
  readonly #life = new Lifetime("mapped store");

  /** @param path the store; each call opens what it reads anew */
  constructor(path: string) {
    this.path = path;
  }

  /**
   * Number of cells. Rejects with `GM_NOT_FOUND` if there is no store, `GM_SCHEMA` if gigamapper did not write it or its run has not
   * finished, and `GM_UNSUPPORTED` if a newer version wrote it.
   */
  async length(): Promise<number> {
    return (await this.#mark()).n_obs;
  }

  /** Names of the columns of `obs`, in their order. Rejects as {@link MappedStore.length}. */
  async columns(): Promise<string[]> {
    const [part] = await this.#parts();
    return (await obsOf(part ?? this.path)).columns;
  }

  /**
   * A column, or some rows of it. The names of the cells are the column `""`.
   *
   * Rejects with `GM_NOT_FOUND` if there is none of that name, `GM_PARAM` if the rows are not in the store, `GM_UNSUPPORTED` if integers of which
   * some may be missing are beyond 2^53, and as {@link MappedStore.length}.
   */
  async obs(key: string, options: ColumnOptions = {}): Promise<MappedColumn> {
    const signals = this.#life.signals(options.signal);
    const { n_obs: all, part_rows: size } = await this.#mark();
    const [first, end] = options.rows ?? [0, all];
    if (![first, end].every(Number.isSafeInteger) || first < 0 || end < first || end > all)
      throw wrongParameter("rows", `${first}, ${end}`, `must be from 0 to ${all}`);
    const parts = await this.#parts();
    const read: MappedColumn[] = [];
    let part = Math.min(Math.floor(first / size), parts.length - 1);
    do {
      const fired = signals.find((signal) => signal.aborted);
      if (fired) throw cancelled("read", fired.reason);
      const start = part * size;
      const rows: [number, number] = [Math.max(first - start, 0), Math.min(end - start, size)];
      read.push(await columnOf(parts[part] ?? this.path, key, rows));
      part += 1;
    } while (part * size < end && part < parts.length);
    return joined(read);
  }

  /** The first `count` cells (default 5) as objects, with their names under `""`: for a look at a result, or for a table of it. */
  async head(count = 5, options: CallOptions = {}): Promise<Record<string, MappedValue>[]> {
    const rows: [number, number] = [0, Math.min(count, await this.length())];
    const names = ["", ...(await this.columns())];
    const columns = await Promise.all(names.map((name) => this.obs(name, { ...options, rows })));
    return Array.from({ length: rows[1] }, (_, row) =>
      Object.fromEntries(names.map((name, at) => [name, valueAt(columns[at] as MappedColumn, row)])),
    );
  }

  /** Ends reading with `GM_CANCELLED`. Calling it again is harmless. */
  async close(): Promise<void> {
    await this.#life.close();
  }

  /** {@link MappedStore.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #mark(): Promise<Mark> {
    this.#life.refuseClosed();
    const attributes = await attributesOf(this.path);
    const mark = attributes["gigamapper"] as Mark | undefined;
    const schema = (field: string, reason: string): GigamapperError =>
      new GigamapperError("GM_SCHEMA", `${this.path}: ${field} ${reason}`, {
        store: this.path,
        array: "",
        field,
        reason,
      });
    if (!mark) throw schema("gigamapper", "is missing: gigamapper did not write this store");
    if (mark.version > 1) {
      const what = `a store of version ${mark.version}`;
      throw new GigamapperError("GM_UNSUPPORTED", `${what} is not supported`, { what });
    }
    if (mark.status !== "complete") throw schema("gigamapper.status", "is not complete: the run has not finished");
    return mark;
  }

  /** The paths of the AnnData that the store is made of. */
  async #parts(): Promise<string[]> {
    const { n_obs: all, part_rows: size } = await this.#mark();
    if (existsSync(join(this.path, "obs"))) return [this.path];
    return Array.from({ length: Math.ceil(all / size) }, (_, part) => join(this.path, `dataset_${part}`));
  }
}

/** Arrays of no values, by what zarr calls those; the others are lists. */
const EMPTY: { readonly [dtype: string]: () => Numbers } = {
  int8: () => new Int8Array(),
  int16: () => new Int16Array(),
  int32: () => new Int32Array(),
  int64: () => new BigInt64Array(),
  uint8: () => new Uint8Array(),
  uint16: () => new Uint16Array(),
  uint32: () => new Uint32Array(),
  uint64: () => new BigUint64Array(),
  float32: () => new Float32Array(),
  float64: () => new Float64Array(),
};

/** One value of a column. */
export function valueAt(column: MappedColumn, row: number): MappedValue {
  if (column.kind === "categorical") return column.categories[column.codes[row] ?? -1] ?? null;
  return column.values[row] ?? null;
}

/** Attributes of a node of zarr v3; `GM_NOT_FOUND` where there is none. */
export async function attributesOf(store: string, node = ""): Promise<Record<string, unknown>> {
  try {
    const document = JSON.parse(await readFile(join(store, node, "zarr.json"), "utf8")) as { attributes?: object };
    return { ...document.attributes };
  } catch (cause) {
    const key = node || store;
    const details = { store, kind: "zarr v3 node", key, available: [] };
    throw new GigamapperError("GM_NOT_FOUND", `${store}: there is no zarr v3 at ${key}`, details, { cause });
  }
}

/** The columns of `obs`, and where the names of the cells are. */
export async function obsOf(store: string): Promise<{ index: string; columns: string[] }> {
  const { _index: index, "column-order": columns } = await attributesOf(store, "obs");
  return { index: String(index ?? "_index"), columns: (columns as string[] | undefined) ?? [] };
}

/** Rows of a column of one AnnData, all where none are named. */
export async function columnOf(store: string, key: string, rows?: readonly [number, number]): Promise<MappedColumn> {
  const { index, columns } = await obsOf(store);
  if (key !== "" && !columns.includes(key)) {
    const details = { store, kind: "obs column", key, available: columns };
    throw new GigamapperError("GM_NOT_FOUND", `${store}: no column ${key} in obs`, details, {
      hint: `there are ${columns.join(", ")}`,
    });
  }
  const path = `obs/${key === "" ? index : key}`;
  const { "encoding-type": encoding, ordered } = await attributesOf(store, path);
  // Loaded when it is needed: importing the library costs nothing.
  const [{ default: FileSystemStore }, zarr] = await Promise.all([import("@zarrita/storage/fs"), import("zarrita")]);
  const open = (array: string) => zarr.open.v3(zarr.root(new FileSystemStore(store)).resolve(array), { kind: "array" });
  const read = async (array: string, selection: Slice | null): Promise<unknown> => {
    const opened = await open(array);
    // zarrita selects no nothing.
    if (opened.shape[0] === 0 || (selection && rows && rows[0] >= rows[1])) return EMPTY[opened.dtype]?.() ?? [];
    return (await zarr.get(opened, [selection])).data;
  };
  const some = rows ? zarr.slice(...rows) : null;
  switch (encoding) {
    case "categorical": {
      const codes = (await read(`${path}/codes`, some)) as Int8Array | Int16Array | Int32Array;
      const { dtype } = await open(`${path}/categories`);
      const categories = names(dtype, (await read(`${path}/categories`, null)) as ArrayLike<unknown>);
      return { kind: "categorical", codes, categories, ordered: ordered === true };
    }
    case "string-array":
      return { kind: "string", values: Array.from((await read(path, some)) as Iterable<string>) };
    case "array": {
      const values = await read(path, some);
      if (ArrayBuffer.isView(values)) return { kind: "numeric", values: values as Float32Array<ArrayBuffer> };
      return { kind: "boolean", values: Array.from(values as Iterable<boolean>) };
    }
    case "nullable-integer":
    case "nullable-boolean":
    case "nullable-string-array": {
      const [values, mask] = await Promise.all([read(`${path}/values`, some), read(`${path}/mask`, some)]);
      return masked(path, encoding, values, Array.from(mask as Iterable<boolean>));
    }
    default: {
      const what = `a column of kind ${String(encoding)} (${path})`;
      throw new GigamapperError("GM_UNSUPPORTED", `${what} is not supported`, { what });
    }
  }
}

/** Values of which a mask says which are missing. */
function masked(path: string, encoding: string, values: unknown, missing: boolean[]): MappedColumn {
  const present = <T>(value: T, row: number): T | null => (missing[row] ? null : value);
  if (encoding === "nullable-string-array")
    return { kind: "string", values: Array.from(values as Iterable<string>, present) };
  if (encoding === "nullable-boolean")
    return { kind: "boolean", values: Array.from(values as Iterable<boolean>, present) };
  // One type whether any is missing or not: rows that are read on their own belong to one column.
  const number = (value: number | bigint, row: number): number => {
    if (missing[row]) return Number.NaN;
    const read = Number(value);
    if (typeof value === "number" || Number.isSafeInteger(read)) return read;
    const what = `an integer beyond 2^53 in a column of which some may be missing (${path})`;
    throw new GigamapperError("GM_UNSUPPORTED", `${what} is not supported`, { what });
  };
  return { kind: "numeric", values: Float64Array.from(Array.from(values as Iterable<number | bigint>, number)) };
}

/** Pieces of a column, one after the other. */
function joined(pieces: MappedColumn[]): MappedColumn {
  const [piece] = pieces;
  if (!piece || pieces.length === 1) return piece as MappedColumn;
  if (piece.kind === "string" || piece.kind === "boolean") {
    return { ...piece, values: pieces.flatMap((part) => (part as { values: unknown[] }).values) } as MappedColumn;
  }
  const arrays = pieces.map((part) =>
    part.kind === "categorical" ? part.codes : (part as { values: Numbers }).values,
  );
  const length = arrays.reduce((sum, array) => sum + array.length, 0);
  const whole = new ((arrays[0] ?? new Float32Array()).constructor as Float32ArrayConstructor)(length);
  let at = 0;
  for (const array of arrays) {
    whole.set(array as Float32Array, at);
    at += array.length;
  }
  return piece.kind === "categorical" ? { ...piece, codes: whole as never } : { kind: "numeric", values: whole };
}
