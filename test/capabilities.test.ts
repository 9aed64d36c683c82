import { join } from "node:path";
import {
  capabilities,
  inspect,
  Kernel,
  type MappedColumn,
  MappedStore,
  MappingOperator,
  map,
  presence,
  rechunk,
} from "gigamapper";
import { describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { digests, query, reference, temporary } from "./folder.js";

/** The values of a column, or what its labels are. */
const valuesOf = (column: MappedColumn): unknown[] =>
  column.kind === "categorical"
    ? Array.from(column.codes, (code) => column.categories[code] ?? null)
    : Array.from<unknown>(column.values);

describe("capabilities", () => {
  it("are what the command prints, and what calls accept", async () => {
    const found = await capabilities();
    const { code, stdout } = await gigamapper(["capabilities", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(found);
    expect((await gigamapper(["capabilities"])).stdout).toContain(`gigamapper ${found.version}`);
    const [cpu] = found.backends;
    expect(cpu).toMatchObject({ name: "cpu", available: true });
    const folder = temporary();
    for (const { name, metrics } of found.methods) {
      for (const metric of metrics) {
        const output = join(folder, `${name}-${metric}.zarr`);
        await using kernel = new Kernel(reference, query);
        const lists = name === "exact" ? {} : { nlist: 4 };
        await kernel.computeNeighbors({ method: name, metric, nNeighbors: 3, ...lists, output });
      }
    }
  });
});

describe("a mapping operator", () => {
  it("applies stored neighbours as a mapping does, and leaves them alone", async () => {
    const folder = temporary();
    const output = join(folder, "mapped.zarr");
    const keys = { obsKeys: ["bulk_labels", "n_genes"], obsmKeys: ["X_umap"] };
    await map({ query, reference, ...keys, output });
    const before = digests(output);
    await using operator = new MappingOperator(output, { query, reference });
    expect(() => operator.mapped).toThrow();
    const report = await operator.apply({ ...keys, output: join(folder, "applied.zarr") });
    expect(report.plan.parameters.method).toBe("imported");
    await using mapped = new MappedStore(output);
    for (const key of ["bulk_labels_pred", "n_genes_pred"]) {
      expect(valuesOf(await operator.mapped.obs(key))).toEqual(valuesOf(await mapped.obs(key)));
    }
    expect((await operator.neighbors.describe()).rows).toBe(200);
    const scores = join(folder, "scores.zarr");
    await operator.presence({ groupby: "louvain", output: scores });
    const again = join(folder, "again.zarr");
    await presence({ neighbors: output, reference, query, groupby: "louvain", output: again });
    expect((await inspect(scores)).obs["presence_score"]).toEqual((await inspect(again)).obs["presence_score"]);
    expect(digests(output)).toEqual(before);
    await operator.close();
    await expect(operator.apply({ ...keys, output: join(folder, "closed.zarr") })).rejects.toMatchObject({
      code: "GM_PARAM",
    });
  });

  it("diffuses within one store", async () => {
    const folder = temporary();
    const graph = join(folder, "graph.zarr");
    await map({ query: reference, nNeighbors: 10, output: graph });
    await using operator = new MappingOperator(graph, { query: reference });
    const report = await operator.apply({ obsKeys: ["n_genes"], t: 3, output: join(folder, "smoothed.zarr") });
    expect(report.plan.mode).toBe("self");
    expect(report.plan.parameters.diffusion?.t).toBe(3);
  });
});

describe("a query in another space", () => {
  it("is warned of, and the demo's is not", async () => {
    const folder = temporary();
    const same = await map({ query, reference, output: join(folder, "same.zarr") });
    expect(same.space?.isOther).toBe(false);
    expect(same.warnings).toEqual(["neither obsKeys nor obsmKeys nor layerKey: only neighbors are stored"]);
    const { writeBlobs } = await import("./anndata.js");
    const [left, right] = [join(folder, "left.zarr"), join(folder, "right.zarr")];
    writeBlobs(left, { rows: 400, dim: 20, seed: 1 });
    const scale = (values: Float32Array): void => values.set(values.map((value) => 5 * value));
    writeBlobs(right, { rows: 300, dim: 20, seed: 2, edit: scale });
    const output = join(folder, "other.zarr");
    const args = ["map", "--query", right, "--reference", left, "--obs-keys", "label", "--output", output, "--json"];
    const { stdout, stderr } = await gigamapper(args);
    const other = JSON.parse(stdout) as { space: { isOther: boolean; farther: number } };
    expect(other.space.isOther).toBe(true);
    expect(stderr).toContain("another space");
  });
});

describe("neighbours of other batches", () => {
  it("are found by the library and by the command", async () => {
    const folder = temporary();
    const [plain, apart] = [join(folder, "plain.zarr"), join(folder, "apart.zarr")];
    const options = { obsKeys: ["louvain"], kernelMethod: "equal", selfEdges: false, symmetrize: "none" };
    await map({ query: reference, ...options, output: plain });
    const args = ["map", "--query", reference, "--obs-keys", "louvain", "--kernel-method", "equal", "--no-self-edges"];
    const excluding = ["--symmetrize", "none", "--exclude-batch", "louvain"];
    expect((await gigamapper([...args, ...excluding, "--output", apart])).code).toBe(0);
    const predicted = async (path: string): Promise<unknown[]> => {
      await using mapped = new MappedStore(path);
      return valuesOf(await mapped.obs("louvain_pred"));
    };
    const labels = join(folder, "labels.zarr");
    await rechunk(reference, { obsKeys: ["louvain"], output: labels });
    await using own = new MappedStore(labels);
    const truth = valuesOf(await own.obs("louvain"));
    const [usual, others] = [await predicted(plain), await predicted(apart)];
    expect(usual.filter((label, cell) => label === truth[cell]).length).toBeGreaterThan(300);
    expect(others.filter((label, cell) => label === truth[cell])).toEqual([]);
    const refused = await gigamapper([...args, "--exclude-batch", "nothing", "--output", join(folder, "no.zarr")]);
    expect(refused.code).toBe(3);
  });
});
