"""PATCH /keys/<key>?meta: a JSON merge patch (RFC 7396) of what is kept beside a value."""
import http.client
import json
import os
import random
import socket
import threading
import time

from diskvtest import Server, curl, main, test
from rawhttp import Connection, request

TYPE = "application/merge-patch+json"
BINARY = "application/octet-stream"


def put(s, key, body, *options):
    answer = curl("-T", "-", *options, f"{s.url}/keys/{key}", input=body)
    assert answer.status in (201, 204), answer
    return answer


def get(s, key, *options):
    return curl(*options, f"{s.url}/keys/{key}")


def patch(s, key, change, *options, type=TYPE):
    text = change if isinstance(change, bytes) else json.dumps(change).encode()
    return curl("-X", "PATCH", "-H", f"Content-Type: {type}", "--data-binary", "@-", *options,
                f"{s.url}/keys/{key}?meta", input=text)


def kept(s, key):
    """The type of a value and the fields that are kept with it."""
    meta = json.loads(get(s, key + "?meta").body)
    return {name: value for name, value in meta.items() if name not in ("key", "size", "modified", "etag")}


@test
def what_is_named_is_set_what_is_null_is_removed_and_the_rest_stays():
    with Server() as s:
        put(s, "a", b"hello", "-H", "X-Meta-A: 1", "-H", "X-Meta-B: 2", "-H", "Cache-Control: no-cache")
        for change, after in (
                ({"x-meta-a": "new"}, {"x-meta-a": "new", "x-meta-b": "2", "cache-control": "no-cache", "type": BINARY}),
                ({"x-meta-b": None}, {"x-meta-a": "new", "cache-control": "no-cache", "type": BINARY}),
                ({"x-meta-none": None}, {"x-meta-a": "new", "cache-control": "no-cache", "type": BINARY}),
                ({"type": "text/plain"}, {"x-meta-a": "new", "cache-control": "no-cache", "type": "text/plain"}),
                ({"type": "text/html", "X-META-C": "grün", "cache-control": None, "content-language": "de",
                  "content-disposition": "inline", "content-encoding": "br"},
                 {"x-meta-a": "new", "x-meta-c": "grün", "content-language": "de", "content-disposition": "inline",
                  "content-encoding": "br", "type": "text/html"}),
                ({}, {"x-meta-a": "new", "x-meta-c": "grün", "content-language": "de", "content-disposition": "inline",
                      "content-encoding": "br", "type": "text/html"}),
                ({"type": None, "x-meta-a": None, "x-meta-c": "", "content-language": None, "content-disposition": None,
                  "content-encoding": None}, {"type": BINARY})):
            answer = patch(s, "a", change)
            assert (answer.status, answer.body) == (204, b""), (change, answer)
            assert kept(s, "a") == after, change
            headers = get(s, "a").headers
            assert headers["content-type"] == after["type"]
            for name in set(after) - {"type"}:
                assert headers[name].encode("latin-1").decode() == after[name]


@test
def the_answer_has_the_new_etag_and_bytes_and_times_stay():
    with Server() as s:
        old = put(s, "a", b"hello")
        before, modified = os.stat(f"{s.dir}/a"), get(s, "a").headers["last-modified"]
        answer = patch(s, "a", {"x-meta-a": "1"})
        after, value = os.stat(f"{s.dir}/a"), get(s, "a")
        assert answer.headers["etag"] == value.headers["etag"] != old.headers["etag"]
        assert answer.headers["last-modified"] == value.headers["last-modified"] == modified
        assert value.body == b"hello"
        assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
        assert put(s, "b", b"hello", "-H", "X-Meta-A: 1").headers["etag"] == answer.headers["etag"]
        assert patch(s, "a", {"x-meta-a": None}).headers["etag"] == old.headers["etag"]


@test
def it_outlives_a_restart_and_the_listing_agrees():
    with Server() as s:
        put(s, "a", b"hello")
        tag = patch(s, "a", {"type": "text/css", "x-meta-a": "1"}).headers["etag"]
        item, = json.loads(curl(s.url + "/keys").body)["keys"]
        assert (f'"{item["etag"]}"', item["type"]) == (tag, "text/css")
        assert s.stop() == 0
        with Server(dir=s.dir) as again:
            assert kept(again, "a") == {"type": "text/css", "x-meta-a": "1"}
            assert get(again, "a").headers["etag"] == tag


@test
def a_value_that_lies_compressed_is_still_read():
    body = b"all work and no play\n" * 10_000
    for codec in ("gzip", "zlib"):
        with Server("--compress", codec) as s:
            put(s, "a", body)
            for i in range(3):
                tag = patch(s, "a", {"x-meta-a": str(i), "type": f"text/x-{i}"}).headers["etag"]
                answer = get(s, "a")
                assert (answer.body, answer.headers["x-meta-a"], answer.headers["etag"]) == (body, str(i), tag)
            assert get(s, "a", "-H", "Range: bytes=21-40").body == body[21:41]


@test
def a_file_of_another_program_takes_fields_too():
    with Server() as s:
        with open(f"{s.dir}/a", "wb") as file:
            file.write(b"by hand")
        answer = patch(s, "a", {"x-meta-a": "1", "type": "text/plain"})
        assert answer.status == 204
        value = get(s, "a")
        assert (value.body, value.headers["x-meta-a"], value.headers["content-type"]) == (b"by hand", "1", "text/plain")
        assert value.headers["etag"] == answer.headers["etag"]


@test
def conditions_are_honoured_and_what_fails_them_changes_nothing():
    past = "Sun, 06 Nov 1994 08:49:37 GMT"
    with Server() as s:
        tag = put(s, "a", b"hello").headers["etag"]
        for condition in ('If-Match: "x"', "If-None-Match: *", f"If-None-Match: {tag}", f"If-Unmodified-Since: {past}"):
            assert patch(s, "a", {"x-meta-a": "no"}, "-H", condition).status == 412, condition
        assert (kept(s, "a"), get(s, "a").headers["etag"]) == ({"type": BINARY}, tag)
        for condition in ("If-Match: %s", 'If-Match: "x", W/%s', "If-Match: *", 'If-None-Match: "x"',
                          "If-Unmodified-Since: Fri, 31 Dec 2199 23:59:59 GMT"):
            condition = condition % tag if "%" in condition else condition
            answer = patch(s, "a", {"x-meta-a": condition}, "-H", condition)
            assert answer.status == 204, condition
            old, tag = tag, answer.headers["etag"]
        assert patch(s, "a", {"x-meta-a": "no"}, "-H", f"If-Match: {old}").status == 412
        assert patch(s, "a", {"x-meta-a": "no"}, "-H", "If-Match: broken").status == 400
        assert kept(s, "a")["x-meta-a"] == condition


@test
def a_missing_key_is_404_and_none_is_made():
    with Server() as s:
        for options in ([], ["-H", "If-Match: *"], ["-H", "If-None-Match: *"]):
            answer = patch(s, "a", {"x-meta-a": "1"}, *options)
            assert answer.status == 404 and answer.headers["content-type"] == "application/problem+json"
        assert patch(s, "%ff", {"x-meta-a": "1"}).status == 400
        assert json.loads(curl(s.url + "/keys").body)["keys"] == []


WRONG = [
    b"", b"null", b"1", b'"x"', b"[]", b'["x-meta-a"]', b"true",  # no object
    b"{", b"{}}", b'{"x-meta-a":"1",}', b"{'x-meta-a':'1'}", b'{"x-meta-a":"1"}{}', b'{"x-meta-a":"\xff"}', b"x-meta-a=1",
    b'{"x-meta-a":"1"} x', b'{"x-meta-a":"\\ud800"}', b"[" * 10_000, b'{"a":' * 3000,
    b'{"x-meta-a":1}', b'{"x-meta-a":true}', b'{"x-meta-a":["1"]}', b'{"x-meta-a":{}}', b'{"type":7}',  # no strings
    b'{"x-meta-a":"1","x-meta-a":"2"}', b'{"type":"a/b","type":"a/b"}',
    b'{"key":"b"}', b'{"size":"1"}', b'{"modified":"now"}', b'{"etag":"x"}', b'{"etag":null}',
    b'{"content-length":"1"}', b'{"set-cookie":"a=b"}', b'{"x-other":null}', b'{"":"1"}', b'{"content-type":"a/b"}',
    b'{"x-meta-a b":"1"}', b'{"x-meta-a:":"1"}', b'{"x-meta-\\r\\nx":"1"}', b'{"x-meta-\xc3\xa9":"1"}',
    b'{"x-meta-a":"a\\r\\nb"}', b'{"x-meta-a":"\\u0000"}', b'{"x-meta-a":"\\u007f"}', b'{"cache-control":"\\t"}',
    b'{"type":"t\xc3\xa4xt"}', b'{"type":"a\\nb"}', json.dumps({"type": "x" * 256}).encode(),
    json.dumps({"x-meta-a": "x" * 2100}).encode(), json.dumps({f"x-meta-{i}": "x" * 300 for i in range(8)}).encode(),
    json.dumps({f"x-meta-{i}": "x" for i in range(65)}).encode(), json.dumps({"x-meta-" + "x" * 58: "1"}).encode(),
]


@test
def what_is_no_change_is_400_and_changes_nothing():
    with Server() as s:
        tag = put(s, "a", b"hello", "-H", "X-Meta-Old: 1").headers["etag"]
        for text in WRONG:
            answer = patch(s, "a", text)
            assert answer.status == 400, (text[:100], answer.status)
            assert answer.headers["content-type"] == "application/problem+json"
            good = patch(s, "a", b'{"x-meta-good":"1",' + text[1:]) if text[:2] == b'{"' else answer
            assert good.status == 400, text
        assert get(s, "a").headers["etag"] == tag
        assert kept(s, "a") == {"x-meta-old": "1", "type": BINARY}


@test
def another_type_is_415_with_those_that_are_taken():
    with Server() as s:
        put(s, "a", b"hello")
        for type in ("text/plain", "application/json-patch+json", "application/jsonx", ""):
            answer = patch(s, "a", {"x-meta-a": "1"}, type=type)
            assert answer.status == 415, type
            assert answer.headers["accept-patch"] == "application/merge-patch+json, application/json"
        assert kept(s, "a") == {"type": BINARY}
        for type in ("application/json", "Application/Merge-Patch+JSON; charset=utf-8"):
            assert patch(s, "a", {"x-meta-a": type}, type=type).status == 204
            assert kept(s, "a")["x-meta-a"] == type


@test
def more_than_16_kib_is_413_sized_or_in_chunks():
    fits = b'{"x-meta-a":"1"' + b" " * (16 * 1024 - 16) + b"}"
    with Server() as s:
        put(s, "a", b"hello")
        for options in ([], ["-H", "Transfer-Encoding: chunked"]):
            assert patch(s, "a", fits[:-1] + b" }", *options).status == 413, options
            assert kept(s, "a") == {"type": BINARY}
            assert patch(s, "a", fits, *options).status == 204
            assert patch(s, "a", {"x-meta-a": None}, *options).status == 204
        assert patch(s, "a", b" " * 1_000_000, "-H", "Transfer-Encoding: chunked").status == 413
        with Connection(s.port) as c:
            c.send(request("PATCH", "/keys/a?meta", "Content-Type: application/json", "Content-Length: 1000000",
                           "Expect: 100-continue"))
            assert c.answer().status == 413


@test
def without_meta_it_is_405():
    with Server() as s:
        put(s, "a", b"hello")
        for path in ("/keys/a", "/keys/a?metadata"):
            answer = curl("-X", "PATCH", "-H", f"Content-Type: {TYPE}", "-d", "{}", s.url + path)
            assert answer.status == 405
            assert answer.headers["allow"] == "GET, HEAD, PUT, DELETE, OPTIONS"
        answer = curl("-X", "OPTIONS", s.url + "/keys/a?meta")
        assert (answer.status, "PATCH" in answer.headers["allow"].split(", ")) == (204, True)


class Client:
    """Requests over one connection that is kept."""

    def __init__(self, s):
        self._connection = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)

    def ask(self, method, path, body=None, headers=None):
        self._connection.request(method, path, body, headers or {})
        answer = self._connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def patch(self, path, change):
        return self.ask("PATCH", path + "?meta", json.dumps(change), {"Content-Type": TYPE})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()


def together(*jobs):
    """Runs functions at once; what one raises is raised here."""
    errors = []

    def run(job):
        try:
            job()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@test
def changes_of_32_clients_to_fields_of_their_own_are_all_there():
    with Server("--sync", "none") as s:
        put(s, "a", b"hello")

        def client(number):
            with Client(s) as c:
                for i in range(8):
                    status, _, body = c.patch("/keys/a", {f"x-meta-{number}": str(i)})
                    assert status == 204, (status, body)

        together(*[lambda number=number: client(number) for number in range(32)])
        assert kept(s, "a") == {f"x-meta-{number}": "7" for number in range(32)} | {"type": BINARY}


@test
def a_change_that_races_with_uploads_never_mixes_two_values():
    """Each upload has a type and a field of its own; a change adds a field made of both."""
    with Server("--sync", "none") as s:
        stop = time.monotonic() + 4
        put(s, "a", b"0", "-H", "Content-Type: text/0", "-H", "X-Meta-Of: 0")
        landed = []

        def uploads(first):
            number = first
            with Client(s) as c:
                while time.monotonic() < stop:
                    status, _, _ = c.ask("PUT", "/keys/a", str(number),
                                         {"Content-Type": f"text/{number}", "X-Meta-Of": str(number)})
                    assert status == 204
                    number += 2

        def changes():
            with Client(s) as c:
                while time.monotonic() < stop:
                    status, headers, _ = c.ask("HEAD", "/keys/a")
                    status, _, _ = c.ask("PATCH", "/keys/a?meta", json.dumps({"x-meta-by": headers["x-meta-of"]}),
                                         {"Content-Type": TYPE, "If-Match": headers["etag"]})
                    assert status in (204, 412)
                    landed.append(status)
                    c.patch("/keys/a", {"x-meta-any": "1"})

        def reads():
            with Client(s) as c:
                while time.monotonic() < stop:
                    status, headers, body = c.ask("GET", "/keys/a")
                    number = body.decode()
                    assert status == 200
                    assert (headers["content-type"], headers["x-meta-of"]) == (f"text/{number}", number), headers
                    assert headers.get("x-meta-by", number) == number, headers

        together(lambda: uploads(1), lambda: uploads(2), changes, changes, reads, reads)
        assert landed.count(204) > 0 and landed.count(412) > 0


@test
def a_reader_never_sees_the_type_of_one_change_and_the_fields_of_another():
    for options in ((), ("--cache-bytes", "0")):
        with Server("--sync", "none", *options) as s:
            stop = time.monotonic() + 4
            put(s, "a", b"hello", "-H", "Content-Type: text/0", "-H", "X-Meta-A: 0")

            def changes():
                number = 0
                with Client(s) as c:
                    while time.monotonic() < stop:
                        number += 1
                        assert c.patch("/keys/a", {"type": f"text/{number}", "x-meta-a": str(number)})[0] == 204

            def reads():
                seen = 0
                with Client(s) as c:
                    while time.monotonic() < stop:
                        _, headers, _ = c.ask("GET", "/keys/a")
                        assert headers["content-type"] == "text/" + headers["x-meta-a"], headers
                        assert int(headers["x-meta-a"]) >= seen, "an older change came back"
                        seen = int(headers["x-meta-a"])
                assert seen > 100

            together(changes, reads, reads, reads)


@test
def a_get_after_a_change_is_never_answered_with_what_was_before():
    with Server("--sync", "none") as s:
        put(s, "a", b"hello")
        with Client(s) as c:
            for i in range(3000):
                status, changed, _ = c.patch("/keys/a", {"x-meta-a": str(i)})
                assert status == 204
                for _ in range(i % 3 + 1):
                    _, headers, body = c.ask("GET", "/keys/a")
                    assert (headers["x-meta-a"], headers["etag"], body) == (str(i), changed["etag"], b"hello")
                if i % 500 == 499:
                    time.sleep(0.3)  # so that the value is quiet for long enough to be cached
                    assert c.ask("GET", "/keys/a")[1]["x-meta-a"] == c.ask("GET", "/keys/a")[1]["x-meta-a"] == str(i)
        assert json.loads(curl(s.url + "/stats").body)["cache_hits"] > 0


@test
def a_server_that_is_killed_leaves_type_and_fields_of_the_same_change():
    with Server() as s:
        put(s, "a", b"hello", "-H", "Content-Type: text/0", "-H", "X-Meta-A: 0")
        directory = s.dir
        acknowledged = 0
        assert s.stop() == 0
        for _ in range(15):
            with Server("--sync", "none", dir=directory) as victim:
                timer = threading.Timer(random.uniform(0.02, 0.2), victim.kill)
                with Client(victim) as c:
                    value = get(victim, "a")
                    number = int(value.headers["x-meta-a"])
                    assert (value.body, value.headers["content-type"]) == (b"hello", f"text/{number}")
                    assert number >= acknowledged
                    assert kept(victim, "a") == {"type": f"text/{number}", "x-meta-a": str(number)}
                    timer.start()
                    try:
                        while True:
                            number += 1
                            assert c.patch("/keys/a", {"type": f"text/{number}", "x-meta-a": str(number)})[0] == 204
                            acknowledged = number
                    except (OSError, http.client.HTTPException):
                        pass
                timer.join()
        assert acknowledged > 15


if __name__ == "__main__":
    main()
