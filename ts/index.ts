/**
 * gigamapper: maps labels, numbers and embeddings from a reference atlas to query cells, from disk to disk, under a
 * declared memory budget. Everything public is listed here; a test compares the list.
 */

export { capabilities } from "./capabilities.js";
export type { Categorical, CellColumn, CellMatrix, Cells, CellsInMemory, Numbers } from "./cells.js";
export { clean } from "./clean.js";
export { diffuse, planDiffuse } from "./diffuse.js";
export { doctor, type Machine } from "./doctor.js";
export { type ErrorDetails, GigamapperError, type GigamapperErrorCode, isGigamapperError } from "./errors.js";
export { evaluate } from "./evaluate.js";
export { type ExportFormat, type ExportOptions, type ExportReport, exportResults } from "./export.js";
export type * from "./generated.js";
export { inspect } from "./inspect.js";
export { Kernel } from "./kernel.js";
export { type ColumnOptions, type MappedColumn, MappedStore, type MappedValue } from "./mapped.js";
export { CellMapper, map, plan } from "./mapper.js";
export { type BlockOptions, type NeighborBlock, Neighbors } from "./neighbors.js";
export { MappingOperator } from "./operator.js";
export type { ExternalPredictions } from "./predictions.js";
export { presence } from "./presence.js";
export type { ProgressListener } from "./progress.js";
export { rechunk } from "./rechunk.js";
export { ReferenceIndex } from "./reference-index.js";
export { computeFastCca, computeJointPca, planRepresentation } from "./representation.js";
export type {
  AppendOptions,
  ApplyOptions,
  CallOptions,
  CleanOptions,
  DiffuseOptions,
  DiffusePlanOptions,
  EvaluateOptions,
  ExpressionTransferOptions,
  IndexOptions,
  IndexPlanOptions,
  InspectOptions,
  JointOptions,
  JointPlanOptions,
  LabelTransferOptions,
  Limits,
  MapOptions,
  NeighborsOptions,
  NeighborsPlanOptions,
  PlanOptions,
  PresenceOptions,
  ProgressOptions,
  RechunkOptions,
  ScoreOptions,
  Stores,
  TransferOptions,
  TransferPlanOptions,
  VerifyOptions,
} from "./request.js";
export { sentences } from "./sentence.js";
export { planTransfer, transfer } from "./transfer.js";
export { verify } from "./verify.js";
