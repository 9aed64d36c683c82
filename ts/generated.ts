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
 * Where the mapped store goes. `plan` works without it.
 */
output?: string, 
/**
 * Key in `obsm` of both stores. Default `X_pca`.
 */
useRep?: string, 
/**
 * Columns of the reference's `obs` to transfer.
 */
obsKeys?: Array<string>, 
/**
 * Keys of the reference's `obsm` to transfer.
 */
obsmKeys?: Array<string>, 
/**
 * Neighbours per cell, default 30; in self-mapping it counts the cell itself.
 */
nNeighbors?: number, 
/**
 * Default `gauss`.
 */
kernelMethod?: string, 
/**
 * Bandwidth of the kernel; default: the mean of all valid distances of the query.
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
 * Bytes, or a size such as `4GiB`; default a quarter of the machine's memory.
 */
memory?: string, 
/**
 * Worker threads; default all cores.
 */
threads?: number, 
/**
 * Continue an interrupted run of the same request.
 */
resume?: boolean, 
/**
 * Replace an earlier mapped store.
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
shape: number[], };

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
