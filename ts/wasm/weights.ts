/** Weights of found neighbours, and the columns of the reference that they transfer. */

import { GigamapperError } from "../errors.js";
import { called, freed, type Glue } from "./module.js";
import type { MatrixInMemory } from "./run.js";
import type { SearchResult } from "./search.js";

/** The other graphs of a query and a reference, each of a search with as many neighbours. */
export interface OtherSearches {
  /** Within the reference: of `searchWithin`. */
  xx: SearchResult;
  /** Within the query: of `searchWithin` of an `ExactReference` of the query cells. */
  yy: SearchResult;
  /** From each reference cell to the query: a search of that by the reference cells. */
  xy: SearchResult;
}

/** How neighbours are weighed, as `map` has it. */
export interface WeighingOptions {
  /**
   * `gauss` (default), `scarches`, `scarches_local`, `inverse_distance`, `equal` or `random`; in self-mapping also `umap`, which is the default
   * there, and `adaptive_gauss`; and `jaccard`, `hnoca` and `hnoca_knn` in self-mapping, or with `graphs`.
   */
  kernelMethod?: string | undefined;
  /** σ of `gauss` and `scarches`, in units of distance. Default: from all distances. */
  bandwidth?: number | undefined;
  /** Seed of `random`. Default 0. */
  kernelSeed?: number | undefined;
  /** In self-mapping, how both directions of an edge become one weight: `max` (default), `mean` or `none`. */
  symmetrize?: string | undefined;
  /** In self-mapping, whether a cell is its own neighbour too, at distance 0. Default true. */
  selfEdges?: boolean | undefined;
  /** The other graphs, for kernels that count shared neighbours between two sets of cells. */
  graphs?: OtherSearches | undefined;
}

/** A categorical column of the reference. */
export interface LabelColumn {
  /** A category for each reference cell, counted from 0, or −1 where it has none. */
  codes: Int32Array;
  /** What the codes stand for. */
  categories: readonly string[];
}

/** Labels that were voted for. */
export interface TransferredLabels {
  /** A category for each query cell, −1 where no neighbour has a label. */
  codes: Int32Array;
  /** Its share of the weight that counts, 0 to 1. */
  confidence: Float32Array;
  /** What the codes stand for. */
  categories: readonly string[];
}

/** Numbers that were averaged. */
export interface TransferredNumbers {
  /** Weighted mean for each query cell; NaN where no neighbour has a value. */
  means: Float64Array;
  /** Weighted standard deviation of the same neighbours. */
  deviations: Float64Array;
}

/**
 * Row-normalised weights of query cells on their neighbours. Made by `weigh` of a search; close it when nothing more is transferred.
 */
export class WeightsInMemory {
  readonly #memory: InstanceType<Glue["Memory"]>;
  #native: InstanceType<Glue["Weighed"]> | undefined;

  /** @internal */
  constructor(native: InstanceType<Glue["Weighed"]>, memory: InstanceType<Glue["Memory"]>) {
    this.#native = native;
    this.#memory = memory;
  }

  /** The bandwidth σ, in units of distance; null where the kernel has none. */
  get sigma(): number | null {
    return called(() => this.#open().sigma() ?? null);
  }

  /**
   * The weighted vote of the neighbours' labels (CellMapper's `map_obs` of a categorical column).
   *
   * @throws `GM_SHAPE` where there is not one code for each reference cell, `GM_PARAM` of a code that is no category.
   */
  labels({ codes, categories }: LabelColumn): TransferredLabels {
    this.#check("a column of labels", codes);
    const votes = called(() => this.#open().labels(codes, categories.length));
    try {
      return called(() => ({ codes: votes.codes(), confidence: votes.confidence(), categories }));
    } finally {
      freed(votes);
    }
  }

  /**
   * The weighted mean and standard deviation of the neighbours' numbers; NaN is missing.
   *
   * @throws `GM_SHAPE` where there is not one number for each reference cell.
   */
  numbers(numbers: Float64Array): TransferredNumbers {
    this.#check("a column of numbers", numbers);
    const both = called(() => this.#open().numbers(numbers));
    return { means: both.slice(0, both.length / 2), deviations: both.slice(both.length / 2) };
  }

  /**
   * The weighted mean of the neighbours' coordinates, rows × columns; NaN for a cell without neighbours.
   *
   * @throws `GM_SHAPE` where there is not one row for each reference cell.
   */
  embedding({ x, shape }: MatrixInMemory): MatrixInMemory {
    this.#check("an embedding", x);
    const values = called(() => this.#open().embedding(x, shape[1]));
    return { x: values, shape: [shape[1] === 0 ? 0 : values.length / shape[1], shape[1]] };
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

  #check(what: string, { byteLength }: ArrayBufferView): void {
    called(() => this.#memory.check(what, byteLength));
  }

  #open(): InstanceType<Glue["Weighed"]> {
    if (this.#native) return this.#native;
    const reason = "the weights were closed";
    throw new GigamapperError("GM_PARAM", reason, { name: "weights", value: "", reason });
  }
}
