/** A reference in memory, searched whole. */

import { GigamapperError } from "../errors.js";
import { called, freed, type Glue, glue } from "./module.js";
import { columns, count, inBlocks, type MatrixInMemory, MEMORY, type WasmCallOptions } from "./run.js";
import { SearchResult } from "./search.js";

/** Pairs of a block: some tenths of a second. */
const BLOCK_PAIRS = 4e7;
/** Queries that the core takes at a time. */
const CHUNK = 192;

/** What a reference is searched by. */
export interface ExactReferenceOptions {
  /** `euclidean` (default), `sqeuclidean`, `cosine` or `inner_product`. */
  metric?: string | undefined;
  /** Bytes that the reference and its searches may take. Default 2 GiB. */
  memory?: number | undefined;
}

/** What is sought. */
export interface SearchOptions extends Omit<WasmCallOptions, "memory"> {
  /** Neighbours of each cell. Default 30. */
  nNeighbors?: number | undefined;
}

/**
 * Reference cells in memory, packed once for any number of searches. Neighbours are the true ones, and the same as those of `map` with
 * `method: "exact"`, to the bit. Needs about twice the bytes of the cells.
 *
 * @example
 * using reference = await ExactReference.of({ x: new Float32Array(5000 * 50), shape: [5000, 50] });
 * using search = await reference.search({ x: new Float32Array(100 * 50), shape: [100, 50] });
 * console.log(search.neighbors.indices);
 */
export class ExactReference {
  readonly #glue: Glue;
  readonly #memory: InstanceType<Glue["Memory"]>;
  readonly #metric: string;
  /** Cells. */
  readonly rows: number;
  #native: InstanceType<Glue["ExactReference"]> | undefined;

  private constructor(
    glue: Glue,
    memory: InstanceType<Glue["Memory"]>,
    native: InstanceType<Glue["ExactReference"]>,
    { metric, rows }: { metric: string; rows: number },
  ) {
    this.#glue = glue;
    this.#memory = memory;
    this.#native = native;
    this.#metric = metric;
    this.rows = rows;
  }

  /**
   * Packs reference cells. They are copied.
   *
   * @throws `GM_PARAM` of a shape that does not fit, an unknown metric or no cells, `GM_BUDGET` where they do not fit the memory.
   */
  static async of(
    matrix: MatrixInMemory,
    { metric = "euclidean", memory = MEMORY }: ExactReferenceOptions = {},
  ): Promise<ExactReference> {
    const dim = columns("reference", matrix);
    const module = await glue();
    const budget = new module.Memory(memory);
    called(() => budget.check("the reference", matrix.x.byteLength));
    const native = called(() => new module.ExactReference(matrix.x, dim, metric, budget));
    return new ExactReference(module, budget, native, { metric, rows: matrix.shape[0] });
  }

  /**
   * Finds the nearest reference cells of query cells.
   *
   * @throws `GM_SHAPE` where columns differ, `GM_BUDGET`, and `GM_CANCELLED` after the block at hand.
   */
  async search(query: MatrixInMemory, options: SearchOptions = {}): Promise<SearchResult> {
    const dim = columns("query", query);
    const k = count("nNeighbors", options.nNeighbors ?? 30);
    const { QueryRun } = this.#glue;
    called(() => this.#memory.check("the queries", query.x.byteLength));
    const run = called(() => new QueryRun(query.x, dim, k, this.#metric, this.#memory));
    return await this.#join(run, { rows: query.shape[0], k }, options);
  }

  /**
   * Finds the nearest other cells of each reference cell: self-mapping. `nNeighbors` counts the cell itself there, so that one less is found.
   *
   * @throws `GM_PARAM` of fewer than 2 neighbours, `GM_BUDGET`, and `GM_CANCELLED` after the block at hand.
   *
   * @example
   * using cells = await ExactReference.of({ x: Float32Array.from({ length: 5000 }, Math.random), shape: [100, 50] });
   * using search = await cells.searchWithin({ nNeighbors: 15 });
   * using weights = search.weigh({ kernelMethod: "umap" });
   * console.log(weights.numbers(new Float64Array(100)).means);
   */
  async searchWithin(options: SearchOptions = {}): Promise<SearchResult> {
    const k = count("nNeighbors", options.nNeighbors ?? 30) - 1;
    const run = called(() => this.#open().own_run(k + 1, this.#memory));
    return await this.#join(run, { rows: this.rows, k }, options);
  }

  /** Joins all queries of a run. */
  async #join(
    run: InstanceType<Glue["QueryRun"]>,
    { rows, k }: { rows: number; k: number },
    options: SearchOptions,
  ): Promise<SearchResult> {
    const each = Math.max(1, Math.min(64, Math.floor(BLOCK_PAIRS / this.rows / CHUNK))) * CHUNK;
    try {
      await inBlocks("join", { rows, each }, options, (_, some) => called(() => this.#open().join(run, some)));
    } catch (error) {
      freed(run);
      throw error;
    }
    return new SearchResult(this.#glue, this.#memory, run, { k, referenceRows: this.rows });
  }

  /** Gives its memory back. May be called again. */
  close(): void {
    freed(this.#native);
    this.#native = undefined;
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #open(): InstanceType<Glue["ExactReference"]> {
    if (this.#native) return this.#native;
    const reason = "the reference was closed";
    throw new GigamapperError("GM_PARAM", reason, { name: "reference", value: "", reason });
  }
}
