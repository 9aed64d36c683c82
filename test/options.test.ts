import { CellMapper, type MapOptions, map, plan } from "gigamapper";
import { describe, expect, it } from "vitest";
import { query, reference } from "./folder.js";

const parameter = (name: string) =>
  expect.objectContaining({ code: "GM_PARAM", details: expect.objectContaining({ name }) });

describe("options", () => {
  it("that do not exist are refused", async () => {
    const options = { neighbours: 5 } as unknown as MapOptions;
    await expect(plan({ query, reference, ...options })).rejects.toMatchObject({
      code: "GM_PARAM",
      message: expect.stringContaining("neighbours"),
    });
  });

  it("of a wrong type are refused", async () => {
    const options = { nNeighbors: "many" } as unknown as MapOptions;
    await expect(plan({ query, reference, ...options })).rejects.toMatchObject({ code: "GM_PARAM" });
    await expect(plan({ query, reference, nNeighbors: 2.5 })).rejects.toMatchObject({ code: "GM_PARAM" });
  });

  it("that JSON would change are refused, not changed", async () => {
    await expect(plan({ query, reference, bandwidth: Number.NaN })).rejects.toEqual(parameter("bandwidth"));
    await expect(plan({ query, reference, memory: 1.5 })).rejects.toEqual(parameter("memory"));
  });

  it("out of range are refused", async () => {
    await expect(plan({ query, reference, nNeighbors: 0 })).rejects.toEqual(parameter("nNeighbors"));
    await expect(plan({ query, reference, bandwidth: -1 })).rejects.toEqual(parameter("bandwidth"));
    await expect(plan({ query, reference, memory: "lots" })).rejects.toEqual(parameter("memory"));
    await expect(plan({ query, reference, threads: 0 })).rejects.toEqual(parameter("threads"));
    await expect(plan({ query, reference, kernelMethod: "umap" })).rejects.toEqual(parameter("kernelMethod"));
    await expect(plan({ query, reference, symmetrize: "max" })).rejects.toEqual(parameter("symmetrize"));
    await expect(plan({ query, kernelMethod: "umap", bandwidth: 1 })).rejects.toEqual(parameter("bandwidth"));
    await expect(plan({ query: "" })).rejects.toEqual(parameter("query"));
  });

  it("that come later say so", async () => {
    await expect(plan({ query, reference, io: "direct" })).rejects.toMatchObject({ code: "GM_UNSUPPORTED" });
  });

  it("map needs an output", async () => {
    await expect(map({ query, reference })).rejects.toEqual(parameter("output"));
  });
});

describe("a mapper", () => {
  it("has limits that a call may override", async () => {
    const mapper = new CellMapper(query, reference, { threads: 0 });
    await expect(mapper.plan()).rejects.toEqual(parameter("threads"));
    await expect(mapper.plan({ threads: 1, nNeighbors: 0 })).rejects.toEqual(parameter("nNeighbors"));
    await mapper.close();
  });

  it("closes as often as you like, and then refuses work", async () => {
    const mapper = new CellMapper(query, reference);
    await mapper.close();
    await mapper.close();
    await mapper[Symbol.asyncDispose]();
    await expect(mapper.plan()).rejects.toEqual(parameter("mapper"));
    await expect(mapper.map({})).rejects.toEqual(parameter("mapper"));
  });
});

describe("a plan", () => {
  it("says what map would do, and writes nothing", async () => {
    const planned = await plan({
      query,
      reference,
      obsKeys: ["bulk_labels", "n_genes"],
      obsmKeys: ["X_umap"],
      memory: 2 ** 30,
    });
    expect(planned).toMatchObject({
      mode: "cross",
      k: 30,
      query: { nObs: 200, dim: 50, dtype: "float32" },
      reference: { nObs: 500, dim: 50 },
      pairs: 100_000,
      memory: { limit: 2 ** 30 },
      layout: { parts: 1, units: 1 },
    });
    expect(planned.memory.planned).toBeLessThanOrEqual(planned.memory.limit);
    const paths = planned.outputs.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining([
        "obs/bulk_labels_pred",
        "obs/bulk_labels_conf",
        "obs/n_genes_pred",
        "obsm/X_umap_pred",
        "obsm/knn_indices",
        "obsm/knn_distances",
      ]),
    );
  });

  it("is of the same run whatever the limits are", async () => {
    const runs = [
      { memory: "512MiB", threads: 1 },
      { memory: "2GiB", threads: 2 },
    ].map((limits) => plan({ query, reference, ...limits }));
    const [one, two] = await Promise.all(runs);
    expect(one?.run).toBe(two?.run);
    expect((await plan({ query, reference, nNeighbors: 10 })).run).not.toBe(one?.run);
  });

  it("of one store counts the cell itself", async () => {
    expect(await plan({ query, nNeighbors: 15 })).toMatchObject({
      mode: "self",
      k: 14,
      parameters: { selfEdges: true, kernelMethod: "umap", symmetrize: "union" },
    });
  });
});
