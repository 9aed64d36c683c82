/**
 * Mapping where no addon can be: in browsers and their workers, `gigamapper/wasm`. The same search, kernels and transfer as WebAssembly,
 * over cells in memory or over a published index that is read by range requests. Results are those of the native library, to the bit.
 *
 * @module
 */

export { type ErrorDetails, GigamapperError, type GigamapperErrorCode, isGigamapperError } from "../errors.js";
export { ExactReference, type ExactReferenceOptions, type SearchOptions } from "./exact-reference.js";
export type { Fetch, Traffic } from "./http.js";
export { type MapRemoteOptions, mapRemote, type RemoteMapping } from "./map-remote.js";
export { initialise, type ModuleSource } from "./module.js";
export { type RemoteColumn, RemoteColumns, type RemoteColumnsOptions } from "./remote-columns.js";
export {
  RemoteIndex,
  type RemoteIndexDescription,
  type RemoteIndexOptions,
  type RemoteSearchOptions,
  RemoteSearchResult,
  type SearchTraffic,
} from "./remote-index.js";
export type { MatrixInMemory, NeighborsInMemory, WasmCallOptions, WasmProgress } from "./run.js";
export { SearchResult } from "./search.js";
export {
  type LabelColumn,
  type OtherSearches,
  type TransferredLabels,
  type TransferredNumbers,
  type WeighingOptions,
  WeightsInMemory,
} from "./weights.js";
