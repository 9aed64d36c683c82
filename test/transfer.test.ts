import { join } from "node:path";
import { CellMapper, Kernel, map, Neighbors, transfer } from "gigamapper";
import { describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { digests, query, reference, temporary } from "./folder.js";

/** Digests of what was transferred. */
function predictions(folder: string): Record<string, string> {
  return Object.fromEntries(Object.entries(digests(folder)).filter(([path]) => /_(pred|conf)(\/|$)/.test(path)));
}

describe("a transfer along stored neighbors", () => {
  it("is what the mapping that found them has made", async () => {
    const folder = temporary();
    const [graph, mapped, output] = ["graph", "mapped", "output"].map((name) => join(folder, `${name}.zarr`)) as [
      string,
      string,
      string,
    ];
    await using kernel = new Kernel(reference, query);
    await kernel.computeNeighbors({ output: graph });
    const keys = { obsKeys: ["louvain", "n_genes"], obsmKeys: ["X_umap"] };
    await map({ query, reference, ...keys, output: mapped });
    await using mapper = new CellMapper(query, reference);
    const report = await mapper.transfer({ neighbors: graph, ...keys, output });
    expect(report.recall.method).toBe("imported");
    expect(Object.keys(predictions(output)).length).toBeGreaterThan(4);
    expect(predictions(output)).toEqual(predictions(mapped));
    expect(await mapper.neighbors.describe()).toMatchObject({ rows: 200, k: 30, nRef: 500 });
    expect((await mapper.evaluateLabelTransfer("louvain")).evaluated).toBe(200);
    await using found = await Neighbors.open(output);
    expect(await found.describe()).toMatchObject({ rows: 200, k: 30 });
    await expect(
      transfer({ query, reference, neighbors: graph, kernelMethod: "jaccard", output: `${output}2` }),
    ).rejects.toMatchObject({ code: "GM_PARAM", details: { name: "neighborsXx" } });
    await expect(transfer({ query: reference, neighbors: graph, output: `${output}2` })).rejects.toMatchObject({
      code: "GM_SHAPE",
    });
  });

  it("is a command, along scanpy's own kind of graph too", async () => {
    const folder = temporary();
    const [mapped, output] = [join(folder, "mapped.zarr"), join(folder, "output.zarr")];
    // In self-mapping a mapped store has its distances in obsp, as scanpy has.
    await map({ query, obsKeys: ["louvain"], nNeighbors: 15, output: mapped });
    const args = ["transfer", "--query", query, "--neighbors", mapped, "--neighbors-key", "distances"];
    const { code, stdout } = await gigamapper([...args, "--obs-keys", "louvain", "--output", output]);
    expect(code).toBe(0);
    expect(stdout).toContain("stored obs/louvain_pred (categorical, 200 cells)");
    expect(stdout).not.toContain("recall");
    expect(predictions(output)).toEqual(predictions(mapped));
    expect((await gigamapper([...args, "--output", output])).code).toBe(6);
    expect((await gigamapper([...args.slice(0, -1), "nothing", "--output", `${output}2`])).code).toBe(3);
    expect((await gigamapper(["transfer", "--query", query, "--output", `${output}2`])).code).toBe(2);
  });
});
