/**
 * Columns and embeddings of a published reference: an AnnData zarr store behind an address, of either version, of which only what is
 * asked for is fetched. Not here: the cells that are searched, which the index has.
 */

import * as zarr from "zarrita";
import { names } from "../category-names.js";
import { GigamapperError, isGigamapperError } from "../errors.js";
import { type Fetch, HttpFolder, type Traffic } from "./http.js";
import { check } from "./module.js";
import { RemoteStore } from "./remote-store.js";
import type { MatrixInMemory } from "./run.js";
import type { LabelColumn } from "./weights.js";

/** How a store is opened. */
export interface RemoteColumnsOptions {
  /** What is called instead of the platform's `fetch`. */
  fetch?: Fetch | undefined;
}

/** A column of `obs`. */
export type RemoteColumn = { kind: "labels"; labels: LabelColumn } | { kind: "numbers"; numbers: Float64Array };

type RemoteArray = zarr.Array<zarr.DataType, RemoteStore>;
type Node = zarr.Group<RemoteStore> | RemoteArray;

/** A node of a store, and how messages call it. */
interface Named {
  path: string;
  kind: string;
  key: string;
}

/**
 * A published store of reference cells.
 *
 * @example
 * const columns = new RemoteColumns("https://atlas.example.org/atlas.zarr");
 * const column = await columns.obs("cell_type");
 * if (column.kind === "labels") console.log(column.labels.categories, columns.traffic.bytes, "bytes");
 */
export class RemoteColumns {
  readonly #folder: HttpFolder;
  readonly #store: RemoteStore;

  /** @param url the store, `…/name.zarr` */
  constructor(url: string | URL, options: RemoteColumnsOptions = {}) {
    this.#folder = new HttpFolder(url, options.fetch);
    this.#store = new RemoteStore(this.#folder);
  }

  /** What came from the store so far. */
  get traffic(): Traffic {
    return this.#folder.traffic;
  }

  /**
   * A column of `obs`: labels of a categorical one, numbers of any other of numbers. Values that were never stored are the store's fill value,
   * as natively.
   *
   * @throws `GM_NOT_FOUND` of a column that is not there, `GM_UNSUPPORTED` of one of text or of nullable values and of a server that ignores
   * range requests, `GM_CORRUPT` of bytes that are not what was written, `GM_STALE` of a file that is replaced meanwhile, `GM_IO`,
   * `GM_CANCELLED`.
   */
  async obs(key: string, signal?: AbortSignal): Promise<RemoteColumn> {
    const of = { path: `obs/${key}`, kind: "obs column", key };
    const node = await this.#node(of, signal);
    if (node.kind === "array") {
      return { kind: "numbers", numbers: Float64Array.from(await this.#numbers(node, of, signal)) };
    }
    const part = (name: string) => this.#part(node, of, name, signal);
    const [codes, categories] = await Promise.all([part("codes"), part("categories")]);
    const [named, numbers] = await Promise.all([
      this.#values(categories.array, categories.own, signal),
      this.#numbers(codes.array, codes.own, signal),
    ]);
    // Categories differ, so what was never written can be one of them at most.
    if (named.length > 1 && this.#store.values(categories.own.path).stored.length === 0) {
      throw this.#folder.corrupt(categories.own.path, `${named.length} categories, none of them stored`);
    }
    check(signal, "fetch");
    const labels = { codes: Int32Array.from(numbers), categories: names(categories.array.dtype, named) };
    return { kind: "labels", labels };
  }

  /**
   * An embedding of `obsm`, as f32.
   *
   * @throws `GM_NOT_FOUND` of a key that is not there, `GM_UNSUPPORTED` of one that is no dense matrix, and as {@link RemoteColumns.obs};
   * `GM_CORRUPT` also where some of its values were never stored.
   */
  async obsm(key: string, signal?: AbortSignal): Promise<MatrixInMemory> {
    const of = { path: `obsm/${key}`, kind: "obsm key", key };
    const node = await this.#node(of, signal);
    if (node.kind !== "array" || node.shape.length !== 2) throw this.#unsupported(`obsm "${key}", which is no matrix,`);
    const [rows = 0, columns = 0] = node.shape;
    const values = await this.#numbers(node, of, signal);
    const { stored, missing } = this.#store.values(of.path);
    // A lost file would be cells at the origin.
    if (stored.length > 0 && missing[0] !== undefined) {
      throw this.#folder.corrupt(missing[0], "it is missing while other chunks of the array exist");
    }
    check(signal, "fetch");
    return { x: values instanceof Float32Array ? values : Float32Array.from(values), shape: [rows, columns] };
  }

  /**
   * Cells of a column or an embedding, as its metadata tells; no value is fetched.
   *
   * @internal
   */
  async rows(group: "obs" | "obsm", key: string, signal?: AbortSignal): Promise<number> {
    const of = { path: `${group}/${key}`, kind: group === "obs" ? "obs column" : "obsm key", key };
    const node = await this.#node(of, signal);
    if (node.kind !== "array" && group === "obsm") throw this.#unsupported(`obsm "${key}", which is no matrix,`);
    const array = node.kind === "array" ? node : (await this.#part(node, of, "codes", signal)).array;
    return array.shape[0] ?? 0;
  }

  /**
   * What the rows were of which the store's index was built, as its manifest has it; undefined where the store is not the cells of an index.
   *
   * @internal
   */
  async indexSource(signal?: AbortSignal): Promise<string | undefined> {
    const of = { path: "uns/gigamapper/index_source", kind: "array", key: "index_source" };
    try {
      // Cells of an index are of this version.
      const node = await this.#tried(of, signal, () =>
        zarr.open.v3(this.#place(of), { kind: "array", ...told(signal) }),
      );
      const [source] = names(node.dtype, await this.#values(node, of, signal));
      return source;
    } catch (error) {
      if (isGigamapperError(error, "GM_NOT_FOUND")) return undefined;
      throw error;
    }
  }

  /** An array of a categorical column. */
  async #part(node: zarr.Group<RemoteStore>, of: Named, name: string, signal: AbortSignal | undefined) {
    const encoding = node.attrs["encoding-type"];
    if (encoding !== "categorical") {
      throw this.#unsupported(`the obs column "${of.key}" of encoding ${JSON.stringify(encoding)}`);
    }
    const own = { path: `${of.path}/${name}`, kind: of.kind, key: `${of.key}/${name}` };
    const array = await this.#node(own, signal);
    if (array.kind !== "array") throw this.#unsupported(`the obs column "${of.key}"`);
    return { array, own };
  }

  #place({ path, kind, key }: Named): zarr.Location<RemoteStore> {
    const segments = path.split("/");
    const plain = (name: string) => !["", ".", ".."].includes(name) && !/[\\\p{Control}\p{Surrogate}]/u.test(name);
    if (!segments.every(plain)) throw this.#missing({ path, kind, key });
    // zarrita makes addresses of names, and names of addresses.
    return new zarr.Location(this.#store, `/${segments.map(encodeURIComponent).join("/")}`);
  }

  async #node(of: Named, signal: AbortSignal | undefined): Promise<Node> {
    const place = this.#place(of);
    const [all, documents] = [
      { v2: () => zarr.open.v2(place, told(signal)), v3: () => zarr.open.v3(place, told(signal)) },
      { v2: ".zarray", v3: "zarr.json" },
    ] as const;
    return await this.#tried(of, signal, async () => {
      try {
        return await zarr.open(place, told(signal));
      } catch (error) {
        // What it cannot read of one version it looks for in the other, and finds nothing.
        if (!zarr.isZarritaError(error, "NotFoundError")) throw error;
        const version = (["v3", "v2"] as const).find((it) => this.#store.has(`${of.path}/${documents[it]}`));
        if (version === undefined) throw error;
        return await all[version]();
      }
    });
  }

  /** All values of an array, row-major. */
  async #values(array: RemoteArray, of: Named, signal: AbortSignal | undefined): Promise<ArrayLike<unknown>> {
    if (array.shape.length === 0) throw this.#unsupported(`"${of.key}", which is one value,`);
    const checked = zarr.defineArrayExtension((inner) => ({
      getChunk: async (...asked: Parameters<RemoteArray["getChunk"]>) => {
        const chunk = await inner.getChunk(...asked);
        const [has, values] = [
          (chunk.data as ArrayLike<unknown>).length,
          chunk.shape.reduce((all, size) => all * size, 1),
        ];
        if (has !== values) throw this.#folder.corrupt(of.path, `a chunk has ${has} values instead of ${values}`);
        return chunk;
      },
    }))(array) as RemoteArray;
    const { data, shape, stride } = await this.#tried(of, signal, () => zarr.get(checked, null, told(signal)));
    const [rows = 0, columns = 0] = shape;
    // Chunks that lie column by column give such an array.
    if (stride[0] !== 1 || columns < 2 || rows < 2 || !("subarray" in data)) return data as ArrayLike<unknown>;
    const from = data as Float64Array;
    return from.slice().map((_, at) => from[(at % columns) * rows + Math.floor(at / columns)] ?? 0);
  }

  /** The values of an array of numbers; those of 64 bits become the nearest doubles, as natively. */
  async #numbers(array: RemoteArray, of: Named, signal: AbortSignal | undefined): Promise<ArrayLike<number>> {
    if (!array.is("number") && !array.is("bigint")) throw this.#unsupported(`"${of.key}" of type ${array.dtype}`);
    const values = await this.#values(array, of, signal);
    if (!array.is("bigint")) return values as ArrayLike<number>;
    return Float64Array.from(values as BigInt64Array | BigUint64Array, Number);
  }

  /** What zarrita fails with, as an error of ours. */
  async #tried<Result>(of: Named, signal: AbortSignal | undefined, work: () => Promise<Result>): Promise<Result> {
    check(signal, "fetch");
    try {
      return await work();
    } catch (error) {
      check(signal, "fetch");
      if (isGigamapperError(error)) throw error;
      const { message, cause } = error instanceof Error ? error : new Error(String(error));
      if (isGigamapperError(cause)) throw cause;
      if (zarr.isZarritaError(error, "NotFoundError")) throw this.#missing(of, error);
      // Documents that are no JSON, and bytes that no codec takes.
      if (zarr.isZarritaError(error, "CodecPipelineError") || cause instanceof SyntaxError) {
        const why = cause instanceof Error ? `${message}: ${cause.message}` : message;
        throw this.#folder.corrupt(of.path, why, error);
      }
      if (zarr.isZarritaError(error)) throw this.#unsupported(`"${of.key}" (${message})`);
      throw this.#folder.corrupt(of.path, message, error);
    }
  }

  #missing({ kind, key }: Named, cause?: unknown): GigamapperError<"GM_NOT_FOUND"> {
    const details = { store: this.#folder.url, kind, key, available: [] };
    return new GigamapperError("GM_NOT_FOUND", `${this.#folder.url}: no ${kind} "${key}"`, details, { cause });
  }

  #unsupported(what: string): GigamapperError<"GM_UNSUPPORTED"> {
    const hint = "map natively, or publish a categorical column or numbers";
    return new GigamapperError("GM_UNSUPPORTED", `${what} is not supported`, { what }, { hint });
  }
}

const told = (signal: AbortSignal | undefined): { signal?: AbortSignal } => (signal ? { signal } : {});
