/** What a new user does with two h5ad files of their own: the first steps of the help, as they stand, and a table of the result. */

import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "gigamapper";
import { describe, expect, it } from "vitest";
import { PLATFORMS } from "../dist/addon.js";
import { gigamapper } from "./command.js";
import { root, temporary } from "./folder.js";

describe("a new user", () => {
  it("maps two h5ad files in five commands, which the help names", async () => {
    const folder = temporary();
    for (const name of ["query.h5ad", "atlas.h5ad"]) cpSync(join(root, "test/fixtures/own", name), join(folder, name));
    const help = (await gigamapper(["--help"])).stdout;
    const named = [...help.matchAll(/^ {2}gigamapper (demo|inspect|plan|map)\b(.*?)(?: {3,}.*)?$/gm)];
    const commands = named.map(([, verb = "", rest = ""]) => [verb, ...rest.split(/\s+/).filter(Boolean)]);
    expect(commands.map(([verb]) => verb)).toEqual(expect.arrayContaining(["demo", "inspect", "plan", "map"]));
    const steps = commands.filter(
      (command) => command.includes("demo") || command.some((part) => part.includes("h5ad")),
    );
    steps.push(["export", "--mapped", "mapped.zarr", "--output", "mapped.csv"]);
    expect(steps).toHaveLength(5);
    for (const step of steps) {
      const { code, stderr } = await gigamapper(step, folder);
      expect({ step, code, stderr: code === 0 ? "" : stderr }).toEqual({ step, code: 0, stderr: "" });
    }
    const { obs, nObs } = await inspect(join(folder, "mapped.zarr"));
    expect(nObs).toBe(80);
    expect(obs["cell_type_pred"]).toMatchObject({ kind: "categorical", missing: 0 });
    const table = readFileSync(join(folder, "mapped.csv"), "utf8").trim().split("\n");
    expect(table).toHaveLength(81);
    expect(table[0]).toContain("cell_type_pred");
  });
});

describe("the platforms", () => {
  it("that packages are built for are those that the documentation names", () => {
    const page = readFileSync(join(root, "docs/platforms.md"), "utf8");
    const [, table = ""] = /## Packages\n([\s\S]*?)\n## /.exec(page) ?? [];
    const listed = [...table.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name);
    expect(listed).toEqual([...PLATFORMS]);
  });
});
