"""`diskv export`: values become files, below the directory and nowhere else."""
import os

from clitest import diskv, each_place, fine, keys, temp_dir, tree_read
from diskvtest import main, test

KEYS = ["plain", "d/e/f", "a", "a/b", "a/b/c", "../x", "../../x", "..", ".", "a//b", "/etc/x", "d/", ".diskv/x",
        "100%", "line\nend", "x" * 900, "ß/日本"]


def store_fill(store):
    for key in KEYS:
        fine("put", "--", store, key, input=key.encode())


@test
def a_plain_path_is_kept_and_nothing_lands_outside():
    for place in each_place("--sync", "none"):
        if place.kind == "served":
            continue
        with temp_dir() as d:
            store_fill(place.store)
            assert fine("export", place.store, f"{d}/deep") == b""
            assert os.listdir(d) == ["deep"]
            files = tree_read(f"{d}/deep")
            assert len(files) == len(KEYS)
            assert files["plain"] == b"plain" and files["d/e/f"] == b"d/e/f" and files["a/%value"] == b"a"
            assert keys(f"{d}/deep") == sorted(KEYS, key=str.encode)
            for key in KEYS:
                assert fine("get", f"{d}/deep", "--", key) == key.encode()


@test
def links_in_the_directory_are_not_followed():
    for place in each_place():
        with temp_dir() as d:
            os.mkdir(f"{d}/out")
            os.mkdir(f"{d}/outside")
            os.symlink(f"{d}/outside", f"{d}/out/d")
            os.symlink(f"{d}/outside/file", f"{d}/out/file")
            for key in ("d/x", "file", "good"):
                fine("put", place.store, key, input=b"v")
            done = diskv("export", place.store, f"{d}/out")
            assert done.code == 1 and "d/x" in done.err and "file" in done.err and "good" not in done.err
            assert os.listdir(f"{d}/outside") == [] and os.path.isfile(f"{d}/out/good")


@test
def a_prefix_up_to_its_last_slash_is_left_off():
    for place in each_place():
        with temp_dir() as d:
            for key in ("p/q/a", "p/q/b/c", "p/qx", "p", "other"):
                fine("put", place.store, key, input=key.encode())
            fine("export", "--prefix", "p/q/", place.store, f"{d}/1")
            assert tree_read(f"{d}/1") == {"a": b"p/q/a", "b/c": b"p/q/b/c"}
            fine("export", "--prefix", "p/q", place.store, f"{d}/2")
            assert tree_read(f"{d}/2") == {"q/a": b"p/q/a", "q/b/c": b"p/q/b/c", "qx": b"p/qx"}


@test
def what_was_there_is_replaced_or_stays():
    for place in each_place():
        with temp_dir() as d:
            fine("put", place.store, "a", input=b"new")
            for name in ("a", "b"):
                with open(f"{d}/{name}", "wb") as file:
                    file.write(b"old")
            fine("export", place.store, d)
            assert tree_read(d) == {"a": b"new", "b": b"old"}


@test
def a_store_is_not_exported_onto_itself():
    with temp_dir() as d:
        fine("put", d, "a", input=b"1")
        done = diskv("export", d, f"{d}/../{os.path.basename(d)}")
        assert done.code == 1 and "own" in done.err


if __name__ == "__main__":
    main()
