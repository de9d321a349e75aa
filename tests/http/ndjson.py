"""GET /keys as application/x-ndjson: a line per key, however many there are."""
import json
import os
import socket

from diskvtest import Server, curl, main, test


def fill(s, *keys):
    for key in keys:
        assert curl("-T", "-", f"{s.url}/keys/{key}", input=key.encode()).status == 201


def filled(directory, count):
    """Makes the files of `count` keys before a server sees the directory; the keys in order."""
    for number in range(count):
        if number % 1000 == 0:
            os.makedirs(f"{directory}/{number // 1000:03}")
        with open(f"{directory}/{number // 1000:03}/{number:06}", "wb"):
            pass
    return [f"{number // 1000:03}/{number:06}" for number in range(count)]


def lines(s, query="", *args):
    answer = curl(*args, f"{s.url}/keys?format=ndjson&{query}")
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.body == b"" or answer.body.endswith(b"\n")
    return [json.loads(line) for line in answer.body.splitlines()]


def keys(s, query=""):
    return [line["key"] for line in lines(s, query)]


@test
def each_line_is_the_item_of_the_json_page():
    with Server() as s:
        fill(s, "a", "b.txt", "c/d", "%22%0A%E2%80%A8")
        assert lines(s) == json.loads(curl(s.url + "/keys").body)["keys"]


@test
def the_accept_header_asks_for_it_too_and_the_parameter_wins():
    accept = ("-H", "Accept: application/x-ndjson")
    with Server() as s:
        fill(s, "a")
        for path in ("/keys", "/keys/"):
            answer = curl(*accept, s.url + path)
            assert answer.headers["content-type"] == "application/x-ndjson"
            assert answer.headers["vary"] == "Accept, Accept-Encoding"
            assert answer.headers["cache-control"] == "no-store"
            answer = curl(*accept, s.url + path + "?format=json")
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["vary"] == "Accept, Accept-Encoding"
        for header in ("application/json", "*/*", "application/*", "application/x-ndjson;q=0"):
            answer = curl("-H", f"Accept: {header}", s.url + "/keys")
            assert answer.headers["content-type"] == "application/json", header


@test
def a_format_that_there_is_not_is_400():
    with Server() as s:
        for name in ("xml", "", "JSON", "ndjson%00", "%zz", "a-name-that-is-long"):
            answer = curl(f"{s.url}/keys?format={name}")
            assert answer.status == 400, name
            assert "format" in json.loads(answer.body)["detail"]


@test
def an_empty_store_is_no_line():
    with Server() as s:
        assert lines(s) == []


@test
def a_prefix_narrows_and_folded_prefixes_are_lines_of_their_own():
    with Server() as s:
        fill(s, "a/1", "a/2", "a/b/3", "b", "c/4")
        assert keys(s, "prefix=a/") == ["a/1", "a/2", "a/b/3"]
        assert keys(s, "from=a/1") == ["a/2", "a/b/3", "b", "c/4"]
        folded = lines(s, "delimiter=/")
        assert [line.get("key") for line in folded] == [None, "b", None]
        assert folded[0] == {"prefix": "a/"} and folded[2] == {"prefix": "c/"}


@test
def all_keys_come_unless_a_limit_says_otherwise(count=2100):
    with Server() as s:
        s.stop()
        expected = filled(s.dir, count)
        with Server(dir=s.dir) as full:
            assert keys(full) == expected
            for limit in (1, 999, 1000, 1001, 2100, 10**17):
                assert keys(full, f"limit={limit}") == expected[:limit], limit
            for limit in ("0", "-1", "x", ""):
                assert curl(f"{full.url}/keys?format=ndjson&limit={limit}").status == 400, limit


@test
def head_has_the_headers_of_get_and_no_body():
    with Server() as s:
        fill(s, "a")
        answer = curl("-I", s.url + "/keys?format=ndjson")
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert "content-length" not in answer.headers


@test
def a_client_that_leaves_half_way_leaves_nothing_behind():
    with Server() as s:
        s.stop()
        filled(s.dir, 3000)
        with Server(dir=s.dir) as full:
            for _ in range(5):
                with socket.create_connection(("127.0.0.1", full.port), 10) as client:
                    client.sendall(b"GET /keys?format=ndjson HTTP/1.1\r\nHost: a\r\n\r\n")
                    assert client.recv(64).startswith(b"HTTP/1.1 200")
            for _ in range(100):
                stats = json.loads(curl(full.url + "/stats").body)
                if stats["requests"] == 1:
                    break
            assert stats["requests"] == 1  # that one


if __name__ == "__main__":
    main()
