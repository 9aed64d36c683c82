/**
 * The options of calls, and their way into the addon.
 *
 * Defaults and checks are the core's: it refuses unknown fields and values out of range with `GM_PARAM`. Only what JSON
 * would silently change (NaN, bigint, functions) is refused here.
 */

import type { Cells } from "./cells.js";
import { wrongParameter } from "./errors.js";
import type {
  CleanRequest,
  DiffuseRequest,
  EvaluateRequest,
  IndexRequest,
  JointRequest,
  MapRequest,
  NeighborsRequest,
  PresenceRequest,
  RechunkRequest,
  TransferRequest,
  VerifyRequest,
} from "./generated.js";
import type { ProgressListener } from "./progress.js";

/** What every call takes. */
export interface CallOptions {
  /** Cancels the call: it rejects with code `GM_CANCELLED`, whose `name` is `AbortError`. */
  signal?: AbortSignal | undefined;
}

/** Options of {@link inspect}. */
export interface InspectOptions extends CallOptions {
  /** A condition on columns of `obs`: only cells for which it holds are described. Default all. */
  where?: string | undefined;
}

/** Limits of the process. They never change a result. */
export interface Limits {
  /** Bytes, or a size such as `"4GiB"`. Default: a quarter of the machine's (or cgroup's) memory, at least 256 MiB. */
  memory?: number | string | undefined;
  /** Worker threads. Default: all cores. */
  threads?: number | undefined;
}

/** What a call takes that runs for long. */
export interface ProgressOptions {
  /** Told of stage, rows, speed, time left and memory. If it throws, the run is cancelled and rejects with that. */
  onProgress?: ProgressListener | undefined;
}

/** Options of {@link CellMapper.plan}: every field of the request but the stores, which the mapper has. */
export interface PlanOptions
  extends Omit<MapRequest, "query" | "reference" | "memory" | "threads">,
    Limits,
    CallOptions {}

/** Options of {@link CellMapper.map}. `output` must be given. */
export interface MapOptions extends PlanOptions, ProgressOptions {}

/** Options of {@link planTransfer}: every field of the request but the stores. */
export interface TransferPlanOptions
  extends Omit<TransferRequest, "query" | "reference" | "memory" | "threads">,
    Limits,
    CallOptions {}

/** Options of {@link transfer}. `output` must be given. */
export interface TransferOptions extends TransferPlanOptions, ProgressOptions {}

/** Options of {@link MappingOperator.apply}: those of {@link transfer} without the neighbours. `output` must be given. */
export interface ApplyOptions extends Omit<TransferOptions, "neighbors" | "neighborsKey"> {}

/** Options of {@link Kernel.plan}: every field of the request but the stores, which the kernel has. */
export interface NeighborsPlanOptions
  extends Omit<NeighborsRequest, "query" | "reference" | "memory" | "threads">,
    Limits,
    CallOptions {}

/** Options of {@link Kernel.computeNeighbors}. `output` must be given. */
export interface NeighborsOptions extends NeighborsPlanOptions, ProgressOptions {}

/** Options of {@link ReferenceIndex.plan}: every field of the request but the reference. */
export interface IndexPlanOptions extends Omit<IndexRequest, "reference" | "memory" | "threads">, Limits, CallOptions {}

/** Options of {@link ReferenceIndex.build}. `output` must be given. */
export interface IndexOptions extends Omit<IndexPlanOptions, "append">, ProgressOptions {}

/** Options of {@link ReferenceIndex.append}. `output` must be given: the index. What its lists are is its own. */
export interface AppendOptions extends Pick<IndexRequest, "output" | "useRep">, Limits, CallOptions, ProgressOptions {}

/** Options of {@link rechunk}: every field of the request but the input. `output` must be given. */
export interface RechunkOptions
  extends Omit<RechunkRequest, "input" | "memory" | "threads">,
    Limits,
    CallOptions,
    ProgressOptions {}

/** Options of {@link planDiffuse}: every field of the request. */
export interface DiffusePlanOptions extends Omit<DiffuseRequest, "memory" | "threads">, Limits, CallOptions {}

/** Options of {@link diffuse}. `output` must be given. */
export interface DiffuseOptions extends DiffusePlanOptions, ProgressOptions {}

/** Options of {@link planRepresentation}: every field of the request but the stores. */
export interface JointPlanOptions
  extends Omit<JointRequest, "query" | "reference" | "memory" | "threads">,
    Limits,
    CallOptions {}

/** Options of {@link computeJointPca} and {@link computeFastCca}: every field of the request but stores and method. `output` must be given, and
 * with a reference `referenceOutput`. */
export interface JointOptions
  extends Omit<JointRequest, "query" | "reference" | "method" | "memory" | "threads">,
    Limits,
    CallOptions,
    ProgressOptions {}

/** Options of {@link presence}: every field of the request. `output` must be given. */
export interface PresenceOptions
  extends Omit<PresenceRequest, "memory" | "threads">,
    Limits,
    CallOptions,
    ProgressOptions {}

/** Options of {@link MappingOperator.presence}: those of {@link presence} without the stores. `output` must be given. */
export interface ScoreOptions extends Omit<PresenceOptions, "neighbors" | "reference" | "query"> {}

/** Options of {@link evaluate}: every field of the request. */
export interface EvaluateOptions
  extends Omit<EvaluateRequest, "memory" | "threads">,
    Limits,
    CallOptions,
    ProgressOptions {}

/** Options of {@link CellMapper.evaluateLabelTransfer}. The stores are the mapper's. */
export interface LabelTransferOptions
  extends Pick<EvaluateRequest, "where" | "prediction" | "confidence" | "confidenceCutoff">,
    Limits,
    CallOptions,
    ProgressOptions {}

/** Options of {@link CellMapper.evaluateExpressionTransfer}. The stores are the mapper's. */
export interface ExpressionTransferOptions
  extends Pick<
      EvaluateRequest,
      "where" | "layerKey" | "imputedKey" | "comparisonMethod" | "groupby" | "testVarKey" | "genes"
    >,
    Limits,
    CallOptions,
    ProgressOptions {}

/** Options of {@link verify}. */
export interface VerifyOptions extends CallOptions, ProgressOptions {
  /** Make a damaged store one that `resume` repairs. */
  repair?: VerifyRequest["repair"] | undefined;
}

/** Options of {@link clean}. */
export interface CleanOptions extends CallOptions {
  /** Remove what is found; else it is only told. */
  yes?: CleanRequest["yes"] | undefined;
  /** Unfinished stores and indexes too, with all that `resume` would go on with. */
  unfinished?: CleanRequest["unfinished"] | undefined;
}

/** The two stores of a mapping. */
export interface Stores {
  /** The query cells: path of an AnnData, or cells in memory. */
  query: Cells;
  /** The reference cells. None, or the query itself, is self-mapping. */
  reference?: Cells | undefined;
}

/** The request as the JSON text that the addon reads. */
export function encode(request: CallOptions & ProgressOptions & Limits): string {
  const { signal: _signal, onProgress: _onProgress, memory, ...rest } = request;
  return asText({ ...rest, memory: typeof memory === "number" ? asBytes(memory) : memory });
}

/** Fields as JSON text; `GM_PARAM` where that would change a value. */
export function asText(fields: object): string {
  return JSON.stringify(fields, (name, value: unknown) => {
    const lossy = typeof value === "bigint" || typeof value === "function" || typeof value === "symbol";
    if (lossy || (typeof value === "number" && !Number.isFinite(value))) {
      throw wrongParameter(name, value, "a finite number, string, boolean or list");
    }
    return value;
  });
}

function asBytes(memory: number): string {
  if (!Number.isSafeInteger(memory)) throw wrongParameter("memory", memory, "a whole number of bytes");
  return String(memory);
}
