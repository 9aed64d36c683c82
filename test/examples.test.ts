/** Examples in doc comments and in the documents are whole programs: they compile, run, and leave no class without one. */

import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as library from "gigamapper";
import { map } from "gigamapper";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { query, reference, root } from "./folder.js";
import { compile, linkPackages, project } from "./project.js";

const sources = readdirSync(join(root, "ts")).filter((name) => name.endsWith(".ts") && name !== "generated.ts");

interface Example {
  of: string;
  isClass: boolean;
  code: string;
}

/** The examples of the exported names of a file. */
function examplesOf(name: string): Example[] {
  const file = ts.createSourceFile(name, readFileSync(join(root, "ts", name), "utf8"), ts.ScriptTarget.ES2022, true);
  return file.statements.flatMap((statement) =>
    ts
      .getJSDocTags(statement)
      .filter(({ tagName }) => tagName.text === "example")
      .map(({ comment }) => ({
        of: (statement as { name?: ts.Identifier }).name?.text ?? name,
        isClass: ts.isClassDeclaration(statement),
        code: ts.getTextOfJSDocComment(comment) ?? "",
      })),
  );
}

/** Examples that import nothing use the library's names. */
const whole = (code: string): string =>
  code.startsWith("import ")
    ? code
    : `import { ${Object.keys(library).join(", ")} } from "gigamapper";\n${code}\nexport {};\n`;

const run = (path: string, cwd: string): string =>
  execFileSync(process.execPath, [path], { cwd, encoding: "utf8", stdio: "pipe" });

describe("examples", () => {
  const examples = sources.flatMap(examplesOf);

  it("are there for every class", () => {
    const classes = Object.entries(library)
      .filter(([, value]) => /^class /.test(Function.prototype.toString.call(value)))
      .map(([name]) => name);
    expect(classes).toContain("CellMapper");
    expect(examples.filter(({ isClass }) => isClass).map(({ of }) => of)).toEqual(expect.arrayContaining(classes));
  });

  it("of doc comments compile and run", async () => {
    const folder = project();
    cpSync(reference, join(folder, "atlas.zarr"), { recursive: true });
    cpSync(query, join(folder, "cells.zarr"), { recursive: true });
    cpSync(query, join(folder, "results/query.zarr"), { recursive: true });
    await map({ query, reference, obsKeys: ["bulk_labels"], output: join(folder, "mapped.zarr") });
    // The types of the main entry check wherever they are used; those of the subpaths' packages are theirs.
    const codes = examples.map(({ code }) => whole(code));
    expect(
      compile(
        folder,
        codes.filter((code) => !/"gigamapper\//.test(code)),
      ).length,
    ).toBeGreaterThan(10);
    linkPackages(folder, "zarrita", "apache-arrow");
    const paths = compile(folder, codes, true);
    expect(paths.length).toBeGreaterThan(12);
    paths.forEach((path, number) => {
      const { of = "" } = examples[number] ?? {};
      let failure: unknown = null;
      try {
        run(path, folder);
      } catch (error) {
        failure = error;
      }
      expect({ of, failure }).toEqual({ of, failure: null });
    });
  });
});

describe("documents", () => {
  const files = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".md"),
  );
  const blocks = (name: string): { language: string; code: string }[] =>
    [...readFileSync(join(root, "docs", name), "utf8").matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(
      ([, language = "", code = ""]) => ({ language, code }),
    );

  it("have blocks of languages that are run, or of text", () => {
    expect(files).toContain("migrating-from-cellmapper.md");
    const known = ["ts", "sh", "text", ""];
    for (const name of files) for (const { language } of blocks(name)) expect(known).toContain(language);
  });

  it("have programs and commands that run as they stand", async () => {
    let commands = 0;
    for (const name of files) {
      const folder = project();
      const programs = blocks(name).filter(({ language }) => language === "ts");
      for (const path of compile(
        folder,
        programs.map(({ code }) => code),
      ))
        run(path, folder);
      const lines = blocks(name).flatMap(({ language, code }) => (language === "sh" ? code.split("\n") : []));
      for (const line of lines.filter((one) => one.startsWith("npx gigamapper "))) {
        const { code, stderr } = await gigamapper(line.split(/\s+/).slice(2), folder);
        expect({ line, code, stderr: code === 0 ? "" : stderr }).toEqual({ line, code: 0, stderr: "" });
        commands += 1;
      }
    }
    expect(commands).toBeGreaterThan(1);
  });

  it("of migration name options that there are", async () => {
    const text = readFileSync(join(root, "docs/migrating-from-cellmapper.md"), "utf8");
    const [, options = ""] = /## Options of map\n([\s\S]*?)\n## /.exec(text) ?? [];
    const rows = [...options.matchAll(/^\| `\w+` \| `(\w+)` \| `--([\w-]+)` \|/gm)];
    expect(rows.length).toBeGreaterThan(10);
    const { stdout } = await gigamapper(["map", "--help"]);
    const request = /export type MapRequest = \{([\s\S]*?)\};?\n/.exec(
      readFileSync(join(root, "ts/generated.ts"), "utf8"),
    )?.[1];
    for (const [, field = "", option = ""] of rows) {
      expect(stdout).toContain(`--${option} `);
      expect(request).toMatch(new RegExp(`^${field}\\?:`, "m"));
      expect(field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)).toBe(option);
    }
  });
});
