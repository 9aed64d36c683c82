/** `gigamapper capabilities`: what this build can do. */

import type { Command } from "commander";
import { capabilities } from "../capabilities.js";
import type { Capabilities } from "../generated.js";
import { addManner, setAction } from "./command.js";
import { table } from "./table.js";
import type { Manner } from "./terminal.js";

/** Adds the command. */
export function registerCapabilities(program: Command): void {
  const command = program
    .command("capabilities")
    .description("methods, metrics, kernels and formats of this version, and back ends of this machine")
    .addHelpText(
      "after",
      "\nWhat options may be combined, as data for other programs. doctor tells more of the machine.\n" +
        "\nExamples:\n  gigamapper capabilities\n  gigamapper capabilities --json",
    );
  addManner(command);
  setAction<Manner>(command, async ({ terminal, signal }) => {
    const found = await capabilities({ signal });
    terminal.data(found, () => render(found));
  });
}

function render(found: Capabilities): string {
  const names = (all: string[]): string => all.join(", ");
  const section = (title: string, rows: string[][]): string => `${title}\n${table(rows)}`;
  const formats = (all: Capabilities["reads"]): string[][] =>
    all.map(({ name, endings, holds }) => [name, names(endings), holds]);
  return [
    section(`gigamapper ${found.version} for ${found.platform}`, [
      ["cpu", names([found.cpu.arch, ...found.cpu.features])],
      ["distance tile", found.cpu.tile],
      ...found.backends.map(({ name, available, reason }) => [
        `back end ${name}`,
        available ? "available" : `not available: ${reason ?? "no reason known"}`,
      ]),
      ["element types", names(found.dtypes)],
    ]),
    section(
      "search",
      found.methods.map(({ name, metrics, listDtypes, reranks }) => [
        name,
        names(metrics),
        listDtypes.length > 0 ? `lists of ${names(listDtypes)}` : "",
        reranks.length > 0 ? `rerank ${names(reranks)}` : "",
      ]),
    ),
    section(
      "kernels",
      found.kernels.map(({ name, betweenStores, withinStore, hasBandwidth }) => [
        name,
        names([...(betweenStores ? ["between stores"] : []), ...(withinStore ? ["within one"] : [])]),
        hasBandwidth ? "bandwidth can be pinned" : "",
      ]),
    ),
    section("reads", formats(found.reads)),
    section("writes", formats(found.writes)),
  ].join("\n");
}
