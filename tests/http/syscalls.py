"""What the answers that a store gives most often cost in system calls: no more than is listed here."""
import os
import re
import socket
import time
from contextlib import contextmanager

from diskvtest import Server, curl, main, test
from tracing import traced

KINDS = {"recvfrom": "receive", "sendmsg": "send", "sendto": "send", "newfstatat": "stat", "fstat": "stat",
         "statx": "stat", "fgetxattr": "attribute",
         "flistxattr": "attribute", "preadv2": "read", "openat2": "open"}

SELDOM = {"brk", "madvise", "mmap", "mprotect", "munmap",  # malloc's, now and then
          "ioctl"}  # whether the client takes what it is sent: after some 16 KiB

ACCEPTING = {"accept4", "poll"}  # by the thread that accepts connections, which goes on meanwhile

HOT = ["receive", "stat", "send"]

COMMIT = {"openat2": "open", "pwrite64": "write", "writev": "write", "fsetxattr": "attribute", "utimensat": "time",
          "newfstatat": "stat", "renameat": "rename", "renameat2": "rename", "write": "resume"}


def calls_of(trace, mark):
    """The calls of the thread that received a request with `mark` in it, from there until it waited again."""
    thread, calls = None, []
    with open(trace, encoding="utf-8", errors="replace") as file:
        for line in file:
            received = re.match(r"(\d+) +(?:<\.\.\. )?recvfrom\b", line)
            if received and mark in line:
                thread, calls = received[1], ["receive"]
                continue
            found = re.match(r"(\d+) +(\w+)\(", line)
            if not found or found[1] != thread:
                continue
            if found[2] in ("epoll_wait", "epoll_pwait"):
                return calls
            if found[2] not in SELDOM:
                calls.append(KINDS.get(found[2], found[2]))
    return None


def calls_when_there(trace, mark):
    """The same, as soon as the trace has them."""
    end = time.monotonic() + 30
    while (calls := calls_of(trace, mark)) is None:
        assert time.monotonic() < end, "the trace does not have the request"
        time.sleep(0.05)
    return calls


def cost(server, trace, *requests):
    """The calls of the last of some requests over one connection: the first ones find its options not set yet."""
    mark = f"{time.monotonic_ns()}"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        for i, request in enumerate(requests):
            line, _, fields = request.partition("\r\n")
            connection.sendall(f"{line} HTTP/1.1\r\nX-Mark: {mark}.{i}\r\nHost: h\r\n{fields}\r\n".encode())
            read_answer(connection, request.startswith("HEAD "))
    return calls_when_there(trace, f"{mark}.{len(requests) - 1}")


def put_cost(trace, mark):
    """The calls of the thread that gave a value its name, from when it woke up until it waited again, and how many
    threads had a part in the request with `mark` in it; None before it was answered."""
    calls, renaming, begun = {}, None, False
    with open(trace, encoding="utf-8", errors="replace") as file:
        for line in file:
            found = re.match(r"(\d+) +(\w+)\(", line)
            begun = begun or mark in line
            if not begun or not found:
                continue
            thread, call = found.groups()
            if call in ("sendto", "sendmsg"):
                return calls[renaming], len(calls)
            if call.startswith("renameat"):
                renaming = thread
            if call not in SELDOM | {"futex", "lseek"} | ACCEPTING:
                calls.setdefault(thread, []).append(COMMIT.get(call, call))
    return None


def read_answer(connection, bodiless):
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head[9:12] in (b"200", b"206", b"304", b"404"), head
    size = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    while not bodiless and head[9:12] != b"304" and len(body) < size:
        body += connection.recv(65536)


@contextmanager
def store(*options):
    """A server with a value that is cached and some that are not."""
    with Server("--threads", "1", "--no-watch", *options) as s:
        for key in ("hot", *(f"cold{i}" for i in range(3))):
            assert curl("-T", "-", f"{s.url}/keys/{key}", input=b"x" * 4096).status == 201
        time.sleep(0.2)  # what changed a moment ago is not cached
        curl(s.url + "/keys/hot")
        with traced(s, "-s", "200") as trace:
            yield s, trace


@test
def a_cached_value_costs_a_look_at_its_file_between_receiving_and_sending():
    with store() as (s, trace):
        assert cost(s, trace, *["GET /keys/hot\r\n"] * 4) == HOT
        assert cost(s, trace, *["GET /keys/hot\r\nAccept-Encoding: gzip, br\r\n"] * 4) == HOT


@test
def what_a_client_asks_time_and_again_is_sent_again_in_one_piece():
    with store() as (s, trace):
        cost(s, trace, *["GET /keys/hot\r\n"] * 4)  # sent by libmicrohttpd, each with a mark of its own
        request = b"GET /keys/hot HTTP/1.1\r\nHost: h\r\n\r\n"
        with socket.create_connection(("127.0.0.1", s.port)) as connection:
            for _ in range(40):
                connection.sendall(request)
                read_answer(connection, False)
        cost(s, trace, "GET /keys/hot\r\n")
        with open(trace, encoding="utf-8", errors="replace") as file:
            sent = re.findall(r"(send\w+)\(\d+, .*HTTP/1.1 200 ", file.read())
        assert sent.count("sendto") >= 20, sent


@test
def head_of_a_cached_value_costs_as_much():
    with store() as (s, trace):
        assert cost(s, trace, *["HEAD /keys/hot\r\n"] * 4) == HOT


@test
def head_of_a_small_value_that_nobody_has_read_costs_as_much_from_the_second_on():
    with store() as (s, trace):
        calls = cost(s, trace, "HEAD /keys/cold0\r\n")
        assert "open" in calls and cost(s, trace, *["HEAD /keys/cold0\r\n"] * 4) == HOT


@test
def that_a_cached_value_is_the_one_the_client_has_costs_as_much():
    with store() as (s, trace):
        tag = curl("-I", s.url + "/keys/hot").headers["etag"]
        assert cost(s, trace, *[f"GET /keys/hot\r\nIf-None-Match: {tag}\r\n"] * 4) == HOT


def cost_of_unread(server, trace, seconds):
    """The calls of a GET of a value that nobody has read, so many seconds after it was written. Once in a while the
    kernel does not say at once what is in memory, and it is asked again, or a worker reads it: then another one's."""
    for turn in range(5):
        keys = [f"unread{turn}.{i}" for i in range(3)]
        for key in keys:
            assert curl("-T", "-", f"{server.url}/keys/{key}", input=b"x" * 4096).status == 201
        time.sleep(seconds)
        calls = cost(server, trace, *[f"GET /keys/{key}\r\n" for key in keys])
        if "epoll_ctl" not in calls and calls.count("read") == 1:
            break
    return calls


@test
def a_value_in_the_page_cache_is_opened_read_and_sent_by_the_same_thread():
    with store() as (s, trace):
        calls = cost_of_unread(s, trace, 0.2)
        assert calls == ["receive", "open", "stat", *["attribute"] * 4, "read", "stat", "send", "close"], calls


@test
def a_file_of_another_program_is_asked_for_its_attributes_once():
    with store() as (s, trace):
        for i in range(3):
            with open(f"{s.dir}/plain{i}", "wb") as file:
                file.write(b"x" * 4096)
        calls = cost(s, trace, *[f"GET /keys/plain{i}\r\n" for i in range(3)])
        assert calls == ["receive", "open", "stat", "attribute", "read", "send", "close"], calls


@test
def the_file_of_a_small_value_is_not_kept_open_for_others():
    with store() as (s, trace):
        calls = cost_of_unread(s, trace, 2)  # what changed a moment ago is not kept open anyway
        assert calls[-1] == "close", calls


@test
def that_there_is_no_such_value_is_answered_by_the_same_thread():
    with store() as (s, trace):
        calls = cost(s, trace, *[f"GET /keys/missing{i}\r\n" for i in range(3)])
        assert calls == ["receive", "open", "stat", "send"], calls


@test
def a_range_of_64_kib_goes_from_the_page_cache_to_the_socket():
    with store("--cache-bytes", "0") as (s, trace):
        assert curl("-T", "-", s.url + "/keys/large", input=b"x" * 1048576).status == 201
        calls = cost(s, trace, *[f"GET /keys/large\r\nRange: bytes={i}-{i + 65535}\r\n" for i in range(3)])
        assert calls == ["receive", "open", "stat", *["attribute"] * 4, "fcntl", "read", "send", "read", "sendfile",
                         "stat", "close", "close"], calls


def body_calls(server, trace, path, size):
    """Of the calls that a GET of `size` bytes took, those that moved more than a head: (thread, call, bytes)."""
    before = os.path.getsize(trace)
    assert len(curl(server.url + path).body) == size
    end = time.monotonic() + 30
    while True:
        with open(trace, encoding="utf-8", errors="replace") as file:
            file.seek(before)
            calls = re.findall(r"^(\d+) +(?:<\.\.\. )?(pread64|send\w+)\b.* = (\d+)$", file.read(), re.M)
        if sum(int(count) for _, call, count in calls if call != "pread64") >= size:
            return [call for call in calls if int(call[2]) > 2000]
        assert time.monotonic() < end, calls
        time.sleep(0.05)


@test
def all_but_a_page_of_a_large_value_in_the_page_cache_is_sent_in_turns_of_1_mib_without_a_copy():
    with store() as (s, trace):
        assert curl("-T", "-", s.url + "/keys/large", input=b"x" * 8388608).status == 201
        calls = body_calls(s, trace, "/keys/large", 8388608)
        assert calls[0][1] == "sendmsg" and {call for _, call, _ in calls[1:]} == {"sendfile"}, calls
        assert 131072 < max(int(count) for _, _, count in calls) <= 1048576, calls


@test
def the_header_of_a_range_takes_its_bytes_up_to_the_next_page_along():
    with store("--cache-bytes", "0") as (s, trace):
        assert curl("-T", "-", s.url + "/keys/large", input=b"x" * 1048576).status == 201
        calls = cost(s, trace, "GET /keys/large\r\nRange: bytes=5000-205000\r\n")
        assert "send" in calls, calls
        with open(trace, encoding="utf-8", errors="replace") as file:
            sent = re.search(r'sendmsg\(.*"HTTP/1.1 206.*iov_len=(\d+)}, .*iov_len=(\d+)}.*'
                             r'(?:\n(?:.*\n)*?.*sendmsg resumed>.*)? = (\d+)\n', file.read())
        header, body, both = map(int, sent.groups())
        assert body == 8192 - 5000 and both == header + body, sent


@test
def what_is_not_in_the_page_cache_is_read_by_another_thread_than_the_one_that_sends():
    """What is not there is as little to be had from the kernel at once as what strace says is not."""
    with Server("--threads", "1", "--no-watch", "--cache-bytes", "0") as s:
        assert curl("-T", "-", s.url + "/keys/large", input=b"x" * 1048576).status == 201
        with traced(s, "-e", "inject=preadv2:error=EAGAIN") as trace:
            calls = body_calls(s, trace, "/keys/large", 1048576)
        readers = {thread for thread, call, _ in calls if call == "pread64"}
        senders = {thread for thread, call, _ in calls if call != "pread64"}
        assert readers and not readers & senders, calls


@test
def a_value_that_is_not_all_in_the_page_cache_is_looked_at_more_closely_from_there_on():
    with Server("--threads", "1", "--no-watch") as s:
        assert curl("-T", "-", s.url + "/keys/large", input=b"x" * 8388608).status == 201
        with traced(s, "-e", "inject=preadv2:error=EAGAIN:when=3..4") as trace:
            calls = body_calls(s, trace, "/keys/large", 8388608)
        read = [call for _, call, _ in calls].index("pread64")
        assert max(int(count) for _, _, count in calls[:read]) > 131072, calls
        assert max(int(count) for _, _, count in calls[read:]) <= 131072, calls


@test
def where_the_file_system_cannot_tell_what_is_in_memory_the_cache_keeps_values():
    with Server("--threads", "1", "--no-watch") as s:
        assert curl("-T", "-", s.url + "/keys/large", input=b"x" * 524288).status == 201
        time.sleep(0.2)  # what changed a moment ago is not cached
        with traced(s, "-e", "inject=preadv2:error=EOPNOTSUPP") as trace:
            answers = [body_calls(s, trace, "/keys/large", 524288) for _ in range(5)]
        assert "pread64" in {call for _, call, _ in answers[0]}, answers
        assert {call for _, call, _ in answers[-1]} <= {"sendto", "sendmsg"}, answers


def put_settled(s):
    """Puts a large value and waits until it is kept open: what changed a moment ago is not."""
    assert curl("-T", "-", s.url + "/keys/large", input=b"x" * 1048576).status == 201
    while time.time() - os.stat(f"{s.dir}/large").st_ctime < 2.1:
        time.sleep(0.1)


@test
def a_range_of_a_file_that_was_read_a_moment_ago_is_sent_after_a_look_at_its_name():
    with store("--cache-bytes", "0") as (s, trace):
        put_settled(s)
        ranges = [f"GET /keys/large\r\nRange: bytes={i}-{i + 65535}\r\n" for i in range(3)]
        calls = cost(s, trace, *ranges)
        if "open" in calls:  # it was let go of in between
            calls = cost(s, trace, *ranges)
        assert calls == ["receive", "stat", "fcntl", "read", "send", "read", "sendfile", "close"], calls


def costs_of_ranges(server, trace, key, starts, size):
    """The calls of each of some requests for ranges that follow one another."""
    ranges = [f"Range: bytes={i}-{i + size - 1}\r\n" for i in starts]
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        for one in ranges:
            connection.sendall(f"GET /keys/{key} HTTP/1.1\r\nHost: h\r\n{one}\r\n".encode())
            read_answer(connection, False)
    calls_when_there(trace, ranges[-1][:-2])
    return [calls_of(trace, one[:-2]) for one in ranges]


@test
def a_range_like_the_one_before_it_is_sent_without_libmicrohttpd():
    with store("--cache-bytes", "0") as (s, trace):
        put_settled(s)
        for starts, size in (range(5000, 5020), 65536), (range(0, 80 * 1024, 4096), 65536), (range(20), 1048500):
            calls = costs_of_ranges(s, trace, "large", starts, size)
            alike = ["receive", "stat", "read", "send", "sendfile"]
            assert calls.count(alike) >= len(calls) / 2, calls  # not each connection's first of a second


@test
def many_bytes_that_are_cached_are_sent_by_one_call():
    with store() as (s, trace):
        assert curl("-T", "-", s.url + "/keys/page", input=b"x" * 50000).status == 201
        time.sleep(0.2)  # what changed a moment ago is not cached
        for _ in range(2):
            curl(s.url + "/keys/page")
        calls = costs_of_ranges(s, trace, "page", range(20), 49000)
        assert calls.count(HOT) >= len(calls) / 2, calls


@test
def a_small_put_without_sync_is_written_named_and_indexed_by_one_thread_beside_its_loop():
    with store("--sync", "none") as (s, trace):
        for i in range(3):
            mark = f"{time.monotonic_ns()}"
            request = f"PUT /keys/new{i} HTTP/1.1\r\nHost: h\r\nX-Mark: {mark}\r\nContent-Length: 4096\r\n\r\n"
            with socket.create_connection(("127.0.0.1", s.port)) as connection:
                connection.sendall(request.encode() + b"x" * 4096)
                assert connection.recv(4096).startswith(b"HTTP/1.1 201")
        end = time.monotonic() + 30
        while (cost := put_cost(trace, mark)) is None:
            assert time.monotonic() < end, "the trace does not have the request"
            time.sleep(0.05)
        calls, threads = cost
        put, index, resume = calls[:8], calls[8:-1], calls[-1]
        assert put == ["open", "write", "attribute", "time", "open", "rename", "close", "close"], calls
        assert set(index) == {"write"} and len(index) <= 8 and resume == "resume", calls
        assert threads == 2, "the loop and the committer"


def looks(server, trace):
    """What a listing calls with each key."""
    before = os.path.getsize(trace)
    assert curl(server.url + "/keys").status == 200
    curl(server.url + "/healthz")
    with open(trace, encoding="utf-8", errors="replace") as file:
        file.seek(before)
        found = re.findall(r"(\w+)\(\d+, \"(hot|cold\d)\"", file.read())
    return {key: [KINDS.get(call, call) for call, name in found if name == key] for _, key in found}


@test
def a_value_that_was_listed_before_costs_a_listing_one_look():
    with store() as (s, trace):
        assert looks(s, trace) == {key: ["open"] for key in ("hot", "cold0", "cold1", "cold2")}
        assert looks(s, trace) == {key: ["stat"] for key in ("hot", "cold0", "cold1", "cold2")}


if __name__ == "__main__":
    main()
