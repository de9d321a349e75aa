"""The commands say and do the same on a directory, on one that a server has, and on the server's URL."""
import json
import os

from clitest import diskv, each_place, fine, keys, temp_dir, without_time
from diskvtest import Server, main, test

# Keys that URLs, shells, directories or JSON might trip over.
HARD_KEYS = ["a b", "100%", "%2F", "what?meta", "a#b", "a&limit=1", "a+b", "a//b", "/a", "a/", ".", "..",
             "../x", "./a/../b", ".diskv/x", "line\nend", "\x01\x7f", "tab\t", "ß/日本/🙂", '"\\', "-", "x" * 900]


def transcript(store):
    """What a session of commands answers, but for times and the store's name."""
    said = []
    for words, data in [
            (["put", store, "a"], b"one"),
            (["put", "--type", "text/x-test", store, "a/b"], b"two\n"),
            (["put", store, "c.html", "-"], b""),
            (["put", store, "k" * 1001], b"x"),
            (["put", store, ""], b"x"),
            (["ls", store], b""),
            (["ls", "--long", store], b""),
            (["ls", "--null", "--prefix", "a/", store], b""),
            (["ls", "--prefix=none", store], b""),
            (["get", store, "a"], b""),
            (["get", store, "a/b", "-"], b""),
            (["get", store, "c.html"], b""),
            (["get", store, "missing"], b""),
            (["stat", store, "a/b"], b""),
            (["stat", store, "c.html"], b""),
            (["stat", store, "missing"], b""),
            (["rm", store, "missing", "a", "missing too"], b""),
            (["ls", store], b""),
            (["put", store, "p/1"], b"1"),
            (["put", store, "p/2"], b"2"),
            (["rm", "--prefix", "p/", store, "c.html"], b""),
            (["rm", "--prefix", "p/", store], b""),
            (["rm", "--prefix", "", store], b""),
            (["ls", "--long", store], b""),
    ]:
        done = diskv(*words, input=data)
        said.append((words[0], *words[1:-1], done.code, without_time(done.out), done.err.replace(store, "STORE")))
    return [tuple("STORE" if word == store else word for word in line) for line in said]


@test
def every_command_says_the_same_in_each_place():
    heard = [transcript(place.store) for place in each_place()]
    for other in heard[1:]:
        for ours, theirs in zip(heard[0], other, strict=True):
            assert ours == theirs
    answers = [(line[0], line[-3], line[-2]) for line in heard[0]]
    assert answers[5] == ("ls", 0, b"a\na/b\nc.html\n")
    assert answers[7] == ("ls", 0, b"a/b\0")
    assert answers[9:12] == [("get", 0, b"one"), ("get", 0, b"two\n"), ("get", 0, b"")]
    assert answers[12] == ("get", 1, b"") and "missing: no such key" in heard[0][12][-1]
    assert answers[16] == ("rm", 1, b"") and heard[0][16][-1].count("\n") == 2
    assert answers[17] == ("ls", 0, b"a/b\nc.html\n")
    size, _, etag, key = answers[-1][2].rstrip(b"\n").split(b"\t")
    assert (size, len(etag), key) == (b"4", 32, b"a/b")


@test
def what_one_place_writes_the_others_have():
    with temp_dir() as d:
        for place in each_place():
            if place.kind == "url":
                fine("put", place.store, "u", input=b"by the server")
                fine("put", place.dir, "d", input=b"beside it")
                assert fine("get", place.store, "d") == b"beside it"
                assert fine("get", place.dir, "u") == b"by the server"
                assert fine("stat", place.dir, "u") == fine("stat", place.store, "u")
                assert os.path.exists(f"{place.dir}/.diskv/lock")
            fine("put", place.store, "k", input=b"v")
            fine("get", place.store, "k", f"{d}/{place.kind}")
            with open(f"{d}/{place.kind}", "rb") as file:
                assert file.read() == b"v"


@test
def every_key_goes_in_and_out():
    for place in each_place("--sync", "none"):
        if place.kind == "served":
            continue
        for key in HARD_KEYS:
            fine("put", "--", place.store, key, input=key.encode())
        assert keys(place.store) == sorted(HARD_KEYS, key=str.encode)
        for key in HARD_KEYS:
            assert fine("get", place.store, "--", key) == key.encode()
        for key in HARD_KEYS[::4]:
            assert json.loads(fine("stat", place.store, "--", key))["key"] == key
        assert keys(place.store, "--prefix", "a&") == ["a&limit=1"]
        fine("rm", place.store, "--", *HARD_KEYS)
        assert keys(place.store) == []


@test
def a_listing_has_as_many_pages_as_it_needs():
    names = [f"k{n:04}" for n in range(1500)]
    for kind in ("directory", "url"):
        with temp_dir() as d:
            for name in names:
                with open(f"{d}/{name}", "wb"):
                    pass
            with Server("--sync", "none", dir=d) as s:
                store = d if kind == "directory" else s.url
                assert keys(store) == names
                assert len(fine("ls", "--long", store).splitlines()) == len(names)
                fine("rm", "--prefix", "k12", store)
                assert keys(store) == names[:1200] + names[1300:]


@test
def reading_a_directory_changes_nothing_in_it():
    with temp_dir() as d:
        with open(f"{d}/a", "wb") as file:
            file.write(b"by hand")
        before = os.stat(d).st_mtime_ns
        assert fine("get", d, "a") == b"by hand"
        fine("stat", d, "a")
        assert keys(d) == ["a"]
        assert os.listdir(d) == ["a"] and os.stat(d).st_mtime_ns == before
        fine("put", d, "b", input=b"2")
        assert sorted(os.listdir(d)) == ["a", "b"]


if __name__ == "__main__":
    main()
