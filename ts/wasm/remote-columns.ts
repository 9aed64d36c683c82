/**
 * Columns and embeddings of a published reference: an AnnData zarr store behind an address, of either version, of which only what is
 * asked for is fetched. Not here: the cells that are searched, which the index has.
 */

import * as zarr from "zarrita";
import { GigamapperError, isGigamapperError } from "../errors.js";
import { type Fetch, HttpFolder, type Traffic } from "./http.js";
import { check } from "./module.js";
import type { MatrixInMemory } from "./run.js";
import type { LabelColumn } from "./weights.js";

/** How a store is opened. */
export interface RemoteColumnsOptions {
  /** What is called instead of the platform's `fetch`. */
  fetch?: Fetch | undefined;
}

/** A column of `obs`. */
export type RemoteColumn = { kind: "labels"; labels: LabelColumn } | { kind: "numbers"; numbers: Float64Array };

type Node = zarr.Group<zarr.AsyncReadable> | zarr.Array<zarr.DataType, zarr.AsyncReadable>;

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
  readonly #root: zarr.Location<zarr.AsyncReadable>;
  /** What came from the store so far. */
  readonly traffic: Traffic = { bytes: 0, requests: 0 };

  /** @param url the store, `…/name.zarr` */
  constructor(url: string | URL, options: RemoteColumnsOptions = {}) {
    const ask = options.fetch ?? ((request) => globalThis.fetch(request));
    this.#folder = new HttpFolder(url, ask);
    const checked = async (request: Request): Promise<Response> => {
      const response = await ask(request);
      return response.ok ? await this.#checked(request, response) : response;
    };
    this.#root = zarr.root(new zarr.FetchStore(this.#folder.url, { fetch: checked }));
  }

  /**
   * A column of `obs`: labels of a categorical one, numbers of any other of numbers.
   *
   * @throws `GM_NOT_FOUND` of a column that is not there, `GM_UNSUPPORTED` of one of text or of nullable values, `GM_IO`, `GM_CANCELLED`.
   */
  async obs(key: string, signal?: AbortSignal): Promise<RemoteColumn> {
    const node = await this.#node(`obs/${key}`, "obs column", key, signal);
    if (node.kind === "array")
      return { kind: "numbers", numbers: Float64Array.from(await this.#numbers(node, key, signal)) };
    if (node.attrs["encoding-type"] !== "categorical") {
      throw this.#unsupported(`the obs column "${key}" of encoding ${JSON.stringify(node.attrs["encoding-type"])}`);
    }
    const part = (name: string) => this.#node(`obs/${key}/${name}`, "obs column", `${key}/${name}`, signal);
    const [codes, categories] = await Promise.all([part("codes"), part("categories")]);
    if (codes.kind !== "array" || categories.kind !== "array") throw this.#unsupported(`the obs column "${key}"`);
    const [{ data }, numbers] = await Promise.all([this.#get(categories, signal), this.#numbers(codes, key, signal)]);
    const labels = { codes: Int32Array.from(numbers), categories: Array.from(data as ArrayLike<unknown>, String) };
    check(signal, "fetch");
    return { kind: "labels", labels };
  }

  /**
   * An embedding of `obsm`, as f32.
   *
   * @throws `GM_NOT_FOUND` of a key that is not there, `GM_UNSUPPORTED` of one that is no dense matrix, `GM_IO`, `GM_CANCELLED`.
   */
  async obsm(key: string, signal?: AbortSignal): Promise<MatrixInMemory> {
    const node = await this.#node(`obsm/${key}`, "obsm key", key, signal);
    if (node.kind !== "array" || node.shape.length !== 2) throw this.#unsupported(`obsm "${key}", which is no matrix,`);
    const [rows = 0, columns = 0] = node.shape;
    const values = await this.#numbers(node, key, signal);
    check(signal, "fetch");
    return { x: values instanceof Float32Array ? values : Float32Array.from(values), shape: [rows, columns] };
  }

  /** Counts what came, which must be what was asked for: zarrita takes an answer for the range that it wanted. */
  async #checked(request: Request, response: Response): Promise<Response> {
    const name = request.url.slice(this.#folder.url.length);
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
    // A shard is read from its end, which a server must tell.
    const untold = request.method === "HEAD" && !response.headers.has("content-length");
    if (untold || (request.headers.has("range") && response.status === 200)) {
      await response.body?.cancel();
      throw this.#folder.ignoresRanges(name);
    }
    const body = await response.arrayBuffer();
    if (start !== undefined && body.byteLength !== Number(end) - Number(start) + 1) {
      throw this.#folder.corrupt(name, `${body.byteLength} bytes came from byte ${start}, not up to ${end}`);
    }
    this.traffic.bytes += body.byteLength;
    this.traffic.requests += 1;
    return new Response(body, { status: response.status, headers: response.headers });
  }

  async #node(path: string, kind: string, key: string, signal: AbortSignal | undefined): Promise<Node> {
    check(signal, "fetch");
    try {
      return await zarr.open(this.#root.resolve(path), signal ? { signal } : {});
    } catch (error) {
      check(signal, "fetch");
      if (!(error instanceof zarr.NotFoundError)) throw this.#io(path, error);
      const details = { store: this.#folder.url, kind, key, available: [] };
      const message = `${this.#folder.url}: no ${kind} "${key}"`;
      throw new GigamapperError("GM_NOT_FOUND", message, details, { cause: error });
    }
  }

  async #get(
    array: zarr.Array<zarr.DataType, zarr.AsyncReadable>,
    signal: AbortSignal | undefined,
  ): Promise<{ data: unknown }> {
    try {
      return await zarr.get(array, null, signal ? { signal } : {});
    } catch (error) {
      check(signal, "fetch");
      throw this.#io(array.path, error);
    }
  }

  /** The values of an array of numbers, row-major; those of 64 bits become the nearest doubles, as natively. */
  async #numbers(
    array: zarr.Array<zarr.DataType, zarr.AsyncReadable>,
    key: string,
    signal: AbortSignal | undefined,
  ): Promise<ArrayLike<number>> {
    if (array.is("bigint")) {
      const { data } = await this.#get(array, signal);
      return Float64Array.from(data as BigInt64Array | BigUint64Array, Number);
    }
    if (!array.is("number")) throw this.#unsupported(`"${key}" of type ${array.dtype}`);
    const { data } = await this.#get(array, signal);
    return data as ArrayLike<number>;
  }

  #unsupported(what: string): GigamapperError<"GM_UNSUPPORTED"> {
    const hint = "map natively, or publish a categorical column or numbers";
    return new GigamapperError("GM_UNSUPPORTED", `${what} is not supported`, { what }, { hint });
  }

  #io(path: string, cause: unknown): GigamapperError {
    if (isGigamapperError(cause)) return cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const details = { path: this.#folder.url + path.replace(/^\//, ""), operation: "fetch", os: null, reason };
    const hint = "look whether the address is right and whether its server sends Access-Control-Allow-Origin";
    return new GigamapperError("GM_IO", `fetch ${details.path}: ${reason}`, details, { hint, cause });
  }
}
