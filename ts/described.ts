/** What `inspect` and `doctor` answer. */

/** What an AnnData store holds. */
export interface Inspection {
  /** `anndata`. */
  format: string;
  /** 2 or 3. */
  zarrFormat: number;
  /** AnnData's own version of the layout. */
  encodingVersion: string;
  /** Cells. */
  nObs: number;
  /** Genes. */
  nVars: number;
  /** Names of the first three cells. */
  obsNamesFirst: string[];
  /** Columns of `obs`, by name. */
  obs: Record<string, ObsColumn>;
  /** Embeddings, by key. */
  obsm: Record<string, StoredMatrix>;
  /** `X` and every layer, by key. */
  layers: Record<string, StoredMatrix & { nnz?: number | null }>;
  /** What could not be described, and why. */
  skipped: { path: string; reason: string }[];
  /** Every array, by path. */
  arrays: Record<string, ArrayGrid>;
}

/** One column of `obs`. */
export interface ObsColumn {
  dtype: string;
  kind: "categorical" | "numeric" | "boolean" | "string" | "datetime";
  /** Cells without a value. */
  missing: number;
  categories?: (string | number | boolean)[] | null;
  ordered?: boolean | null;
  /** Sum of a numeric column. */
  sum?: number | null;
  /** Cells that are true in a boolean column. */
  true?: number | null;
}

/** A matrix with one row per cell. */
export interface StoredMatrix {
  /** `dense`, `csr` or `csc`. */
  kind: string;
  shape: number[];
  dtype: string;
}

/** How an array is cut and encoded. */
export interface ArrayGrid {
  chunks: number[];
  /** Rows and columns of a shard; null without sharding. */
  shards: number[] | null;
  codec: string;
  /** Bytes read for each byte used, when the array is read once in row order. */
  readAmplification: number;
}

/** What this machine offers. */
export interface Doctor {
  /** Version of the core. */
  version: string;
  cpu: {
    arch: string;
    model: string;
    /** Vector features found. */
    features: string[];
    /** The distance tile in use. */
    tile: "avx2" | "scalar";
  };
  /** Worker threads unless a call says otherwise. */
  threads: number;
  /** Bytes: the machine's, the cgroup's limit, the default budget. */
  memory: { machine: number; cgroup: number | null; default: number };
  backends: { name: string; available: boolean; reason: string | null }[];
}
