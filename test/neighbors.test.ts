import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import FileSystemStore from "@zarrita/storage/fs";
import { CellMapper, Kernel, map, type NeighborBlock, Neighbors } from "gigamapper";
import { describe, expect, it } from "vitest";
import * as zarr from "zarrita";
import { array, dataframe, group } from "./anndata.js";
import { query, reference, temporary } from "./folder.js";

const stored = async (store: string, key: string): Promise<ArrayLike<number>> => {
  const location = zarr.root(new FileSystemStore(store)).resolve(`obsm/${key}`);
  const { data } = await zarr.get(await zarr.open.v3(location, { kind: "array" }));
  return data as ArrayLike<number>;
};

const mapped = async (options: object = {}): Promise<string> => {
  const output = join(temporary(), "mapped.zarr");
  await map({ query, reference, output, ...options });
  return output;
};

/** Everything of a graph, and the rows of each block. */
async function all(blocks: AsyncIterable<NeighborBlock>) {
  const indices: number[] = [];
  const distances: number[] = [];
  const sizes: number[] = [];
  for await (const block of blocks) {
    expect(block.firstRow).toBe(sizes.reduce((sum, size) => sum + size, 0));
    sizes.push(block.distances.length / block.k);
    indices.push(...Array.from(block.indices, Number));
    distances.push(...block.distances);
  }
  return { indices, distances, sizes };
}

describe("blocks of stored neighbors", () => {
  it("are what zarrita reads", async () => {
    const store = await mapped();
    await using neighbors = await Neighbors.open(store);
    expect(await neighbors.describe()).toMatchObject({ rows: 200, k: 30, nRef: 500, dtype: "int32" });
    const expected = [await stored(store, "knn_indices"), await stored(store, "knn_distances")].map((part) =>
      Array.from(part),
    );
    for (const [rows, sizes] of [
      [undefined, [200]],
      [64, [64, 64, 64, 8]],
      [1000, [200]],
    ] as const) {
      const found = await all(neighbors.blocks(rows === undefined ? {} : { rows }));
      expect([found.indices, found.distances]).toEqual(expected);
      expect(found.sizes).toEqual(sizes);
    }
  });

  it("are those of the mapper's last run, and of the kernel's", async () => {
    const output = join(temporary(), "mapped.zarr");
    await using mapper = new CellMapper(query, reference);
    expect(() => mapper.neighbors).toThrow(expect.objectContaining({ code: "GM_PARAM" }));
    await mapper.map({ nNeighbors: 7, output });
    const ofMapper = await all(mapper.neighbors.blocks());

    await using kernel = new Kernel(reference, query);
    expect((await kernel.plan({ nNeighbors: 7 })).k).toBe(7);
    const graph = join(temporary(), "graph.zarr");
    const report = await kernel.computeNeighbors({ nNeighbors: 7, output: graph });
    expect(report.recall).toMatchObject({ method: "exact", measured: 1 });
    expect(report.plan.warnings).toEqual([]);
    expect(await all(kernel.neighbors.blocks())).toEqual(ofMapper);
  });

  it("of one store leave out the cell itself", async () => {
    await using kernel = new Kernel(query);
    await kernel.computeNeighbors({ nNeighbors: 5, graphs: ["xx"], output: join(temporary(), "self.zarr") });
    for await (const { firstRow, indices, k } of kernel.neighbors.blocks({ rows: 50 })) {
      expect(k).toBe(4);
      Array.from(indices, Number).forEach((id, slot) => {
        expect(id).not.toBe(firstRow + Math.floor(slot / k));
      });
    }
  });

  it("belong to the caller: they can be transferred and outlive their neighbors", async () => {
    const neighbors = new Neighbors(await mapped());
    const { value } = await neighbors.blocks().next();
    await neighbors.close();
    const block = value as NeighborBlock;
    const before = Array.from(block.distances);
    const moved = structuredClone(block.distances, { transfer: [block.distances.buffer as ArrayBuffer] });
    expect(Array.from(moved)).toEqual(before);
  });

  it("can be left early, and read by two loops at once", async () => {
    await using neighbors = new Neighbors(await mapped());
    for await (const { firstRow } of neighbors.blocks({ rows: 10 })) if (firstRow === 20) break;
    const [one, two] = await Promise.all([all(neighbors.blocks({ rows: 7 })), all(neighbors.blocks({ rows: 90 }))]);
    expect(one.indices).toEqual(two.indices);
  });

  it("end with the signal, and with close", async () => {
    const neighbors = new Neighbors(await mapped());
    const controller = new AbortController();
    const aborted = async (): Promise<void> => {
      for await (const _ of neighbors.blocks({ rows: 10, signal: controller.signal })) controller.abort("enough");
    };
    await expect(aborted()).rejects.toMatchObject({ code: "GM_CANCELLED", name: "AbortError", cause: "enough" });
    const closed = async (): Promise<void> => {
      for await (const _ of neighbors.blocks({ rows: 10 })) await neighbors.close();
    };
    await expect(closed()).rejects.toMatchObject({ code: "GM_CANCELLED" });
    await expect(neighbors.describe()).rejects.toMatchObject({ code: "GM_PARAM", details: { name: "neighbors" } });
  });

  it("have a size that is a whole number within 64 MiB", async () => {
    await using neighbors = new Neighbors(await mapped());
    for (const rows of [0, -1, 2.5, Number.NaN, 1e9]) {
      await expect(neighbors.blocks({ rows }).next()).rejects.toMatchObject({
        code: "GM_PARAM",
        details: { name: "rows" },
      });
    }
  });
});

describe("a reference of 2^31 rows or more", () => {
  it("has indices in a BigInt64Array", async () => {
    const path = join(temporary(), "wide.zarr");
    const far = 2n ** 33n + 5n;
    const mark = { version: 1, status: "complete", run: "r", n_obs: 3, n_ref: 2 ** 34, k: 2, part_rows: 2 ** 24 };
    group(path, "", { "encoding-type": "anndata", "encoding-version": "0.1.0", gigamapper: mark });
    dataframe(path, "obs", 3, []);
    const ids = new BigInt64Array([far, 1n, 2n, -1n, 3n, far]);
    array(path, "obsm/knn_indices", ids, [3, 2], [2, 2], { type: "int64", fill: -1 });
    const distances = new Float32Array([0, 1, 2, Number.NaN, 4, 5]);
    array(path, "obsm/knn_distances", distances, [3, 2], [2, 2], { type: "float32", fill: 0 });
    await using neighbors = new Neighbors(path);
    const { value } = await neighbors.blocks().next();
    expect(value).toEqual({ firstRow: 0, k: 2, indices: ids, distances });
    expect((value as NeighborBlock).indices).toBeInstanceOf(BigInt64Array);
  });
});

describe("a store without finished neighbors", () => {
  const refused = (path: string, error: object) =>
    Promise.all([
      expect(Neighbors.open(path)).rejects.toMatchObject(error),
      expect(new Neighbors(path).blocks().next()).rejects.toMatchObject(error),
    ]);

  it("is refused: absent, not ours, unfinished, of a newer version", async () => {
    await refused(join(temporary(), "nowhere.zarr"), { code: "GM_NOT_FOUND" });
    await refused(query, { code: "GM_SCHEMA", details: { field: "gigamapper" } });
    const path = join(temporary(), "copy.zarr");
    cpSync(await mapped(), path, { recursive: true });
    const document = join(path, "zarr.json");
    const text = readFileSync(document, "utf8");
    writeFileSync(document, text.replace('"status": "complete"', '"status": "running"'));
    await refused(path, { code: "GM_SCHEMA", details: { field: "gigamapper.status" } });
    const newer = JSON.parse(text) as { attributes: { gigamapper: { version: number } } };
    newer.attributes.gigamapper.version = 99;
    writeFileSync(document, JSON.stringify(newer));
    await refused(path, { code: "GM_UNSUPPORTED" });
  });
});
