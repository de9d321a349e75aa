"""schemathesis, fetched from PyPI into the build directory, asks what the contract that a server gives of itself allows
and what it forbids, and holds each answer against it. DISKV_LONG=1: longer, with a seed of its own."""
import os
import random
import re
import subprocess

from diskvtest import Server, curl, main, skip, test
from pypi import python_with

HERE = os.path.join(os.path.dirname(__file__), "..", "data", "schemathesis")
LONG = os.environ.get("DISKV_LONG") == "1"
SEED = random.randrange(1 << 32) if LONG else 1


def ask(server, phases, examples):
    """Fails with schemathesis's own account of what it found; prints how much was asked."""
    with open(os.path.join(HERE, "requirements.txt"), encoding="ascii") as file:
        python = python_with("schemathesis", *file.read().split())
    done = subprocess.run([os.path.join(os.path.dirname(python), "schemathesis"), "--no-color",
                           "--config-file", os.path.join(HERE, "schemathesis.toml"),
                           "run", server.url + "/openapi.json", "--phases", phases, "--seed", str(SEED),
                           "--max-examples", str(examples)],
                          check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=os.path.dirname(python),
                          env={**os.environ, "SCHEMATHESIS_HOOKS": os.path.join(HERE, "checks.py")})
    account = done.stdout.decode(errors="replace").replace("\0", "")
    assert done.returncode == 0, account
    print(f"# {phases}: {re.search('[0-9]+ generated', account)[0]}, seed {SEED}")


def hold_to_contract(*options):
    with Server("--sync", "none", *options) as s:
        for key in ("a", "a/b", "a/b/c.txt", "a/index.html", "a//b", "..%2Fx"):
            assert curl("-T", "-", f"{s.url}/keys/{key}", input=b"a value\n" * 100).status == 201
        ask(s, "examples,coverage,fuzzing", 300 if LONG else 40)
        ask(s, "stateful", 60 if LONG else 3)


@test
def the_server_does_what_its_contract_says():
    hold_to_contract("--cors-origin", "https://app.example", "--cache-control", "a/*=no-cache")


@test
def so_does_one_with_a_small_limit():
    if not LONG:
        skip("takes minutes: DISKV_LONG=1 asks for it")
    hold_to_contract("--max-value-bytes", 1000, "--cors-origin", "*")


@test
def so_does_one_that_compresses():
    if not LONG:
        skip("takes minutes: DISKV_LONG=1 asks for it")
    hold_to_contract("--compress", "gzip")


@test
def so_does_one_with_a_site():
    if not LONG:
        skip("takes minutes: DISKV_LONG=1 asks for it")
    hold_to_contract("--site", "a/", "--site-fallback", "b")


if __name__ == "__main__":
    main()
