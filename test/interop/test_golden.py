"""What is read back is what CellMapper 0.2.6 computed, within the tolerances of test/fixtures/golden/README.md."""

import anndata
import numpy as np
import pytest


@pytest.fixture
def mapped(case):
    return anndata.read_zarr(case.output)


def test_neighbors(case, mapped):
    distances, expected = mapped.obsm["knn_distances"], case.array("neighbors.yx.distances")
    # CellMapper computes a cosine in f32, as one less a product.
    near = 2e-4 if case.params["knn_dist_metric"] == "cosine" else 1e-6
    atol = np.where(expected < 1e-3, near, 1e-6)
    assert (np.abs(distances - expected) <= 1e-5 * expected + atol).all()
    ids, expected_ids = mapped.obsm["knn_indices"], case.array("neighbors.yx.indices")
    assert (ids.dtype, distances.dtype) == (np.int32, np.float32)
    for row, column in np.argwhere(ids != expected_ids):
        tied = np.isclose(expected[row], expected[row, column], rtol=1e-5, atol=atol[row, column])
        assert ids[row, column] in expected_ids[row, tied] or tied[-1], f"row {row}: another neighbor without a tie"


def test_labels(case, mapped):
    for key in case.params["categorical"]:
        probabilities = case.array(f"gauss/obs.{key}.prob")
        best = np.sort(probabilities, axis=1)[:, -2:]
        decided = best[:, 1] - best[:, 0] > 1e-6
        predicted = mapped.obs[f"{key}_pred"].astype(str).to_numpy()
        assert (predicted[decided] == np.array(case.list(f"gauss/obs.{key}.pred"))[decided]).all()
        np.testing.assert_allclose(mapped.obs[f"{key}_conf"], case.array(f"gauss/obs.{key}.conf"), atol=1e-5)


def test_probabilities(case, mapped):
    for key in case.params["categorical"]:
        columns = case.list(f"gauss/obs.{key}.prob_columns")
        categories = [str(name) for name in mapped.obs[f"{key}_pred"].cat.categories]
        ours = np.asarray(mapped.obsm[f"{key}_prob"])[:, [categories.index(name) for name in columns]]
        np.testing.assert_allclose(ours, case.array(f"gauss/obs.{key}.prob"), atol=1e-5)


def test_numbers_and_embeddings(case, mapped):
    for key in case.params["numerical"]:
        expected = case.array(f"gauss/obs.{key}.pred")
        assert mapped.obs[f"{key}_pred"].dtype == np.float64
        np.testing.assert_allclose(mapped.obs[f"{key}_pred"], expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
    for key in case.params["obsm"]:
        expected = case.array(f"gauss/obsm.{key}.pred")
        assert mapped.obsm[f"{key}_pred"].dtype == np.float32
        for ours, column in zip(mapped.obsm[f"{key}_pred"].T, expected.T, strict=True):
            np.testing.assert_allclose(ours, column, rtol=1e-5, atol=1e-6 * np.abs(column).max())
