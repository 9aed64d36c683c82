"""Maps the golden cases with the built command, once for all tests, and knows where the expected values are."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "test" / "fixtures" / "golden"
PBMC = ROOT / "test" / "fixtures" / "pbmc"

STORES = {
    "pbmc_cross": (PBMC / "query.zarr", PBMC / "reference.zarr"),
    "synthetic_cross": (GOLDEN / "synthetic_cross" / "query.zarr", GOLDEN / "synthetic_cross" / "reference.zarr"),
    "synthetic_cosine": (GOLDEN / "synthetic_cosine" / "query.zarr", GOLDEN / "synthetic_cosine" / "reference.zarr"),
}


def gigamapper(*arguments: object) -> str:
    """Runs the command; its complaint becomes the test's."""
    command = ["node", str(ROOT / "bin" / "gigamapper.mjs"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Case:
    """One golden case: what was asked, what CellMapper expects, and our mapped store."""

    def __init__(self, name: str, folder: Path):
        self.name = name
        self.query, self.reference = STORES[name]
        self.params = json.loads((GOLDEN / name / "params.json").read_text())
        self.output = folder / f"{name}.zarr"
        gigamapper(
            *("map", "--query", self.query, "--reference", self.reference, "--output", self.output),
            *("--use-rep", self.params["use_rep"], "--n-neighbors", self.params["n_neighbors"]),
            *("--metric", self.params["knn_dist_metric"]),
            *("--obs-keys", ",".join(self.params["categorical"] + self.params["numerical"])),
            *("--obsm-keys", ",".join(self.params["obsm"]), "--probabilities", "all"),
        )

    def array(self, name: str) -> np.ndarray:
        """An expected array, such as `gauss/obs.louvain.conf`."""
        return np.load(GOLDEN / self.name / "expected" / f"{name}.npy")

    def list(self, name: str) -> list:
        """An expected list."""
        return json.loads((GOLDEN / self.name / "expected" / f"{name}.json").read_text())


@pytest.fixture(scope="session", params=sorted(STORES))
def case(request, tmp_path_factory) -> Case:
    return Case(request.param, tmp_path_factory.mktemp("golden"))


@pytest.fixture(scope="session")
def parts(tmp_path_factory) -> Path:
    """The PBMC query mapped into several AnnData, as stores above 2^24 cells are."""
    output = tmp_path_factory.mktemp("parts") / "parts.zarr"
    query, reference = STORES["pbmc_cross"]
    stores = ("--query", query, "--reference", reference, "--output", output)
    gigamapper("map", *stores, "--obs-keys", "bulk_labels", "--obsm-keys", "X_umap", "--layout", "16,2,64")
    return output
