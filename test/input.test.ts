import { cpSync, existsSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type GigamapperErrorCode, inspect, isGigamapperError, type MapOptions, map, type Stores } from "gigamapper";
import { describe, expect, it } from "vitest";
import { writeBlobs } from "./anndata.js";
import { digests, query, reference, temporary } from "./folder.js";

/** Maps, expects the error, and expects that nothing was written. */
async function refused<Code extends GigamapperErrorCode>(code: Code, options: Partial<Stores> & MapOptions) {
  const folder = temporary();
  const output = join(folder, "mapped.zarr");
  const error = await map({ query, reference, output, ...options }).catch((reason: unknown) => reason);
  if (!isGigamapperError(error, code)) throw error;
  expect(readdirSync(folder)).toEqual([]);
  return error;
}

describe("input that is refused before work starts", () => {
  it("lacks a label column: the columns there are get listed", async () => {
    const { details, hint } = await refused("GM_NOT_FOUND", { obsKeys: ["cell_type"] });
    expect(details).toMatchObject({ key: "cell_type", available: expect.arrayContaining(["bulk_labels", "n_genes"]) });
    expect(details.store).toContain("reference.zarr");
    expect(hint).toContain("bulk_labels");
  });

  it("lacks an embedding: the keys there are get listed", async () => {
    const representation = await refused("GM_NOT_FOUND", { useRep: "X_scVI" });
    expect(representation.details).toMatchObject({ key: "X_scVI", available: ["X_pca", "X_umap"] });
    const transferred = await refused("GM_NOT_FOUND", { obsmKeys: ["X_tsne"] });
    expect(transferred.details).toMatchObject({ key: "X_tsne", available: ["X_pca", "X_umap"] });
  });

  it("has different dimensions: both stores and shapes are named", async () => {
    const folder = temporary();
    const narrow = join(folder, "narrow.zarr");
    writeBlobs(narrow, { rows: 40, dim: 7, seed: 1 });
    const { details, message } = await refused("GM_SHAPE", { query: narrow });
    expect([details.leftShape, details.rightShape]).toEqual(
      expect.arrayContaining([
        [40, 7],
        [500, 50],
      ]),
    );
    expect(message).toContain("narrow.zarr");
    expect(message).toContain("reference.zarr");
  });

  it("is not there", async () => {
    const { details } = await refused("GM_NOT_FOUND", { query: "nowhere.zarr" });
    expect(details.store).toContain("nowhere.zarr");
  });

  it("is not AnnData", async () => {
    const folder = temporary();
    const group = join(folder, "group.zarr");
    mkdirSync(group);
    writeFileSync(join(group, "zarr.json"), '{"zarr_format":3,"node_type":"group","attributes":{}}');
    await refused("GM_SCHEMA", { query: group });
    await expect(inspect(group)).rejects.toMatchObject({ code: "GM_SCHEMA" });
  });

  it("has a shard that was cut short", async () => {
    const folder = temporary();
    const cut = join(folder, "cut.zarr");
    cpSync(reference, cut, { recursive: true });
    truncateSync(join(cut, "obsm/X_pca/c/0/0"), 50_000);
    const { details } = await refused("GM_CORRUPT", { reference: cut });
    expect(details.file).toContain("X_pca");
  });

  it("has fewer neighbors than one", async () => {
    expect((await refused("GM_PARAM", { nNeighbors: 0 })).details.name).toBe("nNeighbors");
    expect((await refused("GM_PARAM", { nNeighbors: -3 })).details.name).toBe("nNeighbors");
  });

  it("does not fit the memory: says what would", async () => {
    const { details, hint } = await refused("GM_BUDGET", { memory: "1MiB" });
    expect(details.needed).toBeGreaterThan(details.available);
    expect(hint).toMatch(/memory/);
  });
});

describe("an output that exists", () => {
  it("is left alone, unless it is a mapped store and may be replaced", async () => {
    const folder = temporary();
    const output = join(folder, "mapped.zarr");
    await map({ query, reference, output, obsKeys: ["louvain"] });
    const before = digests(output);
    await expect(map({ query, reference, output })).rejects.toMatchObject({
      code: "GM_EXISTS",
      details: { path: output },
    });
    expect(digests(output)).toEqual(before);
    const { stored } = await map({ query, reference, output, overwrite: true });
    expect(stored.map(({ path }) => path)).not.toContain("obs/louvain_pred");
  });

  it("is never replaced when it is somebody's data", async () => {
    const folder = temporary();
    const precious = join(folder, "precious.zarr");
    cpSync(query, precious, { recursive: true });
    const before = digests(precious);
    const job = map({ query, reference, output: precious, overwrite: true });
    await expect(job).rejects.toMatchObject({ code: "GM_EXISTS" });
    expect(digests(precious)).toEqual(before);
  });
});

describe("input that is strange but fine", () => {
  it("has rows with NaN: they get a status", async () => {
    const folder = temporary();
    const store = join(folder, "query.zarr");
    writeBlobs(store, { rows: 100, dim: 50, seed: 3, edit: (values) => values.fill(Number.NaN, 50, 150) });
    const report = await map({
      query: store,
      reference,
      output: join(folder, "mapped.zarr"),
      obsKeys: ["bulk_labels"],
    });
    expect(report.statusCounts).toMatchObject({ ok: 98, "invalid input": 2 });
  });

  it("is empty: the mapped store is, too", async () => {
    const folder = temporary();
    const store = join(folder, "query.zarr");
    writeBlobs(store, { rows: 0, dim: 50, seed: 3 });
    const output = join(folder, "mapped.zarr");
    await map({ query: store, reference, output, obsKeys: ["bulk_labels"] });
    expect(existsSync(output)).toBe(true);
    expect((await inspect(output)).nObs).toBe(0);
  });

  it("has fewer cells than neighbors asked for: padding and a warning", async () => {
    const folder = temporary();
    const few = join(folder, "few.zarr");
    writeBlobs(few, { rows: 5, dim: 50, seed: 4 });
    const report = await map({ query, reference: few, output: join(folder, "mapped.zarr"), obsKeys: ["label"] });
    expect(report.plan.k).toBe(30);
    expect(report.warnings.join()).toMatch(/nNeighbors 30 is more than .* \(5\)/);
  });
});
