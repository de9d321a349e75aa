"""--compress gzip: a value goes out as it lies in its file where the client takes gzip, and plain elsewhere."""
import gzip
import json
import os
import urllib.request
import zlib

from diskvtest import Server, curl, main, raw, test

TEXT = b"".join(b"%09d all work and no play\n" % number for number in range(20_000))
BROWSER = "gzip, deflate, br, zstd"


def put(s, key, body, *options):
    answer = curl("-T", "-", *options, f"{s.url}/keys/{key}", input=body)
    assert answer.status in (201, 204), answer
    return answer


def get(s, key, accept=None, *options):
    """`accept` may be several lines."""
    accepts = [accept] if isinstance(accept, str) else accept or []
    lines = [word for line in accepts for word in ("-H", f"Accept-Encoding: {line}" if line else "Accept-Encoding;")]
    return curl(*lines, *options, f"{s.url}/keys/{key}")


def stored(s, key):
    with open(f"{s.dir}/{key}", "rb") as file:
        return file.read()


def write(s, key, data):
    with open(f"{s.dir}/{key}", "wb") as file:
        file.write(data)


def stats(s):
    return json.loads(curl(s.url + "/stats").body)


def suffixed(tag):
    return f'{tag[:-1]}-gzip"'


def is_packed(answer, packed, tag):
    headers = answer.headers
    return (answer.status == 200 and answer.body == packed and headers["content-encoding"] == "gzip" and
            headers["content-length"] == str(len(packed)) and headers["vary"] == "Accept-Encoding" and
            headers["etag"] == suffixed(tag) and headers["accept-ranges"] == "bytes")


def is_plain(answer, body, tag):
    headers = answer.headers
    return (answer.status == 200 and answer.body == body and "content-encoding" not in headers and
            headers["content-length"] == str(len(body)) and headers["vary"] == "Accept-Encoding" and
            headers["etag"] == tag and headers["accept-ranges"] == "bytes")


@test
def where_gzip_is_accepted_the_answer_is_the_file():
    with Server("--compress", "gzip") as s:
        for body in (TEXT, b"", b"x", os.urandom(300_000)):
            tag = put(s, "a", body).headers["etag"]
            for accept in ("gzip", "GZIP", "x-gzip", BROWSER, "gzip;q=1", "gzip;q=0.001, identity;q=0.001", "*", "*;q=0.5",
                           "identity;q=0, gzip", "identity;q=0, *", "identity;q=0.5, gzip;q=1.000", "br;q=1, gzip;q=0.1",
                           "deflate, gzip ; q=0.8", ["br", "gzip"], ["identity;q=0.2", "gzip;q=0.3"]):
                assert is_packed(get(s, "a", accept), stored(s, "a"), tag), accept
        assert gzip.decompress(get(s, "a", "gzip").body) == body


@test
def where_it_is_not_the_answer_is_plain():
    with Server("--compress", "gzip") as s:
        for body in (TEXT, b"", b"x"):
            tag = put(s, "a", body).headers["etag"]
            for accept in (None, "", "identity", "gzip;q=0", "gzip;q=0.0, *", "br", "br, deflate", "*;q=0, identity", "identity, gzip;q=0.9",
                           "gzip;q=2", "gzip;q=x", "gzip;level=9", "gzipped", ["gzip;q=0", "gzip"], "gzip;q=0.5, identity;q=0.6"):
                assert is_plain(get(s, "a", accept), body, tag), accept


@test
def where_neither_is_accepted_it_is_406():
    with Server("--compress", "gzip") as s:
        put(s, "a", TEXT)
        for accept in ("*;q=0", "identity;q=0", "gzip;q=0, identity;q=0", "br, *;q=0", ["identity;q=0", "br"]):
            answer = get(s, "a", accept)
            assert answer.status == 406, accept
            assert answer.headers["content-type"] == "application/problem+json"


@test
def nothing_is_inflated_to_send_it_as_it_lies():
    with Server("--compress", "gzip", "--cache-bytes", "0") as s:
        put(s, "a", TEXT)
        at = os.stat(f"{s.dir}/a")
        damaged = stored(s, "a")[:-8] + b"\xff" * 8  # another checksum
        write(s, "a", damaged)
        os.utime(f"{s.dir}/a", ns=(at.st_atime_ns, at.st_mtime_ns))
        answer = get(s, "a", "gzip")
        assert (answer.status, answer.exit, answer.body) == (200, 0, damaged)
        plain = get(s, "a")  # which is inflated
        assert plain.exit != 0 or plain.status != 200


@test
def head_says_what_get_says():
    with Server("--compress", "gzip") as s:
        put(s, "a", TEXT, "-H", "X-Meta-A: 1")
        write(s, "other", gzip.compress(TEXT))
        for key in ("a", "other"):
            for accept in ("gzip", "identity"):
                for options in ([], ["-H", 'If-None-Match: "x"'], ["-H", "If-None-Match: *"], ["-H", 'If-Match: "x"']):
                    got, head = get(s, key, accept, *options), get(s, key, accept, "-I", *options)
                    for answer in (got, head):
                        answer.headers.pop("date")
                        for name in ("transfer-encoding", "connection"):  # of a body without a known size
                            answer.headers.pop(name, None)
                    assert (head.status, head.headers) == (got.status, got.headers), (key, accept, options)


@test
def ranges_are_of_the_form_that_is_sent():
    with Server("--compress", "gzip") as s:
        tag = put(s, "a", TEXT).headers["etag"]
        packed = stored(s, "a")
        for accept, body, shown in (("gzip", packed, suffixed(tag)), ("identity", TEXT, tag)):
            size = len(body)
            for asked, first, last in (("0-0", 0, 0), ("100-199", 100, 199), ("1000-", 1000, size - 1), ("-7", size - 7, size - 1)):
                answer = get(s, "a", accept, "-H", f"Range: bytes={asked}")
                assert (answer.status, answer.body) == (206, body[first:last + 1]), (accept, asked)
                assert answer.headers["content-range"] == f"bytes {first}-{last}/{size}"
                assert answer.headers["etag"] == shown and answer.headers["vary"] == "Accept-Encoding"
                assert answer.headers.get("content-encoding", "identity") == accept
            answer = get(s, "a", accept, "-H", f"Range: bytes={size}-")
            assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{size}")
            for mark, status in ((shown, 206), (suffixed(tag) if shown == tag else tag, 200), (f"W/{shown}", 200)):
                answer = get(s, "a", accept, "-H", "Range: bytes=0-9", "-H", f"If-Range: {mark}")
                assert (answer.status, answer.body) == (status, body[:10] if status == 206 else body), (accept, mark)


@test
def the_tag_of_either_form_is_one_of_the_value():
    with Server("--compress", "gzip") as s:
        tag = put(s, "a", TEXT).headers["etag"]
        for accept, shown in (("gzip", suffixed(tag)), ("identity", tag)):
            for mark in (tag, suffixed(tag), f"W/{tag}", f"W/{suffixed(tag)}", f'"x", {suffixed(tag)}'):
                answer = get(s, "a", accept, "-H", f"If-None-Match: {mark}")
                assert (answer.status, answer.body) == (304, b""), (accept, mark)
                assert (answer.headers["etag"], answer.headers["vary"]) == (shown, "Accept-Encoding")
                assert "content-encoding" not in answer.headers
                assert get(s, "a", accept, "-H", f"If-Match: {mark}").status == 200
        answer = put(s, "a", b"new", "-H", f"If-Match: {suffixed(tag)}")
        assert answer.status == 204 and answer.headers["etag"] != tag
        old = curl("-T", "-", "-H", f"If-Match: {suffixed(tag)}", f"{s.url}/keys/a", input=b"newer")
        assert old.status == 412
        assert curl("-X", "DELETE", "-H", f"If-Match: {suffixed(answer.headers['etag'])}", f"{s.url}/keys/a").status == 204


@test
def clients_of_all_kinds_read_the_value():
    with Server("--compress", "gzip") as s:
        put(s, "a.txt", TEXT)
        url = s.url + "/keys/a.txt"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url) as answer:
            assert answer.headers["Content-Encoding"] is None and answer.read() == TEXT
        assert curl(url).body == TEXT
        compressed = curl("--compressed", url)
        assert (compressed.body, compressed.headers["content-encoding"]) == (TEXT, "gzip")
        with opener.open(urllib.request.Request(url, headers={"Accept-Encoding": BROWSER})) as answer:
            assert answer.headers["Content-Encoding"] == "gzip" and answer.headers["Content-Type"] == "text/plain"
            assert zlib.decompress(answer.read(), 31) == TEXT
        old = raw(s.port, b"GET /keys/a.txt HTTP/1.0\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n")
        assert old.split(b"\r\n\r\n", 1)[1] == stored(s, "a.txt")


@test
def what_another_program_compressed_goes_out_as_it_lies_and_with_its_length():
    with Server("--compress", "gzip") as s:
        packed = gzip.compress(TEXT[:250_000]) + gzip.compress(TEXT[250_000:])
        write(s, "a", packed)
        for _ in range(2):
            answer = get(s, "a", "gzip")
            tag = answer.headers["etag"].replace("-gzip", "")
            assert is_packed(answer, packed, tag), answer.headers
            plain = get(s, "a")
            assert (plain.body, plain.headers["etag"], plain.headers["vary"]) == (TEXT, tag, "Accept-Encoding")
            assert "content-length" not in plain.headers and plain.headers["accept-ranges"] == "none"
        part = get(s, "a", "gzip", "-H", "Range: bytes=-100")
        assert (part.status, part.body) == (206, packed[-100:])
        whole = get(s, "a", None, "-H", "Range: bytes=0-9")
        assert (whole.status, whole.body) == (200, TEXT)
        for line in (b"GET", b"HEAD"):
            answer = raw(s.port, line + b" /keys/a HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\n"
                                        b"Connection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 304 ") and answer.index(b"\r\n\r\n") == len(answer) - 4
        write(s, "plain", TEXT)
        answer = get(s, "plain", "gzip")
        assert answer.body == TEXT and "content-encoding" not in answer.headers


@test
def a_304_is_followed_by_the_next_answer():
    ask = b"GET /keys/%s HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\nAccept-Encoding: %s\r\n\r\n"
    with Server("--compress", "gzip") as s:
        put(s, "a", TEXT)
        write(s, "b", gzip.compress(TEXT))
        requests = ask % (b"a", b"gzip") + ask % (b"a", b"identity") + ask % (b"b", b"gzip")
        answer = raw(s.port, requests + b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        heads = answer.split(b"\r\n\r\n")
        assert [head.split(b" ", 2)[1] for head in heads[:4]] == [b"304"] * 3 + [b"200"]
        assert heads[4:] == [b"ok\n"]


@test
def another_codec_is_never_sent():
    with Server("--compress", "zlib") as s:
        tag = put(s, "a", TEXT).headers["etag"]
        for accept in ("gzip", "deflate", "*", BROWSER, None):
            assert is_plain(get(s, "a", accept), TEXT, tag), accept


@test
def values_that_an_earlier_server_compressed_go_out_so_too():
    with Server("--compress", "gzip") as s:
        tag = put(s, "a", TEXT).headers["etag"]
        packed = stored(s, "a")
        assert s.stop() == 0
        with Server(dir=s.dir) as plain:
            assert is_packed(get(plain, "a", "gzip"), packed, tag)
            assert is_plain(get(plain, "a"), TEXT, tag)
            put(plain, "b", TEXT)
            answer = get(plain, "b", "gzip")
            assert answer.body == TEXT and "content-encoding" not in answer.headers and "vary" not in answer.headers


@test
def a_value_that_came_with_an_encoding_of_its_own_is_not_given_a_second_one():
    packed = gzip.compress(TEXT)
    with Server("--compress", "gzip") as s:
        for encoding, body in (("gzip", packed), ("br", b"not really"), ("identity", TEXT)):
            tag = put(s, "a", body, "-H", f"Content-Encoding: {encoding}").headers["etag"]
            for accept in ("gzip", BROWSER, "identity", None):
                for options in ([], ["-I"]):
                    answer = get(s, "a", accept, *options)
                    assert answer.status == 200 and (options or answer.body == body), (encoding, accept)
                    assert answer.headers["content-encoding"] == encoding
                    assert answer.headers["content-length"] == str(len(body))
                    assert answer.headers["etag"] == tag
            assert get(s, "a", "gzip", "-H", f"If-None-Match: {tag}").headers["etag"] == tag


@test
def both_forms_come_from_the_cache():
    with Server("--compress", "gzip") as s:
        tag = put(s, "a", TEXT[:50_000]).headers["etag"]
        packed = stored(s, "a")
        for accept, check, body in (("gzip", is_packed, packed), (None, is_plain, TEXT[:50_000])):
            for _ in range(200):  # until it is quiet for long enough
                before = stats(s)["cache_hits"]
                assert check(get(s, "a", accept), body, tag)
                if stats(s)["cache_hits"] > before:
                    break
            hits = stats(s)["cache_hits"]
            assert hits > before
            for _ in range(10):
                assert check(get(s, "a", accept), body, tag)
            assert stats(s)["cache_hits"] == hits + 10
        misses = stats(s)["cache_misses"]
        for _ in range(5):
            assert is_packed(get(s, "a", "gzip"), packed, tag) and is_plain(get(s, "a"), TEXT[:50_000], tag)
        assert stats(s)["cache_misses"] == misses


@test
def neither_form_is_ever_an_old_one():
    with Server("--compress", "gzip", "--sync", "none") as s:
        for i in range(60):
            body = b"%d " % i * 1000
            if i % 3 == 2:
                write(s, "a", gzip.compress(body))
            else:
                put(s, "a", body)
            order = ("gzip", None, "gzip", None) if i % 2 else (None, "gzip", None, "gzip")
            for accept in order:
                answer = get(s, "a", accept)
                plain = gzip.decompress(answer.body) if "content-encoding" in answer.headers else answer.body
                assert (plain, "content-encoding" in answer.headers) == (body, accept == "gzip"), i


if __name__ == "__main__":
    main()
