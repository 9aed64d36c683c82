/** The service of the Electron example, through a channel as its window has one; and what keeps the window apart from Node. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import { writeBlobs } from "./anndata.js";
import { query, reference, root, temporary } from "./folder.js";

interface Answer {
  call: number;
  result?: unknown;
  failure?: { code: string; message: string };
  progress?: { stage: string };
}

const source = (name: string): string => join(root, "examples/electron/source", name);
const opened: MessagePort[] = [];
afterEach(() => {
  for (const port of opened.splice(0)) port.close();
});

/** A service and the function that asks it: its answers in order, the last of which ends the call. */
async function service() {
  const { serve } = (await import(source("serve.ts"))) as { serve: (port: object) => void };
  const { port1, port2 } = new MessageChannel();
  opened.push(port1, port2);
  serve({
    postMessage: (answer: unknown) => port1.postMessage(answer),
    on: (event: string, listener: (event: object) => void) => port1.on(event, (data) => listener({ data })),
    start: () => port1.start(),
  });
  let calls = 0;
  const ask = (name: string, options: object, onAnswer: (answer: Answer) => void = () => {}): Promise<Answer> => {
    calls += 1;
    const call = calls;
    return new Promise((resolve) => {
      const listener = (answer: Answer): void => {
        if (answer.call !== call) return;
        onAnswer(answer);
        if (answer.progress) return;
        port2.off("message", listener);
        resolve(answer);
      };
      port2.on("message", listener);
      port2.postMessage({ call, name, options });
    });
  };
  return ask;
}

describe("the Electron example", () => {
  it("inspects, plans, maps with progress and reads, in clones", async () => {
    const ask = await service();
    expect((await ask("inspect", { path: query })).result).toMatchObject({ nObs: 200 });
    const mapping = { query, reference, obsKeys: ["bulk_labels"], output: join(temporary(), "mapped.zarr") };
    expect((await ask("plan", mapping)).result).toMatchObject({ k: 30 });
    expect(existsSync(mapping.output)).toBe(false);
    const stages = new Set<string | undefined>();
    const mapped = await ask("map", mapping, ({ progress }) => stages.add(progress?.stage));
    expect(mapped.result).toMatchObject({ output: mapping.output, statusCounts: { ok: 200 } });
    expect([...stages]).toContain("join");
    const { result } = await ask("firstRows", { path: mapping.output, rows: 2 });
    expect(result).toMatchObject({ k: 30, indices: { length: 60 }, distances: { length: 60 } });
  });

  it("tells failures by their code, and cancels", async () => {
    const ask = await service();
    expect((await ask("inspect", { path: "nowhere" })).failure).toMatchObject({ code: "GM_NOT_FOUND" });
    const folder = temporary();
    const large = { query: join(folder, "query.zarr"), reference: join(folder, "reference.zarr") };
    writeBlobs(large.query, { rows: 120_000, dim: 32, seed: 1 });
    writeBlobs(large.reference, { rows: 20_000, dim: 32, seed: 2 });
    const mapping = { ...large, obsKeys: ["nothing"], output: join(folder, "mapped.zarr") };
    expect((await ask("map", mapping)).failure).toMatchObject({ code: "GM_NOT_FOUND" });
    let cancelled: Promise<Answer> | undefined;
    const stopped = await ask("map", { ...mapping, obsKeys: ["label"] }, ({ progress, call }) => {
      if (progress) cancelled ??= ask("cancel", { call });
    });
    expect(stopped.failure).toMatchObject({ code: "GM_CANCELLED" });
    expect((await cancelled)?.result).toBeNull();
  });

  it("gives its sandboxed and isolated window six functions and no Node", () => {
    const main = readFileSync(source("main.ts"), "utf8");
    for (const rule of ["contextIsolation: true", "sandbox: true", "nodeIntegration: false"])
      expect(main).toContain(rule);
    const preload = readFileSync(source("preload.cts"), "utf8");
    const [, api = ""] = /const api: Api = \{\n([\s\S]*?)\n\};/.exec(preload) ?? [];
    const names = [...api.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name);
    expect(names).toEqual(["choose", "inspect", "plan", "map", "cancel", "firstRows"]);
    expect(preload.match(/exposeInMainWorld/g)).toHaveLength(1);
    expect(preload).not.toMatch(/from "node:|require\("(?!electron")/);
  });
});
