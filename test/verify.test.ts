import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clean, isGigamapperError, map, ReferenceIndex, verify } from "gigamapper";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeBlobs } from "./anndata.js";
import { gigamapper } from "./command.js";
import { digests } from "./folder.js";

describe("a finished store", () => {
  let folder: string;
  let store: string;
  let words: string[];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "gigamapper-"));
    const [query, reference] = [join(folder, "query.zarr"), join(folder, "reference.zarr")];
    store = join(folder, "mapped.zarr");
    writeBlobs(query, { rows: 5000, dim: 8, seed: 1 });
    writeBlobs(reference, { rows: 2000, dim: 8, seed: 2 });
    const layout = ["--layout", "1024,1,2048"];
    words = ["map", "--query", query, "--reference", reference, "--obs-keys", "label", "--output", store, ...layout];
    expect((await gigamapper(words)).code).toBe(0);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is verified, and exits 0", async () => {
    const report = await verify(store);
    expect(report).toMatchObject({ kind: "store", complete: true, damaged: [], units: [], unknown: [], remedy: null });
    expect(report.objects).toBe(Object.keys(digests(store)).length);
    const { code, stdout } = await gigamapper(["verify", store]);
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining("all as written") });
  });

  it("that is damaged is told so, and repaired by the command that wrote it", async () => {
    const before = digests(store);
    const object = "dataset_1/obsm/knn_indices/c/1/0";
    const bytes = readFileSync(join(store, object));
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(join(store, object), bytes);
    rmSync(join(store, "dataset_2/obs/_index/c/0"));

    const found = await gigamapper(["verify", store, "--json"]);
    expect(found.code).toBe(3);
    const report = JSON.parse(found.stdout) as Awaited<ReturnType<typeof verify>>;
    expect(report.damaged.map(({ object: name }) => name)).toEqual([object, "dataset_2/obs/_index/c/0"]);
    expect(report.damaged[0]).toMatchObject({ array: "obsm/knn_indices", reason: "its checksum is wrong" });
    expect(report.units).toEqual([
      { stage: "join", unit: 3, part: 1, rows: [3072, 4096] },
      { stage: "join", unit: 4, part: 2, rows: [4096, 5000] },
    ]);

    const repaired = await gigamapper(["verify", store, "--repair"]);
    expect({ code: repaired.code, stdout: repaired.stdout }).toMatchObject({
      code: 75,
      stdout: expect.stringContaining("with resume"),
    });
    const resumed = await gigamapper([...words, "--resume", "--json"]);
    expect((JSON.parse(resumed.stdout) as { resumedUnits: number }).resumedUnits).toBe(8);
    expect(digests(store)).toEqual(before);
    expect((await verify(store)).damaged).toEqual([]);
  });

  it("is never cleaned away, but what was left beside it is", async () => {
    const [lock, temporaryFile] = [`${store}.lock`, join(store, ".zarr.json.tmp-worker-0")];
    writeFileSync(lock, "");
    writeFileSync(temporaryFile, "torn");
    const before = digests(store);
    const told = await gigamapper(["clean", folder]);
    expect({ code: told.code, stdout: told.stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("--yes removes it"),
    });
    expect(existsSync(lock) && existsSync(temporaryFile)).toBe(true);
    const report = await clean([folder], { yes: true, unfinished: true });
    expect(report.leftovers.map(({ kind, path }) => [kind, path]).sort()).toEqual([
      ["lock", lock],
      ["temporary", temporaryFile],
    ]);
    expect(existsSync(lock) || existsSync(temporaryFile)).toBe(false);
    const { [".zarr.json.tmp-worker-0"]: _gone, ...rest } = before;
    expect(digests(store)).toEqual(rest);
    expect((await gigamapper(["clean", store])).stdout).toContain("nothing to remove");
  });

  it("without a journal cannot be verified, nor can what is not ours", async () => {
    const copy = join(folder, "moved.zarr");
    await map({ query: join(folder, "query.zarr"), reference: join(folder, "reference.zarr"), output: copy });
    rmSync(`${copy}.journal`, { recursive: true });
    for (const [path, code] of [
      [copy, "GM_NOT_FOUND"],
      [join(folder, "query.zarr"), "GM_SCHEMA"],
      [join(folder, "nothing"), "GM_NOT_FOUND"],
    ] as const) {
      await expect(verify(path)).rejects.toSatisfy((error) => isGigamapperError(error, code));
    }
  });

  it("may be an index", async () => {
    const index = join(folder, "reference.gmx");
    await using _built = await ReferenceIndex.build(join(folder, "reference.zarr"), { output: index, nlist: 8 });
    expect(await verify(index)).toMatchObject({ kind: "index", damaged: [], remedy: null });
    rmSync(join(index, "lists.bin"));
    const { code, stdout } = await gigamapper(["verify", index]);
    expect({ code, stdout }).toMatchObject({ code: 3, stdout: expect.stringContaining("lists.bin") });
    await expect(verify(index, { repair: true })).rejects.toSatisfy((error) => isGigamapperError(error, "GM_PARAM"));
  });
});
