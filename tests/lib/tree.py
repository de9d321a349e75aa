"""Builds of this checkout beside its own, for the tests of the build itself."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]


def run(*command, env=None):
    """Runs a command and returns (exit code, stdout and stderr together)."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, errors="replace", check=False,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout


def must(*command, env=None):
    """Like run(), for what has to succeed; returns the output."""
    code, output = run(*command, env=env)
    assert code == 0, f"{' '.join(map(str, command))}: exit code {code}\n{output}"
    return output


@contextlib.contextmanager
def copy_of_tree():
    """A copy of what the build reads, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="diskvtest.") as temp:
        copy = pathlib.Path(temp) / "diskv"
        copy.mkdir()
        shutil.copy(TOP / "meson.build", copy)
        for folder in ("src", "include", "www", "tests"):
            shutil.copytree(TOP / folder, copy / folder)
        yield copy


@contextlib.contextmanager
def build_dir(*options, env=None, source=TOP):
    """A configured build directory of `source`, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="diskvtest.") as temp:
        must("meson", "setup", temp, source, *options, env=env)
        yield temp
