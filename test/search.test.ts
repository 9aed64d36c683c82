import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Kernel, type MapOptions, map, Neighbors, plan, ReferenceIndex } from "gigamapper";
import { describe, expect, it } from "vitest";
import { writeBlobs } from "./anndata.js";
import { query, reference, temporary } from "./folder.js";

const parameter = (name: string, reason = "") =>
  expect.objectContaining({
    code: "GM_PARAM",
    details: expect.objectContaining({ name, reason: expect.stringContaining(reason) }),
  });

describe("search options", () => {
  const wrong: [string, MapOptions, string][] = [
    ["method", { method: "annoy" }, "one of auto, exact, ivf, ivfpq"],
    ["recall", { recall: 0 }, "above 0 and at most 1"],
    ["recall", { recall: 95 }, "above 0 and at most 1"],
    ["nlist", { nlist: 0 }, "between 1"],
    ["nprobe", { nprobe: 0 }, "between 1"],
    ["metric", { metric: "manhattan" }, "euclidean"],
    ["seed", { seed: -1 }, "between 0"],
    ["listDtype", { listDtype: "f64" }, "f32, f16"],
    ["rerank", { rerank: "f32" }, "exact, f16, none"],
    ["io", { io: "carrier pigeon" }, "pread, mmap"],
    ["order", { order: "alphabetical" }, "rows, lists"],
    ["repair", { repair: "twice" }, "never, always"],
    ["index", { index: "index.faiss" }, ".gmx"],
    ["workDir", { workDir: "/nowhere/at/all" }, "exists"],
  ];
  it.each(wrong)("%s out of range is refused with its remedy: %o", async (name, options, remedy) => {
    await expect(plan({ query, reference, ...options })).rejects.toEqual(parameter(name, remedy));
  });

  const contradictions: [string, MapOptions][] = [
    ["nprobe", { method: "exact", nprobe: 8 }],
    ["nlist", { method: "exact", nlist: 8 }],
    ["listDtype", { method: "exact", listDtype: "f16" }],
    ["index", { method: "exact", index: "a.gmx" }],
    ["recall", { recall: 0.9, nprobe: 8 }],
    ["nprobe", { nlist: 4, nprobe: 8 }],
    ["nlist", { index: "a.gmx", nlist: 8 }],
    ["nlist", { nlist: 501 }],
    ["rerank", { method: "ivf", rerank: "exact" }],
    ["repair", { method: "exact", repair: "always" }],
    ["rerank", { index: "a.gmx", rerank: "none" }],
    ["listDtype", { method: "ivfpq", listDtype: "f16" }],
    ["metric", { metric: "inner_product", obsKeys: ["louvain"] }],
  ];
  it.each(contradictions)("that contradict each other are refused: %s of %o", async (name, options) => {
    await expect(plan({ query, reference, ...options })).rejects.toEqual(parameter(name));
  });

  it("of later versions say so", async () => {
    await expect(plan({ query, reference, io: "direct" })).rejects.toMatchObject({ code: "GM_UNSUPPORTED" });
    await expect(plan({ query, index: "a.gmx" })).rejects.toMatchObject({ code: "GM_UNSUPPORTED" });
  });
});

describe("the plan of a search", () => {
  it("says which method and why", async () => {
    const exact = await plan({ query, reference });
    expect(exact.parameters).toMatchObject({ method: "exact", metric: "euclidean", ivf: null });
    expect(exact.methodReason).toContain("500 reference cells are fewer than 50000");
    expect(exact.search).toEqual({ recall: null, nlist: null, nprobe: null, order: null, indexBytes: 0, runBytes: 0 });

    const pinned = await plan({ query, reference, nlist: 8, nprobe: 2 });
    expect(pinned.methodReason).toContain("nlist was given");
    expect(pinned.parameters.ivf).toMatchObject({ nlist: 8, nprobe: 2, recall: null, seed: 0, listDtype: "f32" });
    expect(pinned.search.indexBytes).toBeGreaterThan(500 * 50 * 4);
    expect(pinned.search.runBytes).toBeGreaterThan(0);
    expect(pinned.search.order).toBe("rows");
    expect((await plan({ query, reference, nlist: 8, nprobe: 2, order: "lists" })).search.order).toBe("lists");
  });

  it("is of the same run where only places and reading differ", async () => {
    const searched = { query, reference, method: "ivf" };
    const one = await plan(searched);
    expect((await plan({ ...searched, io: "mmap", order: "lists", workDir: temporary(), recall: 0.95 })).run).toBe(
      one.run,
    );
    expect((await plan({ ...searched, recall: 0.9 })).run).not.toBe(one.run);
    expect((await plan({ ...searched, seed: 1 })).run).not.toBe(one.run);
    expect((await plan({ query, reference, method: "exact", seed: 1 })).run).toBe(
      (await plan({ query, reference })).run,
    );
  });
});

describe("the report of an exact search", () => {
  it("has a recall of 1, whatever was asked for", async () => {
    const report = await map({ query, reference, recall: 0.9, output: join(temporary(), "mapped.zarr") });
    expect(report.recall).toEqual({
      measured: 1,
      low: 1,
      high: 1,
      target: null,
      nprobe: null,
      meanNprobe: null,
      repair: null,
      method: "exact",
      approximateDistances: false,
    });
  });
});

describe("the report of a search by codes", () => {
  it("says which distances are approximate", async () => {
    const searched = { query, reference, method: "ivfpq", nlist: 8, nprobe: 8 };
    const exact = await map({ ...searched, output: join(temporary(), "mapped.zarr") });
    expect(exact.recall).toMatchObject({ method: "ivfpq", approximateDistances: false });
    expect(exact.recall.measured).toBeGreaterThan(0.95);
    expect(exact.plan.parameters.ivf).toMatchObject({ rerank: "exact", listDtype: "f32" });
    const none = await map({ ...searched, rerank: "none", output: join(temporary(), "mapped.zarr") });
    expect(none.recall).toMatchObject({ method: "ivfpq", approximateDistances: true });
    expect(none.recall.measured).toBeLessThan(exact.recall.measured);
    expect(none.warnings.filter((warning) => warning.includes("approximate"))).toHaveLength(1);
  });

  it("is that of an index, whose lists cannot be appended to without rows", async () => {
    const output = join(temporary(), "coded.gmx");
    await using index = await ReferenceIndex.build(reference, { output, method: "ivfpq", rerank: "none", nlist: 8 });
    const described = await index.describe();
    expect(described).toMatchObject({ method: "ivfpq", rerank: "none", listDtype: "none", formatVersion: 2 });
    const report = await map({ query, reference, index: output, nprobe: 2, output: join(temporary(), "mapped.zarr") });
    expect(report.recall.approximateDistances).toBe(true);
    await expect(ReferenceIndex.append(reference, { output })).rejects.toMatchObject({ code: "GM_UNSUPPORTED" });
  });
});

describe("the report of a search by lists", () => {
  it("has the recall that was measured, its interval and the lists visited", async () => {
    const searched = { query, reference, method: "ivf", nlist: 8, output: join(temporary(), "mapped.zarr") };
    const { recall, warnings } = await map({ ...searched, recall: 0.9 });
    expect(recall).toMatchObject({
      method: "ivf",
      target: 0.9,
      nprobe: expect.any(Number),
      meanNprobe: expect.any(Number),
    });
    expect(recall.measured).toBeGreaterThan(0.8);
    expect(recall.low).toBeLessThanOrEqual(recall.measured);
    expect(recall.high).toBeGreaterThanOrEqual(recall.measured);
    expect(warnings.filter((warning) => warning.includes("not run"))).toEqual([]);
    const pinned = await map({ ...searched, nprobe: 2, overwrite: true });
    expect(pinned.recall).toMatchObject({ target: null, nprobe: 2, meanNprobe: 2 });
  });

  it("says how far neighbors were repaired", async () => {
    const searched = { query: reference, method: "ivf", nlist: 8, nprobe: 2 };
    const never = await map({ ...searched, output: join(temporary(), "mapped.zarr") });
    const always = await map({ ...searched, repair: "always", output: join(temporary(), "mapped.zarr") });
    expect(never.recall.repair).toBeNull();
    expect(always.recall.repair).toEqual({ r1: 12, r2: 12 });
    expect(always.recall.measured).toBeGreaterThan(never.recall.measured);
    expect(always.stages.map(({ stage }) => stage)).toContain("repair");
    await expect(plan({ query, reference, method: "ivf", repair: "always" })).rejects.toMatchObject({
      code: "GM_UNSUPPORTED",
    });
  });

  it("is repaired by the graph that an index keeps", async () => {
    const output = join(temporary(), "kept.gmx");
    await using index = await ReferenceIndex.build(reference, { output, nlist: 8, keepGraph: 10 });
    expect(await index.describe()).toMatchObject({ keepGraph: 10, formatVersion: 4 });
    const searched = { query, reference, index: output, nprobe: 1 };
    const never = await map({ ...searched, output: join(temporary(), "mapped.zarr") });
    const always = await map({ ...searched, repair: "always", output: join(temporary(), "mapped.zarr") });
    expect(always.recall.repair).toEqual({ r1: 10, r2: 12 });
    expect(always.recall.measured).toBeGreaterThan(never.recall.measured);
    await expect(ReferenceIndex.append(reference, { output })).rejects.toMatchObject({ code: "GM_UNSUPPORTED" });
  });

  it("is the same for an index that was built before", async () => {
    const folder = temporary();
    await using index = await ReferenceIndex.build(reference, { output: join(folder, "reference.gmx"), nlist: 8 });
    const own = await map({ query, reference, nlist: 8, nprobe: 3, output: join(folder, "own.zarr") });
    const given = await map({ query, reference, index: index.path, nprobe: 3, output: join(folder, "given.zarr") });
    expect(given.recall).toEqual(own.recall);
    await using neighbors = new Neighbors(own.output);
    await using others = new Neighbors(given.output);
    const [one, other] = await Promise.all([neighbors.blocks().next(), others.blocks().next()]);
    expect(other.value).toEqual(one.value);
  });
});

describe("a kernel", () => {
  it("refuses graphs that there are not, and what a mapping transfers", async () => {
    await using kernel = new Kernel(reference, query);
    await expect(kernel.plan({ graphs: ["yz"] })).rejects.toEqual(parameter("graphs"));
    await expect(kernel.plan({ graphs: ["xx"] })).rejects.toMatchObject({ code: "GM_PARAM" });
    const mapping = { obsKeys: ["louvain"] } as object;
    await expect(kernel.plan(mapping)).rejects.toMatchObject({
      code: "GM_PARAM",
      message: expect.stringContaining("obsKeys"),
    });
    await kernel.close();
    await expect(kernel.plan()).rejects.toEqual(parameter("kernel"));
  });
});

describe("an index", () => {
  it("is planned without being written", async () => {
    const planned = await ReferenceIndex.plan(reference, { nlist: 8 });
    expect(planned).toMatchObject({
      reference: { nObs: 500, dim: 50 },
      parameters: {
        useRep: "X_pca",
        nlist: 8,
        seed: 0,
        listDtype: "f32",
        rerank: null,
        metric: "euclidean",
        keepGraph: null,
      },
    });
    expect(planned.diskBytes).toBeGreaterThan(500 * 50 * 4);
    expect((await ReferenceIndex.plan(reference)).parameters.nlist).toBe(1);
    await expect(ReferenceIndex.plan(reference, { nlist: 501 })).rejects.toEqual(parameter("nlist"));
    await expect(ReferenceIndex.plan(reference, { output: "index.zarr" })).rejects.toEqual(parameter("output", ".gmx"));
  });

  it("is built, described and opened again", async () => {
    const output = join(temporary(), "reference.gmx");
    const stages = new Set<string>();
    const built = await ReferenceIndex.build(reference, {
      output,
      nlist: 8,
      onProgress: ({ stage }) => stages.add(stage),
    });
    expect(built.report).toMatchObject({ output, rows: 500, dim: 50, excludedRows: 0 });
    expect(stages).toContain("seal");
    await using opened = await ReferenceIndex.open(output);
    expect(opened.report).toBeNull();
    const described = await opened.describe();
    expect(described).toEqual(await built.describe());
    expect(described).toMatchObject({ path: output, rows: 500, dim: 50, listDtype: "f32", metric: "euclidean" });
    expect(described.bytes).toBe(built.report?.bytes);
    await built.close();
    await expect(built.describe()).rejects.toEqual(parameter("index"));
  });

  it("grows with its reference, and with no other", async () => {
    const folder = temporary();
    const [atlas, output] = [join(folder, "atlas.zarr"), join(folder, "atlas.gmx")];
    const write = (rows: number, seed = 3): void => writeBlobs(atlas, { rows, dim: 8, seed });
    write(400);
    await using built = await ReferenceIndex.build(atlas, { output, nlist: 8 });
    write(600);
    const planned = await ReferenceIndex.plan(atlas, { output, append: true });
    expect(planned).toMatchObject({ addedRows: 200, parameters: { nlist: 8 } });
    const stages = new Set<string>();
    await using grown = await ReferenceIndex.append(atlas, { output, onProgress: ({ stage }) => stages.add(stage) });
    expect(grown.report).toMatchObject({
      output,
      generation: 2,
      addedRows: 200,
      rows: 600,
      nlist: built.report?.nlist,
    });
    // At most ten events a second are told, so a quick stage may go by unseen.
    expect(stages.size).toBeGreaterThan(0);
    expect(["preflight", "verify", "read", "train", "add", "seal"]).toEqual(expect.arrayContaining([...stages]));
    expect(await grown.describe()).toMatchObject({ generation: 2, rows: 600, bytes: grown.report?.bytes });
    const { recall } = await map({
      query: atlas,
      reference: atlas,
      index: output,
      output: join(folder, "mapped.zarr"),
    });
    expect(recall.method).toBe("ivf");

    await using again = await ReferenceIndex.append(atlas, { output });
    expect(again.report).toMatchObject({ addedRows: 0, generation: 2 });
    expect(again.report?.warnings).toContainEqual(expect.stringContaining("nothing to append"));
    write(500);
    const append = ReferenceIndex.append(atlas, { output });
    await expect(append).rejects.toMatchObject({
      code: "GM_SHAPE",
      details: { leftShape: [600, 8], rightShape: [500, 8] },
    });
    write(700, 4);
    await expect(ReferenceIndex.append(atlas, { output })).rejects.toMatchObject({ code: "GM_STALE" });
    const other = { output, seed: 1 } as object;
    await expect(ReferenceIndex.append(atlas, other)).rejects.toEqual(parameter("seed", "with 0"));
    await expect(ReferenceIndex.append(atlas, {})).rejects.toEqual(parameter("output"));
    const missing = { output: join(folder, "missing.gmx") };
    await expect(ReferenceIndex.append(atlas, missing)).rejects.toMatchObject({ code: "GM_NOT_FOUND" });
  });

  it("is refused before anything is written where it cannot be built", async () => {
    const output = join(temporary(), "reference.gmx");
    await expect(ReferenceIndex.build(reference, {})).rejects.toEqual(parameter("output"));
    await expect(ReferenceIndex.build(reference, { output, useRep: "X_scvi" })).rejects.toMatchObject({
      code: "GM_NOT_FOUND",
    });
    const signal = AbortSignal.abort("no");
    await expect(ReferenceIndex.build(reference, { output, signal })).rejects.toMatchObject({ code: "GM_CANCELLED" });
    expect(existsSync(output)).toBe(false);
    mkdirSync(output);
    await expect(ReferenceIndex.build(reference, { output })).rejects.toMatchObject({ code: "GM_EXISTS" });
  });

  it("that is none is not opened", async () => {
    const path = join(temporary(), "nothing.gmx");
    await expect(ReferenceIndex.open(path)).rejects.toMatchObject({ code: "GM_NOT_FOUND" });
    mkdirSync(path);
    await expect(ReferenceIndex.open(path)).rejects.toMatchObject({ code: "GM_SCHEMA" });
  });
});
