"""Header fields that are kept with a value and given back with it."""
import gzip
import json
import os
import re
import subprocess
import tempfile

from diskvtest import Server, curl, main, raw, skip, test

FIELDS = {
    "content-type": "text/x-play; charset=utf-8",
    "cache-control": "public, max-age=3600",
    "content-disposition": 'attachment; filename="a b.txt"',
    "content-encoding": "br",
    "content-language": "de, en",
    "x-meta-author": "Jack",
    "x-meta-note": "all work, \"and\" no play \\",
}


def lines(fields):
    pairs = fields.items() if isinstance(fields, dict) else fields
    return [word for name, value in pairs for word in ("-H", f"{name}: {value}")]


def put(s, key, body, *options):
    return curl("-T", "-", *options, f"{s.url}/keys/{key}", input=body)


def get(s, key, *options):
    return curl(*options, f"{s.url}/keys/{key}")


def meta(s, key):
    return json.loads(get(s, key + "?meta").body)


def kept(answer):
    """The fields of an answer that were kept with its value."""
    return {name: value for name, value in answer.headers.items()
            if name in FIELDS or name.startswith("x-meta-")}


@test
def every_field_is_given_back_on_get_head_and_206_and_by_meta():
    with Server() as s:
        assert put(s, "a", b"hello", *lines(FIELDS)).status == 201
        assert kept(get(s, "a")) == FIELDS
        assert kept(get(s, "a", "-I")) == FIELDS
        part = get(s, "a", "-H", "Range: bytes=1-2")
        assert (part.status, part.body, kept(part)) == (206, b"el", FIELDS)
        about = meta(s, "a")
        assert about.pop("type") == FIELDS["content-type"]
        assert {name: about[name] for name in about if name in FIELDS or name.startswith("x-meta-")} == {
            name: value for name, value in FIELDS.items() if name != "content-type"}


@test
def several_parts_give_the_type_with_each_part_and_the_rest_once():
    with Server() as s:
        put(s, "a", b"x" * 1000, *lines(FIELDS))
        answer = get(s, "a", "-H", "Range: bytes=0-0,500-500")
        assert answer.status == 206 and answer.headers["content-type"].startswith("multipart/byteranges; ")
        assert answer.body.count(b"Content-Type: text/x-play; charset=utf-8\r\n") == 2
        assert kept(answer) | {"content-type": FIELDS["content-type"]} == FIELDS


@test
def nothing_is_kept_but_these():
    others = {"Content-Location": "/x", "Expires": "0", "Link": "<x>", "Set-Cookie": "a=b", "X-Other": "1",
              "X-Met": "1", "Meta": "1", "Refresh": "1", "ETag": '"mine"', "Last-Modified": "never"}
    with Server() as s:
        plain = put(s, "a", b"hello").headers["etag"]
        assert put(s, "b", b"hello", *lines(others)).headers["etag"] == plain
        answer = get(s, "b")
        assert set(answer.headers) == set(get(s, "a").headers)
        assert answer.headers["etag"] == plain
        assert set(meta(s, "b")) == {"key", "size", "modified", "etag", "type"}


@test
def lines_of_one_field_are_joined_by_commas_in_their_order():
    with Server() as s:
        put(s, "a", b"1", *lines([("Cache-Control", "no-cache"), ("Content-Language", "de"), ("X-META-A", "1"),
                                  ("cache-control", "private"), ("X-Meta-a", " 2 "), ("Content-Language", "en"),
                                  ("x-meta-A", "3, 4"), ("Content-Encoding", "br"), ("Content-Encoding", "br")]))
        assert kept(get(s, "a")) == {"cache-control": "no-cache, private", "content-language": "de, en",
                                     "content-encoding": "br, br", "x-meta-a": "1, 2, 3, 4",
                                     "content-type": "application/octet-stream"}
        assert raw(s.port, b"GET /keys/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").lower().count(
            b"\r\nx-meta-a: ") == 1


@test
def what_is_no_list_is_400_where_it_comes_twice():
    with Server() as s:
        for name in ("Content-Type", "Content-Disposition"):
            answer = put(s, "a", b"1", *lines([(name, "text/plain"), (name.lower(), "text/plain")]))
            assert answer.status == 400 and name.encode() in answer.body
        assert get(s, "a").status == 404


@test
def a_name_of_ones_own_takes_every_character_of_a_token():
    name = "x-meta-!#$%&'*+-.^_`|~0189azAZ"
    with Server() as s:
        assert put(s, "a", b"1", *lines({name: "v", "x-meta-" + "y" * 57: "long"})).status == 201
        assert kept(get(s, "a"))[name.lower()] == "v"
        assert meta(s, "a")[name.lower()] == "v"
        assert meta(s, "a")["x-meta-" + "y" * 57] == "long"
        assert put(s, "b", b"1", *lines({"x-meta-" + "y" * 58: "too long"})).status == 400
        assert get(s, "b").status == 404


@test
def a_value_of_ones_own_is_utf8():
    text = "grün, 日本語, \U0001f600"
    with Server() as s:
        assert put(s, "a", b"1", "-H", f"X-Meta-A: {text}").status == 201
        assert get(s, "a").headers["x-meta-a"].encode("latin-1").decode() == text
        assert meta(s, "a")["x-meta-a"] == text


@test
def control_characters_and_what_is_no_utf8_are_400_and_nothing_is_stored():
    with Server() as s:
        put(s, "a", b"old")
        for value in (b"a\x01b", b"a\tb", b"\x7f", b"\x80", b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"):
            for name in (b"X-Meta-A", b"Cache-Control", b"Content-Disposition"):
                answer = raw(s.port, b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                                     b"Content-Length: 3\r\n%s: %s\r\n\r\nnew" % (name, value))
                assert answer.startswith(b"HTTP/1.1 400 "), (name, value, answer)
        answer = get(s, "a")
        assert (answer.body, kept(answer)) == (b"old", {"content-type": "application/octet-stream"})


@test
def an_empty_field_is_as_good_as_none():
    with Server() as s:
        plain = put(s, "a", b"hello").headers["etag"]
        empty = ["-H", "X-Meta-A;", "-H", "Cache-Control;", "-H", "Content-Type;"]
        assert put(s, "b", b"hello", *empty).headers["etag"] == plain
        answer = get(s, "b")
        assert (answer.status, answer.body) == (200, b"hello")
        assert set(meta(s, "b")) == {"key", "size", "modified", "etag", "type"}


@test
def two_kib_in_all_are_kept_and_more_is_400():
    with Server() as s:
        fits = {f"x-meta-{i}": "v" * 200 for i in range(8)}
        tag = put(s, "a", b"fits", *lines(fits)).headers["etag"]
        assert kept(get(s, "a")) == fits | {"content-type": "application/octet-stream"}
        for fields in ({"x-meta-a": "v" * 2049}, {f"x-meta-{i}": "v" * 200 for i in range(11)},
                       {f"x-meta-{i}": "v" for i in range(65)}, {f"x-meta-{i}": "\\" * 150 for i in range(8)},
                       {"cache-control": "v" * 3000}):
            for key in ("a", "b"):
                answer = put(s, key, b"new", *lines(fields))
                assert answer.status == 400, (fields, answer.status)
                assert answer.headers["content-type"] == "application/problem+json"
        assert get(s, "a").headers["etag"] == tag
        assert get(s, "b").status == 404
        for size in range(1500, 2100, 7):  # there is one size up to which all is well
            status = put(s, "c", b"1", "-H", "X-Meta-A: " + "v" * size).status
            assert status in (201, 204, 400)
            if status == 400:
                break
            assert len(get(s, "c").headers["x-meta-a"]) == size
        assert size > 1800


@test
def a_304_has_the_fields_that_a_cache_needs_and_no_others():
    with Server() as s:
        tag = put(s, "a", b"hello", *lines(FIELDS)).headers["etag"]
        for options in ([], ["-I"]):
            answer = get(s, "a", *options, "-H", f"If-None-Match: {tag}")
            assert answer.status == 304
            assert kept(answer) == {"cache-control": FIELDS["cache-control"]}
            assert answer.headers["etag"] == tag and "date" in answer.headers


@test
def an_overwrite_replaces_all_that_was_kept():
    with Server() as s:
        put(s, "a", b"1", *lines(FIELDS))
        put(s, "a", b"1", "-H", "X-Meta-New: 1")
        assert kept(get(s, "a")) == {"x-meta-new": "1", "content-type": "application/octet-stream"}
        put(s, "a", b"1")
        assert kept(get(s, "a")) == {"content-type": "application/octet-stream"}


@test
def what_is_kept_is_part_of_the_etag():
    sets = [{}, {"x-meta-a": "b"}, {"x-meta-ab": "c"}, {"x-meta-a": "bc"}, {"cache-control": "b"},
            {"content-type": "b"}, {"x-meta-a": "b", "x-meta-c": "d"}, FIELDS]
    with Server() as s, Server() as other:
        tags = [put(s, "a", b"hello", *lines(fields)).headers["etag"] for fields in sets]
        assert len(set(tags)) == len(sets)
        assert tags == [put(other, "b", b"hello", *lines(reversed(fields.items()))).headers["etag"]
                        for fields in sets]
        assert get(other, "b").headers["etag"] == tags[-1]


@test
def it_outlives_a_restart_and_a_server_without_its_folder():
    with Server() as s:
        tag = put(s, "a", b"hello", *lines(FIELDS)).headers["etag"]
        assert s.stop() == 0
        subprocess.run(["rm", "-r", f"{s.dir}/.diskv"], check=True)
        with Server(dir=s.dir) as again:
            answer = get(again, "a")
            assert (answer.headers["etag"], kept(answer)) == (tag, FIELDS)


def forge(s, key, fields):
    """Writes the record as another program might, with these fields."""
    path = f"{s.dir}/{key}"
    at = os.stat(path)
    record = {"xxh3": "0" * 32, "size": at.st_size, "mtime": at.st_mtime_ns, "fields": fields}
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
    os.setxattr(path, "user.diskv", text.encode())


@test
def what_another_program_notes_never_becomes_a_header_that_is_not_kept():
    forbidden = {"set-cookie": "a=b", "transfer-encoding": "chunked", "content-length": "1", "location": "/x",
                 "etag": "mine", "key": "another", "size": "7", "type": "text/html", "connection": "close"}
    with Server() as s:
        put(s, "a", b"hello")
        headers, about = set(get(s, "a").headers), set(meta(s, "a"))
        for fields in (dict(sorted(forbidden.items())), *({name: value} for name, value in forbidden.items())):
            forge(s, "a", fields)
            answer = get(s, "a")
            assert (answer.status, answer.body, set(answer.headers)) == (200, b"hello", headers), fields
            text = get(s, "a?meta").body
            assert set(json.loads(text)) == about and text.count(b'"key"') == 1, text
        forge(s, "a", {"set-cookie": "a=b", "x-meta-a": "kept"})
        assert get(s, "a").headers["x-meta-a"] == "kept"


@test
def a_note_with_line_ends_or_that_is_broken_is_as_good_as_none():
    with Server() as s:
        put(s, "a", b"hello")
        headers = set(get(s, "a").headers)
        at = os.stat(f"{s.dir}/a")
        frame = '{"xxh3":"%s","size":%d,"mtime":%d,"fields":%%s}' % ("0" * 32, at.st_size, at.st_mtime_ns)
        for fields in ('{"x-meta-a":"1\r\nX-Evil: 1"}', '{"x-meta-a":"1\\r\\nX-Evil: 1"}', '{"x-meta-a\r\nx-evil":"1"}',
                       '{"x-meta-a: 1\\r\\nx-evil":"1"}', '{"X-Meta-A":"1"}', '{"x-meta-a":1}', '{"x-meta-a":null}',
                       '{"x-meta-a":["1"]}', '["x-meta-a"]', '"x-meta-a"', '{"x-meta-a":"1"', '{"x-meta-a":"\\u000a"}',
                       '{"x meta a":"1"}', '{"":"1"}', '{"x-meta-b":"1","x-meta-a":"1"}', '{"x-meta-a":"\x7f"}'):
            os.setxattr(f"{s.dir}/a", "user.diskv", (frame % fields).encode())
            answer = get(s, "a")
            assert (answer.status, answer.body, set(answer.headers)) == (200, b"hello", headers), fields
        os.setxattr(f"{s.dir}/a", "user.diskv", (frame % '{"x-meta-a":"\xff"}').encode("latin-1"))
        assert set(get(s, "a").headers) == headers
        os.setxattr(f"{s.dir}/a", "user.diskv", (frame % '{"x-meta-a":""}').encode())
        assert get(s, "a").body == b"hello"


@test
def a_value_that_another_program_edits_in_place_keeps_its_fields():
    with Server() as s:
        tag = put(s, "a", b"hello", *lines(FIELDS)).headers["etag"]
        with open(f"{s.dir}/a", "wb") as file:
            file.write(b"edited")
        answer = get(s, "a")
        assert (answer.body, kept(answer)) == (b"edited", FIELDS)
        assert answer.headers["etag"] != tag
        assert meta(s, "a")["x-meta-author"] == "Jack"


@test
def without_extended_attributes_an_upload_that_needs_them_is_501():
    with tempfile.TemporaryDirectory() as disk:
        if subprocess.run(["mount", "-t", "ramfs", "ramfs", disk], stderr=subprocess.DEVNULL, check=False).returncode:
            skip("cannot mount ramfs here")
        try:
            with Server(dir=f"{disk}/data") as s:
                for name, value in FIELDS.items():
                    assert put(s, "a", b"1", "-H", f"{name}: {value}").status == 501, name
                assert get(s, "a").status == 404
                assert put(s, "a", b"hello").status == 201
                assert put(s, "a", b"new", *lines(FIELDS)).status == 501
                answer = get(s, "a")
                assert (answer.body, kept(answer)) == (b"hello", {"content-type": "application/octet-stream"})
                change = curl("-X", "PATCH", "-H", "Content-Type: application/json", "-d", '{"x-meta-a":"1"}',
                              s.url + "/keys/a?meta")
                assert change.status == 501 and kept(get(s, "a")) == kept(answer)
        finally:
            subprocess.run(["umount", disk], check=True)


@test
def a_value_uploaded_in_gzip_is_kept_and_served_as_it_came():
    text = b"all work and no play\n" * 10_000
    packed = gzip.compress(text)
    for options in ((), ("--compress", "gzip"), ("--compress", "zlib")):
        with Server(*options) as s:
            put(s, "a.txt", packed, "-H", "Content-Encoding: gzip")
            for accept in ("gzip", "identity", "gzip;q=0", ""):
                answer = get(s, "a.txt", "-H", f"Accept-Encoding: {accept}" if accept else "Accept-Encoding:")
                assert (answer.status, answer.body) == (200, packed), (options, accept)
                assert answer.headers["content-encoding"] == "gzip"
                assert answer.headers["content-type"] == "text/plain"
                assert answer.headers["content-length"] == str(len(packed))
            assert get(s, "a.txt", "--compressed").body == text
            part = get(s, "a.txt", "-H", "Range: bytes=10-19", "-H", "Accept-Encoding: gzip")
            assert (part.status, part.body) == (206, packed[10:20])
            assert meta(s, "a.txt")["size"] == len(packed)


GUESSED = {"a.html": "text/html", "a.css": "text/css", "a.JSON": "application/json", "x/y.png": "image/png",
           "a.tar.gz": "application/gzip", "a.jpeg": "image/jpeg", "a.txt": "text/plain",
           "a.pdf": "application/pdf", "a.svg": "image/svg+xml", "a.wasm": "application/wasm",
           "a": "application/octet-stream", "a.none-such": "application/octet-stream",
           "html": "application/octet-stream", "a.html/b": "application/octet-stream"}


@test
def the_type_is_guessed_from_the_extension_where_none_was_given():
    with Server() as s:
        plain = put(s, "plain", b"x").headers["etag"]
        for key, guessed in GUESSED.items():
            assert put(s, key, b"x").headers["etag"] == plain  # a guess is not part of it
            assert get(s, key).headers["content-type"] == guessed, key
            assert get(s, key, "-I").headers["content-type"] == guessed
            assert meta(s, key)["type"] == guessed
        listed = {item["key"]: item["type"] for item in json.loads(curl(s.url + "/keys").body)["keys"]}
        assert {key: listed[key] for key in GUESSED} == GUESSED


@test
def the_type_of_the_upload_wins_over_a_guess():
    with Server() as s:
        put(s, "a.html", b"x", "-H", "Content-Type: text/x-mine")
        assert get(s, "a.html").headers["content-type"] == meta(s, "a.html")["type"] == "text/x-mine"
        os.removexattr(f"{s.dir}/a.html", "user.mime_type")
        assert get(s, "a.html").headers["content-type"] == "text/html"


@test
def the_type_guessed_for_a_file_of_another_program_is_the_same():
    with Server() as s:
        with open(f"{s.dir}/a.css", "wb") as file:
            file.write(b"x")
        answer = get(s, "a.css")
        assert answer.headers["content-type"] == "text/css"
        assert re.fullmatch(r'"[0-9a-f]{32}"', answer.headers["etag"])


if __name__ == "__main__":
    main()
