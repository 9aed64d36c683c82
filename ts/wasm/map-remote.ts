/** The whole mapping of query cells in memory onto a published reference, with nothing but static files on the other side. */

import { GigamapperError } from "../errors.js";
import { below, type Fetch, type Traffic } from "./http.js";
import { turn } from "./module.js";
import { RemoteColumns } from "./remote-columns.js";
import { RemoteIndex, type RemoteSearchOptions, type SearchTraffic } from "./remote-index.js";
import type { MatrixInMemory, NeighborsInMemory, WasmCallOptions } from "./run.js";
import type { TransferredLabels, TransferredNumbers, WeighingOptions } from "./weights.js";

/** What is mapped, and onto what. */
export interface MapRemoteOptions
  extends WasmCallOptions,
    Omit<WeighingOptions, "graphs" | "symmetrize" | "selfEdges">,
    Omit<RemoteSearchOptions, "signal" | "onProgress"> {
  /** The query cells. */
  query: MatrixInMemory;
  /** Address of the index, `…/name.gmx`. */
  index: string | URL;
  /**
   * Address of the reference's store, `…/name.zarr`. Default: the cells beside the lists of an index that was built with `bundle`, which have
   * columns and no embedding. Its rows must be those that the index was built from, in their order. Cells that came with an index name it, and
   * those of another one are refused; of any other store only the number of rows is compared.
   */
  reference?: string | URL | undefined;
  /** Columns of `obs` to transfer. */
  obsKeys?: readonly string[] | undefined;
  /** Embeddings of `obsm` to transfer. */
  obsmKeys?: readonly string[] | undefined;
  /** What is called instead of the platform's `fetch`. */
  fetch?: Fetch | undefined;
}

/** What a mapping gives. */
export interface RemoteMapping {
  /** The neighbours of each query cell. */
  neighbors: NeighborsInMemory;
  /** The bandwidth σ, in units of distance; null where the kernel has none. */
  sigma: number | null;
  /** Labels of categorical columns, by key. */
  labels: Record<string, TransferredLabels>;
  /** Means and deviations of columns of numbers, by key. */
  numbers: Record<string, TransferredNumbers>;
  /** Embeddings, by key. */
  embeddings: Record<string, MatrixInMemory>;
  /** What was moved: by the search, and of the reference's columns. */
  traffic: { search: SearchTraffic; columns: Traffic };
}

/**
 * Maps query cells onto a published reference. Ids, distances, labels, numbers and embeddings are those of `map` with the same `nprobe`,
 * kernel and columns, to the bit. Meant for a worker: blocks of cells take some tenths of a second each.
 *
 * @throws as {@link RemoteIndex.open}, {@link RemoteIndex.search} and {@link RemoteColumns}; `GM_STALE` of cells of another index, `GM_SHAPE` of
 * columns that have not one row for each cell of the index, `GM_PARAM` where columns are asked for and neither a reference is named nor the index
 * has its cells. All that is found before a list is fetched.
 *
 * @example
 * const { labels, traffic } = await mapRemote({
 *   query: { x: new Float32Array(1000 * 50), shape: [1000, 50] },
 *   index: "https://atlas.example.org/atlas.gmx",
 *   reference: "https://atlas.example.org/atlas.zarr",
 *   obsKeys: ["cell_type"],
 * });
 * console.log(labels["cell_type"]?.codes, traffic.search.fetched, "bytes");
 */
export async function mapRemote(options: MapRemoteOptions): Promise<RemoteMapping> {
  const { query, obsKeys = [], obsmKeys = [], signal, onProgress, fetch } = options;
  using index = await RemoteIndex.open(options.index, { memory: options.memory, fetch, signal });
  const store = new RemoteColumns(options.reference ?? below(options.index, "cells.zarr"), { fetch });
  if (obsKeys.length + obsmKeys.length > 0) await belongs(index, store, options);
  await fits(index, store, options);
  using search = await index.search(query, options);
  const mapping: RemoteMapping = {
    neighbors: search.neighbors,
    sigma: null,
    labels: {},
    numbers: {},
    embeddings: {},
    traffic: { search: search.traffic, columns: store.traffic },
  };
  using weights = search.weigh(options);
  mapping.sigma = weights.sigma;
  const total = query.shape[0] * (obsKeys.length + obsmKeys.length);
  let done = 0;
  const told = async (): Promise<void> => {
    done += query.shape[0];
    onProgress?.({ stage: "transfer", done, total });
    await turn(signal, "transfer");
  };
  for (const key of obsKeys) {
    const column = await store.obs(key, signal);
    if (column.kind === "labels") mapping.labels[key] = weights.labels(column.labels);
    else mapping.numbers[key] = weights.numbers(column.numbers);
    await told();
  }
  for (const key of obsmKeys) {
    mapping.embeddings[key] = weights.embedding(await store.obsm(key, signal));
    await told();
  }
  return mapping;
}

/** Fails where columns have not one row for each cell of the index. */
async function fits(
  index: RemoteIndex,
  store: RemoteColumns,
  { index: url, reference, obsKeys = [], obsmKeys = [], signal }: MapRemoteOptions,
): Promise<void> {
  const keys = [...obsKeys.map((key) => ["obs", key] as const), ...obsmKeys.map((key) => ["obsm", key] as const)];
  const cells = index.description.rows;
  for (const [group, key] of keys) {
    const rows = await store.rows(group, key, signal);
    if (rows === cells) continue;
    const plain = (address: string | URL) => below(address, "").href.replace(/[?].*/, "");
    const [left, right] = [`${plain(reference ?? below(url, "cells.zarr"))}${group}/${key}`, plain(url)];
    const reason = `it has ${rows} rows, and the index has ${cells} cells`;
    const details = { left, leftShape: [rows], right, rightShape: [cells], reason };
    const hint = "name the store that the index was built from, or build the index again";
    throw new GigamapperError("GM_SHAPE", `${left}: ${reason}`, details, { hint });
  }
}

/** Fails where the columns are of other cells than the index, as far as they say. */
async function belongs(
  index: RemoteIndex,
  store: RemoteColumns,
  { index: url, reference, signal }: MapRemoteOptions,
): Promise<void> {
  const source = await store.indexSource(signal);
  if (source === index.description.source) return;
  if (source === undefined && reference !== undefined) return;
  const path = below(reference ?? url, reference === undefined ? "cells.zarr" : "").href.replace(/[?].*/, "");
  if (source !== undefined) {
    const reason = "these are the cells of another index";
    throw new GigamapperError("GM_STALE", `${path}: ${reason}`, { path, reason }, { hint: "build the index again" });
  }
  const reason = "columns are asked for, and the index has no cells";
  const hint = "name the reference that the index was built from, or build the index with bundle";
  throw new GigamapperError("GM_PARAM", `reference: ${reason}`, { name: "reference", value: "", reason }, { hint });
}
