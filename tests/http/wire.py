"""What goes over the wire around the bodies: heads, answers without a body, pipelines, old versions,
refusals before a body is sent, and connections that go on after errors."""
import gzip
import os

from diskvtest import Server, curl, main, raw, test
from rawhttp import Connection, chunked, request

TEXT = b"".join(b"line %d of a text\n" % number for number in range(5000))
ACCEPT = [None, "", "gzip", "gzip;q=0", "identity;q=0", "*", "br, gzip;q=0.5, *;q=0", "identity;q=0, *;q=0"]
PAST = "Sun, 06 Nov 1994 08:49:37 GMT"


def put(s, key, body, *options):
    answer = curl("-T", "-", *options, f"{s.url}/keys/{key}", input=body)
    assert answer.status in (201, 204), answer
    return answer.headers["etag"]


def lines_of(answer):
    """The header lines but for the time, which moves on between two requests."""
    return [line for line in answer.lines if not line.startswith("Date: ")]


def check_heads(s, targets, conditions):
    """Asks with GET and HEAD for each target, with each condition and each Accept-Encoding."""
    seen = set()
    for target in targets:
        for condition in conditions:
            for accept in ACCEPT:
                headers = [condition] if condition else []
                headers += [] if accept is None else [f"Accept-Encoding: {accept}"]
                with Connection(s.port) as get, Connection(s.port) as head:
                    get.send(request("GET", target, *headers, "Connection: close"))
                    head.send(request("HEAD", target, *headers, "Connection: close"))
                    got, told = get.answer(), head.answer(head=True)
                    assert head.rest() == b"", (target, headers)
                assert (told.status, lines_of(told)) == (got.status, lines_of(got)), (target, headers)
                seen.add(got.status)
    return seen


@test
def a_head_is_its_get_to_the_byte_of_every_header():
    with Server("--compress", "gzip") as s:
        tag = put(s, "text.txt", TEXT, "-H", "X-Meta-A: 1", "-H", "Cache-Control: no-cache",
                  "-H", "Content-Language: en")
        put(s, "small", b"hello")
        put(s, "empty", b"")
        put(s, "large", os.urandom(300_000))
        put(s, "packed", gzip.compress(TEXT), "-H", "Content-Encoding: gzip")
        values = [f"/keys/{key}" for key in ("text.txt", "small", "empty", "large", "packed")]
        others = ["/keys/missing", "/keys/%ff", "/keys", "/keys?limit=0", "/keys/?delimiter=/",
                  "/keys/text.txt?meta", "/keys/missing?meta", "/", "/healthz", "/readyz", "/nothing"]
        seen = check_heads(s, values, [None, "If-None-Match: *", f"If-None-Match: {tag}", 'If-Match: "other"',
                                       "If-Match: broken", f"If-Unmodified-Since: {PAST}"])
        seen |= check_heads(s, others, [None])
        assert seen == {200, 304, 400, 404, 406, 412}, seen


@test
def an_answer_without_a_body_to_a_value_of_unknown_size_is_followed_by_nothing():
    """libmicrohttpd can only close; a HEAD then lacks the Transfer-Encoding, as RFC 9110, 9.3.2 allows."""
    with Server("--compress", "gzip") as s:
        with open(os.path.join(s.dir, "a"), "wb") as file:
            file.write(gzip.compress(TEXT))
        for method, status, headers in (("HEAD", 200, []), ("HEAD", 304, ["If-None-Match: *"]),
                                        ("GET", 304, ["If-None-Match: *"])):
            with Connection(s.port) as c:
                c.send(request(method, "/keys/a", *headers))
                answer = c.answer(head=True)
                assert answer.status == status and answer.closes and c.rest() == b"", (method, answer)
                assert not {"content-length", "transfer-encoding"} & set(answer.headers), answer
        assert curl(s.url + "/keys/a").body == TEXT


@test
def a_head_asks_for_no_range():
    with Server() as s:
        put(s, "a", b"hello")
        for value in ("bytes=1-2", "bytes=9-"):
            head = curl("-I", "-H", f"Range: {value}", f"{s.url}/keys/a")
            assert (head.status, head.headers["content-length"]) == (200, "5")


@test
def a_204_has_neither_a_length_nor_a_type_nor_a_body():
    with Server() as s, Connection(s.port) as c:
        put(s, "a", b"hello")
        for asked in (request("PUT", "/keys/a", body=b"again"), request("DELETE", "/keys/a"),
                      request("OPTIONS", "/keys/a"), request("OPTIONS", "*")):
            c.send(asked)
            answer = c.answer()
            assert answer.status == 204, asked
            assert not {"content-length", "content-type", "transfer-encoding"} & set(answer.headers), answer
        c.send(request("GET", "/healthz"))
        assert c.answer().body == b"ok\n"  # and not the rest of a body


@test
def a_304_has_what_a_200_would_have_for_caches_and_no_type_and_no_body():
    with Server("--compress", "gzip") as s, Connection(s.port) as c:
        put(s, "a", TEXT, "-H", "Cache-Control: max-age=5", "-H", "Content-Type: text/plain")
        for accept in ("identity", "gzip"):
            c.send(request("GET", "/keys/a", f"Accept-Encoding: {accept}"))
            whole = c.answer()
            c.send(request("GET", "/keys/a", f"Accept-Encoding: {accept}", f"If-None-Match: {whole.headers['etag']}"))
            answer = c.answer()
            assert answer.status == 304
            for name in ("etag", "last-modified", "cache-control", "vary"):
                assert answer.headers[name] == whole.headers[name], name
            assert not {"content-type", "content-encoding", "transfer-encoding"} & set(answer.headers), answer
            assert answer.headers.get("content-length") in (None, whole.headers["content-length"])
        c.send(request("GET", "/healthz"))
        assert c.answer().body == b"ok\n"


@test
def mixed_requests_sent_at_once_are_answered_in_order():
    with Server() as s, Connection(s.port) as c:
        asked = []
        for number in range(30):
            body = b"%d" % number * 1000
            asked += [
                (request("PUT", f"/keys/{number}", body=body), 201, b""),
                (request("GET", f"/keys/{number}"), 200, body),
                (request("PUT", f"/keys/{number}", "Transfer-Encoding: chunked") + chunked(body, b"!"), 204, b""),
                (request("GET", f"/keys/{number}"), 200, body + b"!"),
                (request("PUT", f"/keys/{number}", "If-None-Match: *", body=body), 412, None),
                (request("GET", "/healthz", body=b"a body that nobody wants"), 200, b"ok\n"),
                (request("DELETE", f"/keys/{number}"), 204, b""),
                (request("GET", f"/keys/{number}"), 404, None),
            ]
        c.send(b"".join(sent for sent, _, _ in asked))
        for sent, status, body in asked:
            answer = c.answer()
            assert answer.status == status, (sent, answer)
            assert body is None or answer.body == body, sent


def http_1_0(s, key, *headers):
    """What a client of HTTP/1.0 gets, and whether the connection then takes another request."""
    with Connection(s.port) as c:
        c.send(request("GET", f"/keys/{key}", *headers, version="1.0"))
        answer = c.answer()
        if not answer.closes:
            c.send(request("GET", "/healthz", version="1.0"))
            assert c.answer().body == b"ok\n"
        assert c.rest() == b""
        return answer


@test
def http_1_0_gets_values_of_known_and_of_unknown_size_without_chunks():
    with Server("--compress", "gzip") as s:
        put(s, "sized", TEXT)
        with open(os.path.join(s.dir, "unsized"), "wb") as file:
            file.write(gzip.compress(TEXT))
        for keep in ([], ["Connection: keep-alive"], ["Connection: close"]):
            for key in ("sized", "unsized"):
                answer = http_1_0(s, key, *keep)
                assert (answer.status, answer.body) == (200, TEXT), (key, keep)
                assert "transfer-encoding" not in answer.headers
                kept = keep == ["Connection: keep-alive"] and key == "sized"
                assert answer.closes != kept, (key, keep, answer.lines)


@test
def what_is_refused_before_the_body_is_never_asked_for():
    with Server("--max-value-bytes", 100_000) as s:
        etag = put(s, "a", b"old")
        for target, status, headers in (
                ("/keys/%ff", 400, []), ("/keys/", 400, []), ("/keys/a", 400, ["If-Match: broken"]),
                ("/keys/a", 400, ["Content-Type: " + "x" * 256]), ("/keys/a", 400, ["Content-Range: bytes 0-0/9"]),
                ("/keys/a", 400, ["Content-MD5: broken"]), ("/keys/a", 412, ["If-None-Match: *"]),
                ("/keys/a", 412, ['If-Match: "other"']), ("/keys/new", 412, ["If-Match: *"]),
                ("/keys/a", 412, [f"If-Unmodified-Since: {PAST}"]), ("/stats", 405, []), ("/nothing", 404, [])):
            for framing in ("Content-Length: 5", "Transfer-Encoding: chunked"):
                with Connection(s.port) as c:
                    c.send(request("PUT", target, "Expect: 100-continue", framing, *headers))
                    answer = c.answer()
                    assert answer.status == status, (target, headers, answer)
                    assert answer.closes and c.rest() == b"", (target, headers, answer)
        with Connection(s.port) as c:
            c.send(request("PUT", "/keys/a", "Expect: 100-continue", "Content-Length: 100001"))
            assert c.answer().status == 413 and c.rest() == b""
        assert curl(f"{s.url}/keys/a").headers["etag"] == etag


@test
def what_is_not_refused_is_asked_for_once():
    with Server() as s, Connection(s.port) as c:
        for framing, body in (("Content-Length: 5", b"hello"), ("Transfer-Encoding: chunked", chunked(b"hello"))):
            c.send(request("PUT", "/keys/a", "Expect: 100-continue", framing))
            assert c.answer().status == 100
            c.send(body)
            assert c.answer().status in (201, 204)
        c.send(request("GET", "/keys/a"))
        assert c.answer().body == b"hello"


# Method, target, headers; the status where the body is short, and where it is too long to be read.
BAD = [("GET", "/keys/missing", [], 404, 413), ("GET", "/keys/%ff", [], 400, 400),
       ("GET", "/keys?limit=0", [], 400, 400), ("GET", "/keys/a", ['If-Match: "other"'], 412, 413),
       ("GET", "/keys/a", ["Range: bytes=99-"], 416, 413), ("GET", "/keys/a", ["Accept-Encoding: *;q=0"], 406, 413),
       ("GET", "/nothing", [], 404, 404), ("PUT", "/keys/%", [], 400, 400), ("PUT", "/keys/", [], 400, 400),
       ("PUT", "/keys/a", ["If-Match: broken"], 400, 400), ("PUT", "/keys/a", ["If-None-Match: *"], 412, 413),
       ("PUT", "/keys/a", ["Content-MD5: " + "A" * 22 + "=="], 422, 413), ("PUT", "/stats", [], 405, 405),
       ("DELETE", "/keys/missing", [], 404, 413), ("DELETE", "/keys/a", ['If-Match: "other"'], 412, 413),
       ("POST", "/keys/a", [], 405, 405), ("BREW", "/keys/a", [], 405, 405)]


@test
def a_connection_goes_on_after_every_error_and_a_body_is_no_request():
    hidden = request("PUT", "/keys/smuggled", body=b"x")
    with Server("--max-value-bytes", 1000) as s, Connection(s.port) as c:
        put(s, "a", b"old")
        bad = [*BAD, ("PUT", "/keys/a", [], 413, 413)]
        for method, target, headers, status, _ in bad:
            body = hidden * 20 if status == 413 else hidden
            chunks = chunked(body[:9], body[9:])
            for asked in (request(method, target, *headers, body=body),
                          request(method, target, *headers, "Transfer-Encoding: chunked") + chunks):
                c.send(asked)
                answer = c.answer()
                assert answer.status == status and not answer.closes, (asked, answer)
                assert answer.headers["content-type"] == "application/problem+json", asked
        assert curl(s.url + "/keys/smuggled").status == 404
        assert curl(s.url + "/keys/a").body == b"old"


@test
def a_long_body_that_was_refused_is_answered_and_the_connection_closed():
    hidden = request("PUT", "/keys/smuggled", body=b"x")
    body = hidden * (3_000_000 // len(hidden))
    with Server("--max-value-bytes", 1000) as s:
        put(s, "a", b"old")
        for method, target, headers, _, status in BAD:
            answer = raw(s.port, request(method, target, *headers, body=body) + request("GET", "/healthz"))
            assert answer.startswith(b"HTTP/1.1 %d " % status), (method, target, headers, answer)
            assert answer.count(b"HTTP/1.1 ") == 1 and b"\r\nConnection: close\r\n" in answer, answer
        assert curl(s.url + "/keys/smuggled").status == 404
        assert curl(s.url + "/keys/a").body == b"old"


@test
def header_lines_of_one_name_are_one_list():
    with Server("--compress", "gzip") as s, Connection(s.port) as c:
        etag = put(s, "a", TEXT)
        for method, headers, status in (
                ("GET", ['If-None-Match: "x"', 'If-None-Match: "y"', f"If-None-Match: {etag}"], 304),
                ("GET", ['If-Match: "x", "y"', f"if-match: {etag}"], 200),
                ("GET", ['If-Match: "x"', "If-Match:"], 412),
                ("GET", ['If-Match: "x"', "If-Match: *"], 400),
                ("GET", ["Accept-Encoding: identity;q=0", "Accept-Encoding: *;q=0"], 406),
                ("GET", ["Connection: x", "Connection: y"], 200)):
            c.send(request(method, "/keys/a", *headers))
            assert c.answer().status == status, headers
        c.send(request("GET", "/keys/a", "Accept-Encoding: br", "Accept-Encoding: gzip"))
        assert c.answer().headers["content-encoding"] == "gzip"
        c.send(request("GET", "/keys/a", "Range: bytes=0-0", "Range: bytes=1-1"))
        assert c.answer().status == 200  # two ranges are no range


@test
def a_chunked_body_ends_where_its_last_chunk_does():
    """Trailers are dropped; what follows is the next request."""
    with Server() as s, Connection(s.port) as c:
        for trailer in (b"", b"X: a\r\n", b"Content-Length: 99\r\n", b"Transfer-Encoding: x\r\nHost: other\r\n"):
            c.send(request("PUT", "/keys/a", "Transfer-Encoding: chunked") + b"5;a=b\r\nhello\r\n0\r\n"
                   + trailer + b"\r\n" + request("GET", "/keys/a"))
            assert c.answer().status in (201, 204), trailer
            assert c.answer().body == b"hello", trailer


if __name__ == "__main__":
    main()
