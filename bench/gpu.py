"""A GPU beside the CPU: the same self-join by both in turn, the seconds of each, what the GPU was busy with, and whether all bytes are the same.

cargo build --release -p gigamapper-core --example run_request
GIGAMAPPER_CUVS=SITE_PACKAGES python bench/gpu.py --scratch FOLDER [--rows 1000000] [--lid 10|20] [--tasks exact,ivf]
                      [--recall 0.99] [--metric euclidean] [--neighbors 30] [--threads N] [--memory 16GiB]
                      [--backends cpu,cuda] [--program target/release/examples/run_request]

Cells are those of cells.py, as one .npy. The core runs the request alone, because a machine with a GPU may have no Node. Floating-point operations are counted
as two for each coordinate of a pair, and seconds on the device have the copies of queries and of what was found in them.

Prints one line of JSON for each run, then one that says whether the stores are the same byte by byte.
"""
import argparse
import filecmp
import json
import os
import pathlib
import subprocess

import numpy as np

from cells import pieces
from rows import DIM

ROOT = pathlib.Path(__file__).resolve().parent.parent


def cells(path, rows, lid):
    """The cells, made once."""
    if not path.exists():
        part = path.with_suffix(".part")
        filled = np.lib.format.open_memmap(part, mode="w+", dtype="<f4", shape=(rows, DIM))
        for first, some, _ in pieces(rows, 1, lid):
            filled[first : first + len(some)] = some
        filled.flush()
        part.rename(path)


def differing(one, other):
    """Paths of files that are not the same in both folders, or in one only."""
    files = [{path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} for folder in (one, other)]
    both = sorted(files[0] & files[1])
    same, _, _ = filecmp.cmpfiles(one, other, map(str, both), shallow=False)
    return sorted(map(str, (files[0] | files[1]) - set(map(pathlib.Path, same))))


def run(options, task, backend):
    output = options.scratch / f"{task}-{backend}.zarr"
    asked = {
        "query": str(options.scratch / options.name), "output": str(output), "method": task, "backend": backend,
        "nNeighbors": options.neighbors, "metric": options.metric, "memory": options.memory, "threads": options.threads, "overwrite": True,
        "recall": None if task == "exact" else options.recall,
    }
    request = options.scratch / "request.json"
    request.write_text(json.dumps(asked))
    done = subprocess.run([options.program, "neighbors", request], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{task} by {backend} failed: {done.stderr.strip()}")
    report = json.loads(done.stdout)["report"]
    gpu = report["gpu"]
    if gpu and gpu["searchSeconds"]:
        gpu["teraflops"] = 2 * DIM * gpu["pairs"] / gpu["searchSeconds"] / 1e12
    stages = {stage["stage"]: round(stage["seconds"], 2) for stage in report["stages"]}
    told = {"seconds": round(report["seconds"], 2), "stages": stages, "gpu": gpu, "recall": report["recall"]["measured"], "warnings": report["warnings"]}
    print(json.dumps({"bench": "gpu", "task": task, "asked": backend, "by": report["plan"]["backend"], **told}), flush=True)
    return output


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=pathlib.Path, required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--lid", type=int, choices=[10, 20], default=10)
    parser.add_argument("--tasks", default="exact,ivf")
    parser.add_argument("--recall", type=float, default=0.99)
    parser.add_argument("--metric", default="euclidean")
    parser.add_argument("--neighbors", type=int, default=30)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--memory", default="16GiB")
    parser.add_argument("--backends", default="cpu,cuda")
    parser.add_argument("--program", default=str(ROOT / "target/release/examples/run_request"))
    options = parser.parse_args()
    options.scratch.mkdir(parents=True, exist_ok=True)
    options.name = f"lid{options.lid}-{options.rows}.npy"
    cells(options.scratch / options.name, options.rows, options.lid)
    for task in options.tasks.split(","):
        first, *others = [run(options, task, backend) for backend in options.backends.split(",")]
        if not others:
            continue
        unlike = [path for other in others for path in differing(first, other)]
        print(json.dumps({"bench": "gpu", "task": task, "sameBytes": not unlike, "unlike": unlike[:5]}), flush=True)
        if unlike:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
