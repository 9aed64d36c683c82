"""Other peers on the self-join: the 30 nearest neighbours of all rows, the cell itself counted, recall against brute force.

python bench/peers.py X.zarr|DEFINITION.json [--peers faiss,pynndescent,hnswlib,usearch,lancedb,ann-search-rs] [--threads 2]

A definition of cells that are mapped onto themselves (`bench/definitions`) is generated first, into --scratch.

Each peer runs in a process of its own, one after the other, from rows in memory to ids in memory; reading is not timed.
Prints one line of JSON for each setting: seconds of build and search, recall@30 on the sampled rows. Settings are those
around recall 0.95 to 0.999 of each library; --set NAME=BUILD:SEARCH,SEARCH replaces one peer's, as below.

* faiss          IVF-Flat, BUILD = lists, or lists/hnsw with an HNSW graph over their centres; SEARCH = nprobe
* pynndescent    BUILD = n_neighbors of the graph; SEARCH is `graph`: its neighbour graph is the answer, so search is 0 s
* hnswlib        BUILD = ef of construction (M = 16), SEARCH = ef
* usearch        BUILD = expansion of adding (connectivity 16, f32), SEARCH = expansion of searching
* lancedb        IVF_FLAT, BUILD = partitions, SEARCH = nprobes, a thousand queries a call; build includes writing the table
* ann-search-rs  METHOD/BUILD with METHOD ivf, hnsw or nndescent; first `cargo build --release` in bench/ann-search-rs

Claims that name a peer are made side by side (`--beside`): our command runs before each peer in the same call and both times
are printed.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from defined import is_definition, materialised

HERE = pathlib.Path(__file__).resolve().parent
DEFAULTS = {
    "faiss": ["4096:8,16,32", "4096/hnsw:8,16,32"],
    "pynndescent": ["30:graph", "40:graph"],
    "hnswlib": ["200:40,80,160"],
    "usearch": ["128:64,128,256"],
    "lancedb": ["4096:8,16,32"],
    "ann-search-rs": ["ivf/4096:8,16,32", "hnsw/200:50,100,200", "nndescent/0:50,100"],
}


def faiss(rows, known, threads, build, searches, folder):
    import faiss

    faiss.omp_set_num_threads(threads)
    nlist, _, coarse = build.partition("/")
    index = faiss.index_factory(rows.shape[1], f"IVF{nlist}_HNSW32,Flat" if coarse == "hnsw" else f"IVF{nlist},Flat")
    began = time.perf_counter()
    index.train(rows)
    index.add(rows)
    built = time.perf_counter() - began
    for search in searches:
        faiss.extract_index_ivf(index).nprobe = int(search)
        if coarse == "hnsw":  # as many candidates as lists are wanted, and some to spare
            faiss.downcast_index(faiss.extract_index_ivf(index).quantizer).hnsw.efSearch = max(64, 2 * int(search))
        began = time.perf_counter()
        ids = index.search(rows, 30)[1]
        yield search, built, time.perf_counter() - began, ids[known.sample]


def pynndescent(rows, known, threads, build, searches, folder):
    import numba
    from pynndescent import NNDescent

    numba.set_num_threads(threads)
    NNDescent(rows[:5_000], n_neighbors=30, n_jobs=threads)  # compiles, which is not the work
    began = time.perf_counter()
    graph = NNDescent(rows, n_neighbors=int(build), n_jobs=threads, random_state=42).neighbor_graph[0]
    seconds = time.perf_counter() - began
    for search in searches:
        yield search, seconds, 0.0, graph[known.sample]


def hnswlib(rows, known, threads, build, searches, folder):
    import hnswlib

    index = hnswlib.Index("l2", rows.shape[1])
    index.set_num_threads(threads)
    began = time.perf_counter()
    index.init_index(len(rows), ef_construction=int(build), M=16, random_seed=42)
    index.add_items(rows)
    built = time.perf_counter() - began
    for search in searches:
        index.set_ef(int(search))
        began = time.perf_counter()
        ids = index.knn_query(rows, 30)[0]
        yield search, built, time.perf_counter() - began, ids[known.sample]


def usearch(rows, known, threads, build, searches, folder):
    import numpy as np
    from usearch.index import Index

    index = Index(ndim=rows.shape[1], metric="l2sq", dtype="f32", connectivity=16, expansion_add=int(build))
    began = time.perf_counter()
    index.add(np.arange(len(rows)), rows, threads=threads)
    built = time.perf_counter() - began
    for search in searches:
        index.expansion_search = int(search)
        began = time.perf_counter()
        ids = index.search(rows, 30, threads=threads).keys
        yield search, built, time.perf_counter() - began, ids[known.sample].astype(np.int64)


def lancedb(rows, known, threads, build, searches, folder):
    import lancedb
    import numpy as np
    import pyarrow as pa
    from lancedb.index import IvfFlat

    began = time.perf_counter()
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
    table = lancedb.connect(folder).create_table("cells", pa.table({"row": pa.array(np.arange(len(rows))), "vector": vectors}))
    table.create_index("vector", config=IvfFlat(distance_type="l2", num_partitions=int(build)))
    built = time.perf_counter() - began
    for search in searches:
        began = time.perf_counter()
        ids = np.vstack([batch(table, rows[first : first + 1_000], int(search)) for first in range(0, len(rows), 1_000)])
        yield search, built, time.perf_counter() - began, ids[known.sample]


def batch(table, queries, nprobes):
    """LanceDB's answer to many queries at once: pairs in one table, fewer than 30 of a query where its lists hold fewer."""
    import numpy as np

    found = table.search(queries).select(["row", "_distance"]).limit(30).nprobes(nprobes).to_arrow()
    query, ids, distance = (found[name].to_numpy() for name in ("query_index", "row", "_distance"))
    order = np.lexsort((ids, distance, query))
    query = query[order]
    out = np.full((len(queries), 30), -1, np.int64)
    out[query, np.arange(len(query)) - np.searchsorted(query, query)] = ids[order]
    return out


def ann_search_rs(rows, known, threads, build, searches, folder):
    import numpy as np

    program = HERE / "ann-search-rs/target/release/ann-search-rs-peer"
    if not program.exists():
        raise SystemExit("build the peer first: cargo build --release, in bench/ann-search-rs")
    method, _, build = build.partition("/")
    raw = f"{folder}/rows.f32"
    rows.tofile(raw)
    command = [program, raw, str(rows.shape[1]), "30", method, build, ",".join(searches), f"{folder}/ids"]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")
    for line in filter(None, lines):
        search, built, seconds = line.split()
        ids = np.fromfile(f"{folder}/ids.{search}", "<u4").reshape(len(rows), -1)
        yield search, float(built), float(seconds), ids[known.sample].astype(np.int64)


PEERS = {"faiss": faiss, "pynndescent": pynndescent, "hnswlib": hnswlib, "usearch": usearch, "lancedb": lancedb, "ann-search-rs": ann_search_rs}


def one_peer(arguments, name, setting):
    """In a process of its own, where the number of threads was in the environment before anything was loaded."""
    from importlib.metadata import version

    from rows import open_rows, read_rows
    from truth import recall, truth

    rows, known = read_rows(arguments.data), truth(arguments.data, None, arguments.sample)
    references = open_rows(arguments.data)
    build, _, searches = setting.partition(":")
    pinned = "0.12.1" if name == "ann-search-rs" else version({"faiss": "faiss-cpu"}.get(name, name))
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        for search, built, seconds, ids in PEERS[name](rows, known, arguments.threads, build, searches.split(","), folder):
            print(json.dumps({
                "bench": "peers", "peer": name, "version": pinned, "data": pathlib.Path(arguments.data).stem, "rows": len(rows),
                "build": build, "search": search, "build_seconds": round(built, 2), "search_seconds": round(seconds, 2),
                "total_seconds": round(built + seconds, 2), "recall": round(recall(known, ids, references), 5),
                "threads": arguments.threads,
            }), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="zarr store, .f32 file, or definition of cells mapped onto themselves")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=BUILD:SEARCH,SEARCH", help="replaces a peer's settings")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sample", type=int, default=20_000)
    parser.add_argument("--scratch", help="folder for what a peer writes")
    parser.add_argument("--beside", metavar="RECALL", help="run our command too, asked for this recall, before each peer")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, _, setting = arguments.one.partition("=")
        return one_peer(arguments, name, setting)

    if is_definition(arguments.data):
        if not arguments.scratch:
            parser.error("a definition needs --scratch, where its cells are generated")
        definition, arguments.data, query = materialised(arguments.data, arguments.scratch, raw=True)
        if query:
            parser.error(f"{definition['name']} maps onto other cells; peers are given those mapped onto themselves")
        arguments.data = str(arguments.data)
    settings = dict(DEFAULTS)
    for word in arguments.set:
        name, _, setting = word.partition("=")
        settings[name] = [setting]
    counts = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS", "LANCE_CPU_THREADS", "TOKIO_WORKER_THREADS")
    environment = {**os.environ, **{name: str(arguments.threads) for name in counts}}
    failed = []
    for name in arguments.peers.split(","):
        for setting in settings[name]:
            if arguments.beside:
                beside(arguments)
            words = [arguments.data, "--threads", arguments.threads, "--sample", arguments.sample, "--one", f"{name}={setting}"]
            words += ["--scratch", arguments.scratch] if arguments.scratch else []
            again = [sys.executable, __file__, *map(str, words)]
            if subprocess.run(again, env=environment).returncode:
                failed.append(f"{name}={setting}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def beside(arguments):
    from ivf_join import gigamapper, stored
    from rows import open_rows
    from truth import recall, truth

    known = truth(arguments.data, None, arguments.sample)
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        out = f"{folder}/ours.zarr"
        words = ["--use-rep", "X_pca", "--threads", arguments.threads, "--output", out, "--method", "ivf", "--recall", arguments.beside]
        report, seconds = gigamapper("neighbors", "--query", arguments.data, *words)
        measured = recall(known, stored(out, known.sample), open_rows(arguments.data))
    print(json.dumps({
        "bench": "peers", "peer": "gigamapper", "data": pathlib.Path(arguments.data).stem, "whole_seconds": round(seconds, 2),
        "stages": {stage["stage"]: round(stage["seconds"], 3) for stage in report["stages"]},
        "recall": round(measured, 5), "recall_claimed": report.get("recall"), "threads": arguments.threads,
    }), flush=True)


if __name__ == "__main__":
    main()
