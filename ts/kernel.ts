/**
 * The kernel of two stores, as far as neighbours go: x is the reference and y the query, as in CellMapper. Weights are the
 * mapper's. It holds no data; the core streams from disk to disk.
 */

import type { Cells } from "./cells.js";
import type { Plan, RunReport } from "./generated.js";
import { withPaths } from "./held.js";
import { read, runTask } from "./job.js";
import { Lifetime } from "./lifetime.js";
import { LastNeighbors, type Neighbors } from "./neighbors.js";
import { encode, type Limits, type NeighborsOptions, type NeighborsPlanOptions, type Stores } from "./request.js";

/**
 * Finds the neighbours of cells, without mapping anything onto them.
 *
 * @example
 * await using kernel = new Kernel("atlas.zarr", "query.zarr");
 * await kernel.computeNeighbors({ nNeighbors: 30, output: "graph.zarr" });
 * for await (const { firstRow, indices } of kernel.neighbors.blocks()) console.log(firstRow, indices[0]);
 */
export class Kernel {
  readonly #stores: { query: Cells; reference: Cells };
  /** Whether it is of one store. */
  readonly #isWithin: boolean;
  readonly #limits: Limits;
  readonly #life = new Lifetime("kernel");
  readonly #last = new LastNeighbors();

  /**
   * @param xrep the reference cells: path of an AnnData, or cells in memory, which are copied at each call
   * @param yrep the query cells; none, or the reference itself, is the graph of one store. Without it `where` chooses cells of both sides, unless
   *   `referenceWhere` chooses others
   * @param limits memory and threads of every call; a call may set its own
   */
  constructor(xrep: Cells, yrep?: Cells | null, limits: Limits = {}) {
    this.#stores = { query: yrep ?? xrep, reference: xrep };
    this.#isWithin = yrep == null;
    this.#limits = limits;
  }

  /**
   * Finds the `nNeighbors` (default 30) nearest x cells of each y cell in `obsm/<useRep>` (default `X_pca`) by `metric` (default
   * `euclidean`), and stores `obsm/knn_indices` and `obsm/knn_distances` (n × k, ascending, padded with −1 and NaN) in a new
   * AnnData at `output`. Within one store the cell itself is counted by `nNeighbors` and not stored.
   *
   * With `graphs: ["yx", "xx", "yy", "xy"]` (x is the reference, y the query) the graphs within both stores and from x to y are kept beside it as
   * `<output>-xx.zarr` and so on: those in which {@link transfer} counts shared neighbours.
   *
   * How many of the true neighbours were found is measured, and is `recall` of the report; an exact search finds all.
   *
   * Rejects as {@link CellMapper.map} does.
   */
  async computeNeighbors(options: NeighborsOptions): Promise<RunReport> {
    const signals = this.#life.signals(options.signal);
    const request = { ...this.#limits, ...this.#sided(options), ...this.#stores };
    const report = await this.#life.during(neighborsUnder(signals, request));
    this.#last.found(report.output);
    return report;
  }

  /** What {@link Kernel.computeNeighbors} would do and cost with these options. Writes nothing and needs no `output`. */
  async plan(options: NeighborsPlanOptions = {}): Promise<Plan> {
    this.#life.refuseClosed();
    return await planNeighbors({ ...this.#limits, ...this.#sided(options), ...this.#stores });
  }

  /** The options with the condition of both sides, where they are one store: the core sees two that are named. */
  #sided<Options extends NeighborsPlanOptions>(options: Options): Options {
    return this.#isWithin ? { ...options, referenceWhere: options.referenceWhere ?? options.where } : options;
  }

  /** The neighbours that the last `computeNeighbors` stored; `GM_PARAM` where none has finished. */
  get neighbors(): Neighbors {
    return this.#last.get();
  }

  /** Cancels running jobs and waits until they have stopped cleanly. Calling it again is harmless. */
  async close(): Promise<void> {
    await Promise.all([this.#life.close(), this.#last.close()]);
  }

  /** {@link Kernel.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** {@link Kernel.computeNeighbors} of stores among the options; without a reference the core says what that is: the query, or the cells of an index. */
export async function neighborsUnder(signals: AbortSignal[], options: Stores & NeighborsOptions): Promise<RunReport> {
  const { query, reference, ...rest } = options;
  const stores = reference === undefined ? { query } : { query, reference };
  return await withPaths(stores, (paths) => runTask<RunReport>("neighbors", { ...rest, ...paths }, signals));
}

/** {@link Kernel.plan} of the same. */
export async function planNeighbors(options: Stores & NeighborsPlanOptions): Promise<Plan> {
  const { query, reference, ...rest } = options;
  const stores = reference === undefined ? { query } : { query, reference };
  return await withPaths(stores, (paths) => {
    const text = encode({ ...rest, ...paths });
    return read<Plan>("plan", options.signal, (addon) => addon.planNeighbors(text));
  });
}
