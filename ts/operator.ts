/**
 * The mapping matrix of stored neighbours, by what it does: CellMapper's class of that name. It holds no data and no weights; the core makes
 * the rows of the matrix from stored distances when it applies them, and streams.
 */

import type { Cells } from "./cells.js";
import type { PresenceReport, RunReport } from "./generated.js";
import { withPaths } from "./held.js";
import { runTask } from "./job.js";
import { Lifetime } from "./lifetime.js";
import { MappedStore } from "./mapped.js";
import { LastNeighbors, Neighbors } from "./neighbors.js";
import type { ApplyOptions, Limits, ScoreOptions, Stores } from "./request.js";
import { transferUnder } from "./transfer.js";

/**
 * Applies stored neighbours to columns, embeddings and expression: M·x, and within one store Mᵗ·x.
 *
 * @example
 * await new Kernel("atlas.zarr", "query.zarr").computeNeighbors({ output: "stored.zarr" });
 * await using operator = new MappingOperator("stored.zarr", { query: "query.zarr", reference: "atlas.zarr" });
 * await operator.apply({ obsKeys: ["bulk_labels"], output: "labels.zarr" });
 * await operator.apply({ obsmKeys: ["X_umap"], kernelMethod: "equal", output: "umap.zarr" });
 * console.log(await operator.mapped.head(2));
 */
export class MappingOperator {
  /** The graph. */
  readonly neighbors: Neighbors;
  readonly #stores: Stores;
  readonly #limits: Limits;
  readonly #life = new Lifetime("operator");
  readonly #last = new LastNeighbors();

  /**
   * @param neighbors the store of `map` or `neighbors` that has the graph
   * @param stores the query cells, n of them, and the reference cells that it is between; no reference is a graph within one store
   * @param limits memory and threads of every call; a call may set its own
   */
  constructor(neighbors: string, stores: { query: Cells; reference?: Cells | null }, limits: Limits = {}) {
    const { query, reference } = stores;
    this.neighbors = new Neighbors(neighbors);
    this.#stores = reference == null ? { query } : { query, reference };
    this.#limits = limits;
  }

  /**
   * Applies the matrix to columns of `obs`, keys of `obsm` or expression of the reference, weighted by the kernel (default `gauss`, within one
   * store `umap`), `t` times within one store, and stores the results in a new AnnData at `output`: see {@link transfer}. The graph and both stores
   * are never written to. Calls differ in what they apply and how it is weighted, and all take the same neighbours.
   */
  async apply(options: ApplyOptions): Promise<RunReport> {
    const signals = this.#life.signals(options.signal);
    const request = { ...this.#limits, ...options, ...this.#stores, neighbors: this.neighbors.path };
    const report = await this.#life.during(transferUnder(signals, request));
    this.#last.found(report.output);
    return report;
  }

  /** Sums its columns: how much of the query lies at each reference cell. See {@link presence}. Within one store `where` chooses cells of both sides. */
  async presence(options: ScoreOptions): Promise<PresenceReport> {
    const signals = this.#life.signals(options.signal);
    const { query, reference = query } = this.#stores;
    const { groupby, where, ...others } = options;
    // The query is read for its groups alone, and so is the condition that chooses its cells.
    const stores = groupby === undefined ? { reference } : { reference, query };
    const ofQuery = groupby === undefined ? {} : { groupby, where };
    const within = this.#stores.reference === undefined ? { referenceWhere: options.referenceWhere ?? where } : {};
    const request = { ...this.#limits, ...others, ...ofQuery, ...within, neighbors: this.neighbors.path };
    return await this.#life.during(
      withPaths(stores, (paths) => runTask<PresenceReport>("presence", { ...request, ...paths }, signals)),
    );
  }

  /** The cells that the last `apply` stored, column by column; `GM_PARAM` where none has finished. */
  get mapped(): MappedStore {
    return new MappedStore(this.#last.get().path);
  }

  /** Cancels running jobs and waits until they have stopped cleanly. Calling it again is harmless. */
  async close(): Promise<void> {
    await Promise.all([this.#life.close(), this.#last.close(), this.neighbors.close()]);
  }

  /** {@link MappingOperator.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
