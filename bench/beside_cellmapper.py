"""gigamapper beside CellMapper 0.2.5: whole mappings, and label transfer along neighbours that are known.

    python bench/beside_cellmapper.py QUERY.zarr REFERENCE.zarr [--label cell_type] [--recall 0.99] [--rounds 2] [--backends faiss-cpu,pynndescent]
    python bench/beside_cellmapper.py DEFINITION.json --scratch FOLDER

Both work on two threads, in turns. CellMapper finds the graph between the stores alone (only_yx), has both stores in memory before the clock starts, and its result stays there; gigamapper is its
command from start to exit, from disk to disk. Recall is against an exact search. CellMapper's faiss-cpu is exact (IndexFlatL2).

Labels along known neighbours are told three ways: weights and votes alone (of gigamapper the stage that reads the neighbours, weighs, votes and writes durably), all stages of the
command, and both programs from start to exit, which read both stores and the neighbours and write the labels.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import anndata
import numpy as np
import zarr
from cellmapper import CellMapper

from defined import is_definition, materialised

ROOT = Path(__file__).resolve().parents[1]
K, REPRESENTATION = 30, "X_pca"
# A user's script: neighbours from disk, labels to disk. CellMapper loads neighbours from files within one store only, so they are handed to it here.
ALONG = """
import sys, anndata, numpy, zarr
from cellmapper import CellMapper
from cellmapper.model.kernel import Kernel
from cellmapper.model.neighbors import Neighbors
query, reference, neighbors, label, output = sys.argv[1:]
query, reference = anndata.read_zarr(query), anndata.read_zarr(reference)
found = zarr.open_group(neighbors, mode="r")
indices, distances = found["obsm/knn_indices"][:], found["obsm/knn_distances"][:]
mapper = CellMapper(query, reference)
mapper.knn, mapper.only_yx = Kernel(reference.obsm["X_pca"], query.obsm["X_pca"], is_self_mapping=False), True
mapper.knn.yx, mapper.knn.only_yx = Neighbors(distances, indices, n_targets=reference.n_obs), True
mapper.compute_mapping_matrix(kernel_method="gauss")
mapper.map_obs(key=label)
anndata.AnnData(obs=query.obs[[f"{label}_pred", f"{label}_conf"]]).write_zarr(output)
"""


def gigamapper(*arguments: object) -> tuple[float, dict]:
    """Seconds from start to exit, and the report."""
    command = ["node", ROOT / "bin" / "gigamapper.mjs", *arguments, "--threads", 2, "--json", "--quiet"]
    began = time.perf_counter()
    done = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
    return time.perf_counter() - began, json.loads(done.stdout)


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    sample = np.random.default_rng(0).choice(len(truth), min(20_000, len(truth)), replace=False)
    return float(np.mean([len(np.intersect1d(found[row], truth[row])) / truth.shape[1] for row in sample]))


def cellmapper(query, reference, label: str, backend: str) -> tuple[float, float, np.ndarray]:
    """Seconds of a whole map, of weights and votes alone, and the neighbours."""
    mapper = CellMapper(query.copy(), reference)
    began = time.perf_counter()
    mapper.compute_neighbors(n_neighbors=K, use_rep=REPRESENTATION, knn_method=backend, only_yx=True)
    found = time.perf_counter()
    mapper.compute_mapping_matrix(kernel_method="gauss")
    mapper.map_obs(key=label)
    ended = time.perf_counter()
    return ended - began, ended - found, np.asarray(mapper.knn.yx.indices)


def cellmapper_along(*arguments: object) -> float:
    """Seconds of CellMapper's labels along stored neighbours, from the start of Python to its exit."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", ALONG, *map(str, arguments)], check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("query", type=Path, help="query store, or definition of cells mapped onto others")
    parser.add_argument("reference", type=Path, nargs="?")
    parser.add_argument("--scratch", type=Path, help="where the cells of a definition are generated")
    parser.add_argument("--label", default="cell_type")
    parser.add_argument("--recall", type=float, default=0.99)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--backends", default="faiss-cpu,pynndescent")
    arguments = parser.parse_args()
    if is_definition(arguments.query):
        _, arguments.reference, arguments.query = materialised(arguments.query, arguments.scratch or tempfile.gettempdir())
    if not (arguments.query and arguments.reference):
        parser.error("give a query and a reference, or a definition that has both")
    query, reference = anndata.read_zarr(arguments.query), anndata.read_zarr(arguments.reference)
    with tempfile.TemporaryDirectory(dir=arguments.query.parent) as folder:
        stores = ["--query", arguments.query, "--reference", arguments.reference, "--n-neighbors", K]
        exact = Path(folder) / "exact.zarr"
        gigamapper("neighbors", *stores, "--use-rep", REPRESENTATION, "--method", "exact", "--output", exact)
        truth = zarr.open_group(exact, mode="r")["obsm/knn_indices"][:]
        whole, given = {}, {}
        for number in range(arguments.rounds):
            for backend in arguments.backends.split(","):
                seconds, weights, indices = cellmapper(query, reference, arguments.label, backend)
                whole.setdefault(backend, []).append(seconds)
                given.setdefault("CellMapper, weights and votes", []).append(weights)
                print(f"CellMapper {backend}: map {seconds:.2f} s, of which weights and votes {weights:.2f} s, recall {recall(indices, truth):.4f}")
            for method in (["--recall", arguments.recall], ["--method", "exact"]):
                output = Path(folder) / f"mapped-{number}.zarr"
                keys = ["--obs-keys", arguments.label, "--kernel-method", "gauss", "--overwrite", "--output", output]
                seconds, report = gigamapper("map", *stores, "--use-rep", REPRESENTATION, *method, *keys)
                name = " ".join(map(str, method))
                whole.setdefault(name, []).append(seconds)
                found = zarr.open_group(output, mode="r")["obsm/knn_indices"][:]
                print(f"gigamapper {name}: map {seconds:.2f} s, recall {recall(found, truth):.4f}, by {report['recall']['method']}")
            along = ["--query", arguments.query, "--reference", arguments.reference, "--neighbors", exact]
            output = Path(folder) / f"along-{number}.zarr"
            theirs = cellmapper_along(arguments.query, arguments.reference, exact, arguments.label, Path(folder) / f"theirs-{number}.zarr")
            given.setdefault("CellMapper, from start to exit", []).append(theirs)
            seconds, report = gigamapper("transfer", *along, "--obs-keys", arguments.label, "--overwrite", "--output", output)
            stages = {stage["stage"]: stage["seconds"] for stage in report["stages"]}
            given.setdefault("gigamapper, weights and votes", []).append(stages["transfer"])
            given.setdefault("gigamapper, all stages", []).append(sum(stages.values()))
            given.setdefault("gigamapper, from start to exit", []).append(seconds)
            told = ", ".join(f"{name} {seconds:.3f}" for name, seconds in stages.items())
            print(f"from start to exit: CellMapper {theirs:.2f} s, gigamapper transfer {seconds:.2f} s ({told})")
        for title, times in (("whole map", whole), ("given neighbours", given)):
            print(title, {name: round(median(values), 3) for name, values in times.items()})


if __name__ == "__main__":
    main()
