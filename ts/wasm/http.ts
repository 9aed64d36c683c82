/**
 * Files of a static server, whole or in ranges, and how many bytes came. What a server or a browser refuses becomes a sentence. Not here:
 * what the bytes mean.
 */

import { GigamapperError, wrongParameter } from "../errors.js";
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

/** How a file is asked for. */
export interface Asking {
  /** Stops the request. */
  signal?: AbortSignal | undefined;
  /** Asks the server even where a copy is at hand. */
  fresh?: boolean | undefined;
  /** Bytes that it has at most: of a longer one no more is read. */
  most?: number | undefined;
}

/** A part of a file. */
export interface Part {
  bytes: Uint8Array;
  /** The file's `ETag`, where a server tells it: another one is another file. */
  tag: string | undefined;
}

/** Names of the file system, which are data, as a part of an address. */
const encoded = (name: string): string => name.split("/").map(encodeURIComponent).join("/");

/** An address below another one, whose query it keeps. */
export function below(folder: string | URL, name: string): URL {
  // Addresses of a page may be relative to it.
  const page = (globalThis as { location?: { href: string } }).location?.href;
  let address: URL;
  try {
    address = new URL(folder, page);
  } catch {
    throw wrongParameter("url", folder, "it is no address");
  }
  address.hash = "";
  address.pathname = `${address.pathname.replace(/\/*$/, "/")}${encoded(name)}`;
  return address;
}

/** A folder behind an address. */
export class HttpFolder {
  /** The address as it is told, with a `/` at its end. What stands behind a `?` may be a signature, so it is not in it. */
  readonly url: string;
  /** What came from it so far. */
  readonly traffic: Traffic = { bytes: 0, requests: 0 };
  readonly #folder: URL;
  readonly #fetch: Fetch;

  constructor(url: string | URL, fetch: Fetch = (request) => globalThis.fetch(request)) {
    this.#folder = below(url, "");
    const told = new URL(this.#folder);
    told.search = "";
    this.url = told.href;
    this.#fetch = fetch;
  }

  /** A file, whole; undefined where there is none. */
  async whole(name: string, { signal, fresh, most }: Asking = {}): Promise<Uint8Array | undefined> {
    const response = await this.#ask(name, signal, fresh ? ({ cache: "no-store" } as RequestInit) : {});
    if (isMissing(response)) return undefined;
    if (!response.ok) throw await this.#refused(name, response);
    return await this.#body(name, response, { signal, most });
  }

  /** Bytes of a file, from `start` to before `end`; of one of `length` bytes, where that is known. */
  async range(
    name: string,
    { start, end, length }: { start: number; end: number; length?: number },
    { signal }: Asking = {},
  ): Promise<Part> {
    // Chromium lets one request at a time to its cache of a file, and each is wanted once.
    const init = { headers: { range: `bytes=${start}-${end - 1}` }, cache: "no-store" } as RequestInit;
    const response = await this.#ask(name, signal, init);
    const { status, headers } = response;
    if (isMissing(response)) throw this.missing(name);
    if (status === 416) throw this.corrupt(name, `it ends before byte ${end}`);
    if (status === 200) {
      // Not read: it would be the whole file.
      await response.body?.cancel();
      throw this.ignoresRanges(name);
    }
    if (status !== 206) throw await this.#refused(name, response);
    // Servers of other origins tell it only where they were told to.
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ?? [];
    const wrong =
      length !== undefined && Number(total) >= 0 && Number(total) !== length
        ? `${total} bytes instead of ${length}`
        : first !== undefined && Number(first) !== start && `bytes from ${first} came, not from ${start}`;
    if (wrong) {
      await response.body?.cancel();
      throw this.corrupt(name, wrong);
    }
    const bytes = await this.#body(name, response, { signal, most: end - start });
    if (bytes.length !== end - start) {
      throw this.corrupt(name, `${bytes.length} bytes came of ${end - start} from byte ${start}`);
    }
    return { bytes, tag: headers.get("etag")?.replace(/^W\//, "") };
  }

  /** Bytes of a file; undefined where there is none. */
  async length(name: string, { signal }: Asking = {}): Promise<number | undefined> {
    const response = await this.#ask(name, signal, { method: "HEAD", cache: "no-store" } as RequestInit);
    if (isMissing(response)) return undefined;
    if (!response.ok) throw await this.#refused(name, response);
    this.traffic.requests += 1;
    const told = response.headers.get("content-length");
    // One that does not tell what a file has does not know its parts either.
    if (told === null) throw this.ignoresRanges(name);
    return Number(told);
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
  corrupt(name: string, reason: string, cause?: unknown): GigamapperError<"GM_CORRUPT"> {
    const file = this.url + name;
    return new GigamapperError("GM_CORRUPT", `${file}: ${reason}`, { file, block: "file", reason }, { cause });
  }

  /** `GM_STALE` of a file that is another one than it was. */
  replaced(name: string): GigamapperError<"GM_STALE"> {
    const [path, reason] = [this.url + name, "it was replaced while it was read"];
    return new GigamapperError("GM_STALE", `${path}: ${reason}`, { path, reason }, { hint: "open it again" });
  }

  async #ask(name: string, signal: AbortSignal | undefined, init: RequestInit): Promise<Response> {
    try {
      return await this.#fetch(new Request(below(this.#folder, name), { ...init, ...(signal ? { signal } : {}) }));
    } catch (error) {
      throw this.#failed(name, error, signal);
    }
  }

  async #body(name: string, response: Response, { signal, most = Infinity }: Asking): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let length = 0;
    try {
      const reader = response.body?.getReader();
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done || !value) break;
        parts.push(value);
        length += value.length;
        if (length > most) break;
      }
      if (length > most) await reader?.cancel();
    } catch (error) {
      throw this.#failed(name, error, signal);
    }
    this.traffic.bytes += length;
    this.traffic.requests += 1;
    if (length > most) throw this.corrupt(name, `more than ${most} bytes came, of which it has ${most} at most`);
    return joined(parts, length);
  }

  async #refused(name: string, response: Response): Promise<GigamapperError<"GM_IO">> {
    await response.body?.cancel();
    return this.#io(name, `the server answered ${response.status}`, undefined);
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

const isMissing = ({ status }: Response): boolean => status === 404 || status === 410;

/** Parts, one after the other, as one array. */
export function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = parts;
  if (only?.length === length) return only;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
