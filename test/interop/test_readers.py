"""Other people's readers open a mapped store without a warning, and find what an AnnData should hold."""

from pathlib import Path

import anndata
import numpy as np
import scanpy
import zarr
from anndata.experimental import read_lazy


def test_read_zarr(case):
    mapped, query, reference = map(anndata.read_zarr, (case.output, case.query, case.reference))
    assert list(mapped.obs_names) == list(query.obs_names)
    assert mapped.n_vars == 0
    assert (mapped.obs["mapping_status"] == "ok").all()
    for key in case.params["categorical"]:
        ours, theirs = mapped.obs[f"{key}_pred"].cat, reference.obs[key].cat
        assert [str(name) for name in ours.categories] == [str(name) for name in theirs.categories]
        assert ours.ordered == theirs.ordered
    k = case.params["n_neighbors"]
    assert mapped.obsm["knn_indices"].shape == mapped.obsm["knn_distances"].shape == (query.n_obs, k)
    assert mapped.obsm["knn_indices"].min() >= 0
    assert mapped.obsm["knn_indices"].max() < reference.n_obs
    assert "gigamapper" in mapped.uns


def test_colors_follow_their_labels(case):
    mapped, reference = anndata.read_zarr(case.output), anndata.read_zarr(case.reference)
    for key in case.params["categorical"]:
        if f"{key}_colors" in reference.uns:
            assert list(mapped.uns[f"{key}_pred_colors"]) == list(reference.uns[f"{key}_colors"])


def test_read_lazy(case):
    lazy, eager = read_lazy(case.output), anndata.read_zarr(case.output)
    loaded = lazy.to_memory()
    assert loaded.obs.columns.tolist() == eager.obs.columns.tolist()
    for column in eager.obs:
        assert loaded.obs[column].astype(str).tolist() == eager.obs[column].astype(str).tolist()
    for key in eager.obsm:
        np.testing.assert_array_equal(loaded.obsm[key], eager.obsm[key])


def test_scanpy_finds_labels_and_embedding(case):
    mapped = anndata.read_zarr(case.output)
    key, embedding = case.params["categorical"][0], case.params["obsm"][0]
    frame = scanpy.get.obs_df(mapped, [f"{key}_pred", f"{key}_conf"], obsm_keys=[(f"{embedding}_pred", 0)])
    assert frame.shape == (mapped.n_obs, 3)
    assert frame.notna().all(axis=None)


def test_zarr_finds_consolidated_metadata(case):
    group = zarr.open_group(case.output, mode="r")
    assert group.metadata.zarr_format == 3
    assert group.metadata.consolidated_metadata is not None
    assert group["obsm/knn_indices"].fill_value == -1
    assert np.isnan(group["obsm/knn_distances"].fill_value)


def test_every_part_is_an_anndata(parts):
    root = zarr.open_group(parts, mode="r")
    assert root.attrs["gigamapper"]["status"] == "complete"
    assert root.attrs["gigamapper"]["n_obs"] == 200
    each = [anndata.read_zarr(parts / f"dataset_{part}") for part in range(4)]
    assert [part.n_obs for part in each] == [64, 64, 64, 8]
    assert all((part.obs["mapping_status"] == "ok").all() for part in each)
    for part in each:
        assert "bulk_labels_pred" in part.obs
        assert part.obsm["X_umap_pred"].shape == (part.n_obs, 2)


def test_parts_are_opened_lazily_one_by_one(parts):
    root = zarr.open_group(parts, mode="r", use_consolidated=True)
    names, first = [], 0
    for part in sorted(root.group_keys(), key=lambda name: int(name.removeprefix("dataset_"))):
        lazy = read_lazy(parts / part)
        distances = lazy.obsm["knn_distances"]
        assert distances.shape[0] == lazy.n_obs and not isinstance(distances, np.ndarray)
        # A slice reads its own rows only.
        np.testing.assert_array_equal(np.asarray(distances[3:5]), root[f"{part}/obsm/knn_distances"][3:5])
        names.extend(lazy.obs_names)
        first += lazy.n_obs
    query = anndata.read_zarr(Path(__file__).parents[1] / "fixtures/pbmc/query.zarr")
    assert names == list(query.obs_names) and first == 200
