/** Columns of a published store whose files, names or server are not as they should be: values that were not written are never read. */

import { cpSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MappedStore, map } from "gigamapper";
import { RemoteColumns } from "gigamapper/wasm";
import { describe, expect, it } from "vitest";
import { array, group, writeBlobs } from "./anndata.js";
import { reference, temporary } from "./folder.js";
import { serve } from "./static-server.js";

const failing = (code: string, reason = "") =>
  expect.objectContaining({ code, message: expect.stringContaining(reason) });

/** A store of 30 cells, its embedding in three chunks, and an address of it. */
async function blobs() {
  const folder = temporary();
  const store = join(folder, "a.zarr");
  writeBlobs(store, { rows: 30, dim: 3, seed: 1, chunkRows: 10 });
  const { url, faults, asked } = await serve(folder);
  return { store, url: `${url}/a.zarr`, faults, asked, columns: () => new RemoteColumns(`${url}/a.zarr`) };
}

/** Real cells, whose columns are in shards. */
async function sharded() {
  const folder = temporary();
  cpSync(reference, join(folder, "a.zarr"), { recursive: true });
  const { url, faults } = await serve(folder);
  return { store: join(folder, "a.zarr"), faults, columns: () => new RemoteColumns(`${url}/a.zarr`) };
}

describe("damage of published columns", () => {
  it("is found in chunks that are cut", async () => {
    const { store, columns } = await blobs();
    truncateSync(join(store, "obs/label/codes/c/0"), 15);
    await expect(columns().obs("label")).rejects.toThrow(failing("GM_CORRUPT", "15 values instead of 30"));
    truncateSync(join(store, "obs/score/c/0"), 30 * 8 - 1);
    await expect(columns().obs("score")).rejects.toThrow(failing("GM_CORRUPT", "29 values instead of 30"));
    truncateSync(join(store, "obsm/X_pca/c/1/0"), 0);
    await expect(columns().obsm("X_pca")).rejects.toThrow(failing("GM_CORRUPT", "0 values instead of 30"));
    const names = join(store, "obs/label/categories/c/0");
    writeBlobs(store, { rows: 30, dim: 3, seed: 1 });
    truncateSync(names, readFileSync(names).length - 2);
    await expect(columns().obs("label")).rejects.toThrow(failing("GM_CORRUPT", "a text of it is cut"));
  });

  it("is found in what a codec checks or cannot read", async () => {
    const { store, columns } = await sharded();
    const shard = join(store, "obs/bulk_labels/codes/c/0");
    const bytes = readFileSync(shard);
    // The length of its only chunk, in the index at the end.
    writeFileSync(
      shard,
      bytes.map((byte, at) => (at === bytes.length - 12 ? byte ^ 1 : byte)),
    );
    await expect(columns().obs("bulk_labels")).rejects.toThrow(failing("GM_CORRUPT", "its checksum is wrong"));
    writeFileSync(
      shard,
      bytes.map((byte, at) => (at === 0 ? byte ^ 255 : byte)),
    );
    await expect(columns().obs("bulk_labels")).rejects.toThrow(failing("GM_CORRUPT", "zstd"));
    truncateSync(shard, 10);
    await expect(columns().obs("bulk_labels")).rejects.toThrow(failing("GM_CORRUPT", "10 bytes, less than"));
  });

  it("is found where files are lost", async () => {
    const { store, columns } = await blobs();
    rmSync(join(store, "obsm/X_pca/c/1"), { recursive: true });
    await expect(columns().obsm("X_pca")).rejects.toThrow(failing("GM_CORRUPT", "obsm/X_pca/c/1/0: it is missing"));
    // An embedding that was never written is its fill value, as natively; and so is a column.
    rmSync(join(store, "obsm/X_pca/c"), { recursive: true });
    expect(await columns().obsm("X_pca")).toEqual({ x: new Float32Array(90), shape: [30, 3] });
    rmSync(join(store, "obs/label/codes/c"), { recursive: true });
    expect(await columns().obs("label")).toMatchObject({ labels: { codes: new Int32Array(30).fill(-1) } });
    rmSync(join(store, "obs/label/categories/c"), { recursive: true });
    await expect(columns().obs("label")).rejects.toThrow(failing("GM_CORRUPT", "5 categories, none of them stored"));
  });

  it("has a code of its own, and so has what is not supported", async () => {
    const { store, columns } = await blobs();
    const change = (fields: object) => {
      const file = join(store, "obs/score/zarr.json");
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...fields }));
    };
    change({ codecs: [{ name: "bytes" }, { name: "brotli" }] });
    await expect(columns().obs("score")).rejects.toThrow(failing("GM_UNSUPPORTED", "brotli"));
    change({ data_type: "complex64", codecs: [{ name: "bytes" }] });
    await expect(columns().obs("score")).rejects.toThrow(failing("GM_UNSUPPORTED", "complex64"));
    writeFileSync(join(store, "obs/score/zarr.json"), "{");
    await expect(columns().obs("score")).rejects.toThrow(failing("GM_CORRUPT", "JSON"));
  });
});

describe("servers of published columns", () => {
  it("must send the part that was asked for, of one and the same file", async () => {
    const { faults, columns } = await sharded();
    faults.instead = (_, { headers: { range } }, response) => {
      const [, start = 0, end = 0] = /(\d+)-(\d+)/.exec(range ?? "")?.map(Number) ?? [];
      if (range === undefined) return false;
      response.writeHead(206, { "content-range": `bytes ${start + 1}-${end + 1}/99999` });
      return response.end(Buffer.alloc(end - start + 1)) !== undefined;
    };
    await expect(columns().obs("bulk_labels")).rejects.toThrow(failing("GM_CORRUPT", "came, not from"));
    let version = 0;
    faults.instead = (_, { headers }, response) => {
      version += 1;
      if (headers.range !== undefined) response.setHeader("etag", `"${version}"`);
      return false;
    };
    await expect(columns().obs("bulk_labels")).rejects.toThrow(failing("GM_STALE", "replaced"));
    faults.instead = (_, _request, response) => response.setHeader("etag", 'W/"one"') === undefined;
    await expect(columns().obs("bulk_labels")).resolves.toMatchObject({ kind: "labels" });
  });

  it("are asked no more when the caller has stopped", async () => {
    const { faults, columns } = await blobs();
    const stop = new AbortController();
    let gone = false;
    faults.instead = (path, request) => {
      if (!path.endsWith("/c/0")) return false;
      request.socket.on("close", () => (gone = true));
      stop.abort();
      return true;
    };
    await expect(columns().obs("score", stop.signal)).rejects.toThrow(failing("GM_CANCELLED"));
    await expect.poll(() => gone).toBe(true);
  });

  it("may want a query with every request, which no message tells", async () => {
    const { url, faults } = await blobs();
    faults.instead = (_, request, response) =>
      !request.url?.endsWith("?signature=secret") && response.writeHead(403).end() !== undefined;
    const columns = new RemoteColumns(`${url}?signature=secret`);
    expect(await columns.obs("label")).toMatchObject({ kind: "labels" });
    const error = await columns.obs("nothing").catch((reason: unknown) => reason);
    expect(error).toEqual(failing("GM_NOT_FOUND", `${url}/: no obs column`));
    expect(JSON.stringify(error)).not.toContain("secret");
    await expect(new RemoteColumns(url).obs("label")).rejects.toThrow(failing("GM_IO", "answered 403"));
    expect(() => new RemoteColumns("no address")).toThrow(failing("GM_PARAM", "it is no address"));
  });
});

describe("names of published columns", () => {
  it("are what people call them, and stay in their group", async () => {
    const { store, asked, columns } = await blobs();
    const keys = ["a#b", "c?d", "50% e", "ü", "f%23g"];
    for (const [number, key] of keys.entries()) {
      const values = new Float64Array(30).fill(number);
      array(store, `obs/${key}`, values, [30], [30], { type: "float64", fill: 0 });
    }
    array(store, "obs/a", new Float64Array(30).fill(-1), [30], [30], { type: "float64", fill: 0 });
    array(store, "uns/x", new Float64Array(30), [30], [30], { type: "float64", fill: 0 });
    for (const [number, key] of keys.entries()) {
      const column = await columns().obs(key);
      expect(column, key).toEqual({ kind: "numbers", numbers: new Float64Array(30).fill(number) });
    }
    asked.length = 0;
    for (const key of ["../uns/x", "", ".", "a//b", "a/", "..", "a\\b", "\ud800"]) {
      await expect(columns().obs(key), key).rejects.toThrow(failing("GM_NOT_FOUND", "obs column"));
      await expect(columns().obsm(key), key).rejects.toThrow(failing("GM_NOT_FOUND", "obsm key"));
    }
    expect(asked).toEqual([]);
  });

  it("of categories that are no text are those of a native mapping", async () => {
    const { store, columns } = await blobs();
    const kinds: [string, string, Parameters<typeof array>[2], string[]][] = [
      ["wide", "float64", Float64Array.of(1, 0.1, 1e16, 1.5e-5), ["1.0", "0.1", "1e16", "1.5e-5"]],
      ["narrow", "float32", Float32Array.of(1, 0.1, 16777216, -2.5), ["1.0", "0.1", "16777216.0", "-2.5"]],
      ["flag", "bool", Int8Array.of(0, 1), ["False", "True"]],
      ["long", "int64", BigInt64Array.of(3n, -(2n ** 60n)), ["3", `${-(2n ** 60n)}`]],
    ];
    const categories: Record<string, string[]> = {};
    for (const [key, type, values, expected] of kinds) {
      const attributes = { "encoding-type": "categorical", "encoding-version": "0.2.0", ordered: false };
      group(store, `obs/${key}`, attributes);
      const codes = Int8Array.from({ length: 30 }, (_, row) => row % values.length);
      array(store, `obs/${key}/codes`, codes, [30], [30], { type: "int8", fill: -1 });
      const fill = type === "bool" ? (false as never) : 0;
      array(store, `obs/${key}/categories`, values, [values.length], [values.length], { type, fill });
      expect(await columns().obs(key)).toMatchObject({
        labels: { codes: Int32Array.from(codes), categories: expected },
      });
      categories[key] = expected;
    }
    const obs = join(store, "obs/zarr.json");
    const frame = JSON.parse(readFileSync(obs, "utf8"));
    frame.attributes["column-order"].push(...Object.keys(categories));
    writeFileSync(obs, JSON.stringify(frame));
    const output = join(temporary(), "mapped.zarr");
    const [nNeighbors, obsKeys] = [1, Object.keys(categories)];
    const query = join(temporary(), "query.zarr");
    cpSync(store, query, { recursive: true });
    await map({ query, reference: store, output, nNeighbors, obsKeys, method: "exact", kernelMethod: "equal" });
    await using mapped = new MappedStore(output);
    for (const [key, names] of Object.entries(categories)) {
      const column = await mapped.obs(`${key}_pred`);
      expect(column.kind === "categorical" && [...column.categories].sort(), key).toEqual(names.toSorted());
    }
  });

  it("may be of embeddings that lie column by column", async () => {
    const { store, columns } = await blobs();
    const { x } = await columns().obsm("X_pca");
    const turned = Float32Array.from({ length: 90 }, (_, at) => x[(at % 30) * 3 + Math.floor(at / 30)] ?? 0);
    mkdirSync(join(store, "obsm/turned"));
    const fields = { zarr_format: 2, shape: [30, 3], chunks: [30, 3], dtype: "<f4", order: "F", fill_value: 0 };
    writeFileSync(join(store, "obsm/turned/.zarray"), JSON.stringify({ ...fields, compressor: null, filters: null }));
    writeFileSync(join(store, "obsm/turned/0.0"), Buffer.from(turned.buffer));
    expect(await columns().obsm("turned")).toEqual({ x, shape: [30, 3] });
  });
});
