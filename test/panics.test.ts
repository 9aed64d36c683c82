/** A panic in native code, injected at every place where it may happen, is an error of ours; the process goes on. */

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { map } from "gigamapper";
import { describe, expect, it } from "vitest";
import { query, reference, root, temporary } from "./folder.js";

/** What calls come to in a process whose addon panics at a place: a code and a message each, by the name of the call. */
function outcomes(place: string, calls: string): Record<string, string> {
  const source = `
    import * as gigamapper from "gigamapper";
    import { native } from ${JSON.stringify(new URL("../dist/native.js", import.meta.url).href)};
    const told = {};
    const call = async (name, work) => {
      try { await work(); told[name] = "nothing"; }
      catch (error) { told[name] = [error.code, error.message].join(" "); }
    };
    const addon = await native();
    ${calls}
    console.log(JSON.stringify(told));`;
  const env = { ...process.env, GIGAMAPPER_TEST_PANIC: place };
  const shown = execFileSync(process.execPath, ["--input-type=module", "--eval", source], {
    cwd: root,
    encoding: "utf8",
    env,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return JSON.parse(shown) as Record<string, string>;
}

const text = (value: unknown): string => JSON.stringify(value);
const stores = (output: string): string => text({ query, reference, output });

// Every function of the addon with arguments of the right types, whatever they mean.
const EVERY_FUNCTION = `
  const functions = Object.entries(addon).filter(([, value]) => typeof value === "function");
  for (const [name, value] of functions) {
    if (!value.prototype || Object.getOwnPropertyNames(value.prototype).length < 2)
      await call(name, () => (name === "holdCells" ? value("{}", []) : value("{}")));
    else
      for (const method of Object.getOwnPropertyNames(value.prototype))
        if (method !== "constructor")
          await call(name + "." + method, () => new value("nowhere")[method](method === "read" ? 0 : "{}"));
  }`;

describe("a panic", () => {
  it("in the synchronous part of any function of the addon is thrown or rejected", () => {
    const told = outcomes("call", EVERY_FUNCTION);
    const names = Object.keys(told);
    expect(names).toEqual(
      expect.arrayContaining(["plan", "releaseCells", "Task.map", "Task.cancel", "GraphReader.close"]),
    );
    expect(names.length).toBeGreaterThanOrEqual(19);
    for (const name of names) expect(`${name}: ${told[name]}`).toContain("injected at call");
  });

  it("in a constructor is thrown", () => {
    const told = outcomes("new", EVERY_FUNCTION);
    const methods = Object.keys(told).filter((name) => name.includes("."));
    expect(methods.length).toBeGreaterThan(8);
    for (const name of methods) expect(`${name}: ${told[name]}`).toContain("injected at new");
  });

  it.each(["work", "convert"])("at the %s of any job rejects its promise with GM_INTERNAL", async (place) => {
    const graph = join(temporary(), "graph.zarr");
    await map({ query, reference, output: graph });
    const output = join(temporary(), "mapped.zarr");
    const told = outcomes(
      place,
      `${EVERY_FUNCTION}
       await call("facade.map", () => gigamapper.map(${stores(output)}));
       await call("facade.memory", () => gigamapper.inspect({ x: new Float32Array(4), shape: [2, 2] }));
       const neighbors = new gigamapper.Neighbors(${text(graph)});
       await call("facade.blocks", () => neighbors.blocks().next());`,
    );
    const jobs = Object.entries(told).filter(([name]) => !/^releaseCells$|\.(cancel|close)$/.test(name));
    expect(jobs.length).toBeGreaterThanOrEqual(19);
    for (const [name, outcome] of jobs) {
      // Whoever calls with nonsense learns of that before its result is converted.
      if (place === "work" || name.startsWith("facade.") || name === "doctor") {
        expect(`${name}: ${outcome}`).toBe(`${name}: GM_INTERNAL internal error: injected at ${place}`);
      }
    }
  });

  it("in the callback of progress ends the job, not the process", () => {
    const output = join(temporary(), "mapped.zarr");
    const told = outcomes(
      "progress",
      `await call("map", () => gigamapper.map({ ...${stores(output)}, onProgress: () => {} }));
       await call("plan", () => gigamapper.plan(${stores(output)}));`,
    );
    expect(told["map"]).toContain("GM_INTERNAL");
    expect(told["plan"]).toBe("nothing");
  });

  it("while something is made, cancelled, closed or let go of is an error of ours, too", () => {
    const output = join(temporary(), "mapped.zarr");
    const calls = `
      const controller = new AbortController();
      const onProgress = () => controller.abort();
      await call("cancel", () => gigamapper.map({ ...${stores(output)}, signal: controller.signal, onProgress }));
      await call("release", () => gigamapper.inspect({ x: new Float32Array(4), shape: [2, 2] }));
      await call("blocks", () => new gigamapper.Neighbors("nowhere").blocks().next());`;
    for (const place of ["new", "call"]) {
      const told = outcomes(place, calls);
      if (place === "call") expect(told["release"]).toMatch(/^GM_INTERNAL .*injected at call/);
      expect(told["cancel"]).toMatch(new RegExp(`^GM_INTERNAL .*injected at ${place}`));
      expect(told["blocks"]).toMatch(new RegExp(`^GM_INTERNAL .*injected at ${place}`));
    }
  });

  it("is caught in every function that is exported, which each says so", () => {
    const folder = join(root, "crates/node-binding/src");
    const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
    const attributes = sources.flatMap((source) => [
      ...source.matchAll(/#\[napi(\([^\]]*\))?\]\s*(?:#\[[^\n]*\]\s*)*pub fn (\w+)/g),
    ]);
    expect(attributes.length).toBeGreaterThanOrEqual(19);
    for (const [, options = "", name = ""] of attributes) expect(`${name}${options}`).toContain("catch_unwind");
  });
});
