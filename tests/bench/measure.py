"""What one server spends and delivers: its processes in /proc, and the load generators' figures."""
import os
import re
import subprocess

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
COMMAND_SECONDS = 300


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
    """Runs a command and returns its standard output; Wrong where it fails or does not end."""
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                              timeout=COMMAND_SECONDS, **options)
    except subprocess.TimeoutExpired as late:
        raise Wrong(str(late)) from late
    if done.returncode:
        raise Wrong(f"{words[0]} exited with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


_UNIT_MS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}


def wrk_figures(text):
    """Requests, seconds, bytes and p99 of what wrk printed; Wrong if any answer was not 2xx or 3xx."""
    bad = re.search(r"Non-2xx.*|Socket errors: (?!connect 0, read 0, write 0, timeout 0).*", text)
    if bad:
        raise Wrong(bad[0])
    count, seconds, unit, read, of = re.search(
        r"(\d+) requests in ([\d.]+)(\w+), ([\d.]+)([KMGT]?)B read", text).groups()
    late = re.search(r"99%\s+([\d.]+)(\w+)", text)
    return {"requests": int(count), "seconds": float(seconds) * _UNIT_MS[unit] / 1000,
            "bytes": float(read) * 1024 ** " KMGT".index(of or " "), "p99": float(late[1]) * _UNIT_MS[late[2]]}


def wrk_words(url, connections, seconds, *, headers=(), script=None, args=()):
    words = ["wrk", "--latency", "--timeout", "30s", "-t2", f"-c{connections}", f"-d{seconds}s"]
    for header in headers:
        words += ["-H", header]
    if script:
        words += ["-s", os.path.join(os.path.dirname(__file__), "load", script)]
    return [*words, url, *(["--", *map(str, args)] if args else [])]


def wrk(server, path, connections, seconds, size=None, **options):
    """One run of wrk: {rate, cpu (µs a request), p99 (ms), peak (MiB)}. Of values so large that many
    are under way at the end, the bytes are counted: `size` of them are a request."""
    before = cpu_us(server.pid)
    figures = wrk_figures(command(*wrk_words(server.url + path, connections, seconds, **options)))
    spent = cpu_us(server.pid) - before
    done = figures["bytes"] / size if size else figures["requests"]
    if not done:
        raise Wrong("no request was answered")
    late = {} if size else {"p99": figures["p99"]}
    return {"rate": done / figures["seconds"], "cpu": spent / done, **late,
            "peak": memory_kib(server.pid, "VmHWM") / 1024}


def h2load(server, path, connections, seconds, *headers):
    """The same by h2load over HTTP/1.1, which, other than wrk, knows that a 304 has no body."""
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
    return {"rate": done / seconds, "cpu": spent / done, "peak": memory_kib(server.pid, "VmHWM") / 1024}


def ab_head(server, path, connections, seconds):
    """The same for HEAD by ab, which knows that its answer has no body."""
    before = cpu_us(server.pid)
    text = command("ab", "-q", "-k", "-i", "-c", connections, "-t", seconds, "-n", 10_000_000,
                   server.url + path)
    spent = cpu_us(server.pid) - before

    def figure(name):
        found = re.search(rf"^{name}:\s+([\d.]+)", text, re.M)
        return float(found[1]) if found else 0

    done = figure("Complete requests")
    if figure("Failed requests") or figure("Non-2xx responses") or not done:
        raise Wrong(text)
    return {"rate": done / figure("Time taken for tests"), "cpu": spent / done,
            "peak": memory_kib(server.pid, "VmHWM") / 1024}
