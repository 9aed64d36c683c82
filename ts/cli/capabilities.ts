/** `gigamapper capabilities`: what this build can do. */

import type { Command } from "commander";
import { capabilities } from "../capabilities.js";
import type { Capabilities, Combination } from "../generated.js";
import { addManner, setAction } from "./command.js";
import { backends } from "./doctor.js";
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
      ...backends(found.backends),
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
    section("a GPU compares", onGpu(found.combinations)),
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

/** The metrics of each method and its rows that a GPU takes where there is one, or why it takes none. */
function onGpu(all: Combination[]): string[][] {
  const asked = all.filter(({ backend, mode }) => backend === "cuda" && mode === "cross");
  const nameOf = ({ method, dtype }: Combination): string => `${method} of ${dtype}`;
  return [...new Set(asked.map(nameOf))].map((name) => {
    const cells = asked.filter((one) => nameOf(one) === name);
    const taken = cells.filter(({ runsOn }) => runsOn === "cuda").map(({ metric }) => metric);
    return [name, taken.length > 0 ? taken.join(", ") : `nothing: ${cells[0]?.reason ?? "no reason known"}`];
  });
}
