/**
 * gigamapper: maps labels, numbers and embeddings from a reference atlas to query cells, from disk to disk, under a
 * declared memory budget. Everything public is listed here; a test compares the list.
 */

export { doctor } from "./doctor.js";
export { type ErrorDetails, GigamapperError, type GigamapperErrorCode, isGigamapperError } from "./errors.js";
export type * from "./generated.js";
export { inspect } from "./inspect.js";
export { CellMapper, map, plan } from "./mapper.js";
export type { ProgressListener } from "./progress.js";
export type { CallOptions, Limits, MapOptions, PlanOptions, Stores } from "./request.js";
export { sentences } from "./sentence.js";
