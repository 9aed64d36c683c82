/** The static page of examples/browser in headless Chromium, and the module in its workers: what they find is what the addon finds. */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type axe from "axe-core";
import { MappedStore, map, Neighbors, ReferenceIndex } from "gigamapper";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { array, LABELS, writeBlobs } from "../anndata.js";
import { root } from "../folder.js";
import { type StaticServer, serve } from "../static-server.js";

const DIM = 12;
const QUERIES = 400;
const folder = mkdtempSync(join(tmpdir(), "gigamapper-"));
const at = (name: string) => join(folder, name);
let browser: Browser;
/** The page, and the atlas on another origin. */
let pages: StaticServer;
let atlas: StaticServer;

/** A matrix as NumPy writes it. */
function npy(values: Float32Array, rows: number): Buffer {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${values.length / rows}), }`;
  const padded = `${header.padEnd(117)}\n`;
  const head = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, padded.length & 255, padded.length >> 8]);
  return Buffer.concat([head, Buffer.from(padded, "latin1"), Buffer.from(values.buffer)]);
}

beforeAll(async () => {
  writeBlobs(at("atlas.zarr"), { rows: 5000, dim: DIM, seed: 11 });
  let cells = new Float32Array(0);
  writeBlobs(at("query.zarr"), { rows: QUERIES, dim: DIM, seed: 12, edit: (values) => (cells = values.slice()) });
  // A map of cells, of two columns.
  writeBlobs(at("plane.zarr"), { rows: 5000, dim: 2, seed: 11 });
  const moved = spawnSync("cp", ["-r", at("plane.zarr/obsm/X_pca"), at("atlas.zarr/obsm/X_umap")]);
  expect(moved.status).toBe(0);
  writeFileSync(at("query.npy"), npy(cells, QUERIES));
  const titles = ["cell", ...Array.from({ length: DIM }, (_, column) => `PC${column}`)].join(",");
  const lines = Array.from({ length: QUERIES }, (_, row) =>
    [`cell${row}`, ...cells.subarray(row * DIM, (row + 1) * DIM)].join(","),
  );
  writeFileSync(at("query.csv"), [titles, ...lines].join("\n"));
  await using _ = await ReferenceIndex.build(at("atlas.zarr"), { output: at("atlas.gmx"), nlist: 64 });
  await using __ = await ReferenceIndex.build(at("atlas.zarr"), {
    output: at("coded.gmx"),
    nlist: 64,
    method: "ivfpq",
  });
  const index = at("atlas.gmx");
  const keys = { obsKeys: ["label"], obsmKeys: ["X_umap"] };
  await map({
    query: at("query.zarr"),
    reference: at("atlas.zarr"),
    index,
    nprobe: 4,
    ...keys,
    output: at("mapped.zarr"),
  });
  const stores = { query: at("query.zarr"), reference: at("atlas.zarr") };
  await map({ ...stores, index: at("coded.gmx"), nprobe: 12, obsKeys: ["label"], output: at("coded.zarr") });
  const built = spawnSync(process.execPath, [join(root, "examples/browser/build.mjs"), at("page")], {
    encoding: "utf8",
  });
  expect(built.stderr).toBe("");
  pages = await serve({ page: at("page"), dist: join(root, "dist") }, {}, true);
  atlas = await serve(folder, {}, true);
  const executablePath = process.env["CHROMIUM"];
  if (!executablePath) throw new Error("run scripts/browser.mjs, which looks for Chromium");
  // A container's root may not make the sandbox of a browser, and has little shared memory.
  browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--enable-unsafe-swiftshader"],
  });
});

afterAll(async () => {
  await browser?.close();
  await Promise.all([pages?.close(), atlas?.close()]);
  rmSync(folder, { recursive: true, force: true });
});

/** The page with its form filled in. */
async function opened(options: Record<string, string> = {}): Promise<{ page: Page; errors: string[] }> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  const fields = { index: `${atlas.url}/atlas.gmx`, reference: `${atlas.url}/atlas.zarr`, label: "label", nprobe: "4" };
  await page.goto(`${pages.url}/page/index.html?${new URLSearchParams({ ...fields, ...options })}`);
  return { page, errors };
}

/** An archive of a store, beside it. */
function pack(store: string): void {
  const path = JSON.stringify(at(store));
  const packed = spawnSync("python3", ["-c", `import shutil; shutil.make_archive(${path}, "zip", ${path})`]);
  expect(packed.stderr.toString()).toBe("");
}

async function mapped(page: Page, file: string): Promise<string> {
  await page.setInputFiles("#file", at(file));
  await page.click("#map");
  await page.waitForFunction(() => document.querySelector<HTMLButtonElement>("#map")?.disabled === false);
  return (await page.textContent("#state")) ?? "";
}

/** Labels and nearest cells of the native run, as lines of the page's file. */
async function expected(): Promise<string[][]> {
  await using store = new MappedStore(at("mapped.zarr"));
  await using graph = await Neighbors.open(at("mapped.zarr"));
  const [labels, confidence] = [await store.obs("label_pred"), await store.obs("label_conf")];
  if (labels.kind !== "categorical" || confidence.kind !== "numeric") throw new Error("columns of other kinds");
  const lines: string[][] = [];
  for await (const { firstRow, indices, distances, k } of graph.blocks()) {
    for (let row = 0; row < distances.length / k; row += 1) {
      const label = labels.categories[labels.codes[firstRow + row] ?? -1] ?? "";
      const numbers = [confidence.values[firstRow + row], Number(indices[row * k]), distances[row * k]];
      lines.push([label, ...numbers.map(String)]);
    }
  }
  return lines;
}

describe("the page", () => {
  it.each(["query.npy", "query.csv"])("maps a dropped %s as the addon does, and saves it", async (file) => {
    const { page, errors } = await opened();
    expect(await mapped(page, file)).toMatch(/^400 cells are mapped. .* were fetched for lists/);
    const download = page.waitForEvent("download");
    await page.click("#save");
    const lines = readFileSync(await (await download).path(), "utf8")
      .trimEnd()
      .split("\r\n");
    expect(lines[0]).toBe("cell,label,confidence,nearest,distance");
    const native = await expected();
    expect(lines.slice(1).map((line) => line.split(",").slice(1))).toEqual(native);
    const counts = await page
      .locator("#labels tbody tr")
      .evaluateAll((rows) => rows.map((row) => [row.children[0]?.textContent, Number(row.children[1]?.textContent)]));
    const ofLabel = (label: string) => native.filter(([own]) => own === label).length;
    expect(Object.fromEntries(counts)).toEqual(
      Object.fromEntries(LABELS.map((label) => [label, ofLabel(label)]).filter(([, cells]) => cells !== 0)),
    );
    const bins = await page
      .locator("#bins tbody tr td")
      .evaluateAll((cells) => cells.map((cell) => Number(cell.textContent)));
    expect(bins.reduce((sum, cells) => sum + cells, 0)).toBe(QUERIES);
    expect(errors).toEqual([]);
    await page.close();
  });

  it("reads a store in an archive", async () => {
    pack("query.zarr");
    const { page } = await opened();
    expect(await mapped(page, "query.zarr.zip")).toMatch(/^400 cells are mapped/);
    expect(await page.textContent("#cells tbody tr th")).toBe("cell0");
    await page.close();
  });

  it("is drawn, gone through by keyboard, and read as tables", async () => {
    const { page, errors } = await opened();
    await mapped(page, "query.csv");
    const canvas = page.locator("#scatter");
    const pixels = () =>
      canvas.evaluate((element) => {
        const { width, height } = element as HTMLCanvasElement;
        const context = (element as HTMLCanvasElement).getContext("webgl2");
        if (!context) throw new Error("there is no WebGL2");
        const values = new Uint8Array(width * height * 4);
        context.readPixels(0, 0, width, height, context.RGBA, context.UNSIGNED_BYTE, values);
        const colours = new Set<number>();
        let sum = 0;
        for (let at = 0; at < values.length; at += 4) {
          const colour = ((values[at] ?? 0) << 16) | ((values[at + 1] ?? 0) << 8) | (values[at + 2] ?? 0);
          colours.add(colour);
          sum = (sum * 31 + colour) >>> 0;
        }
        return { colours: colours.size, sum };
      });
    const all = await pixels();
    expect(all.colours).toBeGreaterThan(3);
    await canvas.focus();
    await page.keyboard.press("+");
    expect((await pixels()).sum).not.toBe(all.sum);
    await page.keyboard.press("Home");
    expect((await pixels()).sum).toBe(all.sum);
    await page.keyboard.press("ArrowRight");
    const first = await page.textContent("#here");
    expect(first).toMatch(/^cell\d+, .+, [01]\.\d{3}$/);
    await page.keyboard.press("ArrowRight");
    expect(await page.textContent("#here")).not.toBe(first);
    expect(await page.textContent("#cells caption")).toBe("Cells 1 to 50 of 400");
    await page.click("#after");
    expect(await page.textContent("#cells caption")).toBe("Cells 51 to 100 of 400");
    expect(await page.textContent("#cells tbody tr th")).toBe("cell50");
    expect(errors).toEqual([]);
    await page.close();
  });

  it("has no violation of axe's rules, before and after", async () => {
    const { page } = await opened();
    await page.addScriptTag({ path: join(root, "node_modules/axe-core/axe.min.js") });
    const violations = () =>
      page.evaluate(async () => {
        const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run();
        return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
      });
    expect(await violations()).toEqual([]);
    await mapped(page, "query.csv");
    expect(await violations()).toEqual([]);
    atlas.faults.ignoresRanges = true;
    await mapped(page, "query.csv");
    atlas.faults.ignoresRanges = false;
    expect(await violations()).toEqual([]);
    await page.close();
  });

  it("reads whole numbers, and no other group's obsm", async () => {
    writeBlobs(at("whole.zarr"), { rows: 4, dim: 1, seed: 1 });
    const cells = BigInt64Array.from({ length: 4 * DIM }, (_, at) => BigInt(at % 5));
    array(at("whole.zarr"), "obsm/X_pca", cells, [4, DIM], [4, DIM], { type: "int64", fill: 0 });
    const other = new Float32Array(4 * DIM).fill(100);
    array(at("whole.zarr"), "uns/obsm/X_pca", other, [4, DIM], [4, DIM], { type: "float32", fill: 0 });
    pack("whole.zarr");
    writeFileSync(at("whole.npy"), npy(Float32Array.from(cells, Number), 4));
    const { page } = await opened();
    const nearest = async (file: string) => {
      expect(await mapped(page, file)).toMatch(/^4 cells are mapped/);
      return await page.locator("#cells tbody tr td").allTextContents();
    };
    expect(await nearest("whole.zarr.zip")).toEqual(await nearest("whole.npy"));
    await page.close();
  });

  it("maps onto an index with its cells, and onto nothing else without an atlas", async () => {
    await using _ = await ReferenceIndex.build(at("atlas.zarr"), { output: at("whole.gmx"), nlist: 64, bundle: true });
    const { page } = await opened({ index: `${atlas.url}/whole.gmx`, reference: "", embedding: "" });
    expect(await mapped(page, "query.csv")).toMatch(/^400 cells are mapped/);
    const other = await opened({ reference: "" });
    expect(await mapped(other.page, "query.csv")).toMatch(/the index has no cells.*name the reference/);
    await Promise.all([page.close(), other.page.close()]);
  });

  it("says that its worker stopped, and begins another", async () => {
    const { page } = await opened();
    await page.route("**/worker.js", (route) => route.abort());
    await page.reload();
    await page.waitForFunction(() => /worker stopped/.test(document.querySelector("#state")?.textContent ?? ""));
    expect(await mapped(page, "query.csv")).toMatch(/worker stopped/);
    await page.unroute("**/worker.js");
    expect(await mapped(page, "query.csv")).toMatch(/^400 cells are mapped/);
    await page.close();
  });

  it("says what is wrong, in a sentence", async () => {
    const { page } = await opened();
    atlas.faults.refusesOrigins = true;
    expect(await mapped(page, "query.csv")).toMatch(
      /^fetch http.*manifest.json: no answer.*Access-Control-Allow-Origin/,
    );
    atlas.faults.refusesOrigins = false;
    atlas.faults.ignoresRanges = true;
    expect(await mapped(page, "query.csv")).toMatch(/answers with the whole file.*206/);
    atlas.faults.ignoresRanges = false;
    atlas.faults.instead = (path, _, response) =>
      path.endsWith("lists.bin") &&
      response.writeHead(206, { "access-control-allow-origin": "*" }).end("cut") !== undefined;
    expect(await mapped(page, "query.csv")).toMatch(/lists.bin: .*bytes came of/);
    const newer = '{\n  "format": "gigamapper-index",\n  "version": 1000,\n  "xxh3": "9c959e479b92a7a0"\n}\n';
    atlas.faults.instead = (path, _, response) => path.endsWith("manifest.json") && response.end(newer) !== undefined;
    expect(await mapped(page, "query.csv")).toMatch(/version 1000 of the index.*newer gigamapper/);
    delete atlas.faults.instead;
    writeBlobs(at("few.zarr"), { rows: 70, dim: DIM, seed: 11 });
    const other = await opened({ reference: `${atlas.url}/few.zarr`, embedding: "" });
    expect(await mapped(other.page, "query.csv")).toMatch(/70 rows, and the index has 5000 cells/);
    await other.page.close();
    writeFileSync(at("bad.csv"), "cell,a\nx,1,2\n");
    expect(await mapped(page, "bad.csv")).toMatch(/line 2 has 2 numbers, not 1/);
    const whole = readFileSync(at("query.npy"));
    writeFileSync(at("cut.npy"), whole.subarray(0, whole.length - 3));
    const all = QUERIES * DIM * 4;
    expect(await mapped(page, "cut.npy")).toBe(`cut.npy: it has ${all - 3} bytes of numbers instead of ${all}`);
    writeFileSync(at("wide.csv"), "cell,a\nx,1\n");
    expect(await mapped(page, "wide.csv")).toMatch(/same columns/);
    expect(await mapped(page, "query.csv")).toMatch(/^400 cells are mapped/);
    await page.close();
  });

  it("stops when it is told to", async () => {
    const { page } = await opened();
    // The lists never come.
    let asked: () => void = () => {};
    const waits = new Promise<void>((resolve) => (asked = resolve));
    atlas.faults.instead = (path) => {
      if (!path.endsWith("lists.bin")) return false;
      asked();
      return true;
    };
    await page.setInputFiles("#file", at("query.csv"));
    await page.click("#map");
    await waits;
    await page.click("#cancel");
    await page.waitForFunction(() => /cancelled/.test(document.querySelector("#state")?.textContent ?? ""));
    delete atlas.faults.instead;
    expect(await mapped(page, "query.csv")).toMatch(/^400 cells are mapped/);
    await page.close();
  });
});

describe("the module in Chromium", () => {
  it.each([
    ["atlas.gmx", "mapped.zarr", 4],
    ["coded.gmx", "coded.zarr", 12],
  ])("finds the neighbors of the addon in %s, to the bit", async (name, store, nprobe) => {
    await using graph = await Neighbors.open(at(store));
    const [ids, found]: number[][] = [[], []];
    for await (const { indices, distances } of graph.blocks()) {
      ids?.push(...Array.from(indices, Number));
      found?.push(...distances);
    }
    const hash = createHash("sha256")
      .update(Float64Array.from(ids ?? []))
      .update(Float32Array.from(found ?? []));
    const { page } = await opened();
    const places = {
      library: `${pages.url}/dist/wasm`,
      index: `${atlas.url}/${name}`,
      query: `${atlas.url}/query.npy`,
    };
    // The library as it is published, but for what only columns need. As text, because vitest would rewrite its imports.
    const digest = await page.evaluate(`(async ({ library, index, query }) => {
      const { RemoteIndex } = await import(library + "/remote-index.js");
      const { initialise } = await import(library + "/module.js");
      await initialise(fetch(library + "/glue_bg.wasm"));
      const cells = new Float32Array((await (await fetch(query)).arrayBuffer()).slice(128));
      const opened = await RemoteIndex.open(index);
      const search = await opened.search({ x: cells, shape: [cells.length / ${DIM}, ${DIM}] }, { nprobe: ${nprobe} });
      const { indices, distances } = search.neighbors;
      const bytes = new Uint8Array(await new Blob([indices, distances]).arrayBuffer());
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    })(${JSON.stringify(places)})`);
    expect(digest).toBe(hash.digest("hex"));
    await page.close();
  });
});
