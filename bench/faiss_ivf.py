"""faiss IVF-Flat as a peer: its build, and its curve of recall and speed over nlist × nprobe, to choose the best setting from.

python bench/faiss_ivf.py REFERENCE [--query QUERY] [--nlist 1024,2048,4096,8192] [--targets 0.95,0.99] [--sample 20000]

Prints one line of JSON for each (nlist, nprobe) and one for each target with the smallest nprobe that reaches it. Everything
is of a sample of the queries, and speed is per second of CPU and thread, which other work on the machine disturbs less than
it does the clock; distances are those that faiss counts, the centroids included. So the curve chooses settings; claims are
made by `ivf_join.py`, which runs the whole task beside ours. Curves are kept beside the reference, by content of the data.
"""
import argparse
import json
import os
import pathlib
import time

if __name__ == "__main__":
    os.environ["OMP_WAIT_POLICY"] = "passive"  # threads that wait by spinning would count as work

import faiss
import numpy as np

from rows import DIM, fingerprint, open_rows, read_rows
from truth import K, recall, truth

GRID = [1, 4, 8, 16, 32, 64, 128, 256, 512]
ENOUGH = 0.999
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
    """Recall and cost of one index on the sampled queries, each nprobe measured once."""

    def __init__(self, index, known, references, threads=2):
        self.index, self.known, self.references, self.threads, self.points = index, known, references, threads, {}

    def at(self, nprobe):
        if nprobe not in self.points:
            self.index.nprobe = nprobe
            faiss.cvar.indexIVF_stats.reset()
            began = time.process_time()
            ids = self.index.search(self.known.queries, K)[1]
            seconds = (time.process_time() - began) / self.threads
            self.points[nprobe] = {
                "nprobe": nprobe, "recall": recall(self.known, ids, self.references), "queries_per_s": len(ids) / seconds,
                "distances": faiss.cvar.indexIVF_stats.ndis / len(ids) + self.index.nlist,
            }
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
        began = time.process_time()
        index = build(read_rows(reference) if rows is None else rows, nlist)[0]
        built = (time.process_time() - began) / threads
        probe = Probe(index, known, references, threads)
        probe.grid()
        for target in targets:
            probe.smallest(target)
        kept = {
            "nlist": nlist, "build_seconds": built, "targets": sorted({*kept["targets"], *targets}),
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

    def say(nlist, point, **more):
        cost = {name: round(point[name]) for name in ("queries_per_s", "distances")}
        found = {"nlist": nlist, "nprobe": point["nprobe"], "recall": round(point["recall"], 5)}
        print(json.dumps({"bench": "faiss_ivf", **data, **more, **found, **cost}), flush=True)

    for nlist in map(int, arguments.nlist.split(",")):
        kept = curve(arguments.reference, arguments.query, nlist, targets, arguments.sample, arguments.threads, rows)
        for point in kept["points"]:
            say(nlist, point, build_seconds=round(kept["build_seconds"], 1))
        for target in targets:
            if point := reaching(kept["points"], target):
                best.setdefault(target, []).append((nlist, point))
    for target, points in best.items():
        for nlist, point in sorted(points, key=lambda found: -found[1]["queries_per_s"]):
            say(nlist, point, target=target)


if __name__ == "__main__":
    main()
