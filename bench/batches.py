"""Whether annbatch, scverse's loader of batches, reads the parts of a mapped store in their order.

    python bench/batches.py MAPPED.zarr --query QUERY.zarr

MAPPED is a mapping in several parts (`dataset_0`, …) with transferred expression (`layerKey` X), which is what annbatch hands out. The script iterates the
parts as annbatch does, asks a sequential loader for batches, and compares names, columns, X and neighbours with what zarr and anndata read of the store itself.
It needs annbatch, which needs Python 3.12. The last lines are times of reading all of X, each the best of three.
"""

import argparse
import time
import warnings

import anndata as ad
import annbatch
import numpy as np
import pandas as pd
import zarr
from annbatch import DatasetCollection, Loader


def batches(loader):
    """All of X, obs and row numbers, in the order in which they come."""
    parts = list(loader)
    return tuple(
        np.concatenate([part["X"] for part in parts]) if key == "X"
        else pd.concat([part[key] for part in parts]) if key == "obs"
        else np.concatenate([part[key] for part in parts])
        for key in ("X", "obs", "index")
    )


def best(what, run):
    """Runs three times; the last result, and the least seconds."""
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - begun)
    print(f"{what}: {min(seconds):.3f} s")
    return result


def tell(claim, holds):
    print(f"{'yes' if holds else 'NO '}  {claim}")
    return holds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mapped")
    parser.add_argument("--query", required=True)
    parser.add_argument("--batch", type=int, default=4096)
    options = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)  # obsm is left out, which is looked at below
    group = zarr.open_group(options.mapped, mode="r")
    collection = DatasetCollection(group)
    parts = list(collection)
    truth = [ad.io.read_zarr(f"{options.mapped}/{part.basename}") for part in parts]
    x = np.concatenate([part.X for part in truth])
    obs = pd.concat([part.obs for part in truth])
    distances = np.concatenate([part.obsm["knn_distances"] for part in truth])
    names = ad.io.read_elem(zarr.open_group(options.query, mode="r")["obs"]).index
    print(f"annbatch {annbatch.__version__}, anndata {ad.__version__}, zarr {zarr.__version__}; {len(parts)} parts, {len(obs)} cells × {x.shape[1]} genes")

    def loader(**wishes):
        return Loader(batch_size=options.batch, return_index=True, preload_to_gpu=False, **wishes)

    def backed(part):
        return ad.AnnData(X=part["X"], obs=ad.io.read_elem(part["obs"]), var=ad.io.read_elem(part["var"]))

    sequential = loader().add_adatas([backed(part) for part in parts])
    got_x, got_obs, index = batches(sequential)
    good = [
        tell("the parts come in the order of their numbers", [part.basename for part in parts] == [f"dataset_{i}" for i in range(len(parts))]),
        tell("obs of the collection is obs of the query, in its order", collection.obs().index.equals(names)),
        tell("batches come in the order of the query", np.array_equal(index, np.arange(len(names))) and got_obs.index.equals(names)),
        tell("X of the batches has the bits of X", np.array_equal(got_x, x)),
        tell("predicted labels are those that are stored", list(got_obs.filter(like="_pred").iloc[:, 0]) == list(obs.filter(like="_pred").iloc[:, 0])),
    ]
    graph = loader().add_datasets([part["obsm/knn_distances"] for part in parts], [backed(part).obs for part in parts])
    good.append(tell("distances to neighbours come as batches, given as a dataset", np.array_equal(batches(graph)[0], distances, equal_nan=True)))
    shuffled = loader(shuffle=True, chunk_size=options.batch, preload_nchunks=2, rng=np.random.default_rng(0))
    got_x, _, index = batches(shuffled.add_adatas([backed(part) for part in parts]))
    good.append(tell("shuffled, every cell comes once with its own row", np.array_equal(np.sort(index), np.arange(len(names))) and np.array_equal(got_x, x[index])))
    try:
        loader().use_collection(collection)
        print("use_collection takes the store as it is")
    except ValueError as refusal:
        print(f"use_collection refuses it: {refusal}")
    best("annbatch, in batches", lambda: batches(loader().add_adatas([backed(part) for part in parts])))
    best("zarr, part by part", lambda: [part["X"][:] for part in parts])
    raise SystemExit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
