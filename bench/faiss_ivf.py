"""faiss IVF-Flat as a peer: its build, and its curve of recall and speed over nlist × nprobe, to choose the best setting from.

python bench/faiss_ivf.py REFERENCE [--query QUERY] [--nlist 1024,2048,4096,8192] [--targets 0.95,0.99] [--sample 20000]

Prints one line of JSON for each (nlist, nprobe) and one for each target with the smallest nprobe that reaches it. Recall and
queries/s are of a sample of the queries (the better of two passes), so the curve chooses settings; claims are made by
`ivf_join.py`, which runs the whole task beside ours. Curves are kept beside the reference, by content of the data.
"""
import argparse
import json
import pathlib
import time

import faiss
import numpy as np

from rows import DIM, fingerprint, open_rows, read_rows
from truth import K, recall, truth

GRID = [1, 2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256, 384, 512]
ENOUGH = 0.9995
NLISTS = [1024, 2048, 4096, 8192]


def build(rows, nlist):
    """A trained and filled index, with the seconds of both steps. faiss' own defaults: all rows up to 256 a list, 10 rounds."""
    index = faiss.index_factory(DIM, f"IVF{nlist},Flat")
    began = time.perf_counter()
    index.train(rows)
    trained = time.perf_counter()
    index.add(rows)
    return index, trained - began, time.perf_counter() - trained


class Probe:
    """Recall and queries/s of one index on the sampled queries, each nprobe measured once."""

    def __init__(self, index, known, references):
        self.index, self.known, self.references, self.points = index, known, references, {}

    def at(self, nprobe):
        if nprobe not in self.points:
            self.index.nprobe = nprobe
            seconds = []
            for _ in range(2):
                began = time.perf_counter()
                ids = self.index.search(self.known.queries, K)[1]
                seconds.append(time.perf_counter() - began)
            speed = len(ids) / min(seconds)
            self.points[nprobe] = {"nprobe": nprobe, "recall": recall(self.known, ids, self.references), "queries_per_s": speed}
        return self.points[nprobe]

    def grid(self):
        for nprobe in GRID:
            if nprobe <= self.index.nlist and self.at(nprobe)["recall"] >= ENOUGH:
                break

    def smallest(self, target):
        """The smallest nprobe whose recall is at least the target, and its point; None where no nprobe reaches it."""
        low, high = 0, 1
        while self.at(high)["recall"] < target:
            if high == self.index.nlist:
                return None
            low, high = high, min(2 * high, self.index.nlist)
        low = max([low] + [n for n, p in self.points.items() if p["recall"] < target])
        high = min(n for n, p in self.points.items() if p["recall"] >= target)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.at(middle)["recall"] >= target else (middle, high)
        return self.at(high)


def curve(reference, query, nlist, targets, sample=20_000, threads=2, rows=None):
    """The points of one nlist, measured once and kept: nprobe, recall, queries/s, sorted by nprobe."""
    references = open_rows(reference)
    queries = open_rows(query) if query else references
    name = f"faiss-{fingerprint(references)}-{fingerprint(queries)}-{sample}-{nlist}-{threads}.json"
    cache = pathlib.Path(reference).absolute().parent / "curves" / name
    kept = json.loads(cache.read_text()) if cache.exists() else {"points": [], "targets": []}
    if not set(targets) <= set(kept["targets"]):
        faiss.omp_set_num_threads(threads)
        known = truth(reference, query, sample)
        index, train, add = build(read_rows(reference) if rows is None else rows, nlist)
        probe = Probe(index, known, references)
        probe.grid()
        for target in targets:
            probe.smallest(target)
        kept = {
            "nlist": nlist, "train_seconds": train, "add_seconds": add, "targets": sorted({*kept["targets"], *targets}),
            "points": [probe.points[nprobe] for nprobe in sorted(probe.points)],
        }
        cache.parent.mkdir(exist_ok=True)
        cache.write_text(json.dumps(kept))
    return kept


def reaching(points, target):
    """The point of smallest nprobe with at least this recall, or None."""
    return next((point for point in points if point["recall"] >= target), None)


def speed_at(points, target):
    """Queries/s at exactly this recall, between the two measured points around it; 0 where it is not reached."""
    points = sorted(points, key=lambda point: point["recall"])
    if not points or points[-1]["recall"] < target:
        return 0.0
    return float(1 / np.interp(target, [p["recall"] for p in points], [1 / p["queries_per_s"] for p in points]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("reference")
    parser.add_argument("--query")
    parser.add_argument("--nlist", default=",".join(map(str, NLISTS)))
    parser.add_argument("--targets", default="0.95,0.99")
    parser.add_argument("--sample", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    targets = [float(t) for t in arguments.targets.split(",")]
    rows = read_rows(arguments.reference)
    data = {"reference": pathlib.Path(arguments.reference).name, "query": arguments.query and pathlib.Path(arguments.query).name}
    best = {}
    for nlist in map(int, arguments.nlist.split(",")):
        found = curve(arguments.reference, arguments.query, nlist, targets, arguments.sample, arguments.threads, rows)
        build_seconds = {name: round(found[name], 1) for name in ("train_seconds", "add_seconds")}
        for point in found["points"]:
            shown = {"recall": round(point["recall"], 5), "queries_per_s": round(point["queries_per_s"])}
            print(json.dumps({"bench": "faiss_ivf", **data, "nlist": nlist, "nprobe": point["nprobe"], **shown, **build_seconds}))
        for target in targets:
            point = reaching(found["points"], target)
            if point:
                best.setdefault(target, []).append({"nlist": nlist, **point})
    for target, points in best.items():
        for point in sorted(points, key=lambda p: -p["queries_per_s"]):
            shown = {"recall": round(point["recall"], 5), "queries_per_s": round(point["queries_per_s"])}
            print(json.dumps({"bench": "faiss_ivf", **data, "target": target, "nlist": point["nlist"], "nprobe": point["nprobe"], **shown}), flush=True)


if __name__ == "__main__":
    main()
