"""The whole of our IVF work beside faiss IVF-Flat: same data, same threads, taking turns in one run, at equal recall.

python bench/ivf_join.py X.zarr [--query Q.zarr] [--tasks search,whole] [--recall 0.99] [--rounds 3]
python bench/ivf_join.py X.zarr --tasks build [--nlist 4096] [--probes 8,16,32]

* search  the join alone: our join stages, faiss' `search` of all rows. With --query a cross-join, else a self-join.
* whole   read, train, add, join and durable write: our command from start to exit; faiss with its rows read from the raw
          file, its answer written as two raw files and flushed.
* build   the index alone, at one nlist: our `index` command from start to exit, with its durable write; faiss' train and add.
          Recall per nprobe of both follows.

Ours is the command as a user runs it. Our recall is measured here, from the store it wrote, against brute force on a sample;
what the report claims is printed beside it and decides nothing. The peer's setting follows from our recall: of each nlist the
smallest nprobe with recall ≥ ours − 0.002, and of those the fastest nlist. Where that nprobe overshoots by more
than 0.002, the nprobe below is timed as well, and the peer's seconds are those at our recall on the line between both.
k = 30 counts the cell itself in a self-join, as it does for faiss.

Prints one line of JSON for each round of ours and of the peer's, then one for each task with the medians and the ratio.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import faiss
import numpy as np
import zarr

from faiss_ivf import NLISTS, Probe, build, curve, speed_at
from rows import open_rows, read_rows
from truth import K, recall, truth

TOLERANCE = 0.002
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent


def say(**line):
    print(json.dumps({"bench": "ivf_join", **line}), flush=True)


def gigamapper(*words):
    """Runs the command and gives its report and the wall seconds, start of the process included."""
    command = ["node", str(ROOT / "bin/gigamapper.mjs"), *map(str, words), "--json", "--progress", "none"]
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    seconds = time.perf_counter() - began
    if done.returncode:
        why = (done.stderr.strip() or done.stdout.strip() or "no message")[-2000:]
        raise SystemExit(f"`gigamapper {words[0]}` failed with exit code {done.returncode}: {why}\ncommand: {' '.join(command)}")
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"`gigamapper {words[0]} --json` printed no JSON: {done.stdout[:500]!r}") from None
    if not isinstance(report.get("stages"), list):
        raise SystemExit(f"the report of `gigamapper {words[0]}` has no list `stages`; its fields are {sorted(report)}")
    return report, seconds


def seconds_of(report, names):
    stages = {}
    for stage in report["stages"]:
        stages[stage["stage"]] = stages.get(stage["stage"], 0.0) + stage["seconds"]
    found = [stages[name] for name in names if name in stages]
    if not found:
        raise SystemExit(f"none of the stages {names} is in the report, which has {sorted(stages)}: name them with --search-stages")
    return sum(found)


def stored(path, sample):
    """Neighbour ids of the sampled rows from a written store, k wide. A self-mapping stores the others; the cell itself is first."""
    root = zarr.open_group(path, mode="r")
    arrays = [root[name] for name in stored_paths(root)]
    ends = np.cumsum([array.shape[0] for array in arrays])
    ids = np.empty((len(sample), arrays[0].shape[1]), np.int64)
    for array, end in zip(arrays, ends):
        first = end - array.shape[0]
        low, high = np.searchsorted(sample, [first, end])
        if high > low:
            ids[low:high] = array[:][sample[low:high] - first]
    return np.column_stack([sample, ids]) if ids.shape[1] == K - 1 else ids


def stored_paths(root):
    """`obsm/knn_indices`, at the root or in each numbered part below it."""
    name = "obsm/knn_indices"
    if name in root:
        return [name]
    parts = sorted(path for path, _ in root.members(max_depth=None) if path.endswith("/" + name))
    if not parts:
        raise SystemExit(f"the written store has no {name}")
    return parts


class Ours:
    def __init__(self, arguments, folder):
        self.reference, self.query, self.folder = arguments.reference, arguments.query, folder
        self.more = ["--use-rep", "X_pca", "--threads", arguments.threads]
        if arguments.memory:
            self.more += ["--memory", arguments.memory]
        self.extra = arguments.extra.split()
        self.stages = arguments.search_stages.split(",")
        self.index_words = arguments.index_extra.split()

    def index(self, *words):
        out = self.folder / "ours.gmx"
        shutil.rmtree(out, ignore_errors=True)
        command = ["index", "--reference", self.reference, *self.more, "--output", out, *self.index_words, *words]
        report, seconds = gigamapper(*command)
        return out, report, seconds

    def neighbors(self, known, *words):
        """One run: wall seconds, seconds of the join, recall measured and claimed, and the stages."""
        out = self.folder / "ours.zarr"
        shutil.rmtree(out, ignore_errors=True)
        where = ["--query", self.query or self.reference]
        where += ["--reference", self.reference] if self.query else []
        report, wall = gigamapper("neighbors", *where, *self.more, "--output", out, "--method", "ivf", *words, *self.extra)
        measured = recall(known, stored(out, known.sample), open_rows(self.reference))
        shutil.rmtree(out)
        shutil.rmtree(f"{out}.journal")
        return {
            "whole": wall, "search": seconds_of(report, self.stages), "recall": measured, "recall_claimed": report.get("recall"),
            "stages": {stage["stage"]: round(stage["seconds"], 3) for stage in report["stages"]},
        }


def choose(arguments, target, known, references):
    """The peer's fastest nlist at this recall: the two best by curves that are kept, both timed again here and now."""
    words = [arguments.reference, "--nlist", arguments.nlists, "--sample", arguments.sample, "--threads", arguments.threads]
    words += ["--query", arguments.query] if arguments.query else []
    curves = [sys.executable, HERE / "faiss_ivf.py", *words]
    subprocess.run([str(word) for word in curves], check=True, stdout=subprocess.DEVNULL)
    speeds = {}
    for nlist in map(int, arguments.nlists.split(",")):
        kept = curve(arguments.reference, arguments.query, nlist, [0.95, 0.99], arguments.sample, arguments.threads)
        speeds[nlist] = speed_at(kept["points"], target)
    timed, rows = {}, read_rows(arguments.reference)
    for nlist in sorted(speeds, key=speeds.get)[-2:]:
        probe = Probe(build(rows, nlist)[0], known, references, arguments.threads)
        if point := probe.smallest(target):
            timed[nlist] = min(peer_search(probe.index, known.queries, point["nprobe"])[0] for _ in range(3))
    if not timed:
        raise SystemExit(f"the peer reaches recall {target:.4f} at none of the nlists {arguments.nlists}")
    best = min(timed, key=timed.get)
    say(side="faiss", chosen_nlist=best, seconds_of_sample=timed, queries_per_s_of_curves=speeds)
    return best


def peer_settings(index, known, references, ours):
    """Points of the sample: the smallest nprobe that counts as equal, and, where it overshoots, the one below it."""
    probe = Probe(index, known, references)
    point = probe.smallest(ours - TOLERANCE)
    if point is None:
        raise SystemExit("the peer does not reach our recall at any nprobe")
    if point["recall"] > ours + TOLERANCE and point["nprobe"] > 1:
        return [probe.at(point["nprobe"] - 1), point]
    return [point]


def peer_search(index, queries, nprobe):
    index.nprobe = nprobe
    began = time.perf_counter()
    distances, ids = index.search(queries, K)
    return time.perf_counter() - began, distances, ids


def write_durably(folder, distances, ids):
    began = time.perf_counter()
    for name, values in (("ids.i32", ids.astype(np.int32)), ("distances.f32", distances)):
        with open(folder / name, "wb") as out:
            values.tofile(out)
            out.flush()
            os.fsync(out.fileno())
    return time.perf_counter() - began


def at_recall(points, wanted):
    """Seconds of the peer at the wanted recall: of its one setting, or on the line between two."""
    if len(points) == 1:
        return points[0]["seconds"]
    low, high = points
    return float(np.interp(wanted, [low["recall"], high["recall"]], [low["seconds"], high["seconds"]]))


def join(arguments, tasks, folder):
    references, known = open_rows(arguments.reference), truth(arguments.reference, arguments.query, arguments.sample)
    ours = Ours(arguments, folder)
    words = ["--recall", arguments.recall]
    first = ours.neighbors(known, *words)
    say(side="gigamapper", round="warm-up", **first)
    nlist = choose(arguments, first["recall"] - TOLERANCE, known, references)

    rounds, settings = [], None
    for number in range(arguments.rounds):
        mine = ours.neighbors(known, *words)
        say(side="gigamapper", round=number, **mine)
        began = time.perf_counter()
        rows = read_rows(arguments.reference)
        queries = read_rows(arguments.query) if arguments.query else rows
        read = time.perf_counter() - began
        index, train, add = build(rows, nlist)
        settings = settings or peer_settings(index, known, references, mine["recall"])
        points = []
        for setting in settings:
            seconds, distances, ids = peer_search(index, queries, setting["nprobe"])
            reached = recall(known, ids[known.sample], references)
            points.append({"nprobe": setting["nprobe"], "recall": reached, "seconds": seconds})
        write = write_durably(folder, distances, ids)
        search = at_recall(points, mine["recall"])
        theirs = {"search": search, "whole": read + train + add + search + write}
        detail = {"read": read, "train": train, "add": add, "write": write}
        say(side="faiss", round=number, nlist=nlist, points=points, **theirs, **detail)
        rounds.append((mine, theirs, points))
        del index, rows, queries, distances, ids
    for task in tasks:
        summary(arguments, task, [(mine[task], theirs[task]) for mine, theirs, _ in rounds], nlist=nlist,
                nprobe=[setting["nprobe"] for setting in settings],
                gigamapper_recall=[round(mine["recall"], 5) for mine, _, _ in rounds],
                gigamapper_recall_claimed=rounds[-1][0]["recall_claimed"],
                faiss_recall=[round(points[-1]["recall"], 5) for _, _, points in rounds])


def build_task(arguments, folder):
    """Needs `--nlist` on our side: both build as many lists."""
    references, known = open_rows(arguments.reference), truth(arguments.reference, arguments.query, arguments.sample)
    ours, nlist = Ours(arguments, folder), arguments.nlist
    rounds = []
    for number in range(arguments.rounds):
        out, report, wall = ours.index("--nlist", nlist)
        stages = {stage["stage"]: round(stage["seconds"], 3) for stage in report["stages"]}
        say(side="gigamapper", task="build", round=number, seconds=wall, stages=stages)
        index, train, add = build(read_rows(arguments.reference), nlist)
        say(side="faiss", task="build", round=number, train=train, add=add)
        rounds.append((wall, train + add))
    probe, per_probe = Probe(index, known, references), []
    for nprobe in map(int, arguments.probes.split(",")):
        # Where the index is named alone it would be a reference by itself, which it is not.
        alone = [] if ours.query else ["--reference", ours.reference]
        mine = ours.neighbors(known, *alone, "--index", out, "--nprobe", nprobe)
        recalls = {"gigamapper": round(mine["recall"], 5), "faiss": round(probe.at(nprobe)["recall"], 5)}
        per_probe.append({"nprobe": nprobe, **recalls})
    summary(arguments, "build", rounds, nlist=nlist, recall_per_nprobe=per_probe)


def summary(arguments, task, rounds, **more):
    ratios = [theirs / mine for mine, theirs in rounds]
    say(task=task, kind="cross" if arguments.query else "self", data=pathlib.Path(arguments.reference).stem,
        threads=arguments.threads, rounds=len(rounds), k=K, **more,
        gigamapper_seconds=round(statistics.median(mine for mine, _ in rounds), 3),
        faiss_seconds=round(statistics.median(theirs for _, theirs in rounds), 3),
        ratio_median=round(statistics.median(ratios), 2), ratio_range=[round(min(ratios), 2), round(max(ratios), 2)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("reference", help="zarr store; an .f32 of the same name beside it is what the peer reads")
    parser.add_argument("--query", help="zarr store; without it the reference is joined with itself")
    parser.add_argument("--tasks", default="search,whole")
    parser.add_argument("--recall", default="0.99", help="what our command is asked for")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", help="our budget; the command's default if not given")
    parser.add_argument("--sample", type=int, default=20_000)
    parser.add_argument("--nlists", default=",".join(map(str, NLISTS)), help="those the peer may choose from")
    parser.add_argument("--nlist", type=int, default=4096, help="lists of both in the build task")
    parser.add_argument("--probes", default="8,16,32")
    parser.add_argument("--search-stages", default="route,join,gather", help="stages of our report that are the join")
    parser.add_argument("--extra", default="", help="more words for `gigamapper neighbors`")
    parser.add_argument("--index-extra", default="", help="more words for `gigamapper index`")
    parser.add_argument("--scratch", help="folder for what is written; must be on the disk that is to be measured")
    arguments = parser.parse_args()
    tasks = arguments.tasks.split(",")
    if not set(tasks) <= {"search", "whole", "build"}:
        parser.error("--tasks takes search, whole and build")
    faiss.omp_set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        if joins := [task for task in tasks if task != "build"]:
            join(arguments, joins, pathlib.Path(folder))
        if "build" in tasks:
            build_task(arguments, pathlib.Path(folder))


if __name__ == "__main__":
    main()
