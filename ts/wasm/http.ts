/**
 * Files of a static server, whole or in ranges, and how many bytes came. What a server or a browser refuses becomes a sentence. Not here:
 * what the bytes mean.
 */

import { GigamapperError } from "../errors.js";
import { check } from "./module.js";

/** What came over the network. */
export interface Traffic {
  /** Bytes of bodies, headers not counted. */
  bytes: number;
  /** Requests that were answered. */
  requests: number;
}

/** A function like the platform's own `fetch`. */
export type Fetch = (input: Request) => Promise<Response>;

/** A folder behind an address. */
export class HttpFolder {
  /** The address, with a `/` at its end. */
  readonly url: string;
  /** What came from it so far. */
  readonly traffic: Traffic = { bytes: 0, requests: 0 };
  readonly #fetch: Fetch;

  constructor(url: string | URL, fetch: Fetch = (request) => globalThis.fetch(request)) {
    this.url = String(url).replace(/\/*$/, "/");
    this.#fetch = fetch;
  }

  /** A file, whole; undefined where there is none. `fresh` asks the server even where a copy is at hand. */
  async whole(name: string, signal: AbortSignal | undefined, fresh = false): Promise<Uint8Array | undefined> {
    const response = await this.#ask(name, signal, fresh ? ({ cache: "no-store" } as RequestInit) : {});
    if (response.status === 404 || response.status === 410) return undefined;
    if (!response.ok) throw this.#io(name, `the server answered ${response.status}`, undefined);
    return await this.#body(name, response, signal);
  }

  /** Bytes of a file of `length` bytes, from `start` to before `end`. */
  async range(
    name: string,
    { start, end, length }: { start: number; end: number; length: number },
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    // Chromium lets one request at a time to its cache of a file, and each is wanted once.
    const init = { headers: { range: `bytes=${start}-${end - 1}` }, cache: "no-store" } as RequestInit;
    const response = await this.#ask(name, signal, init);
    const { status } = response;
    if (status === 404 || status === 410) throw this.missing(name);
    if (status === 416) throw this.corrupt(name, `it ends before byte ${end}`);
    if (status === 200) {
      // Not read: it would be the whole file.
      await response.body?.cancel();
      throw this.ignoresRanges(name);
    }
    if (status !== 206) throw this.#io(name, `the server answered ${status}`, undefined);
    // Servers of other origins tell it only where they were told to.
    const total = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
    if (total !== undefined && Number(total) !== length) {
      await response.body?.cancel();
      throw this.corrupt(name, `${total} bytes instead of ${length}`);
    }
    const bytes = await this.#body(name, response, signal);
    if (bytes.length !== end - start) {
      throw this.corrupt(name, `${bytes.length} bytes came of ${end - start} from byte ${start}`);
    }
    return bytes;
  }

  /** `GM_UNSUPPORTED` of a server that answers a range request with the whole file. */
  ignoresRanges(name: string): GigamapperError<"GM_UNSUPPORTED"> {
    const what = `reading parts of ${this.url}${name}, because its server answers with the whole file,`;
    const hint = "publish it on a server that answers range requests with 206, as most static servers do";
    return new GigamapperError("GM_UNSUPPORTED", `${what} is not supported`, { what }, { hint });
  }

  /** `GM_NOT_FOUND` of a file. */
  missing(name: string): GigamapperError<"GM_NOT_FOUND"> {
    const details = { store: this.url, kind: "file", key: name, available: [] };
    return new GigamapperError("GM_NOT_FOUND", `${this.url}: no file "${name}"`, details);
  }

  /** `GM_CORRUPT` of a file. */
  corrupt(name: string, reason: string): GigamapperError<"GM_CORRUPT"> {
    const file = this.url + name;
    return new GigamapperError("GM_CORRUPT", `${file}: ${reason}`, { file, block: "file", reason });
  }

  async #ask(name: string, signal: AbortSignal | undefined, init: RequestInit): Promise<Response> {
    try {
      return await this.#fetch(new Request(this.url + name, { ...init, ...(signal ? { signal } : {}) }));
    } catch (error) {
      throw this.#failed(name, error, signal);
    }
  }

  async #body(name: string, response: Response, signal: AbortSignal | undefined): Promise<Uint8Array> {
    try {
      const bytes = new Uint8Array(await response.arrayBuffer());
      this.traffic.bytes += bytes.length;
      this.traffic.requests += 1;
      return bytes;
    } catch (error) {
      throw this.#failed(name, error, signal);
    }
  }

  /** A browser does not say why it refuses an answer. */
  #failed(name: string, error: unknown, signal: AbortSignal | undefined): GigamapperError {
    check(signal, "fetch");
    const why = error instanceof Error ? ((error.cause as Error | undefined)?.message ?? error.message) : String(error);
    return this.#io(name, `no answer: ${why}`, error);
  }

  #io(name: string, reason: string, cause: unknown): GigamapperError<"GM_IO"> {
    const path = this.url + name;
    const hint =
      "look whether the address is right and, where the page comes from another origin, whether its server sends " +
      "Access-Control-Allow-Origin and allows the header Range";
    const details = { path, operation: "fetch", os: null, reason };
    return new GigamapperError("GM_IO", `fetch ${path}: ${reason}`, details, { hint, cause });
  }
}
