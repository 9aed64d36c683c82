"""The true nearest neighbours of a sample of queries, and the recall of an answer against them.

python bench/truth.py REFERENCE [--query QUERY] [--sample 20000]

faiss selects more than k candidates in f32, slab by slab and after centring; f64 distances decide among them, ties by id.
Without --query the reference is its own query and each cell is its own first neighbour. The answer is kept beside the
reference and found again by the content of both files.
"""
import argparse
import json
import pathlib
import time
from dataclasses import dataclass

import faiss
import numpy as np

from rows import fingerprint, open_rows, slabs, take

K, SPARE, SEED = 30, 20, 20_000


@dataclass
class Truth:
    """Sampled query rows, with the ids and squared f64 distances of their nearest references."""

    sample: np.ndarray
    queries: np.ndarray
    ids: np.ndarray
    squares: np.ndarray


def truth(reference, query=None, sample=20_000, k=K, rep="X_pca"):
    references = open_rows(reference, rep)
    queries = open_rows(query, rep) if query else references
    sample = min(sample, queries.shape[0])
    name = f"{fingerprint(references)}-{fingerprint(queries)}-{sample}-{k}.npz"
    cache = pathlib.Path(reference).absolute().parent / "truth" / name
    if not cache.exists():
        chosen = np.sort(np.random.default_rng(SEED).choice(queries.shape[0], sample, replace=False))
        rows = take(queries, chosen)
        ids, squares = nearest(rows, references, k)
        cache.parent.mkdir(exist_ok=True)
        np.savez(cache, sample=chosen, queries=rows, ids=ids, squares=squares)
    with np.load(cache) as kept:
        return Truth(**{field: kept[field] for field in ("sample", "queries", "ids", "squares")})


def nearest(queries, references, k):
    """Ids and squared distances of the k nearest, by (f64 distance, id)."""
    k = min(k, references.shape[0])
    ids = np.empty((len(queries), 0), np.int64)
    squares = np.empty((len(queries), 0))
    centre = queries.mean(axis=0)
    for first, slab in slabs(references):
        local = faiss.knn(queries - centre, slab - centre, min(k + SPARE, len(slab)))[1]
        ids = np.hstack([ids, local + first])
        squares = np.hstack([squares, squared(queries, slab, local)])
        order = np.lexsort((ids, squares))[:, :k]
        ids, squares = np.take_along_axis(ids, order, 1), np.take_along_axis(squares, order, 1)
    return ids, squares


def squared(queries, references, ids):
    """Squared f64 distances of each query to the references of these ids."""
    out = np.empty(ids.shape)
    for first in range(0, len(queries), 2_000):
        part = slice(first, first + 2_000)
        near = references[ids[part]].astype(np.float64)
        out[part] = np.square(near - queries[part, None].astype(np.float64)).sum(axis=2)
    return out


def recall(known, found, references):
    """Share of the k places filled by a reference that is no farther than the k-th true one; each reference counts once.

    So any of several references at the k-th distance is right, as it should be where there are duplicates. `found` are the
    ids for the sampled queries only.
    """
    k = known.ids.shape[1]
    found = np.asarray(found[:, :k], np.int64)
    right = (found[:, :, None] == known.ids[:, None, :]).any(axis=2)
    doubtful = ~right & (found >= 0)
    who, where = np.nonzero(doubtful)
    if len(who):
        near = take(references, found[who, where]).astype(np.float64)
        squares = np.square(near - known.queries[who].astype(np.float64)).sum(axis=1)
        right[who, where] = squares <= known.squares[who, -1] * (1 + 1e-12)
    ordered = np.sort(np.where(right, found, -1), axis=1)
    once = (ordered >= 0) & np.diff(ordered, axis=1, prepend=-2).astype(bool)
    return float(once.sum() / (len(found) * k))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("reference")
    parser.add_argument("--query")
    parser.add_argument("--sample", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(arguments.threads)
    began = time.perf_counter()
    known = truth(arguments.reference, arguments.query, arguments.sample)
    print(json.dumps({
        "bench": "truth", "reference": arguments.reference, "query": arguments.query, "sample": len(known.sample), "k": K,
        "kth_distance_median": round(float(np.median(np.sqrt(known.squares[:, -1]))), 4),
        "seconds": round(time.perf_counter() - began, 1),
    }))


if __name__ == "__main__":
    main()
