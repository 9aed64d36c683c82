"""What is exported is what was stored, to pandas and anndata."""

import anndata
import numpy as np
import pandas as pd
from anndata.experimental import read_lazy
from conftest import PBMC, gigamapper


def mapped(folder):
    output = folder / "mapped.zarr"
    cells = ["--query", PBMC / "query.zarr", "--reference", PBMC / "reference.zarr"]
    gigamapper("map", *cells, "--obs-keys", "bulk_labels,n_genes", "--obsm-keys", "X_umap", "--output", output)
    return output


def test_a_csv_file_reads_as_the_store(tmp_path):
    store, table = mapped(tmp_path), tmp_path / "mapped.csv"
    gigamapper("export", "--mapped", store, "--output", table)
    expected = anndata.read_zarr(store).obs
    found = pd.read_csv(table, index_col="cell", float_precision="round_trip")
    assert list(found.columns) == list(expected.columns)
    assert list(found.index) == list(expected.index)
    for name, column in expected.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            assert list(found[name]) == list(column.astype(str))
        else:
            np.testing.assert_array_equal(found[name].to_numpy().astype(column.dtype), column.to_numpy())


def test_a_copy_of_the_query_has_its_own_and_what_was_predicted(tmp_path):
    store, output = mapped(tmp_path), tmp_path / "joined.zarr"
    gigamapper("export", "--mapped", store, "--query", PBMC / "query.zarr", "--output", output)
    query, prediction, joined = (anndata.read_zarr(path) for path in (PBMC / "query.zarr", store, output))
    for part in (query.obs, prediction.obs):
        pd.testing.assert_frame_equal(joined.obs[list(part.columns)], part, check_names=False)
    for part in (query, prediction):
        for name, rows in part.obsm.items():
            np.testing.assert_array_equal(joined.obsm[name], rows)
    assert (joined.X != query.X).nnz == 0
    assert joined.uns["gigamapper"]["mode"] == prediction.uns["gigamapper"]["mode"]
    assert list(read_lazy(output).to_memory().obs.columns) == list(joined.obs.columns)
