/** `gigamapper plan`: what `map`, `neighbors` or `index` would do and cost. */

import { Argument, type Command } from "commander";
import type { IndexPlan, IndexRequest, MapRequest, MemoryPlan, NeighborsRequest, Plan, Side } from "../generated.js";
import { Kernel } from "../kernel.js";
import { plan } from "../mapper.js";
import { ReferenceIndex } from "../reference-index.js";
import { bytes, count, counted, describe, seconds } from "../sentence.js";
import { addManner, setAction } from "./command.js";
import { list } from "./options.js";
import { addMapping, type Given, readMapping, readRequest } from "./request.js";
import { table } from "./table.js";
import type { Terminal } from "./terminal.js";

/** Adds the command. */
export function registerPlan(program: Command): void {
  const command = program
    .command("plan")
    .description("what a command would do and cost with the same options; writes nothing")
    .addArgument(new Argument("[command]", "which one").choices(["map", "neighbors", "index"]).default("map"))
    .addHelpText(
      "after",
      "\nExamples:\n" +
        "  gigamapper plan --query query.zarr --reference atlas.zarr --obs-keys cell_type\n" +
        "  gigamapper plan neighbors --query query.zarr --reference atlas.zarr --method ivf\n" +
        "  gigamapper plan index --reference atlas.zarr --nlist 4096",
    );
  addMapping(command)
    .option("--graphs <names>", "of neighbors: yx or xx", list)
    .option("--append", "of index: append to it");
  addManner(command);
  setAction<Given<MapRequest & NeighborsRequest>>(command, async ({ terminal, signal }, options, [verb]) => {
    if (verb === "index") {
      const { reference = "", ...rest } = await readRequest<IndexRequest>(options as Given<IndexRequest>);
      show(terminal, await ReferenceIndex.plan(reference, { ...rest, signal }), renderIndex);
    } else if (verb === "neighbors") {
      const { query = "", reference, ...rest } = await readRequest<NeighborsRequest>(options);
      await using kernel = new Kernel(reference ?? query, query);
      show(terminal, await kernel.plan({ ...rest, signal }), render);
    } else {
      show(terminal, await plan({ ...(await readMapping(options)), signal }), render);
    }
  });
}

function show<Planned extends { warnings: string[] }>(
  terminal: Terminal,
  planned: Planned,
  rendered: (planned: Planned) => string,
): void {
  for (const warning of planned.warnings) terminal.warn(warning);
  terminal.data(planned, () => rendered(planned));
}

function render(planned: Plan): string {
  const { layout, memory, parameters } = planned;
  const passes = planned.referencePasses === 1 ? "once" : counted(planned.referencePasses, "time");
  const sigma = parameters.bandwidth === null ? "" : `, sigma ${parameters.bandwidth}`;
  const both = parameters.symmetrize === "none" ? "" : `, both directions by ${parameters.symmetrize}`;
  return [
    `${planned.mode === "self" ? "Self-mapping" : "Mapping"}, ${counted(planned.k, "neighbor")} per cell`,
    table([
      ["query", side(planned.query)],
      ["reference", `${side(planned.reference)}, read ${passes}`],
      ["search", `${parameters.method}, ${parameters.metric} in ${parameters.useRep}: ${planned.methodReason}`],
      ...lists(planned),
      ["kernel", `${parameters.kernelMethod}${sigma}${both}`],
      ...steps(planned),
      ["distances", count(planned.pairs)],
      ["time", `about ${seconds(planned.estimatedSeconds)} on ${counted(planned.threads, "thread")}`],
      ...memoryRows(memory),
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

function renderIndex(planned: IndexPlan): string {
  const { parameters } = planned;
  return [
    `Index of ${counted(parameters.nlist, "list")}`,
    table([
      ["reference", side(planned.reference)],
      ["adds", counted(planned.addedRows, "cell")],
      ["lists", `${count(parameters.nlist)} of ${parameters.listDtype}, ${parameters.metric}, seed ${parameters.seed}`],
      ["time", `about ${seconds(planned.estimatedSeconds)} on ${counted(planned.threads, "thread")}`],
      ...memoryRows(planned.memory),
      ["reads", bytes(planned.readBytes)],
      ["disk", `at most ${bytes(planned.diskBytes)}, and ${bytes(planned.runBytes)} meanwhile`],
      ["run", planned.run],
    ]),
  ].join("\n");
}

/** The index of a search that has one. */
function lists({ search, parameters }: Plan): string[][] {
  if (search.nlist === null) return [];
  const probed =
    search.nprobe === null ? `as many visited as recall ${search.recall} needs` : `${search.nprobe} visited`;
  return [
    [
      "index",
      `${counted(search.nlist, "list")} of ${parameters.ivf?.listDtype}, ${probed}, in the order of ${search.order}`,
    ],
    ...repaired(parameters.ivf?.repair),
    ["", `at most ${bytes(search.indexBytes)}, and ${bytes(search.runBytes)} of intermediate files`],
  ];
}

/** What the plan says of diffusion, where there is more than one step. */
function steps({ search, parameters: { diffusion } }: Plan): string[][] {
  if (!diffusion) return [];
  return [
    ["steps", `${count(diffusion.t)}, ${diffusion.method}; at most ${bytes(search.runBytes)} of intermediate files`],
  ];
}

/** What the plan says of a repair, where there may be one. */
function repaired(when: string | undefined): string[][] {
  if (when === "always") return [["", "neighbors repaired by their neighbors"]];
  return when === "auto" ? [["", "neighbors repaired by their neighbors, if that costs less than more lists"]] : [];
}

function memoryRows(memory: MemoryPlan): string[][] {
  const parts = Object.entries(memory.parts)
    .sort(([, left], [, right]) => right - left)
    .map(([name, size]) => ["", `${bytes(size)} ${name}`]);
  return [["memory", `${bytes(memory.planned)} of ${bytes(memory.limit)}, of which`], ...parts];
}

function side({ path, nObs, dim, dtype }: Side): string {
  return `${path}: ${counted(nObs, "cell")} × ${count(dim)} (${dtype})`;
}
