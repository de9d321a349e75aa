"""Connections are counted, limited and closed in time, and a listener is what the option says."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

from diskvtest import DISKV, Server, curl, main, raw, test


def connect(s):
    return socket.create_connection(("127.0.0.1", s.port), 20)


def ended(c):
    """What comes until the server closes."""
    answer = b""
    try:
        while piece := c.recv(65536):
            answer += piece
    except ConnectionResetError:
        pass
    return answer


def stats(s):
    return json.loads(curl(s.url + "/stats").body)


@test
def one_connection_too_many_is_503_and_the_others_go_on():
    with Server("--max-connections", 3, ready=False) as s:
        open_ones = [connect(s) for _ in range(3)]
        for c in open_ones:
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
            assert c.recv(1000).startswith(b"HTTP/1.1 200 ")
        refused = curl(s.url + "/healthz")
        assert refused.status == 503 and refused.headers["retry-after"] == "1"
        assert refused.headers["content-type"] == "application/problem+json"
        assert json.loads(refused.body)["status"] == 503
        open_ones[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert ended(open_ones[0]).startswith(b"HTTP/1.1 200 ")
        end = time.monotonic() + 20
        while curl(s.url + "/healthz").status != 200:
            assert time.monotonic() < end


@test
def as_many_requests_at_once_as_a_loop_takes_events_at_a_time_are_answered():
    with Server("--threads", 1) as s:
        clients = [connect(s) for _ in range(128)]
        for _ in range(3):
            os.kill(s.pid, signal.SIGSTOP)
            for c in clients:
                c.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
            os.kill(s.pid, signal.SIGCONT)
            for c in clients:
                assert c.recv(1000).startswith(b"HTTP/1.1 200 ")


@test
def an_idle_connection_is_closed():
    with Server("--idle-seconds", 1) as s:
        silent, used, slow = connect(s), connect(s), connect(s)
        used.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        slow.sendall(b"GE")
        assert ended(silent) == b"" and ended(used).endswith(b"ok\n")
        ended(slow)


@test
def a_request_that_trickles_in_is_cut():
    for beginning in (b"GET /keys/", b"GET /healthz HTTP/1.1\r\nHost: h\r\nX: ",
                      b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"):
        with Server("--idle-seconds", 2, "--request-seconds", 2) as s:
            c, end = connect(s), time.monotonic() + 20
            c.sendall(beginning)
            try:
                while True:
                    c.sendall(b"x")
                    time.sleep(0.05)
                    assert time.monotonic() < end, "it goes on for ever"
            except ConnectionError:
                pass
            assert curl(s.url + "/keys/a").status == 404


@test
def a_body_that_moves_fast_enough_may_take_longer_than_a_request_may():
    with Server("--request-seconds", 1, "--min-rate", 1000) as s:
        c = connect(s)
        c.sendall(b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nContent-Length: 40000\r\n\r\n")
        for _ in range(40):
            c.sendall(b"x" * 1000)
            time.sleep(0.1)
        assert c.recv(1000).startswith(b"HTTP/1.1 201 ")


@test
def a_client_that_does_not_read_is_cut():
    with Server("--request-seconds", 1, "--min-rate", 1000000) as s:
        with tempfile.TemporaryFile() as body:
            body.truncate(64 << 20)
            subprocess.run(["curl", "-sS", "-T", "-", s.url + "/keys/a"], stdin=body, check=True)
        c = connect(s)
        c.sendall(b"GET /keys/a HTTP/1.1\r\nHost: h\r\n\r\n")
        assert c.recv(1) == b"H"
        end = time.monotonic() + 60
        while stats(s)["requests"] > 1:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert len(ended(c)) < 64 << 20


@test
def a_client_that_left_in_mid_upload_is_forgotten():
    with Server() as s:
        for body in (b"", b"x", b"x" * 5000, b"x" * 500000):
            with connect(s) as c:
                c.sendall(b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
                c.sendall(body)
        end = time.monotonic() + 20
        while stats(s)["connections"] > 1:
            assert time.monotonic() < end, stats(s)
            time.sleep(0.1)


@test
def clients_that_leave_at_any_point_leave_nothing_behind():
    body = os.urandom(300000)
    requests = [b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
                b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n"
                % len(body) + body + b"\r\n0\r\n\r\n",
                b"GET /keys/a HTTP/1.1\r\nHost: h\r\n\r\n",
                b"GET /keys HTTP/1.1\r\nHost: h\r\n\r\n"]
    with Server() as s:
        for _ in range(10):
            for request in requests:
                with connect(s) as c:
                    c.sendall(request[:len(request) - 1])
                with connect(s) as c:
                    c.sendall(request)
        end = time.monotonic() + 20
        while stats(s)["connections"] > 1:
            assert time.monotonic() < end, stats(s)
            time.sleep(0.1)
        assert curl(s.url + "/keys/a").body == body


@test
def the_server_survives_running_out_of_descriptors():
    with Server() as s:
        limits = [str(len(os.listdir(f"/proc/{s.pid}/fd")) + 4)] * 2
        subprocess.run(["prlimit", "--pid", str(s.pid), "--nofile=" + ":".join(limits)], check=True)
        crowd = [connect(s) for _ in range(20)]
        time.sleep(0.2)
        for c in crowd:
            c.close()
        assert curl("--max-time", "20", s.url + "/healthz").status == 200


def serve(*listen, dir):
    """A server of one's own with these listeners and its ready line."""
    options = [word for address in listen for word in ("--listen", address)]
    process = subprocess.Popen([DISKV, "serve", *options, dir], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    return process, process.stdout.readline()


@test
def a_unix_socket_and_ipv6_serve_beside_ipv4():
    with tempfile.TemporaryDirectory() as dir:
        path = os.path.join(dir, "socket")
        process, line = serve("127.0.0.1:0", f"unix:{path}", "[::1]:0", dir=dir + "/data")
        try:
            four, unix, six = line.strip().split(" on ")[1].split(", ")
            assert unix == f"unix:{path}" and six.startswith("http://[::1]:")
            for options in ([four], [six], ["--unix-socket", path, "http://localhost"]):
                assert curl(*options[:-1], options[-1] + "/healthz").status == 200
            process.terminate()
            assert process.wait(30) == 0
            assert not os.path.exists(path)
        finally:
            process.kill()
            process.communicate()


@test
def a_stale_unix_socket_is_replaced_and_a_live_one_or_a_file_is_not():
    with tempfile.TemporaryDirectory() as dir:
        path = os.path.join(dir, "socket")
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(path)
        stale.close()
        process, line = serve(f"unix:{path}", dir=dir + "/data")
        try:
            assert path in line
            other, line = serve(f"unix:{path}", dir=dir + "/other")
            other.communicate()
            assert (line, other.returncode) == ("", 1)
            assert curl("--unix-socket", path, "http://h/healthz").status == 200
            with open(dir + "/file", "w", encoding="ascii") as file:
                file.write("mine")
            third, line = serve(f"unix:{dir}/file", dir=dir + "/other")
            third.communicate()
            assert line == "" and os.path.getsize(dir + "/file") == 4
        finally:
            process.kill()
            process.communicate()


@test
def an_address_that_cannot_be_listened_on_ends_the_server_with_a_line():
    with Server() as s, tempfile.TemporaryDirectory() as dir:
        for address in (f"127.0.0.1:{s.port}", "127.0.0.1", "127.0.0.1:99999", "::1:80", ":80",
                        "no.such.host.invalid:80", "unix:", "unix:/no/such/dir/socket"):
            process, line = serve(address, dir=dir)
            stderr = process.communicate()[1]
            assert line == "" and process.returncode in (1, 2), (address, line)
            assert address in stderr, (address, stderr)


@test
def a_connection_survives_errors():
    with Server() as s:
        answer = raw(s.port, b"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\nGET /keys/%ff HTTP/1.1\r\n"
                             b"Host: h\r\n\r\nGET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"404", b"400", b"200"]


if __name__ == "__main__":
    main()
