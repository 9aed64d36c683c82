/** Representations that are computed of the genes which stores share. The core computes, from disk to disk. */

import type { JointPlan, JointReport } from "./generated.js";
import { withPaths } from "./held.js";
import { read, runTask } from "./job.js";
import { encode, type JointOptions, type JointPlanOptions, type Stores } from "./request.js";

/**
 * Principal components of the cells of both stores together (of one store without a reference), of the genes that both have by name: as
 * scikit-learn's `PCA` of the concatenated matrix, centred and not scaled. Writes for each store a new AnnData with its names and columns,
 * `obsm/X_pca` (n × `nComps`, f32, default 50), `varm/PCs` (genes × `nComps`, f64) and `uns/pca` with `variance` and `variance_ratio`: the
 * query's at `output`, the reference's at `referenceOutput`. A mapping of those two by `useRep: "X_pca"` compares their cells.
 *
 * The matrix (`layer`, default `X`) is taken as it is, sparse or dense, and streamed: in one pass and one for the scores up to 4096 genes,
 * in some passes of more. Cells in memory have no names of genes and are refused (`GM_SHAPE`).
 *
 * Rejects, before anything is written, when the matrix is missing (`GM_NOT_FOUND`), no gene is in both stores (`GM_SHAPE`), a gene is there
 * twice (`GM_SCHEMA`), `nComps` is more than there are cells or genes (`GM_PARAM`), the memory is too small (`GM_BUDGET`) or an output exists
 * (`GM_EXISTS`); with `GM_SCHEMA` when a value is met that is not finite; and when cancelled (`GM_CANCELLED`), after which `resume: true`
 * makes no pass again that was made.
 *
 * @example
 * const stores = { query: "query.zarr", reference: "atlas.zarr" };
 * await computeJointPca({ ...stores, output: "query-pca.zarr", referenceOutput: "atlas-pca.zarr" });
 */
export async function computeJointPca(options: JointOptions & Stores): Promise<JointReport> {
  return await compute("joint_pca", options);
}

/**
 * Canonical correlations between two stores, as CellMapper's `compute_fast_cca` after Seurat (Stuart et al. 2019): the leading singular vectors
 * of the products of query cells with reference cells, each cell without the mean of its own genes, scaled to length 1. Writes as
 * {@link computeJointPca}, with `obsm/X_cca`, the loadings of each store's genes in `varm/X_cca` and `uns/X_cca/singular_values`.
 *
 * Streamed over the cells; the products of all genes must fit into memory, and more than 8192 genes are `GM_UNSUPPORTED`: choose some by
 * `maskVar`, or take joint PCA. Rejects as {@link computeJointPca}, and with `GM_PARAM` when there are fewer correlations than `nComps`.
 */
export async function computeFastCca(options: JointOptions & Stores): Promise<JointReport> {
  return await compute("fast_cca", options);
}

/** The same with the method among the options. */
export async function compute(
  method: string,
  { query, reference, ...rest }: JointOptions & Stores,
): Promise<JointReport> {
  const stores: Stores = reference == null ? { query } : { query, reference };
  const signals = rest.signal ? [rest.signal] : [];
  const options = { ...rest, method };
  return await withPaths(stores, (paths) => runTask<JointReport>("joint", { ...options, ...paths }, signals));
}

/**
 * What {@link computeJointPca}, or with `method: "fast_cca"` {@link computeFastCca}, would do and cost with these options: memory, disk, which
 * genes and how many components. Writes nothing and needs no outputs. Rejects as they do before they start.
 */
export async function planRepresentation(options: JointPlanOptions & Stores): Promise<JointPlan> {
  const { query, reference, ...rest } = options;
  const stores: Stores = reference == null ? { query } : { query, reference };
  return await withPaths(stores, (paths) => {
    const text = encode({ ...rest, ...paths });
    return read<JointPlan>("plan", options.signal, (addon) => addon.planJoint(text));
  });
}
