/** `gigamapper plan`: what `map` would do and cost. */

import type { Command } from "commander";
import type { Plan, Side } from "../generated.js";
import { plan } from "../mapper.js";
import { bytes, count, describe, seconds } from "../sentence.js";
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
  const passes = planned.referencePasses === 1 ? "once" : `${count(planned.referencePasses)} times`;
  const parts = Object.entries(memory.parts).map(([name, size]) => `${name} ${bytes(size)}`);
  return [
    `${planned.mode === "self" ? "Self-mapping" : "Mapping"}, ${planned.k} neighbors per cell`,
    table([
      ["query", side(planned.query)],
      ["reference", `${side(planned.reference)}, read ${passes}`],
      ["search", `${parameters.method} ${parameters.metric} in ${parameters.useRep}: ${planned.methodReason}`],
      [
        "kernel",
        parameters.bandwidth === null
          ? parameters.kernelMethod
          : `${parameters.kernelMethod}, sigma ${parameters.bandwidth}`,
      ],
      ["pairs", count(planned.pairs)],
      ["time", `about ${seconds(planned.estimatedSeconds)} on ${planned.threads} threads`],
      ["memory", `${bytes(memory.planned)} of ${bytes(memory.limit)} (${parts.join(", ")})`],
      ["reads", bytes(planned.readBytes)],
      ["disk", `at most ${bytes(planned.diskBytes)}`],
      ["layout", `${count(layout.units)} units of ${count(layout.unitRows)} rows in ${count(layout.parts)} AnnData`],
      ["run", planned.run],
    ]),
    "It would store",
    table(planned.outputs.map((output) => [output.path, describe(output)])),
  ].join("\n");
}

function side({ path, nObs, dim, dtype }: Side): string {
  return `${path}: ${count(nObs)} cells × ${count(dim)} (${dtype})`;
}
