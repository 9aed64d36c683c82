/**
 * Queries that find their neighbours block by block, so that a page stays awake and can stop it. Not here: what they are compared with.
 */

import { wrongParameter } from "../errors.js";
import { type Glue, turn } from "./module.js";

/** Bytes that a call takes unless it is told otherwise: 2 GiB, half of what WebAssembly can address. */
export const MEMORY = 2 * 2 ** 30;

/** A matrix of cells × columns, row-major. */
export interface MatrixInMemory {
  /** rows × columns values. */
  x: Float32Array;
  /** Rows and columns. */
  shape: readonly [rows: number, columns: number];
}

/** How far a call is. */
export interface WasmProgress {
  /** `fetch` counts bytes, `route`, `select`, `join` and `transfer` count query cells. */
  stage: "open" | "route" | "fetch" | "select" | "join" | "transfer";
  /** Done so far. */
  done: number;
  /** Of so many. */
  total: number;
}

/** What every call may be told. */
export interface WasmCallOptions {
  /** Stops the call within a block of cells or a request; it rejects with `GM_CANCELLED`, whose name is `AbortError`. */
  signal?: AbortSignal | undefined;
  /** Is told how far the call is. */
  onProgress?: ((progress: WasmProgress) => void) | undefined;
  /** Bytes that cells, lists and results may take. Default 2 GiB; more than 4 GiB cannot be had. */
  memory?: number | undefined;
}

/** The k nearest reference cells of each query cell, ascending by distance, equal ones by number. */
export interface NeighborsInMemory {
  /** rows × k numbers of reference cells; −1 where there is none. */
  indices: Float64Array;
  /** rows × k distances; NaN where there is none. */
  distances: Float32Array;
  /** Neighbours of each cell. */
  k: number;
  /** For each query cell 0 (it has neighbours), 1 (there were none), 2 (a coordinate is no number) or 3 (zero throughout, by cosine). */
  statuses: Uint8Array;
}

/** Checks that a matrix has the values of its shape, and returns its columns. */
export function columns(name: string, { x, shape }: MatrixInMemory): number {
  const [rows, dim] = shape;
  if (!(x instanceof Float32Array)) throw wrongParameter(`${name}.x`, typeof x, "a Float32Array");
  if (x.length !== rows * dim) {
    throw wrongParameter(`${name}.shape`, `${rows} × ${dim}`, `x has ${x.length} values`);
  }
  return dim;
}

/** Checks a count that crosses as a number of 32 bits. */
export function count(name: string, value: number): number {
  if (!Number.isInteger(value) || value < 1 || value > 0x7fff_ffff) {
    throw wrongParameter(name, value, "a whole number, at least 1");
  }
  return value;
}

/** Does `rows` rows in blocks, taking turns with whatever else there is to do. */
export async function inBlocks(
  stage: WasmProgress["stage"],
  { rows, each }: { rows: number; each: number },
  { signal, onProgress }: WasmCallOptions,
  block: (first: number, rows: number) => void | Promise<void>,
): Promise<void> {
  for (let first = 0; first < rows; first += each) {
    await turn(signal, stage);
    await block(first, Math.min(each, rows - first));
    onProgress?.({ stage, done: Math.min(first + each, rows), total: rows });
  }
}

/** What a run has found. */
export function found(run: InstanceType<Glue["QueryRun"]>, k: number): NeighborsInMemory {
  return { indices: run.indices(), distances: run.distances(), k, statuses: run.statuses() };
}
