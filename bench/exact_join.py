"""Exact join of 50 000 queries with 10 000 references, d = 50, k = 30: gigamapper beside faiss IndexFlatL2.

python bench/exact_join.py [--threads 2] [--rounds 7]

Both hold their rows in memory, run in this one process group and take turns; build the peer first with
`cargo build --release -p gigamapper-core --example exact_join`. Prints one line of JSON: the median seconds of each, the
median of the ratios of neighbouring runs, and the share of ids on which both agree.
"""
import argparse
import json
import statistics
import time

import faiss
import numpy as np

from exact_peer import built, exact_join

DIM, K, QUERIES, REFERENCES = 50, 30, 50_000, 10_000

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--data", choices=["clusters", "manifolds", "gaussian"], default="clusters")
parser.add_argument("--peer", default=None, help="path of the exact_join example")
arguments = parser.parse_args()

program = built(arguments.peer)

generator = np.random.default_rng(7)
CLUSTERS, LATENT = 120, 12
decay = 1 / np.sqrt(1 + np.arange(DIM))
centres = generator.normal(0, 3, (CLUSTERS, DIM)) * decay
bases = generator.normal(0, 1, (CLUSTERS, LATENT, DIM)) / np.sqrt(LATENT)
share = generator.pareto(1.2, CLUSTERS) + 0.05
share /= share.sum()


def cells(count):
    """clusters: as wide as a PCA's axes; manifolds: 12-D ones with decaying noise, LID about 10; gaussian: no structure at all."""
    if arguments.data == "gaussian":
        return generator.standard_normal((count, DIM), dtype=np.float32)
    cluster = generator.choice(CLUSTERS, count, p=share)
    noise = generator.standard_normal((count, DIM)) * decay
    if arguments.data == "clusters":
        return (centres[cluster] + noise).astype(np.float32)
    latent = generator.standard_normal((count, LATENT)) * 2
    return (centres[cluster] + np.einsum("il,ild->id", latent, bases[cluster]) + 0.2 * noise).astype(np.float32)


references, queries = cells(REFERENCES), cells(QUERIES)
faiss.omp_set_num_threads(arguments.threads)


def theirs():
    began = time.perf_counter()
    index = faiss.IndexFlatL2(DIM)
    index.add(references)
    found = index.search(queries, K)[1]
    return time.perf_counter() - began, found


with exact_join(program, references, queries, K, arguments.threads) as (ours, found_by_us):
    ours(), theirs()
    rounds = [(ours(), *theirs()) for _ in range(arguments.rounds)]
    ids = found_by_us()

found = rounds[-1][2]
shared = np.mean([len(set(a) & set(b)) / K for a, b in zip(ids, found)])
print(json.dumps({
    "bench": "exact_join", "data": arguments.data, "queries": QUERIES, "references": REFERENCES, "dim": DIM, "k": K,
    "threads": arguments.threads, "rounds": arguments.rounds,
    "gigamapper_seconds": round(statistics.median(r[0] for r in rounds), 4),
    "faiss_flat_seconds": round(statistics.median(r[1] for r in rounds), 4),
    "ratio_median": round(statistics.median(r[1] / r[0] for r in rounds), 2),
    "ratio_range": [round(min(r[1] / r[0] for r in rounds), 2), round(max(r[1] / r[0] for r in rounds), 2)],
    "shared_ids": round(float(shared), 6),
}))
