"""The keys of a prefix as a tar: what GNU tar makes of the same files, and what it makes of ours."""
import gzip
import io
import json
import os
import subprocess
import tarfile
import tempfile
import time
from contextlib import contextmanager
from urllib.parse import quote

from diskvtest import Server, curl, main, test
from rawhttp import Connection, request

GNU = ["tar", "c", "--format=ustar", "--numeric-owner", "--owner=0", "--group=0", "--mode=0644",
       "--no-recursion"]


def put(s, key, value=b"x", *args):
    answer = curl("-T", "-", *args, f"{s.url}/keys/{quote(key, safe='/')}", input=value)
    assert answer.status in (201, 204), answer


def get(s, query="", *args):
    answer = curl(*args, f"{s.url}/keys?format=tar&{query}")
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/x-tar"
    return answer.body


def names(tar):
    return [entry.name for entry in tarfile.open(fileobj=io.BytesIO(tar))]


def extract(tar, *args):
    """A new directory with the files that GNU tar makes of it."""
    directory = tempfile.TemporaryDirectory()
    done = subprocess.run(["tar", "x", "-C", directory.name, *args], input=tar, check=False,
                          stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    return directory


@contextmanager
def store_of(files):
    """A directory that another program has filled, for a server."""
    with tempfile.TemporaryDirectory() as directory:
        for name, value in files.items():
            with open(f"{directory}/{name}", "wb") as file:
                file.write(value)
            os.utime(file.name, (1e9, 1e9))
        yield directory


def gnu(directory, files):
    """GNU tar's archive of files, in this order."""
    return subprocess.run([*GNU, "-C", directory, "--null", "-T", "-"], check=True, stdout=subprocess.PIPE,
                          input=b"".join(os.fsencode(name) + b"\0" for name in files)).stdout


@test
def a_tar_is_byte_for_byte_the_one_that_gnu_tar_makes_of_the_files():
    long = "/".join(["d" * 50, "e" * 50, "f" * 50, "g" * 90])
    values = {"a": b"", "b/c": b"x" * 511, "b/d e": b"x" * 512, "b/é/日本": b"x" * 513, "n" * 100: b"1",
              "p" * 60 + "/" + "n" * 60: b"2", long: b"3", "big": os.urandom(1000000)}
    with Server("--sync", "none") as s:
        for key, value in values.items():
            put(s, key, value)
        for query, directory in (("", s.dir), ("prefix=b/", f"{s.dir}/b")):
            prefix = query[len("prefix="):]
            keys = sorted((key for key in values if key.startswith(prefix)), key=os.fsencode)
            assert get(s, query) == gnu(directory, [key[len(prefix):] for key in keys])


@test
def many_values_come_in_one_tar():
    files = {f"{i:04}": b"%d" % i * (i % 700) for i in range(1050)}  # more than a page
    with store_of(files) as directory, Server(dir=directory) as s:
        assert get(s) == gnu(s.dir, files)


@test
def names_begin_behind_the_last_slash_of_the_prefix():
    with Server("--sync", "none") as s:
        for key in ("photos/a.jpg", "photos/b/c", "phone", "x"):
            put(s, key)
        assert names(get(s, "prefix=photos/")) == ["a.jpg", "b/c"]
        assert names(get(s, "prefix=pho")) == ["phone", "photos/a.jpg", "photos/b/c"]
        assert names(get(s, "prefix=photos/b")) == ["b/c"]
        assert names(get(s)) == ["phone", "photos/a.jpg", "photos/b/c", "x"]


@test
def without_keys_it_is_an_empty_archive():
    with Server("--sync", "none") as s:
        assert get(s, "prefix=nothing/") == bytes(10240) == gnu(s.dir, [])


@test
def accept_asks_for_a_tar_and_format_comes_first():
    with Server("--sync", "none") as s:
        put(s, "a")
        tar = ("-H", "Accept: application/x-tar")
        assert names(curl(*tar, f"{s.url}/keys").body) == ["a"]
        assert names(curl(*tar, f"{s.url}/keys/?prefix=a").body) == ["a"]
        answer = curl(*tar, f"{s.url}/keys?format=json")
        assert answer.headers["content-type"] == "application/json"
        assert "Accept" in answer.headers["vary"]
        answer = curl("-H", "Accept: application/json", f"{s.url}/keys?format=tar")
        assert answer.headers["content-type"] == "application/x-tar"
        assert "Accept" in answer.headers["vary"]


@test
def the_archive_is_saved_by_the_name_that_the_prefix_ends_with():
    with Server("--sync", "none") as s:
        for prefix, name in (("", "keys.tar"), ("photos/", "photos.tar"), ("a/b", "b.tar"), ("/", "keys.tar"),
                             ("a/b//", "b.tar")):
            answer = curl(f"{s.url}/keys?format=tar&prefix={prefix}")
            assert answer.headers["content-disposition"].startswith(f'attachment; filename="{name}"'), answer


@test
def a_part_of_a_listing_is_no_tar():
    with Server("--sync", "none") as s:
        for query in ("from=a", "limit=1", "delimiter=/", "from"):
            answer = curl(f"{s.url}/keys?format=tar&{query}")
            assert answer.status == 400, answer
            assert answer.headers["content-type"] == "application/problem+json"
        answer = curl(f"{s.url}/keys?format=tar&prefix={'p' * 1001}")
        assert answer.status == 400, answer


@test
def head_has_the_header_and_no_archive():
    with Server("--sync", "none") as s:
        put(s, "a")
        answer = curl("-I", f"{s.url}/keys?format=tar")
        assert answer.status == 200 and answer.headers["content-type"] == "application/x-tar"
        assert answer.exit == 0


@test
def gnu_tar_finds_all_of_a_value_whose_key_is_a_directory_as_well():
    keys = ["a", "a-", "a/b", "a/b/c", "b"]
    with Server("--sync", "none") as s:
        for key in keys:
            put(s, key, key.encode())
        tar = get(s)
        assert names(tar) == ["a/%value", "a-", "a/b/%value", "a/b/c", "b"]
        with extract(tar) as directory:
            for key, name in zip(keys, names(tar)):
                with open(f"{directory}/{name}", "rb") as file:
                    assert file.read() == key.encode()


@test
def whether_a_key_is_a_directory_shows_beyond_the_page_it_is_on():
    files = dict.fromkeys(["a", "b"] + [f"a-{i:04}" for i in range(1010)], b"")
    with store_of(files) as directory, Server(dir=directory) as s:
        assert names(get(s))[0] == "a"
        put(s, "a/b")
        assert names(get(s))[0] == "a/%value"


@test
def a_key_that_no_file_can_be_named_by_has_another_name_and_is_told():
    keys = {".": "%2E", "..": "%2E%2E", "/": "%_/%_", "/a": "%_/a", "a/": "a/%_", "c//b": "c/%_/b",
            "a/../%25": "a/%2E%2E/%2525", "l" * 256: "l" * 238 + "%+/" + "l" * 18}
    with Server("--sync", "none") as s:
        for key in keys:
            put(s, key, key.encode())
        tar = get(s)
        found = {e.pax_headers["DISKV.key"]: e.name for e in tarfile.open(fileobj=io.BytesIO(tar))}
        assert found == keys
        with extract(tar, "--warning=no-unknown-keyword") as directory:
            for key, name in keys.items():
                with open(f"{directory}/{name}", "rb") as file:
                    assert file.read() == key.encode()
        put(s, "p/")
        (entry,) = tarfile.open(fileobj=io.BytesIO(get(s, "prefix=p/")))
        assert (entry.name, entry.pax_headers["DISKV.key"]) == ("%_", "")


@test
def a_name_that_ustar_has_no_room_for_is_in_a_pax_header():
    keys = ["n" * 101, "é" * 100, "/".join(["d" * 200, "e" * 200, "f" * 200])]
    with Server("--sync", "none") as s:
        for key in keys:
            put(s, key, key.encode())
        with extract(get(s)) as directory:
            for key in keys:
                with open(f"{directory}/{key}", "rb") as file:
                    assert file.read() == key.encode()


@test
def metadata_come_as_extended_attributes():
    with Server("--sync", "none") as s:
        put(s, "a", b"1", "-H", "Content-Type: text/x-test", "-H", "Cache-Control: no-cache",
            "-H", "X-Meta-Colour: blü")
        put(s, "b")
        tar = get(s)
        a, b = tarfile.open(fileobj=io.BytesIO(tar))
        assert a.pax_headers == {"SCHILY.xattr.user.mime_type": "text/x-test",
                                 "SCHILY.xattr.user.diskv.cache-control": "no-cache",
                                 "SCHILY.xattr.user.diskv.x-meta-colour": "blü"}
        assert b.pax_headers == {}
        with extract(tar, "--xattrs") as directory:
            assert os.getxattr(f"{directory}/a", "user.mime_type") == b"text/x-test"
            assert os.getxattr(f"{directory}/a", "user.diskv.x-meta-colour") == "blü".encode()


@test
def values_are_plain_however_their_files_are_compressed():
    theirs = {"theirs": gzip.compress(b"2" * 5000000)}  # whose size nobody knows before it is read
    with store_of(theirs) as directory, Server("--sync", "none", "--compress", "gzip", dir=directory) as s:
        put(s, "ours", b"1" * 100000)
        with extract(get(s)) as directory:
            for name, value in (("ours", b"1" * 100000), ("theirs", b"2" * 5000000)):
                with open(f"{directory}/{name}", "rb") as file:
                    assert file.read() == value


@test
def an_archive_leaves_the_cache_as_it_was():
    files = {"a": b"x" * 1000, "b": b"y" * 1000}
    with store_of(files) as directory, Server("--cache-bytes", 1 << 20, dir=directory) as s:
        def cached():
            return json.loads(curl(f"{s.url}/stats").body)["cache_bytes"]
        empty = cached()
        while curl(f"{s.url}/keys/a").status == 200 and cached() == empty:
            time.sleep(0.1)  # files that have just changed are not cached
        one = cached()
        assert names(get(s)) == names(get(s)) == ["a", "b"]
        assert cached() == one


def begun(s):
    """A connection that has asked for a tar and taken the beginning of it."""
    c = Connection(s.port)
    c.send(request("GET", "/keys?format=tar"))
    return c, c.socket.recv(1000)


def rest(c):
    text = b""
    while piece := c.socket.recv(1 << 20):
        text += piece
        if text.endswith(b"\r\n0\r\n\r\n"):
            return text
    return text


@test
def a_value_that_is_erased_before_its_turn_is_left_out():
    files = {f"k{i}": b"%d" % i * 8000000 for i in range(6)}
    with store_of(files) as directory, Server(dir=directory) as s:
        c, text = begun(s)
        with c:
            os.unlink(f"{s.dir}/k4")
            assert curl("-X", "DELETE", f"{s.url}/keys/k5").status == 204
            text += rest(c)
        assert text.endswith(b"0\r\n\r\n")
        for i in range(6):
            assert (b"k%d\0" % i in text) == (i < 4)


@test
def a_value_that_gets_shorter_while_it_is_read_cuts_the_archive():
    with store_of({"k": b"x" * 50000000}) as directory, Server(dir=directory) as s:
        c, text = begun(s)
        with c:
            os.truncate(f"{s.dir}/k", 1000)
            text += rest(c)
        assert not text.endswith(b"0\r\n\r\n")
        assert curl(f"{s.url}/healthz").status == 200


@test
def a_client_that_leaves_in_the_middle_leaves_nothing_behind():
    with store_of({"k": b"x" * 50000000}) as directory, Server(dir=directory) as s:
        for _ in range(5):
            c, _ = begun(s)
            c.socket.close()
        assert len(get(s)) > 50000000


if __name__ == "__main__":
    main()
