import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  CellMapper,
  type Cells,
  type CellsInMemory,
  inspect,
  isGigamapperError,
  Kernel,
  map,
  type NeighborBlock,
  Neighbors,
} from "gigamapper";
import { describe, expect, it } from "vitest";
import { writeBlobs } from "./anndata.js";
import { digests, root, temporary } from "./folder.js";

/** Cells around a centre for each label, the same centres for every seed. */
function cells(rows: number, seed: number): CellsInMemory & { x: Float32Array; names: string[] } {
  const x = new Float32Array(rows * 4);
  for (let at = 0; at < x.length; at += 1) {
    const label = Math.floor(at / 4) % 3;
    x[at] = 10 * label + Math.sin(at * 7.3 + seed);
  }
  const labels = Array.from({ length: rows }, (_, row) => ["B", "NK", "T"][row % 3] ?? "");
  return {
    x,
    shape: [rows, 4],
    names: labels.map((label, row) => `${label}${row}`),
    obs: {
      label: labels,
      score: Float64Array.from(labels, (_, row) => row),
      kept: labels.map((label) => label === "B"),
    },
    obsm: { X_two: { x: x.filter((_, at) => at % 4 < 2), shape: [rows, 2] } },
  };
}

async function graph(path: string): Promise<NeighborBlock[]> {
  await using neighbors = await Neighbors.open(path);
  const blocks: NeighborBlock[] = [];
  for await (const block of neighbors.blocks()) blocks.push(block);
  return blocks;
}

describe("cells in memory", () => {
  it("are mapped onto a store, and a store onto them", async () => {
    const folder = temporary();
    const store = join(folder, "blobs.zarr");
    writeBlobs(store, { rows: 300, dim: 4, seed: 1 });
    const given = cells(60, 2);
    for (const [query, reference, rows] of [
      [given, store, 60],
      [store, given, 300],
    ] as [Cells, Cells, number][]) {
      const output = join(folder, `mapped-${rows}.zarr`);
      await using mapper = new CellMapper(query, reference, { memory: "512MiB", threads: 2 });
      const options = { obsKeys: ["label", "score"], nNeighbors: 5 };
      const plan = await mapper.plan(options);
      expect(plan.memory.parts["cells in memory"]).toBeGreaterThanOrEqual(60 * 4 * 4);
      const report = await mapper.map({ ...options, output });
      expect(report.plan.run).toBe(plan.run);
      const mapped = await inspect(output);
      expect([mapped.nObs, mapped.obs["label_pred"]?.missing]).toEqual([rows, 0]);
    }
  });

  it("get the labels, names and embeddings of the cells that they are", async () => {
    const output = join(temporary(), "mapped.zarr");
    const [query, reference] = [cells(30, 5), cells(90, 6)];
    await map({
      query,
      reference,
      output,
      obsKeys: ["label", "kept"],
      obsmKeys: ["X_two"],
      nNeighbors: 3,
      memory: "512MiB",
    });
    const mapped = await inspect(output);
    expect(mapped.obsNamesFirst).toEqual(query.names.slice(0, 3));
    expect(mapped.obs["label_pred"]?.categories).toEqual(["B", "NK", "T"]);
    expect(mapped.obs["kept_pred"]?.kind).toBe("categorical");
    expect(mapped.obsm["X_two_pred"]?.shape).toEqual([30, 2]);
    const [block] = await graph(output);
    const labels = [...(block?.indices ?? [])].map((id) => Number(id) % 3);
    expect(labels).toEqual(Array.from({ length: 90 }, (_, at) => Math.floor(at / 3) % 3));
  });

  it("give the same bytes as often as they are given, whatever happens to the arrays meanwhile", async () => {
    const folder = temporary();
    const outputs = ["a.zarr", "b.zarr"].map((name) => join(folder, name));
    for (const output of outputs) {
      const given = cells(90, 6);
      await using kernel = new Kernel(given, cells(30, 5), { memory: "512MiB" });
      // Whoever is told of progress is told after the copy was made.
      const onProgress = (): void => void (output.endsWith("b.zarr") && given.x.fill(0));
      await kernel.computeNeighbors({ nNeighbors: 4, output, onProgress });
      expect(given.x.every((value) => value === 0)).toBe(output.endsWith("b.zarr"));
    }
    const [left, right] = outputs.map(digests);
    expect(left).toEqual(right);
  });

  it("have the neighbours that the same cells have in a file", async () => {
    const folder = temporary();
    const [x, y] = [cells(90, 6), cells(30, 5)];
    const files = ["x", "y"].map((name) => join(folder, `${name}.fbin`));
    [x, y].forEach(({ x: values, shape }, at) => {
      writeFileSync(
        files[at] ?? "",
        Buffer.concat([Uint32Array.from(shape), values].map((part) => Buffer.from(part.buffer))),
      );
    });
    const found: NeighborBlock[][] = [];
    for (const [xrep, yrep] of [[x, y], files] as [Cells, Cells][]) {
      const output = join(folder, `graph-${found.length}.zarr`);
      await using kernel = new Kernel(xrep, yrep, { memory: "512MiB" });
      await kernel.computeNeighbors({ nNeighbors: 4, output });
      found.push(await graph(output));
    }
    expect(found[0]?.[0]?.indices).toHaveLength(120);
    expect(found[0]).toEqual(found[1]);
  });

  it("are let go of when a call ends, however it ends", async () => {
    await inspect(cells(5, 1));
    await expect(new CellMapper(cells(5, 1), "nowhere.zarr").plan()).rejects.toMatchObject({ code: "GM_NOT_FOUND" });
    const signal = AbortSignal.abort();
    await expect(inspect(cells(5, 1), { signal })).rejects.toMatchObject({ code: "GM_CANCELLED" });
    for (let number = 0; number < 100; number += 1) {
      await expect(inspect(`memory:${number}`)).rejects.toMatchObject({ code: "GM_NOT_FOUND" });
    }
  });

  it("are mapped onto themselves where they are both", async () => {
    const output = join(temporary(), "graph.zarr");
    const given = cells(40, 1);
    await using kernel = new Kernel(given, given, { memory: "512MiB" });
    const { plan } = await kernel.computeNeighbors({ nNeighbors: 4, output });
    expect([plan.mode, plan.k, plan.query.path]).toEqual(["self", 3, "query in memory"]);
  });

  it("may be the bytes of a table", async () => {
    const file = join(root, "test/fixtures/columnar/plain.arrow");
    const bytes = new Uint8Array(readFileSync(file));
    const [given, stored] = [await inspect(bytes), await inspect(file)];
    expect(given).toEqual(stored);
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    expect(await inspect(shared)).toEqual(given);
  });

  it("may be numbers of any type", async () => {
    const types = [
      Int8Array,
      Uint8Array,
      Uint8ClampedArray,
      Int16Array,
      Uint16Array,
      Int32Array,
      Uint32Array,
      Float32Array,
    ];
    for (const type of [...types, Float64Array]) {
      const { layers } = await inspect({ x: type.from([1, 2, 3, 4, 5, 6]), shape: [3, 2] });
      expect(layers["X"]?.dtype).toBe(type.name.replace(/Clamped|Array/g, "").toLowerCase());
    }
    const { layers } = await inspect({ x: BigInt64Array.from([1n, 2n]).subarray(1), shape: [1, 1] });
    expect(layers["X"]).toMatchObject({ dtype: "int64", shape: [1, 1] });
  });

  it("are refused by the field that is wrong", async () => {
    const good = cells(3, 1);
    const wrong: [string, string, unknown][] = [
      ["GM_SHAPE", "x", { ...good, x: good.x.subarray(1) }],
      ["GM_PARAM", "x", { ...good, x: [1, 2, 3] }],
      ["GM_PARAM", "x", { ...good, x: undefined }],
      ["GM_PARAM", "shape", { ...good, shape: undefined }],
      ["GM_PARAM", "shape", { ...good, shape: [3, 4, 1] }],
      ["GM_SHAPE", "names", { ...good, names: ["a"] }],
      ["GM_PARAM", "uns", { ...good, uns: {} }],
      ["GM_SHAPE", "obs.label", { ...good, obs: { label: ["a"] } }],
      ["GM_PARAM", "cells", { ...good, obs: { label: [{}, {}, {}] } }],
      [
        "GM_SCHEMA",
        "obs.label.codes",
        { ...good, obs: { label: { codes: Int8Array.of(0, 1, 2), categories: ["a", "b"] } } },
      ],
      ["GM_PARAM", "obs.label.codes", { ...good, obs: { label: { codes: [0, 1, 2], categories: ["a"] } } }],
      ["GM_PARAM", "obsm.U.x", { ...good, obsm: { U: { x: "abc", shape: [3, 1] } } }],
    ];
    for (const [code, field, given] of wrong) {
      const error: unknown = await inspect(given as Cells).catch((reason: unknown) => reason);
      if (!isGigamapperError(error)) throw error;
      const named =
        "name" in error.details ? error.details.name : "field" in error.details ? error.details.field : error.message;
      expect([error.code, named], field).toEqual([code, expect.stringContaining(field)]);
    }
  });

  it("count as memory: what does not fit is refused", async () => {
    const rows = 1 << 20;
    const large = { x: new Float32Array(rows * 64), shape: [rows, 64] as const };
    await using mapper = new CellMapper(cells(10, 1), large, { memory: "256MiB" });
    const error: unknown = await mapper.plan({ nNeighbors: 3 }).catch((reason: unknown) => reason);
    if (!isGigamapperError(error, "GM_SHAPE")) throw error;
    await using wide = new CellMapper({ x: large.x.subarray(0, 640), shape: [10, 64] }, large, { memory: "256MiB" });
    const refused: unknown = await wide.plan({ nNeighbors: 3 }).catch((reason: unknown) => reason);
    if (!isGigamapperError(refused, "GM_BUDGET")) throw refused;
    expect(refused.details.needed).toBeGreaterThan(rows * 64 * 4);
  });
});
