"""How many candidates codes of 4 bits need for a recall: of plain rows beside residuals to the centroids of 4 096 lists.

`python bench/code_depth.py DATA/lid20-1m.f32 [--dim 50]`: for either kind the mean squared error of the codes, the recall of 200 rows among
the DEPTH rows that codes say are nearest, and for several z the share of true neighbours and the number of rows within the limit
D² + 2zD·√(E / d) that a join selects by. Coding is faiss' own; nothing of gigamapper is measured.
"""

import argparse

import faiss
import numpy as np

K = 30
QUERIES = 200

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("rows")
parser.add_argument("--dim", type=int, default=50)
arguments = parser.parse_args()
faiss.omp_set_num_threads(2)
rows = np.fromfile(arguments.rows, dtype=np.float32).reshape(-1, arguments.dim)
n, d = rows.shape
random = np.random.default_rng(0)
queries = rows[random.choice(n, QUERIES, replace=False)]
squared, ids = (found[:, 1:] for found in faiss.knn(queries, rows, K + 1))
kmeans = faiss.Kmeans(d, 4096, niter=4, max_points_per_centroid=64, seed=1)
kmeans.train(rows)
router = faiss.IndexHNSWFlat(d, 16)
router.add(kmeans.centroids)
router.hnsw.efSearch = 48
centroids = kmeans.centroids[router.search(rows, 1)[1][:, 0]]
sample = random.choice(n, 16384, replace=False)
for kind, around in [("plain", np.zeros((1, d), dtype=np.float32)), ("residual", centroids)]:
    coded = np.ascontiguousarray(rows - around)
    quantiser = faiss.ProductQuantizer(d, d // 2, 4)
    quantiser.train(coded[sample])
    decoded = around + quantiser.decode(quantiser.compute_codes(coded))
    error = ((rows[sample] - decoded[sample]) ** 2).sum(1).mean()
    print(f"{kind}: error {error:.1f}, squared distance of neighbour {K} {squared[:, -1].mean():.1f}")
    _, nearest = faiss.knn(queries, decoded, 1001)
    for depth in (30, 60, 100, 200, 400, 1000):
        found = [len(set(ids[i]) & set(nearest[i, : depth + 1])) / K for i in range(QUERIES)]
        print(f"  depth {depth}: recall {np.mean(found):.4f}")
    of_neighbors = np.stack([((queries[i] - decoded[ids[i]]) ** 2).sum(1) for i in range(QUERIES)])
    for z in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0):
        limit = squared[:, -1] + 2 * z * np.sqrt(squared[:, -1] * error / d)
        kept = (of_neighbors <= limit[:, None]).mean()
        within = [(((queries[i] - decoded) ** 2).sum(1) <= limit[i]).sum() for i in range(0, QUERIES, 4)]
        print(f"  z {z}: kept {kept:.4f}, rows within {np.mean(within):.0f}")
