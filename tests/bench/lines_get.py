"""GET, HEAD, ranges."""
import data
import measure
import peers
from line import Line, Subject, at_least, at_most


def wrk_of(file, connections=64, **options):
    """What measures a server under wrk's GETs of one file."""
    def run(server, seconds):
        return measure.wrk(server, server.prefix + file, connections, seconds, **options)
    return run


def on(folder, kind, run, name=None, **options):
    """A server over a folder of data that is made once."""
    return Subject(name or kind.name, lambda bench: kind(data.folder(bench, folder), bench.work, **options),
                   run)


LINES = [
    Line("get-4k", "GET 4 KiB hot, 64 connections",
         [on("values", kind, wrk_of("4k")) for kind in (peers.Diskv, peers.Nginx, peers.GoDiskv)],
         [at_least("rate", "nginx", 1.3), at_least("rate", "Go diskv", 2), at_most("cpu", "nginx", 0.75)]),
]
