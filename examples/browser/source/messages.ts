/** What the page and its worker say to each other. */

/** What is to be mapped. */
export interface Job {
  file: File;
  index: string;
  /** Empty where the index has its cells. */
  reference: string;
  label: string;
  /** Embedding to transfer; empty for none. */
  embedding: string;
  /** `obsm` key of a zarr query. */
  rep: string;
  nprobe: number;
}

/** From the page: a job, or the wish to stop. */
export type Asked = { map: Job } | { cancel: true };

/** What came of a job. */
export interface Mapped {
  names: string[];
  k: number;
  indices: Float64Array;
  distances: Float32Array;
  labels: { codes: Int32Array; confidence: Float32Array; categories: readonly string[] };
  /** Two columns for each cell; null where none was asked for. */
  places: Float32Array | null;
  traffic: { directory: number; probed: number; fetched: number; index: number; columns: number };
}

/** From the worker. */
export type Told =
  | { progress: { stage: string; done: number; total: number } }
  | { mapped: Mapped }
  | { failed: { code: string; message: string; hint: string | null } };
