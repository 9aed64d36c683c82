/**
 * Peak anonymous memory of mapping, sampled every 5 ms from the system's own account of the process.
 *
 *   node bench/memory.mjs REFERENCE.zarr QUERY.zarr [QUERY.zarr …] [--memory 256MiB] [--threads 2]
 *
 * Maps each query onto the reference with a label, a number and an embedding, and prints one line of JSON for each.
 */

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { memory: { type: "string", default: "256MiB" }, threads: { type: "string", default: "2" } },
});
const [reference, ...queries] = positionals;
if (!reference || queries.length === 0) throw new Error("name a reference and at least one query");

for (const query of queries) {
  const folder = mkdtempSync(join(tmpdir(), "gigamapper-memory-"));
  const command = [
    "bin/gigamapper.mjs",
    "map",
    "--query",
    query,
    "--reference",
    reference,
    "--json",
    "--progress",
    "none",
  ];
  const options = ["--obs-keys", "cell_type,score", "--obsm-keys", "X_umap", "--memory", values.memory];
  const place = ["--threads", values.threads, "--output", join(folder, "mapped.zarr")];
  const child = spawn(process.execPath, [...command, ...options, ...place], { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  child.stdout.on("data", (chunk) => {
    printed += chunk;
  });
  let peak = 0;
  const sampling = setInterval(() => {
    try {
      const line = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
      peak = Math.max(peak, Number(line?.[1] ?? 0) * 1024);
    } catch {
      // The process is gone; its end is noticed below.
    }
  }, 5);
  const code = await new Promise((done) => child.on("close", done));
  clearInterval(sampling);
  rmSync(folder, { recursive: true, force: true });
  if (code !== 0) throw new Error(`map of ${query} exited with ${code}`);
  const report = JSON.parse(printed);
  process.stdout.write(
    `${JSON.stringify({
      rows: report.plan.query.nObs,
      memory: values.memory,
      peakAnonymousMiB: Math.round((peak / 2 ** 20) * 10) / 10,
      plannedMiB: Math.round(report.plan.memory.planned / 2 ** 20),
      blockRows: report.plan.blockRows,
      seconds: Math.round(report.seconds * 100) / 100,
      stages: Object.fromEntries(report.stages.map((stage) => [stage.stage, Math.round(stage.seconds * 100) / 100])),
    })}\n`,
  );
}
