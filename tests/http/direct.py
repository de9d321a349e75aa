"""A request that is like an earlier one but for its key, or its range, is answered as it would be by itself."""
import functools
import os
import re
import threading
import time
from contextlib import contextmanager

from client import Client
from diskvtest import Server, curl, main, test
from rawhttp import request
from tracing import traced

SIZES = (0, 1, 4096, 8192, 8193, 65535, 65536, 100000, 131072, 131073, 1048576, 1048577)
RANDOM = os.urandom(SIZES[-1])
FIELDS = ((), ("Connection: keep-alive",), ("Accept-Encoding: gzip, br",), ("X-Long: " + "x" * 1500,))
RANGES = ("0-0", "0-8191", "100-9000", "5-65540", "4096-69631", "1-131071", "0-131072", "70000-", "-70000", "-1", "-0",
          "5-4", "1000000-", "-", "0-0,5-5", "0-0, 70000-80000", " 0-9", "0-9 ", "0-9;", "0x1-9", "1-2-3",
          "0-99999999999999999999", "99999999999999999999-", "0" * 60 + "-9", "", "\x01-9",
          "0-9\nAccept-Encoding: gzip")

get = functools.partial(request, "GET")


def put(s, key, body, *options):
    assert curl("-T", "-", *options, f"{s.url}/keys/{key}", input=body).status == 201


def fill(s):
    """Puts values of all kinds; their keys as URLs have them."""
    keys = {"typed.html": ["Content-Type: text/x-own"], "by-its-name.css": [], "packed": [],
            "with-fields": ["X-Meta-One: 1", "Content-Language: en", "Content-Disposition: inline"],
            "with-a-rule": ["Cache-Control: no-store"], "coded": ["Content-Encoding: br"],
            "a%20folder/k%C3%A4se%3F": [], **{f"of-{size}": [] for size in SIZES}}
    for key, fields in keys.items():
        size = int(key[3:]) if key.startswith("of-") else 2000
        put(s, key, RANDOM[:size], *(word for field in fields for word in ("-H", field)))
    for key, kind in (("foreign", b"text/x-play"), ("ill-typed", b"a\r\nInjected: yes")):
        with open(f"{s.dir}/{key}", "wb") as file:
            file.write(b"by another program")
        os.setxattr(f"{s.dir}/{key}", "user.mime_type", kind)
    time.sleep(0.2)  # what changed a moment ago is not cached
    return [*keys, "foreign", "ill-typed"]


def known(s, *fields):
    """A client that has sent such a request in this second, more or less."""
    client = Client(s)
    client.ask(get("/keys/by-its-name.css", *fields))
    return client


def same(answer, expected):
    """In all but the date, and in the order of the fields."""
    for one in (answer, expected):
        one[1]["date"] = ""
    assert answer == expected and list(answer[1]) == list(expected[1]), (answer, expected)


def same_as_alone(*options):
    with Server(*options) as s:
        keys = fill(s)
        for fields in FIELDS:
            for path in (*(f"/keys/{key}" for key in keys), "/keys/missing", "/keys/%zz", "/keys/%00", "/keys/",
                         "/keys/packed?meta", "/keys/packed?download"):
                asked = get(path, *fields)
                same(known(s, *fields).ask(asked), Client(s).ask(asked))


@test
def the_answer_is_that_to_a_request_of_its_own():
    same_as_alone()


@test
def so_it_is_of_a_store_that_compresses():
    same_as_alone("--compress", "gzip")


@test
def so_it_is_where_a_rule_gives_cache_control_and_nothing_is_cached():
    same_as_alone("--cache-control", "with*=max-age=60", "--cache-bytes", "0")


@test
def so_it_is_where_pages_of_other_origins_may_read():
    same_as_alone("--cors-origin", "https://a.example", "--cors-origin", "*")
    with Server("--cors-origin", "https://a.example") as s:
        fill(s)
        for origin, allowed in (("https://a.example", True), ("https://b.example", False)):
            field = f"Origin: {origin}"
            answer = known(s, field).ask(get("/keys/packed", field))
            assert ("access-control-allow-origin" in answer[1]) == allowed, answer


def ranges_same_as_alone(*options):
    keys = ("by-its-name.css", "with-fields", "coded", "of-0", "of-8192", "of-65536", "of-131072", "of-131073", "missing")
    with Server(*options) as s:
        fill(s)
        for name in ("Range: bytes=", "range: bytes=", "Range: Bytes=", "Range:bytes=", "Range: lines=",
                     "Accept-Encoding: gzip\r\nRange: bytes=", "Range: bytes=1-1\r\nRange: bytes=",
                     'If-Range: "no"\r\nRange: bytes=', "X-Own: \r\nRange: x"):
            client = Client(s)
            for key in keys:
                for one in RANGES:
                    asked = get(f"/keys/{key}", f"{name}{one}")
                    client.ask(get("/keys/of-8192", f"{name}2-3"))
                    answer, alone = client.ask(asked), Client(s).ask(asked)
                    for found in (answer, alone):  # a boundary is new each time
                        parted = found[1]["content-type"].partition("; boundary=")
                        found[1]["content-type"] = parted[0]
                    if parted[1]:
                        assert len(answer[2]) == len(alone[2])
                    else:
                        same(answer, alone)
                    if answer[1].get("connection") == "close":
                        client = Client(s)


@test
def the_answer_to_a_range_is_that_to_a_request_of_its_own():
    ranges_same_as_alone("--cache-bytes", "0")


@test
def so_it_is_where_values_are_cached():
    ranges_same_as_alone()


@test
def so_it_is_of_ranges_in_a_store_that_compresses():
    ranges_same_as_alone("--compress", "gzip")


@contextmanager
def matches(s, calls, pattern, *options):
    """What the pattern finds in a trace of some calls that the block takes."""
    found = []
    with traced(s, "-s", "200", "-e", f"trace=recvfrom,{calls}", *options) as trace:
        yield found
    with open(trace, encoding="utf-8", errors="replace") as file:
        found += re.findall(pattern, file.read())


@test
def most_such_requests_do_not_reach_libmicrohttpd_which_sends_by_sendmsg():
    with Server("--threads", "1") as s:
        for i in range(100):
            put(s, f"k{i}", b"%d" % i)
        with matches(s, "sendto,sendmsg", r"(send\w+)\(\d+, .*HTTP/1.1 200 ") as sent:
            client = Client(s)
            for i in range(100):
                assert client.ask(get(f"/keys/k{i}"))[2] == b"%d" % i
        assert sent.count("sendto") >= 50, sent


@test
def ranges_are_not_given_to_libmicrohttpd_either():
    with Server("--threads", "1") as s:
        put(s, "k", RANDOM)
        with matches(s, "sendto,sendmsg", r"(send\w+)\(\d+, .*HTTP/1.1 206 ") as sent:
            client = Client(s)
            for i in range(100):
                size = (1, 8192, 65536, 131072)[i % 4]
                assert client.ask(get("/keys/k", f"Range: bytes={i}-{i + size - 1}"))[2] == RANDOM[i:i + size]
        assert sent.count("sendto") >= 50, sent


@test
def a_value_that_libmicrohttpd_has_to_send_is_opened_once_all_the_same():
    with Server("--threads", "1", "--no-watch") as s:
        for i in range(20):
            put(s, f"large{i}", b"x" * 20000)
        with matches(s, "openat2", r'openat2\(\d+, "large') as opened:
            client = Client(s)
            for i in range(20):
                assert len(client.ask(get(f"/keys/large{i}"))[2]) == 20000
        assert len(opened) == 20


@test
def so_is_one_whose_client_has_not_taken_what_came_before():
    count = 60
    with Server("--threads", "1", "--no-watch", "--cache-bytes", "0") as s:
        for i in range(count):
            put(s, f"k{i}", b"x" * 8192)
        with matches(s, "openat2", r'openat2\(\d+, "k\d+"') as opened:
            client = Client(s, receive_bytes=4096)
            for i in range(count):
                client.send(get(f"/keys/k{i}"))
                time.sleep(0.02)  # else several come at once, which libmicrohttpd answers
            assert [len(client.answer()[2]) for _ in range(count)] == [8192] * count
        assert len(opened) == count


@test
def a_cached_value_that_the_socket_has_no_room_for_is_sent_to_its_end():
    """Such large ones are cached where the file system cannot tell what is in memory."""
    with Server("--threads", "1") as s:
        fill(s)
        with matches(s, "sendto,sendmsg,preadv2", r"sendmsg\(\d+, .*HTTP/1.1 200 .*ETag.* = (\d+)",
                     "-e", "inject=preadv2:error=EOPNOTSUPP") as sent:
            for _ in range(3):
                curl(s.url + "/keys/of-1048576")
            for _ in range(10):
                client = Client(s, segment_bytes=1400)  # as in a network: the socket's memory goes by that
                for size in 8193, 1048576:
                    assert client.ask(get(f"/keys/of-{size}"))[2] == RANDOM[:size]
        assert any(10000 < int(n) < 1048576 for n in sent), sent


@test
def what_is_not_in_memory_is_waited_for_as_ever():
    with Server("--threads", "1", "--cache-bytes", "0") as s:
        fill(s)
        with traced(s, "-e", "trace=preadv2,sendto,sendmsg", "-e", "inject=preadv2:error=EAGAIN"):
            client = known(s)
            for size in SIZES:
                assert client.ask(get(f"/keys/of-{size}"))[2] == RANDOM[:size]


@test
def a_connection_whose_file_becomes_shorter_while_it_is_sent_is_cut():
    with Server("--threads", "1", "--cache-bytes", "0") as s:
        fill(s)
        with traced(s, "-e", "trace=sendfile,sendto,sendmsg", "-e", "inject=sendfile:retval=0"):
            client = known(s)
            client.send(get("/keys/of-65536"))
            got = b""
            while piece := client.socket.recv(65536):
                got += piece
            assert got.startswith(b"HTTP/1.1 200 ") and len(got) < 65536


@test
def a_request_that_asks_for_more_gets_that():
    with Server() as s:
        fill(s)
        tag = curl("-I", s.url + "/keys/packed").headers["etag"]
        for field, status in (("Range: bytes=0-9", 206), (f"If-None-Match: {tag}", 304),
                              ('If-Match: "no"', 412), ("Accept-Encoding: identity;q=0", 406)):
            for key in ("packed", "of-4096", "packed"):
                client = known(s, field)
                expected = 200 if status == 304 and key != "packed" else status
                assert client.ask(get(f"/keys/{key}", field))[0] == expected, (field, key)
        field = "Want-Repr-Digest: sha-256=1"
        assert known(s, field).ask(get("/keys/packed", field))[1]["repr-digest"].startswith("sha-256=:")


@test
def what_closes_the_connection_closes_it():
    with Server() as s:
        fill(s)
        for asked in (get("/keys/packed", version="1.0"), get("/keys/packed", "Connection: close")):
            for _ in range(2):
                client = known(s)
                assert client.ask(asked)[0] == 200 and client.socket.recv(1) == b""


@test
def no_byte_gets_through_that_no_target_may_hold():
    with Server() as s:
        fill(s)
        for path in ("/keys/a b", "/keys/a\r\nX: y", "/keys/a#b", "/keys/a\x01", '/keys/"', "/keys/a\0b"):
            client = known(s)
            assert client.ask(get(path))[0] == 400, path


@test
def a_value_that_changes_is_seen_at_once():
    with Server() as s:
        fill(s)
        client = known(s)
        for i in range(20):
            with open(f"{s.dir}/k{i}", "wb") as file:
                file.write(b"%d" % i)
            assert client.ask(get(f"/keys/k{i}"))[2] == b"%d" % i
            os.unlink(f"{s.dir}/k{i}")
            assert client.ask(get("/keys/packed"))[0] == 200
            assert client.ask(get(f"/keys/k{i}"))[0] == 404


def ask_ahead(sizes, count, pause):
    """Asks for values of such sizes in turn, so often, and takes none before a second has passed."""
    with Server("--threads", "1") as s:
        fill(s)
        client = known(s)

        def ask():
            for size in sizes * count:
                client.send(get(f"/keys/of-{size}"))
                time.sleep(pause)  # else several come at once, which libmicrohttpd answers

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(1)
        for size in sizes * count:
            assert client.answer()[2] == RANDOM[:size]
        asking.join()


@test
def a_client_that_asks_far_ahead_of_reading_gets_every_answer():
    ask_ahead((8192, 1), 3000, 0)


@test
def so_does_one_that_asks_for_more_than_its_socket_has_room_for():
    ask_ahead((65536, 131072, 1, 100000), 40, 0.002)


if __name__ == "__main__":
    main()
