import { existsSync } from "node:fs";
import { join } from "node:path";
import { map } from "gigamapper";
import { describe, expect, it } from "vitest";
import { writeBlobs } from "./anndata.js";
import { digests, temporary } from "./folder.js";

/** Moments that are the same in every run of the test, spread by the golden ratio. */
const moments = Array.from({ length: 12 }, (_, number) => (number * 0.618) % 1);

describe("a map that is cancelled at any moment, again and again", () => {
  it("rejects, can be resumed each time, and ends in the very same store", async () => {
    const folder = temporary();
    const stores = { query: join(folder, "query.zarr"), reference: join(folder, "reference.zarr") };
    writeBlobs(stores.query, { rows: 60_000, dim: 32, seed: 1 });
    writeBlobs(stores.reference, { rows: 20_000, dim: 32, seed: 2 });
    const layout = { innerRows: 2048, innerPerUnit: 2, partRows: 1 << 20 };
    const options = { ...stores, obsKeys: ["label", "score"], layout };
    const whole = join(folder, "whole.zarr");
    const began = performance.now();
    await map({ ...options, output: whole });
    const took = performance.now() - began;

    const output = join(folder, "cancelled.zarr");
    let cancelled = 0;
    for (const moment of moments) {
      const resume = existsSync(output) || existsSync(`${output}.journal`);
      const signal = AbortSignal.timeout(Math.round(moment * took * 0.5));
      const outcome = await map({ ...options, output, resume, signal }).then(
        () => "finished",
        ({ code, name, cause }: { code: string; name: string; cause: Error }) => `${code} ${name} ${cause.name}`,
      );
      expect(outcome).toMatch(/^(finished|GM_CANCELLED AbortError TimeoutError)$/);
      if (outcome === "finished") break;
      cancelled += 1;
    }
    expect(cancelled).toBeGreaterThan(0);
    const resume = existsSync(output) || existsSync(`${output}.journal`);
    await map({ ...options, output, resume });
    expect(digests(output)).toEqual(digests(whole));
  });
});
