/**
 * Mapping in a browser: the tile beside the native one, and 10 000 cells of a few types mapped onto a published index of a million.
 *
 *     node bench/browser.mjs tile
 *     node bench/browser.mjs map DATA/lid10-1m.zarr DATA/lid10-1mq.zarr INDEX.gmx [--types 5] [--cells 10000] [--nprobe 16] [--codes]
 *
 * `tile` needs the native program: cargo build --release -p gigamapper-tile-lanes --example scan. `map` needs `npm run build` and Chromium,
 * builds the index where it is missing, with codes where it is told to, and compares every neighbour with those of the addon. Of an index with
 * codes it measures both: codes first, and whole lists.
 */

import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { brotliCompressSync } from "node:zlib";
import FileSystemStore from "@zarrita/storage/fs";
import { chromium } from "playwright-core";
import * as zarr from "zarrita";
import { map, Neighbors, ReferenceIndex } from "../dist/index.js";
import { module } from "../scripts/lanes.mjs";
import { cargoFolder, output, root, target } from "../scripts/toolchain.mjs";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    types: { type: "string", default: "5" },
    cells: { type: "string", default: "10000" },
    nprobe: { type: "string", default: "16" },
    codes: { type: "boolean", default: false },
  },
});
const [what, ...paths] = positionals;
const say = (line) => process.stdout.write(`${line}\n`);
const program = process.env["CHROMIUM"] ?? output("which", ["chromium"]);
if (!program) throw new Error("Chromium was not found: apt-get install chromium, or name it as CHROMIUM");

/** A browser, and a server of some folders for it. */
async function inBrowser(folders, work) {
  const server = createServer((request, response) => {
    const [, first, ...rest] = decodeURIComponent(new URL(request.url, "http://a").pathname).split("/");
    const file = join(folders[first] ?? "/nowhere", ...rest);
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    if (size === undefined) return response.writeHead(404).end();
    const types = { js: "text/javascript", wasm: "application/wasm", html: "text/html" };
    response.setHeader("content-type", types[file.split(".").pop()] ?? "application/octet-stream");
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    if (from === undefined) return createReadStream(file).pipe(response);
    const [start, end] = [Number(from), Number(to)];
    response.writeHead(206, { "content-range": `bytes ${start}-${end}/${size}`, "content-length": end - start + 1 });
    return createReadStream(file, { start, end }).pipe(response);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  try {
    const page = await browser.newPage();
    const url = `http://127.0.0.1:${server.address().port}`;
    writeFileSync(join(folders.page, "index.html"), "<!doctype html><title>bench</title>");
    await page.goto(`${url}/page/index.html`);
    return await work(page, url, browser.version());
  } finally {
    await browser.close();
    server.close();
  }
}

/** The tile by the native lanes, in Node and in Chromium, taking turns; medians of billions of pairs a second. */
async function tile() {
  await module();
  const folder = mkdtempSync(join(tmpdir(), "gigamapper-"));
  const native = [join(cargoFolder(), target()), cargoFolder()].map((it) => join(it, "release/examples/scan"));
  const scan = native.find((path) => existsSync(path));
  if (!scan) throw new Error("cargo build --release -p gigamapper-tile-lanes --example scan");
  const speeds = {};
  const add = (name, speed) => (speeds[name] = [...(speeds[name] ?? []), speed]);
  const wasm = join(cargoFolder(), "wasm32-unknown-unknown/release");
  await inBrowser({ page: folder, wasm }, async (page, url, version) => {
    for (let round = 0; round < 7; round += 1) {
      for (const [, name, speed] of output(scan, []).matchAll(/^(\w+)\s+([\d.]+)/gm))
        add(`native ${name}`, Number(speed));
      const measure = async (bytes) => {
        const { instance } = await WebAssembly.instantiate(bytes);
        const { lanes, scan } = instance.exports;
        scan(lanes() - 1, 20);
        const began = performance.now();
        const pairs = scan(lanes() - 1, 100);
        return Number(pairs) / (performance.now() - began) / 1e6;
      };
      add("simd128 in Node", await measure(readFileSync(join(wasm, "gigamapper_tile_lanes.wasm"))));
      const text = `(${measure})(await (await fetch("${url}/wasm/gigamapper_tile_lanes.wasm")).arrayBuffer())`;
      add(`simd128 in Chromium ${version}`, await page.evaluate(`(async () => await ${text})()`));
    }
  });
  const median = (of) => of.sort((a, b) => a - b)[of.length >> 1];
  const avx2 = median(speeds["native avx2"] ?? [Number.NaN]);
  for (const [name, of] of Object.entries(speeds)) {
    say(`${name.padEnd(36)} ${median(of).toFixed(3)} Gpair/s  ${(median(of) / avx2).toFixed(2)} of AVX2`);
  }
  rmSync(folder, { recursive: true });
}

async function array(store, path) {
  return await zarr.get(
    await zarr.open(zarr.root(new FileSystemStore(resolve(store))).resolve(path), { kind: "array" }),
  );
}

/** Cells of a few types, mapped by the page and by the addon. */
async function mapping([reference, source, index]) {
  const folder = mkdtempSync(join(tmpdir(), "gigamapper-"));
  const [types, cells, nprobe] = [Number(values.types), Number(values.cells), Number(values.nprobe)];
  const kind = values.codes ? { method: "ivfpq" } : {};
  if (!existsSync(index)) await ReferenceIndex.build(reference, { output: index, nlist: 4096, ...kind });
  const withCodes = existsSync(join(index, "codes.bin"));
  const { data: codes } = await array(source, "obs/cell_type/codes");
  const { data: rows, shape } = await array(source, "obsm/X_pca");
  const dim = shape[1];
  const x = new Float32Array(cells * dim);
  let taken = 0;
  for (let row = 0; row < codes.length && taken < cells; row += 1) {
    if (codes[row] < 0 || codes[row] >= types) continue;
    x.set(rows.subarray(row * dim, (row + 1) * dim), taken * dim);
    taken += 1;
  }
  if (taken < cells) throw new Error(`${taken} cells of ${types} types`);
  writeFileSync(join(folder, "query.f32"), x);
  const given = { x, shape: [cells, dim] };
  const mapped = join(folder, "mapped.zarr");
  await map({ query: given, reference, index, nprobe, obsKeys: ["cell_type"], output: mapped });
  const folders = { page: folder, dist: join(root, "dist"), index: resolve(index) };
  const searched = (codesFirst) => async (page, url) =>
    page.evaluate(`(async () => {
      const { RemoteIndex } = await import("${url}/dist/wasm/remote-index.js");
      const { initialise } = await import("${url}/dist/wasm/module.js");
      await initialise();
      const x = new Float32Array(await (await fetch("${url}/page/query.f32")).arrayBuffer());
      const laps = {}; let began = performance.now();
      const index = await RemoteIndex.open("${url}/index");
      laps.open = performance.now() - began; began = performance.now();
      const onProgress = ({ stage }) => { laps[stage] = performance.now() - began - Object.entries(laps)
        .filter(([name]) => name !== stage && name !== "open").reduce((sum, [, lap]) => sum + lap, 0); };
      const options = { nprobe: ${nprobe}, codesFirst: ${codesFirst}, onProgress };
      const search = await index.search({ x, shape: [${cells}, ${dim}] }, options);
      const { indices, distances } = search.neighbors;
      return { laps, traffic: search.traffic, indices: Array.from(indices), distances: Array.from(distances) };
    })()`);
  for (const codesFirst of withCodes ? [true, false] : [false]) {
    say(codesFirst ? "\ncodes first" : "\nwhole lists");
    await compared(mapped, await inBrowser(folders, searched(codesFirst)), { cells, types, nprobe });
  }
  const wasm = readFileSync(join(root, "dist/wasm/glue_bg.wasm"));
  say(`glue_bg.wasm: ${wasm.length} bytes, ${brotliCompressSync(wasm).length} by brotli`);
  rmSync(folder, { recursive: true });
}

/** Says what a search in the page moved, and how many of its neighbours are other ones than the addon's. */
async function compared(mapped, told, { cells, types, nprobe }) {
  const neighbors = await Neighbors.open(mapped);
  let different = 0;
  for await (const block of neighbors.blocks()) {
    const first = block.firstRow * block.k;
    for (let at = 0; at < block.distances.length; at += 1) {
      const same =
        Number(block.indices[at]) === told.indices[first + at] && block.distances[at] === told.distances[first + at];
      different += same ? 0 : 1;
    }
  }
  await neighbors.close();
  const { directory, lists, probed, fetched, codes, whole, rows, index: all, requests } = told.traffic;
  const mega = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  say(
    `${cells} cells of ${types} types, nprobe ${nprobe}: ${different} of ${told.indices.length} neighbors differ from the addon's`,
  );
  say(
    `moved ${mega(fetched)} of ${mega(all)} (${((100 * fetched) / all).toFixed(1)} %) in ${requests} requests for ${lists} lists`,
  );
  say(
    `which is ${(fetched / probed).toFixed(3)} times the ${mega(probed)} of those lists; ${mega(directory)} of manifest, centroids and directory`,
  );
  say(`rows came whole of ${whole} lists, and ${rows} rows alone; ${mega(codes)} were codes`);
  say(
    Object.entries(told.laps)
      .map(([stage, lap]) => `${stage} ${(lap / 1000).toFixed(2)} s`)
      .join(", "),
  );
}

if (what === "tile") await tile();
else if (what === "map" && paths.length === 3) await mapping(paths);
else throw new Error("say tile, or map with a reference, a query and an index");
