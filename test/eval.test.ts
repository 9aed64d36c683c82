import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CellMapper, evaluate, type LabelEvaluation, map } from "gigamapper";
import { describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { digests, query, reference, root, temporary } from "./folder.js";

const golden = join(root, "test/fixtures/golden/pbmc_cross/expected/gauss");
const expected = (name: string): Record<string, number> =>
  JSON.parse(readFileSync(join(golden, `eval.${name}.json`), "utf8")) as Record<string, number>;

describe("evaluation", () => {
  it("tells CellMapper's scores of the last map, and writes nothing", async () => {
    const output = join(temporary(), "mapped.zarr");
    await using mapper = new CellMapper(query, reference);
    await expect(mapper.evaluateLabelTransfer("louvain")).rejects.toMatchObject({ code: "GM_PARAM" });
    await mapper.map({ obsKeys: ["louvain"], layerKey: "X", output });
    const before = digests(output);
    const labels = await mapper.evaluateLabelTransfer("louvain");
    expect(labels.scores?.accuracy).toBeCloseTo(expected("louvain")["accuracy"] ?? Number.NaN, 4);
    expect(labels.scores?.f1Macro).toBeCloseTo(expected("louvain")["f1_macro"] ?? Number.NaN, 4);
    expect(labels).toMatchObject({ cells: 200, evaluated: 200, excludedFraction: 0 });
    const sure = await mapper.evaluateLabelTransfer("louvain", { confidenceCutoff: 0.9 });
    expect(sure.evaluated).toBeLessThan(200);
    const expression = await mapper.evaluateExpressionTransfer({ comparisonMethod: ["rmse"], groupby: "louvain" });
    expect(expression.genes).toHaveLength(765);
    expect(expression.metrics[0]?.groups.reduce((cells, group) => cells + group.cells, 0)).toBe(200);
    expect(digests(output)).toEqual(before);
    await expect(mapper.evaluateLabelTransfer("bulk_labels")).rejects.toMatchObject({ code: "GM_NOT_FOUND" });
    await expect(mapper.evaluateLabelTransfer("n_genes")).rejects.toMatchObject({ code: "GM_UNSUPPORTED" });
  });

  it("is of registered predictions, in memory too, until something is mapped", async () => {
    await using mapper = new CellMapper(query, reference);
    // The query's own columns: one clustering as the prediction of itself.
    mapper.registerExternalPredictions({ prediction: "louvain" });
    await expect(mapper.evaluateLabelTransfer("louvain")).rejects.toMatchObject({ code: "GM_PARAM" });
    expect((await mapper.evaluateLabelTransfer("bulk_labels")).scores?.accuracy).toBe(0);
    const guesses = {
      x: new Float32Array(200),
      shape: [200, 1] as const,
      obs: { guess: Array<string>(200).fill("1") },
    };
    mapper.registerExternalPredictions({ predictions: guesses, prediction: "guess" });
    const found: LabelEvaluation = await mapper.evaluateLabelTransfer("louvain");
    expect(found.classes.filter(({ predicted }) => predicted > 0).map(({ category }) => category)).toEqual(["1"]);
    expect(found).toMatchObject({ evaluated: 200, confidence: null, calibration: null });
    await mapper.map({ obsKeys: ["louvain"], output: join(temporary(), "mapped.zarr") });
    expect((await mapper.evaluateLabelTransfer("louvain")).scores?.accuracy).toBeGreaterThan(0.5);
  });

  it("is a command, whose JSON has all of it", async () => {
    const folder = temporary();
    const [mapped, exact] = [join(folder, "mapped.zarr"), join(folder, "exact.zarr")];
    await map({ query, reference, obsKeys: ["bulk_labels"], output: exact });
    await map({ query, reference, obsKeys: ["bulk_labels"], method: "ivf", nlist: 16, nprobe: 1, output: mapped });
    const args = ["eval", "--mapped", mapped, "--truth", query, "--label", "bulk_labels"];
    const told = await gigamapper(args);
    expect(told.code).toBe(0);
    expect(told.stdout).toContain("bulk_labels_pred against bulk_labels: 200 cells");
    expect(told.stdout).toMatch(/F1, macro +0\.\d{4}/);
    const { stdout } = await gigamapper([...args, "--exact", exact, "--json"]);
    const report = JSON.parse(stdout) as Awaited<ReturnType<typeof evaluate>>;
    expect(report.approximation?.neighbors.recall).toBeLessThan(1);
    expect(report.approximation?.loss?.classes.length).toBeGreaterThan(3);
    expect(report.labels?.confusion?.counts.flat().reduce((sum, cells) => sum + cells, 0)).toBe(200);
    const short = await gigamapper(["eval", "--mapped", mapped, "--exact", exact]);
    expect(short.stdout).toMatch(/recall at 30 +0\.\d{4}/);
    const library = await evaluate({ mapped, exact });
    expect(library.approximation?.neighbors).toEqual(report.approximation?.neighbors);
    // Usage, and input.
    expect((await gigamapper(["eval", "--mapped", mapped])).code).toBe(2);
    expect((await gigamapper([...args.slice(0, -1), "nothing"])).code).toBe(3);
    expect((await gigamapper([...args.slice(0, 3), "--truth", reference, "--label", "bulk_labels"])).code).toBe(3);
    expect((await gigamapper([...args, "--memory", "1MiB"])).code).toBe(4);
  });

  it("prints a result that can be kept as a file", () => {
    const folder = temporary();
    const mapped = join(folder, "mapped.zarr");
    const run = (args: string): string =>
      execFileSync(process.execPath, [join(root, "bin/gigamapper.mjs"), ...args.split(" ")], {
        cwd: folder,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
    run(`map --query ${query} --reference ${reference} --layer-key X --output ${mapped}`);
    const text = run(`eval --mapped ${mapped} --truth ${query} --layer-key X --comparison-method js,rmse --json`);
    const { expression } = JSON.parse(text) as Awaited<ReturnType<typeof evaluate>>;
    expect(expression?.metrics.map(({ method, values }) => [method, values.length])).toEqual([
      ["js", 765],
      ["rmse", 765],
    ]);
  });
});
