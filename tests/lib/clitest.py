"""What the tests of the commands share: running them, and the three kinds of places they work on.

    from clitest import diskv, each_place

    for place in each_place():
        assert diskv("ls", place.store).code == 0
"""
import os
import re
import shutil
import subprocess
import tempfile
from types import SimpleNamespace

from diskvtest import DISKV, Server

PLACES = ("directory", "served", "url")


def diskv(*args, input=b"", env=None, **options):
    """Runs the program, its output not a terminal: .code, .out and .err (bytes and text)."""
    done = subprocess.run([DISKV, *args], input=input, stdout=options.pop("stdout", subprocess.PIPE),
                          stderr=subprocess.PIPE, timeout=60, check=False,
                          env={**os.environ, **(env or {})}, **options)
    return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr.decode(errors="replace"))


def fine(*args, **options):
    """Runs what must succeed and say nothing but what it prints, which is returned."""
    done = diskv(*args, **options)
    assert done.code == 0 and done.err == "", (args, done)
    return done.out


class temp_dir:
    """A new directory, on a disk, gone at the end of the `with`."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="diskvtest.")
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def each_place(*options):
    """A new store in each kind of place: .kind, .store (what the commands are told) and .dir. The
    servers have the `options`."""
    for kind in PLACES:
        with temp_dir() as base:
            path = os.path.join(base, "store")
            os.mkdir(path)
            if kind == "directory":
                yield SimpleNamespace(kind=kind, store=path, dir=path)
                continue
            with Server(*options, dir=path) as s:
                yield SimpleNamespace(kind=kind, store=s.url if kind == "url" else path, dir=path)


def keys(store, *args):
    """What `ls` says, as a list of keys."""
    return [key.decode() for key in fine("ls", "--null", *args, store).split(b"\0")[:-1]]


def without_time(data):
    return re.sub(rb"\d{4}-\d\d-\d\dT[0-9:.]+Z", b"TIME", data)


def tree_make(root, files):
    """Makes files: a dict of path to bytes."""
    for path, data in files.items():
        path = os.path.join(root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)


def tree_read(root):
    """The regular files below `root`: a dict of path to bytes."""
    found = {}
    for top, dirs, files in os.walk(root):
        for name in files:
            path = os.path.join(top, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = file.read()
        assert ".diskv" not in dirs or top != root, "nothing of diskv's own stays"
    return found
