import { getEventListeners } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CellMapper, inspect, map, type ProgressEvent } from "gigamapper";
import { beforeEach, describe, expect, it } from "vitest";
import { writeBlobs } from "./anndata.js";
import { digests, query, reference, temporary } from "./folder.js";

// Small units, so that a run has many checkpoints.
const layout = { innerRows: 2048, innerPerUnit: 2, partRows: 1 << 20 };

describe("a running map", () => {
  let folder: string;
  let large: { query: string; reference: string; obsKeys: string[]; layout: typeof layout };

  beforeEach(() => {
    folder = temporary();
    large = {
      query: join(folder, "query.zarr"),
      reference: join(folder, "reference.zarr"),
      obsKeys: ["label"],
      layout,
    };
    writeBlobs(large.query, { rows: 120_000, dim: 32, seed: 1 });
    writeBlobs(large.reference, { rows: 20_000, dim: 32, seed: 2 });
  });

  it("is cancelled by its signal, and continues to the very same result", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const output = join(folder, "cancelled.zarr");
    const onProgress = ({ stage, done }: ProgressEvent): void => {
      if (stage === "join" && done > 30_000) controller.abort(reason);
    };
    await expect(map({ ...large, output, signal: controller.signal, onProgress })).rejects.toMatchObject({
      code: "GM_CANCELLED",
      name: "AbortError",
      details: { stage: "join" },
      cause: reason,
    });
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);

    const resumed = await map({ ...large, output, resume: true });
    expect(resumed.resumedUnits).toBeGreaterThan(0);
    const whole = join(folder, "whole.zarr");
    const report = await map({ ...large, output: whole });
    expect(report.resumedUnits).toBe(0);
    expect(digests(output)).toEqual(digests(whole));
  });

  it("is cancelled by closing its mapper", async () => {
    const mapper = new CellMapper(large.query, large.reference);
    let begun = (): void => {};
    const beginning = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const job = mapper.map({ layout, output: join(folder, "closed.zarr"), onProgress: begun });
    const settled = expect(job).rejects.toMatchObject({ code: "GM_CANCELLED", name: "AbortError" });
    await beginning;
    await mapper.close();
    await settled;
  });

  it("rejects with what its listener throws, after stopping", async () => {
    const thrown = new Error("the bar broke");
    let calls = 0;
    const throwing = ({ stage }: ProgressEvent): void => {
      // Before, there is nothing yet that can go on.
      if (stage !== "join") return;
      calls += 1;
      throw thrown;
    };
    const output = join(folder, "thrown.zarr");
    await expect(map({ ...large, output, onProgress: throwing })).rejects.toBe(thrown);
    expect(calls).toBe(1);
    // It stopped cleanly: the same run can go on.
    await map({ ...large, output, resume: true });
  });

  it("rejects with what an asynchronous listener rejects with", async () => {
    const thrown = new Error("the server is gone");
    const output = join(folder, "rejected.zarr");
    await expect(map({ ...large, output, onProgress: () => Promise.reject(thrown) })).rejects.toBe(thrown);
  });

  it("tells of stage, rows, speed and memory, at most ten times a second and stage", async () => {
    const events: ProgressEvent[] = [];
    const began = performance.now();
    await map({ ...large, output: join(folder, "told.zarr"), onProgress: (event) => events.push(event) });
    const seconds = (performance.now() - began) / 1000;
    const stages = [...new Set(events.map(({ stage }) => stage))];
    expect(stages).toContain("join");
    // Each stage begins and ends with an event of its own.
    expect(events.length).toBeLessThanOrEqual(10 * seconds + 2 * stages.length + 1);
    for (const stage of stages) {
      const done = events.filter((event) => event.stage === stage).map((event) => event.done);
      expect(done).toEqual(done.toSorted((left, right) => left - right));
    }
    for (const { done, total, rowsPerSecond, memory } of events) {
      expect(done).toBeLessThanOrEqual(total);
      expect(rowsPerSecond).toBeGreaterThanOrEqual(0);
      expect(memory).toBeGreaterThan(0);
    }
  });

  it("leaves the event loop free", async () => {
    let ticks = 0;
    const timer = setInterval(() => {
      ticks += 1;
    }, 10);
    const began = performance.now();
    await map({ ...large, output: join(folder, "free.zarr") });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan((performance.now() - began) / 10 / 5);
  });
});

describe("a signal that has already fired", () => {
  it("starts nothing", async () => {
    const output = join(temporary(), "mapped.zarr");
    const signal = AbortSignal.abort("no");
    const expected = { code: "GM_CANCELLED", name: "AbortError", cause: "no" };
    await expect(map({ query, reference, output, signal })).rejects.toMatchObject(expected);
    await expect(inspect(query, { signal })).rejects.toMatchObject(expected);
    await expect(new CellMapper(query, reference).plan({ signal })).rejects.toMatchObject(expected);
    expect(existsSync(output)).toBe(false);
  });
});
