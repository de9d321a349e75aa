"""PUT."""
import os
import shutil

import data
import measure
import peers
from line import Line, Subject, at_least


class OnEmpty:
    """A server on a new, empty directory that goes with it."""

    def __init__(self, bench, kind, **options):
        self.root = data.new_folder(bench, "empty")
        self.server = kind(self.root, bench.work, put=True, **options)
        self.pid, self.url, self.prefix = self.server.pid, self.server.url, kind.prefix

    def stop(self):
        self.server.stop()
        shutil.rmtree(self.root)


def put_4k(server, seconds):
    """The server's first second, in which it makes the first directories, does not count."""
    for name, length in ("warm", 1), ("run", seconds):
        figures = measure.wrk(server, "/", 64, length, script="put.lua", args=[f"{server.prefix}{name}"])
    return figures


def subject(kind, **options):
    return Subject(kind.name, lambda bench: OnEmpty(bench, kind, **options), put_4k, fresh=True)


LINES = [
    Line("put-4k", "PUT 4 KiB, 64 connections, without sync",
         [subject(peers.Diskv, flags=["--sync", "none"]), subject(peers.Nginx), subject(peers.GoDiskv)],
         [at_least("rate", "nginx", 1.2), at_least("rate", "Go diskv", 2)]),
]
