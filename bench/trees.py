"""What an exact tree gives beside our exact join, by the number of dimensions: the measurement behind docs/design/jz-tree.md.

python bench/trees.py [--rows 50000] [--queries 10000] [--dims 2,5,10,20,50] [--data cells|gaussian] [--threads 2] [--rounds 3] [--peer EXACT_JOIN]

`cells` are clusters of manifolds of 12 dimensions with noise around them, rotated to their principal axes; d is how many of these are taken, as a representation
of d components would be. `gaussian` has no structure. k = 30. Beside ours, with as many threads and in turns: scipy's cKDTree, whose building counts as
packing does for ours. For each tree of scikit-learn (KDTree, BallTree; 500 queries, one thread) the share of all pairs whose distance it computes, which no
machine changes. Build the peer first: `cargo build --release -p gigamapper-core --example exact_join`. Prints one line of JSON for each d.
"""

import argparse
import json
import statistics
import time

import numpy as np
from scipy.spatial import cKDTree
from sklearn.neighbors import BallTree, KDTree

from exact_peer import built, exact_join

K, WIDTH, CLUSTERS, LATENT, COUNTED = 30, 50, 120, 12, 500

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rows", type=int, default=50_000)
parser.add_argument("--queries", type=int, default=10_000)
parser.add_argument("--dims", default="2,5,10,20,50")
parser.add_argument("--data", choices=["cells", "gaussian"], default="cells")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--peer", default=None, help="path of the exact_join example")
arguments = parser.parse_args()

program = built(arguments.peer)
generator = np.random.default_rng(7)


def cells(count):
    """Rows of both sides, on their principal axes."""
    if arguments.data == "gaussian":
        return generator.standard_normal((count, WIDTH), dtype=np.float32)
    decay = 1 / np.sqrt(1 + np.arange(WIDTH))
    centres = generator.normal(0, 3, (CLUSTERS, WIDTH)) * decay
    bases = generator.normal(0, 1, (CLUSTERS, LATENT, WIDTH)) / np.sqrt(LATENT)
    share = generator.pareto(1.2, CLUSTERS) + 0.05
    cluster = generator.choice(CLUSTERS, count, p=share / share.sum())
    latent = generator.standard_normal((count, LATENT)) * 2
    noise = generator.standard_normal((count, WIDTH)) * decay
    rows = centres[cluster] + np.einsum("il,ild->id", latent, bases[cluster], optimize=True) + 0.2 * noise
    rows -= rows.mean(axis=0)
    axes = np.linalg.eigh(rows.T @ rows)[1][:, ::-1]
    return (rows @ axes).astype(np.float32)


def computed(kind, references, queries):
    """Share of the pairs whose distance a tree computes."""
    tree = kind(references, leaf_size=40)
    tree.reset_n_calls()
    tree.query(queries[:COUNTED], K)
    return tree.get_n_calls() / (COUNTED * len(references))


def measured(rows, dim):
    """Both in turns, for the first columns of the rows."""
    references, queries = (np.ascontiguousarray(part[:, :dim]) for part in np.split(rows, [arguments.rows]))

    def theirs():
        began = time.perf_counter()
        tree = cKDTree(references)
        built_in = time.perf_counter() - began
        found = tree.query(queries, K, workers=arguments.threads)[1]
        return time.perf_counter() - began, built_in, found

    with exact_join(program, references, queries, K, arguments.threads) as (ours, found_by_us):
        ours()
        rounds = [(ours(), *theirs()) for _ in range(arguments.rounds)]
        ids = found_by_us()
    shared = np.mean([len(set(a) & set(b)) / K for a, b in zip(ids, rounds[-1][3])])
    median = lambda column: statistics.median(column(one) for one in rounds)  # noqa: E731
    return {
        "bench": "trees", "data": arguments.data, "dim": dim, "references": arguments.rows, "queries": arguments.queries, "k": K,
        "threads": arguments.threads, "rounds": arguments.rounds,
        "gigamapper_seconds": round(median(lambda one: one[0]), 4),
        "ckdtree_seconds": round(median(lambda one: one[1]), 4),
        "of_which_building": round(median(lambda one: one[2]), 4),
        "ratio_median": round(median(lambda one: one[1] / one[0]), 2),
        "pairs_kdtree": round(computed(KDTree, references, queries), 4),
        "pairs_balltree": round(computed(BallTree, references, queries), 4),
        "shared_ids": round(float(shared), 6),
    }


everything = cells(arguments.rows + arguments.queries)
for wanted in arguments.dims.split(","):
    print(json.dumps(measured(everything, int(wanted))), flush=True)
