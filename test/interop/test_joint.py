"""Computed representations are those of scikit-learn and of the definition by SciPy, as anndata reads them."""

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from conftest import gigamapper
from scipy import sparse
from scipy.linalg import svd
from sklearn.decomposition import PCA

COMPONENTS = 8


def cells(n, genes, seed, as_matrix):
    """Cells of log counts along a few directions that stand out, with an own order of genes and some of their own."""
    shared = np.random.default_rng(0)
    axes = shared.normal(size=(12, 60)) * np.linspace(3, 0.4, 12)[:, None]
    random = np.random.default_rng(seed)
    values = random.normal(size=(n, 12)) @ axes + random.normal(size=(n, 60)) * 0.2
    values = np.where(random.random((n, 60)) < 0.5, 0, values + 1).astype("f4")
    frame = pd.DataFrame(values, columns=[f"g{gene}" for gene in range(60)])
    for gene in range(genes - 60):
        frame[f"only{seed}-{gene}"] = random.random(n).astype("f4")
    frame = frame[random.permutation(frame.columns)]
    obs = pd.DataFrame({"type": pd.Categorical(random.choice(["B", "T"], n))}, index=[f"{seed}-{i}" for i in range(n)])
    made = anndata.AnnData(as_matrix(frame.to_numpy()), obs=obs, var=pd.DataFrame(index=frame.columns))
    return made


@pytest.fixture(scope="module", params=["csr", "csc", "dense"])
def stores(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("joint")
    as_matrix = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[request.param]
    query, reference = cells(150, 70, 1, as_matrix), cells(220, 65, 2, as_matrix)
    # What the writer of the originals warns of is not about our stores.
    with warnings.catch_warnings(), anndata.settings.override(zarr_write_format=3):
        warnings.simplefilter("ignore")
        for name, made in [("query", query), ("reference", reference)]:
            made.write_zarr(folder / f"{name}.zarr")
    return folder, query, reference


def joined(query, reference):
    genes = [gene for gene in reference.var_names if gene in set(query.var_names)]
    dense = [made[:, genes].to_df().to_numpy().astype("f8") for made in (query, reference)]
    return genes, *dense


def read(folder, method, *options):
    outputs = [folder / f"{method}-{side}.zarr" for side in ("query", "reference")]
    gigamapper(
        *("pca", "--method", method, "--n-comps", COMPONENTS, "--overwrite", *options),
        *("--query", folder / "query.zarr", "--reference", folder / "reference.zarr"),
        *("--output", outputs[0], "--reference-output", outputs[1], "--layout", "32,2,4096"),
    )
    return [anndata.read_zarr(output) for output in outputs]


@pytest.mark.parametrize("solver", ["gram", "passes"])
def test_joint_pca(stores, solver):
    folder, query, reference = stores
    genes, of_query, of_reference = joined(query, reference)
    expected = PCA(COMPONENTS, svd_solver="full").fit(np.concatenate([of_reference, of_query]))
    for found, rows, original in zip(
        read(folder, "joint_pca", "--solver", solver), (of_query, of_reference), (query, reference), strict=True
    ):
        scores = expected.transform(rows)
        assert found.obsm["X_pca"].dtype == np.float32
        scale = np.abs(scores).max(axis=0)
        np.testing.assert_allclose(found.obsm["X_pca"] / scale, scores / scale, atol=1e-4)
        assert list(found.var_names) == genes
        np.testing.assert_allclose(found.varm["PCs"], expected.components_.T, atol=1e-4)
        pca = found.uns["pca"]
        np.testing.assert_allclose(pca["variance"], expected.explained_variance_, rtol=1e-6)
        np.testing.assert_allclose(pca["variance_ratio"], expected.explained_variance_ratio_, rtol=1e-6)
        assert pca["params"]["zero_center"]
        parameters = found.uns["X_pca_params"]
        assert (parameters["n_comps"], parameters["n_common_genes"]) == (COMPONENTS, len(genes))
        pd.testing.assert_frame_equal(found.obs, original.obs)


def test_fast_cca(stores):
    folder, query, reference = stores
    _, of_query, of_reference = joined(query, reference)
    centred = [rows - rows.mean(axis=1, keepdims=True) for rows in (of_query, of_reference)]
    left, singular, right = svd(centred[0] @ centred[1].T / (of_query.shape[1] - 1), full_matrices=False)
    expected = [left[:, :COMPONENTS], right[:COMPONENTS].T]
    found = read(folder, "fast_cca")
    signs = np.sign((found[0].obsm["X_cca"] * expected[0]).sum(axis=0))
    for made, vectors in zip(found, expected, strict=True):
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        np.testing.assert_allclose(made.obsm["X_cca"] * signs, vectors, atol=1e-4)
        np.testing.assert_allclose(made.uns["X_cca"]["singular_values"], singular[:COMPONENTS], rtol=1e-6)


def test_a_mapping_without_a_representation(stores, tmp_path):
    folder, query, reference = stores
    output = tmp_path / "mapped.zarr"
    sides = ("--query", folder / "query.zarr", "--reference", folder / "reference.zarr")
    gigamapper("map", *sides, "--obs-keys", "type", "--n-comps", COMPONENTS, "--n-neighbors", 5, "--output", output)
    _, of_query, of_reference = joined(query, reference)
    pca = PCA(COMPONENTS, svd_solver="full").fit(np.concatenate([of_reference, of_query]))
    of_query, of_reference = pca.transform(of_query), pca.transform(of_reference)
    distances = np.sort(np.linalg.norm(of_query[:, None] - of_reference[None], axis=2), axis=1)[:, :5]
    np.testing.assert_allclose(anndata.read_zarr(output).obsm["knn_distances"], distances, rtol=1e-3, atol=1e-3)
