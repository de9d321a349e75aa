"""`./run bench` still measures: its driver, on the shortest line, beside nginx. No figure is judged."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

from diskvtest import DISKV, main, skip, test
from tree import TOP

BENCH = os.path.join(TOP, "tests", "bench", "bench.py")


def bench(*args):
    return subprocess.run([sys.executable, BENCH, *args], env={**os.environ, "DISKV": DISKV},
                          capture_output=True, text=True, timeout=300)


@test
def its_lines_have_names():
    names = [line.split()[0] for line in bench("--list").stdout.splitlines()]
    assert "get-4k" in names and "put-4k" in names and len(set(names)) == len(names), names


@test
def a_line_that_is_not_there_is_an_error():
    assert bench("get-5k").returncode == 2


@test
def one_line_leaves_figures_and_a_table():
    if not shutil.which("wrk"):
        skip("wrk is not installed")
    with tempfile.TemporaryDirectory() as folder:
        done = bench("--dir", folder, "--rounds", "1", "--seconds", "1", "--only", "diskv", "--only", "nginx",
                     "--only", "bare loop", "put-4k")
        assert done.returncode == 0, done.stdout + done.stderr
        with open(os.path.join(folder, "results", "put-4k.json"), encoding="utf-8") as file:
            result = json.load(file)
        for name in "diskv", "nginx", "bare loop":
            assert result["subjects"][name]["rate"][0] > 0, result
        assert "Go diskv" in result["left_out"], result
        with open(os.path.join(folder, "RESULTS.md"), encoding="utf-8") as file:
            text = file.read()
        assert "## put-4k" in text and "| diskv |" in text and "diskv / nginx" in text, text


if __name__ == "__main__":
    main()
