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
import { encode, type Limits, type NeighborsOptions, type NeighborsPlanOptions } from "./request.js";

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
  readonly #limits: Limits;
  readonly #life = new Lifetime("kernel");
  readonly #last = new LastNeighbors();

  /**
   * @param xrep the reference cells: path of an AnnData, or cells in memory, which are copied at each call
   * @param yrep the query cells; none, or the reference itself, is the graph of one store
   * @param limits memory and threads of every call; a call may set its own
   */
  constructor(xrep: Cells, yrep?: Cells | null, limits: Limits = {}) {
    this.#stores = { query: yrep ?? xrep, reference: xrep };
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
    const report = await this.#life.during(
      withPaths(this.#stores, (paths) =>
        runTask<RunReport>("neighbors", { ...this.#limits, ...options, ...paths }, signals),
      ),
    );
    this.#last.found(report.output);
    return report;
  }

  /** What {@link Kernel.computeNeighbors} would do and cost with these options. Writes nothing and needs no `output`. */
  async plan(options: NeighborsPlanOptions = {}): Promise<Plan> {
    this.#life.refuseClosed();
    return await withPaths(this.#stores, (paths) => {
      const text = encode({ ...this.#limits, ...options, ...paths });
      return read<Plan>("plan", options.signal, (addon) => addon.planNeighbors(text));
    });
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
