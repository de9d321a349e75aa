"""What is acknowledged was synced before, and no thread that serves sockets waits for the disk: the server's system
calls, as strace saw them."""
import contextlib
import http.client
import os
import re
import socket
import threading
import time

from diskvtest import Server, curl, main, test
from tracing import traced

CALLS = ("pread64,preadv2,pwrite64,fsetxattr,utimensat,fsync,syncfs,renameat,renameat2,unlinkat,mkdirat,linkat,"
         "sendmsg,sendto,writev,write,close,sync_file_range")
SYNCS = ("fsync", "syncfs")
COLD = ("-e", "inject=preadv2:error=EAGAIN")  # nothing is to be had from the disk at once


@contextlib.contextmanager
def recorded(server, *options):
    """The server's calls while the block runs: a list of (name, text, thread), filled when it ends. `options` are
    strace's."""
    calls = []
    with traced(server, "-y", "-s", "64", "-e", f"trace={CALLS}", *options) as trace:
        yield calls
    with open(trace, encoding="utf-8", errors="replace") as file:
        for line in file:
            if match := re.match(r"(\d+) +(?:<\.\.\. )?(\w+)(.*)", line):
                calls.append((match[2], match[3], match[1]))


def position(calls, name, text):
    """Where the first such call is."""
    return next(i for i, call in enumerate(calls) if call[0] == name and text in call[1])


def answer_position(calls, status):
    return next(i for i, call in enumerate(calls) if f"HTTP/1.1 {status}" in call[1])


@test
def an_upload_is_acknowledged_after_file_name_and_directory_are_synced():
    with Server() as s:
        curl("-T", "-", f"{s.url}/keys/first", input=b"")  # the first makes durable what was there before
        with recorded(s) as calls:
            headers = ["-H", "Content-Type: text/plain", "-H", "Expect:"]
            assert curl("-T", "-", *headers, f"{s.url}/keys/d/k", input=b"value").status == 201
        order = [position(calls, "pwrite64", "/.diskv/tmp/"), position(calls, "fsetxattr", "user.mime_type"),
                 position(calls, "fsetxattr", "user.diskv"), position(calls, "utimensat", "/.diskv/tmp/"),
                 position(calls, "fsync", "/.diskv/tmp/"), position(calls, "renameat2", f"{s.dir}/d>"),
                 position(calls, "fsync", f"{s.dir}/d>"), answer_position(calls, 201)]
        assert order == sorted(order), (order, calls)
        assert position(calls, "fsync", f"{s.dir}>") < answer_position(calls, 201)  # it holds the new directory


@test
def an_erase_is_acknowledged_after_the_directory_is_synced():
    with Server() as s:
        for key in ("d/e/k", "d/stays"):
            assert curl("-T", "-", f"{s.url}/keys/{key}", input=b"value").status == 201
        with recorded(s) as calls:
            assert curl("-X", "DELETE", f"{s.url}/keys/d/e/k").status == 204
        order = [position(calls, "unlinkat", f'{s.dir}/d/e>, "k"'), position(calls, "unlinkat", f'{s.dir}/d>, "e"'),
                 position(calls, "fsync", f"{s.dir}/d>"), answer_position(calls, 204)]
        assert order == sorted(order), (order, calls)


@test
def without_sync_nothing_is_synced():
    with Server("--sync", "none") as s:
        with recorded(s) as calls:
            assert curl("-T", "-", f"{s.url}/keys/d/k", input=b"value").status == 201
            assert curl("-X", "DELETE", f"{s.url}/keys/d/k").status == 204
        assert not [call for call in calls if call[0] in SYNCS]


def concurrent_commits(count):
    """The calls of a server that 4 uploads by each of `count` clients take."""
    def upload(number, ready):
        connection = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
        connection.connect()
        ready.wait()
        for turn in range(4):
            connection.request("PUT", f"/keys/d{number}/{turn}", b"value")
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)

    with Server() as s:
        statuses, ready = [], threading.Barrier(count)
        with recorded(s) as calls:
            threads = [threading.Thread(target=upload, args=(number, ready)) for number in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert statuses == [201] * (4 * count)
    return [(name, text) for name, text, _ in calls if "resumed" not in text]


@test
def concurrent_commits_share_their_syncs():
    syncs = sum(name in SYNCS for name, _ in concurrent_commits(64))
    assert 0 < syncs < 64, syncs  # one by one, each of the 256 would take two


@test
def loops_are_not_woken_for_each_of_them():
    wakes = sum(name == "write" and "[eventfd]" in text for name, text in concurrent_commits(64))
    assert 0 < wakes < 256, wakes  # 64 of them for connections


@test
def a_value_of_many_pages_begins_to_be_written_out_before_the_sync_that_it_shares():
    for size, count in (4 << 10, 0), (512 << 10, 1):
        with Server() as s:
            with recorded(s) as calls:
                assert curl("-T", "-", f"{s.url}/keys/k", input=bytes(size)).status == 201
            assert sum(name == "sync_file_range" and "resumed" not in text for name, text, _ in calls) == count, size


@test
def threads_that_serve_sockets_leave_the_disk_to_others():
    value = os.urandom(3 << 20)
    with Server() as s:
        assert curl("-T", "-", f"{s.url}/keys/cold", input=value).status == 201
        with recorded(s, *COLD) as calls:
            assert curl(f"{s.url}/keys/cold").body == value
            assert curl("-T", "-", f"{s.url}/keys/a", input=b"x").status == 201
            assert curl("-T", "-", "-H", "Expect:", f"{s.url}/keys/a/b", input=value).status == 201
            assert curl("-X", "DELETE", f"{s.url}/keys/a").status == 204
            assert curl(f"{s.url}/keys/missing").status == 404
        serving = {thread for _, text, thread in calls if "HTTP/1.1 " in text}
        waiting = {"pread64", "pwrite64", "fsetxattr", "fsync", "syncfs", "renameat", "renameat2", "unlinkat", "mkdirat"}
        assert serving and "pread64" in {name for name, _, thread in calls if thread not in serving}
        assert not [call for call in calls if call[2] in serving and call[0] in waiting]


@test
def the_last_close_of_a_value_that_was_erased_meanwhile_is_left_to_others_too():
    with Server() as s:
        assert curl("-T", "-", f"{s.url}/keys/k", input=bytes(32 << 20)).status == 201
        with recorded(s) as calls:
            with socket.create_connection(("127.0.0.1", s.port), 30) as connection:
                connection.sendall(b"GET /keys/k HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                connection.recv(1000)
                assert curl("-X", "DELETE", f"{s.url}/keys/k").status == 204
                while connection.recv(1 << 20):
                    pass
            curl(f"{s.url}/healthz")
        serving = {thread for _, text, thread in calls if "HTTP/1.1 " in text}
        closed_by = {thread for name, text, thread in calls if name == "close" and f"{s.dir}/k" in text}
        assert closed_by and not closed_by & serving


def open_files(server):
    """The names of the files that the server has open; it may open and close others meanwhile."""
    folder, names = f"/proc/{server.pid}/fd", []
    for fd in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            names.append(os.readlink(f"{folder}/{fd}"))
    return names


@test
def the_blocks_of_a_large_value_are_not_freed_by_the_thread_that_commits():
    for change, status in ((["-X", "DELETE"], 204), (["-T", "-"], 204)):
        with Server() as s:
            assert curl("-T", "-", f"{s.url}/keys/k", input=bytes(32 << 20)).status == 201
            with recorded(s) as calls:
                assert curl(*change, f"{s.url}/keys/k", input=b"small").status == status
                end = time.monotonic() + 60
                while f"{s.dir}/k (deleted)" in open_files(s):
                    assert time.monotonic() < end
                    time.sleep(0.01)
            committer = {thread for name, text, thread in calls if name in ("unlinkat", "renameat", "renameat2") and '"k"' in text}
            freed_by = {thread for name, text, thread in calls
                        if name == "close" and f"{s.dir}/k" in text and "(deleted)" in text}
            assert freed_by and committer and not freed_by & committer


if __name__ == "__main__":
    main()
