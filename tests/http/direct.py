"""A request that is like an earlier one but for its key is answered as it would be by itself."""
import os
import re
import threading
import time

from client import Client
from diskvtest import Server, curl, main, test
from tracing import traced

SIZES = (0, 1, 4096, 8192, 8193, 100000)
FIELDS = ("", "Connection: keep-alive\r\n", "Accept-Encoding: gzip, br\r\n", "X-Long: " + "x" * 1500 + "\r\n")


def get(path, fields="", version="1.1"):
    return f"GET {path} HTTP/{version}\r\nHost: h\r\n{fields}\r\n".encode()


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
        put(s, key, b"x" * size, *(word for field in fields for word in ("-H", field)))
    for key, kind in (("foreign", b"text/x-play"), ("ill-typed", b"a\r\nInjected: yes")):
        with open(f"{s.dir}/{key}", "wb") as file:
            file.write(b"by another program")
        os.setxattr(f"{s.dir}/{key}", "user.mime_type", kind)
    time.sleep(0.2)  # what changed a moment ago is not cached
    return [*keys, "foreign", "ill-typed"]


def known(s, fields=""):
    """A client that has sent such a request in this second, more or less."""
    client = Client(s)
    client.ask(get("/keys/by-its-name.css", fields))
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
                request = get(path, fields)
                same(known(s, fields).ask(request), Client(s).ask(request))


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
            fields = f"Origin: {origin}\r\n"
            answer = known(s, fields).ask(get("/keys/packed", fields))
            assert ("access-control-allow-origin" in answer[1]) == allowed, answer


@test
def most_such_requests_do_not_reach_libmicrohttpd_which_sends_by_sendmsg():
    with Server("--threads", "1") as s:
        for i in range(100):
            put(s, f"k{i}", b"%d" % i)
        with traced(s, "-s", "200", "-e", "trace=recvfrom,sendto,sendmsg") as trace:
            client = Client(s)
            for i in range(100):
                assert client.ask(get(f"/keys/k{i}"))[2] == b"%d" % i
        with open(trace, encoding="utf-8", errors="replace") as file:
            sent = re.findall(r"(send\w+)\(\d+, .*HTTP/1.1 200 ", file.read())
        assert sent.count("sendto") >= 50, sent


@test
def a_value_that_libmicrohttpd_has_to_send_is_opened_once_all_the_same():
    with Server("--threads", "1", "--no-watch") as s:
        for i in range(20):
            put(s, f"large{i}", b"x" * 20000)
        with traced(s, "-e", "trace=recvfrom,openat2") as trace:
            client = Client(s)
            for i in range(20):
                assert len(client.ask(get(f"/keys/large{i}"))[2]) == 20000
        with open(trace, encoding="utf-8", errors="replace") as file:
            assert len(re.findall(r'openat2\(\d+, "large', file.read())) == 20


@test
def so_is_one_whose_client_has_not_taken_what_came_before():
    count = 60
    with Server("--threads", "1", "--no-watch", "--cache-bytes", "0") as s:
        for i in range(count):
            put(s, f"k{i}", b"x" * 8192)
        with traced(s, "-e", "trace=recvfrom,openat2") as trace:
            client = Client(s, receive_bytes=4096)
            for i in range(count):
                client.send(get(f"/keys/k{i}"))
                time.sleep(0.02)  # else several come at once, which libmicrohttpd answers
            assert [len(client.answer()[2]) for _ in range(count)] == [8192] * count
        with open(trace, encoding="utf-8", errors="replace") as file:
            assert len(re.findall(r'openat2\(\d+, "k\d+"', file.read())) == count


@test
def a_request_that_asks_for_more_gets_that():
    with Server() as s:
        fill(s)
        tag = curl("-I", s.url + "/keys/packed").headers["etag"]
        for fields, status in (("Range: bytes=0-9\r\n", 206), (f"If-None-Match: {tag}\r\n", 304),
                               ('If-Match: "no"\r\n', 412), ("Accept-Encoding: identity;q=0\r\n", 406)):
            for key in ("packed", "of-4096", "packed"):
                client = known(s, fields)
                expected = 200 if status == 304 and key != "packed" else status
                assert client.ask(get(f"/keys/{key}", fields))[0] == expected, (fields, key)
        fields = "Want-Repr-Digest: sha-256=1\r\n"
        assert known(s, fields).ask(get("/keys/packed", fields))[1]["repr-digest"].startswith("sha-256=:")


@test
def what_closes_the_connection_closes_it():
    with Server() as s:
        fill(s)
        for request in (get("/keys/packed", version="1.0"), get("/keys/packed", "Connection: close\r\n")):
            for _ in range(2):
                client = known(s)
                assert client.ask(request)[0] == 200 and client.socket.recv(1) == b""


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


@test
def a_client_that_asks_far_ahead_of_reading_gets_every_answer():
    count = 3000
    with Server("--threads", "1") as s:
        fill(s)
        client = known(s)
        asking = threading.Thread(
            target=lambda: [client.send(get(f"/keys/{key}")) for _ in range(count) for key in ("of-8192", "of-1")])
        asking.start()
        time.sleep(0.5)
        for _ in range(count):
            assert [len(client.answer()[2]) for _ in range(2)] == [8192, 1]
        asking.join()


if __name__ == "__main__":
    main()
