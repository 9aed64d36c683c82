import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { reference as atlas, digests, query as fixture, temporary } from "./folder.js";

/** What people get wrong: each answer is one sentence with its exit code, and nothing is written. */
const folder = mkdtempSync(join(tmpdir(), "gigamapper-"));
const at = (name: string): string => join(folder, name);
const [query, reference, output] = [at("query.zarr"), at("reference.zarr"), at("out.zarr")];
const map = ["map", "--query", query, "--reference", reference];
const [mapped, index, file] = [at("mapped.zarr"), at("reference.gmx"), at("notes.txt")];
const long = at(`${"x".repeat(300)}.zarr`);

beforeAll(async () => {
  cpSync(fixture, query, { recursive: true });
  cpSync(atlas, reference, { recursive: true });
  writeFileSync(file, "mine");
  await gigamapper([...map, "--obs-keys", "louvain", "--output", mapped]);
  await gigamapper(["index", index, "--reference", reference, "--nlist", "4"]);
  // A store in which a file is a folder.
  cpSync(fixture, at("broken.zarr"), { recursive: true });
  rmSync(at("broken.zarr/obsm/X_pca/zarr.json"));
  mkdirSync(at("broken.zarr/obsm/X_pca/zarr.json"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MISTAKES: [what: string, args: string[], code: number, told: RegExp][] = [
  [
    "a misspelt option",
    [...map, "--obs-key", "louvain"],
    2,
    /unknown option '--obs-key'\n\(Did you mean --obs-keys\?\)/,
  ],
  ["a misspelt command", ["mapp"], 2, /unknown command 'mapp'\n\(Did you mean map\?\)/],
  ["a missing value", ["map", "--query"], 2, /'--query <path>' argument missing/],
  ["a negative number", [...map, "--n-neighbors", "-5", "--output", output], 2, /nNeighbors = -5: at least 1/],
  [
    "no whole number",
    [...map, "--n-neighbors", "2.5", "--output", output],
    2,
    /nNeighbors = 2\.5: must be a whole number/,
  ],
  ["a negative size", [...map, "--memory", "-1", "--output", output], 2, /memory = -1: /],
  [
    "one percentile",
    ["presence", "--neighbors", mapped, "--reference", reference, "--percentile", "1", "--output", output],
    2,
    /percentile = \[1\]: must be two values/,
  ],
  ["an empty output", [...map, "--output", ""], 2, /output: name the store to write/],
  ["an empty query", ["map", "--query", "", "--output", output], 2, /query: name the query store/],
  [
    "an empty reference",
    ["map", "--query", query, "--reference", "", "--output", output],
    2,
    /reference: name the ref/,
  ],
  ["no store to inspect", ["inspect", ""], 2, /store: name a store/],
  ["no store to verify", ["verify", ""], 2, /name /],
  ["no place to clean", ["clean", ""], 2, /paths: name a store/],
  ["no store to export", ["export", "--mapped", "", "--output", at("out.csv")], 2, /mapped: must be given/],
  [
    "an output in the query",
    [...map, "--output", join(query, "x")],
    2,
    /output = .*: overlaps .*query\.zarr, which is read/,
  ],
  ["a table in the mapped store", ["export", "--mapped", mapped, "--output", join(mapped, "x.csv")], 2, /lies inside/],
  [
    "a copy in the query",
    ["export", "--mapped", mapped, "--query", `${query}[n_genes > 1]`, "--output", join(query, "uns/x.zarr")],
    2,
    /lies inside .*query\.zarr, which is read/,
  ],
  ["a place below a file", [...map, "--output", join(file, "out.zarr")], 1, /create .*: Not a directory/],
  ["a table below a file", ["export", "--mapped", mapped, "--output", join(file, "x.csv")], 1, /mkdir .*: /],
  ["an index below a file", ["index", join(file, "a.gmx"), "--reference", reference], 1, /create .*: Not a directory/],
  ["a name that is too long", [...map, "--output", long], 3, /File name too long/],
  ["what cannot be read", ["inspect", at("broken.zarr")], 3, /is not a regular file/],
  [
    "two outputs of an index",
    ["index", at("a.gmx"), "--reference", reference, "--output", at("b.gmx")],
    2,
    /already, by the/,
  ],
  [
    "one output twice",
    ["pca", "--query", query, "--reference", reference, "--output", output, "--reference-output", output],
    2,
    /referenceOutput = .*: must differ from output/,
  ],
  ["an index for a store", ["inspect", index], 3, /is the index of a reference, which the command index describes/],
  ["a store for an index", [...map, "--index", query, "--output", output], 2, /ends in \.gmx/],
  [
    "a store without neighbors",
    ["presence", "--neighbors", query, "--reference", reference, "--output", output],
    3,
    /not a store that gigamapper wrote/,
  ],
  [
    "a file for a folder",
    [...map, "--work-dir", file, "--output", output],
    2,
    /workDir = .*: name a folder that exists/,
  ],
  ["a file where a store is", [...map, "--output", file], 6, /already there/],
];

describe("a mistake", () => {
  it.each(MISTAKES)("%s is told in a sentence, and nothing is written", async (_, args, code, told) => {
    const before = digests(folder);
    const { code: found, stdout, stderr } = await gigamapper(args);
    expect(stderr).toMatch(told);
    expect({ code: found, stdout }).toEqual({ code, stdout: "" });
    // What cannot be carried on is not said to be.
    expect(stderr).not.toContain("run again with resume");
    expect(stderr.trimEnd().split("\n").length).toBeLessThanOrEqual(2);
    expect(digests(folder)).toEqual(before);
    expect(existsSync(output)).toBe(false);
  });

  it.each([
    ["a name with spaces and letters of all kinds", "ein Atlas é 細胞.zarr"],
    ["a slash behind it", "atlas.zarr/"],
    ["a way round", "./a/../atlas.zarr"],
  ])("%s is none", async (_, name) => {
    const place = temporary();
    const store = `${place}/${name}`;
    cpSync(fixture, store, { recursive: true });
    const result = `${place}/out of it ${name}`;
    const { code, stderr } = await gigamapper(["map", "--query", store, "--n-neighbors", "5", "--output", result]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect((await gigamapper(["inspect", result])).code).toBe(0);
  });
});
