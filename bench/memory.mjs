/**
 * Peak anonymous memory of a command, sampled every 5 ms from the system's own account of the process.
 *
 *   node bench/memory.mjs REFERENCE.zarr QUERY.zarr [QUERY.zarr …] [--memory 256MiB] [--threads 2]
 *   node bench/memory.mjs --command neighbors [--reference REFERENCE] QUERY.zarr [QUERY.zarr …] [--memory 2GiB] [-- MORE WORDS]
 *   node bench/memory.mjs --command index REFERENCE.zarr [REFERENCE.zarr …] [--memory 2GiB] [-- MORE WORDS]
 *
 * `map` maps each query onto the reference with a label, a number and an embedding. `neighbors` without a reference joins each
 * store with itself. Words after `--` go to the command as they are. Prints one line of JSON for each store.
 */

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const written = process.argv.slice(2);
const end = written.includes("--") ? written.indexOf("--") : written.length;
const { positionals, values } = parseArgs({
  args: written.slice(0, end),
  allowPositionals: true,
  options: {
    command: { type: "string", default: "map" },
    reference: { type: "string" },
    memory: { type: "string", default: "256MiB" },
    threads: { type: "string", default: "2" },
    scratch: { type: "string", default: tmpdir() },
  },
});
const more = written.slice(end + 1);
const reference = values.command === "map" ? positionals.shift() : values.reference;
if (positionals.length === 0) throw new Error("name a store, or for map a reference and at least one query");

/** Words that name the inputs of the command. */
function inputs(store) {
  const rows = ["--use-rep", "X_pca"];
  if (values.command === "index") return ["--reference", store, ...rows];
  if (values.command === "neighbors")
    return ["--query", store, ...(reference ? ["--reference", reference] : []), ...rows];
  if (values.command !== "map") throw new Error(`no measurement of ${values.command}`);
  return ["--query", store, "--reference", reference, "--obs-keys", "cell_type,score", "--obsm-keys", "X_umap"];
}

const rounded = (number, places) => Math.round(number * 10 ** places) / 10 ** places;

for (const store of positionals) {
  const folder = mkdtempSync(join(values.scratch, "gigamapper-memory-"));
  const output = join(folder, values.command === "index" ? "index.gmx" : "mapped.zarr");
  const limits = ["--memory", values.memory, "--threads", values.threads, "--output", output];
  const words = [values.command, ...inputs(store), ...limits, "--json", "--progress", "none", ...more];
  const child = spawn(process.execPath, ["bin/gigamapper.mjs", ...words], { stdio: ["ignore", "pipe", "inherit"] });
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
  if (code !== 0) throw new Error(`${values.command} of ${store} exited with ${code}`);
  const report = JSON.parse(printed);
  process.stdout.write(
    `${JSON.stringify({
      command: values.command,
      rows: report.plan?.query?.nObs,
      memory: values.memory,
      peakAnonymousMiB: rounded(peak / 2 ** 20, 1),
      plannedMiB: report.plan?.memory ? Math.round(report.plan.memory.planned / 2 ** 20) : undefined,
      blockRows: report.plan?.blockRows,
      recall: report.recall,
      seconds: report.seconds === undefined ? undefined : rounded(report.seconds, 2),
      stages: Object.fromEntries((report.stages ?? []).map((stage) => [stage.stage, rounded(stage.seconds, 2)])),
    })}\n`,
  );
}
