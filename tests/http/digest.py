"""Digests of bodies (RFC 9530, and Content-MD5 of RFC 1864): checked on the way in, made on the way out."""
import base64
import gzip
import hashlib
import json
import os
import re

from diskvtest import Server, curl, main, raw, test
from rawhttp import Connection, request

BODY = b"all work and no play\n"


def digest(algorithm, body=BODY):
    """As a member of a dictionary: sha-256=:…:"""
    return f"{algorithm}=:{base64.b64encode(hashlib.new(algorithm.replace('-', ''), body).digest()).decode()}:"


def md5(body=BODY):
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def lines(fields):
    return [word for field in fields for word in ("-H", field)]


def put(s, key, body, *fields):
    return curl("-T", "-", *lines(fields), f"{s.url}/keys/{key}", input=body)


def get(s, key, *options):
    return curl(*options, f"{s.url}/keys/{key}")


def wanting(s, key, want, *options):
    return get(s, key, "-H", f"Want-Repr-Digest: {want}", *options)


RIGHT = [
    [f"Content-MD5: {md5()}"],
    *([f"{name}: {digest(algorithm)}"] for name in ("Content-Digest", "Repr-Digest") for algorithm in ("sha-256", "sha-512")),
    [f"Content-Digest: {digest('sha-256')}, {digest('sha-512')}"],
    [f"Content-Digest: {digest('sha-256')}", f"Content-Digest: {digest('sha-512')}"],
    [f"Content-MD5: {md5()}", f"Content-Digest: {digest('sha-512')}", f"Repr-Digest: {digest('sha-256')},{digest('sha-512')}"],
    [f"Repr-Digest: {digest('sha-256')};a=1;b=\"x\""],
    [f"Content-Digest: sha-256=:AAAA:, {digest('sha-256')}"],  # the last of a name counts
]

OTHER = b"another"
WRONG = [
    [f"Content-MD5: {md5(OTHER)}"],
    *([f"{name}: {digest(algorithm, OTHER)}"] for name in ("Content-Digest", "Repr-Digest")
      for algorithm in ("sha-256", "sha-512")),
    [f"Content-Digest: {digest('sha-256')}, {digest('sha-512', OTHER)}"],
    [f"Content-Digest: {digest('sha-256', OTHER)}, {digest('sha-512')}"],
    [f"Content-Digest: {digest('sha-256')}", f"Repr-Digest: {digest('sha-256', OTHER)}"],
    [f"Content-MD5: {md5(OTHER)}", f"Content-Digest: {digest('sha-256')}"],
    [f"Content-MD5: {md5()}", f"Repr-Digest: md5=:{md5()}:, {digest('sha-512', OTHER)}"],
    [f"Content-Digest: {digest('sha-256', b'')}"],
]

SHA = digest("sha-256")
MALFORMED = [
    *([f"Content-MD5: {value}"] for value in ("x", "", "====", md5()[:-2], md5()[:-1], md5() + "A", f":{md5()}:", hashlib.md5(BODY).hexdigest())),
    [f"Content-MD5: {md5()}", f"Content-MD5: {md5()}"],
    *([f"{name}: {value}"] for name in ("Content-Digest", "Repr-Digest")
      for value in (SHA[:-1], SHA.replace("=:", "="), "sha-256", "sha-256=1", 'sha-256="x"', "sha-256=:AAAA:", "sha-256=::",
                    SHA + ",", "," + SHA, SHA + " x", SHA + ";", "SHA-256=:AAAA:", "sha-256=(1 2)", "sha-256=:ä:", "=:AAAA:",
                    digest("sha-512").replace("512", "256"), SHA.replace("256", "512"))),
]


@test
def a_body_with_the_right_digests_is_stored():
    with Server() as s:
        for i, fields in enumerate(RIGHT):
            answer = put(s, f"a{i}", BODY, *fields)
            assert answer.status == 201, (fields, answer.body)
            assert get(s, f"a{i}").body == BODY
        assert put(s, "empty", b"", f"Content-MD5: {md5(b'')}", f"Repr-Digest: {digest('sha-256', b'')}").status == 201


@test
def a_body_with_a_wrong_one_is_422_and_nothing_is_stored():
    with Server() as s:
        tag = put(s, "old", b"old", "X-Meta-A: 1").headers["etag"]
        for fields in WRONG:
            for key in ("new", "old"):
                answer = put(s, key, BODY, *fields)
                assert answer.status == 422, (fields, answer.status)
                assert answer.headers["content-type"] == "application/problem+json"
                assert json.loads(answer.body)["status"] == 422
        assert get(s, "new").status == 404
        old = get(s, "old")
        assert (old.body, old.headers["etag"], old.headers["x-meta-a"]) == (b"old", tag, "1")
        assert os.listdir(f"{s.dir}/.diskv/tmp") == []


@test
def the_connection_is_kept_after_a_422():
    with Server() as s:
        request = b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nContent-MD5: %s\r\n\r\n%s"
        good = request % (len(BODY), md5().encode(), BODY)
        bad = request % (len(BODY), md5(OTHER).encode(), BODY)
        answer = raw(s.port, bad + good + bad + b"GET /keys/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)
        assert statuses == [b"422", b"201", b"422", b"200"] and answer.endswith(BODY)


@test
def a_malformed_digest_is_400_before_the_body_is_sent():
    with Server() as s:
        for fields in MALFORMED:
            answer = put(s, "a", BODY, *(field if not field.endswith(": ") else field.replace(": ", ";") for field in fields))
            assert answer.status == 400, (fields, answer.status)
        assert get(s, "a").status == 404
        with Connection(s.port) as c:
            c.send(request("PUT", "/keys/a", "Content-Length: 1073741824", "Content-Digest: sha-256=:AAAA:",
                           "Expect: 100-continue"))
            assert c.answer().status == 400


@test
def algorithms_that_are_not_known_are_ignored():
    unknown = "md5=:AAAA:, sha=:AAAA:, unixsum=:AAAA:, crc32c=:AAAA:, sha-1024=1, x=token, *y=?1"
    with Server() as s:
        assert put(s, "a", BODY, f"Content-Digest: {unknown}").status == 201
        assert put(s, "b", BODY, f"Content-Digest: {unknown}, {SHA}").status == 201
        assert put(s, "c", BODY, f"Content-Digest: {unknown}, {digest('sha-256', OTHER)}").status == 422
        assert get(s, "c").status == 404


@test
def the_padding_of_a_digest_may_be_left_out():
    with Server() as s:
        assert put(s, "a", BODY, f"Content-Digest: {SHA.rstrip(':').rstrip('=')}:").status == 201


@test
def a_body_in_chunks_is_checked_too():
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"
    head = b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Digest: %s\r\n\r\n"
    with Server() as s:
        assert raw(s.port, head % digest("sha-512", OTHER).encode() + chunks).startswith(b"HTTP/1.1 422 ")
        assert get(s, "a").status == 404
        assert raw(s.port, head % digest("sha-512").encode() + chunks).startswith(b"HTTP/1.1 201 ")
        assert get(s, "a").body == BODY


@test
def the_digest_is_that_of_what_was_sent_and_not_of_its_file():
    packed = gzip.compress(BODY * 1000)
    with Server("--compress", "gzip") as s:
        assert put(s, "a", BODY * 1000, f"Repr-Digest: {digest('sha-256', BODY * 1000)}").status == 201
        assert put(s, "b", packed, "Content-Encoding: gzip", f"Repr-Digest: {digest('sha-256', packed)}").status == 201
        assert put(s, "c", packed, "Content-Encoding: gzip", f"Repr-Digest: {digest('sha-256', BODY * 1000)}").status == 422


@test
def fifty_megabytes_are_checked():
    body = os.urandom(50_000_000)
    with Server("--sync", "none") as s:
        right, wrong = digest("sha-512", body), digest("sha-512", body[:-1] + bytes([body[-1] ^ 1]))
        assert put(s, "a", body, f"Content-Digest: {wrong}").status == 422
        assert put(s, "a", body, f"Content-Digest: {right}", f"Content-MD5: {md5(body)}").status == 201
        answer = wanting(s, "a", "sha-512=1", "-I")
        assert answer.headers["repr-digest"] == right
        answer = wanting(s, "a", "sha-256=1")
        assert (answer.body == body, answer.headers["repr-digest"]) == (True, digest("sha-256", body))


@test
def a_digest_that_is_wanted_comes_with_get_head_and_206():
    with Server() as s:
        for body in (BODY, b"", os.urandom(300_000)):
            put(s, "a", body)
            for algorithm in ("sha-256", "sha-512"):
                expected = digest(algorithm, body)
                for _ in range(2):
                    answer = wanting(s, "a", f"{algorithm}=1")
                    assert (answer.status, answer.body, answer.headers["repr-digest"]) == (200, body, expected)
                head = wanting(s, "a", f"{algorithm}=1", "-I")
                assert (head.headers["repr-digest"], head.headers["content-length"]) == (expected, str(len(body)))
        for ranges, count in (("bytes=1-2", 2), ("bytes=-5", 5)):
            part = wanting(s, "a", "sha-256=1", "-H", f"Range: {ranges}")
            assert (part.status, len(part.body)) == (206, count)
            assert part.headers["repr-digest"] == digest("sha-256", body)  # of the whole value
        parts = wanting(s, "a", "sha-256=1", "-H", "Range: bytes=0-0,200000-200000")
        assert (parts.status, parts.headers["repr-digest"]) == (206, digest("sha-256", body))


@test
def of_several_the_one_that_is_preferred_is_given():
    with Server() as s:
        put(s, "a", BODY)
        for want, algorithm in (("sha-256=1, sha-512=2", "sha-512"), ("sha-256=2, sha-512=1", "sha-256"),
                                ("sha-256=10, sha-512=9", "sha-256"), ("sha-512=3", "sha-512"),
                                ("sha-256=0, sha-512=1", "sha-512"), ("md5=10, sha-256=1", "sha-256"),
                                ("unixsum=9,sha-512=1;x=y", "sha-512"), ("sha-256=1, sha-256=0, sha-512=1", "sha-512")):
            assert wanting(s, "a", want).headers["repr-digest"] == digest(algorithm), want
        answer = get(s, "a", *lines(["Want-Repr-Digest: sha-256=1", "Want-Repr-Digest: sha-512=5"]))
        assert answer.headers["repr-digest"] == digest("sha-512")


@test
def none_is_given_unasked_or_for_a_wish_that_is_malformed_or_not_known():
    with Server() as s:
        put(s, "a", BODY)
        assert "repr-digest" not in get(s, "a").headers
        for want in ("sha-256", "sha-256=0", "sha-256=11", "sha-256=-1", "sha-256=1.5", 'sha-256="1"', "sha-256=:AAAA:",
                     "md5=1", "sha-256=1,", "=1", "sha-256 = 1", "SHA-256=1", "sha-256=999999999999999999999", "?"):
            answer = wanting(s, "a", want)
            assert (answer.status, answer.body) == (200, BODY) and "repr-digest" not in answer.headers, want


@test
def errors_and_304_have_no_digest():
    with Server() as s:
        tag = put(s, "a", BODY).headers["etag"]
        for status, options in ((304, ["-H", f"If-None-Match: {tag}"]), (412, ["-H", 'If-Match: "x"']),
                                (416, ["-H", "Range: bytes=99-"])):
            answer = wanting(s, "a", "sha-256=1", *options)
            assert answer.status == status and "repr-digest" not in answer.headers
        assert wanting(s, "missing", "sha-256=1").status == 404


@test
def the_digest_of_a_compressed_form_is_that_of_its_bytes():
    text = BODY * 10_000
    with Server("--compress", "gzip") as s:
        put(s, "a", text)
        with open(f"{s.dir}/a", "rb") as file:
            packed = file.read()
        for _ in range(2):
            for options in ([], ["-I"], ["-H", "Range: bytes=1-2"]):
                answer = wanting(s, "a", "sha-256=1", "-H", "Accept-Encoding: gzip", *options)
                assert answer.headers["content-encoding"] == "gzip"
                assert answer.headers["repr-digest"] == digest("sha-256", packed)
                answer = wanting(s, "a", "sha-256=1", *options)
                assert "content-encoding" not in answer.headers
                assert answer.headers["repr-digest"] == digest("sha-256", text)


@test
def the_digest_follows_the_value():
    with Server() as s:
        for i in range(50):
            body = b"%d" % i
            put(s, "a", body)
            assert wanting(s, "a", "sha-256=1").headers["repr-digest"] == digest("sha-256", body)


@test
def a_value_that_is_too_large_to_be_read_twice_comes_without_a_digest():
    with Server() as s:
        s.stop()
        for name, size in (("fits", 256 << 20), ("large", (256 << 20) + 1)):
            with open(f"{s.dir}/{name}", "wb") as file:
                file.truncate(size)
        with Server(dir=s.dir) as again:
            want = ("-I", "-H", "Want-Repr-Digest: sha-256=1")
            assert "repr-digest" in curl(*want, f"{again.url}/keys/fits").headers
            large = curl(*want, f"{again.url}/keys/large")
            assert large.status == 200 and "repr-digest" not in large.headers


if __name__ == "__main__":
    main()
