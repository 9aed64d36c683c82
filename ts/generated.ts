/**
 * The types that cross between Rust and TypeScript. Written by a test of the core from its own types:
 * UPDATE_TYPES=1 cargo test typescript
 */

/**
 * A mapping request as it arrives from TypeScript, the command line or a configuration file. Unknown fields are refused.
 */
export type MapRequest = { 
/**
 * The query store: an AnnData; or many that are read as one: `a.zarr,b.zarr`, or a pattern with `*` and `?`.
 */
query: string, 
/**
 * The reference store, or many, as in `query`; none, or the query itself, is self-mapping.
 */
reference?: string, 
/**
 * Only the query cells for which a condition on columns of `obs` holds: `tissue == "lung" and n_genes > 500`. It has `==`, `!=`, `<`, `<=`,
 * `>`, `>=`, `in ["a", "b"]` and `is missing`, and joins them by `and`, `or`, `not` and parentheses; a value that is missing fails every
 * comparison. The result has rows for these cells alone. Default all.
 */
where?: string, 
/**
 * Only the reference cells for which a condition holds; rows of the reference are then counted among these. Without a reference it chooses
 * cells of the query's store. Default all, in self-mapping those of `where`.
 */
referenceWhere?: string, 
/**
 * Where the mapped store goes; `GM_EXISTS` if something is there. `plan` works without it.
 */
output?: string, 
/**
 * Representation in both stores: a key of `obsm`, `X`, or `layers/<name>`; cells × d numbers, dense or sparse, the same
 * d in both. Default `X_pca`.
 */
useRep?: string, 
/**
 * Components. Of a representation that is stored the first ones, default all; of one that is computed how many, default 50, or one less than
 * there are cells or genes where that is fewer.
 */
nComps?: number, 
/**
 * What is computed of `X` where `useRep` is not said and neither store has `X_pca`: `joint_pca` (default), or between two stores `fast_cca`. It
 * is gone when the mapping is finished; the command `pca` keeps one.
 */
fallbackRepresentation?: string, 
/**
 * Columns of the reference's `obs` to transfer: labels, texts and booleans are voted, numbers averaged. Default none.
 */
obsKeys?: Array<string>, 
/**
 * Keys of the reference's `obsm` to transfer, as weighted means. Default none.
 */
obsmKeys?: Array<string>, 
/**
 * Expression of the reference to transfer, as weighted means: `X`, or the name of a layer. Stored where it was found, dense, f32, with the
 * reference's genes as `var`. Default none.
 */
layerKey?: string, 
/**
 * Names of the genes whose expression is transferred, in the order of the result. Default all.
 */
genes?: Array<string>, 
/**
 * What the query has as library sizes, to which rows of transferred expression are scaled: `X` or the name of a layer, summed over its genes, or
 * `obs/<column>` of numbers. Default none: rows stay weighted means.
 */
targetLibsize?: string, 
/**
 * Neighbours per cell, default 30; in self-mapping it counts the cell itself.
 */
nNeighbors?: number, 
/**
 * How distances d become weights. `gauss`, the default between two stores: exp(−d²/2σ²), σ the mean of all distances. `umap`, the
 * default in self-mapping and only there: UMAP's fuzzy simplicial set. `adaptive_gauss`, there too: with a σ of each cell, the root of
 * the median of its d². `scarches` exp(−d·σ²/4), σ the standard deviation of all distances, and `scarches_local` with that of each cell;
 * `inverse_distance` 1/(d + 1e-8); `equal`; or `random`, by `seed`. By the number s of neighbours that two cells share, which needs
 * graphs within and between both stores: `jaccard` s/(4k − s), `hnoca` its square, `hnoca_knn` the same for neighbours alone.
 */
kernelMethod?: string, 
/**
 * σ of `gauss` or `scarches`, a distance above 0, such as one that an earlier mapping reported. Default: what the kernel takes from all
 * valid distances of the query.
 */
bandwidth?: number, 
/**
 * How an edge from a to b and one from b to a become one weight, in self-mapping: `max` (default there), `mean`, where one that is not
 * there counts as 0, or `none`. Within `umap` they are always united; those that share neighbours are the same both ways.
 */
symmetrize?: string, 
/**
 * Whether a cell votes for itself in self-mapping; default true there, unless `excludeBatch` excludes its batch.
 */
selfEdges?: boolean, 
/**
 * Steps of diffusion, in self-mapping: the mapping matrix M is applied t times, so that labels, numbers, embeddings and expression spread along the
 * graph (van Dijk et al. 2018). At least 1, which is the default and an ordinary transfer.
 */
t?: number, 
/**
 * How they are made. `iterative` (default): one after another; `spectral`: at once by the eigenvectors of M, of 2048 cells at most, with weights that are the
 * same both ways. Both give the same to 1e-5.
 */
diffusionMethod?: string, 
/**
 * `none` (default); `all`: store the weight of every category in `obsm/<key>_prob`; or `top-<m>`, 1 to 64: of the m categories with the
 * largest weights, with their codes in `obsm/<key>_top` and the weights in `obsm/<key>_top_prob`.
 */
probabilities?: string, 
/**
 * Categories that may be predicted, of every label column. The weights of others are dropped without renormalising, as in CellMapper: they
 * lower the confidence. Names that a column does not have are ignored with a warning. Default all.
 */
subsetCategories?: Array<string>, 
/**
 * Reference cells without a label: `drop` (default) leaves them out and renormalises; `category` lets them vote for no label; `error` refuses
 * a column that has any.
 */
missing?: string, 
/**
 * What booleans are: `label` (default), which is voted on, or `numeric`, of which the mean is taken: the share that is true.
 */
as?: string, 
/**
 * Whether `obs/<key>_second`, the label with the second largest weight, `obs/<key>_margin`, by how much it is behind, and
 * `obs/<key>_entropy` −Σ p ln p of the weights are stored; default false.
 */
labelDetails?: boolean, 
/**
 * Least confidence of a label, above 0 and at most 1. A label below it has the status `rejected`, and `obs/<key>_label`, which is stored wherever labels
 * can be rejected, says `unknown`; `obs/<key>_pred` keeps it.
 */
minConfidence?: number, 
/**
 * Largest distance to the last neighbour of a cell whose labels are not rejected (Sun et al. 2022).
 */
maxDistance?: number, 
/**
 * A store of the neighbours within the reference (`neighbors` of the reference alone), from which the largest distance is learnt.
 */
rejectGraph?: string, 
/**
 * The quantile of its distances that is the largest, above 0 and at most 1; default 0.99.
 */
rejectQuantile?: number, 
/**
 * Label columns of the reference from coarse to fine, which lie within one another; or one, whose labels `label_parents` puts below others. For
 * each cell the deepest label whose weight, with all that is below it, is at least `level_threshold` of the whole is stored in
 * `obs/<finest>_deepest`, with the weight in `obs/<finest>_deepest_conf` and its column, or how many labels are above it, in
 * `obs/<finest>_deepest_level`. Default none.
 */
labelLevels?: Array<string>, 
/**
 * The label above each label, by names: a table that may go on above those of the column.
 */
labelParents?: { [key in string]: string }, 
/**
 * Least weight of a label of several levels, above 0 and at most 1; default 0.5.
 */
levelThreshold?: number, 
/**
 * Suffix of predicted columns, default `pred`.
 */
predictionPostfix?: string, 
/**
 * Suffix of confidence columns, default `conf`.
 */
confidencePostfix?: string, 
/**
 * How neighbours are sought. `auto` (default): `exact` below 50 000 reference cells, else `ivf`. `exact` compares every
 * pair; `ivf` visits the lists of an index that are nearest to a cell; `ivfpq` does so by codes of 4 bits for each
 * sub-space, which say what is compared closely.
 */
method?: string, 
/**
 * Share of the true neighbours that an approximate search must find, above 0 and at most 1; default 0.95. It chooses
 * `nprobe`, by brute force on a sample of this run's own cells.
 */
recall?: number, 
/**
 * Lists of the index that the run builds, 1 to 2^24. Default: a 350th of the reference cells.
 */
nlist?: number, 
/**
 * Lists visited for each query cell, 1 to `nlist`, instead of what `recall` would choose.
 */
nprobe?: number, 
/**
 * Distance between cells. `euclidean` (default) d; `sqeuclidean` d²; `cosine` 1 − cos, 0 to 2, which zero vectors do not
 * have; `inner_product` −⟨q, x⟩, which a kernel of distances refuses.
 */
metric?: string, 
/**
 * A column of labels in `obs` of both stores, such as the donor or the batch: reference cells that have the same label as a query cell are not its
 * neighbours, so that a cell is told by other batches than its own. A cell without a label excludes nothing. By lists it is searched in the order
 * of rows and without a repair. Default none.
 */
excludeBatch?: string, 
/**
 * Seed of every random choice: samples for training and for measuring recall, and weights of `random`. 0 to 2^53 − 1, default 0.
 */
seed?: number, 
/**
 * Numbers in the lists of the index that the run builds: `f32` (default), or `f16` for half the bytes, with coordinates
 * rounded to 5e-4 of their size.
 */
listDtype?: string, 
/**
 * What decides among the rows that codes have selected, by `ivfpq`: `exact` (default) rows as they are, `f16` rows rounded to half the
 * bytes, or `none`: nothing but codes is stored, and distances are approximate.
 */
rerank?: string, 
/**
 * How lists are read. `auto` (default): kept in memory where they fit, else read, or mapped if the run built them itself;
 * `pread`; or `mmap` of a sealed index, which must not be changed meanwhile. Changes no result.
 */
io?: string, 
/**
 * Order of work of a search by lists. `rows`: blocks of cells in the order of the output, each against the whole index; `lists`: cells
 * that lie near each other together, their neighbours sorted back on disk, which reads little where index or query are larger than
 * memory. `auto` (default): whichever reads and writes less; lists where a GPU searches. A resumed run keeps its order. Changes no result.
 */
order?: string, 
/**
 * Whether neighbours are repaired after a search by lists, in self-mapping or by an index that keeps the graph of its rows (`keepGraph`): each
 * cell is compared with the neighbours of its neighbours too. `auto` (default): where, of several millions of cells, that costs less than more lists for the same recall; `never`; `always`.
 */
repair?: string, 
/**
 * An index of the reference, `name.gmx`, instead of one that the run builds and removes. One that was built with `bundle` is a reference by itself:
 * then none is named.
 */
index?: string, 
/**
 * Existing folder for intermediate files. Default: beside the output. Changes no result.
 */
workDir?: string, 
/**
 * What cells are compared by. `auto` (default): in an exact search by a GPU where cuVS and a device are found, else by the CPU, which searches lists as soon; the plan
 * says which, and why. `cpu`; or `cuda`, which is `GM_BACKEND` with a remedy where there is none. Every one finds the same bits, so a run may be resumed by another.
 */
backend?: string, 
/**
 * Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
 * cgroup's, at least 256 MiB. `GM_BUDGET` says what would do.
 */
memory?: string, 
/**
 * Worker threads; default all cores.
 */
threads?: number, 
/**
 * Continue an interrupted run of the same request; `GM_STALE` if inputs or parameters differ.
 */
resume?: boolean, 
/**
 * Replace an earlier mapped store; anything else that is there stays `GM_EXISTS`.
 */
overwrite?: boolean, 
/**
 * How matrices of the output are stored: `fast` (default), as plain bytes; or `compact`, in small chunks compressed by blosc (zstd, shuffled), for stores
 * that are kept or sent.
 */
profile?: string, 
/**
 * Rows per inner chunk, shard and part; for tests of the layout.
 */
layout?: LayoutRequest, };

/**
 * A request for neighbours alone, under the names of a mapping. Unknown fields are refused.
 */
export type NeighborsRequest = { 
/**
 * The query store (y): an AnnData zarr folder.
 */
query: string, 
/**
 * The reference store (x); none, or the query itself, is the graph of one store.
 */
reference?: string, 
/**
 * Only the query cells for which a condition holds, as in `map`. Default all.
 */
where?: string, 
/**
 * Only the reference cells for which a condition holds, as in `map`.
 */
referenceWhere?: string, 
/**
 * Where the graph goes: an AnnData with `obsm/knn_indices` and `obsm/knn_distances`; `GM_EXISTS` if something is there.
 * A plan works without it.
 */
output?: string, 
/**
 * Key in `obsm` of both stores: cells × d numbers, the same d in both. Default `X_pca`.
 */
useRep?: string, 
/**
 * Components. Of a representation that is stored the first ones, default all; of one that is computed how many, default 50, or one less than
 * there are cells or genes where that is fewer.
 */
nComps?: number, 
/**
 * What is computed of `X` where `useRep` is not said and neither store has `X_pca`: `joint_pca` (default), or between two stores `fast_cca`.
 */
fallbackRepresentation?: string, 
/**
 * Which graphs (x is the reference, y the query): `yx`, from the query to the reference, and beside it `xx`, `yy` and `xy`, each a store of its
 * own that `transfer` finds: `graph-xx.zarr` beside `graph.zarr`. Default `yx` alone. Within one store all are one.
 */
graphs?: Array<string>, 
/**
 * Neighbours per cell, default 30; within one store it counts the cell itself.
 */
nNeighbors?: number, 
/**
 * How neighbours are sought. `auto` (default): `exact` below 50 000 reference cells, else `ivf`. `exact` compares every
 * pair; `ivf` visits the lists of an index that are nearest to a cell; `ivfpq` does so by codes of 4 bits for each
 * sub-space, which say what is compared closely.
 */
method?: string, 
/**
 * Share of the true neighbours that an approximate search must find, above 0 and at most 1; default 0.95. It chooses
 * `nprobe`, by brute force on a sample of this run's own cells.
 */
recall?: number, 
/**
 * Lists of the index that the run builds, 1 to 2^24. Default: a 350th of the reference cells.
 */
nlist?: number, 
/**
 * Lists visited for each query cell, 1 to `nlist`, instead of what `recall` would choose.
 */
nprobe?: number, 
/**
 * Distance between cells. `euclidean` (default) d; `sqeuclidean` d²; `cosine` 1 − cos, 0 to 2, which zero vectors do not
 * have; `inner_product` −⟨q, x⟩, so that the nearest come first.
 */
metric?: string, 
/**
 * A column of labels in `obs` of both stores: reference cells with the label of a query cell are not its neighbours, as in `map`. Default none.
 */
excludeBatch?: string, 
/**
 * Seed of every random choice: samples for training and for measuring recall. 0 to 2^53 − 1, default 0.
 */
seed?: number, 
/**
 * Numbers in the lists of the index that the run builds: `f32` (default), or `f16` for half the bytes, with coordinates
 * rounded to 5e-4 of their size.
 */
listDtype?: string, 
/**
 * What decides among the rows that codes have selected, by `ivfpq`: `exact` (default) rows as they are, `f16` rows rounded to half the
 * bytes, or `none`: nothing but codes is stored, and distances are approximate.
 */
rerank?: string, 
/**
 * How lists are read. `auto` (default): kept in memory where they fit, else read, or mapped if the run built them itself;
 * `pread`; or `mmap` of a sealed index, which must not be changed meanwhile. Changes no result.
 */
io?: string, 
/**
 * Order of work of a search by lists. `rows`: blocks of cells in the order of the output, each against the whole index; `lists`: cells
 * that lie near each other together, their neighbours sorted back on disk, which reads little where index or query are larger than
 * memory. `auto` (default): whichever reads and writes less; lists where a GPU searches. A resumed run keeps its order. Changes no result.
 */
order?: string, 
/**
 * Whether neighbours are repaired after a search by lists, in self-mapping or by an index that keeps the graph of its rows (`keepGraph`): each
 * cell is compared with the neighbours of its neighbours too. `auto` (default): where, of several millions of cells, that costs less than more lists for the same recall; `never`; `always`.
 */
repair?: string, 
/**
 * An index of the reference, `name.gmx`, instead of one that the run builds and removes.
 */
index?: string, 
/**
 * Existing folder for intermediate files. Default: beside the output. Changes no result.
 */
workDir?: string, 
/**
 * What cells are compared by. `auto` (default): in an exact search by a GPU where cuVS and a device are found, else by the CPU, which searches lists as soon; the plan
 * says which, and why. `cpu`; or `cuda`, which is `GM_BACKEND` with a remedy where there is none. Every one finds the same bits, so a run may be resumed by another.
 */
backend?: string, 
/**
 * Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
 * cgroup's, at least 256 MiB. `GM_BUDGET` says what would do.
 */
memory?: string, 
/**
 * Worker threads; default all cores.
 */
threads?: number, 
/**
 * Continue an interrupted run of the same request; `GM_STALE` if inputs or parameters differ.
 */
resume?: boolean, 
/**
 * Replace an earlier store of gigamapper; anything else that is there stays `GM_EXISTS`.
 */
overwrite?: boolean, 
/**
 * How matrices of the output are stored: `fast` (default) or `compact`, as in `map`.
 */
profile?: string, 
/**
 * Rows per inner chunk, shard and part; for tests of the layout.
 */
layout?: LayoutRequest, };

/**
 * A request to diffuse columns of cells along neighbours within one store. Unknown fields are refused.
 */
export type DiffuseRequest = { 
/**
 * The neighbours of every cell within the store: a finished store of `map` or `neighbors`; an AnnData with `distances` in `obsp`; or
 * `ids.npy,distances.npy`. They are never written to.
 */
neighbors: string, 
/**
 * Key in `obsp` of the distances, a sparse matrix. Default `distances`, if the store is not one of ours.
 */
neighborsKey?: string, 
/**
 * Neighbours that are kept of each cell, the nearest, counting the cell itself. Default all.
 */
nNeighbors?: number, 
/**
 * The cells that were mapped, whose columns are diffused: an AnnData, or many, as there. They are never written to.
 */
query: string, 
/**
 * Only the cells for which a condition on columns of `obs` holds, as in `map`. Default all.
 */
where?: string, 
/**
 * Whether the neighbours are stored in the output too; without them it names the store that has them, where whoever reads them finds them. Default: only
 * where `neighbors` is no store of ours that has them just so.
 */
storeNeighbors?: boolean, 
/**
 * Where the result goes, a mapped AnnData; `GM_EXISTS` if something is there.
 */
output?: string, 
/**
 * Columns of `obs` to diffuse: labels, texts and booleans are voted, numbers averaged. Default none.
 */
obsKeys?: Array<string>, 
/**
 * Keys of `obsm` to diffuse, as weighted means. Default none.
 */
obsmKeys?: Array<string>, 
/**
 * Expression to diffuse: `X`, or the name of a layer. Default none.
 */
layerKey?: string, 
/**
 * Names of the genes whose expression is diffused, in the order of the result. Default all.
 */
genes?: Array<string>, 
/**
 * Steps: the mapping matrix M is applied t times. At least 1, which is an ordinary transfer along these neighbours; default 3.
 */
t?: number, 
/**
 * How they are made: `iterative` (default) or `spectral`, as in `map`.
 */
diffusionMethod?: string, 
/**
 * How distances become weights, as in `map`; default `umap`.
 */
kernelMethod?: string, 
/**
 * σ of `gauss` or `scarches`, a distance above 0. Default: what the kernel takes from all stored distances.
 */
bandwidth?: number, 
/**
 * How both directions of an edge become one weight: `max` (default), `mean` or `none`.
 */
symmetrize?: string, 
/**
 * Whether a cell keeps a share of its own value; default true, unless the neighbours were sought without its batch.
 */
selfEdges?: boolean, 
/**
 * Seed of the weights of kernel `random`, 0 to 2^53 − 1; default 0.
 */
seed?: number, 
/**
 * The metric of the stored distances, for those who read the result. Default what the graph tells, or `euclidean`; another than it tells is `GM_PARAM`.
 */
metric?: string, 
/**
 * `none` (default), `all` or `top-<m>`: the shares of categories that are stored, as in `map`.
 */
probabilities?: string, 
/**
 * Categories that may be predicted, of every label column. Default all.
 */
subsetCategories?: Array<string>, 
/**
 * Cells without a label: `drop` (default), `category` or `error`, as in `map`.
 */
missing?: string, 
/**
 * What booleans are: `label` (default), which is voted on, or `numeric`, of which the mean is taken: the share that is true.
 */
as?: string, 
/**
 * Whether second label, margin and entropy are stored; default false.
 */
labelDetails?: boolean, 
/**
 * Suffix of predicted columns, default `pred`.
 */
predictionPostfix?: string, 
/**
 * Suffix of confidence columns, default `conf`.
 */
confidencePostfix?: string, 
/**
 * Existing folder for intermediate files. Default: beside the output. Changes no result.
 */
workDir?: string, 
/**
 * Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
 * cgroup's, at least 256 MiB. `GM_BUDGET` says what would do.
 */
memory?: string, 
/**
 * Worker threads; default all cores.
 */
threads?: number, 
/**
 * Continue an interrupted run of the same request; `GM_STALE` if inputs or parameters differ.
 */
resume?: boolean, 
/**
 * Replace an earlier store of gigamapper; anything else that is there stays `GM_EXISTS`.
 */
overwrite?: boolean, 
/**
 * How matrices of the output are stored: `fast` (default) or `compact`, as in `map`.
 */
profile?: string, 
/**
 * Rows per inner chunk, shard and part; for tests of the layout.
 */
layout?: LayoutRequest, };

/**
 * A request to transfer along stored neighbours, under the names of a mapping. Unknown fields are refused.
 */
export type TransferRequest = { 
/**
 * The query store: an AnnData; or many that are read as one: `a.zarr,b.zarr`, or a pattern with `*` and `?`.
 */
query: string, 
/**
 * The reference store, or many, as in `query`; none, or the query itself, is self-mapping.
 */
reference?: string, 
/**
 * Only the query cells for which a condition holds, as in `map`: those that the neighbours are of. Default all.
 */
where?: string, 
/**
 * Only the reference cells for which a condition holds, as in `map`.
 */
referenceWhere?: string, 
/**
 * The neighbours: a finished store of `map` or `neighbors`; an AnnData with distances in `obsp`, such as scanpy's, in self-mapping; or
 * `ids.npy,distances.npy`, query cells × k, −1 where there is none. Rows need not be sorted or equally long; within one store the cell
 * itself is dropped.
 */
neighbors: string, 
/**
 * Key in `obsp` of the distances, a sparse matrix. Default `distances`, if the store is not one of ours.
 */
neighborsKey?: string, 
/**
 * Neighbours of the reference's cells within the reference, of any of these forms: between two stores, for kernels that count shared
 * neighbours. Default: what `neighbors` kept beside `neighbors` as `graphs`.
 */
neighborsXx?: string, 
/**
 * The same of the query's cells within the query.
 */
neighborsYy?: string, 
/**
 * The same of the reference's cells among the query's.
 */
neighborsXy?: string, 
/**
 * Neighbours that are kept of each cell, the nearest; in self-mapping it counts the cell itself. Default all.
 */
nNeighbors?: number, 
/**
 * Whether the neighbours are stored in the output too; without them it names the store that has them, where whoever reads them finds them. Default: only
 * where `neighbors` is no store of ours that has them just so.
 */
storeNeighbors?: boolean, 
/**
 * Where the mapped store goes; `GM_EXISTS` if something is there.
 */
output?: string, 
/**
 * Columns of the reference's `obs` to transfer: labels, texts and booleans are voted, numbers averaged. Default none.
 */
obsKeys?: Array<string>, 
/**
 * Keys of the reference's `obsm` to transfer, as weighted means. Default none.
 */
obsmKeys?: Array<string>, 
/**
 * Expression of the reference to transfer, as weighted means: `X`, or the name of a layer. Default none.
 */
layerKey?: string, 
/**
 * Names of the genes whose expression is transferred, in the order of the result. Default all.
 */
genes?: Array<string>, 
/**
 * What the query has as library sizes, to which rows of expression are scaled, as in `map`. Default none.
 */
targetLibsize?: string, 
/**
 * How distances become weights, as in `map`; between two stores `jaccard`, `hnoca` and `hnoca_knn` need the other graphs. Default `gauss`, in
 * self-mapping `umap`.
 */
kernelMethod?: string, 
/**
 * σ of `gauss` or `scarches`, a distance above 0. Default: what the kernel takes from all distances.
 */
bandwidth?: number, 
/**
 * How an edge from a to b and one from b to a become one weight, in self-mapping: `max` (default there), `mean` or `none`.
 */
symmetrize?: string, 
/**
 * Whether a cell votes for itself in self-mapping; default true there, unless the neighbours were sought without its batch.
 */
selfEdges?: boolean, 
/**
 * Steps of diffusion, in self-mapping, as in `map`. At least 1, the default.
 */
t?: number, 
/**
 * How they are made: `iterative` (default) or `spectral`.
 */
diffusionMethod?: string, 
/**
 * `none` (default), `all` or `top-<m>`: which weights of categories are stored.
 */
probabilities?: string, 
/**
 * Categories that may be predicted, of every label column. Default all.
 */
subsetCategories?: Array<string>, 
/**
 * Reference cells without a label: `drop` (default), `category` or `error`.
 */
missing?: string, 
/**
 * What booleans are: `label` (default), which is voted on, or `numeric`, of which the mean is taken: the share that is true.
 */
as?: string, 
/**
 * Whether second label, margin and entropy are stored; default false.
 */
labelDetails?: boolean, 
/**
 * Least confidence of a label that is not rejected, above 0 and at most 1.
 */
minConfidence?: number, 
/**
 * Largest distance to the last neighbour of a cell whose labels are not rejected.
 */
maxDistance?: number, 
/**
 * A store of the neighbours within the reference, from which the largest distance is learnt.
 */
rejectGraph?: string, 
/**
 * The quantile of its distances that is the largest, above 0 and at most 1; default 0.99.
 */
rejectQuantile?: number, 
/**
 * Label columns from coarse to fine, of which the deepest sure label is told, as in `map`. Default none.
 */
labelLevels?: Array<string>, 
/**
 * The label above each label of the one column of `label_levels`.
 */
labelParents?: { [key in string]: string }, 
/**
 * Least weight of such a label, above 0 and at most 1; default 0.5.
 */
levelThreshold?: number, 
/**
 * Suffix of predicted columns, default `pred`.
 */
predictionPostfix?: string, 
/**
 * Suffix of confidence columns, default `conf`.
 */
confidencePostfix?: string, 
/**
 * The metric of the distances, for those who read the result. Default what the graph tells, or `euclidean`; another than it tells is `GM_PARAM`.
 */
metric?: string, 
/**
 * Seed of the weights of `random`. 0 to 2^53 − 1, default 0.
 */
seed?: number, 
/**
 * Existing folder for intermediate files. Default: beside the output. Changes no result.
 */
workDir?: string, 
/**
 * Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
 * cgroup's, at least 256 MiB. `GM_BUDGET` says what would do.
 */
memory?: string, 
/**
 * Worker threads; default all cores.
 */
threads?: number, 
/**
 * Continue an interrupted run of the same request; `GM_STALE` if inputs or parameters differ.
 */
resume?: boolean, 
/**
 * Replace an earlier mapped store; anything else that is there stays `GM_EXISTS`.
 */
overwrite?: boolean, 
/**
 * How matrices of the output are stored: `fast` (default) or `compact`, as in `map`.
 */
profile?: string, 
/**
 * Rows per inner chunk, shard and part; for tests of the layout.
 */
layout?: LayoutRequest, };

/**
 * Sizes of the output store's grid. They are recorded in the store.
 */
export type LayoutRequest = { 
/**
 * Most rows of an inner chunk, default 65 536.
 */
innerRows: number, 
/**
 * Most inner chunks of a unit, default 16.
 */
innerPerUnit: number, 
/**
 * Most rows of a part, a multiple of the unit's; default 2^24.
 */
partRows: number, };

/**
 * Parameters that change results, with every default filled in. Canonical: two equal runs have equal parameters.
 */
export type Parameters = { 
/**
 * Key in `obsm` of both stores; empty where neighbours are imported.
 */
useRep: string, 
/**
 * The condition that chooses query cells, in the one form that it has.
 */
where?: string, 
/**
 * The condition that chooses reference cells; none in self-mapping, where it is the same.
 */
referenceWhere?: string, 
/**
 * Its first columns, if not all are taken.
 */
nComps?: number, 
/**
 * Columns of `obs` to transfer.
 */
obsKeys: Array<string>, 
/**
 * Keys of `obsm` to transfer.
 */
obsmKeys: Array<string>, 
/**
 * Expression to transfer: `X` or `layers/<name>`.
 */
layerKey: string | null, 
/**
 * Genes of it; all where there is none.
 */
genes: Array<string>, 
/**
 * What the query has as library sizes, to which expression is scaled: `X`, `layers/<name>` or `obs/<column>`.
 */
targetLibsize?: string, 
/**
 * As asked for: in self-mapping it counts the cell itself.
 */
nNeighbors: number, 
/**
 * The kernel.
 */
kernelMethod: string, 
/**
 * The bandwidth, where it was pinned.
 */
bandwidth: number | null, 
/**
 * Seed of the weights of kernel `random`; null for any other.
 */
kernelSeed: number | null, 
/**
 * How two directions of an edge become one weight: `max`, `mean`, `union` within `umap`, or `none`.
 */
symmetrize: string, 
/**
 * Whether a cell votes for itself.
 */
selfEdges: boolean, 
/**
 * How labels are voted on, told of and rejected.
 */
labels: LabelParameters, 
/**
 * Steps of diffusion; left out for one step, which is what there is without.
 */
diffusion?: DiffusionParameters, 
/**
 * Suffix of predicted columns.
 */
predictionPostfix: string, 
/**
 * Suffix of confidence columns.
 */
confidencePostfix: string, 
/**
 * The column of batches, where a cell's neighbours are of other batches than its own.
 */
excludeBatch?: string, 
/**
 * The search method taken: `exact`, `ivf` or `ivfpq`; `imported` where neighbours were found before.
 */
method: string, 
/**
 * The metric.
 */
metric: string, 
/**
 * What decides the result of an approximate search; null for an exact one, which has no choices.
 */
ivf: IvfParameters | null, };

/**
 * How what is transferred is diffused: Mᵗ x instead of M x.
 */
export type DiffusionParameters = { 
/**
 * Steps, at least 2.
 */
t: number, 
/**
 * `iterative` or `spectral`.
 */
method: string, };

/**
 * What decides which neighbours a search by inverted lists finds.
 */
export type IvfParameters = { 
/**
 * The recall that chooses `nprobe`; null where that was given.
 */
recall: number | null, 
/**
 * Lists visited for each query cell; null where `recall` chooses.
 */
nprobe: number | null, 
/**
 * Lists of the index.
 */
nlist: number, 
/**
 * Numbers in its lists: `f32`, `f16`, or `none` where codes are all there is.
 */
listDtype: string, 
/**
 * What decides among rows that codes have selected: `exact`, `f16` or `none`; null without codes.
 */
rerank: string | null, 
/**
 * Whether neighbours are repaired: `always`, `never`, or `auto` where a measurement decides.
 */
repair: string, 
/**
 * Seed of all samples.
 */
seed: number, 
/**
 * Digest of the index that was given; null where the run builds its own.
 */
index: string | null, };

/**
 * How labels are voted on, told of and rejected, with every default filled in.
 */
export type LabelParameters = { 
/**
 * Categories that may be predicted; all where there is none.
 */
subset: Array<string>, 
/**
 * `drop`, `category` or `error`.
 */
missing: string, 
/**
 * `numeric` where booleans are averaged instead of voted on.
 */
booleans?: string, 
/**
 * `none`, `all` or `top-<m>`.
 */
probabilities: string, 
/**
 * Whether second label, margin and entropy are stored.
 */
details: boolean, 
/**
 * Least confidence of a label that is not rejected.
 */
minConfidence: number | null, 
/**
 * Largest distance of a cell whose labels are not rejected: pinned, or learnt from a graph of the reference.
 */
maxDistance: number | null, 
/**
 * Which neighbour's distance that is, counted from 1.
 */
distanceOf: number | null, 
/**
 * Columns of labels from coarse to fine, of which the deepest with enough weight is told.
 */
levels?: Array<string>, 
/**
 * What is above each label of the one column of `levels`.
 */
parents?: { [key in string]: string }, 
/**
 * The least share of such a label.
 */
levelThreshold?: number, };

/**
 * A resolved run before it starts: nothing has been written.
 */
export type Plan = { 
/**
 * `cross` or `self`.
 */
mode: string, 
/**
 * The query side.
 */
query: Side, 
/**
 * The reference side.
 */
reference: Side, 
/**
 * Width of the stored neighbours: `nNeighbors`, less one in self-mapping; rows are padded where there are fewer cells.
 */
k: number, 
/**
 * What changes results.
 */
parameters: Parameters, 
/**
 * Why this search method, in one sentence.
 */
methodReason: string, 
/**
 * What cells are compared by, and why.
 */
backend: BackendPlan, 
/**
 * What the search takes besides the output.
 */
search: SearchPlan, 
/**
 * Grid of the output.
 */
layout: OutputLayout, 
/**
 * Query rows in flight.
 */
blockRows: number, 
/**
 * Reference rows in memory at a time.
 */
slabRows: number, 
/**
 * How often the reference is read.
 */
referencePasses: number, 
/**
 * Worker threads.
 */
threads: number, 
/**
 * Bytes of memory: the limit and what takes them.
 */
memory: MemoryPlan, 
/**
 * Bytes the output will take at most.
 */
diskBytes: number, 
/**
 * Bytes read from query and reference.
 */
readBytes: number, 
/**
 * Distances computed; an estimate where `recall` has yet to choose `nprobe`.
 */
pairs: number, 
/**
 * Rough seconds, from fixed constants per pair and byte.
 */
estimatedSeconds: number, 
/**
 * What will be stored where.
 */
outputs: Array<OutputArray>, 
/**
 * What the user should know before starting.
 */
warnings: Array<string>, 
/**
 * Hash of inputs, parameters and format: the same for the same result.
 */
run: string, };

/**
 * A search before it starts.
 */
export type SearchPlan = { 
/**
 * The recall that will choose `nprobe`; null for an exact search, and where `nprobe` was given.
 */
recall: number | null, 
/**
 * Lists of the index; null for an exact search.
 */
nlist: number | null, 
/**
 * Lists visited for each query cell; null for an exact search, and where `recall` chooses.
 */
nprobe: number | null, 
/**
 * Order of work: `rows` of the output or `lists` of the index; null for an exact search.
 */
order: string | null, 
/**
 * Bytes of the index at most, given or built for this run; 0 for an exact search.
 */
indexBytes: number, 
/**
 * Bytes of intermediate files at most, gone at the end.
 */
runBytes: number, };

/**
 * What neighbours are sought with.
 */
export type BackendPlan = { 
/**
 * `cpu` or `cuda`.
 */
name: string, 
/**
 * Why this one, in one sentence.
 */
reason: string, 
/**
 * The devices, by number, name and memory, and the library that drives them; null for the CPU.
 */
device: string | null, };

/**
 * One side of a mapping.
 */
export type Side = { 
/**
 * The store.
 */
path: string, 
/**
 * Cells.
 */
nObs: number, 
/**
 * Columns of the representation.
 */
dim: number, 
/**
 * Its element type.
 */
dtype: string, };

/**
 * Rows per chunk, unit and part of the output.
 */
export type OutputLayout = { 
/**
 * Rows per inner chunk.
 */
innerRows: number, 
/**
 * Rows per shard and commit unit.
 */
unitRows: number, 
/**
 * Rows per AnnData.
 */
partRows: number, 
/**
 * Units in all.
 */
units: number, 
/**
 * AnnData groups: 1 means that the store itself is one.
 */
parts: number, };

/**
 * The memory model of a plan.
 */
export type MemoryPlan = { 
/**
 * The declared budget, bytes.
 */
limit: number, 
/**
 * What the plan takes at its highest, bytes.
 */
planned: number, 
/**
 * Its parts, bytes each.
 */
parts: Record<string, number>, };

/**
 * One array or column that the run stores.
 */
export type OutputArray = { 
/**
 * Path in the store, such as `obs/cell_type_pred`; of a graph that is kept beside it, the path of that before.
 */
path: string, 
/**
 * `categorical`, `numeric`, `boolean`, `array` or `string`.
 */
kind: string, 
/**
 * Its shape over all parts.
 */
shape: number[], 
/**
 * The stage that stores it: `join`, `transfer`, `graphs` or `rechunk`.
 */
stage: string, };

/**
 * What a finished run did.
 */
export type RunReport = { 
/**
 * The mapped store.
 */
output: string, 
/**
 * The plan that was run.
 */
plan: Plan, 
/**
 * Query cells by `mapping_status`.
 */
statusCounts: Record<string, number>, 
/**
 * Per label column: query cells by status of that key.
 */
labelStatusCounts: Record<string, Record<string, number>>, 
/**
 * Per label column of an approximate search: whether labels are those of an exact one. Empty for an exact search.
 */
labelAgreement: Record<string, LabelAgreement>, 
/**
 * Reference rows left out because a coordinate is NaN or infinite, or by cosine because all are zero.
 */
excludedReferenceRows: number, 
/**
 * Bandwidth σ of the kernel, pinned or learnt; null where the kernel has none, and when there was no valid distance, as by inner
 * products.
 */
sigma: number | null, 
/**
 * Recall of the neighbours.
 */
recall: RecallReport, 
/**
 * How far the query's neighbours lie, beside those within the reference; null in self-mapping, and where it is not known.
 */
space: SpaceReport | null, 
/**
 * What GPUs did; null where the CPU alone compared cells.
 */
gpu: GpuReport | null, 
/**
 * What was stored where.
 */
stored: Array<OutputArray>, 
/**
 * Seconds and bytes by stage.
 */
stages: Array<StageReport>, 
/**
 * Seconds in all.
 */
seconds: number, 
/**
 * Most anonymous memory of the process seen, bytes: mapped files are not in it.
 */
peakMemory: number, 
/**
 * Units that an earlier, interrupted run had committed.
 */
resumedUnits: number, 
/**
 * What the user should know.
 */
warnings: Array<string>, };

/**
 * How many of the true neighbours were found: the share, over a held-out sample of this run's own query cells, of the
 * neighbours by brute force that are among those stored.
 */
export type RecallReport = { 
/**
 * The measured share, 0 to 1; 1 for an exact search, which needs no measuring, and for imported neighbours, of which nothing is known.
 */
measured: number, 
/**
 * Lower end of its 95 % interval.
 */
low: number, 
/**
 * Upper end of its 95 % interval.
 */
high: number, 
/**
 * What was asked for; null for an exact search, and where `nprobe` was given.
 */
target: number | null, 
/**
 * Lists that a query cell looks in at most; where `recall` chose them, it leaves out those that are much farther than the
 * nearest. Null for an exact search.
 */
nprobe: number | null, 
/**
 * Lists that a query cell looks in on average, of that sample; null for an exact search.
 */
meanNprobe: number | null, 
/**
 * How far neighbours were repaired: each cell was compared with the first `r1` neighbours of its first `r2` neighbours too. Null where
 * that was not done.
 */
repair: Hop | null, 
/**
 * The method taken: `exact`, `ivf` or `ivfpq`; `imported` where neighbours were found before.
 */
method: string, 
/**
 * Whether stored distances are approximate: those to what codes stand for, where the rows themselves are not stored.
 */
approximateDistances: boolean, };

/**
 * What GPUs did in the join of a run, in this process and all together: they find what may be near, and the CPU decides.
 */
export type GpuReport = { 
/**
 * Seconds in which reference rows were copied there; the CPU works meanwhile.
 */
loadSeconds: number, 
/**
 * Seconds in which they searched, with copying queries there and what was found back.
 */
searchSeconds: number, 
/**
 * Distances that they computed.
 */
pairs: number, 
/**
 * Query cells that were decided by what a GPU found, once for each slab of the reference or for their lists together.
 */
settled: number, 
/**
 * Those that were left to the CPU: more rows may be as near as were asked for, there was too little to compare, or a GPU failed.
 */
left: number, };

/**
 * How far the query's neighbours lie, beside those within the reference.
 */
export type SpaceReport = { 
/**
 * Median distance of a sample of query cells to the last of their k neighbours.
 */
query: number, 
/**
 * The same of reference cells to the last of theirs, within the reference.
 */
reference: number, 
/**
 * The distance that 99 % of those of the reference do not exceed.
 */
far: number, 
/**
 * Share of the query cells that exceed it.
 */
farther: number, 
/**
 * Whether they are so many that the query seems to lie in another space.
 */
isOther: boolean, };

/**
 * How far a repair looks: at the first `r1` neighbours of each of a query's first `r2` neighbours.
 */
export type Hop = { 
/**
 * Neighbours of a neighbour that are looked at.
 */
r1: number, 
/**
 * Neighbours whose neighbours are looked at.
 */
r2: number, };

/**
 * Whether labels are those of an exact search, of one label column: over a held-out sample of this run's own query cells.
 */
export type LabelAgreement = { 
/**
 * Cells of the sample.
 */
cells: number, 
/**
 * How many of them have the label that their true neighbours give them.
 */
agreeing: number, 
/**
 * Their share, 0 to 1; 1 where there is no cell.
 */
agreement: number, 
/**
 * By the label that true neighbours give, the category that keeps the smallest share of its cells first; at most 30.
 */
categories: Array<CategoryAgreement>, 
/**
 * Categories of the sample that are not listed: all keep as many or more.
 */
leftOut: number, };

/**
 * One category of a [`LabelAgreement`].
 */
export type CategoryAgreement = { 
/**
 * The label.
 */
category: string, 
/**
 * Cells of the sample that have it by their true neighbours.
 */
cells: number, 
/**
 * The share of them that keeps it, 0 to 1.
 */
kept: number, };

/**
 * Time and traffic of one stage.
 */
export type StageReport = { 
/**
 * `preflight`, `index`, `calibrate`, `join`, in the order of lists `gather`, with a repair `repair`, where weights are symmetrised
 * `reverse`, `graphs`, of more than one step of diffusion `diffuse`, `transfer`, `finalise`; of an index `preflight`, `read`, `train`, `add`, `seal`; of a copy
 * `preflight`, `rechunk`, `finalise`; of a computed representation `preflight`, `components`, `scores`, `finalise`; of presence scores `preflight`,
 * `bandwidth`, `presence`, `write`, `finalise`.
 */
stage: string, 
/**
 * Wall seconds.
 */
seconds: number, 
/**
 * Bytes written to the output.
 */
bytesWritten: number, };

/**
 * A request to build the index of a reference, or to append to it. Unknown fields are refused.
 */
export type IndexRequest = { 
/**
 * The reference store: an AnnData; or many that are read as one: `a.zarr,b.zarr`, or a pattern with `*` and `?`.
 */
reference: string, 
/**
 * Only the cells for which a condition on columns of `obs` holds, as in `map`. Default all.
 */
where?: string, 
/**
 * Where the index goes, `name.gmx`; `GM_EXISTS` if something is there, unless it is appended to. The plan of a build works without
 * it.
 */
output?: string, 
/**
 * Representation of the reference: a key of `obsm`, `X`, or `layers/<name>`; cells × d numbers, dense or sparse.
 * Default `X_pca`.
 */
useRep?: string, 
/**
 * Lists, 1 to 2^24 and at most one for each cell. Default: a 350th of the cells.
 */
nlist?: number, 
/**
 * Seed of the training sample. 0 to 2^53 − 1, default 0.
 */
seed?: number, 
/**
 * How lists are trained: `thorough` on 256 cells each and then all together, or `brief` on 64 each, as a run trains an index of its own: some
 * four times faster, and as many lists hold about 1 in 100 neighbours less. Default `thorough` up to 2^18 lists; more are trained briefly.
 */
training?: string, 
/**
 * Numbers in the lists: `f32` (default), or `f16` for half the bytes, with coordinates rounded to 5e-4 of their size.
 */
listDtype?: string, 
/**
 * `ivf` (default), or `ivfpq`: rows have codes of 4 bits for each sub-space, which say what is compared closely.
 */
method?: string, 
/**
 * What decides among the rows that codes have selected, by `ivfpq`: `exact` (default) rows as they are, `f16` rows rounded to half the
 * bytes, or `none`: nothing but codes is stored, and distances are approximate.
 */
rerank?: string, 
/**
 * Distance that the lists are made for: `euclidean` (default), `sqeuclidean`, `cosine` or `inner_product`.
 */
metric?: string, 
/**
 * Neighbours of each cell that the index keeps, 1 to 64: the reference's own graph, found by the index at a recall of 0.95. A mapping of
 * another store can then repair what its lists miss (`repair`). Default none. An index that has one is not appended to. With `resume`, an
 * index that was built without gets it.
 */
keepGraph?: number, 
/**
 * Whether the index is made a portable reference: names and columns of the cells are stored within its folder, so that `map` needs nothing but
 * the index. With `resume`, an index that was built without gets them. Default false.
 */
bundle?: boolean, 
/**
 * Columns of `obs` that a bundle has. Default: all that can be read.
 */
obsKeys?: Array<string>, 
/**
 * Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
 * cgroup's, at least 256 MiB.
 */
memory?: string, 
/**
 * Worker threads; default all cores.
 */
threads?: number, 
/**
 * By what the graph that is kept is found (`keepGraph`): `auto` (default), `cpu` or `cuda`, as in `map`. Lists are trained and rows assigned by the
 * CPU in any case.
 */
backend?: string, 
/**
 * Existing folder for intermediate files. Default: beside the output. Changes no result.
 */
workDir?: string, 
/**
 * Append the cells that the reference has beyond those of the index at `output`, which must be its first; `GM_STALE` if they are
 * not. Lists and parameters stay: others are `GM_PARAM`. One that was interrupted is repeated in the same way. Default false.
 */
append?: boolean, 
/**
 * Continue an interrupted build of the same request; `GM_STALE` if inputs or parameters differ.
 */
resume?: boolean, 
/**
 * Replace an earlier index; anything else that is there stays `GM_EXISTS`.
 */
overwrite?: boolean, };

/**
 * What decides the bytes of an index, with every default filled in.
 */
export type IndexParameters = { 
/**
 * Key in `obsm` of the reference.
 */
useRep: string, 
/**
 * Lists.
 */
nlist: number, 
/**
 * Seed of the training sample.
 */
seed: number, 
/**
 * How lists are trained: `thorough` or `brief`.
 */
training: string, 
/**
 * Numbers in the lists: `f32`, `f16`, or `none` where codes are all there is.
 */
listDtype: string, 
/**
 * What decides among rows that codes have selected: `exact`, `f16` or `none`; null without codes.
 */
rerank: string | null, 
/**
 * The metric.
 */
metric: string, 
/**
 * Neighbours of each row that are kept as the reference's own graph; null without.
 */
keepGraph: number | null, };

/**
 * A build or an append before it starts: nothing has been written.
 */
export type IndexPlan = { 
/**
 * The reference.
 */
reference: Side, 
/**
 * What decides the bytes of the index.
 */
parameters: IndexParameters, 
/**
 * Rows that will be added: all of the reference, or those that the index has not.
 */
addedRows: number, 
/**
 * Worker threads.
 */
threads: number, 
/**
 * What the cells of the graph that is kept are compared by, and why; null where none is kept.
 */
backend: BackendPlan | null, 
/**
 * Bytes of memory: the limit and what takes them at least.
 */
memory: MemoryPlan, 
/**
 * Bytes the index will take at most. Those of the generation before are there beside them until the append is done.
 */
diskBytes: number, 
/**
 * Bytes of intermediate files, which are gone at the end; the neighbours of a graph that is kept are among them.
 */
runBytes: number, 
/**
 * Bytes read from the reference.
 */
readBytes: number, 
/**
 * Rough seconds, from fixed constants per pair and byte.
 */
estimatedSeconds: number, 
/**
 * What the user should know before starting.
 */
warnings: Array<string>, 
/**
 * Hash of input, parameters and format: the same for the same index.
 */
run: string, };

/**
 * What a finished build or append did.
 */
export type IndexReport = { 
/**
 * The index.
 */
output: string, 
/**
 * The plan that was carried out.
 */
plan: IndexPlan, 
/**
 * Rows of the reference, those that were left out included.
 */
rows: number, 
/**
 * Columns of each.
 */
dim: number, 
/**
 * Lists, those that were split included.
 */
nlist: number, 
/**
 * Rows left out because a coordinate is NaN or infinite, or by cosine because all are zero.
 */
excludedRows: number, 
/**
 * 1 for an index as it was built, one more with every append.
 */
generation: number, 
/**
 * Rows that were added: all for a build, 0 where everything was there already.
 */
addedRows: number, 
/**
 * Names and columns that a bundle has, within the folder of the index; empty without.
 */
stored: Array<OutputArray>, 
/**
 * Bytes of the index on disk.
 */
bytes: number, 
/**
 * Seconds and bytes by stage: `preflight`, `read`, `train`, `add`, `seal`; of an append also `verify`, and where a graph is kept
 * `calibrate`, `join`, `gather`, `finalise`, `graph`.
 */
stages: Array<StageReport>, 
/**
 * Seconds in all.
 */
seconds: number, 
/**
 * Most anonymous memory of the process seen, bytes: mapped files are not in it.
 */
peakMemory: number, 
/**
 * What the user should know.
 */
warnings: Array<string>, };

/**
 * What a sealed index holds.
 */
export type IndexDescription = { 
/**
 * The index.
 */
path: string, 
/**
 * Version of its format.
 */
formatVersion: number, 
/**
 * 1 for an index as it was built, one more with every append.
 */
generation: number, 
/**
 * Rows of the reference, those that were left out included.
 */
rows: number, 
/**
 * Columns of each.
 */
dim: number, 
/**
 * Lists.
 */
nlist: number, 
/**
 * Levels of centroids: 2, or 3 in an index that was built with more than 2^18 lists.
 */
levels: number, 
/**
 * `ivf`, or `ivfpq` where rows have codes.
 */
method: string, 
/**
 * Numbers in the lists: `f32`, `f16`, or `none` where codes are all there is.
 */
listDtype: string, 
/**
 * What decides among rows that codes have selected: `exact`, `f16` or `none`; null without codes.
 */
rerank: string | null, 
/**
 * The metric that they are made for.
 */
metric: string, 
/**
 * Seed of the training sample.
 */
seed: number, 
/**
 * How lists were trained: `thorough` or `brief`.
 */
training: string, 
/**
 * Rows of the reference that were left out because a coordinate is NaN or infinite, or by cosine because all are zero.
 */
excludedRows: number, 
/**
 * Neighbours of each row that are kept as the reference's own graph; null without.
 */
keepGraph: number | null, 
/**
 * Whether names and columns of the cells lie within its folder, so that a mapping needs no reference beside it.
 */
bundled: boolean, 
/**
 * Whether those within it are unfinished, or of an earlier index, as after an append: nothing is mapped onto them until it is built again.
 */
staleCells: boolean, 
/**
 * Bytes on disk.
 */
bytes: number, 
/**
 * Hash of the reference and of everything that decides the bytes of the index: the same for the same index.
 */
digest: string, };

/**
 * A request to copy an embedding and columns of a store into a new AnnData whose chunks are whole rows. Unknown fields are refused.
 */
export type RechunkRequest = { 
/**
 * The store to copy from, in any format that can be read, or many: `a.zarr,b.zarr`, or a pattern with `*` and `?`. It is never
 * written to.
 */
input: string, 
/**
 * Only the cells for which a condition on columns of `obs` holds, as in `map`. Default all.
 */
where?: string, 
/**
 * Where the copy goes; `GM_EXISTS` if something is there.
 */
output?: string, 
/**
 * The matrix to copy: a key of `obsm`, `X` or `layers/<name>`: cells × d numbers, stored as f32 in `obsm`. Default `X_pca`.
 */
useRep?: string, 
/**
 * Columns of `obs` to copy. Default: all that can be read.
 */
obsKeys?: Array<string>, 
/**
 * Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
 * cgroup's, at least 256 MiB. `GM_BUDGET` says what would do.
 */
memory?: string, 
/**
 * Worker threads; default all cores.
 */
threads?: number, 
/**
 * Continue an interrupted copy of the same request; `GM_STALE` if input or parameters differ.
 */
resume?: boolean, 
/**
 * Replace what an earlier run wrote there; anything else that is there stays `GM_EXISTS`.
 */
overwrite?: boolean, 
/**
 * Rows per inner chunk, shard and part; for tests of the layout.
 */
layout?: LayoutRequest, };

/**
 * What a finished copy did.
 */
export type RechunkReport = { 
/**
 * The copy.
 */
output: string, 
/**
 * What was copied from.
 */
input: Side, 
/**
 * What was stored where.
 */
stored: Array<OutputArray>, 
/**
 * Grid of the copy.
 */
layout: OutputLayout, 
/**
 * Bytes of memory: the limit and what takes them.
 */
memory: MemoryPlan, 
/**
 * Bytes that the copy takes on disk at most.
 */
diskBytes: number, 
/**
 * Worker threads.
 */
threads: number, 
/**
 * Seconds and bytes by stage.
 */
stages: Array<StageReport>, 
/**
 * Seconds in all.
 */
seconds: number, 
/**
 * Most anonymous memory of the process seen, bytes: mapped files are not in it.
 */
peakMemory: number, 
/**
 * Units that an earlier, interrupted copy had committed.
 */
resumedUnits: number, 
/**
 * What the user should know: columns that were left out, and why.
 */
warnings: Array<string>, 
/**
 * Hash of input, parameters and format: the same for the same copy.
 */
run: string, };

/**
 * A request to compute a representation of one store or of two, of the genes that both have. Unknown fields are refused.
 */
export type JointRequest = { 
/**
 * The query store. It is never written to.
 */
query: string, 
/**
 * The reference store; none, or the query itself, is the components of one store.
 */
reference?: string, 
/**
 * Only the query cells for which a condition holds, as in `map`. Default all.
 */
where?: string, 
/**
 * Only the reference cells for which a condition holds, as in `map`.
 */
referenceWhere?: string, 
/**
 * `joint_pca` (default): principal components of the cells of both stores together; or `fast_cca`: canonical correlations between two stores,
 * of at most 8192 genes.
 */
method?: string, 
/**
 * Where the query's part goes: a new AnnData with names, columns and the representation; `GM_EXISTS` if something is there. A plan works
 * without it.
 */
output?: string, 
/**
 * Where the reference's part goes.
 */
referenceOutput?: string, 
/**
 * The matrix of cells × genes, in both stores: `X` (default), or the name of a layer. It is taken as it is: normalised and logarithmised
 * before, as CellMapper wants it.
 */
layer?: string, 
/**
 * A column of booleans in `var` of both stores: genes are taken that both say yes to, such as `highly_variable`. Default all.
 */
maskVar?: string, 
/**
 * Components, default 50, or one less than there are cells or genes where that is fewer.
 */
nComps?: number, 
/**
 * Key of the representation in `obsm`; default `X_pca` or `X_cca`.
 */
keyAdded?: string, 
/**
 * Columns of `obs` to copy into the new stores, where they are. Default: all that can be read.
 */
obsKeys?: Array<string>, 
/**
 * How principal components are found. `gram`: all products of genes, which must fit into memory, in one pass over the cells; `passes`: block
 * Lanczos in some passes, for any number of genes. `auto` (default): `gram` up to 4096 genes.
 */
solver?: string, 
/**
 * Seed of the block that the search for components begins with, 0 to 2^53 − 1, default 0.
 */
seed?: number, 
/**
 * Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
 * cgroup's, at least 256 MiB. `GM_BUDGET` says what would do.
 */
memory?: string, 
/**
 * Worker threads; default all cores.
 */
threads?: number, 
/**
 * Continue an interrupted run of the same request; `GM_STALE` if inputs or parameters differ.
 */
resume?: boolean, 
/**
 * Replace what an earlier run wrote there; anything else that is there stays `GM_EXISTS`.
 */
overwrite?: boolean, 
/**
 * How matrices of the outputs are stored: `fast` (default) or `compact`, as in `map`.
 */
profile?: string, 
/**
 * Rows per inner chunk, shard and part; for tests of the layout.
 */
layout?: LayoutRequest, };

/**
 * What computing a representation would do and cost.
 */
export type JointPlan = { 
/**
 * `joint_pca` or `fast_cca`.
 */
method: string, 
/**
 * The query: its cells × genes.
 */
query: Side, 
/**
 * The reference; null within one store.
 */
reference: Side | null, 
/**
 * Genes that would be taken: those of both stores.
 */
nGenes: number, 
/**
 * Components.
 */
nComps: number, 
/**
 * Key of the representation in `obsm`.
 */
useRep: string, 
/**
 * `gram` or `passes`.
 */
solver: string, 
/**
 * What would be stored where, in each of the outputs.
 */
outputs: Array<OutputArray>, 
/**
 * Bytes of memory: the limit and what would take them.
 */
memory: MemoryPlan, 
/**
 * Bytes that the outputs take on disk at most.
 */
diskBytes: number, 
/**
 * Bytes that are read, about.
 */
readBytes: number, 
/**
 * Rough seconds of finding components.
 */
estimatedSeconds: number, 
/**
 * Worker threads.
 */
threads: number, 
/**
 * What the user should know.
 */
warnings: Array<string>, 
/**
 * Hash of inputs, parameters and format: the same for the same representation.
 */
run: string, };

/**
 * A finished representation.
 */
export type JointReport = { 
/**
 * `joint_pca` or `fast_cca`.
 */
method: string, 
/**
 * The query's part.
 */
output: string, 
/**
 * The reference's part; null within one store.
 */
referenceOutput: string | null, 
/**
 * The query: its cells × genes.
 */
query: Side, 
/**
 * The reference; null within one store.
 */
reference: Side | null, 
/**
 * Genes that were taken: those of both stores.
 */
nGenes: number, 
/**
 * Components.
 */
nComps: number, 
/**
 * Key of the representation in `obsm`.
 */
useRep: string, 
/**
 * `gram` or `passes`.
 */
solver: string, 
/**
 * Passes over the cells before that for the scores.
 */
passes: number, 
/**
 * The largest residual of a component, as a share of its eigenvalue: how far it may be from the exact one.
 */
residual: number, 
/**
 * Variance of each principal component; none of canonical ones.
 */
variance: Array<number>, 
/**
 * Its share of the variance of all genes.
 */
varianceRatio: Array<number>, 
/**
 * Singular value of each canonical correlation; none of principal components.
 */
singularValues: Array<number>, 
/**
 * What was stored where, in each of the outputs.
 */
stored: Array<OutputArray>, 
/**
 * Bytes of memory: the limit and what takes them.
 */
memory: MemoryPlan, 
/**
 * Bytes that the outputs take on disk at most.
 */
diskBytes: number, 
/**
 * Worker threads.
 */
threads: number, 
/**
 * Seconds and bytes by stage.
 */
stages: Array<StageReport>, 
/**
 * Seconds in all.
 */
seconds: number, 
/**
 * Most anonymous memory of the process seen, bytes: mapped files are not in it.
 */
peakMemory: number, 
/**
 * Units that an earlier, interrupted run had stored.
 */
resumedUnits: number, 
/**
 * What the user should know.
 */
warnings: Array<string>, 
/**
 * Hash of inputs, parameters and format: the same for the same representation.
 */
run: string, };

/**
 * A request for presence scores of the reference cells of a stored graph: how much of the query lies at each. Unknown fields are refused.
 */
export type PresenceRequest = { 
/**
 * A finished store of `map` or `neighbors`, with the neighbours of every query cell.
 */
neighbors: string, 
/**
 * The reference that it was made with, or many, as there; its cells name the rows. It is never written to.
 */
reference: string, 
/**
 * Only the query cells for which a condition holds, as in `map`: those that the neighbours are of, for `groupby`. Default all.
 */
where?: string, 
/**
 * Only the reference cells for which a condition holds, as in `map`.
 */
referenceWhere?: string, 
/**
 * Where the scores go, a new AnnData with a row for each reference cell; `GM_EXISTS` if something is there.
 */
output?: string, 
/**
 * A column of labels in the query's `obs`: scores are made for each of its categories as well. Default none.
 */
groupby?: string, 
/**
 * The store whose `obs` has `groupby`, a row for each query cell. Default: the store of the neighbours, which has predicted labels.
 */
query?: string, 
/**
 * Name of the scores in `obs`, and of those by group in `obsm`; default `presence_score`.
 */
keyAdded?: string, 
/**
 * Whether sums become ln(1 + sum) first; default false.
 */
log?: boolean, 
/**
 * Two percentiles, 0 to 100, that scores are clipped to, column by column; default 1 and 99. 0 and 100 clip nothing.
 */
percentile?: [number, number], 
/**
 * Whether each column is scaled to 0 … 1 at last; default true. A column of one value becomes 0.
 */
minmax?: boolean, 
/**
 * How distances become weights, as in `map`, but neither symmetrised nor normalised: `gauss` (default, exp(−d²/2σ²)), `scarches`,
 * `scarches_local`, `inverse_distance` or `equal`.
 */
kernelMethod?: string, 
/**
 * σ of `gauss` or `scarches`, a distance above 0. Default: what the kernel takes from all stored distances, `gauss` their mean.
 */
bandwidth?: number, 
/**
 * Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
 * cgroup's, at least 256 MiB. `GM_BUDGET` says what would do.
 */
memory?: string, 
/**
 * Worker threads; default all cores.
 */
threads?: number, 
/**
 * Continue an interrupted run of the same request; `GM_STALE` if inputs or parameters differ.
 */
resume?: boolean, 
/**
 * Replace an earlier store of gigamapper; anything else that is there stays `GM_EXISTS`.
 */
overwrite?: boolean, 
/**
 * Rows per inner chunk, shard and part; for tests of the layout.
 */
layout?: LayoutRequest, };

/**
 * What finished presence scores are.
 */
export type PresenceReport = { 
/**
 * The scores.
 */
output: string, 
/**
 * Query cells.
 */
nQuery: number, 
/**
 * Reference cells: rows of the scores.
 */
nRef: number, 
/**
 * The bandwidth: pinned, or what the kernel takes from all stored distances; null if there is no edge, or the kernel has none.
 */
sigma: number | null, 
/**
 * The weight of all edges: the sum of the scores before they were scaled.
 */
totalWeight: number, 
/**
 * The groups, in the order of the columns in `obsm`; none where no groups were asked for.
 */
groups: Array<string>, 
/**
 * Passes over the edges, one for as many columns as the memory held.
 */
passes: number, 
/**
 * What was stored where.
 */
stored: Array<OutputArray>, 
/**
 * Bytes of memory: the limit and what takes them.
 */
memory: MemoryPlan, 
/**
 * Worker threads.
 */
threads: number, 
/**
 * Seconds and bytes by stage.
 */
stages: Array<StageReport>, 
/**
 * Most anonymous memory of the process seen, bytes: mapped files are not in it.
 */
peakMemory: number, 
/**
 * What the user should know.
 */
warnings: Array<string>, 
/**
 * Hash of inputs, parameters and format: the same for the same scores.
 */
run: string, };

/**
 * A request for metrics of predictions: of labels (`label`), of expression (`layerKey`), of an approximate mapping against an exact one
 * (`exact`), or of several of them. Nothing is written. Unknown fields are refused.
 */
export type EvaluateRequest = { 
/**
 * A finished store of `map` or `transfer`, whose predictions are evaluated.
 */
mapped?: string, 
/**
 * Instead of it, a store with predictions that another tool made, a row for each cell: an AnnData, or a table such as Parquet.
 */
predictions?: string, 
/**
 * The store with the truth, of the same cells in the same order, such as the query. Default: that of the predictions.
 */
truth?: string, 
/**
 * Only the cells of `truth` for which a condition holds, as in `map`: those that were mapped. Default all.
 */
where?: string, 
/**
 * Column of true labels in the truth's `obs`: categorical, boolean or texts.
 */
label?: string, 
/**
 * Column of predicted labels. Default `<label>_pred`.
 */
prediction?: string, 
/**
 * Column of their confidences, 0 to 1. Default `<label>_conf`, if there is one.
 */
confidence?: string, 
/**
 * Least confidence of a cell that is evaluated; default 0. A cell without a confidence is below it.
 */
confidenceCutoff?: number, 
/**
 * Original expression in the truth: `X`, or the name of a layer.
 */
layerKey?: string, 
/**
 * Predicted expression: `X`, or the name of a layer. Default: what `layerKey` says.
 */
imputedKey?: string, 
/**
 * How expression is compared, gene by gene: `pearson` (default), `spearman`, `js` (Jensen–Shannon distance, base 10) and `rmse` of
 * z-scores.
 */
comparisonMethod?: Array<string>, 
/**
 * Column of labels of the truth, or else of the predictions: expression is compared within each of its categories as well. Default none.
 */
groupby?: string, 
/**
 * Column of the truth's `var` that is true for the genes over which metrics are averaged. Default all.
 */
testVarKey?: string, 
/**
 * Genes that are compared. Default: all that both stores have.
 */
genes?: Array<string>, 
/**
 * A finished store of the same mapping by exact search: tells the recall of the neighbours of `mapped`, and with `label` what becomes of
 * labels.
 */
exact?: string, 
/**
 * Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
 * cgroup's, at least 256 MiB. `GM_BUDGET` says what would do.
 */
memory?: string, 
/**
 * Worker threads; default all cores.
 */
threads?: number, };

/**
 * Metrics of predictions. What was not asked for is null.
 */
export type EvaluationReport = { 
/**
 * The store of the predictions.
 */
predictions: string, 
/**
 * The store of the truth.
 */
truth: string, 
/**
 * Cells.
 */
nObs: number, 
/**
 * Labels against true ones.
 */
labels: LabelEvaluation | null, 
/**
 * Expression against the original.
 */
expression: ExpressionEvaluation | null, 
/**
 * The mapping against an exact one.
 */
approximation: Approximation | null, 
/**
 * Bytes of memory: the limit and what takes them.
 */
memory: MemoryPlan, 
/**
 * Worker threads.
 */
threads: number, 
/**
 * Seconds by stage; nothing is written.
 */
stages: Array<StageReport>, 
/**
 * Most anonymous memory of the process seen, bytes: mapped files are not in it.
 */
peakMemory: number, 
/**
 * What the user should know.
 */
warnings: Array<string>, };

/**
 * Predicted labels against true ones.
 */
export type LabelEvaluation = { 
/**
 * Column of the true labels.
 */
label: string, 
/**
 * Column of the predicted ones.
 */
prediction: string, 
/**
 * Column of the confidences; null where there is none, and then all predictions are evaluated.
 */
confidence: string | null, 
/**
 * Least confidence of a cell that is evaluated.
 */
confidenceCutoff: number, 
/**
 * Cells of the store.
 */
cells: number, 
/**
 * Cells without a true label, which no metric is of.
 */
withoutTruth: number, 
/**
 * Cells with a true label and no prediction.
 */
withoutPrediction: number, 
/**
 * Cells with both whose confidence is below the cutoff, or missing.
 */
belowCutoff: number, 
/**
 * All others.
 */
evaluated: number, 
/**
 * (withoutPrediction + belowCutoff) / cells with a true label; null where there are none.
 */
excludedFraction: number | null, 
/**
 * Scores of the cells that were evaluated; null where there are none.
 */
scores: LabelScores | null, 
/**
 * Every class that occurs among them, in the order of the truth's categories, then of the predictions'.
 */
classes: Array<ClassEvaluation>, 
/**
 * Cells by true and predicted class; null where both columns have more than 1 024 categories together.
 */
confusion: ConfusionMatrix | null, 
/**
 * Whether confidences are what they say, of the cells that were evaluated; null without confidences from 0 to 1.
 */
calibration: CalibrationReport | null, 
/**
 * How the share of wrong labels falls with surer cells, of all cells with both labels and a confidence, whatever the cutoff; null as above.
 */
riskCoverage: RiskCoverageReport | null, };

/**
 * Scores over all classes that occur.
 */
export type LabelScores = { 
/**
 * Share of cells with the right label.
 */
accuracy: number, 
/**
 * Mean of the classes' precisions, weighted by their true cells.
 */
precision: number, 
/**
 * Mean of the classes' recalls, weighted so: the same as accuracy.
 */
recall: number, 
/**
 * Mean of the classes' F1, weighted so.
 */
f1Weighted: number, 
/**
 * Plain mean of the classes' precisions.
 */
precisionMacro: number, 
/**
 * Plain mean of the classes' recalls.
 */
recallMacro: number, 
/**
 * Plain mean of the classes' F1. Classes count that are true or predicted for any cell.
 */
f1Macro: number, };

/**
 * Scores of one class.
 */
export type ClassEvaluation = { 
/**
 * The class.
 */
category: string, 
/**
 * Share of the cells predicted to be of it that are; 0 where none is predicted.
 */
precision: number, 
/**
 * Share of its cells that are predicted to be of it; 0 where there are none.
 */
recall: number, 
/**
 * Harmonic mean of both.
 */
f1: number, 
/**
 * Cells that are of it.
 */
support: number, 
/**
 * Cells that are predicted to be.
 */
predicted: number, };

/**
 * Cells by true and predicted class.
 */
export type ConfusionMatrix = { 
/**
 * The classes that occur.
 */
categories: Array<string>, 
/**
 * A row for each true class, a column for each predicted one.
 */
counts: number[][], };

/**
 * Whether confidences are what they say.
 */
export type CalibrationReport = { 
/**
 * Expected calibration error over 15 bins of equal width (Guo et al. 2017).
 */
expectedError: number | null, 
/**
 * Brier score of the labels that were given: mean of (confidence − right)², right 1 or 0.
 */
brier: number | null, 
/**
 * Brier's own score, the mean of Σ (p − y)² over all categories, 0 to 2; null unless the mapping stored all weights (`probabilities`).
 */
brierOfAll: number | null, 
/**
 * The bins.
 */
bins: Array<CalibrationBin>, };

/**
 * Cells whose confidences lie in one bin.
 */
export type CalibrationBin = { 
/**
 * Where the bin begins; confidences of the first may be that, those of the others are above.
 */
low: number, 
/**
 * Where it ends, itself included.
 */
high: number, 
/**
 * Cells in it.
 */
cells: number, 
/**
 * Their mean confidence; null where there are none.
 */
confidence: number | null, 
/**
 * The share of them with the right label; null where there are none.
 */
accuracy: number | null, };

/**
 * The risk–coverage curve.
 */
export type RiskCoverageReport = { 
/**
 * Area below it: the mean over i of the share of wrong labels among the i surest cells.
 */
area: number | null, 
/**
 * At most 101 points of it, from the surest cells to all.
 */
points: Array<RiskPoint>, };

/**
 * A point of the curve.
 */
export type RiskPoint = { 
/**
 * Share of cells that are at least so sure.
 */
coverage: number, 
/**
 * Share of them with a wrong label.
 */
risk: number, 
/**
 * The confidence, to 1/65 536.
 */
confidence: number, };

/**
 * Predicted expression against the original, gene by gene.
 */
export type ExpressionEvaluation = { 
/**
 * The original: `X` or `layers/<name>` of the truth.
 */
original: string, 
/**
 * The prediction.
 */
imputed: string, 
/**
 * Cells.
 */
cells: number, 
/**
 * Genes that both have and that were compared, in the order of the predictions.
 */
genes: Array<string>, 
/**
 * Pairs of values of which one is not finite, such as those of cells that were not mapped: they are left out.
 */
leftOut: number, 
/**
 * One for each way to compare.
 */
metrics: Array<ExpressionMetric>, };

/**
 * One way to compare expression.
 */
export type ExpressionMetric = { 
/**
 * `pearson`, `spearman`, `js` or `rmse`.
 */
method: string, 
/**
 * Mean over the test genes that have a value; null where none has.
 */
average: number | null, 
/**
 * How many these are.
 */
testGenes: number, 
/**
 * Each gene's value; null where it has none, as where it does not vary.
 */
values: Array<number | null>, 
/**
 * The same within each group that has cells.
 */
groups: Array<GroupMetric>, };

/**
 * One way to compare expression within one group of cells.
 */
export type GroupMetric = { 
/**
 * The group.
 */
group: string, 
/**
 * Its cells.
 */
cells: number, 
/**
 * Mean over the test genes that have a value; null where none has.
 */
average: number | null, 
/**
 * Each gene's value; null where it has none.
 */
values: Array<number | null>, };

/**
 * An approximate mapping against an exact one.
 */
export type Approximation = { 
/**
 * The exact store.
 */
exact: string, 
/**
 * The recall of its neighbours.
 */
neighbors: NeighborAgreement, 
/**
 * Labels of the approximate store against those of the exact one, as if these were true; null where no label was named.
 */
agreement: LabelEvaluation | null, 
/**
 * Labels of the exact store against true ones; null where no truth was named.
 */
exactLabels: LabelEvaluation | null, 
/**
 * What classes lose; null where no label was named.
 */
loss: LabelLoss | null, };

/**
 * How many of the exact neighbours an approximate mapping found, by their ids.
 */
export type NeighborAgreement = { 
/**
 * Cells that have any exact neighbour.
 */
cells: number, 
/**
 * Neighbours compared: the smaller of both widths.
 */
k: number, 
/**
 * Share of the first k exact neighbours that are among the first k found; null without any.
 */
recall: number | null, 
/**
 * The same of the first neighbour alone.
 */
first: number | null, 
/**
 * Share of these cells of which all k were found.
 */
complete: number | null, };

/**
 * What an approximate mapping loses by class.
 */
export type LabelLoss = { 
/**
 * What labels are compared with: `truth`, or `exact` where no truth was named.
 */
by: string, 
/**
 * Macro F1 of the exact mapping less that of the approximate one; null without a cell.
 */
f1Macro: number | null, 
/**
 * Accuracy of the exact mapping less that of the approximate one; null without a cell.
 */
accuracy: number | null, 
/**
 * Every class that occurs, the one that loses most first.
 */
classes: Array<ClassLoss>, };

/**
 * What one class loses.
 */
export type ClassLoss = { 
/**
 * The class.
 */
category: string, 
/**
 * Cells that are of it.
 */
support: number, 
/**
 * F1 by the exact mapping.
 */
exactF1: number, 
/**
 * F1 by the approximate one.
 */
f1: number, 
/**
 * The difference: below 0 where the approximate mapping is better.
 */
loss: number, };

/**
 * A request to verify a store or an index. Unknown fields are refused.
 */
export type VerifyRequest = { 
/**
 * A store that gigamapper wrote, with its journal beside it, or an index.
 */
path: string, 
/**
 * Make a damaged store one that `resume` repairs: what is damaged is struck from its journal, and it says `running` until then. An
 * index is built again instead, so for one this is `GM_PARAM`.
 */
repair?: boolean, };

/**
 * What was verified, and what is damaged.
 */
export type VerifyReport = { 
/**
 * What was verified.
 */
path: string, 
/**
 * `store` or `index`.
 */
kind: string, 
/**
 * Whether it says that it is finished.
 */
complete: boolean, 
/**
 * Hash of the run that wrote it.
 */
run: string, 
/**
 * Files that were read.
 */
objects: number, 
/**
 * Bytes that they were written with.
 */
bytes: number, 
/**
 * Those that are not what was written.
 */
damaged: Array<DamagedObject>, 
/**
 * Units of a store that are damaged, or not there yet: what a resumed run computes. None of an index.
 */
units: Array<UnitRows>, 
/**
 * Files in a finished store or index that no run wrote there: no damage, but nobody reads them.
 */
unknown: Array<string>, 
/**
 * Whether the store was made one that `resume` repairs.
 */
reopened: boolean, 
/**
 * What to do now; none where all is well.
 */
remedy: string | null, 
/**
 * Seconds that it took.
 */
seconds: number, };

/**
 * An object that is not what was written.
 */
export type DamagedObject = { 
/**
 * Path inside the store or index.
 */
object: string, 
/**
 * The array that it is of, inside its part; of metadata the path of the node.
 */
array: string, 
/**
 * What is wrong with it.
 */
reason: string, };

/**
 * The rows of one unit of one stage.
 */
export type UnitRows = { 
/**
 * `join`, `transfer` or `rechunk`; `finalise` is all metadata.
 */
stage: string, 
/**
 * Number of the unit.
 */
unit: number, 
/**
 * The part that it is in: `dataset_<part>` where there are several.
 */
part: number, 
/**
 * First row and one past the last, of the whole store.
 */
rows: [number, number], };

/**
 * A request to clean up. Unknown fields are refused.
 */
export type CleanRequest = { 
/**
 * Stores, indexes, or folders below which they are.
 */
paths: Array<string>, 
/**
 * Remove what is found; else it is only told.
 */
yes?: boolean, 
/**
 * Unfinished stores and indexes too, with all that `resume` would go on with.
 */
unfinished?: boolean, };

/**
 * What was found, and whether it was removed.
 */
export type CleanReport = { 
/**
 * What is not needed, in the order of the paths.
 */
leftovers: Array<Leftover>, 
/**
 * Bytes of it.
 */
bytes: number, 
/**
 * Whether it was removed.
 */
removed: boolean, 
/**
 * Unfinished work, what a process has the lock of, and what could not be removed.
 */
kept: Array<Kept>, };

/**
 * Something that is not needed.
 */
export type Leftover = { 
/**
 * Where it is.
 */
path: string, 
/**
 * `lock`, `temporary`, `runs`, `sums`, `journal`, `store` or `index`.
 */
kind: string, 
/**
 * Bytes of it, with all that goes with it.
 */
bytes: number, };

/**
 * Something that stays, and why.
 */
export type Kept = { 
/**
 * Where it is.
 */
path: string, 
/**
 * Why.
 */
reason: string, };

/**
 * What a stored graph holds.
 */
export type GraphDescription = { 
/**
 * The store.
 */
path: string, 
/**
 * Query rows.
 */
rows: number, 
/**
 * Neighbours of each, padded with −1 and NaN where there are fewer.
 */
k: number, 
/**
 * Reference rows, which the indices count.
 */
nRef: number, 
/**
 * Type of the indices: `int32`, or `int64` from 2^31 reference rows on.
 */
dtype: string, 
/**
 * Rows of a block of 64 MiB, the largest there is.
 */
blockRows: number, };

/**
 * One report of a running stage.
 */
export type ProgressEvent = { 
/**
 * The stage: `preflight`, `join`, `repair`, `reverse`, `graphs`, `weigh`, `diffuse`, `transfer`, `finalise`; of an index `read`, `train`, `add`, `seal`, of an append
 * `verify` first; of a recall `calibrate`; of a copy `rechunk`; of a representation that is computed `components`, `scores`; of an
 * evaluation `cells`, `labels`, `neighbors`, `expression`, `divergence`, `ranks`.
 */
stage: string, 
/**
 * Query rows done; of `diffuse` one for each step of a row.
 */
done: number, 
/**
 * Query rows of the whole stage.
 */
total: number, 
/**
 * Rows a second since the stage began.
 */
rowsPerSecond: number, 
/**
 * Seconds left at that speed; null until it is known.
 */
eta: number | null, 
/**
 * Anonymous memory of the process, bytes.
 */
memory: number, };

/**
 * A described store.
 */
export type Inspection = { 
/**
 * `zarr` or `h5ad`.
 */
format: string, 
/**
 * 2 or 3; null for other formats.
 */
zarrFormat: number | null, 
/**
 * `encoding-version` of the AnnData.
 */
encodingVersion: string, 
/**
 * Cells.
 */
nObs: number, 
/**
 * Genes.
 */
nVars: number, 
/**
 * The stores that are described as one, in the order of their cells; empty where it is one store.
 */
stores: Array<StoreReport>, 
/**
 * Names of the first cells, at most three.
 */
obsNamesFirst: Array<string>, 
/**
 * Columns of `obs`.
 */
obs: { [key in string]: ColumnReport }, 
/**
 * Members of `obsm`: `array`, `dataframe` or `sparse`.
 */
obsm: { [key in string]: MatrixReport }, 
/**
 * `X` and every layer: `dense`, `csr` or `csc`.
 */
layers: { [key in string]: MatrixReport }, 
/**
 * What is there but not read.
 */
skipped: Array<SkippedNode>, 
/**
 * Storage of every array; empty for many stores, each of which tells its own, and for chosen cells of a store.
 */
arrays: { [key in string]: ArrayReport }, };

/**
 * One of many stores that are read as one.
 */
export type StoreReport = { 
/**
 * The store.
 */
path: string, 
/**
 * Its cells.
 */
nObs: number, };

/**
 * A column of `obs`.
 */
export type ColumnReport = { 
/**
 * As pandas names it: `category`, `float32`, `Int64`, `bool`.
 */
dtype: string, 
/**
 * What can be done with it; `other` is not read.
 */
kind: "categorical" | "numeric" | "boolean" | "string" | "datetime" | "timedelta" | "other", 
/**
 * Cells without a value: missing codes, masked values and NaN.
 */
missing: number, 
/**
 * Labels of the categories.
 */
categories?: Array<string>, 
/**
 * Whether their order means something.
 */
ordered?: boolean, 
/**
 * Sum of a numeric column without what is missing.
 */
sum?: number, 
/**
 * Cells that are true in a boolean column.
 */
true?: number, };

/**
 * A member of `obsm` or `layers`.
 */
export type MatrixReport = { 
/**
 * How it is stored.
 */
kind: string, 
/**
 * Rows and columns.
 */
shape: number[], 
/**
 * Element type; null for a data frame.
 */
dtype: string | null, 
/**
 * Stored values of a sparse matrix; null for others, and where cells are chosen.
 */
nnz: number | null, };

/**
 * Something that is not read.
 */
export type SkippedNode = { 
/**
 * Path in the store.
 */
path: string, 
/**
 * Why.
 */
reason: string, };

/**
 * How an array is stored.
 */
export type ArrayReport = { 
/**
 * Shape of an inner chunk: what is decoded at once.
 */
chunks: number[], 
/**
 * Shape of a shard; null without shards.
 */
shards: number[] | null, 
/**
 * Compression: `raw`, `zstd`, `blosc`, `gzip`.
 */
codec: string, 
/**
 * Elements decoded for each element wanted, where 65 536 rows are read on their own. gigamapper's tiles follow the
 * chunks and decode each once.
 */
readAmplification: number, };

/**
 * Cells in memory: either `matrix` with what belongs to it, or `table`. Unknown fields are refused.
 */
export type CellsDescription = { 
/**
 * What errors and reports call them.
 */
name: string, 
/**
 * The array that holds the bytes of a table: Arrow IPC, a file or a stream, or Parquet.
 */
table?: number, 
/**
 * One row for each cell. It stands for every representation that is not in `obsm`, and is `X`.
 */
matrix?: GivenMatrix, 
/**
 * Names of the cells; none for their numbers.
 */
names?: Array<string>, 
/**
 * Columns, by name.
 */
obs: { [key in string]: GivenColumn }, 
/**
 * Further embeddings, by key.
 */
obsm: { [key in string]: GivenMatrix }, };

/**
 * A matrix, row-major.
 */
export type GivenMatrix = { 
/**
 * Its values.
 */
x: GivenNumbers, 
/**
 * Cells and columns.
 */
shape: Array<number>, };

/**
 * Numbers of one type in one of the arrays, in the machine's order of bytes.
 */
export type GivenNumbers = { 
/**
 * The array.
 */
array: number, 
/**
 * Type of each number.
 */
dtype: string, };

/**
 * A column of `obs`: `values`, `labels`, or `codes` with `categories`.
 */
export type GivenColumn = { 
/**
 * A number or truth for each cell. NaN is a missing one.
 */
values?: GivenNumbers, 
/**
 * A label for each cell, or null. Their categories are the different ones, sorted.
 */
labels?: Array<string | null>, 
/**
 * A category for each cell, or −1.
 */
codes?: GivenNumbers, 
/**
 * What the codes stand for.
 */
categories?: Array<string>, 
/**
 * Whether the order of categories means something.
 */
ordered: boolean, };

/**
 * What can be asked for.
 */
export type Capabilities = { 
/**
 * Version of gigamapper's core.
 */
version: string, 
/**
 * Operating system and architecture that it was built for: `linux-x86_64`.
 */
platform: string, 
/**
 * The processor, and what the distance tile uses of it.
 */
cpu: Cpu, 
/**
 * Back ends, with the reason where one cannot be used.
 */
backends: Array<BackendState>, 
/**
 * Element types of representations that are read; all are compared as f32.
 */
dtypes: Array<string>, 
/**
 * How neighbours are sought, each with what it can be combined with.
 */
methods: Array<MethodCapability>, 
/**
 * What becomes of each combination of back end, method, numbers in lists, metric and mode.
 */
combinations: Array<Combination>, 
/**
 * Back ends that each platform can have.
 */
platforms: Array<PlatformCapability>, 
/**
 * How distances become weights.
 */
kernels: Array<KernelCapability>, 
/**
 * Formats that cells are read from.
 */
reads: Array<FormatCapability>, 
/**
 * Formats that are written.
 */
writes: Array<FormatCapability>, };

/**
 * A method of search.
 */
export type MethodCapability = { 
/**
 * `exact`, `ivf` or `ivfpq`.
 */
name: string, 
/**
 * Metrics that it takes.
 */
metrics: Array<string>, 
/**
 * Numbers in its lists (`listDtype`); empty where there are none to choose.
 */
listDtypes: Array<string>, 
/**
 * What decides among what codes select (`rerank`); empty without codes.
 */
reranks: Array<string>, 
/**
 * Whether an index can be built for it, to be used again.
 */
hasIndex: boolean, };

/**
 * One combination of what a search can be asked for, and what becomes of it.
 */
export type Combination = { 
/**
 * The back end that is asked for: `cpu` or `cuda`.
 */
backend: string, 
/**
 * `exact`, `ivf`, or `ivfpq`, whose codes are those of a product quantiser.
 */
method: string, 
/**
 * Numbers of the rows that are compared: `f32`, `f16`, or `none` where codes are all that is stored.
 */
dtype: string, 
/**
 * The metric.
 */
metric: string, 
/**
 * `cross` between two stores, `self` within one.
 */
mode: string, 
/**
 * The back end that compares cells then, where it is there; null where the combination is refused.
 */
runsOn: string | null, 
/**
 * Why it is refused, or why another back end does it; null where it is as asked.
 */
reason: string | null, 
/**
 * The same as `runsOn` where `excludeBatch` is asked for too.
 */
runsOnWithExcludeBatch: string | null, 
/**
 * Whether there is an index of it that cells can be added to on disk (`append`).
 */
append: boolean, 
/**
 * Whether each side may be in many stores (shards) that are read as one.
 */
sharded: boolean, };

/**
 * What back ends a platform can have.
 */
export type PlatformCapability = { 
/**
 * Its name, as packages have it: `linux-x64-gnu`.
 */
name: string, 
/**
 * Whether this build is for it.
 */
isThis: boolean, 
/**
 * Back ends that can be there.
 */
backends: Array<string>, 
/**
 * Why one cannot; null where all can.
 */
reason: string | null, };

/**
 * A kernel.
 */
export type KernelCapability = { 
/**
 * Its name in requests.
 */
name: string, 
/**
 * Whether it weighs neighbours between two stores.
 */
betweenStores: boolean, 
/**
 * Whether it does within one.
 */
withinStore: boolean, 
/**
 * Whether its bandwidth can be pinned.
 */
hasBandwidth: boolean, };

/**
 * A format.
 */
export type FormatCapability = { 
/**
 * Its name.
 */
name: string, 
/**
 * How such files or folders are called.
 */
endings: Array<string>, 
/**
 * What is read of it, or written.
 */
holds: string, };

/**
 * CPU, memory and back ends as a run would find them.
 */
export type Doctor = { 
/**
 * Version of gigamapper's core.
 */
version: string, 
/**
 * The processor.
 */
cpu: Cpu, 
/**
 * Cores that a run takes by default.
 */
threads: number, 
/**
 * Memory, bytes.
 */
memory: MachineMemory, 
/**
 * Back ends and whether they can be used.
 */
backends: Array<BackendState>, };

/**
 * The processor, and what the distance tile uses of it.
 */
export type Cpu = { 
/**
 * `x86_64`, `aarch64`, …
 */
arch: string, 
/**
 * The maker's name for it, where the system tells.
 */
model: string, 
/**
 * Instruction sets that matter here and are present.
 */
features: Array<string>, 
/**
 * Lane of the distance tile: `avx512-vnni`, `avx2`, `neon`, `simd128` or `scalar`.
 */
tile: string, };

/**
 * Memory of the machine, bytes.
 */
export type MachineMemory = { 
/**
 * What this process may use at most.
 */
machine: number, 
/**
 * Limit of its cgroup, where there is one.
 */
cgroup: number | null, 
/**
 * Budget of a run that names none.
 */
default: number, };

/**
 * A back end and why it cannot be used, if it cannot.
 */
export type BackendState = { 
/**
 * `cpu` or `cuda`.
 */
name: string, 
/**
 * Whether a run can use it.
 */
available: boolean, 
/**
 * Why not, or how it can be used alone.
 */
reason: string | null, 
/**
 * What would change that.
 */
remedy: string | null, 
/**
 * The devices, by number, name and memory, and the library that drives them, where there are any.
 */
device: string | null, };
