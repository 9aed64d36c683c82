/** `gigamapper plan`: what a command would do and cost. */

import { Argument, type Command } from "commander";
import { planDiffuse } from "../diffuse.js";
import type {
  BackendPlan,
  DiffuseRequest,
  IndexPlan,
  IndexRequest,
  JointPlan,
  JointRequest,
  MapRequest,
  MemoryPlan,
  NeighborsRequest,
  Plan,
  Side,
  TransferRequest,
} from "../generated.js";
import { planNeighbors } from "../kernel.js";
import { plan } from "../mapper.js";
import { ReferenceIndex } from "../reference-index.js";
import { planRepresentation } from "../representation.js";
import { bytes, count, counted, describe, seconds } from "../sentence.js";
import { planTransfer } from "../transfer.js";
import { addManner, setAction } from "./command.js";
import { list, number } from "./options.js";
import { addMapping, type Given, readMapping, readRequest, withSymmetrize } from "./request.js";
import { table } from "./table.js";
import type { Terminal } from "./terminal.js";

/** Whatever a command may be asked. */
type Asked = MapRequest & NeighborsRequest & TransferRequest & DiffuseRequest;

/** Adds the command. */
export function registerPlan(program: Command): void {
  const command = program
    .command("plan")
    .description("what a command would do and cost with the same options; writes nothing")
    .addArgument(
      new Argument("[command]", "which one")
        .choices(["map", "neighbors", "index", "transfer", "diffuse", "pca"])
        .default("map"),
    )
    .addHelpText(
      "after",
      "\nExamples:\n" +
        "  gigamapper plan --query query.zarr --reference atlas.zarr --obs-keys cell_type\n" +
        "  gigamapper plan neighbors --query query.zarr --reference atlas.zarr --method ivf\n" +
        "  gigamapper plan index --reference atlas.zarr --nlist 4096\n" +
        "  gigamapper plan transfer --neighbors graph.zarr --query query.zarr --reference atlas.zarr --obs-keys cell_type\n" +
        "  gigamapper plan pca --query query.zarr --reference atlas.zarr --n-comps 30",
    );
  addMapping(command)
    .option("--graphs <names>", "of neighbors: yx, and xx,yy,xy beside it", list)
    .option("--append", "of index: append to it")
    .option("--training <how>", "of index: thorough or brief")
    .option("--keep-graph <n>", "of index: neighbors of each cell that it keeps", number)
    .option("--bundle", "of index: with names and columns of the cells")
    .option("--neighbors <path>", "of transfer and diffuse: the neighbors, as there")
    .option("--neighbors-key <key>", "of transfer: key of the distances in obsp")
    .option("--store-neighbors", "of transfer and diffuse: store the neighbors too")
    .option("--neighbors-xx <path>", "of transfer: neighbors within the reference")
    .option("--neighbors-yy <path>", "of transfer: neighbors within the query")
    .option("--neighbors-xy <path>", "of transfer: neighbors of the reference in the query")
    .option("--layer <name>", "of pca: the matrix in both stores, X or the name of a layer (default: X)")
    .option("--mask-var <column>", "of pca: booleans in var of both stores, the genes to take")
    .option("--key-added <key>", "of pca: where components go in obsm (default: X_pca or X_cca)")
    .option("--solver <name>", "of pca: auto, gram or passes (default: auto)");
  addManner(command);
  setAction<Given<Asked>>(command, async ({ terminal, signal }, options, [verb]) => {
    if (verb === "index") {
      const { reference = "", ...rest } = await readRequest<IndexRequest>(options as Given<IndexRequest>);
      show(terminal, await ReferenceIndex.plan(reference, { ...rest, signal }), renderIndex);
    } else if (verb === "neighbors") {
      const { query = "", ...rest } = await readRequest<NeighborsRequest>(options);
      show(terminal, await planNeighbors({ ...rest, query, signal }), render);
    } else if (verb === "transfer") {
      const { query = "", neighbors = "", ...rest } = withSymmetrize(await readRequest<TransferRequest>(options));
      show(terminal, await planTransfer({ ...rest, query, neighbors, signal }), render);
    } else if (verb === "diffuse") {
      const { query = "", neighbors = "", ...rest } = withSymmetrize(await readRequest<DiffuseRequest>(options));
      show(terminal, await planDiffuse({ ...rest, query, neighbors, signal }), render);
    } else if (verb === "pca") {
      const { query = "", ...rest } = await readRequest<JointRequest>(options as Given<JointRequest>);
      show(terminal, await planRepresentation({ ...rest, query, signal }), renderJoint);
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
      ["search", `${searched(planned)}: ${planned.methodReason}`],
      ...lists(planned),
      ["back end", compares(planned.backend)],
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
      ...(planned.backend ? [["graph", `by the back end ${compares(planned.backend)}`]] : []),
      ["lists", `${count(parameters.nlist)} of ${parameters.listDtype}, ${parameters.metric}, seed ${parameters.seed}`],
      ["time", `about ${seconds(planned.estimatedSeconds)} on ${counted(planned.threads, "thread")}`],
      ...memoryRows(planned.memory),
      ["reads", bytes(planned.readBytes)],
      ["disk", `at most ${bytes(planned.diskBytes)}, and ${bytes(planned.runBytes)} meanwhile`],
      ["run", planned.run],
    ]),
  ].join("\n");
}

function renderJoint(planned: JointPlan): string {
  const reference = planned.reference ? [["reference", genes(planned.reference)]] : [];
  return [
    `${planned.method} of ${counted(planned.nGenes, "gene")}: ${counted(planned.nComps, "component")}`,
    table([
      ["query", genes(planned.query)],
      ...reference,
      ["solver", planned.solver],
      ["time", `about ${seconds(planned.estimatedSeconds)} on ${counted(planned.threads, "thread")}`],
      ...memoryRows(planned.memory),
      ["reads", `about ${bytes(planned.readBytes)}`],
      ["disk", `at most ${bytes(planned.diskBytes)}`],
      ["run", planned.run],
    ]),
    "It would store, of each store",
    table(planned.outputs.map((output) => [output.path, describe(output)])),
  ].join("\n");
}

/** How neighbours are sought, or that they are there. */
function searched({ parameters }: Plan): string {
  const { method, metric, useRep } = parameters;
  return method === "imported" ? "none" : `${method}, ${metric} in ${useRep}`;
}

/** What compares cells, and why. */
function compares({ name, reason, device }: BackendPlan): string {
  return `${name}: ${reason}${device === null ? "" : `; ${device}`}`;
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

/** A side of a mapping. Where nobody reads its representation it has no columns. */
function side({ path, nObs, dim, dtype }: Side): string {
  return `${path}: ${counted(nObs, "cell")}${dim > 0 ? ` × ${count(dim)} (${dtype})` : ""}`;
}

function genes({ path, nObs, dim, dtype }: Side): string {
  return `${path}: ${counted(nObs, "cell")} × ${counted(dim, "gene")} (${dtype})`;
}
