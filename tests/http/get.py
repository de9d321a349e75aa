"""GET and HEAD give a value as it was stored, or say that the client has it already."""
import http.client
import os
import re
import socket
import time

from diskvtest import Server, curl, main, raw, test
from rawhttp import Connection

PAST, FUTURE = "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 2199 23:59:59 GMT"


def put(s, key, body, *options):
    answer = curl("-T", "-", *options, f"{s.url}/keys/{key}", input=body)
    assert answer.status in (201, 204), answer
    return answer


@test
def a_value_comes_with_its_headers():
    with Server() as s:
        put(s, "a", b"hello")
        answer = curl(s.url + "/keys/a")
        assert (answer.status, answer.body) == (200, b"hello")
        assert answer.headers["content-length"] == "5"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert re.fullmatch(r'"[!-~]+"', answer.headers["etag"])
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT",
                            answer.headers["last-modified"])


@test
def head_is_get_without_the_body():
    with Server() as s:
        for size in (0, 10, 100000):
            put(s, "a", os.urandom(size))
            for path in ("/keys/a", "/keys/a?meta", "/keys/missing", "/keys", "/healthz", "/"):
                got, head = curl(s.url + path), curl("-I", s.url + path)
                for answer in (got, head):
                    answer.headers.pop("date")
                assert (head.status, head.headers) == (got.status, got.headers), path
                assert head.headers["content-length"] == str(len(got.body))
        answer = raw(s.port, b"HEAD /keys/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert answer.endswith(b"\r\n\r\n")


@test
def an_answer_that_was_given_before_is_not_given_for_another_value():
    with Server("--threads", "1", "--no-watch") as s:
        url, path = s.url + "/keys/a.txt", os.path.join(s.dir, "a.txt")
        put(s, "a.txt", b"old bytes")

        def look():
            """What GET, HEAD and a conditional GET say, each asked until the value is cached and once more."""
            tag = curl("-I", url).headers["etag"]
            for _ in range(3):
                got, head = curl(url), curl("-I", url)
                same = curl("-H", f"If-None-Match: {tag}", url)
                time.sleep(0.2)  # what changed a moment ago is not cached
            assert (got.status, head.status, same.status) == (200, 200, 304)
            assert got.headers["etag"] == head.headers["etag"] == same.headers["etag"] == tag
            assert head.headers["content-length"] == str(len(got.body))
            return got

        assert look().body == b"old bytes"
        was = os.stat(path)
        with open(path, "r+b") as file:  # same size, same file
            file.write(b"new bytes")
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))  # same time
        assert look().body == b"new bytes"
        put(s, "a.txt", b"new bytes", "-H", "X-Meta-Note: one")
        assert look().headers["x-meta-note"] == "one"
        put(s, "a.txt", b"new bytes", "-H", "X-Meta-Note: two")
        assert look().headers["x-meta-note"] == "two"
        os.remove(path)
        assert [curl(url).status, curl("-I", url).status] == [404, 404]


@test
def a_missing_key_is_404_whatever_the_conditions():
    with Server() as s:
        assert curl(s.url + "/keys/a").status == 404
        assert curl("-H", "If-Match: *", s.url + "/keys/a").status == 404
        assert curl("-H", "If-None-Match: *", s.url + "/keys/a").status == 404


@test
def keys_are_the_path_decoded_once():
    same = {"a/b": "a%2Fb", "c+d": "c%2bd", "e%2525": "%65%2525", "..%2Ff": "../f", ".": "%2E",
            "g//h": "g/%2Fh", "%C3%A9": "%c3%a9", "%01": "%01", "x%3Fy": "x%3fy", "j/": "j%2f"}
    with Server() as s:
        for one, other in same.items():
            put(s, one, one.encode())
            assert curl(f"{s.url}/keys/{other}").body == one.encode(), one
        assert len(set(same)) == curl(s.url + "/keys").body.count(b'"key"')


@test
def an_absolute_target_names_the_same_key():
    with Server() as s:
        put(s, "a", b"hello")
        answer = raw(s.port, b"GET http://elsewhere:80/keys/a HTTP/1.1\r\nHost: elsewhere:80\r\n"
                             b"Connection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"hello")


@test
def a_value_that_the_client_has_is_304_without_a_body():
    with Server() as s:
        put(s, "a", b"hello")
        plain = curl(s.url + "/keys/a")
        etag, date = plain.headers["etag"], plain.headers["last-modified"]
        for header in (f"If-None-Match: {etag}", f'If-None-Match: "x", W/{etag}',
                       "If-None-Match: *", f"If-Modified-Since: {date}"):
            for options in ([], ["-I"]):
                answer = curl(*options, "-H", header, s.url + "/keys/a")
                assert (answer.status, answer.body) == (304, b""), header
                assert answer.headers["etag"] == etag
                assert "content-type" not in answer.headers
                assert answer.headers.get("content-length", "5") == "5"


@test
def a_value_that_the_client_has_not_is_sent():
    with Server() as s:
        etag = put(s, "a", b"hello").headers["etag"]
        for headers in (['If-None-Match: "x"'], [f"If-Modified-Since: {PAST}"],
                        ["If-Modified-Since: yesterday"], [f"If-Unmodified-Since: {FUTURE}"],
                        ["If-Match: *"], [f"If-Match: {etag}"],
                        # as a proxy hands the tag on that compresses
                        [f"If-Match: W/{etag}"], [f'If-Match: {etag[:-1]}-gzip"'],
                        # the entity tag counts, not the date beside it
                        ['If-None-Match: "x"', f"If-Modified-Since: {FUTURE}"],
                        [f"If-Match: {etag}", f"If-Unmodified-Since: {PAST}"]):
            options = [word for header in headers for word in ("-H", header)]
            assert curl(*options, s.url + "/keys/a").status == 200, headers


@test
def a_value_that_is_not_the_one_asked_for_is_412():
    with Server() as s:
        etag = put(s, "a", b"hello").headers["etag"]
        for header in ('If-Match: "x"', f'If-Match: {etag[:-1]}-br"', f"If-Unmodified-Since: {PAST}"):
            assert curl("-H", header, s.url + "/keys/a").status == 412, header


@test
def dates_are_read_in_all_three_forms():
    with Server() as s:
        put(s, "a", b"hello")
        for date, status in ((FUTURE, 304), (PAST, 200), ("Sunday, 06-Nov-94 08:49:37 GMT", 200),
                             ("Sun Nov  6 08:49:37 1994", 200), ("Fri Dec 31 23:59:59 2199", 304),
                             ("Fri, 31 Feb 2199 23:59:59 GMT", 200), (FUTURE + "x", 200)):
            answer = curl("-H", f"If-Modified-Since: {date}", s.url + "/keys/a")
            assert answer.status == status, date


@test
def conditions_in_several_header_lines_are_one_list():
    with Server() as s:
        etag = put(s, "a", b"hello").headers["etag"]
        answer = curl("-H", 'If-None-Match: "x"', "-H", f"If-None-Match: {etag}", s.url + "/keys/a")
        assert answer.status == 304


@test
def pipelined_requests_are_answered_in_order():
    with Server() as s:
        for i in range(5):
            put(s, str(i), b"value %d;" % i)
        asked = b"".join(b"GET /keys/%d HTTP/1.1\r\nHost: h\r\n\r\n" % i for i in range(5))
        with Connection(s.port) as c:
            c.send(asked)
            assert [c.answer().body for i in range(5)] == [b"value %d;" % i for i in range(5)]


@test
def http_1_0_is_answered_and_closed():
    with Server() as s:
        put(s, "a", b"hello")
        answer = raw(s.port, b"GET /keys/a HTTP/1.0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"hello")


@test
def a_client_that_closes_its_half_still_gets_its_answer():
    body = os.urandom(3_000_000)
    with Server() as s:
        put(s, "a", body)
        with socket.create_connection(("127.0.0.1", s.port), 20) as c:
            c.sendall(b"GET /keys/a HTTP/1.1\r\nHost: h\r\n\r\n")
            c.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := c.recv(1 << 20):
                answer += piece
        assert answer.endswith(body)


@test
def a_reader_gets_the_value_as_it_was_when_it_began():
    old, new = os.urandom(8_000_000), b"new"
    with Server() as s:
        put(s, "a", old)
        slow = http.client.HTTPConnection("127.0.0.1", s.port)
        slow.request("GET", "/keys/a")
        answer = slow.getresponse()
        first = answer.read(1000)
        put(s, "a", new)
        assert curl(s.url + "/keys/a").body == new
        assert curl("-X", "DELETE", s.url + "/keys/a").status == 204
        assert first + answer.read() == old
        slow.close()


if __name__ == "__main__":
    main()
