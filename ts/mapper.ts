/**
 * The mapper: two stores, and the verbs that work on them. It holds no data and decides nothing; the core streams from
 * disk to disk. What it adds is a lifetime: closing it stops what it started.
 */

import type { Cells } from "./cells.js";
import type { JointReport, Plan, RunReport } from "./generated.js";
import { withPaths } from "./held.js";
import { read, runTask } from "./job.js";
import { Lifetime } from "./lifetime.js";
import { LastNeighbors, type Neighbors } from "./neighbors.js";
import { encode, type JointOptions, type Limits, type MapOptions, type PlanOptions, type Stores } from "./request.js";

/**
 * Maps labels, numbers and embeddings from reference cells to query cells by weighted k-nearest neighbours.
 *
 * @example
 * await using mapper = new CellMapper("query.zarr", "atlas.zarr", { memory: "4GiB" });
 * const report = await mapper.map({ obsKeys: ["cell_type"], output: "mapped.zarr" });
 */
export class CellMapper {
  readonly #stores: Stores;
  readonly #limits: Limits;
  readonly #life = new Lifetime("mapper");
  readonly #last = new LastNeighbors();

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
