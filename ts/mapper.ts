/**
 * The mapper: two stores, and the verbs that work on them. It holds no data and decides nothing; the core streams from
 * disk to disk. What it adds is a lifetime: closing it stops what it started.
 */

import type { Cells } from "./cells.js";
import type {
  EvaluateRequest,
  EvaluationReport,
  ExpressionEvaluation,
  JointReport,
  LabelEvaluation,
  Plan,
  RunReport,
} from "./generated.js";
import { withPaths } from "./held.js";
import { read, runTask } from "./job.js";
import { Lifetime } from "./lifetime.js";
import { MappedStore } from "./mapped.js";
import { LastNeighbors, type Neighbors } from "./neighbors.js";
import { type ExternalPredictions, LatestPredictions } from "./predictions.js";
import {
  type CallOptions,
  type EvaluateOptions,
  type ExpressionTransferOptions,
  encode,
  type JointOptions,
  type LabelTransferOptions,
  type Limits,
  type MapOptions,
  type PlanOptions,
  type Stores,
  type TransferOptions,
} from "./request.js";
import { transferUnder } from "./transfer.js";

/**
 * Maps labels, numbers and embeddings from reference cells to query cells by weighted k-nearest neighbours.
 *
 * @example
 * await using mapper = new CellMapper("query.zarr", "atlas.zarr", { memory: "4GiB" });
 * const report = await mapper.map({ obsKeys: ["bulk_labels"], output: "labelled.zarr" });
 * console.log(report.statusCounts, await mapper.mapped.head(2));
 */
export class CellMapper {
  readonly #stores: Stores;
  readonly #limits: Limits;
  readonly #life = new Lifetime("mapper");
  readonly #last = new LastNeighbors();
  readonly #predictions = new LatestPredictions();

  /**
   * @param query the n query cells: path of an AnnData, or cells in memory, which are copied at each call
   * @param reference the reference cells, whose representation has as many columns as the query's; none, or the query
   *   itself, is self-mapping
   * @param limits memory and threads of every call; a call may set its own
   */
  constructor(query: Cells, reference?: Cells | null, limits: Limits = {}) {
    this.#stores = reference == null ? { query } : { query, reference };
    this.#limits = limits;
  }

  /**
   * Finds the `nNeighbors` (default 30) nearest reference cells of each query cell by `metric` (default `euclidean`) in
   * `obsm/<useRep>` (default `X_pca`; where neither store has that, one computed of `X` for this mapping, with a warning), exactly or with the `recall` that was asked for (`method`), weights them by the kernel (default `gauss`, exp(−d²/2σ²) with σ the mean of
   * all valid distances), and stores predictions in a new AnnData at `output`: `obs/<key>_pred` and `obs/<key>_conf`
   * (0 to 1) for categories, `obs/<key>_pred` for numbers, `obsm/<key>_pred` (n × columns, f32) for embeddings, beside
   * `obs/mapping_status`, `obsm/knn_indices` and `obsm/knn_distances` (n × k).
   *
   * Cells that cannot be mapped get a status, not an error.
   *
   * Rejects with a {@link GigamapperError}, before anything is written, when a key is missing (`GM_NOT_FOUND`), the
   * dimensions differ (`GM_SHAPE`), a store is not AnnData (`GM_SCHEMA`), a parameter is wrong (`GM_PARAM`), the
   * memory is too small (`GM_BUDGET`) or the output exists (`GM_EXISTS`); and when cancelled (`GM_CANCELLED`), which
   * leaves a store that `resume: true` continues.
   */
  async map(options: MapOptions): Promise<RunReport> {
    const signals = this.#life.signals(options.signal);
    const report = await this.#life.during(
      withPaths(this.#stores, (paths) => runTask<RunReport>("map", { ...this.#limits, ...options, ...paths }, signals)),
    );
    this.#last.found(report.output);
    this.#predictions.mapped(report.output);
    return report;
  }

  /**
   * Evaluates predictions that another tool made, from now on until the next `map`: those in `predictions` (default: the query itself), a
   * store or cells in memory with a row for each query cell. Nothing is read before they are evaluated.
   */
  registerExternalPredictions(keys: ExternalPredictions & { predictions?: Cells | undefined } = {}): void {
    const { predictions = this.#stores.query, ...named } = keys;
    this.#predictions.register(predictions, named);
  }

  /**
   * Compares predicted labels of the query cells, of the last `map` unless others are registered, with the true ones in the query's
   * `obs/<label>`: see {@link evaluate}. `GM_PARAM` where nothing is predicted yet.
   */
  async evaluateLabelTransfer(label: string, options: LabelTransferOptions = {}): Promise<LabelEvaluation> {
    const request = { ...this.#predictions.keys("labels"), ...options, label };
    return await this.#evaluate(request, (report) => report.labels);
  }

  /**
   * Compares predicted expression of the query cells, of the last `map` unless another is registered, with the query's own (`layerKey`, default
   * `X`), gene by gene: see {@link evaluate}.
   */
  async evaluateExpressionTransfer(options: ExpressionTransferOptions = {}): Promise<ExpressionEvaluation> {
    const request = { layerKey: "X", ...this.#predictions.keys("expression"), ...options };
    return await this.#evaluate(request, (report) => report.expression);
  }

  async #evaluate<T>(
    request: Pick<EvaluateRequest, "label" | "layerKey"> & Limits & CallOptions,
    found: (report: EvaluationReport) => T | null,
  ): Promise<T> {
    const signals = this.#life.signals(request.signal);
    const stores = { ...this.#predictions.stores(), truth: this.#stores.query };
    const report = await this.#life.during(
      withPaths(stores, (paths) => {
        const options: EvaluateOptions = { ...this.#limits, ...request, ...paths };
        return runTask<EvaluationReport>("evaluate", options, signals);
      }),
    );
    return found(report) as T;
  }

  /**
   * What `map` does behind its search, along `neighbors` that were found before, by a mapping of ours or by another tool: see {@link transfer}.
   * CellMapper's `load_precomputed_distances`, and `Kernel.from_distances`, between two stores, too.
   */
  async transfer(options: TransferOptions): Promise<RunReport> {
    const signals = this.#life.signals(options.signal);
    const report = await this.#life.during(transferUnder(signals, { ...this.#limits, ...options, ...this.#stores }));
    this.#last.found(report.output);
    this.#predictions.mapped(report.output);
    return report;
  }

  /** What {@link CellMapper.map} would do and cost with these options: memory, disk, passes, what is stored where.
   * Writes nothing and needs no `output`. Rejects as `map` does before it starts. */
  async plan(options: PlanOptions = {}): Promise<Plan> {
    this.#life.refuseClosed();
    return await withPaths(this.#stores, (paths) => {
      const text = encode({ ...this.#limits, ...options, ...paths });
      return read<Plan>("plan", options.signal, (addon) => addon.plan(text));
    });
  }

  /** {@link computeJointPca} of these stores. */
  async computeJointPca(options: JointOptions): Promise<JointReport> {
    return await this.#compute("joint_pca", options);
  }

  /** {@link computeFastCca} of these stores. */
  async computeFastCca(options: JointOptions): Promise<JointReport> {
    return await this.#compute("fast_cca", options);
  }

  async #compute(method: string, options: JointOptions): Promise<JointReport> {
    const signals = this.#life.signals(options.signal);
    const all = { ...this.#limits, method, ...options };
    return await this.#life.during(
      withPaths(this.#stores, (paths) => runTask<JointReport>("joint", { ...all, ...paths }, signals)),
    );
  }

  /** The neighbours that the last `map` stored; `GM_PARAM` where none has finished. */
  get neighbors(): Neighbors {
    return this.#last.get();
  }

  /** The cells that the last `map` stored, column by column; `GM_PARAM` where none has finished. */
  get mapped(): MappedStore {
    return new MappedStore(this.#last.get().path);
  }

  /** Cancels running jobs and waits until they have stopped cleanly. Calling it again is harmless. */
  async close(): Promise<void> {
    await Promise.all([this.#life.close(), this.#last.close()]);
  }

  /** {@link CellMapper.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** One mapping in one call: {@link CellMapper.map} with the stores among the options. */
export async function map(options: Stores & MapOptions): Promise<RunReport> {
  const { query, reference, ...rest } = options;
  await using mapper = new CellMapper(query, reference);
  return await mapper.map(rest);
}

/** What {@link map} would do and cost: {@link CellMapper.plan} with the stores among the options. */
export async function plan(options: Stores & PlanOptions): Promise<Plan> {
  const { query, reference, ...rest } = options;
  await using mapper = new CellMapper(query, reference);
  return await mapper.plan(rest);
}
