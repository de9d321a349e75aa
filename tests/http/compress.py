"""--compress and --cache-bytes: values that lie compressed are served as any others."""
import contextlib
import gzip
import hashlib
import json
import os
import subprocess
import tempfile
import time
import zlib

from diskvtest import DISKV, Server, curl, main, raw, test

TEXT = b"".join(b"%09d all work and no play\n" % number for number in range(50_000))
MIB = 1 << 20
LARGE = 200 * MIB
MEMORY = 128 * MIB


def put(s, key, body, *options):
    return curl("-T", "-", *options, f"{s.url}/keys/{key}", input=body)


def get(s, key, *options):
    return curl(*options, f"{s.url}/keys/{key}")


def meta(s, key):
    return json.loads(curl(f"{s.url}/keys/{key}?meta").body)


def stats(s):
    return json.loads(curl(s.url + "/stats").body)


def file(s, key):
    return os.path.join(s.dir, key)


def write(s, key, data):
    with open(file(s, key), "wb") as out:
        out.write(data)


@contextlib.contextmanager
def with_and_without():
    """A server that compresses and one that does not."""
    with Server("--compress", "gzip") as packed, Server() as plain:
        yield packed, plain


def numbered(size):
    """Text of which each part differs from the others."""
    return b"".join(b"%015d\n" % n for n in range(size // 16))


def put_with_size(s, key, body):
    with tempfile.NamedTemporaryFile() as upload:
        upload.write(body)
        upload.flush()
        assert curl("-T", upload.name, f"{s.url}/keys/{key}").status == 201


def table_of(data):
    """The flush points in the extra field of a gzip file's header."""
    assert data[3] == 4 and data[12:14] == b"DV"
    size = int.from_bytes(data[14:16], "little")
    assert size == int.from_bytes(data[10:12], "little") - 4 and size % 208 == 0
    points = []
    for at in range(16, 16 + size, 208):
        offset = int.from_bytes(data[at:at + 8], "little")
        for length in range(at + 8, at + 200, 3):
            step = int.from_bytes(data[length:length + 3], "little")
            offset += step
            points += [offset] if step else []
    return points


@test
def the_header_of_a_large_gzip_value_has_points_each_64_kib():
    value = numbered(160 * MIB)
    ranges = (0, 65535, 65536, 64 * 65536 - 1, 65 * 65536 + 7, 99 * MIB + 11, 160 * MIB - 65536)

    def as_expected(s):
        for at in ranges:
            answer = get(s, "large", "-r", f"{at}-{at + 65535}")
            assert answer.status == 206 and answer.body == value[at:at + 65536], at

    with Server("--compress", "gzip:1", "--cache-bytes", "0") as s:
        put_with_size(s, "large", value)
        with open(file(s, "large"), "rb") as stored:
            unpacked = subprocess.run(["zcat"], stdin=stored, capture_output=True, check=True)
        assert unpacked.stdout == value
        assert get(s, "large", "--compressed").body == value
        with open(file(s, "large"), "rb") as stored:
            data = stored.read()
        points = table_of(data)
        assert len(points) == 160 * 16 - 1
        for n in range(1, len(points) + 1, 97):
            at = points[n - 1]
            part = zlib.decompressobj(-15).decompress(data[at:at + 65536], 1000)
            assert part == value[n * 65536:n * 65536 + 1000]
        as_expected(s)
        before = os.stat(file(s, "large"))
        for at in 16, 16 + 8 + 5, 16 + 208 * 20 + 100:  # damage that leaves the times as they were
            with open(file(s, "large"), "r+b") as stored:
                stored.seek(at)
                stored.write(bytes([data[at] ^ 1]))
            os.utime(file(s, "large"), ns=(before.st_atime_ns, before.st_mtime_ns))
            as_expected(s)
        assert get(s, "large").body == value
        os.removexattr(file(s, "large"), "user.diskv.points")
        as_expected(s)


@test
def a_large_value_of_unannounced_size_has_no_room_in_its_header():
    value = numbered(160 * MIB)
    with Server("--compress", "gzip:1") as s:
        assert put(s, "large", value).status == 201
        with open(file(s, "large"), "rb") as stored:
            assert stored.read(4)[3] == 0
        answer = get(s, "large", "-r", f"{99 * MIB}-{99 * MIB + 65535}")
        assert answer.body == value[99 * MIB:99 * MIB + 65536]


@test
def values_lie_as_zcat_reads_them_and_are_served_as_they_came():
    with Server("--compress", "gzip") as s:
        for size in (0, 1, 70_000, len(TEXT)):
            assert put(s, "a", TEXT[:size]).status in (201, 204)
            assert get(s, "a").body == TEXT[:size]
            with open(file(s, "a"), "rb") as packed:
                assert subprocess.run(["zcat"], stdin=packed, stdout=subprocess.PIPE,
                                      check=True).stdout == TEXT[:size]
        assert os.stat(file(s, "a")).st_size < len(TEXT) / 3
        assert curl("-X", "DELETE", f"{s.url}/keys/a").status == 204
        assert get(s, "a").status == 404
        assert not os.path.exists(file(s, "a"))


@test
def what_is_said_of_a_value_does_not_tell_that_it_lies_compressed():
    with with_and_without() as servers:
        said = []
        for s in servers:
            stored = put(s, "a", TEXT, "-H", "Content-Type: text/x-play")
            head, whole = get(s, "a", "-I"), get(s, "a")
            listed = json.loads(curl(s.url + "/keys").body)["keys"][0]
            about = meta(s, "a")
            for headers in (head.headers, whole.headers):
                assert headers["etag"] == stored.headers["etag"]
                assert headers["content-length"] == str(len(TEXT))
                assert headers["content-type"] == "text/x-play"
                assert "content-encoding" not in headers
            assert (listed["size"], about["size"]) == (len(TEXT), len(TEXT))
            assert about["etag"] == listed["etag"]
            said.append((stored.headers["etag"], about["etag"], sorted(about), sorted(listed)))
        assert said[0] == said[1]


@test
def conditions_and_heads_go_by_the_value_and_not_by_its_file():
    with Server("--compress", "gzip") as s:
        tag = put(s, "a", TEXT).headers["etag"]
        assert get(s, "a", "-H", f"If-None-Match: {tag}").status == 304
        assert put(s, "a", b"new", "-H", f"If-Match: {tag}").status == 204
        assert put(s, "a", b"newer", "-H", f"If-Match: {tag}").status == 412
        assert get(s, "a").body == b"new"


@test
def another_start_with_other_options_serves_the_same():
    with Server("--compress", "zlib:9") as s:
        tag = put(s, "a", TEXT).headers["etag"]
        assert s.stop() == 0
        for options in ((), ("--compress", "gzip"), ("--compress", "none")):
            with Server(*options, dir=s.dir) as again:
                answer = get(again, "a")
                assert (answer.body, answer.headers["etag"]) == (TEXT, tag)


@test
def what_gzip_made_is_served_decompressed_in_chunks_as_its_size_is_not_known():
    with Server("--compress", "gzip") as s:
        write(s, "a", gzip.compress(TEXT))
        assert meta(s, "a")["size"] is None
        head = get(s, "a", "-I")
        assert head.status == 200 and "content-length" not in head.headers
        for _ in range(3):
            answer = get(s, "a")
            assert (answer.status, answer.exit, answer.body) == (200, 0, TEXT)
            assert "content-length" not in answer.headers
            assert answer.headers["transfer-encoding"] == "chunked"
            assert answer.headers["etag"] == head.headers["etag"]
        old = raw(s.port, b"GET /keys/a HTTP/1.0\r\nHost: h\r\n\r\n")
        assert old.split(b"\r\n\r\n", 1)[1] == TEXT
        write(s, "empty", gzip.compress(b""))
        assert get(s, "empty").body == b""


@test
def a_plain_file_beside_them_is_served_as_it_is():
    with Server("--compress", "gzip") as s:
        write(s, "a", TEXT)
        answer = get(s, "a")
        assert (answer.body, answer.headers["content-length"]) == (TEXT, str(len(TEXT)))
        listed = json.loads(curl(s.url + "/keys").body)
        assert listed["keys"] == [] or listed["keys"][0]["size"] is None


def broken_answers(s, key):
    """The value over HTTP 1.1 and 1.0, neither of which may pass for whole."""
    for version in ("--http1.1", "--http1.0"):
        answer = get(s, key, version)
        assert answer.exit != 0 or answer.status >= 500, (version, answer.status, answer.exit)
        if answer.status == 200:
            assert TEXT.startswith(answer.body) and len(answer.body) < len(TEXT)
    assert get(s, "good").body == b"good"


@test
def a_damaged_value_never_passes_for_a_whole_one():
    with Server("--compress", "gzip", "--cache-bytes", "0") as s:
        put(s, "good", b"good")
        put(s, "a", TEXT)
        at = os.stat(file(s, "a"))
        with open(file(s, "a"), "r+b") as damaged:
            damaged.seek(at.st_size - 6)  # in the checksum
            damaged.write(b"\xff\xff")
        os.utime(file(s, "a"), ns=(at.st_atime_ns, at.st_mtime_ns))  # as where a disk decays
        broken_answers(s, "a")


@test
def a_damaged_file_of_another_program_cuts_the_connection():
    with Server("--compress", "gzip") as s:
        put(s, "good", b"good")
        write(s, "a", gzip.compress(TEXT)[:-1000])
        answer = get(s, "a")
        assert (answer.status, answer.exit) == (200, 18), (answer.status, answer.exit)
        assert TEXT.startswith(answer.body)
        assert get(s, "good").body == b"good"


def make_large(path):
    """A file that shrinks, of which no two lines are equal, and its SHA-256."""
    digest, number = hashlib.sha256(), 0
    with open(path, "wb") as out:
        while number * 64 < LARGE:
            lines = b"".join(b"%063d\n" % n for n in range(number, number + MIB // 64))
            out.write(lines)
            digest.update(lines)
            number += MIB // 64
    return digest.hexdigest()


def peak(s):
    """The most memory that was ever resident."""
    with open(f"/proc/{s.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


@test
def two_hundred_mebibytes_pass_both_ways_in_under_128_mebibytes_of_memory():
    with Server("--compress", "gzip", "--sync", "none") as s:
        source = os.path.join(os.path.dirname(s.dir), "source")
        digest = make_large(source)
        assert curl("-T", source, f"{s.url}/keys/a").status == 201
        with open(source, "rb") as stdin:
            chunked = subprocess.run(["curl", "-q", "-sS", "--noproxy", "*", "-w", "%{http_code}",
                                      "-T", "-", f"{s.url}/keys/b"], stdin=stdin,
                                     stdout=subprocess.PIPE, check=True).stdout
        assert chunked == b"201"
        os.remove(source)
        for key in ("a", "b"):
            assert os.stat(file(s, key)).st_size < LARGE / 4
            down = subprocess.Popen(["curl", "-q", "-sS", "--noproxy", "*", f"{s.url}/keys/{key}"],
                                    stdout=subprocess.PIPE)
            assert hashlib.file_digest(down.stdout, "sha256").hexdigest() == digest
            assert down.wait() == 0
        assert peak(s) < MEMORY, peak(s)


def refused(*options, env=None):
    """What a server that does not start says."""
    done = subprocess.run([DISKV, "serve", "--listen", "127.0.0.1:0", *options, "/nonexistent/dir"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, **(env or {})}, timeout=60, check=False)
    assert done.returncode != 0 and done.stdout == b""
    return done.stderr.decode()


@test
def a_codec_or_a_cache_that_is_none_is_refused_in_one_line():
    for value in ("nonsense", "gzip:10", "lzma", "", "gzip:"):
        said = refused("--compress", value)
        assert said.count("\n") == 1 and said.startswith("diskv: --compress "), said
    assert refused(env={"DISKV_COMPRESS": "nonsense"}).startswith("diskv: DISKV_COMPRESS ")
    for value in ("-1", "many", ""):
        said = refused("--cache-bytes", value)
        assert said.count("\n") == 1 and said.startswith("diskv: --cache-bytes "), said


@test
def what_is_read_again_comes_from_the_cache_and_is_counted():
    for size, options in (50_000, ()), (100_000, ("--compress", "gzip")):
        with Server(*options) as s:
            put(s, "a", TEXT[:size])
            time.sleep(0.3)  # what changed just now is not kept
            before = stats(s)["cache_bytes"]
            assert [get(s, "a").body for _ in range(5)] == [TEXT[:size]] * 5
            after = stats(s)
            assert (after["cache_hits"], after["cache_misses"]) == (4, 1)
            assert size <= after["cache_bytes"] - before < 1.2 * size
            write(s, "a", b"another")
            assert get(s, "a").body == b"another"


@test
def what_is_sent_from_the_page_cache_at_once_is_not_kept_beside_it():
    for size in 65_536, 200_000:
        with Server() as s:
            put(s, "a", TEXT[:size])
            time.sleep(0.3)  # what changed just now is not kept
            before = stats(s)["cache_bytes"]
            assert [get(s, "a").body for _ in range(5)] == [TEXT[:size]] * 5
            assert stats(s)["cache_bytes"] == before


@test
def without_a_cache_nothing_is_counted():
    with Server("--cache-bytes", "0") as s:
        put(s, "a", b"hello")
        assert [get(s, "a").body for _ in range(3)] == [b"hello"] * 3
        after = stats(s)
        assert (after["cache_hits"], after["cache_misses"], after["cache_bytes"]) == (0, 0, 0)


if __name__ == "__main__":
    main()
