/** The packages as users get them: made, installed into an empty folder without a network, imported and run. */

import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { query, reference, root, temporary } from "./folder.js";

interface Made {
  library: string;
  addon: string;
  platform: string;
  tarballs: string[];
  sizes: { library: number; addon: number };
  budget: { library: number; addon: number };
}
interface Manifest {
  name: string;
  version: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  scripts?: Record<string, string>;
  [field: string]: unknown;
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
const run = (program: string, args: string[], cwd: string, env: Record<string, string> = {}): string =>
  execFileSync(program, args, { cwd, encoding: "utf8", stdio: "pipe", env: { ...process.env, ...env } });

let made: Made;
let project: string;

/** The folders of all packages that the library needs, and what those need. */
function needed(name: string, found = new Set<string>()): Set<string> {
  const folder = join(root, "node_modules", name);
  if (found.has(folder)) return found;
  found.add(folder);
  for (const other of Object.keys(manifestOf(folder).dependencies ?? {})) needed(other, found);
  return found;
}

beforeAll(() => {
  // Its tools are not what is tested under the rule of Electron (scripts/electron.mjs), and cannot bear it.
  made = JSON.parse(run(process.execPath, ["scripts/pack.mjs", "--built", "--json"], root, { LD_AUDIT: "" })) as Made;
  project = mkdtempSync(join(tmpdir(), "gigamapper-installed-"));
  // The registry's part is played by tarballs of what npm ci has installed: no test needs a network.
  const dependencies = Object.keys(manifestOf(made.library).dependencies ?? {}).flatMap((name) => [...needed(name)]);
  const packed = [...new Set(dependencies)].map((folder) => {
    const text = run("npm", ["pack", folder, "--ignore-scripts", "--json", "--pack-destination", project], root);
    const [{ filename } = { filename: "" }] = Object.values(JSON.parse(text) as Record<string, { filename: string }>);
    return join(project, filename.replace(/^@/, "").replace("/", "-"));
  });
  writeFileSync(join(project, "package.json"), '{"type":"module"}');
  const quiet = ["--offline", "--no-audit", "--no-fund", "--no-package-lock"];
  run("npm", ["install", ...quiet, ...made.tarballs, ...packed], project, { npm_config_cache: join(project, "cache") });
}, 300_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

const installed = (...path: string[]): string => join(project, "node_modules", ...path);
/** Runs a module in the project; returns what it prints. */
const evaluate = (source: string, cwd = project, env: Record<string, string> = {}): string =>
  run(process.execPath, ["--input-type=module", "--eval", source], cwd, env);
/** What `doctor` says there: the file of the addon, or why there is none. */
const doctor = (cwd = project, env: Record<string, string> = {}): string =>
  evaluate(
    `import { doctor } from "gigamapper";
     try { console.log(JSON.stringify(await doctor())); }
     catch ({ code, message, hint }) { console.log([code, message, hint].join(" | ")); }`,
    cwd,
    env,
  );

describe("packages that were installed", () => {
  it("are the library, its dependencies and the platform's addon, and ran nothing to get there", () => {
    expect(manifestOf(installed("gigamapper")).optionalDependencies).toEqual({
      [made.platform]: manifestOf(root).version,
    });
    expect(existsSync(installed("gigamapper", "dist", "native"))).toBe(false);
    expect(readdirSync(installed(made.platform)).some((name) => name.endsWith(".node"))).toBe(true);
    for (const folder of [made.library, made.addon]) {
      expect(manifestOf(folder).scripts).toBeUndefined();
      expect(manifestOf(folder)["private"]).toBeUndefined();
    }
    expect(manifestOf(made.addon)["engines"]).toBeUndefined();
  });

  it("have a module for browsers, which maps without the addon, and the licences of what is in it", () => {
    const found = evaluate(
      `import { ExactReference } from "gigamapper/wasm";
       try {
         const reference = await ExactReference.of({ x: new Float32Array([0, 0, 3, 4]), shape: [2, 2] });
         const search = await reference.search({ x: new Float32Array([3, 4]), shape: [1, 2] }, { nNeighbors: 2 });
         console.log([...search.neighbors.indices, ...search.neighbors.distances].join());
       } catch ({ code }) { console.log(code); }`,
      project,
      { GIGAMAPPER_ADDON: "/nowhere.node" },
    );
    if (!existsSync(join(root, "dist/wasm/glue_bg.wasm"))) {
      // No compiler for it where this was built: then every call says so.
      expect(found).toBe("GM_BACKEND\n");
      return;
    }
    expect(found).toBe("1,0,0,5\n");
    const licences = readFileSync(installed("gigamapper", "THIRD-PARTY-LICENSES"), "utf8");
    for (const name of ["wasm-bindgen", "rayon", "half", "standard library of Rust"]) expect(licences).toContain(name);
    for (const name of ["zstd", "parquet"]) expect(licences).not.toContain(name);
  });

  it("have a command that tells its version, and maps", () => {
    const npx = (...args: string[]): string => run("npx", ["--no-install", "gigamapper", ...args], project);
    expect(npx("--version")).toBe(`${manifestOf(root).version}\n`);
    const stores = ["--query", query, "--reference", reference, "--obs-keys", "bulk_labels"];
    expect(npx("map", ...stores, "--output", "mapped.zarr")).toContain("stored obs/bulk_labels_pred");
    expect(npx("demo")).toContain("predicted labels are correct");
  });

  it("are imported without the addon being loaded, and map", () => {
    const names = evaluate('console.log(Object.keys(await import("gigamapper")).join())', project, {
      GIGAMAPPER_ADDON: "/nowhere.node",
    });
    expect(names).toContain("CellMapper");
    const cells = evaluate(
      `import { map } from "gigamapper";
       const options = { obsKeys: ["louvain"], output: "imported.zarr" };
       const report = await map({ query: ${JSON.stringify(query)}, reference: ${JSON.stringify(reference)}, ...options });
       console.log(report.statusCounts.ok);`,
    );
    expect(cells).toBe("200\n");
  });

  it("find the addon of their platform, or say what to do", () => {
    const [addon, kept] = [installed(made.platform), join(project, "kept")];
    expect(JSON.parse(doctor())).toMatchObject({ addon: expect.stringContaining(made.platform) });
    const manifest = readFileSync(join(addon, "package.json"), "utf8");
    writeFileSync(join(addon, "package.json"), manifest.replace(/"version": "[^"]+"/, '"version": "0.0.1"'));
    expect(doctor()).toContain(`${made.platform} is of version 0.0.1`);
    writeFileSync(join(addon, "package.json"), manifest);
    renameSync(addon, kept);
    try {
      expect(doctor()).toMatch(/^GM_BACKEND \| .*there is no addon for .* \| install @gigamapper\//);
      const wasm = installed("@gigamapper", "wasm");
      mkdirSync(wasm, { recursive: true });
      writeFileSync(join(wasm, "package.json"), '{"name":"@gigamapper/wasm","type":"module","exports":"./wasm.js"}');
      writeFileSync(join(wasm, "wasm.js"), 'export const doctor = async () => \'{"version":"wasm"}\';');
      expect(JSON.parse(doctor())).toEqual({ version: "wasm", addon: "@gigamapper/wasm" });
      rmSync(wasm, { recursive: true });
    } finally {
      renameSync(kept, addon);
    }
    expect(doctor(project, { GIGAMAPPER_ADDON: join(project, "package.json.node") })).toContain("GM_BACKEND");
  });

  it("load the addon from beside an archive of Electron, where it alone lies", () => {
    const folder = temporary();
    const inside = join(folder, "app.asar", "node_modules");
    const outside = join(folder, "app.asar.unpacked", "node_modules");
    cpSync(installed(), inside, { recursive: true });
    const [file = ""] = readdirSync(installed(made.platform)).filter((name) => name.endsWith(".node"));
    mkdirSync(join(outside, made.platform), { recursive: true });
    renameSync(join(inside, made.platform, file), join(outside, made.platform, file));
    expect(JSON.parse(doctor(join(folder, "app.asar")))).toMatchObject({ addon: join(outside, made.platform, file) });
    // Whatever unpacks whole packages leaves nothing of them inside.
    cpSync(join(inside, made.platform), join(outside, made.platform), { recursive: true });
    rmSync(join(inside, made.platform), { recursive: true });
    expect(JSON.parse(doctor(join(folder, "app.asar")))).toMatchObject({ addon: join(outside, made.platform, file) });
  });
});

describe("packages that were made", () => {
  it("are no larger than they may be", () => {
    expect(made.sizes.library).toBeLessThanOrEqual(made.budget.library);
    expect(made.sizes.addon).toBeLessThanOrEqual(made.budget.addon);
  });

  it("carry the licences of everything that is compiled in", () => {
    const text = readFileSync(join(made.addon, "THIRD-PARTY-LICENSES"), "utf8");
    const lock = readFileSync(join(root, "Cargo.lock"), "utf8");
    for (const name of ["arrow-array", "blosc-src", "lz4-sys", "napi", "rayon", "serde", "zarrs", "zstd-sys"]) {
      const version = new RegExp(`^name = "${name}"\nversion = "([^"]+)"`, "m").exec(lock)?.[1];
      expect(text).toContain(`${name} ${version} (`);
    }
    expect(text).toContain("the standard library of Rust");
    expect(text).toContain("Redistributions in binary form");
    for (const name of ["LICENSE", "LICENSE-MIT", "LICENSE-APACHE"]) {
      for (const folder of [made.library, made.addon]) expect(existsSync(join(folder, name))).toBe(true);
    }
  });

  it("are of the platforms that the project says it builds", () => {
    const source = readFileSync(join(root, "ts/addon.ts"), "utf8");
    const [, listed = ""] = /PLATFORMS: readonly string\[\] = \[(.*)\]/.exec(source) ?? [];
    const names = listed.split(",").map((name) => `@gigamapper/${name.trim().replaceAll('"', "")}`);
    expect(Object.keys(manifestOf(made.library).optionalDependencies ?? {})).toEqual(names);
    expect(dirname(made.addon)).toBe(dirname(made.library));
  });
});
