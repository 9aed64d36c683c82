/** The schema of configuration files, and completion: both are made from what there is, and say what the command does. */

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { query, reference, root, temporary } from "./folder.js";

interface Schema {
  properties: Record<string, { type?: string; $ref?: string; description?: string }>;
  $defs: Record<string, { properties: Record<string, object> }>;
}
const schema = JSON.parse(readFileSync(join(root, "dist/config.schema.json"), "utf8")) as Schema;
const allowed = new Ajv2020({ strict: false }).compile(schema);
const plan = async (config: object) => {
  const path = join(temporary(), "run.json");
  writeFileSync(path, JSON.stringify(config));
  return await gigamapper(["plan", "--config", path, "--json"]);
};

describe("the schema of configuration files", () => {
  it("allows what the command takes", async () => {
    for (const config of [
      { query, reference },
      { $schema: "config.schema.json", query, reference, nNeighbors: 7, obsKeys: ["bulk_labels"], selfEdges: false },
      { query, reference, n_neighbors: 7, use_rep: "X_pca", obsm_keys: ["X_umap"], memory: "1GiB", threads: 1 },
    ]) {
      expect(allowed(config)).toBe(true);
      expect((await plan(config)).code).toBe(0);
    }
  });

  it("refuses what the command refuses", async () => {
    for (const config of [
      { query, reference, neighbours: 7 },
      { query, reference, nNeighbors: "many" },
      { query, reference, n_neighbors: "many" },
      { query, reference, obsKeys: "bulk_labels" },
      { query: 5, reference },
    ]) {
      expect(allowed(config)).toBe(false);
      expect((await plan(config)).code).toBe(2);
    }
  });

  it("has the fields of every command, each with a description", () => {
    for (const command of ["map", "neighbors", "index", "presence", "rechunk"]) {
      const fields = Object.keys(schema.$defs[command]?.properties ?? {});
      expect(fields).toEqual(expect.arrayContaining(["output", "memory", "threads"]));
      for (const field of fields) expect(schema.properties[field]?.description?.length).toBeGreaterThan(20);
    }
    expect(schema.properties["n_neighbors"]).toEqual({ $ref: "#/properties/nNeighbors" });
  });
});

describe("completion", () => {
  const completed = (script: string, ...words: string[]): string[] =>
    execFileSync(
      "bash",
      [
        "--norc",
        "-c",
        `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _gigamapper; printf '%s\\n' "\${COMPREPLY[@]}"`,
        "bash",
        "gigamapper",
        ...words,
      ],
      { encoding: "utf8" },
    )
      .trim()
      .split("\n");

  it("of bash completes commands, options, choices, and leaves the rest to the shell", async () => {
    const { code, stdout } = await gigamapper(["completion", "bash"]);
    expect(code).toBe(0);
    expect(completed(stdout, "pl")).toEqual(["plan"]);
    expect(completed(stdout, "map", "--obs")).toEqual(["--obs-keys", "--obsm-keys"]);
    expect(completed(stdout, "map", "--progress", "n")).toEqual(["ndjson", "none"]);
    expect(completed(stdout, "plan", "")).toEqual(["map", "neighbors", "index", "transfer", "diffuse", "pca"]);
    expect(completed(stdout, "completion", "")).toEqual(["bash", "zsh", "fish"]);
    expect(completed(stdout, "map", "--query", "q")).toEqual([""]);
  });

  it.each(["bash", "zsh", "fish"])("of %s knows every command and every option that help shows", async (shell) => {
    const { stdout } = await gigamapper(["completion", shell]);
    const help = (await gigamapper(["--help"])).stdout;
    const commands = [...help.matchAll(/^ {2}(\w+) .*\[options\]/gm)].map(([, name = ""]) => name);
    expect(commands).toContain("map");
    for (const command of commands) expect(stdout).toMatch(new RegExp(`\\b${command}\\b`));
    const options = [...(await gigamapper(["map", "--help"])).stdout.matchAll(/^ {2}(?:-\w, )?--([\w-]+)/gm)].map(
      ([, name = ""]) => name,
    );
    expect(options).toContain("n-neighbors");
    for (const option of options) expect(stdout).toContain(shell === "fish" ? `-l ${option}` : `--${option}`);
    // Quotes come in pairs in a script that a shell can read.
    if (shell === "bash") execFileSync("bash", ["-n"], { input: stdout });
    expect((await gigamapper(["completion", "csh"])).code).toBe(2);
  });
});
