/** The smallest defined benchmark from its file to its record, and definitions that nobody could compare. */

import { type ChildProcess, execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "gigamapper";
import { describe, expect, it } from "vitest";
import { root, temporary } from "./folder.js";

interface Result {
  rows: number;
  recall: number;
  agreement: Record<string, number>;
  accuracy: Record<string, number>;
  digest: string;
  record: string;
  kept: boolean;
  wrong: string[];
}

interface Definition {
  name: string;
  about: string;
  reference: Record<string, unknown> & { rows: number };
  query?: Record<string, unknown> & { rows: number };
  request: Record<string, unknown>;
  check: Record<string, unknown>;
}

const definitions = join(root, "bench/definitions");
const read = (name: string): Definition => JSON.parse(readFileSync(join(definitions, name), "utf8")) as Definition;

/** Runs a definition by the library alone; the Rust side needs a program that only `npm run bench` wants. */
function bench(
  path: string,
  folder: string,
  started: (child: ChildProcess) => void = () => {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const words = [path, "--sides", "typescript", `--scratch=${folder}`, "--record", join(folder, "record")];
  return new Promise((done) => {
    const command = [join(root, "bench/run.mjs"), ...words];
    const child = execFile(process.execPath, command, { cwd: root }, (error, stdout, stderr) => {
      done({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
    started(child);
  });
}

/** The definition on fewer cells, so that a test need not take as long as a benchmark. */
function smaller(folder: string, name: string, change: (definition: Definition) => void): string {
  const definition = read(name);
  for (const cells of [definition.reference, definition.query]) if (cells) cells.rows = 6_000;
  definition.check = { ...definition.check, sample: 300 };
  change(definition);
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(definition));
  return path;
}

describe("npm run bench", () => {
  it("runs the smallest definition, finds its contract kept and writes it down", { timeout: 300_000 }, async () => {
    const folder = temporary();
    const { code, stdout, stderr } = await bench(join(definitions, "1e5-lid10-self.json"), folder);
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    const result = JSON.parse(stdout) as Result;
    expect(result).toMatchObject({ rows: 100_000, kept: true, wrong: [] });
    expect(result.recall).toBeGreaterThan(0.945);
    expect(result.agreement["cell_type"]).toBeGreaterThan(0.99);
    expect(result.accuracy["cell_type"]).toBeGreaterThan(0.9);
    const names = readdirSync(join(folder, "record")).map((name) => name.replace(/^\d{4}-\d\d-\d\d/, "DATE"));
    expect(names.sort()).toEqual(["DATE-bench-1e5-lid10-self.json", "DATE-bench-1e5-lid10-self.md"]);
    const page = readFileSync(result.record, "utf8");
    expect(page).toContain("The contract was kept.");
    expect(page).toContain(
      `SHA-256 over the output: typescript in 256MiB: ${result.digest}; typescript in 512MiB: ${result.digest}`,
    );
    // Nothing else is left.
    expect(readdirSync(folder)).toEqual(["record"]);
  });

  it("maps onto other cells, and says what of the contract was not kept", { timeout: 300_000 }, async () => {
    const folder = temporary();
    const path = smaller(folder, "1e5-lid20-cross.json", (definition) => {
      Object.assign(definition.request, { recall: undefined, nprobe: 1, nlist: 64 });
    });
    const { code, stdout } = await bench(path, folder);
    const { kept, wrong, recall, record } = JSON.parse(stdout) as Result;
    expect({ code, kept }).toEqual({ code: 1, kept: false });
    expect(recall).toBeLessThan(0.9);
    expect(wrong[0]).toMatch(/^recall 0\.\d+ is below 0\.945$/);
    // Where files were put is in no record, neither in its command nor in the reports of its runs.
    const records = [record, record.replace(/md$/, "json")].map((name) => readFileSync(name, "utf8"));
    for (const text of records) {
      expect(text).toContain("FOLDER");
      expect(text.replaceAll(path, "")).not.toContain(folder);
    }
  });

  it("leaves nothing where it is stopped", { timeout: 120_000 }, async () => {
    const folder = temporary();
    const scratch = () => readdirSync(folder).filter((name) => name.startsWith("gigamapper-bench-"));
    const begun = () => scratch().some((name) => readdirSync(join(folder, name)).length > 0);
    let child: ChildProcess | undefined;
    const ended = bench(join(definitions, "1e5-lid10-self.json"), folder, (started) => {
      child = started;
    });
    await expect.poll(begun, { timeout: 60_000 }).toBe(true);
    child?.kill("SIGINT");
    expect((await ended).code).toBe(130);
    expect(scratch()).toEqual([]);
  });

  it("refuses words that a definition does not have", async () => {
    const folder = temporary();
    const cases: [string, (definition: Definition) => void][] = [
      ["check.samples is no field", (definition) => Object.assign(definition.check, { samples: 1 })],
      ["check.recall is missing", (definition) => Object.assign(definition.check, { recall: undefined })],
      ["reference.rows must be a whole number", (definition) => Object.assign(definition.reference, { rows: "many" })],
      ["request.output is set by whoever runs it", (definition) => Object.assign(definition.request, { output: "x" })],
    ];
    for (const [reason, change] of cases) {
      const { code, stderr } = await bench(smaller(folder, "1e5-lid10-self.json", change), folder);
      expect(code).toBe(1);
      expect(stderr).toContain(reason);
    }
  });
});

describe("npm run bench:law", () => {
  /** A record as far as the law reads it, of a job whose seconds grow with the power 1.5 from the second size on. */
  function recorded(folder: string, rows: number, seconds: number): void {
    const report = {
      seconds,
      recall: { meanNprobe: 10 },
      plan: { threads: 2, parameters: { ivf: { nlist: rows / 100 } } },
      stages: [{ stage: "join", seconds, bytesWritten: 0 }],
    };
    const definition = { name: `${rows}-made`, reference: { rows } };
    const run = { side: "rust", extra: false, peak: 2 ** 30, diskPeak: rows, report };
    const result = { definition, runs: [run], checks: { recall: 0.95 } };
    writeFileSync(join(folder, `2026-01-01-bench-${rows}-made.json`), JSON.stringify(result));
  }
  const law = (folder: string): Promise<{ stdout: string; stderr: string }> =>
    new Promise((done) => {
      const words = [join(root, "bench/law.mjs"), "--set", "made", "--records", folder, "--rows", "1e9"];
      execFile(process.execPath, words, (_, stdout, stderr) => done({ stdout, stderr }));
    });

  it("carries the largest size on by what was measured, with the range of it", async () => {
    const folder = temporary();
    recorded(folder, 1e6, 36);
    recorded(folder, 1e7, 360);
    recorded(folder, 1e8, 360 * 10 ** 1.5);
    const { stdout } = await law(folder);
    expect(stdout).toContain("| seconds, all | 1.00, 1.50 | 1.25 |");
    expect(stdout).toContain("| pairs a cell | 0.00, 0.00 | 0.00 |");
    // 360 · 10^(1.5 + b) seconds for b of all sizes, the smallest and the largest.
    expect(stdout).toContain("**56.2 hours** (31.6 to 100)");
    expect(stdout).toContain("this size has 1 million million");
  });

  it("says nothing from one size", async () => {
    const folder = temporary();
    recorded(folder, 1e6, 36);
    expect((await law(folder)).stderr).toContain("fewer than two sizes of made");
  });
});

describe("the definitions", () => {
  const names = readdirSync(definitions).sort();

  it("are of every size, difficulty and kind, and each has the name of its file", () => {
    const sizes = ["1e5", "1e6", "1e7", "1e8", "1e9"];
    const wanted = sizes.flatMap((size) =>
      ["lid10", "lid20"].flatMap((lid) => ["cross", "self"].map((kind) => `${size}-${lid}-${kind}`)),
    );
    expect(names).toEqual(wanted.map((name) => `${name}.json`).sort());
    for (const name of wanted) {
      const { name: own, reference, query } = read(`${name}.json`);
      expect([own, reference.rows, reference["preset"]]).toEqual([name, Number(name.slice(0, 3)), name.split("-")[1]]);
      expect(query !== undefined).toBe(name.endsWith("cross"));
    }
  });

  it("have cells that the core generates, up to a billion", async () => {
    const folder = temporary();
    for (const name of names) {
      const { reference, query } = read(name);
      for (const cells of [reference, query]) {
        if (!cells) continue;
        const path = join(folder, "some.cells.json");
        writeFileSync(path, JSON.stringify({ format: "gigamapper-cells", version: 1, ...cells, rows: 1_000 }));
        expect((await inspect(path)).nObs).toBe(1_000);
      }
    }
  });
});
