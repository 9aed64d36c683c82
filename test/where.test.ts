import { join } from "node:path";
import {
  CellMapper,
  inspect,
  isGigamapperError,
  Kernel,
  type MappedColumn,
  MappedStore,
  MappingOperator,
  map,
  Neighbors,
  ReferenceIndex,
  rechunk,
  transfer,
} from "gigamapper";
import { describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { query, reference, temporary } from "./folder.js";

/** The values of a column, or what its labels are. */
const valuesOf = (column: MappedColumn): unknown[] =>
  column.kind === "categorical"
    ? Array.from(column.codes, (code) => column.categories[code] ?? null)
    : Array.from<unknown>(column.values);

const where = 'bulk_labels == "CD14+ Monocyte" or n_genes > 800';
const referenceWhere = 'not (louvain in ["0", "1"])';

describe("cells that a condition chooses", () => {
  it("are all that is seen of a store, as if it had no others", async () => {
    const folder = temporary();
    const [whole, part] = await Promise.all([inspect(reference), inspect(reference, { where: referenceWhere })]);
    expect(part.nObs).toBeGreaterThan(0);
    expect(part.nObs).toBeLessThan(whole.nObs);
    const chosen = await inspect(query, { where });
    // A copy of the chosen cells is a store of its own: what maps onto it is the same, and so are the numbers of its rows.
    const copy = join(folder, "copy.zarr");
    await rechunk(reference, { where: referenceWhere, output: copy });
    expect((await inspect(copy)).nObs).toBe(part.nObs);
    const wanted = { obsKeys: ["bulk_labels", "n_genes"], nNeighbors: 15 };
    const output = join(folder, "mapped.zarr");
    const report = await map({ query, reference, where, referenceWhere, output, ...wanted });
    expect(report.plan.query.nObs).toBe(chosen.nObs);
    expect(report.plan.parameters).toMatchObject({ where, referenceWhere: 'not (louvain in ["0", "1"])' });
    const onto = join(folder, "onto.zarr");
    await map({ query, reference: copy, where, output: onto, ...wanted });
    await using mapped = new MappedStore(output);
    await using other = new MappedStore(onto);
    for (const key of ["bulk_labels_pred", "n_genes_pred"]) {
      expect(valuesOf(await mapped.obs(key))).toEqual(valuesOf(await other.obs(key)));
    }
    await using found = await Neighbors.open(output);
    await using again = await Neighbors.open(onto);
    const ids = async (graph: Neighbors) => {
      const all: (number | bigint)[] = [];
      for await (const { indices } of graph.blocks()) all.push(...indices);
      return all;
    };
    expect(await ids(found)).toEqual(await ids(again));
  });

  it("are mapped onto others of the same store, by an index of them, and transferred along", async () => {
    const folder = temporary();
    const index = join(folder, "part.gmx");
    const wanted = { obsKeys: ["louvain"], nNeighbors: 5 };
    const [own, others] = ['louvain == "0"', 'louvain != "0"'];
    await ReferenceIndex.build(reference, { where: others, output: index, nlist: 4 });
    const output = join(folder, "mapped.zarr");
    const sides = { where: own, referenceWhere: others };
    const report = await map({ query: reference, ...sides, index, method: "ivf", nprobe: 4, output, ...wanted });
    expect(report.plan.mode).toBe("cross");
    expect(report.warnings.join()).not.toContain("in common");
    const along = join(folder, "along.zarr");
    await transfer({ query: reference, ...sides, neighbors: output, output: along, obsKeys: ["louvain"] });
    await using mapped = new MappedStore(output);
    await using transferred = new MappedStore(along);
    const predicted = valuesOf(await mapped.obs("louvain_pred"));
    expect(predicted).not.toContain("0");
    expect(valuesOf(await transferred.obs("louvain_pred"))).toEqual(predicted);
    const meeting = await map({
      query: reference,
      where: own,
      reference,
      output: join(folder, "both.zarr"),
      ...wanted,
    });
    expect(meeting.warnings.join()).toContain("in common");
    // Another choice of reference cells is not what the index is of.
    const stale = map({ query, reference, referenceWhere: own, index, output: join(folder, "no.zarr") });
    await expect(stale).rejects.toSatisfy((error) => isGigamapperError(error));
  });

  it("are chosen on the command line, and what cannot be read is told with its place", async () => {
    const folder = temporary();
    const told = await gigamapper(["inspect", reference, "--where", referenceWhere, "--json"]);
    expect(told.code).toBe(0);
    const part = JSON.parse(told.stdout) as { nObs: number };
    const bracketed = await gigamapper(["inspect", `${reference}[${referenceWhere}]`, "--json"]);
    expect((JSON.parse(bracketed.stdout) as { nObs: number }).nObs).toBe(part.nObs);
    const sides = ["--query", query, "--reference", reference, "--output", join(folder, "graph.zarr")];
    const made = await gigamapper(["neighbors", ...sides, "--where", where, "--reference-where", referenceWhere]);
    expect(made.code).toBe(0);
    const wrong = await gigamapper(["map", ...sides, "--where", "louvain = 3"]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("at character 9");
    expect((await gigamapper(["plan", ...sides.slice(0, 4), "--where", "nothing == 3"])).code).toBe(3);
    const none = await gigamapper(["plan", ...sides.slice(0, 4), "--where", 'louvain == "nothing"']);
    expect(none.stderr).toContain("nothing");
  });

  it("are one store's own neighbors where no other is named, by the library and on the command line", async () => {
    const folder = temporary();
    const output = join(folder, "graph.zarr");
    const cells = (await inspect(reference, { where: referenceWhere })).nObs;
    await using kernel = new Kernel(reference);
    const report = await kernel.computeNeighbors({ where: referenceWhere, nNeighbors: 5, output });
    expect(report.plan).toMatchObject({ mode: "self", k: 4, query: { nObs: cells }, reference: { nObs: cells } });
    expect((await kernel.plan({ where: referenceWhere })).mode).toBe("self");
    const apart = { where: 'louvain == "0"', referenceWhere: 'louvain != "0"' };
    expect((await kernel.plan(apart)).mode).toBe("cross");
    const args = ["--query", reference, "--where", referenceWhere, "--json"];
    const made = await gigamapper(["neighbors", ...args, "--output", join(folder, "command.zarr")]);
    expect((JSON.parse(made.stdout) as { plan: object }).plan).toMatchObject({
      mode: "self",
      reference: { nObs: cells },
    });
    const planned = await gigamapper(["plan", "neighbors", ...args]);
    expect(JSON.parse(planned.stdout)).toMatchObject({ mode: "self", reference: { nObs: cells } });
    // The graph is of the chosen cells on both sides, and so are its scores.
    await using operator = new MappingOperator(output, { query: reference });
    const scored = await operator.presence({ where: referenceWhere, output: join(folder, "presence.zarr") });
    expect(scored).toMatchObject({ nQuery: cells, nRef: cells, groups: [] });
    const grouped = { where: referenceWhere, groupby: "louvain", output: join(folder, "groups.zarr") };
    expect((await operator.presence(grouped)).groups.length).toBeGreaterThan(1);
  });

  it("are mapped onto an index that is a reference by itself", async () => {
    const folder = temporary();
    const index = join(folder, "atlas.gmx");
    await ReferenceIndex.build(reference, { output: index, nlist: 4, bundle: true });
    const args = ["--query", query, "--where", where, "--index", index, "--nprobe", "4", "--json"];
    const made = await gigamapper(["neighbors", ...args, "--output", join(folder, "graph.zarr")]);
    expect((JSON.parse(made.stdout) as { plan: object }).plan).toMatchObject({
      mode: "cross",
      reference: { nObs: (await inspect(reference)).nObs },
    });
    const planned = await gigamapper(["plan", "neighbors", ...args]);
    expect(JSON.parse(planned.stdout)).toMatchObject({ mode: "cross" });
  });

  it("are those whose predictions are evaluated", async () => {
    await using mapper = new CellMapper(query, reference);
    const where = 'bulk_labels != "CD14+ Monocyte"';
    await mapper.map({ where, obsKeys: ["bulk_labels"], layerKey: "X", output: join(temporary(), "mapped.zarr") });
    const cells = (await inspect(query, { where })).nObs;
    const labels = await mapper.evaluateLabelTransfer("bulk_labels", { where });
    expect(labels.cells).toBe(cells);
    expect((await mapper.evaluateExpressionTransfer({ where })).cells).toBe(cells);
    await expect(mapper.evaluateLabelTransfer("bulk_labels")).rejects.toMatchObject({ code: "GM_SHAPE" });
  });
});
