import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { diffuse, inspect, map } from "gigamapper";
import { describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { digests, query, reference, temporary } from "./folder.js";

describe("diffusion", () => {
  it("goes along stored neighbors as a mapping with t does", async () => {
    const folder = temporary();
    const neighbors = join(folder, "mapped.zarr");
    await map({ query: reference, obsKeys: ["louvain"], output: neighbors });
    const before = digests(neighbors);
    const wanted = { query: reference, obsKeys: ["louvain", "n_genes"], obsmKeys: ["X_umap"], t: 3 };
    const output = join(folder, "diffused.zarr");
    const report = await diffuse({ ...wanted, neighbors, storeNeighbors: true, output });
    expect(digests(neighbors)).toEqual(before);
    expect(report.plan.parameters.diffusion).toEqual({ t: 3, method: "iterative" });
    const at = join(folder, "at-once.zarr");
    await map({ ...wanted, output: at });
    const values = (store: string): Record<string, string> =>
      Object.fromEntries(Object.entries(digests(store)).filter(([name]) => /^(obs|obsm|obsp)\/.*\/c\//.test(name)));
    expect(Object.keys(values(output)).length).toBeGreaterThan(8);
    expect(values(output)).toEqual(values(at));
    expect((await inspect(output)).obs["n_genes_pred"]).toMatchObject({ dtype: "float64", missing: 0 });
    await expect(diffuse({ ...wanted, neighbors, output })).rejects.toMatchObject({ code: "GM_EXISTS" });
    await expect(diffuse({ ...wanted, query, neighbors, output: `${output}2` })).rejects.toMatchObject({
      code: "GM_SHAPE",
    });
  });

  it("is a command, too", async () => {
    const folder = temporary();
    const [neighbors, output] = [join(folder, "graph.zarr"), join(folder, "diffused.zarr")];
    expect((await gigamapper(["neighbors", "--query", reference, "--output", neighbors])).code).toBe(0);
    const args = [
      "diffuse",
      "--neighbors",
      neighbors,
      "--query",
      reference,
      "--output",
      output,
      "--obs-keys",
      "n_genes",
    ];
    const { code, stdout } = await gigamapper([...args, "--t", "2", "--diffusion-method", "spectral"]);
    expect(code).toBe(0);
    expect(stdout).toContain("stored obs/n_genes_pred (numeric, 500 cells)");
    expect(stdout).not.toContain("recall");
    expect((await gigamapper(args)).code).toBe(6);
    expect((await gigamapper([...args, "--overwrite", "--t", "0"])).code).toBe(2);
    expect((await gigamapper([...args, "--overwrite", "--obs-keys", "nothing"])).code).toBe(3);
  });

  it("goes along distances in obsp too, and --symmetrize alone means max", async () => {
    const folder = temporary();
    const neighbors = join(folder, "cells.zarr");
    // In self-mapping a mapped store has its distances in obsp, as scanpy has; without our mark it is an AnnData like any other.
    await map({ query, obsKeys: ["louvain"], output: neighbors });
    const file = join(neighbors, "zarr.json");
    const document = JSON.parse(readFileSync(file, "utf8")) as { attributes: Record<string, unknown> };
    delete document.attributes["gigamapper"];
    writeFileSync(file, JSON.stringify(document));
    const run = async (name: string, ...more: string[]): Promise<string> => {
      const output = join(folder, name);
      const args = ["diffuse", "--neighbors", neighbors, "--query", query, "--obs-keys", "n_genes", "--kernel-method"];
      const { code, stderr } = await gigamapper([...args, "gauss", "--output", output, ...more]);
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      return JSON.stringify(digests(join(output, "obs/n_genes_pred")));
    };
    const bare = await run("bare.zarr", "--symmetrize");
    expect(await run("max.zarr", "--symmetrize", "max")).toBe(bare);
    expect(await run("mean.zarr", "--symmetrize", "mean")).not.toBe(bare);
  });

  it("of a mapping between two stores is refused, because its matrix is not square", async () => {
    const output = join(temporary(), "mapped.zarr");
    const { code, stderr } = await gigamapper([
      "map",
      "--query",
      query,
      "--reference",
      reference,
      "--obs-keys",
      "louvain",
      "--t",
      "3",
      "--output",
      output,
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain("not square");
  });
});
