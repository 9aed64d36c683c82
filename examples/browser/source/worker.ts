/** The mapping, in a thread of its own, so that the page never waits. One job at a time. */

import { isGigamapperError, mapRemote } from "gigamapper/wasm";
import type { Asked, Job, Mapped, Told } from "./messages.js";
import { read } from "./query-file.js";

interface Host {
  postMessage(told: Told, transferred?: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<Asked>) => void): void;
}

// A worker is no window, which the types of a page say.
const host = globalThis as unknown as Host;
let stop = new AbortController();

async function map({ file, index, reference, label, embedding, rep, nprobe }: Job, signal: AbortSignal): Promise<void> {
  const query = await read(file, rep);
  const mapping = await mapRemote({
    query,
    index,
    reference: reference === "" ? undefined : reference,
    obsKeys: [label],
    obsmKeys: embedding === "" ? [] : [embedding],
    nprobe,
    signal,
    onProgress: (progress) => host.postMessage({ progress }),
  });
  const labels = mapping.labels[label];
  if (!labels) throw new Error(`${label} is a column of numbers, not of labels`);
  const embedded = mapping.embeddings[embedding];
  if (embedded && embedded.shape[1] !== 2) throw new Error(`${embedding} has ${embedded.shape[1]} columns, not two`);
  const { directory, probed, fetched, index: all } = mapping.traffic.search;
  const mapped: Mapped = {
    names: query.names,
    k: mapping.neighbors.k,
    indices: mapping.neighbors.indices,
    distances: mapping.neighbors.distances,
    labels,
    places: embedded?.x ?? null,
    traffic: { directory, probed, fetched, index: all, columns: mapping.traffic.columns.bytes },
  };
  host.postMessage({ mapped }, [mapped.indices.buffer, mapped.distances.buffer]);
}

host.addEventListener("message", ({ data }) => {
  stop.abort();
  if ("cancel" in data) return;
  stop = new AbortController();
  map(data.map, stop.signal).catch((error: unknown) => {
    const { code, hint } = isGigamapperError(error) ? error : { code: "", hint: null };
    const message = error instanceof Error ? error.message : String(error);
    host.postMessage({ failed: { code, message, hint } });
  });
});
