"""Opens a mapped store of 40 million rows in three parts with other people's readers, part by part, and tells how long each takes.

    python bench/sparse_parts.py FOLDER [--rows 40000000]

The store has the metadata that gigamapper writes, taken from a small run with three parts and made longer, every name, and no other
chunk: readers find the fill value. So nothing of what is timed is decoding of numbers; what is left of a reader's time is its own.
Warnings of a reader are errors here.
"""

import argparse
import json
import shutil
import subprocess
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import zarr
from anndata.experimental import read_lazy
from numcodecs import Zstd

ROOT = Path(__file__).resolve().parents[1]
PBMC = ROOT / "test" / "fixtures" / "pbmc"
PART, UNIT, INNER = 1 << 24, 1 << 20, 1 << 16


def small(folder: Path) -> Path:
    """A mapped store of three parts."""
    output = folder / "small.zarr"
    command = ["node", ROOT / "bin" / "gigamapper.mjs", "map", "--query", PBMC / "query.zarr", "--reference", PBMC / "reference.zarr"]
    keys = ["--obs-keys", "bulk_labels,n_genes", "--obsm-keys", "X_umap", "--layout", "16,1,80", "--overwrite", "--quiet"]
    subprocess.run([*map(str, command), *keys, "--output", str(output)], check=True)
    return output


def longer(document: dict, rows: int) -> dict:
    """The metadata of an array of as many rows, on the grid of a large store."""
    grid = document["chunk_grid"]["configuration"]["chunk_shape"]
    document["shape"][0], grid[0] = rows, UNIT
    for codec in document["codecs"]:
        if codec["name"] == "sharding_indexed":
            codec["configuration"]["chunk_shape"][0] = INNER
    return document


def is_rows(path: str) -> bool:
    return path.startswith(("obs/", "obsm/")) and not path.endswith("/categories")


def write_names(part: Path, first: int, rows: int) -> None:
    """Every name, as chunks of one unit of texts."""
    chunks = part / "obs" / "_index" / "c"
    shutil.rmtree(chunks, ignore_errors=True)
    chunks.mkdir(parents=True)
    compressor = Zstd(level=1)
    for number, start in enumerate(range(0, rows, UNIT)):
        texts = np.zeros(UNIT, dtype=[("length", "<u4"), ("name", "S9")])
        digits = np.char.zfill((first + start + np.arange(UNIT)).astype("U8"), 8)
        texts["length"], texts["name"] = 9, np.char.add("c", digits).astype("S9")
        (chunks / str(number)).write_bytes(compressor.encode(np.uint32(UNIT).tobytes() + texts.tobytes()))


def stretch(store: Path, rows: int) -> list[Path]:
    """Makes every part as long as those of so many rows are."""
    lengths = [min(PART, rows - start) for start in range(0, rows, PART)]
    parts = [store / f"dataset_{number}" for number in range(len(lengths))]
    for number, (part, length) in enumerate(zip(parts, lengths, strict=True)):
        for path in part.rglob("zarr.json"):
            inside = path.parent.relative_to(part).as_posix()
            document = json.loads(path.read_text())
            if document["node_type"] == "array" and is_rows(inside):
                path.write_text(json.dumps(longer(document, length)))
                shutil.rmtree(path.parent / "c", ignore_errors=True)
        write_names(part, number * PART, length)
        consolidate(part, "", length)
    root = json.loads((store / "zarr.json").read_text())
    root["attributes"]["gigamapper"].update({"n_obs": rows, "part_rows": PART})
    for path, document in root["consolidated_metadata"]["metadata"].items():
        part, _, inside = path.partition("/")
        if document["node_type"] == "array" and is_rows(inside):
            longer(document, lengths[int(part.removeprefix("dataset_"))])
    (store / "zarr.json").write_text(json.dumps(root))
    for extra in store.glob("dataset_*"):
        if extra not in parts:
            raise SystemExit(f"{extra}: the small store has too many parts")
    return parts


def consolidate(part: Path, prefix: str, rows: int) -> None:
    root = json.loads((part / "zarr.json").read_text())
    if "consolidated_metadata" in root:
        for path, document in root["consolidated_metadata"]["metadata"].items():
            if document["node_type"] == "array" and is_rows(prefix + path):
                longer(document, rows)
        (part / "zarr.json").write_text(json.dumps(root))


def timed(what: str, work) -> None:
    began = time.perf_counter()
    result = work()
    print(f"{what:55} {time.perf_counter() - began:8.3f} s   {result}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=40_000_000)
    arguments = parser.parse_args()
    if -(-arguments.rows // PART) != 3:
        raise SystemExit("rows: as many as make three parts")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    store = small(arguments.folder)
    parts = stretch(store, arguments.rows)
    warnings.simplefilter("error")
    timed("zarr: the whole store, its groups", lambda: len(list(zarr.open_group(store, mode="r").groups())))
    for part in parts:
        timed(f"zarr: {part.name}, 1000 rows of neighbors", lambda: zarr.open_group(part, mode="r")["obsm/knn_indices"][:1000].shape)
        timed(f"anndata: read_lazy {part.name} without names", lambda: read_lazy(part, load_annotation_index=False).shape)
        timed(f"anndata: read_lazy {part.name} with names", lambda: read_lazy(part).shape)
        timed("zarr alone: these names", lambda: zarr.open_group(part, mode="r")["obs/_index"][:].shape)


if __name__ == "__main__":
    print("anndata", version("anndata"), "zarr", version("zarr"))
    main()
