/** Threads of Node that come and go, processes that end in the middle, and threads of ours that end with their work. */

import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { CellMapper, doctor, map } from "gigamapper";
import { describe, expect, it, vi } from "vitest";
import { writeBlobs } from "./anndata.js";
import { query, reference, root, temporary } from "./folder.js";

const library = new URL("../dist/index.js", import.meta.url).href;
const layout = { innerRows: 2048, innerPerUnit: 2, partRows: 1 << 20 };

/** A map that takes long enough to be disturbed. */
function large(): { query: string; reference: string; layout: typeof layout; output: string } {
  const folder = temporary();
  const stores = { query: join(folder, "query.zarr"), reference: join(folder, "reference.zarr") };
  writeBlobs(stores.query, { rows: 120_000, dim: 32, seed: 1 });
  writeBlobs(stores.reference, { rows: 20_000, dim: 32, seed: 2 });
  return { ...stores, layout, output: join(folder, "mapped.zarr") };
}

/** Runs a worker until it tells something, and returns it with what it told. */
async function worker(source: string): Promise<{ worker: Worker; told: unknown }> {
  const started = new Worker(
    `const { parentPort } = require("node:worker_threads");
     import(${JSON.stringify(library)}).then(async (gigamapper) => { ${source} });`,
    { eval: true },
  );
  const told = await new Promise((resolve, reject) => {
    started.once("message", resolve);
    started.once("error", reject);
  });
  return { worker: started, told };
}

const threads = (): number => readdirSync("/proc/self/task").length;

describe("workers", () => {
  it("load the addon and are terminated, a hundred times", async () => {
    for (let turn = 0; turn < 100; turn += 1) {
      const { worker: ended, told } = await worker(
        'const { version } = await gigamapper.doctor(); parentPort.postMessage(version); gigamapper.inspect("nowhere").catch(() => {});',
      );
      expect(told).toMatch(/^\d+\.\d+\.\d+$/);
      await ended.terminate();
    }
    expect((await doctor()).version).toMatch(/^\d/);
    // Seconds on a machine of its own; more where many share one.
  }, 240_000);

  it("that are terminated in the middle of a map end it, and it can be resumed", async () => {
    const job = large();
    const { worker: ended } = await worker(
      `const onProgress = ({ stage, done }) => { if (stage === "join" && done > 10_000) parentPort.postMessage(done); };
       await gigamapper.map({ ...${JSON.stringify(job)}, onProgress });`,
    );
    await ended.terminate();
    // The thread of the job stops at its next tile, and lets go of the store.
    const resumed = await vi.waitFor(() => map({ ...job, resume: true }), { timeout: 20_000, interval: 100 });
    expect(resumed.statusCounts).toMatchObject({ ok: 120_000 });
    expect(resumed.resumedUnits).toBeGreaterThan(0);
    expect(resumed.resumedUnits).toBeLessThan(120_000 / 4096);
  });
});

describe("a process", () => {
  const run = promisify(execFile);
  const node = (source: string) =>
    run(
      process.execPath,
      ["--input-type=module", "--eval", `import * as gigamapper from ${JSON.stringify(library)}; ${source}`],
      {
        cwd: root,
      },
    );

  it("can exit in the middle of a map", async () => {
    const job = large();
    const { stdout } = await node(
      `gigamapper.map({ ...${JSON.stringify(job)}, onProgress: ({ stage, done }) => {
         if (stage === "join" && done > 10_000) { console.log("leaving"); process.exit(0); } } });`,
    );
    expect(stdout).toBe("leaving\n");
  });

  it("ends by itself after mapping, reading and cancelling, with nothing left to close", async () => {
    const job = large();
    const stores = { query, reference, output: join(temporary(), "mapped.zarr") };
    const { stdout } = await node(
      `await gigamapper.map(${JSON.stringify(stores)});
       for await (const { k } of new gigamapper.Neighbors(${JSON.stringify(stores.output)}).blocks()) console.log(k);
       const controller = new AbortController();
       const onProgress = ({ done }) => { if (done > 0) controller.abort(); };
       await gigamapper.map({ ...${JSON.stringify(job)}, signal: controller.signal, onProgress }).catch(({ code }) => console.log(code));
       console.log(process.getActiveResourcesInfo().filter((name) => !/^(TTY|Pipe)Wrap$/.test(name)).length);`,
    );
    expect(stdout).toBe("30\nGM_CANCELLED\n0\n");
  });
});

describe.runIf(process.platform === "linux")("threads", () => {
  it("of a job end with it, and none outlives its mapper", async () => {
    await doctor();
    const before = threads();
    const mapper = new CellMapper(query, reference);
    await mapper.map({ output: join(temporary(), "mapped.zarr"), threads: 4 });
    await vi.waitFor(() => expect(threads()).toBeLessThanOrEqual(before), { timeout: 5_000 });

    const { output, layout: small, ...stores } = large();
    const closed = new CellMapper(stores.query, stores.reference, { threads: 4 });
    let most = 0;
    let begun = (): void => {};
    const beginning = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const onProgress = ({ stage }: { stage: string }): void => {
      most = Math.max(most, threads());
      if (stage === "join") begun();
    };
    const job = expect(closed.map({ output, layout: small, onProgress })).rejects.toMatchObject({
      code: "GM_CANCELLED",
    });
    await beginning;
    await Promise.all([closed.close(), job]);
    expect(most).toBeGreaterThan(before + 3);
    await vi.waitFor(() => expect(threads()).toBeLessThanOrEqual(before), { timeout: 5_000 });
  });
});
