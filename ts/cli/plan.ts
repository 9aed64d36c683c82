/** `gigamapper plan`: what `map` would do and cost. */

import type { Command } from "commander";
import type { Plan, Side } from "../generated.js";
import { plan } from "../mapper.js";
import { bytes, count, counted, describe, seconds } from "../sentence.js";
import { addManner, setAction } from "./command.js";
import { addRequest, type RequestOptions, readRequest } from "./request.js";
import { table } from "./table.js";

/** Adds the command. */
export function registerPlan(program: Command): void {
  const command = program
    .command("plan")
    .description("what map would do and cost with the same options; writes nothing");
  addManner(addRequest(command));
  setAction<RequestOptions>(command, async ({ terminal, signal }, options) => {
    const planned = await plan({ ...(await readRequest(options)), signal });
    for (const warning of planned.warnings) terminal.warn(warning);
    terminal.data(planned, () => render(planned));
  });
}

function render(planned: Plan): string {
  const { layout, memory, parameters } = planned;
  const passes = planned.referencePasses === 1 ? "once" : counted(planned.referencePasses, "time");
  const sigma = parameters.bandwidth === null ? "" : `, sigma ${parameters.bandwidth}`;
  const parts = Object.entries(memory.parts)
    .sort(([, left], [, right]) => right - left)
    .map(([name, size]) => ["", `${bytes(size)} ${name}`]);
  return [
    `${planned.mode === "self" ? "Self-mapping" : "Mapping"}, ${counted(planned.k, "neighbor")} per cell`,
    table([
      ["query", side(planned.query)],
      ["reference", `${side(planned.reference)}, read ${passes}`],
      ["search", `${parameters.method}, ${parameters.metric} in ${parameters.useRep}: ${planned.methodReason}`],
      ["kernel", `${parameters.kernelMethod}${sigma}`],
      ["distances", count(planned.pairs)],
      ["time", `about ${seconds(planned.estimatedSeconds)} on ${counted(planned.threads, "thread")}`],
      ["memory", `${bytes(memory.planned)} of ${bytes(memory.limit)}, of which`],
      ...parts,
      ["reads", bytes(planned.readBytes)],
      ["disk", `at most ${bytes(planned.diskBytes)}`],
      [
        "layout",
        `${counted(layout.units, "unit")} of ${count(layout.unitRows)} rows in ${count(layout.parts)} AnnData`,
      ],
      ["run", planned.run],
    ]),
    "It would store",
    table(planned.outputs.map((output) => [output.path, describe(output)])),
  ].join("\n");
}

function side({ path, nObs, dim, dtype }: Side): string {
  return `${path}: ${counted(nObs, "cell")} × ${count(dim)} (${dtype})`;
}
