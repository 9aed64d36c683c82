import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clean, exportResults, inspect, MappedStore, map } from "gigamapper";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { beforeEach, describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { digests, query, reference, temporary } from "./folder.js";

let folder: string;
let mapped: string;
const at = (name: string): string => join(folder, name);
/** What there is of an export, finished or not. */
const beside = (name: string): string[] => readdirSync(folder).filter((found) => found.startsWith(name));

interface Root {
  consolidated_metadata: { metadata: Record<string, object> };
}

beforeEach(async () => {
  folder = temporary();
  mapped = at("mapped.zarr");
  await map({ query, reference, obsKeys: ["bulk_labels", "n_genes"], obsmKeys: ["X_umap"], output: mapped });
});

describe("a table", () => {
  it("as CSV has a line for each cell, and numbers that read as what is stored", async () => {
    const report = await exportResults(mapped, { output: at("mapped.csv") });
    expect(report).toMatchObject({ format: "csv", rows: 200, bytes: readFileSync(at("mapped.csv")).length });
    const [head = "", ...lines] = readFileSync(at("mapped.csv"), "utf8").trimEnd().split("\n");
    const store = new MappedStore(mapped);
    expect(head.split(",")).toEqual(["cell", ...(await store.columns())]);
    expect(lines).toHaveLength(200);
    const column = head.split(",").indexOf("bulk_labels_conf");
    const { values } = (await store.obs("bulk_labels_conf")) as { values: Float32Array };
    expect(lines.map((line) => Math.fround(Number(line.split(",")[column])))).toEqual(Array.from(values));
    const cell = lines[7]?.split(",");
    const [, , , , , , , eighth] = await store.head(8);
    expect(cell?.[0]).toBe(eighth?.[""]);
    expect(cell).toContain(eighth?.["bulk_labels_pred"]);
  });

  it("as CSV quotes what has to be, and leaves what is missing empty", async () => {
    const odd = at("odd.zarr");
    const cells = { x: Float32Array.of(0, 0, 10, 0, 20, 0, 30, 0), shape: [4, 2] as const };
    const obs = { label: ['a "b", c', null, "line\nbreak", "plain"] };
    await map({ query: cells, reference: { ...cells, obs }, obsKeys: ["label"], nNeighbors: 1, output: odd });
    await exportResults(odd, { output: at("odd.csv"), columns: ["label_pred", "label_conf"] });
    const [first, second, third, last] = ['0,"a ""b"", c",1', "1,,0", '2,"line\nbreak",1', "3,plain,1"];
    expect(readFileSync(at("odd.csv"), "utf8")).toBe(
      ["cell,label_pred,label_conf", first, second, third, last, ""].join("\n"),
    );
  });

  it("as Parquet has the same columns with their types", async () => {
    const output = at("mapped.parquet");
    await exportResults(mapped, { output, columns: ["bulk_labels_pred", "bulk_labels_conf", "n_genes_pred"] });
    const file = await asyncBufferFromFile(output);
    const rows = await parquetReadObjects({ file });
    const store = new MappedStore(mapped);
    const head = await store.head(200);
    expect(rows).toHaveLength(200);
    expect(rows).toEqual(
      head.map((row) => ({
        cell: row[""],
        bulk_labels_pred: row["bulk_labels_pred"],
        bulk_labels_conf: row["bulk_labels_conf"],
        n_genes_pred: row["n_genes_pred"],
      })),
    );
    const { schema, created_by } = await parquetMetadataAsync(file);
    expect(schema.slice(1).map(({ type }) => type)).toEqual([
      "BYTE_ARRAY",
      "BYTE_ARRAY",
      "FLOAT",
      expect.stringMatching(/FLOAT|DOUBLE/),
    ]);
    expect(created_by).toBe("gigamapper");
  });

  it("of no cells has its columns and no rows", async () => {
    const none = at("none.zarr");
    const cells = { x: Float32Array.of(0, 0, 1, 1), shape: [2, 2] as const, obs: { label: ["a", "b"] } };
    await map({ query: { x: new Float32Array(0), shape: [0, 2] }, reference: cells, obsKeys: ["label"], output: none });
    await exportResults(none, { output: at("none.csv"), columns: ["label_pred"] });
    expect(readFileSync(at("none.csv"), "utf8")).toBe("cell,label_pred\n");
    await exportResults(none, { output: at("none.parquet"), columns: ["label_pred", "label_conf"] });
    const file = await asyncBufferFromFile(at("none.parquet"));
    expect(await parquetReadObjects({ file })).toEqual([]);
    expect((await parquetMetadataAsync(file)).schema.map(({ name }) => name)).toEqual([
      "root",
      "cell",
      "label_pred",
      "label_conf",
    ]);
  });

  it("of a store in many parts is the same", async () => {
    const many = at("many.zarr");
    const layout = { innerRows: 16, innerPerUnit: 2, partRows: 64 };
    await map({ query, reference, obsKeys: ["bulk_labels", "n_genes"], obsmKeys: ["X_umap"], output: many, layout });
    for (const format of ["csv", "parquet"]) {
      await exportResults(mapped, { output: at(`one.${format}`) });
      await exportResults(many, { output: at(`many.${format}`) });
      expect(readFileSync(at(`many.${format}`)).equals(readFileSync(at(`one.${format}`)))).toBe(true);
    }
    const joined = exportResults(many, { output: at("joined.zarr"), query });
    await expect(joined).rejects.toMatchObject({ code: "GM_UNSUPPORTED", hint: expect.stringContaining("dataset_0") });
  });
});

describe("a copy of the query", () => {
  it("has the predictions beside the query's own columns and embeddings, and the query is as it was", async () => {
    const before = digests(query);
    const output = at("joined.zarr");
    const report = await exportResults(mapped, { output, query });
    expect(report).toMatchObject({ format: "zarr", rows: 200, bytes: null });
    expect(report.columns).toEqual(
      expect.arrayContaining(["bulk_labels_pred", "obsm/X_umap_pred", "obsm/knn_indices"]),
    );
    expect(digests(query)).toEqual(before);
    const [joined, own, predicted] = await Promise.all([inspect(output), inspect(query), inspect(mapped)]);
    expect(Object.keys(joined.obs).sort()).toEqual([...Object.keys(own.obs), ...Object.keys(predicted.obs)].sort());
    expect(joined.obs).toMatchObject({ ...own.obs, ...predicted.obs });
    expect(Object.keys(joined.obsm).sort()).toEqual([...Object.keys(own.obsm), ...Object.keys(predicted.obsm)].sort());
    expect(joined.layers).toEqual(own.layers);
    const { consolidated_metadata: all } = JSON.parse(readFileSync(join(output, "zarr.json"), "utf8")) as {
      consolidated_metadata: { metadata: Record<string, { attributes?: { "column-order"?: string[] } }> };
    };
    expect(Object.keys(all.metadata)).toEqual(
      expect.arrayContaining(["obs/bulk_labels_pred/codes", "obsm/X_umap_pred"]),
    );
    expect(all.metadata["obs"]?.attributes?.["column-order"]).toContain("bulk_labels_pred");
    // It is a query again.
    await map({ query: output, reference, obsKeys: ["louvain"], output: at("again.zarr") });
  });

  it("is refused where cells or names do not fit, and leaves nothing", async () => {
    const output = at("joined.zarr");
    const refused = (options: object, error: object) =>
      expect(exportResults(mapped, { output, query, ...options })).rejects.toMatchObject(error);
    await refused({ query: reference }, { code: "GM_SHAPE", message: expect.stringContaining("500") });
    await refused({ query: "nowhere" }, { code: "GM_NOT_FOUND" });
    await refused({ query: undefined }, { code: "GM_PARAM", details: { name: "query" } });
    await exportResults(mapped, { output: at("once.zarr"), query });
    await refused({ query: at("once.zarr") }, { code: "GM_EXISTS" });
    await refused({ output: at("once.zarr") }, { code: "GM_EXISTS" });
    const other = at("other.zarr");
    cpSync(query, other, { recursive: true });
    const names = join(other, "obs/index/zarr.json");
    writeFileSync(names, readFileSync(names, "utf8").replace('"shape": [\n    200', '"shape": [\n    199'));
    await refused({ query: other }, { code: "GM_SHAPE" });
    await refused({ columns: ["nothing"] }, { code: "GM_NOT_FOUND", details: { key: "nothing" } });
    expect(beside("joined.zarr")).toEqual([]);
  });

  it("of chosen cells has their names, columns and embeddings, in whatever format the query is", async () => {
    const [where, of] = ["n_genes > 1100", at("chosen.zarr")];
    await map({ query, where, reference, obsKeys: ["bulk_labels"], output: of });
    const before = digests(query);
    const [whole, chosen] = await Promise.all([inspect(query), inspect(query, { where })]);
    expect(chosen.nObs).toBeGreaterThan(0);
    expect(chosen.nObs).toBeLessThan(whole.nObs);
    const asked = [
      { output: at("one.zarr"), query, where },
      { output: at("two.zarr"), query: `${query}[${where}]` },
    ];
    for (const options of asked) {
      const report = await exportResults(of, options);
      expect(report.rows).toBe(chosen.nObs);
      expect(report.warnings).toEqual(expect.arrayContaining([expect.stringContaining("without expression")]));
      const joined = await inspect(options.output);
      const { obs, obsm } = await inspect(of);
      expect(Object.keys(joined.obs).sort()).toEqual([...Object.keys(chosen.obs), ...Object.keys(obs)].sort());
      expect(joined.obs["bulk_labels"]).toEqual(chosen.obs["bulk_labels"]);
      expect(joined.obs["bulk_labels_pred"]).toEqual(obs["bulk_labels_pred"]);
      expect(Object.keys(joined.obsm).sort()).toEqual([...Object.keys(chosen.obsm), ...Object.keys(obsm)].sort());
      expect(joined.obsNamesFirst).toEqual(chosen.obsNamesFirst);
      const root = JSON.parse(readFileSync(join(options.output, "zarr.json"), "utf8")) as Root;
      const nodes = Object.keys(root.consolidated_metadata.metadata);
      expect(nodes).toEqual(expect.arrayContaining(Object.keys(joined.obsm).map((key) => `obsm/${key}`)));
      expect(digests(join(options.output, "obs/bulk_labels_pred"))).toEqual(digests(join(of, "obs/bulk_labels_pred")));
    }
    expect(digests(at("one.zarr"))).toEqual(digests(at("two.zarr")));
    expect(digests(query)).toEqual(before);
    const refused = (options: object, error: object) =>
      expect(exportResults(of, { output: at("no.zarr"), query, ...options })).rejects.toMatchObject(error);
    await refused({}, { code: "GM_SHAPE" });
    await refused({ where: "n_genes > 1200" }, { code: "GM_SHAPE" });
    await refused({ where: "n_genes >" }, { code: "GM_PARAM", details: { name: "where" } });
    await refused({ where: "no_such > 1" }, { code: "GM_NOT_FOUND" });
    await refused({ output: at("no.csv"), query: undefined, where }, { code: "GM_PARAM", details: { name: "where" } });
    expect(beside("no.")).toEqual([]);
    const args = ["export", "--mapped", of, "--query", query, "--where", where, "--output", at("three.zarr")];
    const { code, stderr } = await gigamapper(args);
    expect(code).toBe(0);
    expect(stderr).toContain("without expression");
  });

  it("that has results of an earlier mapping takes those that are named, with the record of their own mapping", async () => {
    const [earlier, output] = [at("earlier.zarr"), at("joined.zarr")];
    await exportResults(mapped, { output: earlier, query });
    // What only the first mapping would say of itself.
    const old = join(earlier, "uns/gigamapper/only_the_first");
    cpSync(join(earlier, "uns/gigamapper/zarr.json"), join(old, "zarr.json"));
    const root = join(earlier, "zarr.json");
    const document = JSON.parse(readFileSync(root, "utf8")) as Root;
    document.consolidated_metadata.metadata["uns/gigamapper/only_the_first"] = {};
    writeFileSync(root, JSON.stringify(document));

    const second = at("second.zarr");
    const asked = { query: earlier, reference, obsKeys: ["louvain"], obsmKeys: ["X_umap"], nNeighbors: 5 };
    await map({ ...asked, predictionPostfix: "5", confidencePostfix: "conf5", output: second });
    const all = exportResults(second, { output, query: earlier });
    await expect(all).rejects.toMatchObject({
      code: "GM_EXISTS",
      message: expect.stringContaining("mapping_status, obsm/knn_distances, obsm/knn_indices already"),
      hint: expect.stringContaining("obsm/<key>"),
    });
    const columns = ["louvain_5", "louvain_conf5"];
    expect(await exportResults(second, { output, query: earlier, columns })).toMatchObject({ columns });

    const [before, joined, own] = [digests(earlier), digests(output), digests(second)];
    const below = (all: Record<string, string>, path: string): Record<string, string> =>
      Object.fromEntries(Object.entries(all).filter(([name]) => name.startsWith(path)));
    expect(below(joined, "obsm/")).toEqual(below(before, "obsm/"));
    expect(below(joined, "uns/gigamapper/")).toEqual(below(own, "uns/gigamapper/"));
    expect(below(joined, "uns/gigamapper/")).not.toEqual(below(before, "uns/gigamapper/"));
    const { metadata } = (JSON.parse(readFileSync(join(output, "zarr.json"), "utf8")) as Root).consolidated_metadata;
    const nodes = (of: object): string[] => Object.keys(of).filter((path) => path.startsWith("uns/gigamapper"));
    const written = (JSON.parse(readFileSync(join(second, "zarr.json"), "utf8")) as Root).consolidated_metadata;
    expect(nodes(metadata).sort()).toEqual(nodes(written.metadata).sort());
    expect(Object.keys((await inspect(output)).obs)).toEqual(expect.arrayContaining(["bulk_labels_pred", ...columns]));

    // Of the embeddings, those that are named.
    const both = { columns: ["louvain_5", "obsm/X_umap_5", "louvain_5"] };
    const { columns: written2 } = await exportResults(second, { output: at("both.zarr"), query: earlier, ...both });
    expect(written2).toEqual(["louvain_5", "obsm/X_umap_5"]);
    const { obsm, obs } = await inspect(at("both.zarr"));
    expect(Object.keys(obsm).sort()).toEqual([...Object.keys((await inspect(earlier)).obsm), "X_umap_5"].sort());
    expect(obs).not.toHaveProperty("louvain_conf5");
  });
});

describe("export", () => {
  it("is a command", async () => {
    const { code, stdout } = await gigamapper(["export", "--mapped", mapped, "--output", at("out.csv")]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^stored .*out\.csv \(csv, 200 cells × \d+ columns, [\d.]+ KiB\) in [\d.]+ s$/m);
    expect((await gigamapper(["export", "--mapped", mapped, "--output", at("out.csv")])).code).toBe(6);
    const json = await gigamapper(["export", "--mapped", mapped, "--output", at("out.csv"), "--overwrite", "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ rows: 200, format: "csv" });
    expect((await gigamapper(["export", "--mapped", mapped, "--output", at("x.tsv")])).code).toBe(2);
    expect((await gigamapper(["export", "--output", at("x.csv")])).code).toBe(2);
    expect((await gigamapper(["export", "--mapped", query, "--output", at("x.csv")])).code).toBe(3);
  });

  it("stops with its signal and leaves nothing", async () => {
    const output = at("stopped.csv");
    await expect(exportResults(mapped, { output, signal: AbortSignal.abort("no") })).rejects.toMatchObject({
      code: "GM_CANCELLED",
    });
    await expect(exportResults(mapped, { output, columns: ["nothing"] })).rejects.toMatchObject({
      code: "GM_NOT_FOUND",
    });
    expect(beside("stopped.csv")).toEqual([]);
  });

  it("makes the folder that it goes to, as map does", async () => {
    await exportResults(mapped, { output: at("no/such/mapped.csv") });
    expect(readdirSync(at("no/such"))).toEqual(["mapped.csv"]);
  });

  it.each(["csv", "zarr"])("as %s leaves alone what it has not made, whatever that is called", async (format) => {
    const output = at(`out.${format}`);
    const asked = format === "zarr" ? { output, query } : { output };
    // A user's own things, and what exports that were killed have left: one of this version, one of those before.
    const mine = at(`out.${format}.part`);
    const killed = at(`out.${format}.part-1-abcdef/part`);
    for (const path of [mine, killed]) {
      mkdirSync(join(path, "obs/stale"), { recursive: true });
      writeFileSync(join(path, "obs/stale/zarr.json"), "{}");
      writeFileSync(join(path, "notes.txt"), "mine");
    }
    const before = [digests(mine), digests(killed)];
    await expect(exportResults(mapped, { ...asked, columns: ["nothing"] })).rejects.toMatchObject({
      code: "GM_NOT_FOUND",
    });
    expect([digests(mine), digests(killed)]).toEqual(before);
    const left = beside("out.");
    await exportResults(mapped, asked);
    expect([digests(mine), digests(killed)]).toEqual(before);
    expect(beside("out.").sort()).toEqual([...left, `out.${format}`].sort());
    if (format === "zarr") {
      expect(existsSync(join(output, "obs/stale"))).toBe(false);
      expect(existsSync(join(output, "notes.txt"))).toBe(false);
    }
    // Nothing of a killed export is taken for a store, a lock or a run.
    expect((await clean([folder])).leftovers).toEqual([]);
  });

  it("leaves alone a file of the name that others would take for a temporary", async () => {
    const output = at("out.csv");
    writeFileSync(`${output}.part`, "mine");
    await exportResults(mapped, { output });
    await expect(exportResults(mapped, { output: `${output}2`, columns: ["no"] })).rejects.toThrow();
    await exportResults(mapped, { output, overwrite: true });
    expect(readFileSync(`${output}.part`, "utf8")).toBe("mine");
    expect(beside("out.csv").sort()).toEqual(["out.csv", "out.csv.part"]);
  });
});
