"""The directory belongs to its user: what other programs do to a value's file, the next GET says."""
import os
import shutil
import socket
import subprocess

from diskvtest import Server, curl, main, skip, test


def put(server, key, value, *args):
    answer = curl("-T", "-", *args, f"{server.url}/keys/{key}", input=value)
    assert answer.status in (201, 204)
    return answer.headers["etag"]


def write(path, value):
    with open(path, "wb") as file:
        file.write(value)


@test
def an_edit_in_place_is_served_at_once_under_another_etag():
    with Server() as s:
        tags = {put(s, "k", b"one")}
        for value in (b"two", b"six", b"longer", b""):
            write(f"{s.dir}/k", value)
            answer = curl(f"{s.url}/keys/k")
            assert answer.body == value
            tags.add(answer.headers["etag"])
            assert curl("-H", f"If-None-Match: {answer.headers['etag']}", f"{s.url}/keys/k").status == 304
        assert len(tags) == 5


@test
def a_file_put_in_or_taken_away_is_there_or_gone_at_once():
    with Server() as s:
        os.makedirs(f"{s.dir}/a/b")
        write(f"{s.dir}/a/b/c", b"by hand")
        assert curl(f"{s.url}/keys/a/b/c").body == b"by hand"
        os.rename(f"{s.dir}/a", f"{s.dir}/z")
        assert curl(f"{s.url}/keys/a/b/c").status == 404
        assert curl(f"{s.url}/keys/z/b/c").body == b"by hand"
        assert curl("-X", "DELETE", f"{s.url}/keys/z/b/c").status == 204
        assert os.listdir(s.dir) == [".diskv"]


@test
def the_same_bytes_and_type_have_the_same_etag_everywhere():
    with Server() as s, Server() as other:
        tag = put(s, "k", b"value", "-H", "Content-Type: text/plain")
        assert put(s, "elsewhere", b"value", "-H", "Content-Type: text/plain") == tag
        assert put(other, "k", b"value", "-H", "Content-Type: text/plain") == tag
        assert put(s, "k", b"value", "-H", "Content-Type: text/html") != tag
        assert put(s, "k", b"Value", "-H", "Content-Type: text/plain") != tag


@test
def a_copy_with_its_attributes_keeps_type_and_etag_and_one_without_is_served_too():
    with Server() as s:
        tag = put(s, "k", b"value", "-H", "Content-Type: text/plain")
        subprocess.run(["cp", "-a", f"{s.dir}/k", f"{s.dir}/copy"], check=True)
        copy = curl(f"{s.url}/keys/copy")
        assert (copy.body, copy.headers["etag"], copy.headers["content-type"]) == (b"value", tag, "text/plain")
        shutil.copyfile(f"{s.dir}/k", f"{s.dir}/bare")
        bare = curl(f"{s.url}/keys/bare")
        assert (bare.body, bare.headers["content-type"]) == (b"value", "application/octet-stream")


@test
def a_media_type_is_found_among_many_attributes_of_other_programs():
    with Server() as s:
        write(f"{s.dir}/k", b"hello")
        for i in range(30):
            os.setxattr(f"{s.dir}/k", f"user.other.{i:04}", b"x")
        os.setxattr(f"{s.dir}/k", "user.mime_type", b"text/x-play")
        assert curl(s.url + "/keys/k").headers["content-type"] == "text/x-play"


@test
def attributes_that_others_set_are_not_trusted():
    with Server() as s:
        put(s, "k", b"value")
        tags = set()
        for value, served in ((b"image/png", "image/png"), (b"a\r\nX-Evil: 1", "application/octet-stream"),
                              (b"x" * 300, "application/octet-stream"), (b"", "application/octet-stream")):
            os.setxattr(f"{s.dir}/k", "user.mime_type", value)
            answer = curl(f"{s.url}/keys/k")
            assert answer.headers["content-type"] == served and "x-evil" not in answer.headers
            tags.add(answer.headers["etag"])
        assert len(tags) == 2  # another type makes another representation
        mtime = os.stat(f"{s.dir}/k").st_mtime_ns
        for record in (b"", b"{", b"[]", b'{"xxh3":1}', b'{"":1}', b"\xff" * 100, b"[" * 2000,
                       *(form % (hash, mtime)
                         for form in (b'{"":"%s:5:%x"}', b'{"xxh3":"%s","size":5,"mtime":%d}')
                         for hash in (b"", b"0" * 31, b"0" * 33, b"z" * 32, b'\\"\\r\\nX-Evil: 1'))):
            os.setxattr(f"{s.dir}/k", "user.diskv", record)
            answer = curl(f"{s.url}/keys/k")
            assert answer.body == b"value" and len(answer.headers["etag"]) == 34 and "x-evil" not in answer.headers


# XXH3-128 of "value", as every build has kept it.
HASH = "d7ab8cce59abd5050d59506fb013961a"


@test
def the_record_of_a_value_says_hash_size_and_mtime_in_hexadecimal():
    with Server() as s:
        put(s, "k", b"value")
        at = os.stat(f"{s.dir}/k")
        assert os.getxattr(f"{s.dir}/k", "user.diskv").decode() == '{"":"%s:5:%x"}' % (HASH, at.st_mtime_ns)


@test
def a_record_that_an_older_build_wrote_keeps_the_etag():
    with Server() as s:
        tag, path = put(s, "k", b"value"), f"{s.dir}/k"
        for hash, mtime in ((HASH, 1500000000_123456789), (HASH, 0), ("f" * 32, 1500000000_123456789)):
            os.setxattr(path, "user.diskv", b'{"xxh3":"%s","size":5,"mtime":%d}' % (hash.encode(), mtime))
            os.utime(path, ns=(mtime, mtime))
            assert (curl(f"{s.url}/keys/k").headers["etag"] == tag) == (hash == HASH)
        os.setxattr(path, "user.diskv", b'{"xxh3":"%s","size":5,"mtime":%d,"fields":{"x-meta-a":"1"}}'
                    % (HASH.encode(), mtime))
        assert curl(f"{s.url}/keys/k").headers["x-meta-a"] == "1"


@test
def a_small_value_takes_no_room_beside_its_own():
    with Server() as s:
        write(f"{s.dir}/plain", bytes(4096))
        room = os.stat(f"{s.dir}/plain").st_blocks
        os.setxattr(f"{s.dir}/plain", "user.diskv", b"x" * 64)
        if os.stat(f"{s.dir}/plain").st_blocks != room:
            skip("the file system keeps no attribute of 64 bytes in the inode")
        for size in (4096, 1 << 20):
            put(s, "k", bytes(size))
            assert os.stat(f"{s.dir}/k").st_blocks * 512 == size


@test
def a_value_cut_short_while_it_is_sent_ends_short_and_is_never_taken_for_whole():
    size = 64 << 20
    with Server() as s:
        put(s, "k", bytes(size))
        with socket.create_connection(("127.0.0.1", s.port), 30) as connection:
            connection.sendall(b"GET /keys/k HTTP/1.1\r\nHost: x\r\n\r\n")
            received = len(connection.recv(65536))
            os.truncate(f"{s.dir}/k", 1 << 20)
            while piece := connection.recv(1 << 20):
                received += len(piece)
        assert received < size
        assert len(curl(f"{s.url}/keys/k").body) == 1 << 20


@test
def a_value_replaced_while_it_is_sent_ends_as_it_began():
    old, new = os.urandom(32 << 20), os.urandom(32 << 20)
    with Server() as s:
        put(s, "k", old)
        with socket.create_connection(("127.0.0.1", s.port), 30) as connection:
            connection.sendall(b"GET /keys/k HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            received = bytearray(connection.recv(65536))
            put(s, "k", new)
            while piece := connection.recv(1 << 20):
                received += piece
        assert received.partition(b"\r\n\r\n")[2] == old
        assert curl(f"{s.url}/keys/k").body == new


if __name__ == "__main__":
    main()
