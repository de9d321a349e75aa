"""A damaged world: what the store keeps for itself is removed, cut short or overwritten while it is served, attributes
are lost, clocks are wrong. No value is lost, and what is served is what the files say."""
import http.client
import json
import os
import shutil
import time
from contextlib import contextmanager

from diskvtest import Server, curl, main, test

VALUES = {"a": b"one", "d/x": b"two", "d/y": b"three" * 100000, "empty": b""}
TOMORROW = time.time_ns() // 10**9 * 10**9 + 86400 * 10**9
LISTED_SECONDS = 30  # it takes well below one; the rest is for a busy machine


def put(server, key, value, *args):
    return curl("-T", "-", *args, f"{server.url}/keys/{key}", input=value).status


def listed(server):
    """The listing as {key: (size, ETag)}."""
    answer = curl(f"{server.url}/keys?limit=10000")
    assert answer.status == 200, answer.body
    return {entry["key"]: (entry["size"], entry["etag"]) for entry in json.loads(answer.body)["keys"]}


def assert_whole(server, values):
    """Every value is there with its bytes, and no other; the listing says the same."""
    entries = listed(server)
    assert sorted(entries) == sorted(values)
    for key, value in values.items():
        answer = curl(f"{server.url}/keys/{key}")
        assert (answer.status, answer.body) == (200, value), (key, answer.status, answer.body[:100])
        assert entries[key] == (len(value), answer.headers["etag"].strip('"')), key


def wait_listed(server, key, wanted):
    """Waits until the listing has the key, or the size and ETag, or no longer has it (None)."""
    end = time.monotonic() + LISTED_SECONDS
    while (entry := listed(server).get(key)) != wanted:
        assert time.monotonic() < end, (key, entry, wanted)
        time.sleep(0.02)


def write(path, value, mtime=None):
    with open(path, "wb") as file:
        file.write(value)
    if mtime is not None:
        os.utime(path, ns=(mtime, mtime))


@contextmanager
def filled(*options):
    with Server(*options) as s:
        for key, value in VALUES.items():
            assert put(s, key, value) == 201
        yield s


def change_all(server):
    """Uses every method, and another program; returns what the store then holds."""
    values = dict(VALUES)
    assert_whole(server, values)
    for key, value in (("new", b"new"), ("f/g/h", b"deep"), ("a/below", b"below a value")):
        assert put(server, key, value) == 201, key
        values[key] = value
    assert put(server, "d/y", b"replaced") == 204
    values["d/y"] = b"replaced"
    assert curl("-X", "DELETE", f"{server.url}/keys/d/x").status == 204
    del values["d/x"]
    write(f"{server.dir}/by-hand", b"by hand")
    values["by-hand"] = b"by hand"
    end = time.monotonic() + LISTED_SECONDS
    while "by-hand" not in listed(server) and time.monotonic() < end:
        time.sleep(0.02)
    return values


def indexes(server):
    return [f"{server.dir}/.diskv/index/{name}" for name in os.listdir(f"{server.dir}/.diskv/index")]


@test
def a_server_goes_on_rightly_when_what_it_keeps_for_itself_is_removed():
    for removed in (".diskv/index", ".diskv/tmp", ".diskv"):
        with filled() as s:
            shutil.rmtree(f"{s.dir}/{removed}")
            values = change_all(s)
            assert_whole(s, values)
            assert s.stop() == 0
            with Server(dir=s.dir) as again:
                assert_whole(again, values)
                assert os.listdir(f"{s.dir}/.diskv/tmp") == []


@test
def an_upload_whose_temporary_file_is_removed_fails_and_leaves_the_old_value():
    with filled() as s:
        connection = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
        connection.putrequest("PUT", "/keys/a")
        connection.putheader("Content-Length", str(8 << 20))
        connection.endheaders(bytes(4 << 20))
        end = time.monotonic() + LISTED_SECONDS
        while not os.listdir(f"{s.dir}/.diskv/tmp"):
            assert time.monotonic() < end
            time.sleep(0.01)
        shutil.rmtree(f"{s.dir}/.diskv/tmp")
        connection.send(bytes(4 << 20))
        assert connection.getresponse().status == 503
        connection.close()
        assert_whole(s, VALUES)
        assert put(s, "a", b"again") == 204


@test
def an_index_overwritten_under_a_running_server_is_never_listed_wrongly_and_the_next_start_mends_it():
    with filled() as s:
        for path in indexes(s):
            size = os.stat(path).st_size
            with open(path, "r+b") as file:
                file.write(b"\xa5" * size)
        answer = curl(f"{s.url}/keys")
        if answer.status == 200:
            assert sorted(entry["key"] for entry in json.loads(answer.body)["keys"]) == sorted(VALUES)
        for key, value in VALUES.items():
            assert curl(f"{s.url}/keys/{key}").body == value
        assert put(s, "new", b"new") == 201
        if curl(f"{s.url}/keys").status == 503:
            assert curl(f"{s.url}/readyz").status == 503
        s.stop()
        with Server(dir=s.dir) as again:
            assert_whole(again, {**VALUES, "new": b"new"})
            assert curl(f"{again.url}/readyz").status == 200


@test
def an_index_cut_short_under_a_running_server_may_end_it_and_the_next_start_loses_no_value():
    with filled() as s:
        for path in indexes(s):
            os.truncate(path, 0)
        answer = curl(f"{s.url}/keys")
        if answer.status == 200:
            assert sorted(entry["key"] for entry in json.loads(answer.body)["keys"]) == sorted(VALUES)
        s.stop()
        with Server(dir=s.dir) as again:
            assert_whole(again, VALUES)


@test
def an_index_damaged_before_a_start_is_built_anew():
    with filled() as s:
        s.stop()
        for size in (0, 1, 4096, 5000):
            for path in indexes(s):
                os.truncate(path, size)
            with Server(dir=s.dir) as again:
                assert_whole(again, VALUES)


@test
def a_copy_without_attributes_has_the_same_values_under_etags_of_their_own():
    for options in ([], ["--compress", "gzip"]):
        with filled(*options) as s:
            before = listed(s)
            s.stop()
            copy = f"{os.path.dirname(s.dir)}/copy"
            for key in VALUES:
                os.makedirs(os.path.dirname(f"{copy}/{key}"), exist_ok=True)
                shutil.copyfile(f"{s.dir}/{key}", f"{copy}/{key}")
                assert not os.listxattr(f"{copy}/{key}")
            with Server(*options, dir=copy) as again:
                for key, value in VALUES.items():
                    answer = curl(f"{again.url}/keys/{key}")
                    assert (answer.status, answer.body) == (200, value), (options, key, answer.status)
                    tag = answer.headers["etag"].strip('"')
                    assert tag != before[key][1], (options, key)
                    size = None if options else len(value)  # that of a compressed value went with its attributes
                    assert listed(again)[key] == (size, tag), (options, key)
                assert len(listed(again)) == len(VALUES)
                assert put(again, "a", b"stored again") == 204
                assert curl(f"{again.url}/keys/a").body == b"stored again"


@test
def a_clock_that_was_set_back_hides_no_edit():
    """What was written before lies in the future then."""
    with filled() as s:
        tags = {listed(s)["a"][1]}
        edits = ((b"two", TOMORROW), (b"six", TOMORROW + 1), (b"ten", TOMORROW), (b"old", 10**9))
        for number, (value, mtime) in enumerate(edits, 2):
            write(f"{s.dir}/a", value, mtime)
            answer = curl(f"{s.url}/keys/a")
            assert answer.body == value
            tags.add(answer.headers["etag"].strip('"'))
            assert len(tags) == number, "each change has an ETag of its own"
            wait_listed(s, "a", (3, answer.headers["etag"].strip('"')))
        write(f"{s.dir}/a", b"future", TOMORROW)
        assert put(s, "a", b"now") == 204
        assert_whole(s, {**VALUES, "a": b"now"})


@test
def a_start_reads_what_changed_whatever_times_directories_bear():
    with filled() as s:
        os.utime(f"{s.dir}/d", ns=(TOMORROW, TOMORROW))
        os.utime(s.dir, ns=(TOMORROW, TOMORROW))
        s.stop()
        Server(dir=s.dir).stop()  # notes what it read
        values = dict(VALUES)
        for time_ns in (TOMORROW, TOMORROW - 10**9, 10**9):
            name = f"d/{time_ns}"
            write(f"{s.dir}/{name}", b"by hand", time_ns)
            os.utime(f"{s.dir}/d", ns=(time_ns, time_ns))
            values[name] = b"by hand"
            with Server(dir=s.dir) as again:
                assert_whole(again, values)


if __name__ == "__main__":
    main()
