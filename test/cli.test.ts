import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Plan, RunReport } from "gigamapper";
import { describe, expect, it } from "vitest";
import { writeBlobs } from "./anndata.js";
import { gigamapper } from "./command.js";
import { query, reference, temporary } from "./folder.js";

const stores = ["--query", query, "--reference", reference];

describe("a command line that is wrong", () => {
  it.each([
    ["no command", []],
    ["an unknown command", ["mop"]],
    ["an unknown option", ["map", "--neighbours", "3"]],
    ["a number that is none", ["map", ...stores, "--n-neighbors", "many"]],
    ["a choice that there is not", ["map", ...stores, "--progress", "loud"]],
    ["no query", ["map", "--output", "x.zarr"]],
    ["too many arguments", ["inspect", "a", "b"]],
    ["k below 1", ["plan", ...stores, "--n-neighbors", "0"]],
    ["a recall above 1", ["plan", ...stores, "--recall", "95"]],
    ["a list for no search", ["plan", ...stores, "--method", "exact", "--nprobe", "4"]],
    ["a plan of no command", ["plan", "diffuse", ...stores]],
    ["no query for neighbors", ["neighbors", "--output", "x.zarr"]],
    ["nothing to index", ["index"]],
    ["an index of another name", ["index", "atlas.zarr", "--reference", reference]],
    ["an unknown kernel", ["plan", ...stores, "--kernel-method", "guass"]],
  ])("with %s exits 2", async (_, args) => {
    const { code, stdout, stderr } = await gigamapper(args);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).not.toBe("");
  });

  it("is told as JSON, if JSON was asked for", async () => {
    for (const wrong of [
      ["--neighbours", "3"],
      ["--n-neighbors", "0"],
    ]) {
      const { code, stdout, stderr } = await gigamapper(["plan", ...stores, "--json", ...wrong]);
      expect(code).toBe(2);
      expect(stdout).toBe("");
      expect(JSON.parse(stderr)).toMatchObject({ error: { code: "GM_PARAM" } });
    }
  });
});

describe("pairs of labels", () => {
  it("may have spaces around what separates them", async () => {
    const parents = "CD34+ = stem , CD14+ Monocyte=mono";
    const args = ["plan", ...stores, "--json", "--label-levels", "bulk_labels", "--label-parents"];
    const { code, stdout } = await gigamapper([...args, parents]);
    expect(code).toBe(0);
    const { parameters } = JSON.parse(stdout) as Plan;
    expect(parameters.labels.parents).toEqual({ "CD34+": "stem", "CD14+ Monocyte": "mono" });
    expect((await gigamapper([...args, "CD34+ = "])).code).toBe(2);
  });
});

describe("options that are commands of their own", () => {
  it.each([
    ["presence", "--reference-output", "scores.zarr"],
    ["presence", "--presence"],
    ["presence", "--presence-groupby", "louvain"],
    ["neighbors", "--keep-xx"],
  ])("%s is named where a mapping is given %s", async (command, ...option) => {
    const { code, stderr } = await gigamapper(["map", ...stores, ...option]);
    expect(code).toBe(3);
    expect(stderr).toContain(`${option[0]} of a mapping is not supported`);
    const [, named = "", flags = ""] = stderr.match(/gigamapper (\S+) (.*) does it/) ?? [];
    expect(named).toBe(command);
    // What is named is there, with these options.
    const help = (await gigamapper([named, "--help"])).stdout;
    for (const flag of flags.match(/--[a-z-]+/g) ?? []) expect(help).toContain(flag);
  });

  it("and values of later versions, too", async () => {
    const { code } = await gigamapper(["plan", ...stores, "--io", "direct"]);
    expect(code).toBe(3);
  });
});

describe("a search by lists", () => {
  it("is planned, and says the recall that it measured", async () => {
    const planned = await gigamapper(["plan", ...stores, "--method", "ivf", "--nlist", "8", "--recall", "0.9"]);
    expect(planned.code).toBe(0);
    expect(planned.stdout).toContain("8 lists of f32, as many visited as recall 0.9 needs");
    const output = join(temporary(), "mapped.zarr");
    const mapped = await gigamapper(["map", ...stores, "--nlist", "8", "--nprobe", "3", "--output", output]);
    expect(mapped.code).toBe(0);
    expect(mapped.stdout).toMatch(/^recall [01]\.\d{3} \([01]\.\d{3} to [01]\.\d{3}\) with nprobe 3$/m);
    expect(mapped.stdout).not.toContain("as with an exact search");
    const metric = ["map", ...stores, "--metric", "cosine", "--output", join(temporary(), "mapped.zarr")];
    expect((await gigamapper(metric)).code).toBe(0);
  });

  it("says how far labels are those of an exact search", async () => {
    const labelled = ["map", ...stores, "--obs-keys", "bulk_labels", "--output", join(temporary(), "mapped.zarr")];
    const told = async (...options: string[]) => {
      const { stdout } = await gigamapper([...labelled, "--overwrite", ...options]);
      return stdout.split("\n").find((line) => line.includes("as with an exact search"));
    };
    expect(await told("--nlist", "8", "--nprobe", "8")).toBe(
      "bulk_labels as with an exact search: 100.0 % of 100 cells",
    );
    expect(await told("--nlist", "64", "--nprobe", "1")).toMatch(
      /^bulk_labels as with an exact search: \d\d\.\d % of 100 cells; worst: .+, \d+\.\d % of \d+$/,
    );
    expect(await told("--method", "exact")).toBeUndefined();
  });
});

describe("neighbors", () => {
  it("stores the graph and says so", async () => {
    const output = join(temporary(), "graph.zarr");
    const told = await gigamapper(["neighbors", ...stores, "--n-neighbors", "5", "--output", output]);
    expect(told.code).toBe(0);
    expect(told.stdout).toMatch(/^stored obsm\/knn_indices \(array, 200 cells × 5\) in [\d.]+ s$/m);
    expect(told.stderr).not.toContain("obsKeys");
    const json = await gigamapper(["neighbors", ...stores, "--overwrite", "--json", "--output", output]);
    expect(JSON.parse(json.stdout)).toMatchObject({ recall: { measured: 1, method: "exact" }, plan: { k: 30 } });
    expect((await gigamapper(["neighbors", ...stores, "--graphs", "xy", "--output", output])).code).toBe(2);
  });

  it("of one store need one path", async () => {
    const planned = await gigamapper(["plan", "neighbors", "--query", query, "--graphs", "xx", "--json"]);
    expect(JSON.parse(planned.stdout)).toMatchObject({ mode: "self", k: 29 });
  });
});

describe("index", () => {
  it("is planned as a table, or JSON", async () => {
    const shown = await gigamapper(["plan", "index", "--reference", reference, "--nlist", "8"]);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain("8 of f32, euclidean, seed 0");
    const json = await gigamapper(["plan", "index", "--reference", reference, "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ parameters: { nlist: 1, useRep: "X_pca" } });
    expect((await gigamapper(["plan", "index", "--reference", reference, "--obs-keys", "louvain"])).code).toBe(2);
  });

  it("is built and described", async () => {
    const path = join(temporary(), "reference.gmx");
    const built = await gigamapper(["index", path, "--reference", reference, "--nlist", "8"]);
    expect(built.code).toBe(0);
    expect(built.stdout).toMatch(/^stored .*reference\.gmx \(500 cells × 50 in \d+ lists, [\d.]+ KiB\) in [\d.]+ s$/m);
    const described = await gigamapper(["index", path]);
    expect(described.stdout).toMatch(/^cells +500 × 50, 0 left out$/m);
    expect(described.stdout).toMatch(/^lists +\d+ of f32 in 2 levels, euclidean, thorough training, seed 0$/m);
    const json = await gigamapper(["index", "--json", "--output", path]);
    expect(JSON.parse(json.stdout)).toMatchObject({ rows: 500, dim: 50, seed: 0 });
    expect((await gigamapper(["index", path, "--reference", reference])).code).toBe(6);
  });

  it("is appended to", async () => {
    const folder = temporary();
    const [atlas, path] = [join(folder, "atlas.zarr"), join(folder, "atlas.gmx")];
    const append = ["index", path, "--reference", atlas, "--append"];
    writeBlobs(atlas, { rows: 400, dim: 8, seed: 3 });
    expect((await gigamapper(append)).code).toBe(3);
    expect((await gigamapper(["index", path])).code).toBe(3);
    expect((await gigamapper(["index", path, "--reference", atlas, "--nlist", "8"])).code).toBe(0);
    const nothing = await gigamapper(append);
    expect(nothing.code).toBe(0);
    expect(nothing.stderr).toContain("nothing to append");
    writeBlobs(atlas, { rows: 600, dim: 8, seed: 3 });
    const planned = await gigamapper(["plan", "index", "--output", path, "--reference", atlas, "--append"]);
    expect(planned.stdout).toMatch(/^ +adds +200 cells$/m);
    const { code, stdout } = await gigamapper(append);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^appended 200 cells to .*atlas\.gmx \(600 cells × 8 in \d+ lists, [\d.]+ KiB\) in [\d.]+ s$/m,
    );
    expect((await gigamapper(["index", path])).stdout).toMatch(/^index .*\(format 1, generation 2\)$/m);
    expect((await gigamapper([...append, "--seed", "5"])).code).toBe(2);
    expect((await gigamapper([...append, "--overwrite"])).code).toBe(2);
    expect((await gigamapper(["index", "--reference", atlas, "--append"])).code).toBe(2);
    writeBlobs(atlas, { rows: 700, dim: 8, seed: 4 });
    expect((await gigamapper(append)).code).toBe(6);
  });
});

describe("exit codes of failures", () => {
  it("3 for input that is not there or does not hold what was asked for", async () => {
    expect((await gigamapper(["inspect", "nowhere.zarr"])).code).toBe(3);
    const { code, stderr } = await gigamapper(["plan", ...stores, "--obs-keys", "cell_type"]);
    expect(code).toBe(3);
    expect(stderr).toContain("bulk_labels");
  });

  it("4 for what does not fit", async () => {
    expect((await gigamapper(["plan", ...stores, "--memory", "1MiB"])).code).toBe(4);
  });

  it("6 for an output that exists", async () => {
    const output = join(temporary(), "there.zarr");
    cpSync(query, output, { recursive: true });
    expect((await gigamapper(["map", ...stores, "--output", output])).code).toBe(6);
  });
});

describe("help and version", () => {
  it("are results: stdout and 0", async () => {
    const help = await gigamapper(["--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain("Exit codes");
    const commands = [...help.stdout.matchAll(/^ {2}(\w+) .*(?:\[options\]|\[command\])/gm)].map(
      ([, name = ""]) => name,
    );
    expect(commands).toEqual(expect.arrayContaining(["map", "inspect", "doctor", "completion"]));
    for (const command of commands.filter((name) => name !== "help")) {
      const { code, stdout } = await gigamapper([command, "--help"]);
      expect(code).toBe(0);
      expect(stdout).toContain("Examples:");
    }
    expect((await gigamapper(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("doctor", () => {
  it("says what this machine offers", async () => {
    const { code, stdout, stderr } = await gigamapper(["doctor", "--json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({
      cpu: { arch: expect.any(String), tile: expect.stringMatching(/^(avx512.*|avx2|neon|scalar)$/) },
      memory: { machine: expect.any(Number), default: expect.any(Number) },
      backends: expect.arrayContaining([expect.objectContaining({ name: "cpu", available: true, reason: null })]),
    });
    expect((await gigamapper(["doctor"])).stdout).toMatch(/distance tile +(avx512|avx2|neon|scalar)/);
  });
});

describe("plan", () => {
  it("prints a table, or JSON", async () => {
    const args = ["plan", ...stores, "--obs-keys", "bulk_labels"];
    const shown = await gigamapper(args);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain("500 cells × 50");
    expect(shown.stdout).toContain("obs/bulk_labels_pred");
    const plan = JSON.parse((await gigamapper([...args, "--json"])).stdout) as Plan;
    expect(plan.k).toBe(30);
  });
});

describe("map", () => {
  it("says in a sentence where each result went", async () => {
    const output = join(temporary(), "mapped.zarr");
    const { code, stdout } = await gigamapper([
      "map",
      ...stores,
      "--obs-keys",
      "bulk_labels,n_genes",
      "--output",
      output,
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^stored obs\/bulk_labels_pred \(categorical, 200 cells\) in [\d.]+ s$/m);
    expect(stdout).toMatch(/^stored obs\/n_genes_pred \(numeric, 200 cells\) in [\d.]+ s$/m);
  });

  it("prints nothing but JSON on stdout with --json, and nothing at all with -q", async () => {
    const folder = temporary();
    const loud = await gigamapper(["map", ...stores, "--json", "--output", join(folder, "a.zarr")]);
    const report = JSON.parse(loud.stdout) as RunReport;
    expect(report).toMatchObject({ recall: { measured: 1 }, statusCounts: { ok: 200 }, excludedReferenceRows: 0 });
    expect(report.sigma).toBeGreaterThan(0);
    const quiet = await gigamapper(["map", ...stores, "-q", "--output", join(folder, "b.zarr")]);
    expect(quiet).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("tells progress as one JSON object a line", async () => {
    const output = join(temporary(), "mapped.zarr");
    const { stderr } = await gigamapper(["map", ...stores, "--progress", "ndjson", "--output", output]);
    const lines = stderr
      .trim()
      .split("\n")
      .filter((line) => line.startsWith("{"));
    expect(lines.map((line) => (JSON.parse(line) as { stage: string }).stage)).toContain("join");
  });

  it("shows progress as a bar, as lines, or not at all", async () => {
    const folder = temporary();
    const talk = async (how: string): Promise<string> =>
      (
        await gigamapper([
          "map",
          ...stores,
          "--obs-keys",
          "louvain",
          "--progress",
          how,
          "--output",
          join(folder, `${how}.zarr`),
        ])
      ).stderr;
    expect(await talk("plain")).toMatch(/^join: 200 of 200 rows, [\d ]+ rows\/s, [\d.]+ MiB$/m);
    expect(await talk("bar")).toMatch(/\rjoin +█+ 100 % .*MiB/);
    expect(await talk("none")).toBe("");
  });

  it("reads a configuration file, in either spelling; the command line wins", async () => {
    const config = join(temporary(), "run.json");
    writeFileSync(
      config,
      JSON.stringify({ query, reference, n_neighbors: 7, useRep: "X_umap", obs_keys: ["louvain"] }),
    );
    const { stdout } = await gigamapper(["plan", "--config", config, "--json", "--use-rep", "X_pca"]);
    expect(JSON.parse(stdout)).toMatchObject({ k: 7, parameters: { useRep: "X_pca", obsKeys: ["louvain"] } });
    writeFileSync(config, "{");
    expect((await gigamapper(["plan", "--config", config])).code).toBe(2);
    writeFileSync(config, JSON.stringify({ query, reference, neighbours: 7 }));
    expect((await gigamapper(["plan", "--config", config])).code).toBe(2);
    expect((await gigamapper(["plan", "--config", `${config}.not`])).code).toBe(3);
  });
});
