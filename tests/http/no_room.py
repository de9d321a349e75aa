"""Storage that refuses: a full disk, a directory that may not be written, a file system without attributes."""
import io
import json
import os
import subprocess
import tarfile
import tempfile
import time
from contextlib import contextmanager

from disktest import mounted
from diskvtest import DISKV, Server, curl, main, skip, test
from rawhttp import Connection, request

DISK_MIB = 24


def free_bytes(path):
    st = os.statvfs(path)
    return st.f_bavail * st.f_frsize


def check_full_disk(kind):
    with mounted(kind, DISK_MIB) as disk, Server(dir=f"{disk}/data") as s:
        old = os.urandom(1 << 20)
        assert curl("-T", "-", f"{s.url}/keys/dir/k", input=old).status == 201
        big, free = os.urandom(40 << 20), free_bytes(disk)
        for args in (["-T", "-"], ["-X", "PUT", "-H", "Expect:", "--data-binary", "@-"]):
            answer = curl(*args, f"{s.url}/keys/dir/k", input=big)
            assert answer.status == 507, answer
            assert answer.headers["content-type"] == "application/problem+json"
            assert json.loads(answer.body)["status"] == 507
        assert curl(f"{s.url}/keys/dir/k").body == old
        assert os.listdir(f"{s.dir}/.diskv/tmp") == []
        end = time.monotonic() + 60
        while free_bytes(disk) < free - len(old):  # the files of the refused are closed after they lost their names
            assert time.monotonic() < end
            time.sleep(0.01)
        while (status := curl("-T", "-", f"{s.url}/keys/fill/{os.urandom(8).hex()}", input=old).status) == 201:
            pass
        assert status == 507
        assert curl("-X", "DELETE", f"{s.url}/keys/dir/k").status == 204
        assert curl("-T", "-", f"{s.url}/keys/again", input=old[:1000]).status == 201
        page = json.loads(curl(f"{s.url}/keys?limit=10000").body)
        keys = {entry["key"] for entry in page["keys"]}
        assert keys == {"again"} | {f"fill/{name}" for name in os.listdir(f"{s.dir}/fill")}


@test
def a_full_tmpfs_is_507_and_the_old_value_stands():
    check_full_disk("tmpfs")


@test
def a_full_ext4_is_507_and_the_old_value_stands():
    check_full_disk("ext4")


@test
def a_tar_that_fills_the_disk_is_507_and_what_it_stored_before_stays():
    with mounted("tmpfs", DISK_MIB) as disk, Server(dir=f"{disk}/data") as s:
        out, value = io.BytesIO(), os.urandom(4 << 20)
        with tarfile.open(fileobj=out, mode="w") as tar:
            for i in range(10):
                info = tarfile.TarInfo(f"k{i}")
                info.size = len(value)
                tar.addfile(info, io.BytesIO(value))
        answer = curl("--data-binary", "@-", "-H", "Expect:", f"{s.url}/keys?prefix=", input=out.getvalue())
        assert answer.status == 507, answer
        assert answer.headers["content-type"] == "application/problem+json"
        problem = json.loads(answer.body)
        keys = [item["key"] for item in json.loads(curl(f"{s.url}/keys").body)["keys"]]
        assert problem["refused"] == [] and 0 < problem["stored"] == len(keys) < 6
        assert all(curl(f"{s.url}/keys/{key}").body == value for key in keys)
        assert os.listdir(f"{s.dir}/.diskv/tmp") == []


@test
def without_extended_attributes_only_an_upload_with_a_type_is_refused():
    with mounted("ramfs", DISK_MIB) as disk, Server(dir=f"{disk}/data") as s:
        answer = curl("-T", "-", "-H", "Content-Type: text/plain", f"{s.url}/keys/k", input=b"x")
        assert answer.status == 501 and answer.headers["content-type"] == "application/problem+json"
        assert curl(f"{s.url}/keys/k").status == 404
        assert curl("-T", "-", f"{s.url}/keys/k", input=b"one").status == 201
        first = curl(f"{s.url}/keys/k")
        assert first.body == b"one"
        assert curl("-T", "-", f"{s.url}/keys/k", input=b"two").status == 204
        second = curl(f"{s.url}/keys/k")
        assert second.body == b"two" and second.headers["etag"] != first.headers["etag"]
        assert os.listdir(f"{s.dir}/.diskv/tmp") == []


@contextmanager
def unwritable(directory):
    """Root may write whatever the mode says, but not what is immutable."""
    if os.getuid():
        os.chmod(directory, 0o555)
    elif subprocess.run(["chattr", "+i", directory], stderr=subprocess.DEVNULL, check=False).returncode:
        skip("this file system has no immutable directories")
    try:
        yield
    finally:
        if os.getuid():
            os.chmod(directory, 0o755)
        else:
            subprocess.run(["chattr", "-i", directory], check=True)


@test
def a_directory_that_cannot_be_written_is_403_and_its_values_are_served():
    with Server() as s:
        assert curl("-T", "-", f"{s.url}/keys/d/k", input=b"old").status == 201
        with unwritable(f"{s.dir}/d"):
            for answer in (curl("-T", "-", f"{s.url}/keys/d/k", input=b"new"),
                           curl("-T", "-", f"{s.url}/keys/d/other", input=b"new"),
                           curl("-X", "DELETE", f"{s.url}/keys/d/k")):
                assert answer.status == 403, answer
                assert answer.headers["content-type"] == "application/problem+json"
            assert curl(f"{s.url}/keys/d/k").body == b"old"
        assert os.listdir(f"{s.dir}/.diskv/tmp") == []
        assert curl("-T", "-", f"{s.url}/keys/d/k", input=b"new").status == 204


def asked(s, key, size):
    """The answer to a client that waits with a body of `size` bytes."""
    with Connection(s.port) as c:
        c.send(request("PUT", f"/keys/{key}", "Expect: 100-continue", f"Content-Length: {size}"))
        answer = c.answer()
        assert answer.status == 100 or (answer.closes and c.rest() == b""), answer
        return answer.status


@test
def what_will_find_no_room_is_507_before_its_body_is_asked_for():
    with mounted("tmpfs", DISK_MIB) as disk, Server(dir=f"{disk}/data") as s:
        assert asked(s, "k", 40 << 20) == 507
        assert asked(s, "k", 1 << 20) == 100
    with mounted("tmpfs", DISK_MIB) as disk, Server("--compress", "gzip", dir=f"{disk}/data") as s:
        assert asked(s, "k", 40 << 20) == 100  # it may shrink
    with Server() as s:
        assert asked(s, "k", 1 << 60) == 507


@test
def what_may_not_be_written_is_403_before_its_body_is_asked_for():
    with Server() as s:
        for key in ("d/k", "d/e/f/k", "free/k"):
            assert curl("-T", "-", f"{s.url}/keys/{key}", input=b"old").status == 201
        with unwritable(f"{s.dir}/d"):
            for key in ("d/k", "d/other", "d/k/below", "d/new/folder/k", "d"):
                curl(f"{s.url}/keys/{key}")  # for what is not known without the disk is not said so early
            assert asked(s, key, 5) == 403, key
            for key in ("free/k", "free/k/below", "d/e/f/k", "d/e/new", "new/folder/k", "dd"):
                assert asked(s, key, 5) == 100, key
        assert asked(s, "d/k", 5) == 100


@test
def a_base_directory_that_cannot_be_written_is_said_at_the_start():
    with tempfile.TemporaryDirectory() as directory, unwritable(directory):
        done = subprocess.run([DISKV, "serve", "--listen", "127.0.0.1:0", directory],
                              capture_output=True, timeout=30, check=False)
        assert done.returncode == 1
        assert done.stdout == b""
        assert directory.encode() in done.stderr and b"cannot" in done.stderr, done.stderr


if __name__ == "__main__":
    main()
