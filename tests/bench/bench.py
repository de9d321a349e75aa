"""bench.py [OPTION...] [LINE...]: measures diskv beside its peers and writes tests/bench/RESULTS.md."""
import argparse
import atexit
import os
import shutil
import signal
import sys
import types

import data
import lines_get
import lines_keys
import lines_put
import results
from measure import Wrong
from settle import settle

HERE = os.path.dirname(os.path.abspath(__file__))
LINES = [*lines_get.LINES, *lines_put.LINES, *lines_keys.LINES]
WARM_SECONDS = 1


def say(*words):
    print(*words, flush=True)


def start(bench, line, only, left_out):
    """The subjects that can run, with their servers (None where each turn has a new one)."""
    running = []
    for subject in line.subjects:
        if only and subject.name.split(",")[0] not in only:
            left_out[subject.name] = "not asked for"
            continue
        try:
            server = subject.start(bench)
            if subject.fresh:
                server = server.stop()
        except (RuntimeError, OSError) as error:
            left_out[subject.name] = str(error)
            say(f"  {subject.name} is left out: {error}")
            continue
        running.append((subject, server))
    return running


def turn(bench, subject, server, seconds):
    if not subject.fresh:
        return subject.measure(server, seconds)
    settle()
    server = subject.start(bench)
    try:
        return subject.measure(server, seconds)
    finally:
        server.stop()


def measure(bench, line, options):
    """Runs one line: all servers up, then rounds, in each of which every server has its turn."""
    say(f"{line.name}: {line.title}")
    left_out, made_at = {}, results.machine(bench.root)
    running = start(bench, line, options.only, left_out)
    figures = {subject.name: {} for subject, _ in running}
    try:
        for subject, server in running:
            if server:
                subject.measure(server, WARM_SECONDS)
        for number in range(options.rounds):
            # another one begins in each round, so that no place in the order is always the same server's
            first = number % max(len(running), 1)
            for subject, server in running[first:] + running[:first]:
                found = turn(bench, subject, server, options.seconds)
                for metric, value in found.items():
                    figures[subject.name].setdefault(metric, []).append(value)
                say(f"  round {number + 1}/{options.rounds}  {subject.name:24}",
                    "  ".join(f"{results.short(v)} {results.UNITS[m]}" for m, v in found.items()))
    finally:
        for _, server in running:
            if server:
                server.stop()
    return results.save(bench, line, figures, left_out, options.rounds, options.seconds, made_at)


def parse():
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__.partition(": ")[2])
    parser.add_argument("lines", nargs="*", metavar="LINE", help="what to measure; everything if not given")
    parser.add_argument("--list", action="store_true", help="name the lines and stop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load on one server in one round")
    parser.add_argument("--only", action="append", metavar="SERVER", help="leave the others out; repeatable")
    parser.add_argument("--dir", default="build/bench", help="for data, programs and figures (build/bench)")
    options = parser.parse_args()
    unknown = set(options.lines) - {line.name for line in LINES}
    if unknown:
        parser.error(f"no line is named {', '.join(sorted(unknown))}; see --list")
    return options


def main():
    options = parse()
    if options.list:
        for line in LINES:
            say(f"{line.name:20} {line.title}")
        return 0
    root = os.environ["BENCH_DIR"] = os.path.abspath(options.dir)
    os.environ["DISKV"] = os.path.abspath(os.environ.get("DISKV", "build/diskv"))
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    whole = not options.lines
    os.makedirs(root, exist_ok=True)
    bench = types.SimpleNamespace(root=root, work=data.work_folder(root),
                                  results_md=os.path.join(HERE if whole else root, "RESULTS.md"))
    atexit.register(shutil.rmtree, bench.work, ignore_errors=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped
    failed = 0
    for line in LINES:
        if whole or line.name in options.lines:
            try:
                say("\n" + results.section(measure(bench, line, options)))
            except Wrong as wrong:
                failed = 1
                say(f"{line.name} FAILED: {wrong}\n")
    results.write_all(bench, [line.name for line in LINES])
    say(f"written: {bench.results_md}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
