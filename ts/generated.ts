/**
 * The types that cross between Rust and TypeScript. Written by a test of the core from its own types:
 * UPDATE_TYPES=1 cargo test typescript
 */

/**
 * A mapping request as it arrives from TypeScript, the command line or a configuration file. Unknown fields are refused.
 */
export type MapRequest = { 
/**
 * The query store: an AnnData zarr folder.
 */
query: string, 
/**
 * The reference store; none, or the query itself, is self-mapping.
 */
reference?: string, 
/**
 * Where the mapped store goes; `GM_EXISTS` if something is there. `plan` works without it.
 */
output?: string, 
/**
 * Key in `obsm` of both stores: cells × d numbers, the same d in both. Default `X_pca`.
 */
useRep?: string, 
/**
 * Columns of the reference's `obs` to transfer: labels and booleans are voted, numbers averaged. Default none.
 */
obsKeys?: Array<string>, 
/**
 * Keys of the reference's `obsm` to transfer, as weighted means. Default none.
 */
obsmKeys?: Array<string>, 
/**
 * Neighbours per cell, default 30; in self-mapping it counts the cell itself.
 */
nNeighbors?: number, 
/**
 * How distances become weights. Default, and the only one yet: `gauss`, exp(−d²/2σ²).
 */
kernelMethod?: string, 
/**
 * σ of the kernel, a distance above 0. Default: the mean of all valid distances of the query.
 */
bandwidth?: number, 
/**
 * `max`, `mean` or `none`. Only `none` is available yet.
 */
symmetrize?: string, 
/**
 * Whether a cell votes for itself in self-mapping; default true there.
 */
selfEdges?: boolean, 
/**
 * `none` (default) or `all`: store the weight of every category in `obsm/<key>_prob`.
 */
probabilities?: string, 
/**
 * Suffix of predicted columns, default `pred`.
 */
predictionPostfix?: string, 
/**
 * Suffix of confidence columns, default `conf`.
 */
confidencePostfix?: string, 
/**
 * `auto` (default) or `exact`.
 */
method?: string, 
/**
 * `euclidean` (default).
 */
metric?: string, 
/**
 * `auto` (default) or `cpu`.
 */
backend?: string, 
/**
 * Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
 * cgroup's, at least 256 MiB. `GM_BUDGET` says what would do.
 */
memory?: string, 
/**
 * Worker threads; default all cores.
 */
threads?: number, 
/**
 * Continue an interrupted run of the same request; `GM_STALE` if inputs or parameters differ.
 */
resume?: boolean, 
/**
 * Replace an earlier mapped store; anything else that is there stays `GM_EXISTS`.
 */
overwrite?: boolean, 
/**
 * Rows per inner chunk, shard and part; for tests of the layout.
 */
layout?: LayoutRequest, };

/**
 * Sizes of the output store's grid. They are recorded in the store.
 */
export type LayoutRequest = { 
/**
 * Most rows of an inner chunk, default 65 536.
 */
innerRows: number, 
/**
 * Most inner chunks of a unit, default 16.
 */
innerPerUnit: number, 
/**
 * Most rows of a part, a multiple of the unit's; default 2^24.
 */
partRows: number, };

/**
 * Parameters that change results, with every default filled in. Canonical: two equal runs have equal parameters.
 */
export type Parameters = { 
/**
 * Key in `obsm` of both stores.
 */
useRep: string, 
/**
 * Columns of `obs` to transfer.
 */
obsKeys: Array<string>, 
/**
 * Keys of `obsm` to transfer.
 */
obsmKeys: Array<string>, 
/**
 * As asked for: in self-mapping it counts the cell itself.
 */
nNeighbors: number, 
/**
 * The kernel.
 */
kernelMethod: string, 
/**
 * The bandwidth, where it was pinned.
 */
bandwidth: number | null, 
/**
 * `none`.
 */
symmetrize: string, 
/**
 * Whether a cell votes for itself.
 */
selfEdges: boolean, 
/**
 * `none` or `all`.
 */
probabilities: string, 
/**
 * Suffix of predicted columns.
 */
predictionPostfix: string, 
/**
 * Suffix of confidence columns.
 */
confidencePostfix: string, 
/**
 * The search method taken: `exact`.
 */
method: string, 
/**
 * The metric.
 */
metric: string, };

/**
 * A resolved run before it starts: nothing has been written.
 */
export type Plan = { 
/**
 * `cross` or `self`.
 */
mode: string, 
/**
 * The query side.
 */
query: Side, 
/**
 * The reference side.
 */
reference: Side, 
/**
 * Width of the stored neighbours: `nNeighbors`, less one in self-mapping; rows are padded where there are fewer cells.
 */
k: number, 
/**
 * What changes results.
 */
parameters: Parameters, 
/**
 * Why this search method.
 */
methodReason: string, 
/**
 * Grid of the output.
 */
layout: OutputLayout, 
/**
 * Query rows in flight.
 */
blockRows: number, 
/**
 * Reference rows in memory at a time.
 */
slabRows: number, 
/**
 * How often the reference is read.
 */
referencePasses: number, 
/**
 * Worker threads.
 */
threads: number, 
/**
 * Bytes of memory: the limit and what takes them.
 */
memory: MemoryPlan, 
/**
 * Bytes the output will take at most.
 */
diskBytes: number, 
/**
 * Bytes read from query and reference.
 */
readBytes: number, 
/**
 * Distances computed.
 */
pairs: number, 
/**
 * Rough seconds, from fixed constants per pair and byte.
 */
estimatedSeconds: number, 
/**
 * What will be stored where.
 */
outputs: Array<OutputArray>, 
/**
 * What the user should know before starting.
 */
warnings: Array<string>, 
/**
 * Hash of inputs, parameters and format: the same for the same result.
 */
run: string, };

/**
 * One side of a mapping.
 */
export type Side = { 
/**
 * The store.
 */
path: string, 
/**
 * Cells.
 */
nObs: number, 
/**
 * Columns of the representation.
 */
dim: number, 
/**
 * Its element type.
 */
dtype: string, };

/**
 * Rows per chunk, unit and part of the output.
 */
export type OutputLayout = { 
/**
 * Rows per inner chunk.
 */
innerRows: number, 
/**
 * Rows per shard and commit unit.
 */
unitRows: number, 
/**
 * Rows per AnnData.
 */
partRows: number, 
/**
 * Units in all.
 */
units: number, 
/**
 * AnnData groups: 1 means that the store itself is one.
 */
parts: number, };

/**
 * The memory model of a plan.
 */
export type MemoryPlan = { 
/**
 * The declared budget, bytes.
 */
limit: number, 
/**
 * What the plan takes at its highest, bytes.
 */
planned: number, 
/**
 * Its parts, bytes each.
 */
parts: Record<string, number>, };

/**
 * One array or column that the run stores.
 */
export type OutputArray = { 
/**
 * Path in the store, such as `obs/cell_type_pred`.
 */
path: string, 
/**
 * `categorical`, `numeric`, `array` or `string`.
 */
kind: string, 
/**
 * Its shape over all parts.
 */
shape: number[], 
/**
 * The stage that stores it: `join` or `transfer`.
 */
stage: string, };

/**
 * What a finished run did.
 */
export type RunReport = { 
/**
 * The mapped store.
 */
output: string, 
/**
 * The plan that was run.
 */
plan: Plan, 
/**
 * Query cells by `mapping_status`.
 */
statusCounts: Record<string, number>, 
/**
 * Per label column: query cells by status of that key.
 */
labelStatusCounts: Record<string, Record<string, number>>, 
/**
 * Reference rows left out because a coordinate is NaN or infinite.
 */
excludedReferenceRows: number, 
/**
 * Bandwidth used by the kernel; null when there was no valid distance.
 */
sigma: number | null, 
/**
 * Recall of the neighbours: 1 for an exact search.
 */
recall: number, 
/**
 * What was stored where.
 */
stored: Array<OutputArray>, 
/**
 * Seconds and bytes by stage.
 */
stages: Array<StageReport>, 
/**
 * Seconds in all.
 */
seconds: number, 
/**
 * Peak memory of the process, bytes.
 */
peakMemory: number, 
/**
 * Units that an earlier, interrupted run had committed.
 */
resumedUnits: number, 
/**
 * What the user should know.
 */
warnings: Array<string>, };

/**
 * Time and traffic of one stage.
 */
export type StageReport = { 
/**
 * `preflight`, `join`, `transfer`, `finalise`.
 */
stage: string, 
/**
 * Wall seconds.
 */
seconds: number, 
/**
 * Bytes written to the output.
 */
bytesWritten: number, };

/**
 * One report of a running stage.
 */
export type ProgressEvent = { 
/**
 * The stage: `preflight`, `join`, `transfer`, `finalise`.
 */
stage: string, 
/**
 * Query rows done.
 */
done: number, 
/**
 * Query rows of the whole stage.
 */
total: number, 
/**
 * Rows a second since the stage began.
 */
rowsPerSecond: number, 
/**
 * Seconds left at that speed; null until it is known.
 */
eta: number | null, 
/**
 * Anonymous memory of the process, bytes.
 */
memory: number, };

/**
 * A described store.
 */
export type Inspection = { 
/**
 * `zarr`.
 */
format: string, 
/**
 * 3.
 */
zarrFormat: number, 
/**
 * `encoding-version` of the AnnData.
 */
encodingVersion: string, 
/**
 * Cells.
 */
nObs: number, 
/**
 * Genes.
 */
nVars: number, 
/**
 * Names of the first cells, at most three.
 */
obsNamesFirst: Array<string>, 
/**
 * Columns of `obs`.
 */
obs: { [key in string]: ColumnReport }, 
/**
 * Members of `obsm`: `array`, `dataframe` or `sparse`.
 */
obsm: { [key in string]: MatrixReport }, 
/**
 * `X` and every layer: `dense`, `csr` or `csc`.
 */
layers: { [key in string]: MatrixReport }, 
/**
 * What is there but not read.
 */
skipped: Array<SkippedNode>, 
/**
 * Storage of every array.
 */
arrays: { [key in string]: ArrayReport }, };

/**
 * A column of `obs`.
 */
export type ColumnReport = { 
/**
 * As pandas names it: `category`, `float32`, `Int64`, `bool`.
 */
dtype: string, 
/**
 * What can be done with it; `other` is not read.
 */
kind: "categorical" | "numeric" | "boolean" | "string" | "datetime" | "other", 
/**
 * Cells without a value: missing codes, masked values and NaN.
 */
missing: number, 
/**
 * Labels of the categories.
 */
categories?: Array<string>, 
/**
 * Whether their order means something.
 */
ordered?: boolean, 
/**
 * Sum of a numeric column without what is missing.
 */
sum?: number, 
/**
 * Cells that are true in a boolean column.
 */
true?: number, };

/**
 * A member of `obsm` or `layers`.
 */
export type MatrixReport = { 
/**
 * How it is stored.
 */
kind: string, 
/**
 * Rows and columns.
 */
shape: number[], 
/**
 * Element type; null for a data frame.
 */
dtype: string | null, 
/**
 * Stored values of a sparse matrix; null for others.
 */
nnz: number | null, };

/**
 * Something that is not read.
 */
export type SkippedNode = { 
/**
 * Path in the store.
 */
path: string, 
/**
 * Why.
 */
reason: string, };

/**
 * How an array is stored.
 */
export type ArrayReport = { 
/**
 * Shape of an inner chunk: what is decoded at once.
 */
chunks: number[], 
/**
 * Shape of a shard; null without shards.
 */
shards: number[] | null, 
/**
 * Compression: `raw`, `zstd`, `blosc`, `gzip`.
 */
codec: string, 
/**
 * Elements decoded for each element wanted, where 65 536 rows are read on their own. gigamapper's tiles follow the
 * chunks and decode each once.
 */
readAmplification: number, };

/**
 * CPU, memory and back ends as a run would find them.
 */
export type Doctor = { 
/**
 * Version of gigamapper's core.
 */
version: string, 
/**
 * The processor.
 */
cpu: Cpu, 
/**
 * Cores that a run takes by default.
 */
threads: number, 
/**
 * Memory, bytes.
 */
memory: MachineMemory, 
/**
 * Back ends and whether they can be used.
 */
backends: Array<BackendState>, };

/**
 * The processor, and what the distance tile uses of it.
 */
export type Cpu = { 
/**
 * `x86_64`, `aarch64`, …
 */
arch: string, 
/**
 * The maker's name for it, where the system tells.
 */
model: string, 
/**
 * Instruction sets that matter here and are present.
 */
features: Array<string>, 
/**
 * Lane of the distance tile: `avx2` or `scalar`.
 */
tile: string, };

/**
 * Memory of the machine, bytes.
 */
export type MachineMemory = { 
/**
 * What this process may use at most.
 */
machine: number, 
/**
 * Limit of its cgroup, where there is one.
 */
cgroup: number | null, 
/**
 * Budget of a run that names none.
 */
default: number, };

/**
 * A back end and why it cannot be used, if it cannot.
 */
export type BackendState = { 
/**
 * `cpu` or `cuda`.
 */
name: string, 
/**
 * Whether a run can use it.
 */
available: boolean, 
/**
 * Why not.
 */
reason: string | null, };
