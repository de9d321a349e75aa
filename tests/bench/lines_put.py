"""PUT, and GETs beside PUTs."""
import os
import subprocess
import threading

import bareprograms
import data
import measure
import peers
from line import Line, Subject, at_least, at_most

GETS, PUTS = 230, 26  # connections


class OnEmpty:
    """A server on a new, empty directory, which stays until the end: see data.work_folder()."""

    def __init__(self, bench, kind, **options):
        folder = data.new_folder(bench, "turn")
        self.bench, self.root = bench, os.path.join(folder, "data")
        os.mkdir(self.root)
        self.server = kind(self.root, folder, put=True, **options)
        self.pid, self.url, self.prefix = self.server.pid, self.server.url, kind.prefix

    def stop(self):
        self.server.stop()


def put_4k(server, seconds):
    """The server's first second, in which it makes the first directories, does not count."""
    for name, length in ("warm", 1), ("run", seconds):
        figures = measure.wrk(server, "/", 64, length, script="put.lua", args=[f"{server.prefix}{name}"])
    return figures


def put_1g(server, _):
    """One upload by curl, and the most anonymous memory that a look every 20 ms saw."""
    source, anon, ended = os.path.join(data.folder(server.bench, "values"), "1g"), [], threading.Event()
    data.read(source)  # into the page cache

    def watch():
        while not ended.wait(0.02):
            anon.append(measure.memory_kib(server.pid, "RssAnon"))

    watcher = threading.Thread(target=watch)
    before = measure.cpu_us(server.pid)
    watcher.start()
    try:
        took = float(measure.command("curl", "-sf", "-o", "/dev/null", "-w", "%{time_total}", "-T", source,
                                     f"{server.url}{server.prefix}1g"))
    finally:
        ended.set()
        watcher.join()
    spent, peak = measure.cpu_us(server.pid) - before, measure.memory_kib(server.pid, "VmHWM")
    os.remove(os.path.join(server.root, "1g"))  # large, and but one inode
    return {"speed": 1024 / took, "spent": spent / 1e6, "anon": max(anon) / 1024, "peak": peak / 1024}


def gets(server, seconds, beside=False):
    """GETs of a hot value, perhaps beside durable PUTs; each by a wrk of its own, so that the p99 is
    of the GETs alone."""
    source = os.path.join(data.folder(server.bench, "values"), "4k")
    measure.command("curl", "-sfT", source, f"{server.url}{server.prefix}4k")
    puts = subprocess.Popen(measure.wrk_words(server.url, PUTS, seconds + 1, script="put.lua",
                                              args=[f"{server.prefix}new"]),
                            stdout=subprocess.PIPE, text=True) if beside else None
    figures = measure.wrk(server, f"{server.prefix}4k", GETS, seconds)
    if puts:
        found = measure.wrk_figures(puts.communicate()[0])
        figures["puts"] = found["requests"] / found["seconds"]
        del figures["cpu"]  # it is of both
    return figures


def subject(kind, run=put_4k, name=None, **options):
    return Subject(name or kind.name, lambda bench: OnEmpty(bench, kind, **options), run, fresh=True)


def batches(bench):
    return bareprograms.Loop("batch", data.new_folder(bench, "turn"))


NO_SYNC = ["--sync", "none"]

LINES = [
    Line("put-4k", "PUT 4 KiB, 64 connections, without sync",
         [subject(peers.Diskv, flags=NO_SYNC), subject(peers.Nginx), subject(peers.GoDiskv),
          subject(peers.Bare)],
         [at_least("rate", "nginx", 1.2), at_least("rate", "Go diskv", 2)]),
    Line("put-4k-durable", "PUT 4 KiB, 64 connections, durable (Go diskv leaves the directory unsynced)",
         [subject(peers.Diskv), subject(peers.GoDiskv, sync=True),
          Subject("bare loop", batches, bareprograms.loop, fresh=True)],
         [at_least("rate", "Go diskv", 2.5), at_least("rate", "bare loop", 0.7)]),
    Line("put-1g", "PUT 1 GiB by curl, without sync but for the last",
         [subject(peers.Diskv, put_1g, flags=NO_SYNC), subject(peers.Nginx, put_1g),
          subject(peers.Diskv, put_1g, "diskv, durable")],
         [at_least("speed", "nginx", 1), at_most("peak", None, 64), at_most("peak", None, 64, "diskv, durable")]),
    Line("mixed", f"GET 4 KiB hot by {GETS} connections, alone and beside durable PUTs by {PUTS}",
         [subject(peers.Diskv, lambda server, seconds: gets(server, seconds, True), "beside PUTs"),
          subject(peers.Diskv, gets, "alone")],
         [at_most("p99", "alone", 3, of="beside PUTs")]),
]
