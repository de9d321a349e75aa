"""A value of 4 GiB passes through in little memory, both ways and with either framing."""
import hashlib
import os
import subprocess

from diskvtest import Server, main, test

BLOCK = 1 << 20
BLOCKS = 4096
LIMIT = 64 << 20  # resident bytes
CURL = ["curl", "-q", "-sS", "--noproxy", "*"]


def blocks():
    """No two are equal."""
    noise = os.urandom(BLOCK - 8)
    for number in range(BLOCKS):
        yield number.to_bytes(8, "big") + noise


def peak(server):
    """The most memory that was ever resident."""
    with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def upload_sha256(server, *args):
    """From memory, block by block: a file would cost the disk as much again."""
    digest = hashlib.sha256()
    with subprocess.Popen([*CURL, "-w", "%{http_code}", "-T", "-", *args, f"{server.url}/keys/large"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, pipesize=BLOCK) as curl:
        for block in blocks():
            curl.stdin.write(block)
            digest.update(block)
        curl.stdin.close()
        assert curl.stdout.read() == b"201"
    assert curl.returncode == 0
    return digest.hexdigest()


def download_sha256(server):
    with subprocess.Popen([*CURL, f"{server.url}/keys/large"], stdout=subprocess.PIPE, pipesize=BLOCK) as curl:
        digest = hashlib.file_digest(curl.stdout, "sha256").hexdigest()
    assert curl.returncode == 0
    return digest


def check(*curl_args):
    with Server() as s:
        digest = upload_sha256(s, *curl_args)
        assert os.stat(f"{s.dir}/large").st_size == BLOCKS * BLOCK
        assert download_sha256(s) == digest
        assert peak(s) < LIMIT, peak(s)


@test
def four_gibibytes_go_up_with_a_length_and_down_in_under_64_mebibytes_of_memory():
    check("-H", f"Content-Length: {BLOCKS * BLOCK}", "-H", "Transfer-Encoding:")


@test
def four_gibibytes_go_up_in_chunks_and_down_in_under_64_mebibytes_of_memory():
    check()


if __name__ == "__main__":
    main()
