"""Values on their way: as they come, in little memory, whole or not at all."""
import hashlib
import os
import signal
import subprocess
import time

from clitest import diskv, each_place, fine, keys, temp_dir
from diskvtest import DISKV, Server, main, test

MIB = 1 << 20
LARGE = 96 * MIB
MEMORY_KIB = 48 * 1024


def pieces(size):
    piece = os.urandom(MIB)
    for n in range(size // MIB):
        yield piece[n:] + piece[:n]


def run_measured(*args, stdin=None, stdout=None):
    """Runs it with its input from and its output to files: the exit code and the most memory, in KiB."""
    process = subprocess.Popen([DISKV, *args], stdin=stdin, stdout=stdout)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss


@test
def memory_does_not_grow_with_the_value():
    with temp_dir() as d:
        digest = hashlib.sha256()
        with open(f"{d}/large", "wb") as file:
            for piece in pieces(LARGE):
                digest.update(piece)
                file.write(piece)
        for place in each_place():
            if place.kind == "served":
                continue
            with open(f"{d}/large", "rb") as file:
                read, write = os.pipe()
                cat = subprocess.Popen(["cat"], stdin=file, stdout=write)
                os.close(write)
                code, memory = run_measured("put", place.store, "large", stdin=read)
                os.close(read)
                cat.wait()
            assert code == 0 and memory < MEMORY_KIB, (place.kind, "put", code, memory)
            code, memory = run_measured("get", place.store, "large", f"{d}/back")
            assert code == 0 and memory < MEMORY_KIB, (place.kind, "get", code, memory)
            with open(f"{d}/back", "rb") as file:
                assert hashlib.file_digest(file, "sha256").digest() == digest.digest()
            os.unlink(f"{d}/back")


@test
def standard_input_is_stored_when_it_ends_and_not_before():
    for place in each_place():
        put = subprocess.Popen([DISKV, "put", place.store, "k"], stdin=subprocess.PIPE)
        for n in range(3):
            put.stdin.write(b"%d" % n * 100_000)
            put.stdin.flush()
            assert diskv("get", place.store, "k").code == 1
        put.stdin.close()
        assert put.wait(30) == 0
        assert fine("get", place.store, "k") == b"0" * 100_000 + b"1" * 100_000 + b"2" * 100_000


@test
def a_put_that_is_killed_changes_nothing_and_its_leftovers_go():
    for place in each_place():
        fine("put", place.store, "k", input=b"old")
        put = subprocess.Popen([DISKV, "put", place.store, "k"], stdin=subprocess.PIPE)
        for _ in range(4):
            put.stdin.write(b"x" * MIB)
        put.stdin.flush()
        time.sleep(0.05)
        put.send_signal(signal.SIGKILL)
        put.wait(30)
        put.stdin.close()
        assert fine("get", place.store, "k") == b"old"
        fine("put", place.dir, "k", input=b"new")
        own = f"{place.dir}/.diskv"
        assert not os.path.exists(own) or not [n for n in os.listdir(own) if n.startswith("tmp-")]


@test
def a_file_has_the_whole_value_or_is_as_it_was():
    for place in each_place():
        fine("put", place.store, "k", input=b"value")
        with temp_dir() as d:
            with open(f"{d}/f", "wb") as file:
                file.write(b"old")
            os.chmod(f"{d}/f", 0o640)
            assert diskv("get", place.store, "missing", f"{d}/f").code == 1
            assert diskv("get", place.store, "missing", f"{d}/none").code == 1
            with open(f"{d}/f", "rb") as file:
                assert file.read() == b"old"
            fine("get", place.store, "k", f"{d}/f")
            with open(f"{d}/f", "rb") as file:
                assert file.read() == b"value"
            assert os.stat(f"{d}/f").st_mode & 0o777 == 0o640
            done = diskv("get", place.store, "k", f"{d}/no/such")
            assert done.code == 1 and f"{d}/no/such" in done.err
            assert os.listdir(d) == ["f"]
        fine("get", place.store, "k", "/dev/null")


@test
def a_file_is_put_from_where_its_descriptor_stands():
    with temp_dir() as d:
        with open(f"{d}/f", "wb") as file:
            file.write(b"headbody")
        for place in each_place():
            with open(f"{d}/f", "rb") as file:
                os.lseek(file.fileno(), 4, os.SEEK_SET)
                assert subprocess.run([DISKV, "put", place.store, "k"], stdin=file, check=False).returncode == 0
            assert fine("get", place.store, "k") == b"body"
            fine("put", place.store, "k", f"{d}/f")
            assert fine("get", place.store, "k") == b"headbody"
            done = diskv("put", place.store, "k", f"{d}/none")
            assert done.code == 1 and f"{d}/none" in done.err
            assert keys(place.store) == ["k"]


@test
def what_a_server_refuses_keeps_its_old_value():
    with Server("--max-value-bytes", "10") as s:
        fine("put", s.url, "k", input=b"short")
        done = diskv("put", s.url, "k", input=b"x" * MIB)
        assert done.code == 1 and "larger" in done.err, done
        assert fine("get", s.url, "k") == b"short"


if __name__ == "__main__":
    main()
