import { join } from "node:path";
import { CellMapper, computeJointPca, inspect, map, verify } from "gigamapper";
import { describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { digests, query, reference, temporary } from "./folder.js";

describe("a computed representation", () => {
  it("is stored for each store, and mapped by", async () => {
    const folder = temporary();
    const [output, referenceOutput] = [join(folder, "query.zarr"), join(folder, "reference.zarr")];
    const before = [digests(query), digests(reference)];
    await using mapper = new CellMapper(query, reference, { memory: "512MiB" });
    const report = await mapper.computeJointPca({ output, referenceOutput, nComps: 10 });
    expect([digests(query), digests(reference)]).toEqual(before);
    expect(report).toMatchObject({ method: "joint_pca", nComps: 10, solver: "gram", useRep: "X_pca", warnings: [] });
    expect(report.variance).toHaveLength(10);
    expect(report.variance).toEqual([...report.variance].sort((a, b) => b - a));
    for (const [path, original, cells] of [
      [output, query, 200],
      [referenceOutput, reference, 500],
    ] as const) {
      const [stored, from] = [await inspect(path), await inspect(original)];
      expect(stored.nObs).toBe(cells);
      expect(stored.nVars).toBe(report.nGenes);
      expect(stored.obsm["X_pca"]).toMatchObject({ shape: [cells, 10], dtype: "float32" });
      expect(Object.keys(stored.obs)).toEqual(Object.keys(from.obs));
      expect(await verify(path)).toMatchObject({ damaged: [], units: [], unknown: [] });
    }
    const mapped = await map({
      query: output,
      reference: referenceOutput,
      obsKeys: ["louvain"],
      output: join(folder, "m.zarr"),
    });
    expect(mapped.warnings).toEqual([]);
    expect(mapped.statusCounts["ok"]).toBe(200);
    await expect(computeJointPca({ query, reference, output: join(folder, "other.zarr") })).rejects.toMatchObject({
      code: "GM_PARAM",
      details: { name: "referenceOutput" },
    });
  });

  it("is computed by a command, too, and by a mapping of stores that have none", async () => {
    const folder = temporary();
    const at = (name: string): string => join(folder, name);
    const sides = ["--query", query, "--reference", reference];
    const outputs = ["--output", at("q.zarr"), "--reference-output", at("r.zarr")];
    const made = await gigamapper(["pca", ...sides, ...outputs, "--method", "fast_cca", "--n-comps", "5"]);
    expect(made.code).toBe(0);
    expect(made.stdout).toContain("stored obsm/X_cca (array, 200 cells × 5)");
    expect((await gigamapper(["pca", ...sides, ...outputs])).code).toBe(6);
    expect((await gigamapper(["pca", ...sides, ...outputs, "--overwrite", "--n-comps", "9999"])).code).toBe(2);
    expect((await gigamapper(["pca", ...sides, ...outputs, "--overwrite", "--layer", "nothing"])).code).toBe(3);
    // What was computed has no X, and by its own key nothing more needs to be.
    const [mapped, keys] = [at("m.zarr"), ["--obs-keys", "louvain"]];
    const stored = ["--query", at("q.zarr"), "--reference", at("r.zarr"), "--use-rep", "X_cca", "--n-comps", "3"];
    expect((await gigamapper(["map", ...stored, ...keys, "--output", mapped])).code).toBe(0);
    expect((await inspect(mapped)).nObs).toBe(200);
  });
});
