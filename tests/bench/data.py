"""The directories that are served, made once below build/bench/data."""
import os
import shutil
import tempfile

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
VALUES = {"4k": 4 * KIB, "64k": 64 * KIB, "1m": MIB, "100m": 100 * MIB, "1g": GIB}


def new_folder(bench, name):
    return tempfile.mkdtemp(prefix=name + ".", dir=bench.work)


def folder(bench, name):
    """The path of a data set, made now if it is not there."""
    path = os.path.join(bench.root, "data", name)
    if not os.path.exists(path):
        half = path + ".half"  # what an interrupted run left is made again
        shutil.rmtree(half, ignore_errors=True)
        os.makedirs(half)
        MAKERS[name](half)
        os.rename(half, path)
    return path


def write(path, size):
    """A file of random bytes."""
    with open(path, "wb") as file:
        while size:
            file.write(piece := os.urandom(min(size, MIB)))
            size -= len(piece)


def make_values(path):
    for name, size in VALUES.items():
        write(os.path.join(path, name), size)


MAKERS = {"values": make_values}
