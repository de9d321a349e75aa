"""Lines about many keys or many connections: listings, starts, memory."""
import os
import resource
import shutil
import socket
import time

import data
import measure
import peers
import s3
from line import Line, Subject, at_least, at_most

CONNECTIONS = 10_000
LISTERS = 4
WALK = "find DIR"


def files_of(count):
    """The data set of so many keys, and the folder in it."""
    return ("million", "") if count == 1_000_000 else ("lists", f"k{count}")


def diskv_list(count):
    """A page of 1,000 keys from the middle."""
    name, folder = files_of(count)

    def start(bench):
        return peers.Diskv(os.path.join(data.folder(bench, name), folder), bench.work)

    def run(server, seconds):
        return measure.wrk(server, f"/keys?from={count // 2000:03}/&limit=1000", LISTERS, seconds)
    return Subject(f"diskv, {count:,} keys", start, run)


def s3_list(kind, folder):
    def run(server, seconds):
        path = "/k100000?list-type=2&max-keys=1000&start-after=050%2F"
        signed = [f"{name}: {value}" for name, value in s3.headers("GET", server.url + path).items()
                  if name != "host"]  # wrk sends one
        return measure.wrk(server, path, LISTERS, seconds, headers=signed)
    return Subject(f"{kind.name}, 100,000 keys", lambda bench: kind(data.folder(bench, folder), bench.work), run)


class Start:
    """Nothing but a directory, until the measurement starts a server there."""

    def __init__(self, bench):
        self.bench, self.root = bench, data.folder(bench, "million")

    def diskv(self):
        """A server that is ready, and the seconds it took."""
        begin = time.monotonic()
        server = peers.Diskv(self.root, self.bench.work)
        return server, time.monotonic() - begin

    def stop(self):
        pass


def first_start(place, _):
    """Without an index; the directories and inodes are in memory, as for find."""
    shutil.rmtree(os.path.join(place.root, ".diskv"), ignore_errors=True)
    return second_start(place, _)


def second_start(place, _):
    server, seconds = place.diskv()
    try:
        return {"seconds": seconds, "spent": measure.cpu_us(server.pid) / 1e6,
                "peak": measure.memory_kib(server.pid, "VmHWM") / 1024}
    finally:
        server.stop()


def find(place, _):
    begin = time.monotonic()
    measure.command("find", place.root)
    return {"seconds": time.monotonic() - begin}


def memory(place, seconds):
    """Anonymous memory, which is resident memory beyond what is mapped from files, after some idling."""
    server, _ = place.diskv()
    try:
        time.sleep(seconds)
        return {"anon": measure.memory_kib(server.pid, "RssAnon") / 1024,
                "peak": measure.memory_kib(server.pid, "VmHWM") / 1024}
    finally:
        server.stop()


def ask(connection, prefix):
    """One GET on a connection that stays open."""
    connection.sendall(f"GET {prefix}4k HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    got = b""
    while b"\r\n\r\n" not in got or len(got) - got.index(b"\r\n\r\n") - 4 < data.VALUES["4k"]:
        piece = connection.recv(65536)
        if not piece:
            raise measure.Wrong("a connection was closed")
        got += piece
    if not got.startswith(b"HTTP/1.1 200"):
        raise measure.Wrong(got[:40])


def idle(server, _):
    """Each connection gets a value before it idles, and another one afterwards."""
    before, open_ones = measure.memory_kib(server.pid, "RssAnon"), []
    try:
        for _ in range(CONNECTIONS):
            open_ones.append(socket.create_connection(("127.0.0.1", server.port)))
            ask(open_ones[-1], server.prefix)
        each = (measure.memory_kib(server.pid, "RssAnon") - before) / CONNECTIONS
        for one in open_ones:
            ask(one, server.prefix)
    finally:
        for one in open_ones:
            one.close()
    return {"each": each, "peak": measure.memory_kib(server.pid, "VmHWM") / 1024}


def idler(kind, **options):
    def start(bench):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        return kind(data.folder(bench, "values"), bench.work, **options)
    return Subject(kind.name, start, idle, fresh=True)


def of_million(name, run):
    return Subject(name, Start, run)


COUNTS = [1_000, 10_000, 100_000, 1_000_000]

LINES = [
    Line("list-1000", f"a page of 1,000 keys with metadata, {LISTERS} connections",
         [*map(diskv_list, COUNTS), s3_list(peers.Versitygw, "lists"), s3_list(peers.Minio, "minio")],
         [at_least("rate", "diskv, 1,000 keys", 1 / 1.5, of="diskv, 1,000,000 keys"),
          at_least("rate", "versitygw, 100,000 keys", 10, of="diskv, 100,000 keys"),
          at_least("rate", "MinIO, 100,000 keys", 10, of="diskv, 100,000 keys")]),
    Line("start-1m", "start on 1,000,000 keys until /readyz is 200, the files' inodes in memory",
         [of_million(WALK, find), of_million("diskv, first", first_start),
          of_million("diskv, second", second_start)],
         [at_most("seconds", WALK, 3, of="diskv, first"), at_most("seconds", None, 1, of="diskv, second")]),
    Line("memory-1m", "1,000,000 keys, idle", [of_million("diskv", memory)], [at_most("anon", None, 40)]),
    Line("idle-10k", f"{CONNECTIONS:,} keep-alive connections that idle",
         [idler(peers.Diskv, flags=["--max-connections", str(CONNECTIONS + 100)]), idler(peers.Nginx)],
         [at_most("each", None, 20)]),
]
