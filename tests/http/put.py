"""PUT stores a value: sized or chunked, conditionally, refused early, never by halves."""
import os
import socket
import threading

from diskvtest import Server, curl, main, raw, test
from rawhttp import Connection, request


def put(s, key, body, *options):
    return curl("-T", "-", *options, f"{s.url}/keys/{key}", input=body)


def get(s, key):
    return curl(f"{s.url}/keys/{key}")


@test
def a_new_key_is_201_with_its_location_and_an_old_one_204():
    with Server() as s:
        first, second = put(s, "a/b%20c%2Fd?", b"one"), put(s, "a/b%20c/d", b"two")
        assert (first.status, first.headers["location"]) == (201, "/keys/a/b%20c/d")
        assert (second.status, "location" in second.headers) == (204, False)
        assert get(s, "a/b%20c/d").body == b"two"


@test
def both_answers_bear_the_validators_that_a_get_bears():
    with Server() as s:
        for _ in range(2):
            stored, read = put(s, "a", os.urandom(10)).headers, get(s, "a").headers
            assert stored["etag"] == read["etag"] and stored["etag"].startswith('"')
            assert stored["last-modified"] == read["last-modified"]


@test
def sized_and_chunked_bodies_of_all_sizes_come_back_whole():
    with Server() as s:
        for size in (0, 1, 8191, 65536, 65537, 1 << 20, (1 << 20) + 1, 5_000_000):
            body = os.urandom(size)
            path = os.path.join(s.dir, "..", "body")
            with open(path, "wb") as file:
                file.write(body)
            assert curl("-T", path, f"{s.url}/keys/sized").status in (201, 204)
            assert put(s, "chunked", body).status in (201, 204)
            assert get(s, "sized").body == body
            assert get(s, "chunked").body == body


@test
def a_body_may_come_in_chunks_of_one_byte():
    with Server() as s:
        body = b"".join(b"1\r\n%c\r\n" % c for c in b"hello") + b"0\r\n\r\n"
        answer = raw(s.port, b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n" + body)
        assert answer.startswith(b"HTTP/1.1 201 "), answer
        assert get(s, "a").body == b"hello"


@test
def the_media_type_is_kept_and_goes_with_the_value():
    with Server() as s:
        put(s, "a", b"1", "-H", "Content-Type: text/x; a=b")
        assert get(s, "a").headers["content-type"] == "text/x; a=b"
        put(s, "a", b"2")
        assert get(s, "a").headers["content-type"] == "application/octet-stream"
        raw(s.port, b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nContent-Type: \ttext/y \t\r\n"
                    b"Connection: close\r\n\r\n")
        assert curl(s.url + "/keys/a?meta").body.endswith(b'"type":"text/y"}\n')


@test
def a_media_type_that_is_too_long_or_not_ascii_is_400():
    with Server() as s:
        for value in ("x" * 256, "tëxt/plain"):
            answer = put(s, "a", b"1", "-H", f"Content-Type: {value}")
            assert answer.status == 400 and b"media type" in answer.body
        assert put(s, "a", b"1", "-H", "Content-Type: " + "x" * 255).status == 201


@test
def a_part_of_a_value_cannot_be_put():
    with Server() as s:
        assert put(s, "a", b"1", "-H", "Content-Range: bytes 0-0/9").status == 400
        assert get(s, "a").status == 404


@test
def if_none_match_star_creates_only():
    with Server() as s:
        assert put(s, "a", b"1", "-H", "If-None-Match: *").status == 201
        assert put(s, "a", b"2", "-H", "If-None-Match: *").status == 412
        assert get(s, "a").body == b"1"


@test
def if_match_replaces_only_what_it_names():
    with Server() as s:
        assert put(s, "a", b"0", "-H", "If-Match: *").status == 412
        old = put(s, "a", b"1").headers["etag"]
        new = put(s, "a", b"2", "-H", f'If-Match: "x", {old}').headers["etag"]
        assert put(s, "a", b"3", "-H", f"If-Match: {old}").status == 412
        assert put(s, "a", b"3", "-H", f"If-Match: W/{old}").status == 412
        assert get(s, "a").body == b"2"
        assert put(s, "a", b"3", "-H", "If-Match: *").status == 204


@test
def a_tag_that_a_proxy_marked_names_the_same_value():
    with Server() as s:
        etag = put(s, "a", b"0").headers["etag"]
        for i, mark in enumerate(('W/%s"', '%s-gzip"', 'W/%s-gzip"')):
            marked = mark % etag[:-1]
            assert put(s, "a", b"x", "-H", f"If-None-Match: {marked}").status == 412
            answer = put(s, "a", b"%d" % (i + 1), "-H", f"If-Match: {marked}")
            assert answer.status == 204, marked
            assert put(s, "a", b"x", "-H", f"If-Match: {marked}").status == 412  # stale now
            etag = answer.headers["etag"]
        assert get(s, "a").body == b"3"


@test
def if_unmodified_since_is_honoured_unless_if_match_is_there():
    long_ago = "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT"
    with Server() as s:
        etag = put(s, "a", b"1").headers["etag"]
        assert put(s, "a", b"2", "-H", long_ago).status == 412
        assert put(s, "a", b"2", "-H", long_ago, "-H", f"If-Match: {etag}").status == 204


@test
def a_list_of_entity_tags_that_is_none_is_400():
    with Server() as s:
        for value in ("abc", '"a" "b"', '"a', "*, *", '"a", *', 'w/"a"', ","):
            for name in ("If-Match", "If-None-Match"):
                answer = put(s, "a", b"1", "-H", f"{name}: {value}")
                assert answer.status == 400, (name, value, answer.status)
        assert get(s, "a").status == 404


@test
def of_racing_creations_exactly_one_wins():
    with Server() as s:
        statuses = []
        racers = [threading.Thread(target=lambda body: statuses.append(
            (put(s, "a", body, "-H", "If-None-Match: *").status, body)), args=[b"%d" % i])
            for i in range(16)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        winners = [body for status, body in statuses if status == 201]
        assert sorted(status for status, _ in statuses) == [201] + [412] * 15
        assert get(s, "a").body == winners[0]


def head_only(s, *headers):
    """The status that the headers of a PUT of a gigabyte have whose body is never sent."""
    with Connection(s.port) as c:
        c.send(request("PUT", "/keys/a", "Content-Length: 1073741824", *headers))
        return c.answer().status


@test
def a_refusal_comes_before_the_body_where_the_client_waits():
    expect = "Expect: 100-continue"
    with Server("--max-value-bytes", 2000000000) as s:
        put(s, "a", b"1")
        assert head_only(s, expect, "If-None-Match: *") == 412
        assert head_only(s, expect, "If-Match: broken") == 400
        assert head_only(s, expect) == 100
    with Server("--max-value-bytes", 1000) as s:
        assert head_only(s, expect) == 413


@test
def a_refusal_comes_before_a_long_body_even_where_the_client_does_not_wait():
    with Server("--max-value-bytes", 1000) as s:
        assert head_only(s) == 413


@test
def a_value_over_the_limit_is_413_whatever_its_framing_and_the_old_one_stays():
    with Server("--max-value-bytes", 100000) as s:
        assert put(s, "a", b"x" * 100000).status == 201
        for size in (100001, 500000, 20_000_000):
            path = os.path.join(s.dir, "..", "body")
            with open(path, "wb") as file:
                file.truncate(size)
            for options in ([], ["-H", "Expect:"]):
                assert curl("-T", path, *options, f"{s.url}/keys/a").status == 413
                assert put(s, "a", b"\0" * size, *options).status == 413
        assert get(s, "a").body == b"x" * 100000


@test
def a_connection_goes_on_after_a_short_body_was_refused():
    with Server() as s:
        answer = raw(s.port, b"PUT /keys/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
                             b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.endswith(b"ok\n"), answer


@test
def an_upload_that_is_cut_off_changes_nothing():
    heads = (b"Content-Length: 1000000", b"Transfer-Encoding: chunked")
    with Server() as s:
        put(s, "a", b"old")
        for key in ("a", "b"):
            for head in heads:
                for body in (b"", b"5\r\nhel", b"1000\r\n" + b"x" * 4096 + b"\r\n"):
                    with socket.create_connection(("127.0.0.1", s.port)) as c:
                        c.sendall(b"PUT /keys/%s HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n%s"
                                  % (key.encode(), head, body))
        assert s.stop() == 0
        assert os.listdir(os.path.join(s.dir, ".diskv", "tmp")) == []
        with Server(dir=s.dir) as again:
            assert get(again, "a").body == b"old"
            assert get(again, "b").status == 404


@test
def bytes_beyond_the_length_are_no_part_of_the_value_and_end_the_connection():
    """They begin the next message (RFC 9112, section 6.3), and are none."""
    with Server() as s:
        for surplus, after in ((b" and more\r\n\r\n", []), (b"and some more\r\n\r\n", [b"400"])):
            with socket.create_connection(("127.0.0.1", s.port), 30) as c:
                c.sendall(b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nvalue" + surplus)
                answer = b""
                while piece := c.recv(65536):
                    answer += piece
            statuses = [line.split()[1] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
            assert statuses[0] in (b"201", b"204") and statuses[1:2] == after, answer
            assert get(s, "a").body == b"value"


@test
def fewer_bytes_than_the_length_are_no_value_and_get_no_answer():
    with Server() as s:
        with socket.create_connection(("127.0.0.1", s.port), 30) as c:
            c.sendall(b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nval")
            c.shutdown(socket.SHUT_WR)
            assert c.recv(1000) == b""
        assert get(s, "a").status == 404
        assert os.listdir(os.path.join(s.dir, ".diskv", "tmp")) == []


if __name__ == "__main__":
    main()
