"""What one server spends and delivers: its processes in /proc, and the load generators' figures."""
import os
import re
import subprocess

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


class Wrong(Exception):
    """A server answered otherwise than the line demands, so its figure would mean nothing."""


def _stat(pid):
    """The fields of /proc/PID/stat from the third on (its second may hold blanks)."""
    with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
        return file.read().rpartition(")")[2].split()


def tree(pid):
    """The process and all that descend from it."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents.setdefault(int(_stat(name)[1]), []).append(int(name))
        except OSError:
            pass  # it ended meanwhile
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def cpu_us(pid):
    """User and system time of the process, its descendants, and those of them that ended."""
    return sum(int(ticks) for one in tree(pid) for ticks in _stat(one)[11:15]) * TICK_US


def memory_kib(pid, field):
    """A field of /proc/PID/status (VmHWM, RssAnon, …) summed over the process and its descendants."""
    total = 0
    for one in tree(pid):
        with open(f"/proc/{one}/status", encoding="utf-8") as file:
            total += int(re.search(rf"^{field}:\s+(\d+) kB", file.read(), re.M)[1])
    return total


def command(*words, **options):
    """Runs a command and returns its standard output; Wrong where it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode:
        raise Wrong(f"{words[0]} exited with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


_UNIT_MS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}


def wrk_figures(text):
    """Requests, seconds and p99 of what wrk printed; Wrong if any answer was not 2xx or 3xx."""
    bad = re.search(r"Non-2xx.*|Socket errors: (?!connect 0, read 0, write 0, timeout 0).*", text)
    if bad:
        raise Wrong(bad[0])
    count, seconds, unit = re.search(r"(\d+) requests in ([\d.]+)(\w+),", text).groups()
    late = re.search(r"99%\s+([\d.]+)(\w+)", text)
    return {"requests": int(count), "seconds": float(seconds) * _UNIT_MS[unit] / 1000,
            "p99": float(late[1]) * _UNIT_MS[late[2]]}


def wrk_words(url, connections, seconds, *, headers=(), script=None, args=()):
    words = ["wrk", "--latency", "-t2", f"-c{connections}", f"-d{seconds}s"]
    for header in headers:
        words += ["-H", header]
    if script:
        words += ["-s", os.path.join(os.path.dirname(__file__), "load", script)]
    return [*words, url, *(["--", *map(str, args)] if args else [])]


def wrk(server, path, connections, seconds, **options):
    """One run of wrk: {rate, cpu (µs a request), p99 (ms), peak (MiB)}."""
    before = cpu_us(server.pid)
    figures = wrk_figures(command(*wrk_words(server.url + path, connections, seconds, **options)))
    spent = cpu_us(server.pid) - before
    if not figures["requests"]:
        raise Wrong("no request was answered")
    return {"rate": figures["requests"] / figures["seconds"], "cpu": spent / figures["requests"],
            "p99": figures["p99"], "peak": memory_kib(server.pid, "VmHWM") / 1024}


def h2load(server, path, connections, seconds, *headers):
    """The same by h2load over HTTP/1.1, which knows that the answer to HEAD has no body."""
    words = ["h2load", "--h1", "-t2", f"-c{connections}", "-D", seconds]
    for header in headers:
        words += ["-H", header]
    before = cpu_us(server.pid)
    text = command(*words, server.url + path)
    spent = cpu_us(server.pid) - before
    done, failed, bad, late = map(int, re.search(
        r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text).groups())
    if failed + bad + late or not done:
        raise Wrong(re.search(r"requests:.*", text)[0])
    return {"rate": done / float(seconds), "cpu": spent / done,
            "peak": memory_kib(server.pid, "VmHWM") / 1024}
