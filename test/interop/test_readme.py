"""The README's Python runs as it stands, on a store mapped as its TypeScript example does."""

import re

import matplotlib
import pytest
from conftest import ROOT, STORES, gigamapper


# scanpy's own call of matplotlib; it says nothing about the store.
@pytest.mark.filterwarnings("ignore:The set_bad function:PendingDeprecationWarning")
def test_the_example_runs(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    query, reference = STORES["pbmc_cross"]
    stores = ("--query", query, "--reference", reference, "--output", tmp_path / "mapped.zarr")
    gigamapper("map", *stores, "--obs-keys", "bulk_labels,n_genes", "--obsm-keys", "X_umap")
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    exec(example, {})
    assert "Monocyte" in capsys.readouterr().out
