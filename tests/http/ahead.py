"""Large bodies are taken from their sockets in large pieces: nothing of that shows but in speed."""
import collections
import hashlib
import http.client
import os
import socket
import subprocess
import threading
import time

from diskvtest import Server, curl, main, test
from tracing import traced

LARGE = 3_000_001


def put_head(key, length, *headers):
    lines = [f"PUT /keys/{key} HTTP/1.1", "Host: h", f"Content-Length: {length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def connect(s):
    return socket.create_connection(("127.0.0.1", s.port), 20)


def read_answer(stream, method="PUT"):
    """Reads one answer off a connection's file: its status and its body."""
    status = int(stream.readline().split()[1])
    headers = http.client.parse_headers(stream)
    length = int(headers.get("Content-Length", 0)) if status != 204 else 0
    return status, stream.read(length)


@test
def requests_behind_large_bodies_on_one_connection_are_all_answered():
    bodies = [os.urandom(LARGE + n) for n in range(4)]
    requests = b"".join(put_head(n, len(body)) + body + f"GET /keys/{n} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
                        for n, body in enumerate(bodies))
    with Server() as s, connect(s) as c, c.makefile("rb") as stream:
        sender = threading.Thread(target=c.sendall, args=(requests,))
        sender.start()
        for body in bodies:
            assert read_answer(stream)[0] == 201
            assert read_answer(stream) == (200, body)
        sender.join()


@test
def a_body_that_comes_in_pieces_with_pauses_comes_whole():
    body = os.urandom(LARGE)
    with Server() as s, connect(s) as c, c.makefile("rb") as stream:
        c.sendall(put_head("a", LARGE))
        at = 0
        for size in (1, 8191, 16384, 262143, 300_000, 1_000_000, LARGE):
            c.sendall(body[at:at + size])
            at += size
            time.sleep(0.05)
        assert read_answer(stream)[0] == 201
        c.sendall(b"GET /keys/a HTTP/1.1\r\nHost: h\r\n\r\n")
        assert read_answer(stream) == (200, body)


@test
def many_uploads_at_once_of_one_loop_come_whole():
    body = os.urandom(LARGE)
    with Server("--threads", "1") as s:
        def put(n):
            with connect(s) as c, c.makefile("rb") as stream:
                c.sendall(put_head(n, LARGE) + body)
                statuses.append(read_answer(stream)[0])

        statuses = []
        threads = [threading.Thread(target=put, args=(n,)) for n in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [201] * 100, statuses
        for n in range(100):
            with open(os.path.join(s.dir, str(n)), "rb") as file:
                assert file.read() == body, n


@test
def an_upload_that_waits_for_a_compressor_comes_whole():
    body = os.urandom(LARGE) + bytes(LARGE)
    with Server("--compress", "gzip:1") as s:
        assert curl("-X", "PUT", "--data-binary", "@-", f"{s.url}/keys/a", input=body).status == 201
        assert curl(f"{s.url}/keys/a").body == body


@test
def a_value_named_by_its_hash_has_the_hash_of_all_of_a_large_body():
    body = os.urandom(LARGE)
    with Server() as s, connect(s) as c, c.makefile("rb") as stream:
        c.sendall(put_head("", LARGE).replace(b"PUT /keys/ ", b"POST /keys ") + body)
        assert read_answer(stream)[0] == 201
        key = hashlib.sha256(body).hexdigest()
        c.sendall(f"GET /keys/{key} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert read_answer(stream) == (200, body)


@test
def a_large_body_is_held_against_its_digest():
    body = os.urandom(LARGE)
    digest = subprocess.run(["openssl", "base64", "-A"], input=hashlib.sha256(body).digest(),
                            stdout=subprocess.PIPE, check=True).stdout.decode()
    for sent, status in ((body, 201), (body[:-1] + bytes([body[-1] ^ 1]), 422)):
        with Server() as s, connect(s) as c, c.makefile("rb") as stream:
            c.sendall(put_head("a", LARGE, f"Content-Digest: sha-256=:{digest}:") + sent)
            assert read_answer(stream)[0] == status
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")  # the connection goes on
            assert read_answer(stream)[0] == 200


@test
def a_large_body_that_ends_early_is_no_value():
    with Server() as s:
        for sent in (300_000, LARGE - 1):
            with connect(s) as c:
                c.sendall(put_head("a", LARGE) + bytes(sent))
                c.shutdown(socket.SHUT_WR)
                assert c.recv(1) == b""
        assert curl(f"{s.url}/keys/a").status == 404


@test
def a_large_body_that_is_refused_is_answered_and_leaves_no_trace():
    with Server("--max-value-bytes", 1 << 20) as s:
        for headers, status in (((), 413), (("If-Match: *",), 413)):
            with connect(s) as c, c.makefile("rb") as stream:
                c.sendall(put_head("a", LARGE, *headers))
                sender = threading.Thread(target=send_what_goes, args=(c, bytes(LARGE)))
                sender.start()
                assert read_answer(stream)[0] == status
                sender.join()
        assert curl("-X", "PUT", "--data-binary", "@-", f"{s.url}/keys/a", input=b"hello").status == 201


def send_what_goes(c, data):
    try:
        c.sendall(data)
    except ConnectionError:
        pass  # refused meanwhile


@test
def a_body_whose_condition_failed_meanwhile_is_412_and_the_connection_goes_on():
    with Server() as s, connect(s) as c, c.makefile("rb") as stream:
        c.sendall(put_head("a", LARGE, "If-None-Match: *") + bytes(LARGE // 2))
        end = time.monotonic() + 60
        while not os.listdir(f"{s.dir}/.diskv/tmp"):  # the upload has begun: a condition that fails before closes
            assert time.monotonic() < end
            time.sleep(0.01)
        assert curl("-X", "PUT", "--data-binary", "@-", f"{s.url}/keys/a", input=b"first").status == 201
        c.sendall(bytes(LARGE - LARGE // 2) + b"GET /keys/a HTTP/1.1\r\nHost: h\r\n\r\n")
        assert read_answer(stream)[0] == 412
        assert read_answer(stream) == (200, b"first")


@test
def a_large_body_takes_few_receives():
    with Server("--threads", "1") as s, connect(s) as c, c.makefile("rb") as stream:
        body = bytes(16 << 20)
        with traced(s, "-e", "trace=recvfrom") as trace:
            c.sendall(put_head("a", len(body)) + body)
            assert read_answer(stream)[0] == 201
        with open(trace) as file:
            sizes = [int(line.rsplit("= ", 1)[1]) for line in file if "= " in line and "= -1" not in line]
        assert sum(sizes) >= len(body)  # the trace is not blind
        assert sum(size for size in sizes if size <= 16384) < len(body) // 4


@test
def what_is_there_of_a_large_body_is_not_received_by_the_loop():
    with Server("--threads", "1") as s, connect(s) as c, c.makefile("rb") as stream:
        body = bytes(16 << 20)
        received = collections.Counter()
        with traced(s, "-e", "trace=recvfrom") as trace:
            c.sendall(put_head("a", len(body)) + body)
            assert read_answer(stream)[0] == 201
        with open(trace, encoding="utf-8", errors="replace") as file:
            lines = [line for line in file if "= " in line and "= -1" not in line]
        for line in lines:
            received[line.split()[0]] += int(line.rsplit("= ", 1)[1])
        loop = next(line.split()[0] for line in lines if "PUT /keys/a" in line)
        assert received.total() >= len(body)  # the trace is not blind
        assert received[loop] < len(body) // 4, received


@test
def a_large_body_for_which_the_disk_has_no_room_is_507_and_leaves_no_trace():
    with Server("--threads", "1") as s, connect(s) as c, c.makefile("rb") as stream:
        with traced(s, "-e", "trace=recvfrom,pwrite64", "-e", "inject=pwrite64:error=ENOSPC:when=20+"):
            c.sendall(put_head("a", 16 << 20))
            sender = threading.Thread(target=send_what_goes, args=(c, bytes(16 << 20)))
            sender.start()
            assert read_answer(stream)[0] == 507
            sender.join()
        assert curl(f"{s.url}/keys/a").status == 404
        assert os.listdir(os.path.join(s.dir, ".diskv", "tmp")) == []


if __name__ == "__main__":
    main()
