/** `gigamapper map`: neighbours and transfer in one go. */

import type { Command } from "commander";
import type { GpuReport, LabelAgreement, MapRequest, RecallReport, RunReport } from "../generated.js";
import { map } from "../mapper.js";
import { bytes, count, counted, sentences } from "../sentence.js";
import { addManner, setAction } from "./command.js";
import { display } from "./display.js";
import { addMapping, type Given, readMapping } from "./request.js";
import { tellStages } from "./stages.js";
import type { Terminal } from "./terminal.js";

/** Adds the command. */
export function registerMap(program: Command): void {
  const command = program
    .command("map")
    .description("find neighbors and transfer labels, numbers and embeddings")
    .addHelpText(
      "after",
      "\nExamples:\n" +
        "  gigamapper map --query query.zarr --reference atlas.zarr --obs-keys cell_type,age --output mapped.zarr\n" +
        "  gigamapper map --query cells.zarr --obs-keys louvain --output smoothed.zarr                (one store, onto itself)\n" +
        "  gigamapper plan --query query.zarr --reference atlas.zarr --obs-keys cell_type             (what it would cost)",
    );
  addManner(addMapping(command));
  setAction<Given<MapRequest>>(command, async ({ terminal, signal }, options) => {
    const request = await readMapping(options);
    const report = await mapWithDisplay(terminal, { ...request, signal });
    tellReport(terminal, report);
    if (terminal.json) terminal.data(report, String);
  });
}

/** Maps under the progress display that was asked for. */
export async function mapWithDisplay(terminal: Terminal, options: Parameters<typeof map>[0]): Promise<RunReport> {
  const shown = display(terminal);
  try {
    return await map({ ...options, onProgress: (event) => shown.update(event) });
  } finally {
    shown.finish();
  }
}

/** What was stored where, and what the user should know. */
export function tellReport(terminal: Terminal, report: RunReport): void {
  for (const warning of report.warnings) terminal.warn(warning);
  if (report.resumedUnits > 0) terminal.say(`kept ${counted(report.resumedUnits, "unit")} of an earlier run`);
  terminal.result(`${report.output}:`);
  for (const line of sentences(report)) terminal.result(line);
  const { recall } = report;
  if (!["exact", "imported"].includes(recall.method)) terminal.result(describeRecall(recall));
  for (const [key, agreement] of Object.entries(report.labelAgreement)) {
    terminal.result(describeAgreement(key, agreement));
  }
  const troubled = Object.entries(report.statusCounts).filter(([status, cells]) => status !== "ok" && cells > 0);
  for (const [status, cells] of troubled) terminal.warn(`${counted(cells, "cell")} not mapped: ${status}`);
  tellStages(terminal, report.stages);
  terminal.say(`back end ${report.plan.backend.name}: ${report.plan.backend.reason}`, 2);
  if (report.gpu) terminal.say(describeGpu(report.gpu), 2);
  terminal.say(`peak memory ${bytes(report.peakMemory)}, sigma ${report.sigma ?? "none"}`, 2);
}

/** `GPU: 9.9 s searching, 0.1 s taking rows; 1 000 000 000 000 pairs; settled 1 000 000, left 0 to the CPU`. */
function describeGpu({ loadSeconds, searchSeconds, pairs, settled, left }: GpuReport): string {
  const busy = `${searchSeconds.toFixed(1)} s searching, ${loadSeconds.toFixed(1)} s taking rows`;
  return `GPU: ${busy}; ${count(pairs)} pairs; settled ${count(settled)}, left ${count(left)} to the CPU`;
}

/** `recall 0.957 (0.951 to 0.962; asked for 0.95) with nprobe 28, 13.5 lists a cell`. */
function describeRecall({ measured, low, high, target, nprobe, meanNprobe }: RecallReport): string {
  const asked = target === null ? "" : `; asked for ${target}`;
  const onAverage = target === null || meanNprobe === null ? "" : `, ${meanNprobe.toFixed(1)} lists a cell`;
  const probed = nprobe === null ? "" : ` with nprobe ${count(nprobe)}${onAverage}`;
  return `recall ${measured.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)}${asked})${probed}`;
}

/** `cell_type as with an exact search: 99.8 % of 1 000 cells; worst: B cells, 97.1 % of 35`. */
function describeAgreement(key: string, { cells, agreement, categories }: LabelAgreement): string {
  // Rounded down: 100 % says that none is different.
  const share = (part: number): string => `${(Math.floor(part * 1000) / 10).toFixed(1)} %`;
  const [worst] = categories;
  const loss =
    worst && worst.kept < 1 ? `; worst: ${worst.category}, ${share(worst.kept)} of ${count(worst.cells)}` : "";
  return `${key} as with an exact search: ${share(agreement)} of ${counted(cells, "cell")}${loss}`;
}
