/**
 * What `scripts/wasm.mjs` puts beside the compiled library as `glue.js`, as far as it is used here: crates/wasm-binding by way of
 * wasm-bindgen. JSON text and arrays cross; a call that is refused throws JSON text.
 */

/** Loads the module, once. */
export default function start(input: { module_or_path: unknown }): Promise<unknown>;

/** Puts a new instance in the place of one that stopped. */
export function __wbg_reset_state(): void;

interface Handle {
  free(): void;
}

/** Bytes that calls may take together. */
export class Memory implements Handle {
  constructor(bytes: number);
  check(what: string, bytes: number): void;
  free(): void;
}

/** Queries and their neighbours. */
export class QueryRun implements Handle {
  constructor(values: Float32Array, dim: number, k: number, metric: string, memory: Memory);
  done(): number;
  indices(): Float64Array;
  distances(): Float32Array;
  statuses(): Uint8Array;
  free(): void;
}

/** A reference in memory. */
export class ExactReference implements Handle {
  constructor(values: Float32Array, dim: number, metric: string, memory: Memory);
  own_run(nNeighbors: number, memory: Memory): QueryRun;
  join(run: QueryRun, rows: number): void;
  free(): void;
}

/** An index that is elsewhere. */
export class FetchedIndex implements Handle {
  constructor(place: string, manifest: Uint8Array, files: Uint8Array, lengths: Uint32Array, memory: Memory);
  static small_files(place: string, manifest: Uint8Array): string;
  description(): string;
  begin(codesFirst: boolean): void;
  route(run: QueryRun, first: number, rows: number, nprobe: number): void;
  fetch(): string;
  select(run: QueryRun, first: number, rows: number, nprobe: number): void;
  fetch_rows(): string;
  give(codes: boolean, offset: number, bytes: Uint8Array): void;
  join(run: QueryRun, rows: number, nprobe: number): boolean;
  free(): void;
}

/** How neighbours are weighed. A call that is given one has it from then on. */
export class Asked implements Handle {
  constructor(
    kernelMethod: string | undefined,
    bandwidth: number | undefined,
    seed: number,
    symmetrize: string | undefined,
    selfEdges: boolean | undefined,
  );
  free(): void;
}

/** Weights of all queries. */
export class Weighed implements Handle {
  constructor(run: QueryRun, asked: Asked, referenceRows: number, memory: Memory);
  static among(
    run: QueryRun,
    asked: Asked,
    xx: QueryRun,
    yy: QueryRun,
    xy: QueryRun,
    referenceRows: number,
    memory: Memory,
  ): Weighed;
  sigma(): number | undefined;
  labels(codes: Int32Array, categories: number): Votes;
  numbers(numbers: Float64Array): Float64Array;
  embedding(values: Float32Array, dim: number): Float32Array;
  free(): void;
}

/** What a vote gave. */
export class Votes implements Handle {
  codes(): Int32Array;
  confidence(): Float32Array;
  free(): void;
}
