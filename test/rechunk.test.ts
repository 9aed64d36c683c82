import { join } from "node:path";
import { inspect, map, rechunk } from "gigamapper";
import { describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { digests, query, reference, temporary } from "./folder.js";

describe("a copy in chunks of whole rows", () => {
  it("holds names, embedding and columns, and maps as its original does", async () => {
    const folder = temporary();
    const output = join(folder, "copy.zarr");
    const before = digests(reference);
    const report = await rechunk(reference, { output, layout: { innerRows: 64, innerPerUnit: 2, partRows: 1024 } });
    expect(digests(reference)).toEqual(before);
    expect(report.layout).toMatchObject({ innerRows: 64, unitRows: 128, units: 4, parts: 1 });
    expect(report.stored.map(({ path }) => path)).toContain("obsm/X_pca");

    const [original, copy] = await Promise.all([inspect(reference), inspect(output)]);
    expect(copy.obs).toEqual(original.obs);
    expect(copy.nObs).toBe(500);
    expect(copy.obsNamesFirst).toEqual(original.obsNamesFirst);
    expect(copy.arrays["obsm/X_pca"]).toMatchObject({ chunks: [64, 50], shards: [128, 50], codec: "raw" });

    const mapped = async (name: string, atlas: string): Promise<Record<string, string>> => {
      const stored = await map({ query, reference: atlas, obsKeys: ["louvain"], output: join(folder, name) });
      const all = digests(stored.output);
      return Object.fromEntries(Object.entries(all).filter(([path]) => /^obs(m)?\/.*\/c\//.test(path)));
    };
    const expected = await mapped("a.zarr", reference);
    expect(Object.keys(expected).length).toBeGreaterThan(5);
    expect(await mapped("b.zarr", output)).toEqual(expected);
  });

  it("says what memory it would take, before anything is written", async () => {
    const output = join(temporary(), "copy.zarr");
    await expect(rechunk(reference, { output, memory: "8MiB" })).rejects.toMatchObject({
      code: "GM_BUDGET",
      hint: expect.stringMatching(/memory of \d+ MiB would do/),
    });
    expect(digests(join(output, ".."))).toEqual({});
  });

  it("is a command, too", async () => {
    const output = join(temporary(), "copy.zarr");
    const args = ["rechunk", "--input", query, "--use-rep", "X_umap", "--obs-keys", "louvain", "--output", output];
    const { code, stdout } = await gigamapper(args);
    expect(code).toBe(0);
    expect(stdout).toContain("stored obsm/X_umap (array, 200 cells × 2)");
    expect(stdout).toContain("stored obs/louvain (categorical, 200 cells)");
    expect(stdout).not.toContain("n_genes");
    expect((await gigamapper(args)).code).toBe(6);
    expect((await gigamapper([...args, "--resume"])).code).toBe(0);
    expect((await gigamapper(["rechunk", "--output", output])).code).toBe(2);
    expect((await gigamapper(["rechunk", "--input", query, "--obs-keys", "no", "--output", `${output}2`])).code).toBe(
      3,
    );
  });
});
