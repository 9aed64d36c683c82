/**
 * One search: queries that found their neighbours, and are to be weighed. It owns what the module holds for them.
 */

import { GigamapperError } from "../errors.js";
import { called, freed, type Glue } from "./module.js";
import { found, type NeighborsInMemory } from "./run.js";
import { type WeighingOptions, WeightsInMemory } from "./weights.js";

/** Query cells whose neighbours are found. Close it when they are weighed. */
export class SearchResult {
  readonly #glue: Glue;
  readonly #memory: InstanceType<Glue["Memory"]>;
  readonly #referenceRows: number;
  readonly #k: number;
  #run: InstanceType<Glue["QueryRun"]> | undefined;

  /** @internal */
  constructor(
    glue: Glue,
    memory: InstanceType<Glue["Memory"]>,
    run: InstanceType<Glue["QueryRun"]>,
    { k, referenceRows }: { k: number; referenceRows: number },
  ) {
    this.#glue = glue;
    this.#memory = memory;
    this.#run = run;
    this.#k = k;
    this.#referenceRows = referenceRows;
  }

  /** The neighbours, as copies. */
  get neighbors(): NeighborsInMemory {
    return called(() => found(this.#open(), this.#k));
  }

  /**
   * Weighs the neighbours.
   *
   * @throws `GM_PARAM` of a kernel that is unknown or needs other graphs, or of a bandwidth, `symmetrize` or `selfEdges` that it does not have;
   * `GM_BUDGET` where the weights do not fit the memory.
   */
  weigh(options: WeighingOptions = {}): WeightsInMemory {
    const { kernelMethod, bandwidth, kernelSeed = 0, symmetrize, selfEdges, graphs } = options;
    const { Asked, Weighed } = this.#glue;
    const make = () => {
      const run = this.#open();
      const others = graphs && ([graphs.xx.#open(), graphs.yy.#open(), graphs.xy.#open()] as const);
      const asked = new Asked(kernelMethod, bandwidth, kernelSeed, symmetrize, selfEdges);
      if (!others) return new Weighed(run, asked, this.#referenceRows, this.#memory);
      return Weighed.among(run, asked, ...others, this.#referenceRows, this.#memory);
    };
    return new WeightsInMemory(called(make), this.#memory);
  }

  /** Gives its memory back. May be called again. */
  close(): void {
    freed(this.#run);
    this.#run = undefined;
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #open(): InstanceType<Glue["QueryRun"]> {
    if (this.#run) return this.#run;
    const reason = "the search was closed";
    throw new GigamapperError("GM_PARAM", reason, { name: "search", value: "", reason });
  }
}
