"""Write a seeded AnnData zarr v3 store of cells × genes as CSR, larger than memory if asked for: log counts of clusters of cells.

python expression.py OUT.zarr --rows 1000000 --genes 2000 --density 0.05 [--seed 1]

Every store has the same clusters, whatever the seed of its rows. Each cell has density × genes entries, at genes drawn anew, along ten
directions that stand out from what is drawn for each entry alone.
"""
import argparse

import numpy as np
import zarr

PIECE, DIRECTIONS = 65_536, 10

parser = argparse.ArgumentParser()
parser.add_argument("path")
parser.add_argument("--rows", type=int, required=True)
parser.add_argument("--genes", type=int, default=2000)
parser.add_argument("--density", type=float, default=0.05)
parser.add_argument("--seed", type=int, default=1)
arguments = parser.parse_args()

n, genes = arguments.rows, arguments.genes
entries = max(1, round(genes * arguments.density))
axes = np.random.default_rng(7).standard_normal((DIRECTIONS, genes), dtype=np.float32)
axes *= np.linspace(1, 0.2, DIRECTIONS, dtype=np.float32)[:, None]

root = zarr.open_group(arguments.path, mode="w", zarr_format=3)
root.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})


def group(name, kind, version, **more):
    root.create_group(name).attrs.update({"encoding-type": kind, "encoding-version": version, **more})


def array(path, shape, dtype, chunks, kind="array"):
    made = root.create_array(path, shape=shape, dtype=dtype, chunks=chunks, compressors=None)
    made.attrs.update({"encoding-type": kind, "encoding-version": "0.2.0"})
    return made


for frame in ("obs", "var"):
    group(frame, "dataframe", "0.2.0", **{"_index": "_index", "column-order": []})
for name in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
    group(name, "dict", "0.1.0")
group("X", "csr_matrix", "0.1.0", shape=[n, genes])
names = array("obs/_index", (n,), str, (min(n, PIECE),), "string-array")
array("var/_index", (genes,), str, (genes,), "string-array")[:] = np.array([f"gene{i}" for i in range(genes)], object)
chunk = min(n * entries, 1 << 22)
indices = array("X/indices", (n * entries,), "int32", (chunk,))
data = array("X/data", (n * entries,), "float32", (chunk,))
array("X/indptr", (n + 1,), "int64", (n + 1,))[:] = np.arange(n + 1) * entries

generator = np.random.default_rng(arguments.seed)
for start in range(0, n, PIECE):
    count = min(PIECE, n - start)
    # Steps from gene to gene, because drawing without replacement is slow; one that is met twice adds up.
    offset = generator.integers(0, genes, (count, 1))
    steps = np.cumsum(generator.integers(1, max(2, 2 * genes // entries - 1), (count, entries)), axis=1)
    columns = np.sort((offset + steps) % genes, axis=1).astype(np.int32)
    place = generator.standard_normal((count, DIRECTIONS), dtype=np.float32)
    values = 1 + 0.3 * generator.standard_normal((count, entries), dtype=np.float32)
    for axis in range(DIRECTIONS):
        values += place[:, axis, None] * axes[axis][columns]
    indices[start * entries : (start + count) * entries] = columns.ravel()
    data[start * entries : (start + count) * entries] = values.ravel()
    names[start : start + count] = np.array([f"c{arguments.seed}-{i}" for i in range(start, start + count)], object)
