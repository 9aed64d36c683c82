/**
 * Loads the addon, once, at the first call: importing the library never fails and costs nothing.
 *
 * Everything crosses as JSON text (see crates/node-binding). Not here: any meaning of what crosses, and where the addon is
 * (`addon.ts`).
 */

import { type LoadedAddon, loadAddon } from "./addon.js";

/** What the addon offers. Every string that goes in or comes out of a promise is JSON text, paths excepted. */
export interface NativeBinding {
  plan(request: string): Promise<string>;
  planNeighbors(request: string): Promise<string>;
  planTransfer(request: string): Promise<string>;
  planDiffuse(request: string): Promise<string>;
  planJoint(request: string): Promise<string>;
  planIndex(request: string): Promise<string>;
  describeIndex(path: string): Promise<string>;
  inspect(path: string, condition?: string | null): Promise<string>;
  /** Copies the arrays before it returns. */
  holdCells(description: string, arrays: Uint8Array[]): Promise<string>;
  releaseCells(path: string): void;
  capabilities(): Promise<string>;
  doctor(): Promise<string>;
  clean(request: string): Promise<string>;
  Task: new () => NativeTask;
  GraphReader: new (path: string) => NativeGraphReader;
}

type Verb = (request: string, onProgress?: ((event: string) => void) | null) => Promise<string>;

/** One long run. */
export interface NativeTask {
  map: Verb;
  neighbors: Verb;
  transfer: Verb;
  buildIndex: Verb;
  rechunk: Verb;
  diffuse: Verb;
  joint: Verb;
  presence: Verb;
  evaluate: Verb;
  verify: Verb;
  cancel(): void;
}

/** A stored graph, opened at the first call. */
export interface NativeGraphReader {
  describe(): Promise<string>;
  read(firstRow: number, rows?: number | null): Promise<NativeNeighborRows>;
  close(): void;
}

/** Rows of a graph; the arrays belong to whoever gets them. */
export interface NativeNeighborRows {
  firstRow: number;
  k: number;
  indices: Int32Array | BigInt64Array;
  distances: Float32Array;
}

let loading: Promise<LoadedAddon> | undefined;

/** The addon; `GM_BACKEND` if this platform has none. */
export async function native(): Promise<NativeBinding> {
  loading ??= loadAddon();
  return (await loading).exports as NativeBinding;
}

/** The file that the addon was loaded from. */
export async function nativePath(): Promise<string> {
  await native();
  return (await (loading as Promise<LoadedAddon>)).path;
}
