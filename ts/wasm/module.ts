/**
 * The WebAssembly module: loaded once, from where the caller says or from beside this file. Not here: anything that is done with it.
 */

import { cancelled, fromNative, GigamapperError, isGigamapperError } from "../errors.js";

/** The functions of the module. */
export type Glue = typeof import("./glue.js");

/**
 * Where the module comes from: an address, the response to a request for it, its bytes, or what `WebAssembly.compile` made of them.
 */
export type ModuleSource = string | URL | Response | Promise<Response> | ArrayBuffer | Uint8Array<ArrayBuffer> | object;

let loading: Promise<Glue> | undefined;
let loaded: Glue | undefined;

/**
 * Loads the module. Everything else here does it at its first call; this is for who keeps the module elsewhere than beside the library, has
 * compiled it already, or wants it loaded before it is needed. A second call changes nothing.
 *
 * @param source an address, `Response`, `WebAssembly.Module` or bytes. Default: `glue_bg.wasm` beside the library's own file.
 * @throws `GM_IO` where it cannot be fetched, `GM_BACKEND` where it cannot be run, or where this package was built without it.
 *
 * @example
 * await initialise(new URL("gigamapper.wasm", "https://atlas.example.org/"));
 */
export async function initialise(source?: ModuleSource): Promise<void> {
  await glue(source);
}

/** The module, loaded. */
export async function glue(source?: ModuleSource): Promise<Glue> {
  loading ??= load(source);
  try {
    return await loading;
  } catch (error) {
    loading = undefined; // What failed once may be there the next time.
    throw error;
  }
}

async function load(source: ModuleSource | undefined): Promise<Glue> {
  const module = await import("./glue.js").catch((error: unknown) => {
    throw backend("this package was built without it", error);
  });
  const found = await content(source ?? new URL("./glue_bg.wasm", import.meta.url));
  try {
    await module.default({ module_or_path: found });
  } catch (error) {
    throw backend(error instanceof Error ? error.message : String(error), error);
  }
  loaded = module;
  return module;
}

/** What the module is compiled from. Node fetches no files, and a page that says "not found" is no module. */
async function content(source: ModuleSource): Promise<unknown> {
  const given = await source;
  if (given instanceof Response) return checked(given);
  const address = typeof given === "string" || given instanceof URL ? String(given) : undefined;
  if (address === undefined) return given;
  const node = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  if (address.startsWith("file:") && node.process?.getBuiltinModule) {
    const { readFileSync } = node.process.getBuiltinModule("node:fs") as typeof import("node:fs");
    try {
      return readFileSync(new URL(address));
    } catch (error) {
      throw unread(address, (error as Error).message, error);
    }
  }
  const response = await fetch(address).catch((error: unknown) => {
    throw unread(address, (error as Error).message, error);
  });
  return checked(response);
}

function checked(response: Response): Response {
  if (!response.ok) throw unread(response.url, `the server answered ${response.status}`, undefined);
  return response;
}

function unread(path: string, reason: string, cause: unknown): GigamapperError<"GM_IO"> {
  return new GigamapperError(
    "GM_IO",
    `fetch ${path}: ${reason}`,
    { path, operation: "fetch", os: null, reason },
    { cause },
  );
}

/** What the module holds that runs now. */
let held = new WeakSet<object>();

/** Calls the module; what it refuses with becomes the library's error. */
export function called<Result>(call: () => Result): Result {
  try {
    const result = call();
    if (typeof result === "object" && result !== null) held.add(result);
    return result;
  } catch (error) {
    if (isGigamapperError(error)) throw error;
    if (error instanceof Error && error.name === "RuntimeError") throw stopped(error);
    // That is what the module's own JavaScript says.
    if (error instanceof Error && /stale object/.test(error.message)) {
      throw backend("the module stopped since this was opened", error, "open it again");
    }
    if (typeof error !== "string") throw fromNative(error);
    throw fromNative(JSON.parse(error));
  }
}

/** Gives back what the module holds, unless that was another module. */
export function freed(handle: { free(): void } | undefined): void {
  if (handle && held.delete(handle)) handle.free();
}

/** A module that ran out of memory, or into a bug of ours, is of no use any more: the calls that follow get a new one. */
function stopped(error: Error): GigamapperError<"GM_BACKEND"> {
  held = new WeakSet();
  let hint = "its memory may have run out: map fewer cells at a time, and open again what was open";
  try {
    loaded?.__wbg_reset_state();
  } catch {
    hint = "load the page again, and map fewer cells at a time"; // There is no room for another one either.
  }
  return backend(`the module stopped: ${error.message}`, error, hint);
}

function backend(reason: string, cause: unknown, hint: string | null = null): GigamapperError<"GM_BACKEND"> {
  const details = { backend: "wasm", reason };
  return new GigamapperError("GM_BACKEND", `WebAssembly: ${reason}`, details, { hint, cause });
}

/** Lets whatever waits have its turn, then fails if the call was cancelled. */
export async function turn(signal: AbortSignal | undefined, stage: string): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
  check(signal, stage);
}

/** Fails if the call was cancelled. */
export function check(signal: AbortSignal | undefined, stage: string): void {
  if (signal?.aborted) throw cancelled(stage, signal.reason);
}
