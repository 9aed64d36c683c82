import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  computeJointPca,
  diffuse,
  Kernel,
  map,
  planDiffuse,
  planRepresentation,
  planTransfer,
  transfer,
} from "gigamapper";
import { describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { digests, query, reference, temporary } from "./folder.js";

describe("a plan", () => {
  it("of a transfer and of diffusion is what they report, and refuses what they would", async () => {
    const folder = temporary();
    const [graph, self, output] = ["graph", "self", "output"].map((name) => join(folder, `${name}.zarr`)) as [
      string,
      string,
      string,
    ];
    await new Kernel(reference, query).computeNeighbors({ output: graph });
    const along = { query, reference, neighbors: graph, obsKeys: ["louvain"], memory: "256MiB" };
    const planned = await planTransfer(along);
    expect(planned.parameters.method).toBe("imported");
    expect(planned.memory.planned).toBeLessThanOrEqual(planned.memory.limit);
    expect(existsSync(output)).toBe(false);
    expect((await transfer({ ...along, output })).plan).toEqual(planned);
    await expect(planTransfer({ ...along, output })).rejects.toMatchObject({ code: "GM_EXISTS" });
    await expect(planTransfer({ ...along, memory: "70MiB" })).rejects.toMatchObject({ code: "GM_BUDGET" });

    await map({ query, obsKeys: ["louvain"], output: self });
    const smoothed = { query, neighbors: self, obsKeys: ["n_genes"], t: 2 };
    const steps = await planDiffuse(smoothed);
    expect(steps.search.runBytes).toBeGreaterThan(0);
    expect((await diffuse({ ...smoothed, output: `${output}2` })).plan).toEqual(steps);
  });

  it("of a representation needs no outputs", async () => {
    const folder = temporary();
    const stores = { query, reference, nComps: 5 };
    const planned = await planRepresentation(stores);
    const [output, referenceOutput] = [join(folder, "q.zarr"), join(folder, "r.zarr")];
    const report = await computeJointPca({ ...stores, output, referenceOutput });
    expect(planned).toMatchObject({ method: "joint_pca", nComps: 5, nGenes: report.nGenes, run: report.run });
    expect([planned.memory, planned.diskBytes]).toEqual([report.memory, report.diskBytes]);
    await expect(planRepresentation({ query, method: "fast_cca" })).rejects.toMatchObject({ code: "GM_PARAM" });
  });

  it("is a command for each of them", async () => {
    const folder = temporary();
    const graph = join(folder, "graph.zarr");
    const stores = ["--query", query, "--reference", reference];
    const all = await gigamapper(["neighbors", ...stores, "--graphs", "yx,xx,yy,xy", "--output", graph]);
    expect({ code: all.code, stderr: all.code === 0 ? "" : all.stderr }).toEqual({ code: 0, stderr: "" });
    for (const name of ["-xx", "-yy", "-xy"])
      expect(existsSync(join(folder, `graph${name}.zarr/zarr.json`))).toBe(true);
    const before = digests(folder);
    const shared = ["--neighbors", graph, "--kernel-method", "jaccard", "--obs-keys", "louvain"];
    for (const [command, options, told] of [
      ["transfer", [...stores, ...shared], "jaccard"],
      ["diffuse", ["--query", query, "--neighbors", join(folder, "graph-yy.zarr"), "--obs-keys", "louvain"], "steps"],
      ["pca", [...stores, "--n-comps", "5"], "joint_pca"],
    ] as const) {
      const { code, stdout, stderr } = await gigamapper(["plan", command, ...options]);
      expect({ command, code, stderr: code === 0 ? "" : stderr }).toEqual({ command, code: 0, stderr: "" });
      expect(stdout).toContain(told);
      expect(stdout).toMatch(/memory .* of /);
      expect(stdout).toContain("at most");
    }
    expect(digests(folder)).toEqual(before);
    const output = join(folder, "mapped.zarr");
    const { code, stdout } = await gigamapper(["transfer", ...stores, ...shared, "--output", output]);
    expect(code).toBe(0);
    expect(stdout).toContain("stored obs/louvain_pred (categorical, 200 cells)");
    const small = await gigamapper(["plan", "transfer", ...stores, ...shared, "--memory", "70MiB"]);
    expect(small.code).toBe(4);
  });
});
