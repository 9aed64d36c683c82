"""Writes the first inputs of every target below `corpus/`: from the fixtures, and small stores made here.

Run with anndata 0.12, zarr 3.1, h5py, numpy and pyarrow: `python fuzz/seeds.py`. The fuzzer adds to the corpus what reaches
new code; `node scripts/fuzz.mjs` keeps it small.
"""

import hashlib
import io
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
import zarr

ROOT = Path(__file__).parent
FIXTURES = ROOT.parent / "test" / "fixtures"
RNG = np.random.default_rng(3)
LARGEST = 60 << 10


def save(target: str, data: bytes) -> None:
    if len(data) > LARGEST:
        print(f"{target}: {len(data)} bytes are left out", file=sys.stderr)
        return
    folder = ROOT / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def bundle(files: dict[str, bytes]) -> bytes:
    """As `src/bundle.rs` reads it."""
    out = b""
    for name, data in sorted(files.items()):
        out += bytes([len(name)]) + name.encode() + struct.pack("<H", len(data)) + data
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def parts(files: dict[str, bytes], prefixes: tuple[str, ...]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if "/" not in name or name.startswith(prefixes)}


def cells(n: int = 6) -> ad.AnnData:
    obs = pd.DataFrame(
        {
            "label": pd.Categorical(["a", "b", None, "a", "b", "a"][:n]),
            "score": np.arange(n, dtype="f4"),
            "flag": np.arange(n) % 2 == 0,
            "text": [f"t{i}" for i in range(n)],
            "masked": pd.array([1, None, 3, 4, 5, 6][:n], dtype="Int32"),
        },
        index=[f"c{i}" for i in range(n)],
    )
    made = ad.AnnData(X=sp.csr_matrix(RNG.poisson(1, (n, 4)).astype("f4")), obs=obs)
    made.obsm["X_pca"] = RNG.normal(size=(n, 3)).astype("f4")
    made.obsm["frame"] = pd.DataFrame({"u": np.arange(n), "v": np.arange(n) / 2}, index=obs.index)
    made.layers["c"] = sp.csc_matrix(RNG.poisson(1, (n, 4)).astype("f4"))
    made.uns["label_colors"] = ["#ff0000", "#00ff00"]
    return made


def zarr_seeds() -> None:
    for version in (2, 3):
        folder = Path(tempfile.mkdtemp()) / "cells.zarr"
        ad.settings.zarr_write_format = version
        cells().write_zarr(folder)
        files = files_of(folder)
        save("zarr", bundle(files))
        save("zarr", bundle({k: v for k, v in parts(files, ("obs/", "obsm/X_pca")).items() if ".zmetadata" not in k}))
        save("zarr", bundle(parts(files, ("obs/_index", "obs/label", "obs/zarr", "obs/.z", "X/"))))
    for archive in sorted((FIXTURES / "dialects").glob("*.zip")):
        save("zip", archive.read_bytes())
        with zipfile.ZipFile(archive) as packed:
            files = {i.filename: packed.read(i) for i in packed.infolist() if not i.is_dir()}
        roots = [name.rsplit("/", 1)[0] + "/" for name in files if name.endswith((".zgroup", "zarr.json"))]
        root = min(roots, key=len) if not any(n in files for n in (".zgroup", "zarr.json")) else ""
        files = {n.removeprefix(root): d for n, d in files.items() if n.startswith(root) and len(d) < 4096}
        groups = sorted({"/".join(name.split("/")[:2]) + "/" for name in files if name.count("/") >= 2})
        save("zarr", bundle(parts(files, ("obs/", "var/_index", "var/index"))))
        for start in range(0, len(groups), 12):
            some = tuple(groups[start : start + 12])
            tops = {g.split("/")[0] + "/" for g in some}
            kept = {n: d for n, d in files.items() if n.startswith(some) or any(n.startswith(t) and n.count("/") == 1 for t in tops)}
            save("zarr", bundle({**parts(files, ("obs/_index",)), **kept}))


def shard_seeds() -> None:
    values = RNG.normal(size=(12, 4)).astype("f4")
    crc = zarr.codecs.Crc32cCodec()
    for location in ("start", "end"):
        for index in ([zarr.codecs.BytesCodec(), crc], [zarr.codecs.BytesCodec()]):
            for codecs in ([], [zarr.codecs.ZstdCodec()], [zarr.codecs.GzipCodec()], [zarr.codecs.BloscCodec(cname="lz4")]):
                folder = Path(tempfile.mkdtemp()) / "s.zarr"
                root = zarr.open_group(folder, mode="w", zarr_format=3)
                root.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
                obs = root.create_group("obs", attributes={"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index", "column-order": ["n"]})
                names = obs.create_array("_index", shape=(12,), dtype=str, chunks=(12,), attributes={"encoding-type": "string-array", "encoding-version": "0.2.0"})
                names[:] = np.array([f"c{i}" for i in range(12)])
                sharding = zarr.codecs.ShardingCodec(
                    chunk_shape=(2, 4), codecs=[zarr.codecs.BytesCodec(), *codecs], index_codecs=index, index_location=location
                )
                obsm = root.create_group("obsm")
                array = zarr.create_array(
                    obsm.store_path / "X_pca", shape=(12, 4), dtype="f4", chunks=(8, 4), serializer=sharding,
                    compressors=None, filters=None, attributes={"encoding-type": "array", "encoding-version": "0.2.0"}, zarr_format=3,
                )
                array[:] = values
                narrow = zarr.codecs.ShardingCodec(
                    chunk_shape=(4,), codecs=[zarr.codecs.BytesCodec(), *codecs], index_codecs=index, index_location=location
                )
                column = zarr.create_array(
                    obs.store_path / "n", shape=(12,), dtype="i4", chunks=(8,), serializer=narrow,
                    compressors=None, filters=None, attributes={"encoding-type": "array", "encoding-version": "0.2.0"}, zarr_format=3,
                )
                column[:] = np.arange(12)
                save("shard", bundle(files_of(folder)))


def zip_seeds() -> None:
    for version in (2, 3):
        folder = Path(tempfile.mkdtemp()) / "cells.zarr"
        ad.settings.zarr_write_format = version
        cells(3).write_zarr(folder)
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            files = parts(files_of(folder), ("obs/_index", "obs/score", "obs/zarr", "obs/.z", "obsm/X_pca"))
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w", method) as archive:
                for name, data in sorted(files.items()):
                    archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data, compress_type=method)
            save("zip", out.getvalue())


def flat_seeds() -> None:
    def npy(array, version=None) -> bytes:
        out = io.BytesIO()
        np.lib.format.write_array(out, array, version)
        return out.getvalue()

    for dtype in ("<f4", ">f4", "<f8", "<f2", "|i1", "|u1", ">i8", "<u2", "|b1", "<U3", "<c8"):
        save("flat", b"\0" + npy(RNG.integers(0, 2, (3, 2)).astype(dtype)))
    values = RNG.normal(size=(5, 3)).astype("<f4")
    for array in (np.asfortranarray(values), values[:0], values[0], values.reshape(1, 5, 3)):
        save("flat", b"\0" + npy(array))
    save("flat", b"\0" + npy(values, (2, 0)))
    save("flat", b"\0" + npy(values, (3, 0)))
    header = struct.pack("<II", 5, 3)
    save("flat", b"\1" + header + values.tobytes())
    for kind in (b"\2", b"\3"):
        save("flat", kind + header + bytes(15))
    save("flat", b"\4" + b"".join(struct.pack("<I", 3) + row.tobytes() for row in values))
    save("flat", b"\5" + values.tobytes())


def h5ad_seeds() -> None:
    for name in ("anndata-v0.11.4-adata.h5ad", "user_block.h5", *(f"single/{n}.h5" for n in ("contiguous", "gzip", "raw_chunks", "text"))):
        save("h5ad", (FIXTURES / "h5ad" / name).read_bytes())
    for libver in ("earliest", "latest"):
        for compression in (None, "gzip", "lzf"):
            path = Path(tempfile.mkdtemp()) / "x.h5ad"
            with h5py.File(path, "w", libver=libver) as file:
                file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
                obs = file.create_group("obs")
                obs.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
                obs.attrs["column-order"] = np.array(["n", "label"], dtype=h5py.string_dtype())
                obs.create_dataset("_index", data=[f"c{i}" for i in range(6)], dtype=h5py.string_dtype())
                obs.create_dataset("n", data=np.arange(6), chunks=(4,), compression=compression, shuffle=compression is not None, maxshape=(None,))
                label = obs.create_group("label")
                label.attrs.update({"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": False})
                label.create_dataset("codes", data=np.array([0, 1, -1, 0, 1, 0], dtype="i1"))
                label.create_dataset("categories", data=["a", "b"], dtype=h5py.string_dtype())
                file.create_group("obsm").create_dataset("X_pca", data=RNG.normal(size=(6, 3)).astype("f4"), chunks=(2, 3), compression=compression, fletcher32=compression == "gzip")
                if libver == "latest":
                    file.create_dataset("grown", data=np.arange(40), chunks=(3,), maxshape=(None,))
                    file.create_dataset("both", data=np.zeros((6, 6)), chunks=(2, 2), maxshape=(None, None))
            save("h5ad", path.read_bytes())
        path = Path(tempfile.mkdtemp()) / "y.h5ad"
        with h5py.File(path, "w", libver=libver) as file:
            record = np.zeros(6, dtype=[("index", "S3"), ("a", "f4"), ("b", "i2")])
            record["index"] = [f"c{i}" for i in range(6)]
            file.create_dataset("obs", data=record)
            file.create_dataset("X", data=RNG.normal(size=(6, 2)).astype("f4"))
            file.create_dataset("obsm", data=np.zeros(6, dtype=[("X_pca", "f4", (3,))]))
        save("h5ad", path.read_bytes())


def table_seeds() -> None:
    names = {"parquet": 0, "arrow": 1, "feather": 2, "arrows": 3}
    for path in sorted((FIXTURES / "columnar").iterdir()):
        if path.suffix[1:] in names:
            save("table", bytes([names[path.suffix[1:]]]) + path.read_bytes())
    pca = pa.FixedSizeListArray.from_arrays(pa.array(RNG.normal(size=12).astype("f4")), 3)
    table = pa.table({"cell": ["a", "b", "c", "d"], "n": [1, None, 3, 4], "X_pca": pca, "label": pa.array(["x", "y", "x", None]).dictionary_encode()})
    out = io.BytesIO()
    pq.write_table(table, out, compression="snappy")
    save("table", b"\0" + out.getvalue())
    for kind, new in ((1, pa.ipc.new_file), (3, pa.ipc.new_stream)):
        for compression in (None, "lz4", "zstd"):
            out = io.BytesIO()
            with new(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
                writer.write_table(table)
            save("table", bytes([kind]) + out.getvalue())


def gmx_seeds() -> None:
    """Needs `npm run build`, as our own command writes them."""
    work = Path(tempfile.mkdtemp())
    rows = RNG.normal(size=(60, 3)).astype("f4")
    rows[5] = np.nan
    np.save(work / "rows.npy", rows)
    record = '{"stage":"joined","unit":%d,"rows":[%d,%d],"objects":[{"name":"obs/x/c/0","length":3,"xxh3":"00"}],"extra":{"sum":0.1}}\n'
    journal = '{"format":"gigamapper-journal","version":1,"run":"abc","grid":{},"plan":{"k":3}}\n'
    journal += record % (0, 0, 4) + record % (1, 4, 8)
    for number, options in enumerate(
        (["--list-dtype", "f16"], ["--list-dtype", "f32"], ["--method", "ivfpq"], ["--method", "ivfpq", "--rerank", "none"])
    ):
        out = work / f"{number}.gmx"
        command = ["node", str(ROOT.parent / "bin" / "gigamapper.mjs"), "index", "--reference", str(work / "rows.npy"), "--nlist", "4"]
        subprocess.run([*command, *options, "--output", str(out), "-q"], check=True)
        save("gmx", bundle({**files_of(out), "0.ndjson": journal.encode()}))


if __name__ == "__main__":
    zarr_seeds()
    shard_seeds()
    zip_seeds()
    flat_seeds()
    h5ad_seeds()
    table_seeds()
    gmx_seeds()
