/** `gigamapper doctor`: what this machine offers. */

import type { Command } from "commander";
import { doctor, type Machine } from "../doctor.js";
import type { BackendState } from "../generated.js";
import { bytes } from "../sentence.js";
import { addManner, setAction } from "./command.js";
import { table } from "./table.js";
import type { Manner } from "./terminal.js";

/** Adds the command. */
export function registerDoctor(program: Command): void {
  const command = program
    .command("doctor")
    .description("CPU features in use, memory, threads, back ends, versions")
    .addHelpText(
      "after",
      "\nTells which file the native code is, and why a back end cannot be used. Part of any report of a problem.\n" +
        "\nExamples:\n  gigamapper doctor\n  gigamapper doctor --json",
    );
  addManner(command);
  setAction<Manner>(command, async ({ terminal, signal }) => {
    const found = await doctor({ signal });
    const versions = { node: process.version, platform: `${process.platform}-${process.arch}` };
    terminal.data({ ...found, ...versions }, () => render({ ...found, ...versions }));
  });
}

/** Whether each back end can be used, why not, and what to do. */
export function backends(found: BackendState[]): string[][] {
  return found.flatMap(({ name, available, reason, remedy, device }) => [
    [`back end ${name}`, available ? `available${device === null ? "" : `: ${device}`}` : "not available"],
    ...(reason === null ? [] : [["", reason]]),
    ...(remedy === null ? [] : [["", `to change that: ${remedy}`]]),
  ]);
}

function render(found: Machine & { node: string; platform: string }): string {
  const { cpu, memory } = found;
  return table(
    [
      ["gigamapper", found.version],
      ["addon", found.addon],
      ["node", `${found.node} on ${found.platform}`],
      ["cpu", `${cpu.model} (${cpu.arch}; ${cpu.features.join(", ") || "no vector features"})`],
      ["distance tile", cpu.tile],
      ["threads", String(found.threads)],
      [
        "memory",
        `${bytes(memory.machine)}, ${memory.cgroup === null ? "no cgroup limit" : `cgroup limit ${bytes(memory.cgroup)}`}`,
      ],
      ["budget", `${bytes(memory.default)} unless --memory says otherwise`],
      ...backends(found.backends),
    ],
    0,
  );
}
