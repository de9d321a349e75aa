"""A value of 4 GiB passes through in little memory, both ways and with either framing."""
import hashlib
import os
import subprocess

from diskvtest import Server, main, test

BLOCK = 1 << 20
BLOCKS = 4096
LIMIT = 64 << 20  # resident bytes


def make(path):
    """A file in which no two blocks are equal, and its SHA-256."""
    noise = os.urandom(BLOCK - 8)
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for number in range(BLOCKS):
            block = number.to_bytes(8, "big") + noise
            file.write(block)
            digest.update(block)
    return digest.hexdigest()


def peak(server):
    """The most memory that was ever resident."""
    with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def upload(server, source, *args):
    with open(source, "rb") as stdin:
        done = subprocess.run(["curl", "-q", "-sS", "--noproxy", "*", "-w", "%{http_code}", *args,
                               f"{server.url}/keys/large"], stdin=stdin, stdout=subprocess.PIPE, check=True)
    return done.stdout


def download_sha256(server):
    curl = subprocess.Popen(["curl", "-q", "-sS", "--noproxy", "*", f"{server.url}/keys/large"], stdout=subprocess.PIPE)
    digest = hashlib.file_digest(curl.stdout, "sha256").hexdigest()
    assert curl.wait() == 0
    return digest


def check(*curl_args):
    with Server() as s:
        source = f"{os.path.dirname(s.dir)}/source"
        digest = make(source)
        assert upload(s, source, *[source if arg == "FILE" else arg for arg in curl_args]) == b"201"
        os.remove(source)
        assert os.stat(f"{s.dir}/large").st_size == BLOCKS * BLOCK
        assert download_sha256(s) == digest
        assert peak(s) < LIMIT, peak(s)


@test
def four_gibibytes_go_up_with_a_length_and_down_in_under_64_mebibytes_of_memory():
    check("-T", "FILE")


@test
def four_gibibytes_go_up_in_chunks_and_down_in_under_64_mebibytes_of_memory():
    check("-T", "-")


if __name__ == "__main__":
    main()
