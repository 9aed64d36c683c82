"""Write seeded AnnData zarr v3 stores for the benchmarks: a mixture of skewed clusters, d = 50.

python stores.py OUT.zarr --rows 2000000 [--seed 1] [--chunks 65536,50] [--codec zstd|none] [--labels]

Cells of all stores come from the same 120 clusters, whatever the seed of their rows. Rows are written in pieces, so a
store may be larger than memory. `--chunks auto` leaves the grid to anndata's own defaults.
"""
import argparse

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

DIM, CLUSTERS, PIECE = 50, 120, 262_144

parser = argparse.ArgumentParser()
parser.add_argument("path")
parser.add_argument("--rows", type=int, required=True)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--chunks", default="65536,50")
parser.add_argument("--codec", default="zstd", choices=["zstd", "none"])
parser.add_argument("--labels", action="store_true")
arguments = parser.parse_args()

fixed = np.random.default_rng(7)
centres = fixed.normal(0, 3, (CLUSTERS, DIM)).astype(np.float32)
spread = (1 / np.sqrt(1 + np.arange(DIM))).astype(np.float32)
share = fixed.pareto(1.2, CLUSTERS) + 0.05
share /= share.sum()


def rows(count, generator):
    cluster = generator.choice(CLUSTERS, count, p=share)
    noise = generator.standard_normal((count, DIM), dtype=np.float32) * spread
    return (centres[cluster] * spread + noise).astype(np.float32), cluster


chunks = "auto" if arguments.chunks == "auto" else tuple(int(c) for c in arguments.chunks.split(","))
compressors = [ZstdCodec(level=0)] if arguments.codec == "zstd" else None
root = zarr.open_group(arguments.path, mode="w", zarr_format=3)
root.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})


def group(name, kind, version, **more):
    made = root.create_group(name)
    made.attrs.update({"encoding-type": kind, "encoding-version": version, **more})
    return made


columns = ["cell_type", "score"] if arguments.labels else []
obs = group("obs", "dataframe", "0.2.0", **{"_index": "_index", "column-order": columns})
group("var", "dataframe", "0.2.0", **{"_index": "_index", "column-order": []})
for name in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
    group(name, "dict", "0.1.0")


def array(path, shape, dtype, chunks, **attributes):
    made = root.create_array(path, shape=shape, dtype=dtype, chunks=chunks, compressors=compressors)
    made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0", **attributes})
    return made


n = arguments.rows
text = {"encoding-type": "string-array"}
embedding = array("obsm/X_pca", (n, DIM), "float32", chunks)
names = array("obs/_index", (n,), str, (min(n, 65_536),), **text)
array("var/_index", (0,), str, (1,), **text)
if arguments.labels:
    column = group("obs/cell_type", "categorical", "0.2.0", ordered=False)
    codes = array("obs/cell_type/codes", (n,), "int8", (n,))
    array("obs/cell_type/categories", (CLUSTERS,), str, (CLUSTERS,), **text)[:] = np.array(
        [f"type {i:03}" for i in range(CLUSTERS)], dtype=object
    )
    score = array("obs/score", (n,), "float64", (n,))
    array("obsm/X_umap", (n, 2), "float32", (n, 2))[:] = np.random.default_rng(3).normal(0, 1, (n, 2))

generator = np.random.default_rng(arguments.seed)
for start in range(0, n, PIECE):
    count = min(PIECE, n - start)
    values, cluster = rows(count, generator)
    embedding[start : start + count] = values
    names[start : start + count] = np.array([f"cell{start + i}" for i in range(count)], dtype=object)
    if arguments.labels:
        codes[start : start + count] = cluster.astype(np.int8)
        score[start : start + count] = values[:, 0]
print(f"{arguments.path}: {n} × {DIM}, chunks {embedding.chunks}")
