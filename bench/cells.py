"""Seeded cells of a chosen difficulty: d = 50, local intrinsic dimension (LID) about 10 or about 20.

python bench/cells.py OUT [--lid 10|20] --rows 1000000 [--seed 1] [--zarr] [--f32] [--labels]
                      [--duplicates 0.01] [--flood 0.01] [--rare 5] [--chunk-rows 65536] [--measure 1000]

Cells lie in 120 clusters of very different sizes. A cluster is a flat manifold of 10 to 12 dimensions among 50 axes, with
noise around it that decays from axis to axis; how much and how fast makes the LID, which is what an index finds hard. The
clusters are the same for every seed, so a query set is the same command with another seed.

Rows come in pieces of 65 536, and a piece follows from (seed, its number) alone: a longer data set begins with a shorter
one, memory does not grow with the rows, and sums are in a fixed order so that no BLAS decides a bit.

--duplicates is the share of cells that repeat another cell of their piece, --flood the share that sit on one of three
points (a list full of ties), --rare a number of classes of a hundred-thousandth to a thousandth of the cells, each beside
a common cluster. Planting changes no other cell.

Writes OUT.zarr (AnnData, zarr v3, uncompressed), OUT.f32 (the rows alone), or both, and prints one line of JSON with the
maximum-likelihood estimate of the LID over the 100 nearest neighbours of --measure cells: the inverse of the mean of the
cells' inverse estimates (MacKay and Ghahramani), and the mean of the estimates (Levina and Bickel).
"""
import argparse
import json
import pathlib
import time

import numpy as np
import zarr

from rows import DIM, open_rows, take

PIECE, CLUSTERS, LATENT = 65_536, 120, 12
NOISE = {10: (0.4, 0.5), 20: (2.8, 0.25)}
FLOODED, LID_NEIGHBOURS = 3, 100

fixed = np.random.default_rng(7)
axes = 1 + np.arange(DIM)
centres = (fixed.normal(0, 4, (CLUSTERS, DIM)) / axes**0.25).astype(np.float32)
bases = (fixed.normal(0, 2, (CLUSTERS, LATENT, DIM)) / np.sqrt(LATENT)).astype(np.float32)
latent_dims = fixed.integers(10, LATENT, CLUSTERS, endpoint=True)
share = fixed.lognormal(0, 0.7, CLUSTERS)
share /= share.sum()
rare_offsets = fixed.normal(0, 2, (CLUSTERS, DIM)).astype(np.float32) / np.sqrt(axes, dtype=np.float32)


def piece(number, seed, lid, duplicates=0.0, flood=0.0, rare=0):
    """Rows [number · PIECE, (number + 1) · PIECE) of the endless data set of this seed, and the class of each."""
    generator = np.random.default_rng([seed, number])
    cluster = generator.choice(CLUSTERS, PIECE, p=share).astype(np.int16)
    latent = generator.standard_normal((PIECE, LATENT), dtype=np.float32)
    rows = generator.standard_normal((PIECE, DIM), dtype=np.float32)
    size, power = NOISE[lid]
    rows *= (size * axes ** -power).astype(np.float32)
    order = np.argsort(cluster, kind="stable")
    ends = np.searchsorted(cluster[order], np.arange(CLUSTERS + 1))
    for c in range(CLUSTERS):
        members = order[ends[c] : ends[c + 1]]
        cells = rows[members] + centres[c]
        for axis in range(latent_dims[c]):
            cells += latent[members, axis, None] * bases[c, axis]
        rows[members] = cells

    planting = np.random.default_rng([seed, number, 1])
    common = np.argsort(-share, kind="stable")
    for i, part in enumerate(np.geomspace(1e-3, 1e-5, rare) if rare else []):
        chosen = (planting.random(PIECE) < part / share[common[i % CLUSTERS]]) & (cluster == common[i % CLUSTERS])
        rows[chosen] += rare_offsets[i % CLUSTERS]
        cluster[chosen] = CLUSTERS + i
    copied = np.flatnonzero(planting.random(PIECE) < duplicates)
    origin = planting.integers(0, PIECE, len(copied))
    rows[copied], cluster[copied] = rows[origin], cluster[origin]
    flooded = np.flatnonzero(planting.random(PIECE) < flood)
    onto = planting.integers(0, FLOODED, len(flooded))
    rows[flooded], cluster[flooded] = centres[onto], onto
    return rows, cluster


def pieces(n, *how, **planted):
    """(first row, rows, classes) of the first n rows, piece by piece."""
    for number, first in enumerate(range(0, n, PIECE)):
        rows, cluster = piece(number, *how, **planted)
        yield first, rows[: n - first], cluster[: n - first]


class Store:
    """An AnnData store that is filled by rows. Uncompressed: what is timed should not be a decoder."""

    def __init__(self, path, n, classes, labels, chunk_rows, shard_rows):
        self.root = zarr.open_group(path, mode="w", zarr_format=3)
        self.root.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        obs = {"_index": "_index", "column-order": ["cell_type"] if labels else []}
        self._group("obs", "dataframe", "0.2.0", **obs)
        self._group("var", "dataframe", "0.2.0", **{"_index": "_index", "column-order": []})
        for name in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
            self._group(name, "dict", "0.1.0")
        shards = (shard_rows, DIM) if shard_rows else None
        self.rows = self._array("obsm/X_pca", (n, DIM), "float32", (chunk_rows, DIM), shards)
        self.names = self._array("obs/_index", (n,), str, (PIECE,))
        self._array("var/_index", (0,), str, (1,))
        self.codes = None
        if labels:
            self._group("obs/cell_type", "categorical", "0.2.0", ordered=False)
            self.codes = self._array("obs/cell_type/codes", (n,), "int16", (PIECE,))
            names = np.array(classes, dtype=object)
            self._array("obs/cell_type/categories", names.shape, str, names.shape)[:] = names

    def _group(self, name, kind, version, **more):
        made = self.root.create_group(name)
        made.attrs.update({"encoding-type": kind, "encoding-version": version, **more})

    def _array(self, path, shape, dtype, chunks, shards=None):
        made = self.root.create_array(path, shape=shape, dtype=dtype, chunks=chunks, shards=shards, compressors=None)
        kind = "string-array" if dtype is str else "array"
        made.attrs.update({"encoding-type": kind, "encoding-version": "0.2.0"})
        return made

    def write(self, first, rows, cluster):
        end = first + len(rows)
        self.rows[first:end] = rows
        self.names[first:end] = np.array([f"cell{i}" for i in range(first, end)], dtype=object)
        if self.codes is not None:
            self.codes[first:end] = cluster


def intrinsic_dimension(rows, sample):
    """Both estimates over `sample` cells. Duplicates of a cell say nothing about its dimension and are left out."""
    from truth import nearest

    n = rows.shape[0]
    chosen = np.sort(np.random.default_rng(11).choice(n, min(sample, n), replace=False))
    squares = nearest(take(rows, chosen), rows, LID_NEIGHBOURS + 1)[1][:, 1:]
    squares = squares[squares[:, 0] > 0]
    inverse = (np.log(squares[:, -1:]) - np.log(squares[:, :-1])).mean(axis=1) / 2
    inverse = inverse[inverse > 0]
    return 1 / inverse.mean(), (1 / inverse).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", help="path without its ending")
    parser.add_argument("--lid", type=int, choices=NOISE, default=10)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--zarr", action="store_true")
    parser.add_argument("--f32", action="store_true")
    parser.add_argument("--labels", action="store_true", help="obs/cell_type in the zarr store")
    parser.add_argument("--duplicates", type=float, default=0.0)
    parser.add_argument("--flood", type=float, default=0.0)
    parser.add_argument("--rare", type=int, default=0)
    parser.add_argument("--chunk-rows", type=int, default=PIECE)
    parser.add_argument("--shard-rows", type=int, default=0, help="rows of a shard, a multiple of the chunk; at most 65536")
    parser.add_argument("--measure", type=int, default=1000, help="cells whose LID is measured; 0 to leave it out")
    arguments = parser.parse_args()
    if not (arguments.zarr or arguments.f32):
        parser.error("nothing to write: give --zarr, --f32 or both")
    if PIECE % (arguments.shard_rows or arguments.chunk_rows):
        parser.error(f"chunks and shards must divide the piece of {PIECE} rows, or each would be written many times")

    began = time.perf_counter()
    n = arguments.rows
    classes = [f"type {i:03}" for i in range(CLUSTERS)] + [f"rare {i:02}" for i in range(arguments.rare)]
    out = pathlib.Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    paths = {kind: out.with_name(f"{out.name}.{kind}") for kind in ("zarr", "f32")}
    store = raw = None
    if arguments.zarr:
        store = Store(paths["zarr"], n, classes, arguments.labels, arguments.chunk_rows, arguments.shard_rows)
    if arguments.f32:
        raw = open(paths["f32"], "wb")
    planted = {name: getattr(arguments, name) for name in ("duplicates", "flood", "rare")}
    counts = np.zeros(len(classes), np.int64)
    for first, rows, cluster in pieces(n, arguments.seed, arguments.lid, **planted):
        counts += np.bincount(cluster, minlength=len(classes))
        if store:
            store.write(first, rows, cluster)
        if raw:
            rows.tofile(raw)
    if raw:
        raw.close()
    report = {
        "bench": "cells", "out": out.name, "lid_asked": arguments.lid, "rows": n, "dim": DIM, "seed": arguments.seed, **planted,
        "largest_class": round(float(counts.max() / n), 4), "rare_cells": counts[CLUSTERS:].tolist(),
        "seconds": round(time.perf_counter() - began, 1),
    }
    if arguments.measure:
        estimates = intrinsic_dimension(open_rows(paths["f32" if raw else "zarr"]), arguments.measure)
        report["lid"], report["lid_mean"] = (round(float(e), 2) for e in estimates)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
