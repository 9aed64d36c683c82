"""Reading all rows of a representation in order, in batches of 8 192: ours beside `dd` or beside the format's own Python library, in turns.

python bench/reading.py X.zarr --beside dd          raw, row-wise shards or chunks, warm from the page cache
python bench/reading.py X.zarr --beside zarr        whatever lies there, such as the default layout of anndata
python bench/reading.py X.h5ad --beside h5py        `obsm/KEY` of an HDF5 file
python bench/reading.py X.npy --key X --beside numpy         the rows of a mapped file, copied
python bench/reading.py X.parquet --beside pyarrow  the lists of the column KEY as one array

Ours is the example `read_rows`: from opening the store to the last tile of f32 rows, the process started before. `dd` reads the same
files into nothing with blocks of 1 MiB, its process included. zarr-python slices the open array batch by batch; with `--aligned` it is given batches
as long as a chunk instead, which is how its users read fast.

Prints one line of JSON for each round and side, then one with the medians and the ratio.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import time

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
READ_ROWS = ROOT / "target/x86_64-unknown-linux-gnu/release/examples/read_rows"


def ours(process):
    process.stdin.write("\n")
    process.stdin.flush()
    seconds, count, _ = process.stdout.readline().split()
    return float(seconds), int(count)


def dd(store, key):
    files = sorted(path for path in (store / "obsm" / key).rglob("*") if path.is_file() and path.name != "zarr.json")
    began = time.perf_counter()
    for path in files:
        subprocess.run(["dd", f"if={path}", "of=/dev/null", "bs=1M", "status=none"], check=True)
    return time.perf_counter() - began, sum(path.stat().st_size for path in files)


def zarr_python(store, key, batch, aligned):
    import zarr

    began, count = time.perf_counter(), 0
    array = zarr.open_array(store / "obsm" / key, mode="r")
    step = array.chunks[0] if aligned else batch
    for first in range(0, array.shape[0], step):
        count += array[first : first + step].nbytes
    return time.perf_counter() - began, count


def h5py_slices(store, key, batch, aligned):
    import h5py

    began, count = time.perf_counter(), 0
    with h5py.File(store, "r") as file:
        array = file["obsm"][key]
        step = array.chunks[0] if aligned and array.chunks else batch
        for first in range(0, array.shape[0], step):
            count += array[first : first + step].nbytes
    return time.perf_counter() - began, count


def numpy_copies(store, _, batch, __):
    began, count = time.perf_counter(), 0
    array = numpy.load(store, mmap_mode="r")
    for first in range(0, array.shape[0], batch):
        count += numpy.array(array[first : first + batch], dtype=numpy.float32).nbytes
    return time.perf_counter() - began, count


def pyarrow_batches(store, key, batch, _):
    import pyarrow.parquet

    began, count = time.perf_counter(), 0
    for some in pyarrow.parquet.ParquetFile(store).iter_batches(batch_size=batch, columns=[key]):
        count += some.column(0).flatten().to_numpy(zero_copy_only=False).nbytes
    return time.perf_counter() - began, count


PEERS = {"zarr": zarr_python, "h5py": h5py_slices, "numpy": numpy_copies, "pyarrow": pyarrow_batches}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("store", type=pathlib.Path)
    parser.add_argument("--key", default="X_pca")
    parser.add_argument("--beside", choices=["dd", *PEERS], required=True)
    parser.add_argument("--batch", type=int, default=8192)
    parser.add_argument("--aligned", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", default="2")
    arguments = parser.parse_args()
    words = [READ_ROWS, arguments.store, arguments.key, arguments.batch, arguments.threads]
    process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ours(process)  # warms the page cache for both
    rounds = []
    for number in range(arguments.rounds):
        mine, count = ours(process)
        print(json.dumps({"bench": "reading", "side": "gigamapper", "round": number, "seconds": mine, "bytes": count}), flush=True)
        if arguments.beside == "dd":
            theirs, count = dd(arguments.store, arguments.key)
        else:
            theirs, count = PEERS[arguments.beside](arguments.store, arguments.key, arguments.batch, arguments.aligned)
        print(json.dumps({"bench": "reading", "side": arguments.beside, "round": number, "seconds": theirs, "bytes": count}), flush=True)
        rounds.append((mine, theirs))
    ratios = [theirs / mine for mine, theirs in rounds]
    print(json.dumps({
        "bench": "reading", "data": arguments.store.name, "beside": arguments.beside, "aligned": arguments.aligned, "batch": arguments.batch,
        "gigamapper_seconds": round(statistics.median(mine for mine, _ in rounds), 4),
        "their_seconds": round(statistics.median(theirs for _, theirs in rounds), 4),
        "ratio_median": round(statistics.median(ratios), 2), "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
    }))


main()
