"""A copy in chunks of whole rows is what anndata wrote, to anndata itself."""

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
import zarr
from anndata.experimental import read_lazy
from conftest import gigamapper

N = 300


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Cells with a column of every kind that has missing values, too."""
    random = np.random.default_rng(0)
    missing = random.random(N) < 0.2
    whole = pd.Series(np.arange(N) + 2**60, dtype="Int64").mask(pd.Series(missing))
    obs = pd.DataFrame(
        {
            "label": pd.Categorical(random.choice(["B", "T", "größer"], N), ["T", "größer", "B", "none"], ordered=True),
            "part_label": pd.Categorical(np.where(missing, None, "a")),
            "number": random.random(N),
            "single": random.random(N).astype("f4"),
            "whole": np.arange(N) - 2**62,
            "byte": np.arange(N).astype("u1"),
            "flag": missing,
            "text": [f"cell {i} é" for i in range(N)],
            "some_whole": whole.array,
            "some_flag": pd.array(np.arange(N) % 3 == 0, dtype="boolean"),
        },
        index=[f"c{i}" for i in range(N)],
    )
    obs.loc[obs.index[missing], "some_flag"] = pd.NA
    cells = anndata.AnnData(obs=obs, obsm={"X_pca": random.normal(size=(N, 7))})
    path = tmp_path_factory.mktemp("original") / "cells.zarr"
    # What the writer of the original warns of is not about our stores.
    with warnings.catch_warnings(), anndata.settings.override(zarr_write_format=3, auto_shard_zarr_v3=True):
        warnings.simplefilter("ignore")
        cells.write_zarr(path)
    return path


@pytest.mark.parametrize("layout", ["32,2,4096", "32,2,128"])
def test_every_column_comes_back(original, layout, tmp_path):
    output = tmp_path / "copy.zarr"
    gigamapper("rechunk", "--input", original, "--output", output, "--layout", layout)
    parts = sorted(output.glob("dataset_*")) or [output]
    copies, expected = [anndata.read_zarr(part) for part in parts], anndata.read_zarr(original)
    obs = pd.concat([copy.obs for copy in copies])
    pd.testing.assert_frame_equal(obs, expected.obs)
    rows = np.concatenate([copy.obsm["X_pca"] for copy in copies])
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, expected.obsm["X_pca"].astype("f4"))
    assert zarr.open_array(parts[0] / "obsm" / "X_pca").chunks == (32, 7)
    loaded = read_lazy(parts[0]).to_memory()
    np.testing.assert_array_equal(loaded.obsm["X_pca"], copies[0].obsm["X_pca"])
