"""Stores that anndata writes, read through an identity: along one neighbour each, what is transferred is what was written.

Contents, types, encodings, chunks and formats are drawn at random, from a seed for each store. Text labels are voted on as CellMapper votes on them; X and layers
may lack chunks of nothing but 0, which zarr-python 3 does not write.
"""

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from conftest import gigamapper

LABELS = ["naïve T", "B/cell", "", "x" * 300, "零", 'q"t', "NK", "DC"]
NUMBERS = ["i1", "u1", "<i2", "<u4", "<i8", "<f4", "<f8", ">f4", ">f8", ">i4", "<f2"]


def column(random, kind: str, n: int):
    """A column of obs, some of it missing where that can be."""
    missing = random.random(n) < random.choice([0, 0.1, 0.9])
    codes = np.where(missing, -1, random.integers(0, len(LABELS), n))
    whole = pd.Series(random.integers(0, 100, n), dtype="Int16").mask(pd.Series(missing)).array
    return {
        "categorical": pd.Categorical.from_codes(codes, LABELS, ordered=bool(random.integers(2))),
        "categorical of numbers": pd.Categorical.from_codes(codes, np.arange(len(LABELS)) * 7.5),
        "text": np.array([LABELS[code] for code in np.abs(codes)], dtype=object),
        "whole": whole,
        "flag": random.random(n) < 0.5,
        "number": np.where(missing, np.nan, random.random(n)),
    }[kind]


def matrix(random, n: int, width: int) -> np.ndarray:
    """Small integers of any type, most of them 0."""
    values = np.where(random.random((n, width)) < 0.3, random.integers(1, 50, (n, width)), 0)
    return values.astype(random.choice(NUMBERS))


def stored(random, values: np.ndarray):
    """Dense, by rows or by columns; scipy has no matrices of half or foreign numbers."""
    if values.dtype.byteorder == ">" or values.dtype == np.float16:
        return values
    return random.choice([np.asarray, sp.csr_matrix, sp.csc_matrix])(values)


def written(random, cells: anndata.AnnData, folder):
    """Writes the cells in one of the formats and returns where."""
    form = random.choice(["zarr v2", "zarr v3", "h5ad", "gzip", "lzf"])
    path = folder / ("cells.zarr" if form.startswith("zarr") else "cells.h5ad")
    with warnings.catch_warnings(), anndata.settings.override(zarr_write_format=2 if form == "zarr v2" else 3):
        # What the writer warns of is not about our stores.
        warnings.simplefilter("ignore")
        if path.suffix == ".h5ad":
            cells.write_h5ad(path, compression=form if form != "h5ad" else None)
        else:
            cells.write_zarr(path, chunks=(int(random.integers(20, cells.n_obs)), int(random.integers(1, cells.n_vars))))
    return path


def transferred(reference, order: np.ndarray, folder, *arguments: str) -> anndata.AnnData:
    """What cells get of which each has one neighbour, in this order."""
    np.save(folder / "ids.npy", order[:, None])
    np.save(folder / "distances.npy", np.ones((len(order), 1), "f4"))
    query, output = folder / "query.zarr", folder / "output.zarr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        anndata.AnnData(obs=pd.DataFrame(index=[f"q{i}" for i in range(len(order))])).write_zarr(query)
    gigamapper(
        *("transfer", "--query", query, "--reference", reference, "--output", output, "--kernel-method", "equal"),
        *("--neighbors", f"{folder}/ids.npy,{folder}/distances.npy", "--memory", "512MiB", *arguments),
    )
    return anndata.read_zarr(output)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_chunk_of_zeros_need_not_be_there(zarr_format, tmp_path):
    random = np.random.default_rng(0)
    values = random.integers(1, 9, (200, 9)).astype("f4")
    values[40:, 6:] = 0
    cells = anndata.AnnData(values, obs=pd.DataFrame(index=[f"c{i}" for i in range(200)]))
    with warnings.catch_warnings(), anndata.settings.override(zarr_write_format=zarr_format):
        warnings.simplefilter("ignore")
        cells.write_zarr(tmp_path / "cells.zarr", chunks=(20, 3))
    chunks = [path for path in (tmp_path / "cells.zarr" / "X").rglob("*") if path.is_file() and path.name[0] not in ".z"]
    assert len(chunks) == 22, "of 30 there are those with a value"
    order = random.permutation(200)
    found = transferred(tmp_path / "cells.zarr", order, tmp_path, "--layer-key", "X")
    np.testing.assert_array_equal(found.X, values[order])


@pytest.mark.parametrize("seed", range(10))
def test_what_anndata_wrote_is_what_is_transferred(seed, tmp_path):
    random = np.random.default_rng(seed)
    n, genes, dim = int(random.choice([63, 200, 700])), int(random.choice([3, 50, 120])), int(random.choice([1, 2, 30]))
    kinds = ["categorical", "categorical of numbers", "text", "whole", "flag", "number"]
    obs = pd.DataFrame({kind: column(random, kind, n) for kind in kinds}, index=[f"cell {i} é" for i in range(n)])
    expression, rows = matrix(random, n, genes), matrix(random, n, dim)
    rows[:, 0] += 1
    cells = anndata.AnnData(obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(genes)]))
    place = random.choice(["X", "counts"])
    if place == "X":
        cells.X = stored(random, expression)
    else:
        cells.layers[place] = stored(random, expression)
    cells.obsm["X_rows"] = stored(random, rows)
    # The order of the query is not that of the reference.
    order = random.permutation(n)
    keys = ("--obs-keys", ",".join(kinds), "--obsm-keys", "X_rows", "--layer-key", place)
    found, expected = transferred(written(random, cells, tmp_path), order, tmp_path, *keys), obs.iloc[order]
    np.testing.assert_array_equal(found.obsm["X_rows_pred"], rows[order].astype("f4"))
    np.testing.assert_array_equal(found.X if place == "X" else found.layers[place], expression[order].astype("f4"))
    for kind in kinds:
        predicted, wanted = found.obs[f"{kind}_pred"], expected[kind]
        if kind in ("whole", "number"):
            np.testing.assert_array_equal(predicted.to_numpy("f8"), wanted.to_numpy("f8", na_value=np.nan))
        else:
            texts = [[None if pd.isna(label) else str(label) for label in labels] for labels in (predicted, wanted)]
            assert texts[0] == texts[1], kind
