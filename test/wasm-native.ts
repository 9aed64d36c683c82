/** What WebAssembly is compared with: arrays, neighbours, labels and numbers of native runs, to the bit. */

import { createHash } from "node:crypto";
import FileSystemStore from "@zarrita/storage/fs";
import { MappedStore, Neighbors } from "gigamapper";
import type { MatrixInMemory, SearchResult } from "gigamapper/wasm";
import { expect } from "vitest";
import * as zarr from "zarrita";

export const failing = (code: string, reason = "") =>
  expect.objectContaining({ code, message: expect.stringContaining(reason) });

/** An array of a store, as f32. */
export async function matrix(store: string, path: string): Promise<MatrixInMemory> {
  const { data, shape } = await zarr.get(
    await zarr.open(zarr.root(new FileSystemStore(store)).resolve(path), { kind: "array" }),
  );
  return { x: Float32Array.from(data as ArrayLike<number>), shape: [shape[0] ?? 0, shape[1] ?? 0] };
}

/** The bits of floats, so that equal means equal. */
export const bits = (values: Float32Array | Float64Array): string =>
  createHash("sha256")
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest("hex");

/** The graph of a native run. */
export async function graph(store: string): Promise<{ indices: number[]; distances: Float32Array }> {
  await using neighbors = await Neighbors.open(store);
  const indices: number[] = [];
  const distances: number[] = [];
  for await (const block of neighbors.blocks()) {
    indices.push(...Array.from(block.indices, Number));
    distances.push(...block.distances);
  }
  return { indices, distances: Float32Array.from(distances) };
}

export async function expectSameNeighbors(search: SearchResult, store: string): Promise<void> {
  const native = await graph(store);
  const { indices, distances } = search.neighbors;
  expect(Array.from(indices)).toEqual(native.indices);
  expect(bits(distances)).toBe(bits(native.distances));
}

/** Columns of a native run. */
export async function column(store: string, name: string) {
  await using mapped = new MappedStore(store);
  return await mapped.obs(name);
}

export async function expectSameLabels(
  { codes, confidence, categories }: { codes: Int32Array; confidence: Float32Array; categories: readonly string[] },
  store: string,
  key: string,
): Promise<void> {
  const [labels, shares] = [await column(store, `${key}_pred`), await column(store, `${key}_conf`)];
  if (labels.kind !== "categorical" || shares.kind !== "numeric") throw new Error(`${labels.kind}, ${shares.kind}`);
  const named = (all: readonly string[], some: ArrayLike<number>) => Array.from(some, (code) => all[code] ?? null);
  expect(named(categories, codes)).toEqual(named(labels.categories, labels.codes));
  expect(bits(confidence)).toBe(bits(shares.values as Float32Array));
}

export async function expectSameNumbers(
  { means, deviations }: { means: Float64Array; deviations: Float64Array },
  store: string,
  key: string,
): Promise<void> {
  for (const [values, name] of [
    [means, `${key}_pred`],
    [deviations, `${key}_sd`],
  ] as const) {
    const stored = await column(store, name);
    if (stored.kind !== "numeric") throw new Error(stored.kind);
    expect(bits(values), name).toBe(bits(stored.values as Float64Array));
  }
}
