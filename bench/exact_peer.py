"""Our exact join as a process that holds its rows in memory and joins them whenever it is told to: the side that others take turns with.

Built before by `cargo build --release -p gigamapper-core --example exact_join`.
"""
import contextlib
import pathlib
import subprocess
import tempfile

import numpy as np


def built(peer=None):
    """The program: what was named, or what cargo has built here."""
    if peer:
        return peer
    found = [*pathlib.Path(__file__).resolve().parent.parent.glob("target/**/release/examples/exact_join")]
    if not found:
        raise SystemExit("build the peer first: cargo build --release -p gigamapper-core --example exact_join")
    return str(found[0])


@contextlib.contextmanager
def exact_join(program, references, queries, k, threads):
    """A function that joins once and gives the seconds of it, and one that gives the ids (queries x k) when all rounds are over."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{name}" for name in ("references.f32", "queries.f32", "ids.i64")]
        references.tofile(paths[0])
        queries.tofile(paths[1])
        command = [program, *paths[:2], str(references.shape[1]), str(k), str(threads), paths[2]]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:

            def once():
                peer.stdin.write("go\n")
                peer.stdin.flush()
                return float(peer.stdout.readline())

            def ids():
                peer.stdin.close()
                peer.wait()
                return np.fromfile(paths[2], "<i8").reshape(len(queries), k)

            yield once, ids
