"""Rows of a data set by its path, wherever they lie: raw `.f32` files and AnnData zarr stores look the same to the benchmarks.

Nothing is read until it is sliced, so a file may be larger than memory. An `X.f32` beside `X.zarr` holds the same rows
(`cells.py` writes both); peers are given it, since reading it costs them least.
"""
import hashlib
import pathlib

import numpy as np
import zarr

DIM = 50
SLAB = 1 << 20


def open_rows(path, rep="X_pca"):
    """Something of shape (n, DIM) that is sliced by rows."""
    path = pathlib.Path(path)
    if path.suffix == ".zarr":
        return zarr.open_array(path / "obsm" / rep, mode="r")
    return np.memmap(path, "<f4", mode="r").reshape(-1, DIM)


def read_rows(path, rep="X_pca"):
    """All rows in memory, from the raw file if there is one."""
    path = pathlib.Path(path)
    raw = path.with_suffix(".f32")
    if raw.exists():
        return np.fromfile(raw, "<f4").reshape(-1, DIM)
    return np.ascontiguousarray(open_rows(path, rep)[:], dtype=np.float32)


def slabs(rows):
    """(first row, rows as contiguous f32) in turn."""
    for first in range(0, rows.shape[0], SLAB):
        yield first, np.ascontiguousarray(rows[first : first + SLAB], dtype=np.float32)


def take(rows, ids):
    """The rows of these ids, as f32, with one pass over the file."""
    found = np.empty((len(ids), rows.shape[1]), np.float32)
    order = np.argsort(ids, kind="stable")
    ordered = np.asarray(ids)[order]
    for first, slab in slabs(rows):
        low, high = np.searchsorted(ordered, [first, first + len(slab)])
        found[order[low:high]] = slab[ordered[low:high] - first]
    return found


def fingerprint(rows):
    """Tells two data sets apart without reading them whole: the length, the first, middle and last rows."""
    n = rows.shape[0]
    digest = hashlib.sha256(str(n).encode())
    for first in (0, n // 2, max(0, n - 1000)):
        digest.update(np.ascontiguousarray(rows[first : first + 1000], dtype="<f4").tobytes())
    return digest.hexdigest()[:12]
