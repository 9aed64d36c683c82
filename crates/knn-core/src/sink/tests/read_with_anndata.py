"""Opens the stores that `interop.rs` writes as a user would, with every warning an error.

    GIGAMAPPER_INTEROP=<folder> cargo test -p gigamapper-core write_stores -- --ignored
    python read_with_anndata.py <folder>
"""

import pathlib
import sys
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # importing them warns about their own dependencies
    import anndata
    import dask.array  # noqa: F401
    import numpy as np
    import pandas as pd
    import scanpy
    import xarray  # noqa: F401
    import zarr

warnings.simplefilter("error")
folder = pathlib.Path(sys.argv[1])


def check(a, rows, lazy=False):
    n = len(rows)
    missing = rows % 7 == 3
    assert a.shape == (n, 0), a.shape
    assert list(a.obs_names) == [f"Zelle-é{r}" if r % 5 == 0 else f"cell{r}" for r in rows]
    obs = a.obs
    assert list(obs.columns) == ["mapping_status", "type_pred", "flag_pred", "stage_pred", "type_conf", "age_pred"]
    values = {
        "mapping_status": np.array(["ok", "no neighbors", "invalid input"], dtype=object)[rows % 3],
        "type_pred": np.where(missing, None, np.array([f"type {r % 300}" for r in rows], dtype=object)),
        "flag_pred": np.where(missing, None, (rows % 2 == 1).astype(object)),
        "stage_pred": np.where(missing, None, np.array([3, 5], dtype=object)[rows % 2]),
    }
    for key, expected in values.items():
        found = obs[key].astype(object)
        np.testing.assert_array_equal(found.where(found.notna(), None).to_numpy(), expected, err_msg=key)
        assert obs[key].cat.ordered == (key in ("type_pred", "stage_pred"))
    if not lazy:  # read_lazy drops unused categories itself
        assert list(obs["type_pred"].cat.categories) == [f"type {i}" for i in range(300)]
        assert obs["flag_pred"].cat.categories.dtype == bool and list(obs["flag_pred"].cat.categories) == [False, True]
        assert list(obs["stage_pred"].cat.categories) == [3, 5]
    assert obs["type_conf"].dtype == np.float32 and obs["age_pred"].dtype == np.float64
    np.testing.assert_array_equal(obs["type_conf"], (1 / (1 + rows).astype("f4")).astype("f4"))
    np.testing.assert_array_equal(obs["age_pred"], np.where(missing, np.nan, rows / 3))
    np.testing.assert_array_equal(a.obsm["knn_indices"], rows[:, None] + np.arange(3))
    assert a.obsm["knn_indices"].dtype == np.int32
    np.testing.assert_array_equal(a.obsm["knn_distances"], rows[:, None] + np.arange(3) / 8)
    np.testing.assert_array_equal(a.obsm["umap_pred"], np.stack([rows, -rows], axis=1))
    own = a.uns["gigamapper"]
    assert own["version"] == "0.1.0" and own["sigma"] == 1.25 and own["k"] == 3 and not own["self_edges"]
    assert own["parameters"]["use_rep"] == "X_pca" and own["parameters"]["long"] == -5_000_000_000
    assert list(a.uns["type_pred_colors"]) == ["#ff0000", "#00ff00"]


def check_lazy(lazy, rows):
    assert lazy.shape == (len(rows), 0)
    check(lazy.to_memory(), rows, lazy=True)


stores = {"empty": 0, "one": 1, "exact": 16, "edge": 11, "ordinary": 3000}
for name, n in stores.items():
    path = folder / name
    check(anndata.read_zarr(path), np.arange(n))
    check_lazy(anndata.experimental.read_lazy(path), np.arange(n))
    group = zarr.open_consolidated(path)
    assert group.attrs["gigamapper"]["status"] == "complete"
    assert group["obsm/knn_indices"].shape == (n, 3) and group["obs/flag_pred/codes"].shape == (n,)
    print(name, "ok")

root = zarr.open_consolidated(folder / "parts")
assert sorted(root.group_keys()) == ["dataset_0", "dataset_1", "dataset_2"] and list(root.attrs) == ["gigamapper"]
assert root["dataset_2/obs/_index"].shape == (7,)
for part in range(3):
    rows = np.arange(part * 8, min(part * 8 + 8, 23))
    check(anndata.read_zarr(folder / "parts" / f"dataset_{part}"), rows)
    check_lazy(anndata.experimental.read_lazy(folder / "parts" / f"dataset_{part}"), rows)
    assert zarr.open_consolidated(folder / "parts" / f"dataset_{part}").metadata.consolidated_metadata is not None
together = anndata.concat([anndata.read_zarr(folder / "parts" / f"dataset_{part}") for part in range(3)], merge="same")
assert together.n_obs == 23
print("parts ok")

# Without consolidated metadata, and a reader that asks for any subset.
plain = zarr.open_group(folder / "edge", use_consolidated=False)
np.testing.assert_array_equal(plain["obsm/knn_indices"][7:10, 1], np.arange(7, 10) + 1)
np.testing.assert_array_equal(plain["obs/age_pred"][8:10], np.arange(8, 10) / 3)

a = scanpy.read_zarr(folder / "ordinary") if hasattr(scanpy, "read_zarr") else anndata.read_zarr(folder / "ordinary")
with warnings.catch_warnings():
    warnings.simplefilter("default")
    scanpy.pp.neighbors(a, n_neighbors=5, use_rep="umap_pred")
assert a.obsp["distances"].shape == (3000, 3000)
assert pd.crosstab(a.obs["type_pred"], a.obs["mapping_status"]).to_numpy().sum() == (np.arange(3000) % 7 != 3).sum()
print("scanpy ok")

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Observation names are not unique")  # none is written yet
    unfinished = anndata.read_zarr(folder / "unfinished")
assert (unfinished.obsm["knn_indices"] == -1).all() and np.isnan(unfinished.obsm["knn_distances"]).all()
assert (unfinished.obs["type_pred"].cat.codes == -1).all()
assert zarr.open_group(folder / "unfinished").attrs["gigamapper"]["status"] == "running"
print("unfinished ok")
