/**
 * A published index, searched by range requests: its small files come whole, and of its lists only those that queries look in, each once. Of an
 * index with codes, those come first, and of lists that lie far from all queries only the rows that codes select.
 */

import { GigamapperError, isGigamapperError } from "../errors.js";
import type { SearchOptions } from "./exact-reference.js";
import { type Asking, type Fetch, HttpFolder, joined } from "./http.js";
import { called, check, freed, type Glue, glue, turn } from "./module.js";
import { columns, count, inBlocks, type MatrixInMemory, MEMORY } from "./run.js";
import { SearchResult } from "./search.js";

/** Queries of a block. */
const BLOCK_ROWS = 2048;
/** Requests at a time. */
const REQUESTS = 6;
/** How often a manifest may change while it is read. */
const ATTEMPTS = 3;
/** Bytes of a manifest, at most. */
const MANIFEST = 2 ** 24;

/** How an index is opened. */
export interface RemoteIndexOptions {
  /** Bytes that the index and its searches may take. Default 2 GiB. */
  memory?: number | undefined;
  /** What is called instead of the platform's `fetch`, to sign requests for example. */
  fetch?: Fetch | undefined;
  /** Stops the opening. */
  signal?: AbortSignal | undefined;
}

/** What an index is, by its manifest. */
export interface RemoteIndexDescription {
  /** Reference cells, those in no list included. */
  rows: number;
  /** Columns of a cell. */
  dim: number;
  /** What cells are compared by. */
  metric: string;
  /** Lists. */
  nlist: number;
  /** Cells in no list. */
  excluded: number;
  /** How cells are stored: `f32`, `f16` or `none`, where only their codes are. */
  dtype: string;
  /** 1 as it was built, one more with every append. */
  generation: number;
  /** What the rows were that it was built from: a hash, in hexadecimal. */
  source: string;
}

/** What is sought, and where. */
export interface RemoteSearchOptions extends SearchOptions {
  /** Lists that each cell looks in, as `nprobe` of `map`. Default 16. Recall is not measured here. */
  nprobe?: number | undefined;
  /**
   * Whether codes of an index that has them say which rows are fetched. Default true: that moves less, and neighbours are the same. Rows that come
   * so are compared with their codes, and with what the server says of the file; false fetches whole lists, each of which has a checksum of every bit.
   */
  codesFirst?: boolean | undefined;
}

/** What a search moved. */
export interface SearchTraffic {
  /** Manifest, centroids and directory, once for all searches of the index, bytes. */
  directory: number;
  /** Lists that at least one query looks in. */
  lists: number;
  /** Their bytes. */
  probed: number;
  /** Bytes that came for them: those, and what lies between near ones; or codes and rows of them, where codes say which. */
  fetched: number;
  /** Bytes of these that are codes. */
  codes: number;
  /** Lists whose rows came all: those that are among the nearest of a cell, and those of which so many were selected that all cost less. */
  whole: number;
  /** Rows of the other lists that codes selected. */
  rows: number;
  /** Bytes of all lists of the index. */
  index: number;
  /** Requests for lists. */
  requests: number;
}

interface Wanted {
  ranges: { codes: boolean; file: string; start: number; end: number }[];
  probedBytes: number;
  lists: number;
  indexBytes: number;
  byCodes: number;
}

interface WantedRows {
  ranges: Wanted["ranges"];
  rows: number;
  whole: number;
}

/** What came of the large files so far, and which files they are by what the server says. */
interface Came {
  traffic: SearchTraffic;
  tags: Map<string, string>;
}

const NOTHING: SearchTraffic = {
  directory: 0,
  lists: 0,
  probed: 0,
  fetched: 0,
  codes: 0,
  whole: 0,
  rows: 0,
  index: 0,
  requests: 0,
};

interface Manifest extends RemoteIndexDescription {
  files: Record<string, { length: number; xxh3: string }>;
}

/**
 * An index behind an address. Neighbours are those of `map` with the same `nprobe`, to the bit, and every list is checked against its
 * checksum before it is compared.
 *
 * @example
 * using index = await RemoteIndex.open("https://atlas.example.org/atlas.gmx");
 * using search = await index.search({ x: new Float32Array(100 * 50), shape: [100, 50] }, { nprobe: 8 });
 * console.log(search.neighbors.indices, search.traffic.fetched, "bytes");
 */
export class RemoteIndex {
  readonly #glue: Glue;
  readonly #memory: InstanceType<Glue["Memory"]>;
  readonly #folder: HttpFolder;
  readonly #manifest: Manifest;
  readonly #text: Uint8Array;
  readonly #directory: number;
  #native: InstanceType<Glue["FetchedIndex"]> | undefined;
  #busy: Promise<unknown> = Promise.resolve();

  private constructor(
    parts: Pick<Opened, "native" | "text" | "directory"> & {
      glue: Glue;
      memory: InstanceType<Glue["Memory"]>;
      folder: HttpFolder;
    },
  ) {
    this.#glue = parts.glue;
    this.#memory = parts.memory;
    this.#folder = parts.folder;
    this.#native = parts.native;
    this.#text = parts.text;
    this.#directory = parts.directory;
    this.#manifest = JSON.parse(parts.native.description()) as Manifest;
  }

  /**
   * Opens an index: fetches its manifest, centroids and directory, and checks them.
   *
   * @param url the folder, `…/name.gmx`
   * @throws `GM_NOT_FOUND` where there is none, `GM_CORRUPT` of damage, `GM_IO` where a server or a browser refuses, `GM_BUDGET`.
   */
  static async open(url: string | URL, options: RemoteIndexOptions = {}): Promise<RemoteIndex> {
    const { memory = MEMORY, fetch, signal } = options;
    const module = await glue();
    const folder = new HttpFolder(url, fetch);
    const budget = new module.Memory(memory);
    let before: Uint8Array | undefined;
    for (let attempt = 1; ; attempt += 1) {
      const text = await folder.whole("manifest.json", { signal, fresh: true, most: MANIFEST });
      if (!text) throw folder.missing("manifest.json");
      try {
        // What did not fit a manifest may be a copy of before, of which a browser keeps some.
        const opened = await open(module, budget, folder, text, { signal, fresh: attempt > 1 });
        return new RemoteIndex({ ...opened, glue: module, memory: budget, folder });
      } catch (error) {
        // An append replaces files, and then the manifest: only if that is still the same is the index damaged.
        const replaced = before === undefined || !same(before, text);
        const is = (code: "GM_NOT_FOUND" | "GM_CORRUPT") => isGigamapperError(error, code);
        if (!(replaced && attempt < ATTEMPTS && (is("GM_NOT_FOUND") || is("GM_CORRUPT")))) throw error;
        before = text;
      }
    }
  }

  /** What the index is. */
  get description(): RemoteIndexDescription {
    const { rows, dim, metric, nlist, excluded, dtype, generation, source } = this.#manifest;
    return { rows, dim, metric, nlist, excluded, dtype, generation, source };
  }

  /**
   * Finds the nearest reference cells of query cells. Searches of one index wait for each other, because they share its lists.
   *
   * @throws `GM_SHAPE` where columns differ; `GM_UNSUPPORTED` where the server ignores range requests; `GM_CORRUPT` of a list that is not what
   * was written; `GM_STALE` where the index was replaced meanwhile; `GM_IO`; `GM_BUDGET`; `GM_CANCELLED`.
   */
  async search(query: MatrixInMemory, options: RemoteSearchOptions = {}): Promise<RemoteSearchResult> {
    const waited = this.#busy.then(() => this.#search(query, options));
    this.#busy = waited.catch(() => {});
    return await waited;
  }

  async #search(query: MatrixInMemory, options: RemoteSearchOptions): Promise<RemoteSearchResult> {
    const dim = columns("query", query);
    const k = count("nNeighbors", options.nNeighbors ?? 30);
    const nprobe = count("nprobe", Math.min(options.nprobe ?? 16, options.nprobe ? Infinity : this.#manifest.nlist));
    this.#open();
    const { QueryRun } = this.#glue;
    called(() => this.#memory.check("the queries", query.x.byteLength));
    const run = called(() => new QueryRun(query.x, dim, k, this.#manifest.metric, this.#memory));
    const blocks = { rows: query.shape[0], each: BLOCK_ROWS };
    try {
      // Whoever closes the index may do so between any two of these.
      this.#call((native) => native.begin(options.codesFirst ?? true));
      const route = (first: number, rows: number) => this.#call((native) => native.route(run, first, rows, nprobe));
      await inBlocks("route", blocks, options, route);
      const wanted = JSON.parse(this.#call((native) => native.fetch())) as Wanted;
      const { probedBytes: probed, lists, indexBytes: index, byCodes } = wanted;
      const came: Came = {
        traffic: { ...NOTHING, directory: this.#directory, lists, probed, index, whole: lists - byCodes },
        tags: new Map(),
      };
      await this.#fetch(wanted.ranges, came, options);
      const selected = async (): Promise<void> => {
        const { ranges, rows, whole } = JSON.parse(this.#call((native) => native.fetch_rows())) as WantedRows;
        came.traffic.rows += rows;
        came.traffic.whole += whole;
        await this.#fetch(ranges, came, options);
      };
      if (byCodes > 0) {
        const select = (first: number, rows: number) => this.#call((native) => native.select(run, first, rows, nprobe));
        await inBlocks("select", blocks, options, select);
        await selected();
      }
      const join = async (_: number, rows: number): Promise<void> => {
        // With all that was selected other rows may be near enough, hardly ever.
        while (!this.#call((native) => native.join(run, rows, nprobe))) await selected();
      };
      await inBlocks("join", blocks, options, join);
      const of = { k, referenceRows: this.#manifest.rows };
      const result = new RemoteSearchResult(this.#glue, this.#memory, run, of);
      result.traffic = came.traffic;
      return result;
    } catch (error) {
      freed(run);
      throw await this.#told(error, options.signal);
    } finally {
      if (this.#native) this.#call((native) => native.begin(false));
    }
  }

  /** Fetches ranges, some at a time. */
  async #fetch(
    ranges: Wanted["ranges"],
    { traffic, tags }: Came,
    { signal, onProgress }: RemoteSearchOptions,
  ): Promise<void> {
    const total = ranges.reduce((sum, { start, end }) => sum + (end - start), 0);
    const stop = new AbortController();
    const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    const waiting = ranges.values();
    let done = 0;
    const work = async (): Promise<void> => {
      for (const { codes, file, start, end } of waiting) {
        check(signal, "fetch");
        const length = this.#manifest.files[file]?.length ?? 0;
        const { bytes, tag } = await this.#folder.range(file, { start, end, length }, { signal: either });
        // Rows that come alone have no checksum that would tell one file from another.
        if (tag !== undefined && traffic.rows > 0 && (tags.get(file) ?? tag) !== tag) throw this.#folder.replaced(file);
        if (tag !== undefined) tags.set(file, tag);
        this.#call((native) => native.give(codes, start, bytes));
        done += bytes.length;
        traffic.fetched += bytes.length;
        traffic.codes += codes ? bytes.length : 0;
        traffic.requests += 1;
        onProgress?.({ stage: "fetch", done, total });
      }
    };
    try {
      await Promise.all(Array.from({ length: REQUESTS }, work));
    } catch (error) {
      stop.abort();
      throw error;
    }
  }

  /** What went wrong: damage, or an index that was replaced while it was read. */
  async #told(error: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    if (!isGigamapperError(error, "GM_CORRUPT") && !isGigamapperError(error, "GM_NOT_FOUND")) return error;
    const now = await this.#folder
      .whole("manifest.json", { signal, fresh: true, most: MANIFEST })
      .catch(() => undefined);
    if (now === undefined || same(now, this.#text)) return error;
    const [path, reason] = [this.#folder.url, "the index was replaced while it was read"];
    const hint = "open it again";
    return new GigamapperError("GM_STALE", `${path}: ${reason}`, { path, reason }, { hint, cause: error });
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

  #call<Result>(call: (native: InstanceType<Glue["FetchedIndex"]>) => Result): Result {
    return called(() => call(this.#open()));
  }

  #open(): InstanceType<Glue["FetchedIndex"]> {
    if (this.#native) return this.#native;
    const reason = "the index was closed";
    throw new GigamapperError("GM_PARAM", reason, { name: "index", value: "", reason });
  }
}

/** A search of a published index, and what it moved. */
export class RemoteSearchResult extends SearchResult {
  /** What the search moved. */
  traffic: SearchTraffic = { ...NOTHING };
}

interface Opened {
  native: InstanceType<Glue["FetchedIndex"]>;
  text: Uint8Array;
  directory: number;
}

/** Fetches the small files that a manifest names, and checks them. */
async function open(
  module: Glue,
  memory: InstanceType<Glue["Memory"]>,
  folder: HttpFolder,
  text: Uint8Array,
  asking: Asking,
): Promise<Opened> {
  const { FetchedIndex } = module;
  const place = folder.url.slice(0, -1);
  const told = called(() => FetchedIndex.small_files(place, text));
  const names = JSON.parse(told) as { name: string; length: number | null }[];
  const needed = names.reduce((sum, { length }) => sum + (length ?? 0), 0);
  called(() => memory.check("the small files of the index", needed));
  const files = await Promise.all(
    names.map(async ({ name, length }) => {
      const bytes = await folder.whole(name, { ...asking, most: length ?? 0 });
      if (!bytes) throw folder.missing(name);
      return bytes;
    }),
  );
  await turn(asking.signal, "open");
  const lengths = files.map((bytes) => bytes.length);
  const all = joined(
    files,
    lengths.reduce((sum, length) => sum + length, 0),
  );
  const make = () => new FetchedIndex(place, text, all, new Uint32Array(lengths), memory);
  return { native: called(make), text, directory: text.length + all.length };
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
