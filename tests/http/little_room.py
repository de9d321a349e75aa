"""Answers whose socket takes only some of them at once."""
import os
import re

from client import Client
from diskvtest import Server, main, skip, test
from network import enter_own_network
from rawhttp import request
from tracing import traced

SIZES = (65536, 131072, 1, 100000, 4096, 300000)
VALUE = os.urandom(max(SIZES))


def limit(name, value):
    """For sockets of this network."""
    with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
        file.write(value)


def server():
    """One whose sockets have little room, and values of all sizes."""
    try:
        enter_own_network()
        limit("tcp_wmem", "4096 16384 16384")
    except OSError as error:
        skip(f"needs a network of its own: {error}")
    s = Server("--threads", "1", "--cache-bytes", "0")
    for size in SIZES:
        with open(f"{s.dir}/{size}", "wb") as file:
            file.write(VALUE[:size])
    return s


def get(key, *fields):
    return request("GET", f"/keys/{key}", *fields)


def values_are_whole(s):
    client = Client(s)
    for _ in range(20):
        for size in SIZES:
            assert client.ask(get(size))[2] == VALUE[:size], size
            if size > 7:
                range_of = f"Range: bytes=7-{size - 1}"
                assert client.ask(get(size, range_of))[2] == VALUE[7:size], size


@test
def they_are_whole():
    with server() as s:
        values_are_whole(s)
        with traced(s, "-e", "trace=recvfrom,sendto,sendmsg,sendfile") as trace:
            values_are_whole(s)
        with open(trace, encoding="utf-8", errors="replace") as file:
            calls = re.findall(r"^\d+ +(sendto|sendfile)\(.*?(EAGAIN|HTTP/1.1 20[06]|$)", file.read(), re.M)
        begun = zip(calls, calls[1:])
        assert any(first == ("sendto", "HTTP/1.1 200") and second[0] == "sendfile" for first, second in begun), calls
        assert ("sendfile", "EAGAIN") in calls


@test
def so_they_are_where_the_kernel_is_to_take_little_that_is_not_sent_yet():
    with server() as s:
        limit("tcp_notsent_lowat", "4096")
        values_are_whole(s)


def begun(s, key):
    """The answer as far as it comes, to a request that is like the one before it."""
    client = Client(s)
    client.ask(get(1))
    client.send(get(key))
    got = b""
    while not got.endswith(VALUE[:key][-100:]) and (piece := client.socket.recv(65536)):
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    return body


@test
def one_that_cannot_be_ended_as_it_was_begun_is_cut():
    with server() as s:
        with traced(s, "-e", "trace=fcntl,sendto,sendmsg,sendfile", "-e", "inject=fcntl:error=EMFILE",
                    "-e", "inject=sendfile:error=EAGAIN"):
            bodies = {size: [begun(s, size) for _ in range(5)] for size in (65536, 131072)}
        for size, begins in bodies.items():
            assert all(VALUE.startswith(body) for body in begins)
            assert min(map(len, begins)) < size  # a whole one was not begun: a second had just ended


if __name__ == "__main__":
    main()
