import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Field, FixedSizeList, Float32, Int64, Table, tableToIPC, vectorFromArray } from "apache-arrow";
import { CellMapper, exportResults, type MappedColumn, MappedStore, map, rechunk } from "gigamapper";
import { toTable, toVector } from "gigamapper/arrow";
import { openGroup } from "gigamapper/zarr";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { describe, expect, it } from "vitest";
import * as zarr from "zarrita";
import { query, reference, root, temporary } from "./folder.js";

const asked = { query, reference, obsKeys: ["bulk_labels", "n_genes"], obsmKeys: ["X_umap"], labelDetails: true };
const labelsOf = (column: MappedColumn): (string | null)[] =>
  column.kind === "categorical" ? Array.from(column.codes, (code) => column.categories[code] ?? null) : [];

describe("a mapped store", () => {
  it("has columns with their types, in one part as in many, and by any rows", async () => {
    const folder = temporary();
    const [one, many] = [join(folder, "one.zarr"), join(folder, "many.zarr")];
    await map({ ...asked, output: one });
    await map({ ...asked, output: many, layout: { innerRows: 16, innerPerUnit: 2, partRows: 64 } });
    await using whole = new MappedStore(one);
    await using parts = new MappedStore(many);
    expect(await parts.length()).toBe(200);
    const columns = await whole.columns();
    expect(columns).toEqual(expect.arrayContaining(["bulk_labels_pred", "bulk_labels_conf", "n_genes_pred"]));
    expect(await parts.columns()).toEqual(columns);
    for (const name of ["", ...columns]) {
      const column = await whole.obs(name);
      expect(await parts.obs(name)).toEqual(column);
      const some = await parts.obs(name, { rows: [60, 130] });
      expect(await whole.obs(name, { rows: [60, 130] })).toEqual(some);
    }
    const labels = await whole.obs("bulk_labels_pred");
    expect(labels).toMatchObject({ kind: "categorical", codes: { length: 200 }, ordered: false });
    expect(labelsOf(await parts.obs("bulk_labels_pred", { rows: [64, 66] }))).toEqual(labelsOf(labels).slice(64, 66));
    expect(await whole.obs("bulk_labels_conf")).toMatchObject({ kind: "numeric", values: expect.any(Float32Array) });
    expect(await whole.obs("", { rows: [0, 0] })).toEqual({ kind: "string", values: [] });
  });

  it("is what a mapper has mapped, shows its first cells, and is a group of zarrita", async () => {
    await using mapper = new CellMapper(query, reference);
    expect(() => mapper.mapped).toThrow(expect.objectContaining({ code: "GM_PARAM" }));
    const output = join(temporary(), "mapped.zarr");
    await mapper.map({ obsKeys: ["bulk_labels"], output });
    const head = await mapper.mapped.head(3);
    expect(head).toHaveLength(3);
    expect(head[0]).toMatchObject({
      "": expect.any(String),
      bulk_labels_pred: expect.any(String),
      mapping_status: "ok",
    });
    expect(await mapper.mapped.head(1e6)).toHaveLength(200);
    const group = await openGroup(output);
    const confidence = await zarr.open.v3(group.resolve("obs/bulk_labels_conf"), { kind: "array" });
    expect(confidence.shape).toEqual([200]);
  });

  it("gives columns that can be mapped with again, as cells in memory", async () => {
    const output = join(temporary(), "mapped.zarr");
    await map({ ...asked, output });
    const mapped = new MappedStore(output);
    const labels = await mapped.obs("bulk_labels_pred");
    if (labels.kind !== "categorical") throw new Error(labels.kind);
    const x = new Float32Array(400).map((_, at) => at % 7);
    const memory = { x, shape: [200, 2] as const, obs: { label: labels } };
    const again = join(temporary(), "again.zarr");
    await map({ query: { x, shape: [200, 2] }, reference: memory, obsKeys: ["label"], nNeighbors: 1, output: again });
    expect(await new MappedStore(again).columns()).toContain("label_pred");
  });

  it("has what is missing in columns with a mask, by any rows, in a table too", async () => {
    const folder = temporary();
    const output = join(folder, "copy.zarr");
    const layout = { innerRows: 4, innerPerUnit: 2, partRows: 16 };
    await rechunk(join(root, "test/fixtures/dialects/cells-v3.zarr.zip"), { output, layout });
    const copy = new MappedStore(output);
    const rows = Array.from({ length: 37 }, (_, row) => row);
    const age = rows.map((row) => (row % 5 === 0 ? Number.NaN : row));
    const seen = rows.map((row) => (row % 4 === 0 ? null : row % 3 === 0));
    expect(await copy.obs("age")).toEqual({ kind: "numeric", values: Float64Array.from(age) });
    expect(await copy.obs("seen")).toEqual({ kind: "boolean", values: seen });
    expect(await copy.obs("age", { rows: [14, 21] })).toEqual({
      kind: "numeric",
      values: Float64Array.from(age.slice(14, 21)),
    });
    expect(await copy.obs("seen", { rows: [14, 21] })).toEqual({ kind: "boolean", values: seen.slice(14, 21) });
    expect(await copy.obs("age", { rows: [3, 3] })).toEqual({ kind: "numeric", values: new Float64Array(0) });
    const [first, second] = await copy.head(2);
    expect(first).toMatchObject({ age: Number.NaN, seen: null, note: "note 0" });
    expect(second).toMatchObject({ age: 1, seen: false, note: "note 1" });

    const columns = ["age", "seen"];
    await exportResults(output, { output: join(folder, "copy.csv"), columns });
    const [, ...lines] = readFileSync(join(folder, "copy.csv"), "utf8").trimEnd().split("\n");
    expect(lines.slice(0, 3)).toEqual(["cell0,,", "cell1,1,false", "cell2,2,false"]);
    await exportResults(output, { output: join(folder, "copy.parquet"), columns });
    const table = await parquetReadObjects({ file: await asyncBufferFromFile(join(folder, "copy.parquet")) });
    expect(table).toEqual(rows.map((row) => ({ cell: `cell${row}`, age: age[row], seen: seen[row] })));
    expect([...toVector(await copy.obs("seen"))]).toEqual(seen);
  });

  it("has texts that are missing", async () => {
    const output = join(temporary(), "copy.zarr");
    await rechunk(join(root, "test/fixtures/columnar/none.parquet"), { output, obsKeys: ["text", "small", "flag"] });
    const copy = new MappedStore(output);
    const text = Array.from({ length: 53 }, (_, row) => (row % 5 === 0 ? null : `t${row}`));
    expect(await copy.obs("text")).toEqual({ kind: "string", values: text });
    expect((await copy.head(2)).map(({ text, small, flag }) => [text, small, flag])).toEqual([
      [null, Number.NaN, null],
      ["t1", 7, false],
    ]);
    expect([...toVector(await copy.obs("text"))]).toEqual(text);
  });

  it("refuses integers with a mask that no f64 is, rather than rounding them", async () => {
    const folder = temporary();
    const [input, output] = [join(folder, "cells.arrow"), join(folder, "copy.zarr")];
    const large = vectorFromArray([2n ** 53n - 1n, null, 2n ** 53n + 1n], new Int64());
    const point = new FixedSizeList(2, new Field("item", new Float32(), false));
    const X_pca = vectorFromArray(Array(3).fill([0, 1]), point);
    writeFileSync(input, tableToIPC(new Table({ X_pca, large }), "file"));
    await rechunk(input, { output });
    const copy = new MappedStore(output);
    const small = { kind: "numeric", values: Float64Array.of(2 ** 53 - 1, Number.NaN) };
    expect(await copy.obs("large", { rows: [0, 2] })).toEqual(small);
    await expect(copy.obs("large")).rejects.toMatchObject({ code: "GM_UNSUPPORTED" });
  });

  it("says what is wrong", async () => {
    const output = join(temporary(), "mapped.zarr");
    await map({ query, reference, output });
    const mapped = new MappedStore(output);
    await expect(mapped.obs("nothing")).rejects.toMatchObject({ code: "GM_NOT_FOUND", details: { key: "nothing" } });
    await expect(mapped.obs("", { rows: [5, 201] })).rejects.toMatchObject({ code: "GM_PARAM" });
    await expect(mapped.obs("", { signal: AbortSignal.abort("no") })).rejects.toMatchObject({ code: "GM_CANCELLED" });
    await expect(new MappedStore(query).length()).rejects.toMatchObject({ code: "GM_SCHEMA" });
    await expect(openGroup("nowhere")).rejects.toMatchObject({ code: "GM_NOT_FOUND" });
    await mapped.close();
    await expect(mapped.head()).rejects.toMatchObject({ code: "GM_PARAM" });
  });
});

describe("Arrow", () => {
  it("has the columns as vectors and the store as a table", async () => {
    const output = join(temporary(), "mapped.zarr");
    await map({ ...asked, output });
    const mapped = new MappedStore(output);
    const labels = await mapped.obs("bulk_labels_pred");
    const vector = toVector(labels);
    expect([...vector]).toEqual(labelsOf(labels));
    expect(String(vector.type)).toContain("Dictionary");
    const table = await toTable(mapped);
    expect(table.numRows).toBe(200);
    expect(table.schema.fields.map(({ name }) => name)).toEqual(["cell", ...(await mapped.columns())]);
    const [first] = await mapped.head(1);
    expect(table.get(0)?.toJSON()).toMatchObject({ cell: first?.[""], bulk_labels_pred: first?.["bulk_labels_pred"] });
  });

  it("has null where a cell has no label", () => {
    const codes = Int8Array.of(1, -1, 0);
    const vector = toVector({ kind: "categorical", codes, categories: ["a", "b"], ordered: false });
    expect([...vector]).toEqual(["b", null, "a"]);
    expect(vector.nullCount).toBe(1);
    expect([...toVector({ kind: "boolean", values: [true, false] })]).toEqual([true, false]);
    expect([...toVector({ kind: "numeric", values: Float64Array.of(1.5) })]).toEqual([1.5]);
  });
});
