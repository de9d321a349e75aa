"""--layout: where the files lie, and that the listing follows them whatever happened meanwhile."""
import base64
import json
import os
import shutil
import tarfile
import time
from urllib.parse import quote

from diskvtest import Server, curl, main, test

TREES = os.environ.get("DISKV_TREES", os.path.join(os.path.dirname(__file__), "../data/diskv-trees"))
AWKWARD = ["/", "a//b", ".", "..", "../x", ".diskv", ".diskv/tmp", "%value", "%", "100%", "ü€💾💾", "a\nb", "x" * 1000]


def put(server, *keys):
    for key in keys:
        assert curl("-T", "-", f"{server.url}/keys/{quote(key, safe='')}", input=key.encode()).status == 201, key


def get(server, key):
    return curl(f"{server.url}/keys/{quote(key, safe='')}")


def stat(server, name):
    return json.loads(curl(f"{server.url}/stats").body)[name]


def keys(server):
    return [entry["key"] for entry in json.loads(curl(f"{server.url}/keys?limit=10000").body)["keys"]]


def in_order(names):
    return sorted(names, key=str.encode)


def files(directory):
    found = []
    for folder, folders, names in os.walk(directory):
        if folder == directory:
            folders.remove(".diskv")
        found += [os.path.relpath(os.path.join(folder, name), directory) for name in names]
    return sorted(found)


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


@test
def flat_keeps_every_key_in_the_directory_itself():
    with Server("--layout", "flat") as s:
        put(s, "a", "a/b", "a/b/c", ".diskv", "x" * 241)
        assert files(s.dir) == sorted(["a", "a%2Fb", "a%2Fb%2Fc", "%2Ediskv", "x" * 238 + "%+/xxx"])


@test
def split_keeps_a_key_below_the_groups_of_its_characters():
    with Server("--layout", "split:3") as s:
        put(s, "xy", "abcdef", "abcdefgh", "a/bc/d", "ü€💾x")
        assert files(s.dir) == sorted(["xy", "abc/def/abcdef", "abc/def/abcdefgh", "a%2Fb/c%2Fd/a%2Fbc%2Fd",
                                       "ü€💾/ü€💾x"])


@test
def a_key_and_one_that_repeats_it_do_not_conflict_under_split():
    for order in (["abc", "abcabc", "abcabcabc"], ["abcabcabc", "abcabc", "abc"]):
        with Server("--layout", "split:3") as s:
            put(s, *order)
            assert files(s.dir) == sorted(["abc/abc/%value", "abc/abc/abcabc", "abc/abc/abc/abcabcabc"])
            for key in order:
                assert get(s, key).body == key.encode()
            assert curl("-X", "DELETE", f"{s.url}/keys/abcabc").status == 204
            assert keys(s) == ["abc", "abcabcabc"]
            assert get(s, "abc").body == b"abc" and get(s, "abcabc").status == 404
            s.stop()
            with Server("--layout", "split:3", dir=s.dir) as again:
                assert keys(again) == ["abc", "abcabcabc"]


@test
def every_key_is_served_and_listed_after_a_restart_under_every_layout():
    for layout in ("path", "flat", "split:1", "split:3", "split:16"):
        with Server("--layout", layout, "--sync", "none") as s:
            put(s, *AWKWARD)
            assert keys(s) == in_order(AWKWARD), layout
            s.stop()
            shutil.rmtree(f"{s.dir}/.diskv")
            with Server(dir=s.dir, env={"DISKV_LAYOUT": layout}) as again:
                assert keys(again) == in_order(AWKWARD), layout
                assert stat(again, "foreign") == 0
                for key in AWKWARD:
                    assert get(again, key).body == key.encode(), (layout, key)


@test
def what_changed_while_the_server_was_down_is_picked_up():
    kept = ["a/two", "abcabc", "z", "x" * 300]
    for layout, removed, written in [
            ("flat", ["a%2Fone", "abc", "gone%2F1"], ["a%2Fthree", "new"]),
            ("split:3", ["a%2Fo/a%2Fone", "abc/abc/%value", "gon"], ["a%2Ft/hre/a%2Fthree", "new/new"])]:
        with Server("--layout", layout) as s:
            put(s, "a/one", "abc", "gone/1", *kept)
            s.stop()
            with Server("--layout", layout, dir=s.dir) as again:  # notes what it read
                assert stat(again, "keys") == 7
            time.sleep(2.2)  # until the directories count as settled
            with Server("--layout", layout, dir=s.dir) as again:
                assert stat(again, "keys") == 7
            for path in removed:
                path = f"{s.dir}/{path}"
                shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
            for path in written:
                write(f"{s.dir}/{path}", b"by hand")
            write(f"{s.dir}/no%key", b"foreign")
            with Server("--layout", layout, dir=s.dir) as again:
                assert stat(again, "keys") == 6, layout
                assert stat(again, "foreign") == 1, layout
                assert keys(again) == in_order([*kept, "a/three", "new"]), layout
                assert get(again, "a/three").body == b"by hand"


@test
def another_layout_on_the_same_directory_has_the_index_made_anew():
    with Server("--layout", "split:3") as s:
        put(s, "xy", "abcdef")
        write(f"{s.dir}/q/r", b"by hand")
        s.stop()
        time.sleep(2.2)
        for _ in range(2):
            for layout, expected in [("split:3", ["abcdef", "xy"]), ("path", ["abc/def/abcdef", "q/r", "xy"]),
                                     ("flat", ["xy"]), ("path", ["abc/def/abcdef", "q/r", "xy"])]:
                with Server("--layout", layout, dir=s.dir) as again:
                    assert stat(again, "keys") == len(expected), layout
                    assert keys(again) == expected, layout
                    assert get(again, "abcdef").status == (200 if "abcdef" in expected else 404)


@test
def directories_that_go_diskv_wrote_are_served_as_they_are():
    with open(f"{TREES}/manifest.json", encoding="utf-8") as file:
        manifest = {tree["Tree"]: tree["Entries"] for tree in json.load(file)}
    for tree, layout in [("flat", "flat"), ("split2", "split:2"), ("split3", "split:3")]:
        with Server("--layout", layout) as s:
            s.stop()
            with tarfile.open(f"{TREES}/trees.tar") as tar:
                for member in tar:
                    if member.isfile() and member.name.startswith(f"{tree}/"):
                        write(f"{s.dir}/{member.name[len(tree) + 1:]}", tar.extractfile(member).read())
            with Server("--layout", layout, dir=s.dir) as again:
                assert keys(again) == in_order(entry["key"] for entry in manifest[tree])
                assert stat(again, "foreign") == 0
                for entry in manifest[tree]:
                    assert get(again, entry["key"]).body == base64.b64decode(entry["value_base64"]), entry["key"]


if __name__ == "__main__":
    main()
