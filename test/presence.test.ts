import { join } from "node:path";
import { inspect, map, presence } from "gigamapper";
import { describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { digests, query, reference, temporary } from "./folder.js";

describe("presence scores", () => {
  it("are stored for each reference cell, whole and by group", async () => {
    const folder = temporary();
    const neighbors = join(folder, "mapped.zarr");
    await map({ query, reference, obsKeys: ["louvain"], output: neighbors });
    const before = digests(neighbors);
    const output = join(folder, "presence.zarr");
    const report = await presence({ neighbors, reference, groupby: "louvain_pred", output });
    expect(digests(neighbors)).toEqual(before);
    expect(report).toMatchObject({ nQuery: 200, nRef: 500, passes: 1, warnings: [] });
    const scores = await inspect(output);
    expect(scores.nObs).toBe(500);
    expect(scores.obs["presence_score"]).toMatchObject({ dtype: "float64", missing: 0 });
    expect(scores.obsm["presence_score"]?.shape).toEqual([500, report.groups.length]);
    await expect(presence({ neighbors, reference, output })).rejects.toMatchObject({ code: "GM_EXISTS" });
    await expect(presence({ neighbors, reference: query, output: `${output}2` })).rejects.toMatchObject({
      code: "GM_SHAPE",
    });
  });

  it("are a command, too", async () => {
    const folder = temporary();
    const [neighbors, output] = [join(folder, "graph.zarr"), join(folder, "presence.zarr")];
    expect(
      (await gigamapper(["neighbors", "--query", query, "--reference", reference, "--output", neighbors])).code,
    ).toBe(0);
    const args = ["presence", "--neighbors", neighbors, "--reference", reference, "--output", output];
    const grouped = [
      ...args,
      "--groupby",
      "louvain",
      "--query",
      query,
      "--percentile",
      "0,100",
      "--no-minmax",
      "--log",
    ];
    const { code, stdout } = await gigamapper(grouped);
    expect(code).toBe(0);
    expect(stdout).toContain("stored obs/presence_score (numeric, 500 cells)");
    expect(stdout).toMatch(/stored obsm\/presence_score \(array, 500 cells × \d+\)/);
    expect((await gigamapper(args)).code).toBe(6);
    expect((await gigamapper([...args, "--overwrite", "--percentile", "99,1"])).code).toBe(2);
    expect((await gigamapper([...args, "--overwrite", "--groupby", "nothing"])).code).toBe(3);
  });
});
