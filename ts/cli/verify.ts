/** `gigamapper verify PATH`: a store or an index against its checksums. */

import type { Command } from "commander";
import type { UnitRows, VerifyReport } from "../generated.js";
import { bytes, count, counted, seconds } from "../sentence.js";
import { verify } from "../verify.js";
import { addManner, setAction } from "./command.js";
import { display } from "./display.js";
import { EXIT } from "./exit.js";
import { table } from "./table.js";
import type { Manner } from "./terminal.js";

/** Adds the command. */
export function registerVerify(program: Command): void {
  const command = program
    .command("verify")
    .description("read all of a store or an index again and compare it with its checksums")
    .argument("<path>", "a store that gigamapper wrote, with its journal beside it, or an index (.gmx)")
    .addHelpText(
      "after",
      "\nExits 0 where all is as it was written, 3 where something is damaged, and 75 where a damaged store was made one that\n" +
        "its command repairs with --resume.\n" +
        "\nExamples:\n" +
        "  gigamapper verify mapped.zarr\n" +
        "  gigamapper verify mapped.zarr --repair && gigamapper map … --output mapped.zarr --resume",
    )
    .option("--repair", "strike what is damaged from the journal, so that --resume computes it again");
  addManner(command);
  setAction<Manner & { repair?: boolean }>(command, async ({ terminal, signal }, { repair }, [path = ""]) => {
    const shown = display(terminal);
    try {
      const report = await verify(path, { repair, signal, onProgress: (event) => shown.update(event) });
      shown.finish();
      terminal.data(report, () => render(report));
      if (report.reopened) process.exitCode = EXIT.terminated;
      else if (report.damaged.length > 0 || (report.complete && report.units.length > 0))
        process.exitCode = EXIT.damaged;
    } finally {
      shown.finish();
    }
  });
}

function render(report: VerifyReport): string {
  const { damaged, units, unknown, remedy } = report;
  const state = report.complete ? "finished" : "not finished";
  const lines = [
    `${report.path}: ${report.kind}, ${state}; ${counted(report.objects, "file")}, ${bytes(report.bytes)}, ` +
      `${damaged.length === 0 ? "all as written" : `${count(damaged.length)} damaged`} (${seconds(report.seconds)})`,
  ];
  const section = (title: string, rows: string[][]): void => {
    if (rows.length > 0) lines.push(title, table(rows));
  };
  section(
    "damaged",
    damaged.map(({ object, reason }) => [object, reason]),
  );
  section(
    "to be computed",
    units.map((unit) => [unit.stage, rowsOf(unit)]),
  );
  section(
    "nobody's files",
    unknown.map((path) => [path]),
  );
  if (remedy) lines.push(`To do: ${remedy}.`);
  return lines.join("\n");
}

function rowsOf({ stage, unit, part, rows: [start, end] }: UnitRows): string {
  return stage === "finalise"
    ? "metadata"
    : `unit ${count(unit)}, rows ${count(start)} to ${count(end)}, part ${count(part)}`;
}
