/**
 * Answers calls that come through a port. It knows nothing of Electron, so that a test runs it in Node.
 *
 * The window gets results and numbers, never paths of the machine that it has not named itself, and it can stop what it started.
 */

import { CellMapper, inspect, isGigamapperError, Neighbors, type ProgressEvent } from "gigamapper";
import type { Answer, Calls, Failure, FirstRows, Mapping, Request } from "./protocol.js";

/** One end of a channel between processes. */
export interface Port {
  postMessage(answer: Answer): void;
  on(event: "message", listener: (event: { data: unknown }) => void): unknown;
  start(): void;
}

/** Serves until the process ends. */
export function serve(port: Port): void {
  const running = new Map<number, AbortController>();

  const run = async (request: Request, signal: AbortSignal): Promise<Calls[keyof Calls]["gives"]> => {
    switch (request.name) {
      case "inspect":
        return await inspect(request.options.path, { signal });
      case "plan":
        return await planned(request.options, signal);
      case "map":
        return await mapped(request.options, signal, (progress) => port.postMessage({ call: request.call, progress }));
      case "cancel":
        running.get(request.options.call)?.abort();
        return null;
      case "firstRows":
        return await firstRows(request.options, signal);
    }
  };

  port.on("message", async ({ data }) => {
    const request = data as Request;
    const { call } = request;
    const controller = new AbortController();
    running.set(call, controller);
    try {
      port.postMessage({ call, result: await run(request, controller.signal) });
    } catch (error) {
      port.postMessage({ call, failure: told(error) });
    } finally {
      running.delete(call);
    }
  });
  port.start();
}

async function planned({ query, reference, obsKeys }: Mapping, signal: AbortSignal) {
  await using mapper = new CellMapper(query, reference);
  return await mapper.plan({ obsKeys, signal });
}

async function mapped(mapping: Mapping, signal: AbortSignal, onProgress: (event: ProgressEvent) => void) {
  const { query, reference, ...options } = mapping;
  await using mapper = new CellMapper(query, reference);
  return await mapper.map({ ...options, signal, onProgress });
}

async function firstRows({ path, rows }: { path: string; rows: number }, signal: AbortSignal): Promise<FirstRows> {
  await using neighbors = new Neighbors(path);
  for await (const { k, indices, distances } of neighbors.blocks({ rows, signal })) {
    return { k, indices: Array.from(indices, Number), distances: Array.from(distances) };
  }
  return { k: 0, indices: [], distances: [] };
}

function told(error: unknown): Failure {
  if (isGigamapperError(error)) return { code: error.code, message: error.message, hint: error.hint };
  return { code: "UNKNOWN", message: error instanceof Error ? error.message : String(error), hint: null };
}
