/**
 * Cells in memory, where a path could stand: what they may be, and how they are described to the core, which checks them. Only
 * what is no array at all is refused here. Not here: copying them and letting go of the copy (`held.ts`).
 */

import { wrongParameter } from "./errors.js";
import type { CellsDescription, GivenColumn, GivenMatrix, GivenNumbers } from "./generated.js";

/** Numbers of one type. */
export type Numbers =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

/** A matrix of cells × columns, row-major. */
export interface CellMatrix {
  /** rows × columns values. */
  x: Numbers;
  /** Rows and columns. */
  shape: readonly [rows: number, columns: number];
}

/** Labels by number, as pandas keeps them. */
export interface Categorical {
  /** A category for each cell, counted from 0, or −1 where it has none. */
  codes: Exclude<Numbers, Float32Array | Float64Array>;
  /** What the codes stand for, each once. */
  categories: readonly string[];
  /** Whether their order means something. Default false. */
  ordered?: boolean | undefined;
}

/**
 * A column, with a value for each cell. Strings are labels, and null where a cell has none; their categories are the
 * different ones, sorted. Numbers that are NaN are missing.
 */
export type CellColumn = readonly (string | null)[] | readonly boolean[] | readonly number[] | Numbers | Categorical;

/**
 * n cells in memory. `x` (n × d) is their representation, whatever `useRep` says, unless `obsm` has that key.
 *
 * @example
 * const query = { x: new Float32Array(1000 * 50), shape: [1000, 50] as const };
 * await using mapper = new CellMapper(query, "atlas.zarr");
 * console.log((await mapper.plan()).query.nObs);
 */
export interface CellsInMemory extends CellMatrix {
  /** n names. Default: the numbers of the cells, from 0. */
  names?: readonly string[] | undefined;
  /** Columns by name, such as labels to transfer. */
  obs?: { readonly [column: string]: CellColumn } | undefined;
  /** Further embeddings by key, each of n rows. */
  obsm?: { readonly [key: string]: CellMatrix } | undefined;
}

/**
 * Cells: the path of a store, or many that are read as one; cells in memory; or the bytes of an Arrow IPC file or stream or
 * of a Parquet file (of an apache-arrow table: `tableToIPC(table)`), whose lists of fixed size are embeddings and whose other
 * columns are those of `obs`.
 */
export type Cells = string | CellsInMemory | Uint8Array;

/** Cells as the core reads them: a description, and the arrays that it counts. */
export interface Described {
  description: CellsDescription;
  arrays: Uint8Array[];
}

/** Describes cells, which errors and reports call `name`. */
export function described(name: string, cells: CellsInMemory | Uint8Array): Described {
  const arrays: Uint8Array[] = [];
  if (cells instanceof Uint8Array)
    return { description: { name, table: 0, obs: {}, obsm: {} }, arrays: [bytes(cells)] };
  const { x, shape, names, obs = {}, obsm = {}, ...rest } = cells;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw wrongParameter(unknown, "", "cells have x, shape, names, obs and obsm");
  const description: CellsDescription = {
    name,
    matrix: matrix("", { x, shape }, arrays),
    obs: each(obs, (key, column) => columnOf(`obs.${key}`, column, arrays)),
    obsm: each(obsm, (key, embedding) => matrix(`obsm.${key}.`, embedding, arrays)),
  };
  if (names) description.names = [...names];
  return { description, arrays };
}

function each<From, To>(
  fields: { readonly [key: string]: From },
  make: (key: string, field: From) => To,
): { [key: string]: To } {
  return Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, make(key, field)]));
}

function matrix(before: string, { x, shape }: CellMatrix, arrays: Uint8Array[]): GivenMatrix {
  return { x: numbers(`${before}x`, x, arrays), shape: Array.isArray(shape) ? [...shape] : [] };
}

function columnOf(field: string, column: CellColumn, arrays: Uint8Array[]): GivenColumn {
  if (ArrayBuffer.isView(column)) return { values: numbers(field, column, arrays), ordered: false };
  if ("codes" in column) {
    const { codes, categories, ordered = false } = column;
    return { codes: numbers(`${field}.codes`, codes, arrays), categories: [...categories], ordered };
  }
  const present = column.find((value) => value !== null);
  if (typeof present === "boolean") {
    const flags = Uint8Array.from(column as readonly boolean[], Number);
    return { values: { array: arrays.push(flags) - 1, dtype: "bool" }, ordered: false };
  }
  if (typeof present === "number") {
    return { values: numbers(field, Float64Array.from(column as readonly number[]), arrays), ordered: false };
  }
  return { labels: [...(column as readonly (string | null)[])], ordered: false };
}

/** What the core calls the elements of a typed array; the name of its class says it. */
function numbers(field: string, values: Numbers, arrays: Uint8Array[]): GivenNumbers {
  const name = ArrayBuffer.isView(values) ? values.constructor.name : "";
  if (!/^(Big)?(Int|Uint|Float)\d+(Clamped)?Array$/.test(name))
    throw wrongParameter(field, Object.prototype.toString.call(values), "a typed array of numbers");
  const dtype = name.replace(/Clamped|Big|Array/g, "").toLowerCase();
  return { array: arrays.push(bytes(values)) - 1, dtype };
}

/** The bytes of an array. Those that another thread may write meanwhile are copied first: native code never reads such memory. */
function bytes(values: Numbers): Uint8Array {
  const view = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return values.buffer instanceof ArrayBuffer ? view : view.slice();
}
