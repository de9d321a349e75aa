"""GET, HEAD, ranges."""
import os
import urllib.request

import bareprograms
import data
import measure
import peers
from line import Line, Subject, at_least, at_most

FILES = [peers.Diskv, peers.Nginx, peers.Lighttpd, peers.Caddy, peers.Rclone, peers.Bare]
RANDOM_SCRIPT, RANGE_SCRIPT = "random.lua", "range.lua"


def on(folder, kind, run, name=None, **options):
    """A server over a data set, or a folder of one."""
    def start(bench):
        first, _, rest = folder.partition("/")
        return kind(os.path.join(data.folder(bench, first), rest), bench.work, **options)
    return Subject(name or kind.name, start, run)


def wrk_of(file, connections=64, **options):
    """What measures a server under wrk's GETs of one file, which is in the page cache: rclone has the
    kernel drop what it sent, and the next server would read it from the disk."""
    def run(server, seconds):
        data.read(os.path.join(server.data, file))
        return measure.wrk(server, server.prefix + file, connections, seconds, **options)
    return run


def of_random_keys(server, seconds):
    data.warm(server.data)
    return measure.wrk(server, "/", 64, seconds, script=RANDOM_SCRIPT, args=[server.prefix])


def not_modified(server, seconds):
    """By the entity tag, or the date where a server has none."""
    path = server.prefix + "4k"
    with urllib.request.urlopen(server.url + path) as answer:
        tag, date = answer.headers["ETag"], answer.headers["Last-Modified"]
    condition = f"If-None-Match: {tag}" if tag else f"If-Modified-Since: {date}"
    status = measure.command("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", condition,
                             server.url + path)
    if status != "304":
        raise measure.Wrong(f"{server.name} answers {status} to {condition}")
    return measure.h2load(server, path, 64, seconds, condition)


def head(server, seconds):
    return measure.ab_head(server, server.prefix + "4k", 64, seconds)


def gets(name, title, file, connections):
    return Line(name, f"GET {title}, {connections} connections",
                [on("values", kind, wrk_of(file, connections, size=data.VALUES[file])) for kind in FILES],
                [at_least("rate", "nginx", 1), at_least("rate", "lighttpd", 1)])


RANGES = wrk_of("1g", script=RANGE_SCRIPT)
PAGE = wrk_of("page", headers=["Accept-Encoding: gzip"])  # the same bytes of both: see data.make_gzipped()
GZIPPED = ["--compress", "gzip"]

# lighttpd 1.4.69 keeps each file that it sent open for seconds, whatever its stat-cache-engine, until it has no
# descriptors left; so does the bare loop
MANY = [kind for kind in [*FILES, peers.GoDiskv] if kind not in (peers.Lighttpd, peers.Bare)]

LINES = [
    Line("get-4k", "GET 4 KiB hot, 64 connections",
         [on("values", kind, wrk_of("4k")) for kind in [*FILES, peers.GoDiskv]],
         [at_least("rate", "nginx", 1.3), at_least("rate", "Go diskv", 2), at_most("cpu", "nginx", 0.75)]),
    Line("get-4k-random", "GET 4 KiB, 1,000,000 keys at random, in the page cache, 64 connections",
         [on("million", kind, of_random_keys, many=True) for kind in MANY],
         [at_least("rate", "nginx", 1)]),
    gets("get-64k", "64 KiB", "64k", 64),
    gets("get-1m", "1 MiB", "1m", 16),
    gets("get-100m", "100 MiB", "100m", 4),
    Line("get-304", "conditional GET answered 304, 64 connections",
         [on("values", kind, not_modified) for kind in FILES if kind is not peers.Rclone],
         [at_least("rate", "nginx", 1.3)]),
    Line("head", "HEAD of 4 KiB, 64 connections", [on("values", kind, head) for kind in FILES],
         [at_least("rate", "nginx", 1.3)]),
    Line("range-64k", "64 KiB at random places of a value of 1 GiB, 64 connections",
         [on("values", kind, RANGES) for kind in FILES], [at_least("rate", "nginx", 1)]),
    Line("range-64k-gzip", "the same of a value that is compressed in its file",
         [on("gzipped/store", peers.Diskv, RANGES, "compressed", flags=GZIPPED),
          on("values", peers.Diskv, RANGES, "plain"),
          Subject("bare inflate", lambda _: bareprograms.Loop("inflate"), bareprograms.loop, fresh=True)],
         [at_least("rate", "plain", 1 / 3, of="compressed")]),
    Line("get-gzip", "GET of a value compressed in its file, sent as it is, some 64 KiB, 64 connections",
         [on("gzipped/store", peers.Diskv, PAGE, "compressed", flags=GZIPPED),
          on("gzipped/plain", peers.Diskv, PAGE, "plain")],
         [at_least("rate", "plain", 0.95, of="compressed")]),  # as fast, up to noise
]
