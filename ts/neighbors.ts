/**
 * A stored graph: what it holds, and its rows in blocks. The core reads; nothing of the graph stays in memory but the block that
 * the caller has.
 */

import { wrongParameter } from "./errors.js";
import type { GraphDescription } from "./generated.js";
import { settled, waited } from "./job.js";
import { Lifetime } from "./lifetime.js";
import { type NativeGraphReader, native } from "./native.js";
import type { CallOptions } from "./request.js";

/** Neighbours of consecutive query rows, ascending by distance. The arrays are the caller's. */
export interface NeighborBlock {
  /** Number of the first query row of the block, from 0. */
  firstRow: number;
  /** Rows of the reference, row-major, rows × `k`; −1 is padding. `BigInt64Array` from 2^31 reference rows on. */
  indices: Int32Array | BigInt64Array;
  /** Distances in the metric of the run, row-major, rows × `k`; NaN is padding. */
  distances: Float32Array;
  /** Neighbours of each row. */
  k: number;
}

/** Options of {@link Neighbors.blocks}. */
export interface BlockOptions extends CallOptions {
  /** Rows of a block, the last one's excepted. Default, and the most there may be: as many as fit in 64 MiB. */
  rows?: number | undefined;
}

/**
 * The neighbours in a store that `map` or `computeNeighbors` wrote.
 *
 * @example
 * await using neighbors = new Neighbors("mapped.zarr");
 * for await (const { firstRow, indices, distances, k } of neighbors.blocks()) {
 *   console.log(`the nearest of cell ${firstRow} is ${indices[0]}, at ${distances[0]}; its farthest at ${distances[k - 1]}`);
 * }
 */
export class Neighbors {
  /** Path of the store. */
  readonly path: string;
  readonly #life = new Lifetime("neighbors");

  /** @param path the store; it is opened at the first use, and each use opens it anew */
  constructor(path: string) {
    this.path = path;
  }

  /** The neighbours at `path`, once they are known to be there and whole. Rejects as {@link Neighbors.describe}. */
  static async open(path: string, options: CallOptions = {}): Promise<Neighbors> {
    const neighbors = new Neighbors(path);
    await neighbors.describe(options);
    return neighbors;
  }

  /**
   * Rows, width, type and number of reference rows.
   *
   * Rejects with `GM_NOT_FOUND` if there is no store, `GM_SCHEMA` if gigamapper did not write it or its run has not finished,
   * and `GM_UNSUPPORTED` if a newer version wrote it.
   */
  async describe(options: CallOptions = {}): Promise<GraphDescription> {
    const signals = this.#life.signals(options.signal);
    const described = await waited("read", signals, ({ GraphReader }) => new GraphReader(this.path).describe());
    return JSON.parse(described) as GraphDescription;
  }

  /**
   * All rows in order, in blocks of at most 64 MiB. Leaving the loop closes the store.
   *
   * Rejects as {@link Neighbors.describe}, with `GM_CORRUPT` if a stored row cannot be what was written, `GM_PARAM` if `rows` is
   * not a whole number from 1 to the most there may be, and `GM_CANCELLED` when the signal fires or the neighbours are closed.
   */
  async *blocks(options: BlockOptions = {}): AsyncGenerator<NeighborBlock, void, undefined> {
    const { rows, signal } = options;
    if (rows !== undefined && !Number.isSafeInteger(rows)) throw wrongParameter("rows", rows, "a whole number");
    const signals = this.#life.signals(signal);
    const { GraphReader } = await native();
    const reader = settled(() => new GraphReader(this.path));
    try {
      yield* this.#read(reader, rows, signals);
    } finally {
      settled(() => reader.close());
    }
  }

  async *#read(
    reader: NativeGraphReader,
    rows: number | undefined,
    signals: AbortSignal[],
  ): ReturnType<typeof this.blocks> {
    const described = await waited("read", signals, () => reader.describe());
    const { rows: all } = JSON.parse(described) as GraphDescription;
    let next = 0;
    do {
      const { firstRow, indices, distances, k } = await waited("read", signals, () => reader.read(next, rows));
      if (distances.length > 0) yield { firstRow, indices, distances, k };
      next = firstRow + distances.length / k;
    } while (next < all);
  }

  /** Ends loops over blocks with `GM_CANCELLED`. Calling it again is harmless. */
  async close(): Promise<void> {
    await this.#life.close();
  }

  /** {@link Neighbors.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The neighbours that the last run of a handle stored. */
export class LastNeighbors {
  #last: Neighbors | undefined;

  /** A run has stored neighbours at `path`. */
  found(path: string): void {
    this.#last = new Neighbors(path);
  }

  /** Them; `GM_PARAM` where no run has finished. */
  get(): Neighbors {
    if (this.#last) return this.#last;
    const reason = "nothing has been run yet; new Neighbors(path) reads a store that is there";
    throw wrongParameter("neighbors", "", reason);
  }

  /** Closes them. */
  async close(): Promise<void> {
    await this.#last?.close();
  }
}
