"""`diskv import`: trees become keys, and a second time goes on where the first one ended."""
import os
import signal
import subprocess
import time

from clitest import diskv, each_place, fine, keys, temp_dir, tree_make
from disktest import mounted
from diskvtest import DISKV, Server, curl, main, test

TREE = {"a": b"1", "d/b": b"22", "d/e/c": b"333", "d/empty": b"", "strange %?#\n name": b"4", "ß": b"5"}


def settle(seconds=0.1):
    """Until what is written is surely newer than the files are."""
    time.sleep(seconds)


def times(place):
    """Of the files in a store's directory, by their paths."""
    found = {}
    for top, dirs, files in os.walk(place.dir):
        dirs[:] = [name for name in dirs if name != ".diskv"]
        for name in files:
            path = os.path.join(top, name)
            found[os.path.relpath(path, place.dir)] = os.stat(path).st_mtime_ns
    return found


@test
def a_tree_becomes_keys_by_its_paths_and_a_file_by_its_name():
    for place in each_place():
        with temp_dir() as d:
            tree_make(f"{d}/tree", TREE)
            tree_make(d, {"x/file": b"6"})
            os.symlink(f"{d}/tree", f"{d}/link")
            assert fine("import", place.store, f"{d}/tree", f"{d}/x/file") == b""
            assert keys(place.store) == sorted([*TREE, "file"], key=str.encode)
            fine("import", "--prefix", "p/", place.store, f"{d}/link/")
            assert keys(place.store, "--prefix", "p/") == sorted((f"p/{key}" for key in TREE), key=str.encode)
            for key, data in TREE.items():
                assert fine("get", place.store, f"p/{key}") == data
            assert os.path.exists(f"{d}/tree/a")


@test
def what_cannot_be_imported_is_named_and_the_rest_is_done():
    for place in each_place():
        with temp_dir() as d:
            tree_make(f"{d}/tree", {"a": b"1", "z": b"2"})
            os.symlink("a", f"{d}/tree/link")
            os.mkfifo(f"{d}/tree/pipe")
            os.close(os.open(os.fsencode(f"{d}/tree/") + b"\xff", os.O_CREAT))
            done = diskv("import", place.store, f"{d}/tree", f"{d}/missing")
            assert done.code == 1 and done.err.count("\n") == 4, done
            for name in ("tree/link", "tree/pipe", "missing"):
                assert f"{d}/{name}" in done.err
            assert keys(place.store) == ["a", "z"]


@test
def what_a_directory_has_is_left_alone_and_what_changed_is_not():
    for place in each_place():
        if place.kind == "url":
            continue
        with temp_dir() as d:
            tree_make(d, TREE)
            settle()
            fine("import", place.store, d)
            first = times(place)
            settle()
            tree_make(d, {"d/b": b"xx"})
            os.utime(f"{d}/d/b", (0, 0))  # as old as can be, of the same size
            tree_make(d, {"a": b"longer", "new": b"n"})
            fine("import", place.store, d)
            second = times(place)
            assert {key for key in second if second[key] != first.get(key)} == {"d/b", "a", "new"}
            assert fine("get", place.store, "d/b") == b"xx" and fine("get", place.store, "a") == b"longer"


@test
def a_value_from_the_future_is_compared_with_no_file():
    """It was stored before the clock was set back, and the file may have changed since."""
    for place in each_place():
        with temp_dir() as d:
            tree_make(place.dir, {"a": b"old"})
            tomorrow = time.time() + 86400
            os.utime(f"{place.dir}/a", (tomorrow, tomorrow))
            tree_make(d, {"a": b"new"})
            fine("import", place.store, d)
            assert fine("get", place.store, "a") == b"new", place.kind


@test
def an_import_that_was_killed_goes_on():
    names = {f"{n // 100:02}/{n:04}": b"%d" % n for n in range(600)}
    for place in each_place("--sync", "none"):
        if place.kind == "served":
            continue
        with temp_dir() as d:
            tree_make(d, names)
            settle(3.2 if place.kind == "url" else 0.1)
            command = subprocess.Popen([DISKV, "import", place.store, d])
            while not os.path.exists(f"{place.dir}/02/0210") and command.poll() is None:
                pass
            command.send_signal(signal.SIGKILL)
            command.wait(30)
            first = times(place)
            assert first and first.keys() <= names.keys()
            fine("import", place.store, d)
            assert place.kind == "url" or not os.path.exists(f"{place.dir}/.diskv")
            for name, data in names.items():
                with open(f"{place.dir}/{name}", "rb") as file:
                    assert file.read() == data
            last = times(place)
            again = [path for path in first if last[path] != first[path]]
            assert again == [], (place.kind, again[:5])


@test
def moved_files_are_gone_from_where_they_were():
    for place in each_place():
        with temp_dir() as d:
            tree_make(f"{d}/tree", TREE)
            inode = os.stat(f"{d}/tree/a").st_ino
            fine("import", "--move", place.store, f"{d}/tree")
            assert [files for _, _, files in os.walk(f"{d}/tree") if files] == []
            assert keys(place.store) == sorted(TREE, key=str.encode)
            assert place.kind == "url" or os.stat(f"{place.dir}/a").st_ino == inode


def taken(path, work):
    """What `work` takes of the file system's room, in bytes."""
    def free():
        os.sync()
        room = os.statvfs(path)
        return room.f_bfree * room.f_frsize
    before = free()
    work()
    return before - free()


def blocks_are_shared_on(kind):
    data = os.urandom(1 << 20) * 64
    with mounted(kind, 512) as disk:
        tree_make(disk, {"file": data, "store/other": b""})
        assert taken(disk, lambda: fine("import", f"{disk}/store", f"{disk}/file")) < len(data) / 8
        with Server(dir=f"{disk}/store") as s:
            def copy():
                assert curl("-T", "-", "-H", "X-Copy-From: /keys/file", f"{s.url}/keys/copy").status == 201
            assert taken(disk, copy) < len(data) / 8
            for key in "file", "copy":
                assert curl(f"{s.url}/keys/{key}").body == data
        assert taken(disk, lambda: tree_make(disk, {"written": data})) > len(data) / 2


@test
def imports_and_copies_share_their_blocks_on_xfs():
    blocks_are_shared_on("xfs")


@test
def imports_and_copies_share_their_blocks_on_btrfs():
    blocks_are_shared_on("btrfs")


@test
def a_store_is_not_imported_into_itself_nor_what_is_its_own():
    with temp_dir() as d:
        fine("put", f"{d}/store", "k", input=b"v")
        tree_make(d, {"a": b"1", ".diskv/x": b"2", "b/.diskv/y": b"3"})
        fine("import", f"{d}/store", d)
        assert keys(f"{d}/store") == ["a", "b/.diskv/y", "k"]


if __name__ == "__main__":
    main()
