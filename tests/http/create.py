"""POST /keys stores a body under its SHA-256, once."""
import base64
import hashlib
import json
import os
import socket
import threading

from diskvtest import Server, curl, main, test


def post(s, body, *options):
    return curl("--data-binary", "@-", "-H", "Content-Type:", *options, s.url + "/keys", input=body)


def name_of(body):
    return hashlib.sha256(body).hexdigest()


def keys(s):
    return [item["key"] for item in json.loads(curl(s.url + "/keys").body)["keys"]]


def path_of(s, key):
    return os.path.join(s.dir, key)


@test
def a_body_of_any_size_gets_the_hexadecimal_digits_of_its_digest_for_a_key():
    with Server() as s:
        for size in (1, 8191, 300_000, 5_000_000):
            for framing in ("Content-Type:", "Transfer-Encoding: chunked"):
                body = os.urandom(size)
                answer = post(s, body, "-H", framing)
                assert (answer.status, answer.body) == (201, b""), (size, framing)
                assert answer.headers["location"] == f"/keys/{name_of(body)}"
                got = curl(s.url + answer.headers["location"])
                assert got.body == body and got.headers["etag"] == answer.headers["etag"]
        assert post(s, b"").headers["location"] == f"/keys/{name_of(b'')}"


@test
def the_same_body_again_is_200_and_leaves_value_and_metadata_as_they_are():
    for options in ([], ["--compress", "gzip"]):
        with Server(*options) as s:
            body = b"a line\n" * 10_000
            first = post(s, body, "-H", "X-Meta-Owner: me", "-H", "Content-Type: text/x")
            before = os.stat(path_of(s, name_of(body)))
            again = post(s, body, "-H", "X-Meta-Owner: you")
            assert (first.status, again.status, again.body) == (201, 200, b"")
            for field in ("location", "etag", "last-modified"):
                assert again.headers[field] == first.headers[field], field
            after = os.stat(path_of(s, name_of(body)))
            assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == \
                   (before.st_ino, before.st_mtime_ns, before.st_ctime_ns)
            got = curl(s.url + first.headers["location"])
            assert (got.headers["content-type"], got.headers["x-meta-owner"]) == ("text/x", "me")


@test
def a_value_of_another_size_that_another_program_left_there_is_replaced():
    with Server() as s:
        with open(path_of(s, name_of(b"hello")), "wb") as file:
            file.write(b"hell")
        assert post(s, b"hello").status == 201
        assert curl(f"{s.url}/keys/{name_of(b'hello')}").body == b"hello"


@test
def of_racing_creators_of_one_body_exactly_one_gets_201():
    with Server() as s:
        answers = []
        racers = [threading.Thread(target=lambda: answers.append(post(s, b"x" * 100_000))) for _ in range(8)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        assert sorted(answer.status for answer in answers) == [200] * 7 + [201]
        assert len({answer.headers["etag"] for answer in answers}) == 1


@test
def digests_are_verified_as_they_are_for_put():
    with Server() as s:
        right = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
        wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
        for header, status in ((f"Content-Digest: sha-256=:{wrong}:", 422), (f"Repr-Digest: sha-256=:{wrong}:", 422),
                               ("Content-MD5: rL0Y20zC+Fzt72VPzMSk2A==", 422), ("Content-Digest: sha-256=1", 400)):
            answer = post(s, b"hello", "-H", header)
            assert answer.status == status and json.loads(answer.body)["status"] == status, header
            assert answer.headers["content-type"] == "application/problem+json"
        assert keys(s) == []
        assert post(s, b"hello", "-H", f"Content-Digest: sha-256=:{right}:").status == 201


@test
def a_body_that_is_too_large_or_cut_off_leaves_nothing():
    with Server("--max-value-bytes", "1000") as s:
        assert post(s, b"x" * 1001).status == 413
        assert post(s, b"x" * 1001, "-H", "Transfer-Encoding: chunked").status == 413
        with socket.create_connection(("127.0.0.1", s.port)) as connection:
            connection.sendall(b"POST /keys HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\nabc")
        assert post(s, b"x" * 1000).status == 201
        assert keys(s) == [name_of(b"x" * 1000)]
    assert not os.listdir(os.path.join(s.dir, ".diskv", "tmp"))


@test
def metadata_that_cannot_be_kept_are_400():
    with Server() as s:
        answer = post(s, b"hello", "-H", "X-Meta-A: " + "x" * 4000)
        assert answer.status == 400 and keys(s) == []


@test
def the_path_may_end_with_a_slash_and_allows_post():
    with Server() as s:
        assert curl("--data-binary", "hello", s.url + "/keys/").status == 201
        assert "POST" in curl("-X", "OPTIONS", s.url + "/keys").headers["allow"]
        assert curl("--data-binary", "hello", s.url + "/keys/a").status == 405


if __name__ == "__main__":
    main()
