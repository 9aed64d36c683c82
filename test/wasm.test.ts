import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompressSync, constants } from "node:zlib";
import FileSystemStore from "@zarrita/storage/fs";
import { type MapOptions, MappedStore, map, Neighbors, ReferenceIndex } from "gigamapper";
import {
  ExactReference,
  initialise,
  type MatrixInMemory,
  mapRemote,
  RemoteColumns,
  RemoteIndex,
  type SearchResult,
  type WasmProgress,
} from "gigamapper/wasm";
import { describe, expect, it } from "vitest";
import * as zarr from "zarrita";
import { LABELS, writeBlobs } from "./anndata.js";
import { query, reference, root, temporary } from "./folder.js";
import { compile, project } from "./project.js";
import { serve } from "./static-server.js";

const golden = join(root, "test/fixtures/golden");
const wasmFile = join(root, "dist/wasm/glue_bg.wasm");
const failing = (code: string, reason = "") =>
  expect.objectContaining({ code, message: expect.stringContaining(reason) });

/** An array of a store, as f32. */
async function matrix(store: string, path: string): Promise<MatrixInMemory> {
  const { data, shape } = await zarr.get(
    await zarr.open(zarr.root(new FileSystemStore(store)).resolve(path), { kind: "array" }),
  );
  return { x: Float32Array.from(data as ArrayLike<number>), shape: [shape[0] ?? 0, shape[1] ?? 0] };
}

/** The bits of floats, so that equal means equal. */
const bits = (values: Float32Array | Float64Array): string =>
  createHash("sha256")
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest("hex");

/** The graph of a native run. */
async function graph(store: string): Promise<{ indices: number[]; distances: Float32Array }> {
  await using neighbors = await Neighbors.open(store);
  const indices: number[] = [];
  const distances: number[] = [];
  for await (const block of neighbors.blocks()) {
    indices.push(...Array.from(block.indices, Number));
    distances.push(...block.distances);
  }
  return { indices, distances: Float32Array.from(distances) };
}

async function expectSameNeighbors(search: SearchResult, store: string): Promise<void> {
  const native = await graph(store);
  const { indices, distances } = search.neighbors;
  expect(Array.from(indices)).toEqual(native.indices);
  expect(bits(distances)).toBe(bits(native.distances));
}

/** Columns of a native run. */
async function column(store: string, name: string) {
  await using mapped = new MappedStore(store);
  return await mapped.obs(name);
}

async function expectSameLabels(
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

async function expectSameNumbers(
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

describe("the module", () => {
  it("is small enough to be loaded by a page", () => {
    const bytes = readFileSync(wasmFile);
    const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
    expect(brotliCompressSync(bytes, options).length).toBeLessThanOrEqual(400_000);
    // Nothing of the machine that built it.
    expect(bytes.includes(root)).toBe(false);
    expect(bytes.includes(".cargo/registry")).toBe(false);
  });

  it("loads from an address, a response, a module and bytes, and says why it does not", async () => {
    const load = (source: string) => {
      const program = `
        import { initialise, ExactReference } from ${JSON.stringify(join(root, "dist/wasm/index.js"))};
        import { readFileSync } from "node:fs";
        const bytes = () => readFileSync(${JSON.stringify(wasmFile)});
        try {
          await initialise(${source});
          using reference = await ExactReference.of({ x: new Float32Array([0, 0, 3, 4]), shape: [2, 2] });
          using search = await reference.search({ x: new Float32Array([3, 4]), shape: [1, 2] }, { nNeighbors: 2 });
          console.log([...search.neighbors.indices, ...search.neighbors.distances].join());
        } catch (error) { console.log(error.code, error.message); }`;
      // TypeScript is not stripped here, and the oldest Node knows no "using".
      const plain = program.replaceAll("using ", "const ");
      return spawnSync(process.execPath, ["--input-type=module", "-e", plain], { encoding: "utf8" }).stdout;
    };
    for (const source of [
      "",
      'new Response(bytes(), { headers: { "content-type": "application/wasm" } })',
      "bytes()",
    ]) {
      expect(load(source), source).toBe("1,0,0,5\n");
    }
    expect(load("await WebAssembly.compile(bytes())")).toBe("1,0,0,5\n");
    expect(load('new URL("file:///nowhere.wasm")')).toMatch(/^GM_IO fetch file:.*nowhere/);
    expect(load("new Uint8Array([1, 2, 3])")).toMatch(/^GM_BACKEND WebAssembly: /);
    expect(load('new Response("", { status: 404 })')).toMatch(/^GM_IO .*answered 404/);
    await initialise();
  });
});

describe("cells in memory", () => {
  const cases = [
    ["pbmc_cross", query, reference],
    ["synthetic_cross", join(golden, "synthetic_cross/query.zarr"), join(golden, "synthetic_cross/reference.zarr")],
    ["synthetic_cosine", join(golden, "synthetic_cross/query.zarr"), join(golden, "synthetic_cross/reference.zarr")],
  ] as const;

  it.each(cases)("map as natively, to the bit: %s", async (name, queryStore, referenceStore) => {
    const params = JSON.parse(readFileSync(join(golden, name, "params.json"), "utf8"));
    const [useRep, metric, nNeighbors] = [params.use_rep, params.knn_dist_metric, params.n_neighbors];
    const [labels, numbers, embeddings] = [params.categorical, params.numerical, params.obsm ?? []];
    const of = await matrix(referenceStore, `obsm/${useRep}`);
    using packed = await ExactReference.of(of, { metric });
    using search = await packed.search(await matrix(queryStore, `obsm/${useRep}`), { nNeighbors });
    const { url } = await serve(referenceStore);
    const columns = new RemoteColumns(url);
    for (const kernelMethod of ["gauss", "scarches", "scarches_local", "inverse_distance", "equal", "random"]) {
      const output = join(temporary(), "mapped.zarr");
      const stores = { query: queryStore, reference: referenceStore, useRep, output };
      const keys = { obsKeys: [...labels, ...numbers], obsmKeys: embeddings };
      const { sigma } = await map({ ...stores, ...keys, metric, nNeighbors, kernelMethod, method: "exact" });
      await expectSameNeighbors(search, output);
      using weights = search.weigh({ kernelMethod });
      expect(weights.sigma, kernelMethod).toBe(sigma);
      for (const key of [...labels, ...numbers]) {
        const stored = await columns.obs(key);
        if (stored.kind === "labels") await expectSameLabels(weights.labels(stored.labels), output, key);
        else await expectSameNumbers(weights.numbers(stored.numbers), output, key);
      }
      for (const key of embeddings) {
        const given = await columns.obsm(key);
        expect(bits(given.x)).toBe(bits((await matrix(referenceStore, `obsm/${key}`)).x));
        const transferred = await matrix(output, `obsm/${key}_pred`);
        expect(bits(weights.embedding(given).x), key).toBe(bits(transferred.x));
      }
    }
  });

  it.each([
    ["pbmc_self", reference],
    ["synthetic_self", join(golden, "synthetic_cross/reference.zarr")],
  ] as const)("map onto themselves as natively, to the bit: %s", async (name, store) => {
    const params = JSON.parse(readFileSync(join(golden, name, "params.json"), "utf8"));
    const [useRep, nNeighbors] = [params.use_rep, params.n_neighbors];
    const keys = [...params.categorical, ...params.numerical];
    using packed = await ExactReference.of(await matrix(store, `obsm/${useRep}`));
    using search = await packed.searchWithin({ nNeighbors });
    const columns = new RemoteColumns((await serve(store)).url);
    const ways: [string, Pick<MapOptions, "kernelMethod" | "symmetrize" | "selfEdges">][] = [
      ["as nothing is said", {}],
      ...params.kernels.map((kernelMethod: string) => [kernelMethod, { kernelMethod }]),
      ["hnoca_knn", { kernelMethod: "hnoca_knn" }],
      ["adaptive_gauss", { kernelMethod: "adaptive_gauss" }],
      ["random", { kernelMethod: "random", symmetrize: "mean" }],
      ["gauss, one way", { kernelMethod: "gauss", symmetrize: "none", selfEdges: false }],
      ["umap, others only", { kernelMethod: "umap", selfEdges: false }],
    ];
    for (const [way, options] of ways) {
      const output = join(temporary(), "mapped.zarr");
      const { sigma } = await map({
        query: store,
        useRep,
        nNeighbors,
        obsKeys: keys,
        output,
        method: "exact",
        ...options,
      });
      await expectSameNeighbors(search, output);
      using weights = search.weigh(options);
      expect(weights.sigma, way).toBe(sigma);
      for (const key of keys) {
        const stored = await columns.obs(key);
        if (stored.kind === "labels") await expectSameLabels(weights.labels(stored.labels), output, key);
        else await expectSameNumbers(weights.numbers(stored.numbers), output, key);
      }
    }
  });

  it.each(["jaccard", "hnoca", "hnoca_knn"])(
    "share neighbors with others as natively, to the bit: %s",
    async (kernelMethod) => {
      const [useRep, nNeighbors, key] = ["X_pca", 12, "bulk_labels"];
      const [x, y] = [await matrix(reference, `obsm/${useRep}`), await matrix(query, `obsm/${useRep}`)];
      using references = await ExactReference.of(x);
      using queries = await ExactReference.of(y);
      using search = await references.search(y, { nNeighbors });
      using xx = await references.searchWithin({ nNeighbors });
      using yy = await queries.searchWithin({ nNeighbors });
      using xy = await queries.search(x, { nNeighbors });
      using weights = search.weigh({ kernelMethod, graphs: { xx, yy, xy } });
      const output = join(temporary(), "mapped.zarr");
      await map({ query, reference, useRep, nNeighbors, kernelMethod, obsKeys: [key], output, method: "exact" });
      const stored = await new RemoteColumns((await serve(reference)).url).obs(key);
      if (stored.kind !== "labels") throw new Error(stored.kind);
      await expectSameLabels(weights.labels(stored.labels), output, key);
    },
  );

  it("are refused with a sentence where they do not fit", async () => {
    const cells = { x: new Float32Array(20), shape: [10, 2] as const };
    await expect(ExactReference.of({ ...cells, shape: [9, 2] })).rejects.toThrow(failing("GM_PARAM", "20 values"));
    await expect(ExactReference.of({ x: new Float32Array(0), shape: [0, 2] })).rejects.toThrow(
      failing("GM_PARAM", "no cells"),
    );
    await expect(ExactReference.of(cells, { metric: "manhattan" })).rejects.toThrow(failing("GM_PARAM", "euclidean"));
    await expect(ExactReference.of(cells, { memory: 100 })).rejects.toThrow(failing("GM_BUDGET", "the reference"));
    using packed = await ExactReference.of(cells);
    const other = { x: new Float32Array(3), shape: [1, 3] as const };
    await expect(packed.search(other)).rejects.toThrow(failing("GM_SHAPE", "same columns"));
    await expect(packed.search(cells, { nNeighbors: 0 })).rejects.toThrow(failing("GM_PARAM", "nNeighbors"));
    using search = await packed.search(cells, { nNeighbors: 3 });
    expect(() => search.weigh({ kernelMethod: "gaus" })).toThrow(failing("GM_PARAM", "gauss, scarches"));
    expect(() => search.weigh({ kernelMethod: "umap" })).toThrow(failing("GM_PARAM", "only in self-mapping"));
    expect(() => search.weigh({ kernelMethod: "jaccard" })).toThrow(failing("GM_PARAM", "give the graphs"));
    expect(() => search.weigh({ symmetrize: "max" })).toThrow(failing("GM_PARAM", "only in self-mapping"));
    expect(() => search.weigh({ selfEdges: true })).toThrow(failing("GM_PARAM", "only in self-mapping"));
    await expect(packed.searchWithin({ nNeighbors: 1 })).rejects.toThrow(failing("GM_PARAM", "counts the cell itself"));
    using within = await packed.searchWithin({ nNeighbors: 3 });
    expect(() => within.weigh({ symmetrize: "both" })).toThrow(failing("GM_PARAM", "max, mean, none"));
    expect(() => within.weigh({ kernelMethod: "hnoca_knn", symmetrize: "max" })).toThrow(failing("GM_PARAM", "hnoca"));
    using few = await packed.search({ x: new Float32Array(4), shape: [2, 2] }, { nNeighbors: 3 });
    const graphs = { xx: within, yy: within, xy: few };
    expect(() => search.weigh({ kernelMethod: "hnoca", graphs })).toThrow(failing("GM_PARAM", "of all cells"));
    expect(() => search.weigh({ kernelMethod: "equal", bandwidth: 1 })).toThrow(failing("GM_PARAM", "bandwidth"));
    using weights = search.weigh();
    const categories = ["a", "b"];
    expect(() => weights.labels({ codes: new Int32Array(9), categories })).toThrow(failing("GM_SHAPE"));
    expect(() => weights.labels({ codes: new Int32Array(10).fill(2), categories })).toThrow(
      failing("GM_PARAM", "2 categories"),
    );
    expect(() => weights.numbers(new Float64Array(11))).toThrow(failing("GM_SHAPE"));
    search.close();
    expect(() => search.neighbors).toThrow(failing("GM_PARAM", "closed"));
  });

  it("stop when asked to, and may be searched again", async () => {
    const folder = temporary();
    writeBlobs(join(folder, "r.zarr"), { rows: 20_000, dim: 8, seed: 1 });
    const cells = await matrix(join(folder, "r.zarr"), "obsm/X_pca");
    using packed = await ExactReference.of(cells);
    const stop = new AbortController();
    const seen: WasmProgress[] = [];
    const onProgress = (progress: WasmProgress) => {
      seen.push(progress);
      if (seen.length === 2) stop.abort();
    };
    const searched = packed.search(cells, { nNeighbors: 5, signal: stop.signal, onProgress });
    await expect(searched).rejects.toThrow(expect.objectContaining({ code: "GM_CANCELLED", name: "AbortError" }));
    expect(seen).toHaveLength(2);
    expect(seen[1]?.done).toBeLessThan(20_000);
    using search = await packed.search({ x: cells.x.slice(0, 80), shape: [10, 8] }, { nNeighbors: 1 });
    expect(Array.from(search.neighbors.indices)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

/** A reference with an index of it, and query cells, of which one is no number. */
async function published(options: object = {}, dim = 20) {
  const folder = temporary();
  const [store, cells] = [join(folder, "atlas.zarr"), join(folder, "query.zarr")];
  writeBlobs(store, { rows: 6000, dim, seed: 3 });
  writeBlobs(cells, {
    rows: 300,
    dim,
    seed: 4,
    edit: (values) => {
      // Two kinds of cells, so that many lists are of no use to any.
      for (const at of values.keys()) {
        const [row, column] = [Math.floor(at / dim), at % dim];
        values[at] = 6 * Math.sin(7 * (row % 2) + 3 * column) + ((row * 31 + column * 17) % 97) / 97 - 0.5;
      }
      values[7] = Number.NaN;
    },
  });
  const index = join(folder, "atlas.gmx");
  await using _ = await ReferenceIndex.build(store, { output: index, nlist: 64, ...options });
  return { folder, store, cells, index, query: await matrix(cells, "obsm/X_pca") };
}

/** An index with codes of cells of seven dimensions among many columns, and cells from their middle: many lists are far, and have some near rows. */
async function scattered(rerank: string) {
  const [folder, dim] = [temporary(), 160];
  const [store, cells, index] = ["atlas.zarr", "query.zarr", "atlas.gmx"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const scatter = (share: number) => (values: Float32Array) => {
    let state = values.length;
    const uniform = () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
    for (let row = 0; row < values.length / dim; row += 1) {
      const places = Array.from({ length: 7 }, () => 0.5 + (uniform() - 0.5) * share);
      for (let column = 0; column < dim; column += 1) {
        const wave = (at: number) => Math.sin(1.7 * column * (at + 1) + at);
        const value = places.reduce((sum, place, at) => sum + 3 * place * wave(at), 0.2 * uniform());
        values[row * dim + column] = value;
      }
    }
  };
  writeBlobs(store, { rows: 6000, dim, seed: 3, edit: scatter(1) });
  writeBlobs(cells, { rows: 12, dim, seed: 4, edit: scatter(0.05) });
  await using _ = await ReferenceIndex.build(store, { output: index, method: "ivfpq", rerank, nlist: 24 });
  return { folder, store, cells, index, query: await matrix(cells, "obsm/X_pca") };
}

describe("a published index", () => {
  const kinds: [string, object][] = [
    ["of f32", {}],
    ["of f16", { listDtype: "f16" }],
    ["of f32 with codes", { method: "ivfpq" }],
    ["of codes alone", { method: "ivfpq", rerank: "none" }],
    ["by cosine", { metric: "cosine" }],
  ];

  it.each(kinds)("%s maps as natively, to the bit, and moves little more than the lists", async (_, options) => {
    const { folder, store, cells, index, query } = await published(options);
    const { url, asked } = await serve(folder);
    const output = join(folder, "mapped.zarr");
    const { metric } = options as { metric?: string };
    const request = {
      query: cells,
      reference: store,
      index,
      nprobe: 5,
      obsKeys: ["label", "score"],
      obsmKeys: ["X_pca"],
    };
    await map({ ...request, output, ...(metric ? { metric } : {}) });
    const stages = new Set<string>();
    const onProgress = ({ stage }: WasmProgress) => void stages.add(stage);
    const { obsKeys, obsmKeys } = request;
    const remote = { query, index: `${url}/atlas.gmx`, reference: `${url}/atlas.zarr`, codesFirst: false };
    const mapping = await mapRemote({ ...remote, nprobe: 5, obsKeys, obsmKeys, onProgress });
    const native = await graph(output);
    expect(Array.from(mapping.neighbors.indices)).toEqual(native.indices);
    expect(bits(mapping.neighbors.distances)).toBe(bits(native.distances));
    expect(mapping.neighbors.statuses[0]).toBe(2);
    await expectSameLabels(mapping.labels["label"] ?? expect.fail(), output, "label");
    await expectSameNumbers(mapping.numbers["score"] ?? expect.fail(), output, "score");
    expect(bits(mapping.embeddings["X_pca"]?.x ?? expect.fail())).toBe(
      bits((await matrix(output, "obsm/X_pca_pred")).x),
    );
    expect([...stages].sort()).toEqual(["fetch", "join", "route", "transfer"]);

    const { probed, fetched, index: all, requests, lists } = mapping.traffic.search;
    expect(probed).toBeLessThan(all);
    expect(fetched).toBeGreaterThanOrEqual(probed);
    expect(fetched).toBeLessThanOrEqual(1.1 * probed);
    expect(lists).toBeLessThan(64);
    const ranges = asked.filter(([path, range]) => /(lists|codes)\.bin$/.test(path) && range !== "whole");
    expect(ranges).toHaveLength(requests);
    expect(new Set(ranges.map((range) => range.join())).size).toBe(requests);
    const moved = ranges.map(([, range]) => range.split("-").map(Number)).map(([a = 0, b = 0]) => b - a + 1);
    expect(moved.reduce((sum, bytes) => sum + bytes, 0)).toBe(fetched);
    expect(asked.some(([path, range]) => /(lists|codes|graph)\.bin$/.test(path) && range === "whole")).toBe(false);
  });

  it.each(["exact", "f16"])(
    "with codes and rows of %s moves codes first, and of far lists the rows that they select",
    async (rerank) => {
      const { folder, store, cells, index, query } = await scattered(rerank);
      const { url, asked, faults } = await serve(folder);
      const output = join(folder, "mapped.zarr");
      await map({ query: cells, reference: store, index, nprobe: 16, nNeighbors: 10, output });
      using remote = await RemoteIndex.open(`${url}/atlas.gmx`);
      const stages: string[] = [];
      const onProgress = ({ stage }: WasmProgress) => void stages.push(stage);
      using search = await remote.search(query, { nprobe: 16, nNeighbors: 10, onProgress });
      await expectSameNeighbors(search, output);
      const { lists, probed, fetched, codes, whole, rows, requests } = search.traffic;
      expect([...new Set(stages)]).toEqual(["route", "fetch", "select", "join"]);
      expect(fetched).toBeLessThan(probed);
      expect(whole).toBeLessThan(lists);
      expect(rows).toBeGreaterThan(0);
      const large = () => asked.filter(([path, range]) => /(lists|codes)\.bin$/.test(path) && range !== "whole");
      const of = (ranges: typeof asked) =>
        ranges.map(([path, range]) => [path, ...range.split("-").map(Number)] as [string, number, number]);
      const length = (ranges: typeof asked) => of(ranges).reduce((sum, [, first, last]) => sum + last - first + 1, 0);
      expect(large()).toHaveLength(requests);
      expect(length(large())).toBe(fetched);
      expect(length(large().filter(([path]) => path.endsWith("codes.bin")))).toBe(codes);
      // No byte comes twice.
      const sorted = of(large()).sort((a, b) => a[0].localeCompare(b[0]) || a[1] - b[1]);
      for (const [at, [path, first]] of sorted.entries()) {
        const [before, , last] = sorted[at - 1] ?? ["", 0, 0];
        expect(before !== path || last < first, `${path} ${first}`).toBe(true);
      }
      using all = await remote.search(query, { nprobe: 16, nNeighbors: 10, codesFirst: false });
      await expectSameNeighbors(all, output);
      expect(all.traffic).toMatchObject({ lists, probed, rows: 0, whole: lists });
      expect(all.traffic.fetched).toBeGreaterThanOrEqual(probed);

      // Rows of another file of the same length, as far as the server says so; and without a word, as far as codes do.
      let fetches = 0;
      const instead = (tagged: boolean) => {
        fetches = 0;
        faults.instead = (path, { headers }, response) => {
          const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
          if (!path.endsWith("lists.bin") || first === undefined) return false;
          fetches += 1;
          const selecting = stages.includes("select");
          const bytes = Buffer.from(readFileSync(join(index, "lists.bin")).subarray(Number(first), Number(last) + 1));
          if (selecting && !tagged) for (let at = 3; at < bytes.length; at += 4) bytes[at] = (bytes[at] ?? 0) ^ 0x81;
          response.writeHead(206, { etag: selecting && tagged ? '"b"' : '"a"', "content-length": bytes.length });
          return response.end(bytes) !== undefined;
        };
        stages.length = 0;
      };
      const again = () => remote.search(query, { nprobe: 16, nNeighbors: 10, onProgress });
      instead(true);
      await expect(again()).rejects.toThrow(failing("GM_STALE", "lists.bin: it was replaced"));
      expect(fetches).toBeGreaterThan(1);
      instead(false);
      await expect(again()).rejects.toThrow(failing("GM_CORRUPT", "lists.bin"));
      delete faults.instead;
      using after = await again();
      await expectSameNeighbors(after, output);
    },
  );

  it("finds k neighbors in as many lists as it takes", async () => {
    const { folder, store, cells, index, query } = await published({ nlist: 512 });
    const { url } = await serve(folder);
    const output = join(folder, "mapped.zarr");
    await map({ query: cells, reference: store, index, nprobe: 1, nNeighbors: 200, output });
    using remote = await RemoteIndex.open(`${url}/atlas.gmx`);
    expect(remote.description).toMatchObject({ rows: 6000, dim: 20, metric: "euclidean", excluded: 0, dtype: "f32" });
    using search = await remote.search(query, { nprobe: 1, nNeighbors: 200 });
    await expectSameNeighbors(search, output);
  });

  it("may be searched again and at once", async () => {
    const { folder, query } = await published();
    const { url } = await serve(folder);
    using remote = await RemoteIndex.open(`${url}/atlas.gmx`);
    const few = { x: query.x.slice(0, 40 * 20), shape: [40, 20] as const };
    const searches = await Promise.all([query, few, query].map((cells) => remote.search(cells, { nprobe: 4 })));
    const [one, two, three] = searches.map((search) => search.neighbors);
    expect(one).toEqual(three);
    expect(Array.from(one?.indices.slice(0, 40 * 30) ?? [])).toEqual(Array.from(two?.indices ?? []));
    for (const search of searches) search.close();
  });

  it("says what a server refuses, and stops when asked to", async () => {
    const { folder, query, index } = await published();
    const server = await serve(folder);
    const url = `${server.url}/atlas.gmx`;
    const search = async (options = {}) => {
      using remote = await RemoteIndex.open(url);
      using found = await remote.search(query, { nprobe: 4, ...options });
      return found.traffic;
    };
    await expect(RemoteIndex.open(`${server.url}/nothing.gmx`)).rejects.toThrow(
      failing("GM_NOT_FOUND", "manifest.json"),
    );
    await expect(RemoteIndex.open("http://127.0.0.1:9/a.gmx")).rejects.toThrow(failing("GM_IO", "no answer"));
    server.faults.ignoresRanges = true;
    await expect(search()).rejects.toThrow(failing("GM_UNSUPPORTED", "answers with the whole file"));
    server.faults.ignoresRanges = false;
    server.faults.instead = (path, _, response) =>
      path.endsWith("lists.bin") && response.writeHead(503).end() !== undefined;
    await expect(search()).rejects.toThrow(failing("GM_IO", "answered 503"));
    server.faults.instead = (path, _, response) =>
      path.endsWith("lists.bin") && response.writeHead(206).end("short") !== undefined;
    await expect(search()).rejects.toThrow(failing("GM_CORRUPT", "bytes came of"));
    delete server.faults.instead;
    const stop = new AbortController();
    const onProgress = ({ stage }: WasmProgress) => stage === "fetch" && stop.abort();
    await expect(search({ signal: stop.signal, onProgress })).rejects.toThrow(failing("GM_CANCELLED"));
    expect((await search()).lists).toBeGreaterThan(0);
    await expect(search({ nprobe: 65 })).rejects.toThrow(failing("GM_PARAM", "64 lists"));
    // A list cut short, a bit of each list, and of the centroids.
    const lists = readFileSync(join(index, "lists.bin"));
    truncateSync(join(index, "lists.bin"), lists.length - 100);
    await expect(search()).rejects.toThrow(
      failing("GM_CORRUPT", `${lists.length - 100} bytes instead of ${lists.length}`),
    );
    writeFileSync(
      join(index, "lists.bin"),
      lists.map((byte, at) => (at % 4096 === 5 ? byte ^ 1 : byte)),
    );
    await expect(search()).rejects.toThrow(failing("GM_CORRUPT", "its checksum is wrong"));
    writeFileSync(join(index, "lists.bin"), lists);
    const coarse = readFileSync(join(index, "coarse.bin"));
    writeFileSync(
      join(index, "coarse.bin"),
      coarse.map((byte, at) => (at === 400 ? byte ^ 1 : byte)),
    );
    await expect(search()).rejects.toThrow(failing("GM_CORRUPT", "coarse.bin"));
  });

  it("that is replaced while it is read is said to be", async () => {
    const { folder, query, index } = await published();
    const { url, faults } = await serve(folder);
    using remote = await RemoteIndex.open(`${url}/atlas.gmx`);
    const grown = join(folder, "grown.zarr");
    writeBlobs(grown, { rows: 6000, dim: 20, seed: 9 });
    cpSync(index, join(folder, "old.gmx"), { recursive: true });
    await using _ = await ReferenceIndex.build(grown, { output: index, nlist: 32, overwrite: true });
    await expect(remote.search(query, { nprobe: 4 })).rejects.toThrow(failing("GM_STALE", "replaced"));
    // A manifest of before, and files of after: it is asked for again.
    let first = true;
    faults.instead = (path, _, response) => {
      if (!path.endsWith("manifest.json") || !first) return false;
      first = false;
      return response.end(readFileSync(join(folder, "old.gmx/manifest.json"))) !== undefined;
    };
    using again = await RemoteIndex.open(`${url}/atlas.gmx`);
    expect(again.description.nlist).toBe(32);
  });
});

describe("published columns", () => {
  it("are read whatever the version of the store, and refused with a sentence", async () => {
    const { url, faults } = await serve(join(root, "test/fixtures"));
    const columns = new RemoteColumns(`${url}/pbmc/reference.zarr`);
    const column = await columns.obs("bulk_labels");
    expect(column).toMatchObject({ kind: "labels", labels: { codes: { length: 500 } } });
    expect(columns.traffic.bytes).toBeGreaterThan(500);
    faults.ignoresRanges = true;
    await expect(columns.obs("bulk_labels")).rejects.toThrow(failing("GM_UNSUPPORTED", "answers with the whole file"));
    faults.ignoresRanges = false;
    faults.instead = (_, { headers }, response) =>
      headers.range !== undefined && response.writeHead(206).end("cut") !== undefined;
    await expect(columns.obs("bulk_labels")).rejects.toThrow(failing("GM_CORRUPT", "3 bytes came"));
    faults.instead = (_, { method }, response) => method === "HEAD" && response.writeHead(200).end() !== undefined;
    await expect(columns.obs("bulk_labels")).rejects.toThrow(failing("GM_UNSUPPORTED", "whole file"));
    delete faults.instead;
    await expect(columns.obs("nothing")).rejects.toThrow(failing("GM_NOT_FOUND", "obs column"));
    await expect(columns.obsm("nothing")).rejects.toThrow(failing("GM_NOT_FOUND", "obsm key"));
    const folder = temporary();
    writeBlobs(join(folder, "a.zarr"), { rows: 30, dim: 3, seed: 1 });
    const blobs = new RemoteColumns(`${(await serve(folder)).url}/a.zarr`);
    expect(await blobs.obs("label")).toMatchObject({ labels: { categories: LABELS } });
    expect(await blobs.obs("score")).toMatchObject({ kind: "numbers", numbers: expect.any(Float64Array) });
    await expect(blobs.obs("_index")).rejects.toThrow(failing("GM_UNSUPPORTED", "_index"));
    await expect(new RemoteColumns("http://127.0.0.1:9/a.zarr").obs("a")).rejects.toThrow(failing("GM_IO"));
  });
});

describe("examples of doc comments", () => {
  it("are whole programs that run", async () => {
    const { folder } = await published({}, 50);
    const { url } = await serve(
      { "atlas.gmx": join(folder, "atlas.gmx"), "atlas.zarr": join(folder, "atlas.zarr"), "gigamapper.wasm": "/" },
      {
        instead: (path, _, response) => {
          if (path !== "/gigamapper.wasm") return false;
          response.setHeader("content-type", "application/wasm");
          return response.end(readFileSync(wasmFile)) !== undefined;
        },
      },
    );
    const names = "ExactReference, initialise, mapRemote, RemoteColumns, RemoteIndex";
    const sources = readdirSync(join(root, "ts/wasm")).map((name) => readFileSync(join(root, "ts/wasm", name), "utf8"));
    const found = sources.flatMap((text) => [...text.matchAll(/\* @example\n((?: +\*(?: .*)?\n)+?) +\*\//g)]);
    const examples = found.map(([, code = ""]) => {
      const here = code
        .replace(/^ *\* ?/gm, "")
        .replaceAll("https://atlas.example.org", url)
        .replaceAll("cell_type", "label");
      return `import { ${names} } from "gigamapper/wasm";\n${here}\nexport {};\n`;
    });
    expect(examples).toHaveLength(6);
    const place = project();
    for (const path of compile(place, examples, true)) {
      // Not in this process, which is the server.
      await promisify(execFile)(process.execPath, [path], { cwd: place });
    }
  });
});
