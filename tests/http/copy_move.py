"""PUT with X-Copy-From and X-Move-From: the value of another key, conditions on both, metadata along or replaced."""
import gzip
import json
import os
import socket
import threading

from diskvtest import Server, curl, main, raw, test

LONG_AGO, FAR_AWAY = "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
COPY, MOVE = "X-Copy-From", "X-Move-From"


def put(s, key, body, *headers):
    answer = curl("-T", "-", *with_headers(headers), f"{s.url}/keys/{key}", input=body)
    assert answer.status in (201, 204), answer
    return answer.headers["etag"]


def with_headers(headers):
    return [option for header in headers for option in ("-H", header)]


def take(s, how, source, key, *headers):
    """Copies or moves; `source` is a key as a URL has it."""
    return curl("-X", "PUT", "-H", f"{how}: /keys/{source}", *with_headers(headers), f"{s.url}/keys/{key}")


def get(s, key):
    return curl(f"{s.url}/keys/{key}")


def keys(s):
    return [item["key"] for item in json.loads(curl(s.url + "/keys").body)["keys"]]


def check_problem(answer, status):
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body)["status"] == status


def at_once(*calls):
    """Makes the calls in threads that begin together; what they returned."""
    results, barrier = [], threading.Barrier(len(calls))

    def run(call):
        barrier.wait()
        results.append(call())
    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@test
def a_copy_has_the_bytes_and_the_etag_of_its_source():
    with Server() as s:
        for size in (0, 1, 65537, 3_000_000):
            body = os.urandom(size)
            etag = put(s, "a", body)
            answer = take(s, COPY, "a", f"copies/{size}")
            assert (answer.status, answer.body) == (201, b"")
            assert answer.headers["location"] == f"/keys/copies/{size}"
            got = get(s, f"copies/{size}")
            assert got.body == body == get(s, "a").body
            assert got.headers["etag"] == answer.headers["etag"] == etag
            assert got.headers["last-modified"] == answer.headers["last-modified"]
        assert keys(s) == ["a", "copies/0", "copies/1", "copies/3000000", "copies/65537"]


@test
def a_copy_over_a_value_is_204():
    with Server() as s:
        put(s, "a", b"new")
        put(s, "b", b"old")
        answer = take(s, COPY, "a", "b")
        assert (answer.status, "location" in answer.headers) == (204, False)
        assert answer.headers["etag"] == get(s, "b").headers["etag"] and get(s, "b").body == b"new"


@test
def a_copy_is_a_value_of_its_own():
    with Server() as s:
        put(s, "a", b"one")
        take(s, COPY, "a", "b")
        with open(os.path.join(s.dir, "a"), "r+b") as file:
            file.write(b"two")
        assert (get(s, "a").body, get(s, "b").body) == (b"two", b"one")
        curl("-X", "DELETE", s.url + "/keys/a")
        assert get(s, "b").body == b"one"


@test
def a_move_leaves_nothing_behind():
    with Server() as s:
        etag = put(s, "a", b"hello", "X-Meta-A: 1")
        answer = take(s, MOVE, "a", "d/b")
        assert (answer.status, answer.headers["location"], answer.headers["etag"]) == (201, "/keys/d/b", etag)
        assert get(s, "a").status == 404 and keys(s) == ["d/b"]
        got = get(s, "d/b")
        assert (got.body, got.headers["etag"], got.headers["x-meta-a"]) == (b"hello", etag, "1")
        put(s, "c", b"old")
        answer = take(s, MOVE, "d/b", "c")
        assert (answer.status, "location" in answer.headers, answer.headers["etag"]) == (204, False, etag)
        assert get(s, "c").body == b"hello" and keys(s) == ["c"]


@test
def metadata_come_along():
    kept = {"content-type": "text/x; a=b", "cache-control": "no-cache", "content-language": "en",
            "content-disposition": "inline", "content-encoding": "br", "x-meta-owner": "me"}
    with Server() as s:
        put(s, "a", b"hello", *(f"{name}: {value}" for name, value in kept.items()))
        for how, source, key in ((COPY, "a", "b"), (MOVE, "b", "c")):
            assert take(s, how, source, key).status == 201
            got = get(s, key)
            assert {name: got.headers.get(name) for name in kept} == kept
            assert got.headers["etag"] == get(s, "a").headers["etag"]


@test
def any_of_them_in_the_request_replaces_them_all():
    with Server() as s:
        for how in (COPY, MOVE):
            old = put(s, "a", b"hello", "Content-Type: text/x", "Cache-Control: no-cache", "X-Meta-A: 1", "X-Meta-B: 2")
            new = take(s, how, "a", "b", "X-Meta-B: 3").headers["etag"]
            got = get(s, "b")
            assert (got.headers["content-type"], got.headers["x-meta-b"]) == ("application/octet-stream", "3")
            assert not {"cache-control", "x-meta-a"} & set(got.headers)
            assert got.headers["etag"] == new != old and got.body == b"hello"
            assert take(s, how, "b", "c", "Content-Type: text/y").status == (201 if how == COPY else 204)
            got = get(s, "c")
            assert got.headers["content-type"] == "text/y" and "x-meta-b" not in got.headers


@test
def a_copy_onto_itself_changes_its_metadata_or_nothing():
    with Server() as s:
        etag = put(s, "a", b"hello", "X-Meta-A: 1")
        answer = take(s, COPY, "a", "a")
        assert (answer.status, answer.headers["etag"], get(s, "a").headers["x-meta-a"]) == (204, etag, "1")
        assert take(s, COPY, "a", "a", "X-Meta-B: 2").headers["etag"] != etag
        got = get(s, "a")
        assert got.body == b"hello" and got.headers["x-meta-b"] == "2" and "x-meta-a" not in got.headers


@test
def a_move_onto_itself_is_400():
    with Server() as s:
        etag = put(s, "a%20b", b"hello")
        check_problem(take(s, MOVE, "a%20b", "%61%20b"), 400)
        assert get(s, "a%20b").headers["etag"] == etag


@test
def the_source_is_named_as_in_a_url():
    with Server() as s:
        for key in ("a%20b", "a/b//c/", "a%2Fb%2f", "%3Fx=1&y", "ä", "100%25", "a+b", "../x"):
            put(s, key, key.encode())
            assert take(s, COPY, key, "copy").status in (201, 204), key
            assert get(s, "copy").body == key.encode(), key
            assert take(s, MOVE, key, "copy").status == 204 and get(s, key).status == 404, key


@test
def a_source_that_is_no_key_is_400():
    with Server() as s:
        put(s, "a", b"hello")
        for how in (COPY, MOVE):
            for source in ("a", "keys/a", "/a", "/keys", "/keys/", "/keys/a?meta", "/keys/a?", "/keys/a#x", "//keys/a",
                           s.url + "/keys/a", "/keys/%ff", "/keys/%0", "/keys/a%00", "/keys/a b", "/keys/" + "x" * 1001):
                check_problem(curl("-X", "PUT", "-H", f"{how}: {source}", s.url + "/keys/b"), 400)
        check_problem(curl("-X", "PUT", "-H", f"{COPY};", s.url + "/keys/b"), 400)  # with an empty value
        assert keys(s) == ["a"]


@test
def one_value_comes_from_one_source_and_takes_no_body():
    with Server() as s:
        put(s, "a", b"hello")
        check_problem(take(s, COPY, "a", "b", f"{MOVE}: /keys/a"), 400)
        check_problem(take(s, COPY, "a", "b", f"{COPY}: /keys/a"), 400)
        for how in (COPY, MOVE):
            for framing in ("Content-Type:", "Transfer-Encoding: chunked", "Expect: 100-continue"):
                answer = curl("-T", "-", "-H", f"{how}: /keys/a", "-H", framing, s.url + "/keys/b", input=b"body")
                check_problem(answer, 400)
        assert keys(s) == ["a"]
        answer = raw(s.port, b"PUT /keys/b HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Copy-From: /keys/a \t\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 201 "), answer
        assert take(s, COPY, "a", "b", "Content-Length: 0").status == 204


@test
def a_source_that_is_missing_is_404_whatever_the_conditions():
    with Server() as s:
        put(s, "b", b"old")
        for how in (COPY, MOVE):
            for condition in ("Accept: */*", "If-None-Match: *", 'X-Copy-If-Match: "x"', "X-Copy-If-None-Match: *"):
                check_problem(take(s, how, "missing", "b", condition), 404)
            check_problem(take(s, how, "missing", "c"), 404)
        assert get(s, "b").body == b"old" and keys(s) == ["b"]


@test
def conditions_without_a_prefix_are_about_the_target():
    with Server() as s:
        for how in (COPY, MOVE):
            source = put(s, "a", b"new")
            target = put(s, "b", b"old")
            for key, condition in (("b", "If-None-Match: *"), ("b", f"If-Match: {source}"), ("c", "If-Match: *"),
                                   ("b", f"If-None-Match: {target}"), ("b", f"If-Unmodified-Since: {LONG_AGO}")):
                check_problem(take(s, how, "a", key, condition), 412)
            assert (get(s, "a").body, get(s, "b").body, keys(s)) == (b"new", b"old", ["a", "b"])
            assert take(s, how, "a", "b", f"If-Match: {target}").status == 204
            put(s, "a", b"new")
            assert take(s, how, "a", "c", "If-None-Match: *").status == 201
            curl("-X", "DELETE", s.url + "/keys/c")


@test
def conditions_with_the_prefix_are_about_the_source():
    with Server() as s:
        for how in (COPY, MOVE):
            target = put(s, "b", b"old")
            source = put(s, "a", b"new")
            for condition in (f"Match: {target}", 'Match: "x", "y"', f"None-Match: {source}", "None-Match: *",
                              f"Modified-Since: {FAR_AWAY}", f"Unmodified-Since: {LONG_AGO}"):
                check_problem(take(s, how, "a", "b", f"X-Copy-If-{condition}"), 412)
            check_problem(take(s, how, "a", "b", "X-Copy-If-Match: a"), 400)
            assert (get(s, "a").body, get(s, "b").body) == (b"new", b"old")
            for condition in (f"Match: {source}", "Match: *", f"None-Match: {target}",
                              f"Modified-Since: {LONG_AGO}", f"Unmodified-Since: {FAR_AWAY}"):
                put(s, "a", b"new")
                assert take(s, how, "a", "b", f"X-Copy-If-{condition}").status == 204, condition
                assert get(s, "b").body == b"new"


@test
def conditions_about_a_source_are_not_dropped_where_none_is_named():
    with Server() as s:
        put(s, "a", b"value")
        for header in ("X-Copy-If-Match: *", "X-Copy-If-None-Match;", "x-copy-if-unmodified-since: now", "X-Copy-Form: /keys/b"):
            check_problem(curl("-T", "-", "-H", header, s.url + "/keys/a", input=b"other"), 400)
        assert get(s, "a").body == b"value"


@test
def of_racing_copies_that_only_create_exactly_one_wins():
    with Server() as s:
        for how in (COPY, MOVE):
            for i in range(8):
                put(s, f"{how}{i}", b"%d" % i)
            statuses = at_once(*(lambda i=i: (take(s, how, f"{how}{i}", f"to-{how}", "If-None-Match: *").status, b"%d" % i)
                                 for i in range(8)))
            assert sorted(status for status, _ in statuses) == [201] + [412] * 7
            assert (201, get(s, f"to-{how}").body) in statuses
            assert len([key for key in keys(s) if key.startswith(how)]) == (8 if how == COPY else 7)


@test
def of_racing_moves_of_one_value_exactly_one_wins():
    with Server() as s:
        put(s, "a", b"hello")
        statuses = at_once(*(lambda i=i: take(s, MOVE, "a", f"to{i}").status for i in range(8)))
        assert sorted(statuses) == [201] + [404] * 7
        assert len(keys(s)) == 1 and get(s, keys(s)[0]).body == b"hello"


@test
def a_copy_of_a_value_that_changes_meanwhile_is_one_of_them_whole():
    values = [bytes([byte]) * 300_000 for byte in b"ab"]
    with Server() as s:
        put(s, "a", values[0])
        writers = [lambda value=value: [put(s, "a", value) for _ in range(10)] for value in values]
        copier = [lambda: [take(s, COPY, "a", f"copy{i}").status for i in range(10)]]
        assert [201] * 10 in at_once(*writers, *copier)
        for i in range(10):
            assert get(s, f"copy{i}").body in values


@test
def a_value_that_is_compressed_stays_so():
    text = b"a line of a text\n" * 10_000
    with Server("--compress", "gzip") as s:
        etag = put(s, "a", text, "Content-Type: text/x")
        for how, source, key in ((COPY, "a", "b"), (MOVE, "a", "c")):
            with open(os.path.join(s.dir, source), "rb") as file:
                before = file.read()
            answer = take(s, how, source, key)
            with open(os.path.join(s.dir, key), "rb") as file:
                after = file.read()
            assert answer.headers["etag"] == etag and after == before and gzip.decompress(after) == text
            plain, packed = get(s, key), curl("-H", "Accept-Encoding: gzip", f"{s.url}/keys/{key}")
            assert (plain.body, plain.headers["etag"], plain.headers["content-type"]) == (text, etag, "text/x")
            assert packed.headers["content-encoding"] == "gzip" and packed.body == after
            part = curl("-r", "100000-100009", f"{s.url}/keys/{key}")
            assert (part.status, part.body) == (206, text[100_000:100_010])


@test
def files_of_other_programs_are_copied_and_moved_too():
    with Server() as s:
        with open(os.path.join(s.dir, "a"), "wb") as file:
            file.write(b"hello")
        assert take(s, COPY, "a", "b", "If-None-Match: *").status == 201
        assert take(s, MOVE, "a", "c").status == 201
        for key in ("b", "c"):
            assert get(s, key).body == b"hello"
            with open(os.path.join(s.dir, key), "rb") as file:
                assert file.read() == b"hello"
        assert not os.path.exists(os.path.join(s.dir, "a"))


@test
def keys_below_one_another_can_be_copied_and_moved():
    with Server() as s:
        put(s, "a", b"hello")
        assert take(s, COPY, "a", "a/b/c").status == 201
        assert take(s, MOVE, "a/b/c", "a/b").status == 201
        assert take(s, MOVE, "a/b", "a").status == 204
        assert take(s, MOVE, "a", "a/d").status == 201
        assert keys(s) == ["a/d"] and get(s, "a/d").body == b"hello"


@test
def what_fails_leaves_nothing():
    with Server("--max-value-bytes", "1000") as s:
        with open(os.path.join(s.dir, "a"), "wb") as file:
            file.write(b"x" * 1001)
        put(s, "b", b"hello")
        check_problem(take(s, COPY, "a", "c"), 413)
        for how in (COPY, MOVE):
            check_problem(take(s, how, "b", "c", "X-Meta-A: " + "x" * 4000), 400)
            check_problem(take(s, how, "b", "%ff"), 400)
            check_problem(take(s, how, "b", "c", "If-Match: *"), 412)
        with socket.create_connection(("127.0.0.1", s.port)) as connection:
            connection.sendall(b"PUT /keys/c HTTP/1.1\r\nHost: h\r\nX-Copy-From: /keys/b\r\nContent-Length: 9\r\n\r\n")
        assert get(s, "c").status == 404 and get(s, "b").body == b"hello"
    assert not os.listdir(os.path.join(s.dir, ".diskv", "tmp"))


if __name__ == "__main__":
    main()
