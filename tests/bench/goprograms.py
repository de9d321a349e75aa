"""The peers written in Go, built below build/bench/go from the Go module proxy."""
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 900

PUBLISHED = {
    "minio": "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c",
    "versitygw": "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
}
_failed = {}  # name: why, so that each is tried once


def path(name):
    """The program, built if it is not there yet; RuntimeError says why it cannot be."""
    folder = os.path.abspath(os.path.join(os.environ["BENCH_DIR"], "go"))
    program = os.path.join(folder, name)
    if os.path.exists(program):
        return program
    if name in _failed:
        raise RuntimeError(_failed[name])
    os.makedirs(folder, exist_ok=True)
    print(f"building {name} …", flush=True)
    words = ["go", "install", PUBLISHED[name]] if name in PUBLISHED else ["go", "build", "-o", program, "."]
    try:
        done = subprocess.run(words, cwd=HERE if name in PUBLISHED else os.path.join(HERE, name),
                              env={**os.environ, "GOBIN": folder}, capture_output=True, text=True,
                              timeout=SECONDS)
        why = done.stderr.strip().split("\n")[-1] if done.returncode else None
    except (OSError, subprocess.TimeoutExpired) as error:
        why = str(error)
    if why:
        _failed[name] = f"could not be built: {why}"
        raise RuntimeError(_failed[name])
    return program
