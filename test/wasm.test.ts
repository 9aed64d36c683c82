import { execFile, spawnSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompressSync, constants } from "node:zlib";
import { map, ReferenceIndex } from "gigamapper";
import { initialise, mapRemote, RemoteColumns, RemoteIndex, type WasmProgress } from "gigamapper/wasm";
import { describe, expect, it } from "vitest";
import { LABELS, writeBlobs } from "./anndata.js";
import { root, temporary } from "./folder.js";
import { compile, project } from "./project.js";
import { serve } from "./static-server.js";

import {
  bits,
  expectSameLabels,
  expectSameNeighbors,
  expectSameNumbers,
  failing,
  graph,
  matrix,
} from "./wasm-native.js";

const wasmFile = join(root, "dist/wasm/glue_bg.wasm");

describe("the module", () => {
  it("is small enough to be loaded by a page", () => {
    const bytes = readFileSync(wasmFile);
    const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
    expect(brotliCompressSync(bytes, options).length).toBeLessThanOrEqual(400_000);
    // Nothing of the machine that built it.
    expect(bytes.includes(root)).toBe(false);
    expect(bytes.includes(".cargo/registry")).toBe(false);
  });

  it("loads from an address, a response, a module and bytes, and says why it does not", async () => {
    const load = (source: string) => {
      const program = `
        import { initialise, ExactReference } from ${JSON.stringify(join(root, "dist/wasm/index.js"))};
        import { readFileSync } from "node:fs";
        const bytes = () => readFileSync(${JSON.stringify(wasmFile)});
        try {
          await initialise(${source});
          using reference = await ExactReference.of({ x: new Float32Array([0, 0, 3, 4]), shape: [2, 2] });
          using search = await reference.search({ x: new Float32Array([3, 4]), shape: [1, 2] }, { nNeighbors: 2 });
          console.log([...search.neighbors.indices, ...search.neighbors.distances].join());
        } catch (error) { console.log(error.code, error.message); }`;
      // TypeScript is not stripped here, and the oldest Node knows no "using".
      const plain = program.replaceAll("using ", "const ");
      return spawnSync(process.execPath, ["--input-type=module", "-e", plain], { encoding: "utf8" }).stdout;
    };
    for (const source of [
      "",
      'new Response(bytes(), { headers: { "content-type": "application/wasm" } })',
      "bytes()",
    ]) {
      expect(load(source), source).toBe("1,0,0,5\n");
    }
    expect(load("await WebAssembly.compile(bytes())")).toBe("1,0,0,5\n");
    expect(load('new URL("file:///nowhere.wasm")')).toMatch(/^GM_IO fetch file:.*nowhere/);
    expect(load("new Uint8Array([1, 2, 3])")).toMatch(/^GM_BACKEND WebAssembly: /);
    expect(load('new Response("", { status: 404 })')).toMatch(/^GM_IO .*answered 404/);
    await initialise();
  });
});

/** A reference with an index of it, and query cells, of which one is no number. */
async function published(options: object = {}, dim = 20) {
  const folder = temporary();
  const [store, cells] = [join(folder, "atlas.zarr"), join(folder, "query.zarr")];
  writeBlobs(store, { rows: 6000, dim, seed: 3 });
  writeBlobs(cells, {
    rows: 300,
    dim,
    seed: 4,
    edit: (values) => {
      // Two kinds of cells, so that many lists are of no use to any.
      for (const at of values.keys()) {
        const [row, column] = [Math.floor(at / dim), at % dim];
        values[at] = 6 * Math.sin(7 * (row % 2) + 3 * column) + ((row * 31 + column * 17) % 97) / 97 - 0.5;
      }
      values[7] = Number.NaN;
    },
  });
  const index = join(folder, "atlas.gmx");
  await using _ = await ReferenceIndex.build(store, { output: index, nlist: 64, ...options });
  return { folder, store, cells, index, query: await matrix(cells, "obsm/X_pca") };
}

/** An index with codes of cells of seven dimensions among many columns, and cells from their middle: many lists are far, and have some near rows. */
async function scattered(rerank: string) {
  const [folder, dim] = [temporary(), 160];
  const [store, cells, index] = ["atlas.zarr", "query.zarr", "atlas.gmx"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const scatter = (share: number) => (values: Float32Array) => {
    let state = values.length;
    const uniform = () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
    for (let row = 0; row < values.length / dim; row += 1) {
      const places = Array.from({ length: 7 }, () => 0.5 + (uniform() - 0.5) * share);
      for (let column = 0; column < dim; column += 1) {
        const wave = (at: number) => Math.sin(1.7 * column * (at + 1) + at);
        const value = places.reduce((sum, place, at) => sum + 3 * place * wave(at), 0.2 * uniform());
        values[row * dim + column] = value;
      }
    }
  };
  writeBlobs(store, { rows: 6000, dim, seed: 3, edit: scatter(1) });
  writeBlobs(cells, { rows: 12, dim, seed: 4, edit: scatter(0.05) });
  await using _ = await ReferenceIndex.build(store, { output: index, method: "ivfpq", rerank, nlist: 24 });
  return { folder, store, cells, index, query: await matrix(cells, "obsm/X_pca") };
}

describe("a published index", () => {
  const kinds: [string, object][] = [
    ["of f32", {}],
    ["of f16", { listDtype: "f16" }],
    ["of f32 with codes", { method: "ivfpq" }],
    ["of codes alone", { method: "ivfpq", rerank: "none" }],
    ["by cosine", { metric: "cosine" }],
  ];

  it.each(kinds)("%s maps as natively, to the bit, and moves little more than the lists", async (_, options) => {
    const { folder, store, cells, index, query } = await published(options);
    const { url, asked } = await serve(folder);
    const output = join(folder, "mapped.zarr");
    const { metric } = options as { metric?: string };
    const request = {
      query: cells,
      reference: store,
      index,
      nprobe: 5,
      obsKeys: ["label", "score"],
      obsmKeys: ["X_pca"],
    };
    await map({ ...request, output, ...(metric ? { metric } : {}) });
    const stages = new Set<string>();
    const onProgress = ({ stage }: WasmProgress) => void stages.add(stage);
    const { obsKeys, obsmKeys } = request;
    const remote = { query, index: `${url}/atlas.gmx`, reference: `${url}/atlas.zarr`, codesFirst: false };
    const mapping = await mapRemote({ ...remote, nprobe: 5, obsKeys, obsmKeys, onProgress });
    const native = await graph(output);
    expect(Array.from(mapping.neighbors.indices)).toEqual(native.indices);
    expect(bits(mapping.neighbors.distances)).toBe(bits(native.distances));
    expect(mapping.neighbors.statuses[0]).toBe(2);
    await expectSameLabels(mapping.labels["label"] ?? expect.fail(), output, "label");
    await expectSameNumbers(mapping.numbers["score"] ?? expect.fail(), output, "score");
    expect(bits(mapping.embeddings["X_pca"]?.x ?? expect.fail())).toBe(
      bits((await matrix(output, "obsm/X_pca_pred")).x),
    );
    expect([...stages].sort()).toEqual(["fetch", "join", "route", "transfer"]);

    const { probed, fetched, index: all, requests, lists } = mapping.traffic.search;
    expect(probed).toBeLessThan(all);
    expect(fetched).toBeGreaterThanOrEqual(probed);
    expect(fetched).toBeLessThanOrEqual(1.1 * probed);
    expect(lists).toBeLessThan(64);
    const ranges = asked.filter(([path, range]) => /(lists|codes)\.bin$/.test(path) && range !== "whole");
    expect(ranges).toHaveLength(requests);
    expect(new Set(ranges.map((range) => range.join())).size).toBe(requests);
    const moved = ranges.map(([, range]) => range.split("-").map(Number)).map(([a = 0, b = 0]) => b - a + 1);
    expect(moved.reduce((sum, bytes) => sum + bytes, 0)).toBe(fetched);
    expect(asked.some(([path, range]) => /(lists|codes|graph)\.bin$/.test(path) && range === "whole")).toBe(false);
  });

  it.each(["exact", "f16"])(
    "with codes and rows of %s moves codes first, and of far lists the rows that they select",
    async (rerank) => {
      const { folder, store, cells, index, query } = await scattered(rerank);
      const { url, asked, faults } = await serve(folder);
      const output = join(folder, "mapped.zarr");
      await map({ query: cells, reference: store, index, nprobe: 16, nNeighbors: 10, output });
      using remote = await RemoteIndex.open(`${url}/atlas.gmx`);
      const stages: string[] = [];
      const onProgress = ({ stage }: WasmProgress) => void stages.push(stage);
      using search = await remote.search(query, { nprobe: 16, nNeighbors: 10, onProgress });
      await expectSameNeighbors(search, output);
      const { lists, probed, fetched, codes, whole, rows, requests } = search.traffic;
      expect([...new Set(stages)]).toEqual(["route", "fetch", "select", "join"]);
      expect(fetched).toBeLessThan(probed);
      expect(whole).toBeLessThan(lists);
      expect(rows).toBeGreaterThan(0);
      const large = () => asked.filter(([path, range]) => /(lists|codes)\.bin$/.test(path) && range !== "whole");
      const of = (ranges: typeof asked) =>
        ranges.map(([path, range]) => [path, ...range.split("-").map(Number)] as [string, number, number]);
      const length = (ranges: typeof asked) => of(ranges).reduce((sum, [, first, last]) => sum + last - first + 1, 0);
      expect(large()).toHaveLength(requests);
      expect(length(large())).toBe(fetched);
      expect(length(large().filter(([path]) => path.endsWith("codes.bin")))).toBe(codes);
      // No byte comes twice.
      const sorted = of(large()).sort((a, b) => a[0].localeCompare(b[0]) || a[1] - b[1]);
      for (const [at, [path, first]] of sorted.entries()) {
        const [before, , last] = sorted[at - 1] ?? ["", 0, 0];
        expect(before !== path || last < first, `${path} ${first}`).toBe(true);
      }
      using all = await remote.search(query, { nprobe: 16, nNeighbors: 10, codesFirst: false });
      await expectSameNeighbors(all, output);
      expect(all.traffic).toMatchObject({ lists, probed, rows: 0, whole: lists });
      expect(all.traffic.fetched).toBeGreaterThanOrEqual(probed);

      // Rows of another file of the same length, as far as the server says so; and without a word, as far as codes do.
      let fetches = 0;
      const instead = (tagged: boolean) => {
        fetches = 0;
        faults.instead = (path, { headers }, response) => {
          const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
          if (!path.endsWith("lists.bin") || first === undefined) return false;
          fetches += 1;
          const selecting = stages.includes("select");
          const bytes = Buffer.from(readFileSync(join(index, "lists.bin")).subarray(Number(first), Number(last) + 1));
          if (selecting && !tagged) for (let at = 3; at < bytes.length; at += 4) bytes[at] = (bytes[at] ?? 0) ^ 0x81;
          response.writeHead(206, { etag: selecting && tagged ? '"b"' : '"a"', "content-length": bytes.length });
          return response.end(bytes) !== undefined;
        };
        stages.length = 0;
      };
      const again = () => remote.search(query, { nprobe: 16, nNeighbors: 10, onProgress });
      instead(true);
      await expect(again()).rejects.toThrow(failing("GM_STALE", "lists.bin: it was replaced"));
      expect(fetches).toBeGreaterThan(1);
      instead(false);
      await expect(again()).rejects.toThrow(failing("GM_CORRUPT", "lists.bin"));
      delete faults.instead;
      using after = await again();
      await expectSameNeighbors(after, output);
    },
  );

  it("finds k neighbors in as many lists as it takes", async () => {
    const { folder, store, cells, index, query } = await published({ nlist: 512 });
    const { url } = await serve(folder);
    const output = join(folder, "mapped.zarr");
    await map({ query: cells, reference: store, index, nprobe: 1, nNeighbors: 200, output });
    using remote = await RemoteIndex.open(`${url}/atlas.gmx`);
    expect(remote.description).toMatchObject({ rows: 6000, dim: 20, metric: "euclidean", excluded: 0, dtype: "f32" });
    using search = await remote.search(query, { nprobe: 1, nNeighbors: 200 });
    await expectSameNeighbors(search, output);
  });

  it("may be searched again and at once", async () => {
    const { folder, query } = await published();
    const { url } = await serve(folder);
    using remote = await RemoteIndex.open(`${url}/atlas.gmx`);
    const few = { x: query.x.slice(0, 40 * 20), shape: [40, 20] as const };
    const searches = await Promise.all([query, few, query].map((cells) => remote.search(cells, { nprobe: 4 })));
    const [one, two, three] = searches.map((search) => search.neighbors);
    expect(one).toEqual(three);
    expect(Array.from(one?.indices.slice(0, 40 * 30) ?? [])).toEqual(Array.from(two?.indices ?? []));
    for (const search of searches) search.close();
  });

  it("says what a server refuses, and stops when asked to", async () => {
    const { folder, query, index } = await published();
    const server = await serve(folder);
    const url = `${server.url}/atlas.gmx`;
    const search = async (options = {}) => {
      using remote = await RemoteIndex.open(url);
      using found = await remote.search(query, { nprobe: 4, ...options });
      return found.traffic;
    };
    await expect(RemoteIndex.open(`${server.url}/nothing.gmx`)).rejects.toThrow(
      failing("GM_NOT_FOUND", "manifest.json"),
    );
    await expect(RemoteIndex.open("http://127.0.0.1:9/a.gmx")).rejects.toThrow(failing("GM_IO", "no answer"));
    server.faults.ignoresRanges = true;
    await expect(search()).rejects.toThrow(failing("GM_UNSUPPORTED", "answers with the whole file"));
    server.faults.ignoresRanges = false;
    server.faults.instead = (path, _, response) =>
      path.endsWith("lists.bin") && response.writeHead(503).end() !== undefined;
    await expect(search()).rejects.toThrow(failing("GM_IO", "answered 503"));
    server.faults.instead = (path, _, response) =>
      path.endsWith("lists.bin") && response.writeHead(206).end("short") !== undefined;
    await expect(search()).rejects.toThrow(failing("GM_CORRUPT", "bytes came of"));
    delete server.faults.instead;
    const stop = new AbortController();
    const onProgress = ({ stage }: WasmProgress) => stage === "fetch" && stop.abort();
    await expect(search({ signal: stop.signal, onProgress })).rejects.toThrow(failing("GM_CANCELLED"));
    expect((await search()).lists).toBeGreaterThan(0);
    await expect(search({ nprobe: 65 })).rejects.toThrow(failing("GM_PARAM", "64 lists"));
    // A list cut short, a bit of each list, and of the centroids.
    const lists = readFileSync(join(index, "lists.bin"));
    truncateSync(join(index, "lists.bin"), lists.length - 100);
    await expect(search()).rejects.toThrow(
      failing("GM_CORRUPT", `${lists.length - 100} bytes instead of ${lists.length}`),
    );
    writeFileSync(
      join(index, "lists.bin"),
      lists.map((byte, at) => (at % 4096 === 5 ? byte ^ 1 : byte)),
    );
    await expect(search()).rejects.toThrow(failing("GM_CORRUPT", "its checksum is wrong"));
    writeFileSync(join(index, "lists.bin"), lists);
    const coarse = readFileSync(join(index, "coarse.bin"));
    writeFileSync(
      join(index, "coarse.bin"),
      coarse.map((byte, at) => (at === 400 ? byte ^ 1 : byte)),
    );
    await expect(search()).rejects.toThrow(failing("GM_CORRUPT", "coarse.bin"));
  });

  it("that is replaced while it is read is said to be", async () => {
    const { folder, query, index } = await published();
    const { url, faults } = await serve(folder);
    using remote = await RemoteIndex.open(`${url}/atlas.gmx`);
    const grown = join(folder, "grown.zarr");
    writeBlobs(grown, { rows: 6000, dim: 20, seed: 9 });
    cpSync(index, join(folder, "old.gmx"), { recursive: true });
    await using _ = await ReferenceIndex.build(grown, { output: index, nlist: 32, overwrite: true });
    await expect(remote.search(query, { nprobe: 4 })).rejects.toThrow(failing("GM_STALE", "replaced"));
    // A manifest of before, and files of after: it is asked for again.
    let first = true;
    faults.instead = (path, _, response) => {
      if (!path.endsWith("manifest.json") || !first) return false;
      first = false;
      return response.end(readFileSync(join(folder, "old.gmx/manifest.json"))) !== undefined;
    };
    using again = await RemoteIndex.open(`${url}/atlas.gmx`);
    expect(again.description.nlist).toBe(32);
  });
});

describe("published columns", () => {
  it("are read whatever the version of the store, and refused with a sentence", async () => {
    const { url, faults } = await serve(join(root, "test/fixtures"));
    const columns = new RemoteColumns(`${url}/pbmc/reference.zarr`);
    const column = await columns.obs("bulk_labels");
    expect(column).toMatchObject({ kind: "labels", labels: { codes: { length: 500 } } });
    expect(columns.traffic.bytes).toBeGreaterThan(500);
    faults.ignoresRanges = true;
    await expect(columns.obs("bulk_labels")).rejects.toThrow(failing("GM_UNSUPPORTED", "answers with the whole file"));
    faults.ignoresRanges = false;
    faults.instead = (_, { headers }, response) =>
      headers.range !== undefined && response.writeHead(206).end("cut") !== undefined;
    await expect(columns.obs("bulk_labels")).rejects.toThrow(failing("GM_CORRUPT", "3 bytes came"));
    faults.instead = (_, { method }, response) => method === "HEAD" && response.writeHead(200).end() !== undefined;
    await expect(columns.obs("bulk_labels")).rejects.toThrow(failing("GM_UNSUPPORTED", "whole file"));
    delete faults.instead;
    await expect(columns.obs("nothing")).rejects.toThrow(failing("GM_NOT_FOUND", "obs column"));
    await expect(columns.obsm("nothing")).rejects.toThrow(failing("GM_NOT_FOUND", "obsm key"));
    const folder = temporary();
    writeBlobs(join(folder, "a.zarr"), { rows: 30, dim: 3, seed: 1 });
    const blobs = new RemoteColumns(`${(await serve(folder)).url}/a.zarr`);
    expect(await blobs.obs("label")).toMatchObject({ labels: { categories: LABELS } });
    expect(await blobs.obs("score")).toMatchObject({ kind: "numbers", numbers: expect.any(Float64Array) });
    await expect(blobs.obs("_index")).rejects.toThrow(failing("GM_UNSUPPORTED", "_index"));
    await expect(new RemoteColumns("http://127.0.0.1:9/a.zarr").obs("a")).rejects.toThrow(failing("GM_IO"));
  });
});

describe("examples of doc comments", () => {
  it("are whole programs that run", async () => {
    const { folder } = await published({}, 50);
    const { url } = await serve(
      { "atlas.gmx": join(folder, "atlas.gmx"), "atlas.zarr": join(folder, "atlas.zarr"), "gigamapper.wasm": "/" },
      {
        instead: (path, _, response) => {
          if (path !== "/gigamapper.wasm") return false;
          response.setHeader("content-type", "application/wasm");
          return response.end(readFileSync(wasmFile)) !== undefined;
        },
      },
    );
    const names = "ExactReference, initialise, mapRemote, RemoteColumns, RemoteIndex";
    const sources = readdirSync(join(root, "ts/wasm")).map((name) => readFileSync(join(root, "ts/wasm", name), "utf8"));
    const found = sources.flatMap((text) => [...text.matchAll(/\* @example\n((?: +\*(?: .*)?\n)+?) +\*\//g)]);
    const examples = found.map(([, code = ""]) => {
      const here = code
        .replace(/^ *\* ?/gm, "")
        .replaceAll("https://atlas.example.org", url)
        .replaceAll("cell_type", "label");
      return `import { ${names} } from "gigamapper/wasm";\n${here}\nexport {};\n`;
    });
    expect(examples).toHaveLength(6);
    const place = project();
    for (const path of compile(place, examples, true)) {
      // Not in this process, which is the server.
      await promisify(execFile)(process.execPath, [path], { cwd: place });
    }
  });
});
