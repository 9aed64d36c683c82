import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { writeBlobs } from "./anndata.js";
import { gigamapper, start } from "./command.js";
import { digests, temporary } from "./folder.js";

describe("a map that is interrupted", () => {
  let folder: string;
  let args: string[];

  beforeEach(() => {
    folder = temporary();
    const [query, reference] = [join(folder, "query.zarr"), join(folder, "reference.zarr")];
    writeBlobs(query, { rows: 200_000, dim: 32, seed: 1 });
    writeBlobs(reference, { rows: 20_000, dim: 32, seed: 2 });
    const layout = ["--layout", "2048,2,1048576"];
    args = [
      "map",
      "--query",
      query,
      "--reference",
      reference,
      "--obs-keys",
      "label",
      "--progress",
      "ndjson",
      ...layout,
    ];
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 75],
  ] as const)("by %s exits %i and leaves a store that continues to the very same result", async (signal, expected) => {
    const output = join(folder, "mapped.zarr");
    let sent = 0;
    const { child, finished } = start([...args, "--output", output], (text) => {
      const done = Math.max(0, ...[...text.matchAll(/"stage":"join","done":(\d+)/g)].map(([, rows]) => Number(rows)));
      if (done > 20_000 && sent === 0) {
        sent += 1;
        child.kill(signal);
      } else if (sent === 1 && text.includes("stopping at the next checkpoint")) {
        // The second one is answered, not obeyed.
        sent += 1;
        child.kill(signal);
      }
    });
    const { code, stdout, stderr } = await finished;
    expect(sent).toBe(2);
    expect({ code, stdout }).toEqual({ code: expected, stdout: "" });
    expect(stderr).toContain("Run again with resume");

    expect((await gigamapper([...args, "--output", output])).code).toBe(6);
    const resumed = await gigamapper([...args, "--output", output, "--resume", "--json"]);
    expect(resumed.code).toBe(0);
    expect((JSON.parse(resumed.stdout) as { resumedUnits: number }).resumedUnits).toBeGreaterThan(0);
    const whole = join(folder, "whole.zarr");
    expect((await gigamapper([...args, "--output", whole])).code).toBe(0);
    expect(digests(output)).toEqual(digests(whole));
  });
});
