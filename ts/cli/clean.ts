/** `gigamapper clean PATH…`: what interrupted work has left. */

import type { Command } from "commander";
import { clean } from "../clean.js";
import type { CleanReport } from "../generated.js";
import { bytes, counted } from "../sentence.js";
import { addManner, setAction } from "./command.js";
import { table } from "./table.js";
import type { Manner } from "./terminal.js";

/** Adds the command. */
export function registerClean(program: Command): void {
  const command = program
    .command("clean")
    .description("stale locks, temporary files, runs and journals that interrupted work has left")
    .argument("<paths...>", "stores, indexes, or folders below which they are")
    .addHelpText(
      "after",
      "\nOnly tells what it would remove, unless --yes is given. Finished stores and indexes are never removed, nor is what a\n" +
        "process is writing; unfinished ones only with --unfinished, because --resume goes on with them.\n" +
        "\nExamples:\n  gigamapper clean results\n  gigamapper clean results --yes",
    )
    .option("--yes", "remove it")
    .option("--unfinished", "unfinished stores and indexes too");
  addManner(command);
  setAction<Manner & { yes?: boolean; unfinished?: boolean }>(
    command,
    async ({ terminal, signal }, { yes, unfinished }, paths) => {
      const report = await clean(paths, { yes, unfinished, signal });
      terminal.data(report, () => render(report));
    },
  );
}

function render({ leftovers, bytes: size, removed, kept }: CleanReport): string {
  const lines = [];
  if (leftovers.length === 0) lines.push("nothing to remove");
  else {
    const end = removed ? "" : "; --yes removes it";
    lines.push(`${removed ? "removed" : "found"} ${counted(leftovers.length, "leftover")}, ${bytes(size)}${end}`);
    lines.push(table(leftovers.map(({ kind, path, bytes: length }) => [kind, path, bytes(length)])));
  }
  if (kept.length > 0) lines.push("kept", table(kept.map(({ path, reason }) => [path, reason])));
  return lines.join("\n");
}
