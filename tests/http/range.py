"""GET of parts of a value (RFC 9110, section 14)."""
import email.utils
import os
import re
import time

from diskvtest import Server, curl, main, raw, test

VALUE = bytes(range(256)) * 40  # 10,240 bytes


def put(s, key, body, *options):
    answer = curl("-T", "-", *options, f"{s.url}/keys/{key}", input=body)
    assert answer.status in (201, 204), answer
    return answer


def get(s, ranges, *options, key="a"):
    return curl("-H", f"Range: {ranges}", *options, f"{s.url}/keys/{key}")


def parts_of(answer):
    """The (Content-Type, Content-Range, bytes) of each part; everything else must be as the RFC has it."""
    boundary = re.fullmatch(r"multipart/byteranges; boundary=([0-9a-f]{32})", answer.headers["content-type"])[1]
    assert "content-range" not in answer.headers
    assert answer.headers["content-length"] == str(len(answer.body))
    delimiter = b"\r\n--" + boundary.encode()
    pieces = (b"\r\n" + answer.body).split(delimiter)
    assert (pieces[0], pieces[-1]) == (b"", b"--\r\n"), pieces
    parts = []
    for piece in pieces[1:-1]:
        head, body = piece.split(b"\r\n\r\n", 1)
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        assert set(fields) == {"Content-Type", "Content-Range"}
        parts.append((fields["Content-Type"], fields["Content-Range"], body))
    return parts


@test
def one_range_is_answered_with_its_bytes():
    with Server() as s:
        stored = put(s, "a", VALUE, "-H", "Content-Type: text/plain")
        for asked, first, last in [("0-0", 0, 0), ("0-99", 0, 99), ("100-", 100, 10239), ("10239-", 10239, 10239),
                                   ("-1", 10239, 10239), ("-500", 9740, 10239), ("-99999", 0, 10239),
                                   ("5000-99999", 5000, 10239), ("0-", 0, 10239), ("7-7,", 7, 7),
                                   ("0-99999999999999999999999999", 0, 10239), ("-0,3-4", 3, 4),
                                   ("20000-,3-4", 3, 4)]:
            answer = get(s, "bytes=" + asked)
            assert answer.status == 206, asked
            assert answer.body == VALUE[first:last + 1], asked
            assert answer.headers["content-range"] == f"bytes {first}-{last}/10240", asked
            assert answer.headers["content-length"] == str(last + 1 - first)
            assert answer.headers["content-type"] == "text/plain"
            assert answer.headers["accept-ranges"] == "bytes"
            assert answer.headers["etag"] == stored.headers["etag"]
            assert "last-modified" in answer.headers


@test
def a_value_says_that_it_has_ranges():
    with Server() as s:
        put(s, "a", VALUE)
        assert curl(s.url + "/keys/a").headers["accept-ranges"] == "bytes"
        assert curl("-I", s.url + "/keys/a").headers["accept-ranges"] == "bytes"


@test
def what_lies_behind_the_end_is_416_with_the_size():
    with Server() as s:
        put(s, "a", VALUE)
        put(s, "empty", b"")
        for key, asked, size in [("a", "10240-", 10240), ("a", "99999-100000", 10240), ("a", "-0", 10240),
                                 ("a", "10240-,20000-", 10240), ("empty", "0-", 0), ("empty", "0-0", 0),
                                 ("a", "99999999999999999999999999-", 10240)]:
            answer = get(s, "bytes=" + asked, key=key)
            assert answer.status == 416, (key, asked)
            assert answer.headers["content-range"] == f"bytes */{size}"
            assert answer.headers["content-type"] == "application/problem+json"


@test
def what_is_no_range_is_ignored():
    with Server() as s:
        put(s, "a", VALUE)
        for header in ["bytes=5-2", "bytes=", "bytes=,", "bytes=-", "bytes=a-b", "bytes=1-2x", "bytes=1-2;3-4", "bytes 1-2",
                       "items=1-2", "bytes=1--2", "bytes=0x1-0x2", "bytes=1-2,x", "bytes=+1-2", "bytes= ",
                       "bytes=1 -2", "bytes:1-2", "none"]:
            answer = get(s, header)
            assert (answer.status, answer.body) == (200, VALUE), header
            assert "content-range" not in answer.headers
        twice = get(s, "bytes=1-2", "-H", "Range: bytes=3-4")
        assert (twice.status, twice.body) == (200, VALUE)


@test
def blanks_and_empty_elements_in_the_list_are_allowed_and_the_unit_has_no_case():
    with Server() as s:
        put(s, "a", VALUE)
        for header in ["bytes=,, 3-5 ,", "Bytes=3-5", "BYTES=\t3-5\t,,", "bytes=3-5"]:
            answer = get(s, header)
            assert (answer.status, answer.body) == (206, VALUE[3:6]), header


@test
def several_ranges_come_as_parts_in_ascending_order():
    with Server() as s:
        put(s, "a", VALUE, "-H", "Content-Type: text/plain; charset=utf-8")
        answer = get(s, "bytes=5000-5009,0-9,-10")
        assert answer.status == 206
        assert parts_of(answer) == [
            ("text/plain; charset=utf-8", f"bytes {first}-{first + 9}/10240", VALUE[first:first + 10])
            for first in (0, 5000, 10230)]
        assert answer.headers["accept-ranges"] == "bytes" and "etag" in answer.headers


@test
def ranges_that_overlap_or_nearly_touch_are_one():
    with Server() as s:
        put(s, "a", VALUE)
        for asked, first, last in [("0-99,50-149", 0, 149), ("100-199,0-99", 0, 199), ("0-9,20-29", 0, 29),
                                   ("0-,0-,0-", 0, 10239), ("10-20,0-50,5-6", 0, 50)]:
            answer = get(s, "bytes=" + asked)
            assert (answer.status, answer.body) == (206, VALUE[first:last + 1]), asked
            assert answer.headers["content-range"] == f"bytes {first}-{last}/10240"


@test
def many_ranges_never_cost_more_than_the_value():
    with Server() as s:
        put(s, "a", VALUE)
        thirty_two = ",".join(f"{i * 300}-{i * 300}" for i in range(32))
        answer = get(s, "bytes=" + thirty_two)
        assert answer.status == 206 and len(parts_of(answer)) == 32
        assert [body for _, _, body in parts_of(answer)] == [VALUE[i * 300:i * 300 + 1] for i in range(32)]
        for asked in (thirty_two + ",9999-9999", ",".join(["0-"] * 1000), ",".join(f"{i}-" for i in range(1000))):
            answer = get(s, "bytes=" + asked)
            assert (answer.status, answer.body) == (200, VALUE)


@test
def head_and_put_know_no_ranges():
    with Server() as s:
        put(s, "a", VALUE)
        answer = curl("-I", "-H", "Range: bytes=1-2", s.url + "/keys/a")
        assert (answer.status, answer.headers["content-length"]) == (200, "10240")
        assert put(s, "b", b"hello", "-H", "Range: bytes=1-2").status == 201
        assert curl(s.url + "/keys/b").body == b"hello"


@test
def conditions_come_before_ranges():
    with Server() as s:
        etag = put(s, "a", VALUE).headers["etag"]
        assert get(s, "bytes=1-2", "-H", f"If-None-Match: {etag}").status == 304
        assert get(s, "bytes=1-2", "-H", 'If-Match: "other"').status == 412
        assert get(s, "bytes=99999-", "-H", f"If-None-Match: {etag}").status == 304
        assert get(s, "bytes=1-2", "-H", f"If-Match: {etag}").status == 206


@test
def if_range_lets_a_range_through_only_for_the_same_value():
    with Server() as s:
        etag = put(s, "a", VALUE).headers["etag"]
        assert get(s, "bytes=1-2", "-H", f"If-Range: {etag}").body == VALUE[1:3]
        for other in ['"other"', f"W/{etag}", f'{etag[:-1]}-gzip"', "*", f'{etag}, "x"', etag.strip('"'), "",
                      "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 2199 23:59:59 GMT", "yesterday"]:
            answer = get(s, "bytes=1-2", "-H", f"If-Range: {other}" if other else "If-Range;")
            assert (answer.status, answer.body) == (200, VALUE), other
        put(s, "a", VALUE + b"!")
        assert get(s, "bytes=1-2", "-H", f"If-Range: {etag}").status == 200


@test
def if_range_takes_the_second_of_the_last_change_once_it_is_over():
    with Server() as s:
        put(s, "a", VALUE)
        path = os.path.join(s.dir, "a")
        for changed, status in [(time.time() - 100, 206), (time.time() + 100, 200)]:
            os.utime(path, (changed, changed))
            date = curl("-I", s.url + "/keys/a").headers["last-modified"]
            if changed < time.time():
                assert date == email.utils.formatdate(int(changed), usegmt=True)
            else:  # of the time of the answer
                assert email.utils.parsedate_to_datetime(date).timestamp() < changed
                assert get(s, "bytes=1-2", "-H", f"If-Modified-Since: {date}").status == 206
                assert get(s, "bytes=1-2", "-H", f"If-Unmodified-Since: {date}").status == 412
            assert get(s, "bytes=1-2", "-H", f"If-Range: {date}").status == status


@test
def ranges_lie_beyond_four_gib():
    with Server() as s:
        s.stop()
        size = 5 * 2**30
        with open(os.path.join(s.dir, "large"), "wb") as file:
            file.truncate(size)
            file.seek(2**32 - 2)
            file.write(b"abcdef")
            file.seek(size - 3)
            file.write(b"end")
        with Server(dir=s.dir) as s:
            for asked, body, shown in [(f"{2**32 - 2}-{2**32 + 3}", b"abcdef", f"{2**32 - 2}-{2**32 + 3}"),
                                       (f"{2**32}-{2**32 + 1}", b"cd", f"{2**32}-{2**32 + 1}"),
                                       ("-3", b"end", f"{size - 3}-{size - 1}")]:
                answer = get(s, "bytes=" + asked, key="large")
                assert (answer.status, answer.body) == (206, body)
                assert answer.headers["content-range"] == f"bytes {shown}/{size}"
            answer = get(s, f"bytes=0-1,{2**32 - 2}-{2**32},-3", key="large")
            assert [body for _, _, body in parts_of(answer)] == [b"\0\0", b"abc", b"end"]
            assert get(s, f"bytes={size}-", key="large").status == 416


@test
def a_large_range_streams_and_the_connection_is_kept():
    body = os.urandom(3_000_000)
    with Server() as s:
        put(s, "a", body)
        request = (b"GET /keys/a HTTP/1.1\r\nHost: h\r\nRange: bytes=100000-2899999,2999999-\r\n\r\n"
                   b"GET /keys/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nRange: bytes=1-3\r\n\r\n")
        received = raw(s.port, request)
        assert body[100000:2900000] in received and received.endswith(b"\r\n\r\n" + body[1:4])
        assert received.count(b"HTTP/1.1 206 Partial Content\r\n") == 2


@test
def curl_resumes_a_download():
    body = os.urandom(300_000)
    with Server() as s:
        put(s, "a", body)
        part = os.path.join(s.dir, ".diskv", "part")
        with open(part, "wb") as file:
            file.write(body[:123_456])
        curl("-C", "-", "-o", part, s.url + "/keys/a")
        with open(part, "rb") as file:
            assert file.read() == body


@test
def a_range_of_a_value_that_is_compressed_in_its_file_is_one_of_the_value():
    body = b"".join(b"%09d\n" % i for i in range(1_000_000))
    with Server("--compress", "gzip") as s:
        put(s, "a", body)
        for first, last in [(0, 9), (5_000_000, 5_001_000), (9_999_990, 9_999_999), (4_000_000, 3_999_999 + 2_000_000)]:
            answer = get(s, f"bytes={first}-{last}")
            assert (answer.status, answer.body) == (206, body[first:last + 1])
        answer = get(s, "bytes=9000000-9000009,10-19,-10")
        assert [part for _, _, part in parts_of(answer)] == [body[10:20], body[9000000:9000010], body[-10:]]


if __name__ == "__main__":
    main()
