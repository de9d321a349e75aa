"""Figures as JSON, one file a line in build/bench/results, and the Markdown made of them."""
import json
import os
import platform
import re
import subprocess

import goprograms
from line import Owed, median

HERE = os.path.dirname(os.path.abspath(__file__))
UNITS = {"rate": "requests/s", "cpu": "CPU µs/request", "p99": "p99 ms", "peak": "peak MiB",
         "speed": "MiB/s", "seconds": "s", "anon": "RssAnon MiB", "each": "KiB a connection",
         "puts": "PUTs/s", "spent": "CPU s"}
PROGRAMS = [["nginx", "-v"], ["lighttpd", "-v"], ["caddy", "version"], ["rclone", "version"], ["go", "version"],
            ["wrk", "-v"], ["h2load", "--version"], ["ab", "-V"], ["curl", "--version"]]


def first_line(*words):
    try:
        done = subprocess.run(words, capture_output=True, text=True, cwd=HERE)
        return (done.stdout + done.stderr).split("\n")[0].strip()
    except OSError:
        return "not there"


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def machine(where):
    """What the figures depend on beside the programs."""
    cpu = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
    return {
        "processor": f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "file system": first_line("stat", "-f", "-c", "%T", where),
        "congestion control": read("/proc/sys/net/ipv4/tcp_congestion_control").strip(),
        "load average before": read("/proc/loadavg").split(" ", 1)[0],
        "commit": first_line("git", "describe", "--always", "--dirty", "--exclude=*"),
    }


def versions():
    """Of the programs beside diskv."""
    found = {words[0]: first_line(*words)[:60] for words in PROGRAMS}
    go_diskv = re.search(r"^require (\S+ \S+)", read(os.path.join(HERE, "godiskv", "go.mod")), re.M)[1]
    return {**found, "Go diskv": go_diskv, **goprograms.PUBLISHED}


def save(bench, line, subjects, left_out, rounds, seconds, made_at):
    folder = os.path.join(bench.root, "results")
    os.makedirs(folder, exist_ok=True)
    result = {"name": line.name, "title": line.title, "rounds": rounds, "seconds": seconds,
              "subjects": subjects, "left_out": left_out, "made": made_at,
              "owed": [vars(owed) for owed in line.owed]}
    with open(os.path.join(folder, line.name + ".json"), "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    return result


def short(number):
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def section(result):
    """The Markdown of one line."""
    subjects = {name: one for name, one in result["subjects"].items() if one}
    metrics = list(dict.fromkeys(metric for one in subjects.values() for metric in one))
    rows = [f"## {result['name']}: {result['title']}", "",
            "| | " + " | ".join(UNITS[metric] for metric in metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    for name, one in subjects.items():
        cells = [f"{short(median(one[m]))} ({short(min(one[m]))}–{short(max(one[m]))})" if m in one else ""
                 for m in metrics]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    first = next(iter(subjects), None)
    for name, one in list(subjects.items())[1:]:
        cells = [f"{median(subjects[first][m]) / median(one[m]):.2f}"
                 if m in one and m in subjects[first] and median(one[m]) else "" for m in metrics]
        rows.append(f"| *{first} / {name}* | " + " | ".join(cells) + " |")
    rows += ["", "| owed | figure | met |", "|---|---|---|"] if result["owed"] else []
    for owed in result["owed"]:
        verdict = Owed(**owed).verdict(subjects)
        rows.append(f"| {verdict[0]} | {verdict[1]:.2f} | {'yes' if verdict[2] else '**no**'} |" if verdict
                    else f"| {owed['metric']} of {owed['of']} / {owed['to']} | | not measured |")
    made = result["made"]
    rows += ["", f"{result['rounds']} rounds of {result['seconds']} s; commit {made['commit']}, "
             f"load average {made['load average before']} before."]
    rows += [f"Left out: {name}: {why}." for name, why in result["left_out"].items()]
    return "\n".join(rows) + "\n"


def write_all(bench, names):
    """RESULTS.md, of all lines that were ever measured here, in the order of `names`."""
    parts, made = [], None
    for name in names:
        text = read(os.path.join(bench.root, "results", name + ".json"))
        if text:
            result = json.loads(text)
            made = result["made"]
            parts.append(section(result))
    head = ["# Figures", "",
            "Written by `./run bench`. All servers of a line ran on one machine in turn, on loopback, with the",
            "same data and load generator, which shares the processors with them; another one begins in each",
            "round. Before a turn on a new server, as in all lines with PUTs, what was written before is synced and",
            "free memory (half, at most 2 GiB) is touched: a virtual machine may have given it to its host, and",
            "the server that is first to use it again would pay for that. What was put stays until the end, as",
            "ext4 is slow to make files where many were removed. Given are medians and, in brackets, the least",
            "and the greatest of the rounds.", "", "| | |", "|---|---|"]
    facts = {**(made or {}), **versions()}
    for name in "commit", "load average before":
        facts.pop(name, None)
    head += [f"| {name} | {value} |" for name, value in facts.items()]
    with open(bench.results_md, "w", encoding="utf-8") as file:
        file.write("\n".join(head) + "\n\n" + "\n".join(parts))
