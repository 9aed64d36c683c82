import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as gigamapper from "gigamapper";
import { describe, expect, it } from "vitest";
import { gigamapper as command } from "./command.js";
import { root } from "./folder.js";

const text = (path: string): string => readFileSync(join(root, path), "utf8");

describe("what is public", () => {
  it("are these values", () => {
    expect(Object.keys(gigamapper).sort()).toEqual([
      "CellMapper",
      "GigamapperError",
      "Kernel",
      "MappedStore",
      "MappingOperator",
      "Neighbors",
      "ReferenceIndex",
      "capabilities",
      "clean",
      "computeFastCca",
      "computeJointPca",
      "diffuse",
      "doctor",
      "evaluate",
      "exportResults",
      "inspect",
      "isGigamapperError",
      "map",
      "plan",
      "planDiffuse",
      "planRepresentation",
      "planTransfer",
      "presence",
      "rechunk",
      "sentences",
      "transfer",
      "verify",
    ]);
  });

  it("are these verbs of each handle", () => {
    const verbs = (handle: { prototype: object }): string[] => Object.getOwnPropertyNames(handle.prototype).sort();
    expect(verbs(gigamapper.CellMapper)).toEqual([
      "close",
      "computeFastCca",
      "computeJointPca",
      "constructor",
      "evaluateExpressionTransfer",
      "evaluateLabelTransfer",
      "map",
      "mapped",
      "neighbors",
      "plan",
      "registerExternalPredictions",
      "transfer",
    ]);
    expect(verbs(gigamapper.Kernel)).toEqual(["close", "computeNeighbors", "constructor", "neighbors", "plan"]);
    expect(verbs(gigamapper.Neighbors)).toEqual(["blocks", "close", "constructor", "describe"]);
    expect(verbs(gigamapper.MappedStore)).toEqual(["close", "columns", "constructor", "head", "length", "obs"]);
    expect(verbs(gigamapper.MappingOperator)).toEqual(["apply", "close", "constructor", "mapped", "presence"]);
    expect(verbs(gigamapper.ReferenceIndex)).toEqual(["close", "constructor", "describe"]);
    const makers = [gigamapper.Neighbors, gigamapper.ReferenceIndex].map((handle) =>
      Object.getOwnPropertyNames(handle).filter((name) => !["length", "name", "prototype"].includes(name)),
    );
    expect(makers).toEqual([["open"], ["build", "append", "plan", "open"]]);
    const { CellMapper, Kernel, MappedStore, MappingOperator, Neighbors, ReferenceIndex } = gigamapper;
    for (const handle of [CellMapper, Kernel, MappedStore, MappingOperator, Neighbors, ReferenceIndex]) {
      expect(handle.prototype[Symbol.asyncDispose]).toBeTypeOf("function");
    }
  });

  it("are these values where there is no addon", async () => {
    expect(Object.keys(await import("gigamapper/wasm")).sort()).toEqual([
      "ExactReference",
      "GigamapperError",
      "RemoteColumns",
      "RemoteIndex",
      "RemoteSearchResult",
      "SearchResult",
      "WeightsInMemory",
      "initialise",
      "isGigamapperError",
      "mapRemote",
    ]);
  });

  it("are these generated types", () => {
    const names = [...text("ts/generated.ts").matchAll(/^export type (\w+)/gm)].map(([, name]) => name);
    expect(names.sort()).toEqual([
      "Approximation",
      "ArrayReport",
      "BackendPlan",
      "BackendState",
      "CalibrationBin",
      "CalibrationReport",
      "Capabilities",
      "CategoryAgreement",
      "CellsDescription",
      "ClassEvaluation",
      "ClassLoss",
      "CleanReport",
      "CleanRequest",
      "ColumnReport",
      "Combination",
      "ConfusionMatrix",
      "Cpu",
      "DamagedObject",
      "DiffuseRequest",
      "DiffusionParameters",
      "Doctor",
      "EvaluateRequest",
      "EvaluationReport",
      "ExpressionEvaluation",
      "ExpressionMetric",
      "FormatCapability",
      "GivenColumn",
      "GivenMatrix",
      "GivenNumbers",
      "GpuReport",
      "GraphDescription",
      "GroupMetric",
      "Hop",
      "IndexDescription",
      "IndexParameters",
      "IndexPlan",
      "IndexReport",
      "IndexRequest",
      "Inspection",
      "IvfParameters",
      "JointPlan",
      "JointReport",
      "JointRequest",
      "Kept",
      "KernelCapability",
      "LabelAgreement",
      "LabelEvaluation",
      "LabelLoss",
      "LabelParameters",
      "LabelScores",
      "LayoutRequest",
      "Leftover",
      "MachineMemory",
      "MapRequest",
      "MatrixReport",
      "MemoryPlan",
      "MethodCapability",
      "NeighborAgreement",
      "NeighborsRequest",
      "OutputArray",
      "OutputLayout",
      "Parameters",
      "Plan",
      "PlatformCapability",
      "PresenceReport",
      "PresenceRequest",
      "ProgressEvent",
      "RecallReport",
      "RechunkReport",
      "RechunkRequest",
      "RiskCoverageReport",
      "RiskPoint",
      "RunReport",
      "SearchPlan",
      "Side",
      "SkippedNode",
      "SpaceReport",
      "StageReport",
      "StoreReport",
      "TransferRequest",
      "UnitRows",
      "VerifyReport",
      "VerifyRequest",
    ]);
  });

  it.each([
    ["map", "MapRequest", "nNeighbors"],
    ["neighbors", "NeighborsRequest", "recall"],
    ["transfer", "TransferRequest", "neighbors"],
    ["index", "IndexRequest", "nlist"],
    ["rechunk", "RechunkRequest", "useRep"],
    ["pca", "JointRequest", "maskVar"],
    ["presence", "PresenceRequest", "groupby"],
    ["eval", "EvaluateRequest", "groupby"],
    ["diffuse", "DiffuseRequest", "neighbors"],
  ])("is every field of the request on the command line of %s, too", async (name, request, known) => {
    const declared = new RegExp(`export type ${request} = \\{([\\s\\S]*?)\\};?\\n`);
    const [, body = ""] = declared.exec(text("ts/generated.ts")) ?? [];
    const fields = [...body.matchAll(/^(\w+)\??:/gm)].map(([, field = ""]) => field);
    expect(fields).toContain(known);
    const { stdout } = await command([name, "--help"]);
    const kebab = (field: string): string => field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    // The layout of the output is for tests and stays out of the help.
    const absent = fields.filter((field) => field !== "layout" && !stdout.includes(`--${kebab(field)} `));
    expect(absent).toEqual([]);
  });
});

describe("the package", () => {
  it("ships the library and the demo's cells, no sources, and no addon, which is in a package for each platform", () => {
    const packed = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const parsed = JSON.parse(packed) as
      | { files: { path: string }[] }[]
      | Record<string, { files: { path: string }[] }>;
    const [manifest] = Object.values(parsed);
    const paths = manifest?.files.map(({ path }) => path) ?? [];
    expect(paths).toEqual(expect.arrayContaining(["bin/gigamapper.mjs", "dist/index.js", "dist/index.d.ts"]));
    expect(paths).toEqual(expect.arrayContaining(["test/fixtures/pbmc/query.zarr/zarr.json", "LICENSE-MIT"]));
    expect(paths.filter((path) => path.startsWith("dist/native/"))).toEqual([]);
    expect(paths.filter((path) => /^(ts|crates|scripts|test\/(?!fixtures\/pbmc))/.test(path))).toEqual([]);
  });

  it("is locked without naming a registry", () => {
    expect(text("package-lock.json")).not.toMatch(/"resolved"/);
    const { dependencies, devDependencies } = JSON.parse(text("package.json")) as Record<
      string,
      Record<string, string>
    >;
    for (const version of Object.values({ ...dependencies, ...devDependencies }))
      expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it("is locked for every platform, because npm ci refuses a lock that lacks another platform's packages", () => {
    const { packages } = JSON.parse(text("package-lock.json")) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const locked = new Set(Object.keys(packages).map((path) => path.replace(/^.*node_modules\//, "")));
    const named = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    expect(named.filter((name) => !locked.has(name))).toEqual([]);
  });
});
