"""What self-mapping stores is what scanpy keeps of a graph, and scanpy goes on from there."""

import anndata
import numpy as np
import pytest
import scanpy
from conftest import PBMC, gigamapper

K = 15


@pytest.fixture(scope="module")
def mapped(tmp_path_factory) -> anndata.AnnData:
    output = tmp_path_factory.mktemp("self") / "self.zarr"
    cells = PBMC / "reference.zarr"
    gigamapper("map", "--query", cells, "--output", output, "--n-neighbors", K, "--obs-keys", "bulk_labels")
    return anndata.read_zarr(output)


@pytest.fixture(scope="module")
def expected() -> anndata.AnnData:
    cells = anndata.read_zarr(PBMC / "reference.zarr")
    scanpy.pp.neighbors(cells, n_neighbors=K, use_rep="X_pca", transformer="sklearn")
    return cells


def test_matrices_are_scanpys(mapped, expected):
    for name in ("distances", "connectivities"):
        ours, theirs = mapped.obsp[name].tocsr(), expected.obsp[name].tocsr()
        assert ours.shape == theirs.shape == (mapped.n_obs, mapped.n_obs)
        assert ours.has_canonical_format and ours.dtype == np.float32
        assert abs(ours - theirs).max() < 1e-4, name
    connectivities = mapped.obsp["connectivities"]
    assert (connectivities != connectivities.T).nnz == 0
    assert connectivities.diagonal().max() == 0


def test_parameters_are_scanpys(mapped, expected):
    ours, theirs = mapped.uns["neighbors"], expected.uns["neighbors"]
    for key in ("connectivities_key", "distances_key"):
        assert ours[key] == theirs[key]
    for key in ("n_neighbors", "method", "metric"):
        assert ours["params"][key] == theirs["params"][key], key


def test_scanpy_goes_on_from_there(mapped):
    scanpy.tl.umap(mapped, maxiter=20)
    assert np.isfinite(mapped.obsm["X_umap"]).all()
    scanpy.tl.diffmap(mapped, n_comps=5)
    assert mapped.obsm["X_diffmap"].shape == (mapped.n_obs, 5)


@pytest.mark.parametrize("kernel", ["gauss", "inverse_distance"])
def test_other_kernels_are_symmetric_too(kernel, tmp_path):
    output = tmp_path / "self.zarr"
    gigamapper("map", "--query", PBMC / "reference.zarr", "--output", output, "--kernel-method", kernel)
    connectivities = anndata.read_zarr(output).obsp["connectivities"]
    assert (connectivities != connectivities.T).nnz == 0
    assert connectivities.data.min() > 0
