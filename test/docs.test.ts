/** What README, ARCHITECTURE and CONTRIBUTING say is run, or looked up. */

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { root } from "./folder.js";
import { compile, project } from "./project.js";

const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** The code blocks of one language. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, of]) => of === language)
    .map(([, , code = ""]) => code);
}

describe("the README", () => {
  it("has a TypeScript example that compiles, runs and maps", () => {
    const folder = project();
    const [example = "", ...more] = blocks(read("README.md"), "ts");
    expect(more).toEqual([]);
    const stdio = ["ignore", "pipe", "pipe"] as const;
    const shown = execFileSync(process.execPath, compile(folder, [example]), {
      cwd: folder,
      encoding: "utf8",
      stdio: [...stdio],
    });
    expect(shown).toContain("200 cells");
    expect(shown).toContain("stored obs/bulk_labels_pred (categorical, 200 cells)");
    expect(existsSync(join(folder, "mapped.zarr/zarr.json"))).toBe(true);
  });

  it("has command lines that run as they stand", async () => {
    const folder = project();
    const lines = blocks(read("README.md"), "sh").flatMap((block) => block.split("\n"));
    const commands = lines.filter((line) => line.startsWith("npx gigamapper "));
    expect(commands.length).toBeGreaterThan(3);
    for (const command of commands) {
      const { code, stderr } = await gigamapper(command.split(/\s+/).slice(2), folder);
      expect({ command, code, stderr: code === 0 ? "" : stderr }).toEqual({ command, code: 0, stderr: "" });
    }
    const scripts = lines.flatMap((line) => /^npm (?:run )?(demo|test|build|lint)\b/.exec(line)?.[1] ?? []);
    const manifest = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    expect(Object.keys(manifest.scripts)).toEqual(expect.arrayContaining(scripts));
  });
});

const FOLDERS = ["", "crates/knn-core/src"];
const entries = FOLDERS.map((folder) => new Set(readdirSync(join(root, folder))));
const BUILT = /^(dist|target|node_modules|\.cache)(\/|$)/;

/** Whether a piece of code in prose names a file of the project: one with a known ending, or below a known folder. */
function isPath(code: string): boolean {
  if (!/^\.?[\w-]+([./][\w.-]+)*\/?$/.test(code) || BUILT.test(code)) return false;
  const [first = ""] = code.split("/");
  return (
    /\.(md|rs|ts|mjs|json|toml|py)$/.test(code) || (code.includes("/") && entries.some((names) => names.has(first)))
  );
}

function exists(path: string): boolean {
  return FOLDERS.some((folder) => existsSync(join(root, folder, path)));
}

/** Every name that a Rust or Python source defines. */
function defined(): Set<string> {
  const sources = ["crates", "test"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(rs|py)$/.test(entry.name))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8")),
  );
  return new Set(sources.flatMap((text) => [...text.matchAll(/\b(?:fn|def) (\w+)/g)].map(([, name = ""]) => name)));
}

describe.each(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/migrating-from-cellmapper.md"])(
  "%s",
  (document) => {
    const prose = read(document).replace(/^```[\s\S]*?^```$/gm, "");
    const codes = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);

    it("links only to what there is", () => {
      const links = [...prose.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link = ""]) => link);
      expect(links.filter((link) => !existsSync(join(root, dirname(document), link)))).toEqual([]);
    });

    it("names only files that there are", () => {
      expect(codes.filter((code) => isPath(code) && !exists(code))).toEqual([]);
    });

    it("names only tests that there are", () => {
      const names = codes.filter((code) => /^[a-z0-9]+(_[a-z0-9]+){3,}$/.test(code));
      const known = defined();
      expect(names.filter((name) => !known.has(name))).toEqual([]);
    });
  },
);
