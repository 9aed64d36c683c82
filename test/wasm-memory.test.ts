import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type MapOptions, map } from "gigamapper";
import { ExactReference, RemoteColumns, type WasmProgress } from "gigamapper/wasm";
import { describe, expect, it } from "vitest";
import { writeBlobs } from "./anndata.js";
import { query, reference, root, temporary } from "./folder.js";
import { serve } from "./static-server.js";

import { bits, expectSameLabels, expectSameNeighbors, expectSameNumbers, failing, matrix } from "./wasm-native.js";

const golden = join(root, "test/fixtures/golden");

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
