/** A published index whose files, cells or memory are not as they should be, and a module that stops. */

import { appendFileSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MappedStore, map, ReferenceIndex } from "gigamapper";
import { ExactReference, mapRemote, RemoteIndex } from "gigamapper/wasm";
import { describe, expect, it } from "vitest";
import { writeBlobs } from "./anndata.js";
import { root, temporary } from "./folder.js";
import { serve } from "./static-server.js";

const failing = (code: string, reason = "") =>
  expect.objectContaining({ code, message: expect.stringContaining(reason) });
const query = { x: Float32Array.from({ length: 400 * 8 }, (_, at) => Math.sin(at)), shape: [400, 8] as const };

/** What the platform has, of which its types say nothing outside of pages. */
interface Platform {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: { trap: () => void } };
}

/** A module whose one function, `trap`, is `unreachable`. */
const trapping = Uint8Array.from([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 4, 1, 0x60, 0, 0],
  ...[3, 2, 1, 0],
  ...[7, 8, 1, 4, ...Buffer.from("trap"), 0, 0],
  ...[10, 5, 1, 3, 0, 0, 0x0b],
]);

/** An index of 4000 cells behind an address. */
async function published(options: object = {}) {
  const folder = temporary();
  const [store, index] = [join(folder, "atlas.zarr"), join(folder, "atlas.gmx")];
  writeBlobs(store, { rows: 4000, dim: 8, seed: 3 });
  await using _ = await ReferenceIndex.build(store, { output: index, nlist: 32, ...options });
  const server = await serve(folder);
  return { folder, store, index, ...server, at: `${server.url}/atlas.gmx` };
}

describe("an index with its cells", () => {
  it("is all that a mapping needs", async () => {
    const { folder, index, store, url, at, faults } = await published({ bundle: true });
    rmSync(store, { recursive: true });
    const cells = join(folder, "query.zarr");
    const of = { x: new Float32Array(0), shape: [100, 8] as const };
    writeBlobs(cells, { rows: 100, dim: 8, seed: 4, edit: (values) => Object.assign(of, { x: values.slice() }) });
    const output = join(folder, "mapped.zarr");
    await map({ query: cells, index, nprobe: 4, obsKeys: ["label", "score"], output });
    // Behind a signature, which every request must have.
    faults.instead = (_, request, response) =>
      !request.url?.endsWith("?signed") && response.writeHead(403).end() !== undefined;
    const mapping = await mapRemote({ query: of, index: `${at}?signed`, nprobe: 4, obsKeys: ["label", "score"] });
    await using mapped = new MappedStore(output);
    const [label, score] = [await mapped.obs("label_pred"), await mapped.obs("score_pred")];
    if (label.kind !== "categorical" || score.kind !== "numeric") throw new Error("columns of other kinds");
    expect(
      Array.from(mapping.labels["label"]?.codes ?? [], (code) => mapping.labels["label"]?.categories[code]),
    ).toEqual(Array.from(label.codes, (code) => label.categories[code]));
    expect(mapping.numbers["score"]?.means).toEqual(score.values);
    delete faults.instead;
    expect((await mapRemote({ query: of, index: at, reference: `${url}/atlas.gmx/cells.zarr` })).numbers).toEqual({});
  });

  it("is compared with them, as far as they say whose they are", async () => {
    const { store, index, url, at } = await published();
    const obsKeys = ["label"];
    await expect(mapRemote({ query, index: at, obsKeys })).rejects.toThrow(
      failing("GM_PARAM", "the index has no cells"),
    );
    // Of another store only the number of cells is known.
    await mapRemote({ query, index: at, reference: `${url}/atlas.zarr`, obsKeys });
    writeBlobs(store, { rows: 4000, dim: 8, seed: 5 });
    await using _ = await ReferenceIndex.build(store, { output: `${index}.new.gmx`, nlist: 32, bundle: true });
    const reference = `${url}/atlas.gmx.new.gmx/cells.zarr`;
    const mapping = mapRemote({ query, index: at, reference, obsKeys });
    await expect(mapping).rejects.toThrow(failing("GM_STALE", "atlas.gmx.new.gmx/cells.zarr/: these are the cells of"));
  });
});

describe("a published index that is not as it should be", () => {
  it("is refused where a newer version wrote it", async () => {
    const { at, faults } = await published();
    // Whatever else it says: a version says how the rest is to be read. The checksum is that of the text before it.
    const text = '{\n  "format": "gigamapper-index",\n  "version": 1000,\n  "xxh3": "9c959e479b92a7a0"\n}\n';
    faults.instead = (path, _, response) => path.endsWith("manifest.json") && response.end(text) !== undefined;
    const opened = RemoteIndex.open(at);
    await expect(opened).rejects.toThrow(failing("GM_UNSUPPORTED", "version 1000 of the index"));
    await expect(opened).rejects.toMatchObject({ hint: expect.stringContaining("newer gigamapper") });
  });

  it("is refused with a store of other rows, before a list is fetched", async () => {
    const { folder, url, at, asked } = await published();
    writeBlobs(join(folder, "other.zarr"), { rows: 4001, dim: 8, seed: 3 });
    const reference = `${url}/other.zarr`;
    for (const keys of [{ obsKeys: ["label"] }, { obsKeys: ["score"] }, { obsmKeys: ["X_pca"] }]) {
      const mapping = mapRemote({ query, index: at, reference, ...keys });
      await expect(mapping).rejects.toThrow(failing("GM_SHAPE", "4001 rows, and the index has 4000 cells"));
    }
    expect(asked.filter(([path]) => path.endsWith("lists.bin"))).toEqual([]);
    await expect(mapRemote({ query, index: at, reference, obsKeys: ["nothing"] })).rejects.toThrow(
      failing("GM_NOT_FOUND", 'no obs column "nothing"'),
    );
  });

  it("is damaged where its codes, or what should hold them, are cut", async () => {
    const { index, at } = await published({ method: "ivfpq" });
    const search = async () => {
      using remote = await RemoteIndex.open(at);
      (await remote.search(query, { nprobe: 8 })).close();
    };
    await search();
    for (const name of ["codes.bin", "pq.bin"]) {
      const bytes = readFileSync(join(index, name));
      writeFileSync(join(index, name), bytes.subarray(0, bytes.length - 9));
      await expect(search(), name).rejects.toThrow(failing("GM_CORRUPT", name));
      writeFileSync(join(index, name), bytes);
    }
    await search();
  });
});

describe("files of a published index", () => {
  it("are not fetched where they do not fit the memory, nor further than they should go", async () => {
    const { index, at, asked, faults } = await published();
    const needed = statSync(join(index, "coarse.bin")).size + statSync(join(index, "offsets.bin")).size;
    await expect(RemoteIndex.open(at, { memory: needed - 1 })).rejects.toThrow(failing("GM_BUDGET", "the small files"));
    expect(asked.map(([path]) => path)).toEqual(["/atlas.gmx/manifest.json"]);
    appendFileSync(join(index, "coarse.bin"), Buffer.alloc(2 ** 22));
    await expect(RemoteIndex.open(at)).rejects.toThrow(failing("GM_CORRUPT", "coarse.bin: more than"));
    let sent = 0;
    faults.instead = (path, _, response) => {
      if (!path.endsWith("manifest.json")) return false;
      const more = (): void => {
        sent += 2 ** 20;
        response.write(Buffer.alloc(2 ** 20, " "), (error) => error || (sent < 2 ** 30 && more()));
      };
      more();
      return true;
    };
    await expect(RemoteIndex.open(at)).rejects.toThrow(failing("GM_CORRUPT", "manifest.json: more than"));
    expect(sent).toBeLessThan(2 ** 26);
  });

  it("are asked for past the browser's cache once they did not fit", async () => {
    const { folder, index, at, faults } = await published();
    const before = readFileSync(join(index, "manifest.json"));
    writeBlobs(join(folder, "grown.zarr"), { rows: 5000, dim: 8, seed: 9 });
    await using _ = await ReferenceIndex.build(join(folder, "grown.zarr"), {
      output: index,
      nlist: 16,
      overwrite: true,
    });
    let old = true;
    faults.instead = (path, _request, response) => {
      if (!path.endsWith("manifest.json") || !old) return false;
      old = false;
      return response.end(before) !== undefined;
    };
    const caches: string[] = [];
    const fetch = (request: Request): Promise<Response> => {
      if (request.url.endsWith("coarse.bin")) caches.push(request.cache);
      return globalThis.fetch(request);
    };
    using remote = await RemoteIndex.open(at, { fetch });
    expect(remote.description).toMatchObject({ nlist: 16, rows: 5000 });
    expect(caches).toEqual(["default", "no-store"]);
  });

  it("may be closed while it is searched", async () => {
    const { at } = await published();
    for (const during of ["route", "fetch", "join"]) {
      using remote = await RemoteIndex.open(at);
      const onProgress = ({ stage }: { stage: string }) => stage === during && remote.close();
      const search = remote.search({ x: new Float32Array(5000 * 8), shape: [5000, 8] }, { onProgress });
      await expect(search, during).rejects.toThrow(failing("GM_PARAM", "the index was closed"));
    }
  });
});

describe("the module's memory", () => {
  it("is asked before arrays are copied into it", async () => {
    const cells = { x: new Float32Array(1000 * 4), shape: [1000, 4] as const };
    using packed = await ExactReference.of(cells, { memory: 2 ** 20 });
    const many = { x: new Float32Array(2 ** 20), shape: [2 ** 18, 4] as const };
    await expect(packed.search(many)).rejects.toThrow(failing("GM_BUDGET", "the queries"));
    using search = await packed.search({ x: new Float32Array(40), shape: [10, 4] });
    using weights = search.weigh();
    // Before their shape is looked at, which would be after they were copied.
    const codes = new Int32Array(2 ** 20);
    expect(() => weights.labels({ codes, categories: ["a"] })).toThrow(failing("GM_BUDGET", "a column of labels"));
    expect(() => weights.numbers(new Float64Array(2 ** 20))).toThrow(failing("GM_BUDGET", "a column of numbers"));
    expect(() => weights.embedding({ x: many.x, shape: [2 ** 18, 4] })).toThrow(failing("GM_BUDGET", "an embedding"));
    expect(weights.numbers(new Float64Array(1000)).means).toEqual(new Float64Array(10));
    // More than can be addressed is less than it seems.
    await expect(packed.search(cells, { nNeighbors: 2 ** 30 })).rejects.toThrow(failing("GM_BUDGET"));
    using roomy = await ExactReference.of(cells, { memory: 2 ** 50 });
    await expect(roomy.search(cells, { nNeighbors: 2 ** 30 })).rejects.toThrow(failing("GM_BUDGET"));
  });

  it("is another one after the module stopped", async () => {
    const { called }: typeof import("../ts/wasm/module.js") = await import(join(root, "dist/wasm/module.js"));
    const cells = { x: Float32Array.of(0, 0, 3, 4), shape: [2, 2] as const };
    const open = await ExactReference.of(cells);
    const found = await open.search(cells, { nNeighbors: 1 });
    const { WebAssembly } = globalThis as unknown as { WebAssembly: Platform };
    const { trap } = new WebAssembly.Instance(new WebAssembly.Module(trapping)).exports;
    expect(() => called(trap)).toThrow(failing("GM_BACKEND", "the module stopped: unreachable"));
    await expect(open.search(cells, { nNeighbors: 1 })).rejects.toThrow(failing("GM_BACKEND", "stopped since"));
    expect(() => found.neighbors).toThrow(failing("GM_BACKEND", "stopped since"));
    expect(() => found.weigh()).toThrow(failing("GM_BACKEND", "stopped since"));
    using again = await ExactReference.of(cells);
    // What was of the other module is not given back to this one.
    found.close();
    open.close();
    using search = await again.search(cells, { nNeighbors: 2 });
    expect(Array.from(search.neighbors.distances)).toEqual([0, 5, 0, 5]);
  });
});
