"""`diskv verify`: what it finds, what it repairs, what it says."""
import gzip
import json
import os
import pty
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager

from diskvtest import DISKV, Server, curl, main, skip, test


def verify(*args):
    env = {name: value for name, value in os.environ.items() if not name.startswith("DISKV_")}
    return subprocess.run([DISKV, "verify", *args], capture_output=True, text=True, timeout=60,
                          errors="surrogateescape", check=False, env=env)


def report(directory, *args, exit_code):
    """The findings, as (problem, key or path), and the counts."""
    done = verify("--json", *args, directory)
    assert done.returncode == exit_code, (done.returncode, done.stdout, done.stderr)
    assert done.stderr == ""
    whole = json.loads(done.stdout)
    return sorted((f["problem"], f.get("key", f.get("path", ""))) for f in whole["findings"]), whole


@contextmanager
def stored(values, *options):
    """The directory of a store with these values, which no process serves."""
    with tempfile.TemporaryDirectory() as d:
        with Server(*options, dir=d) as s:
            for key, value in values.items():
                assert curl("-T", "-", f"{s.url}/keys/{key}", input=value).status == 201
        yield d


def spoil(path, change):
    """Changes a file's bytes as a failing disk does: its times stay."""
    before = os.stat(path)
    with open(path, "r+b") as file:
        change(file)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def flip(at):
    def change(file):
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    return change


def text(size):
    return random.Random(1).randbytes(size // 2).hex().encode()


@test
def a_store_that_is_whole_exits_0():
    with stored({"a": b"one", "b/c": b"two", "empty": b""}) as d:
        done = verify(d)
        assert done.returncode == 0 and done.stderr == ""
        assert "values 3, bytes 6" in done.stdout and done.stdout.endswith("all is well\n")
        findings, whole = report(d, exit_code=0)
        assert findings == []
        assert whole["counts"] == {"values": 3, "bytes": 6, "unverified": 0, "indexed": 3, "foreign": 0,
                                   "leftovers": 0, "wrong": 0, "repaired": 0}
        assert whole["served"] is False


@test
def a_flipped_bit_is_found_in_a_plain_value():
    with stored({"a": b"one", "b/c": text(3000000), "d": b"three"}) as d:
        spoil(f"{d}/b/c", flip(2999990))
        assert report(d, exit_code=1)[0] == [("checksum", "b/c")]
        done = verify(d)
        assert done.returncode == 1 and "checksum    b/c: XXH3-128" in done.stdout


@test
def a_flipped_bit_is_found_anywhere_in_a_compressed_value():
    for codec in "gzip", "zlib":
        with stored({"a": text(3000000), "small": b"hardly worth it"}, "--compress", codec) as d:
            size = os.stat(f"{d}/a").st_size
            assert report(d, exit_code=0)[0] == []
            for at in 0, size // 2, size - 2:
                spoil(f"{d}/a", flip(at))
                [(problem, key)] = report(d, exit_code=1)[0]
                assert (problem in ("decode", "checksum"), key) == (True, "a"), (codec, at, problem)
                spoil(f"{d}/a", flip(at))
            assert report(d, exit_code=0)[0] == []


@test
def a_value_that_lost_its_end_is_found():
    with stored({"a": text(1000)}) as plain, stored({"z": text(1000000)}, "--compress", "gzip") as packed:
        spoil(f"{plain}/a", lambda file: file.truncate(500))
        spoil(f"{packed}/z", lambda file: file.truncate(500))
        assert report(plain, exit_code=1)[0] == [("length", "a")]
        assert report(packed, exit_code=1)[0] == [("length", "z")]


@test
def what_another_program_wrote_has_no_checksum_and_is_not_wrong():
    with stored({"a": b"one", "b": b"two", "c": b"three"}) as d:
        with open(f"{d}/a", "w", encoding="utf-8") as file:
            file.write("edited")
        shutil.copyfile(f"{d}/b", f"{d}/copy")  # without its attributes
        os.truncate(f"{d}/c", 1)
        findings, whole = report(d, exit_code=0)
        assert findings == []
        assert whole["counts"]["values"] == 4 and whole["counts"]["unverified"] == 3


@test
def another_programs_compressed_file_is_decompressed_where_asked():
    with tempfile.TemporaryDirectory() as d:
        whole = gzip.compress(text(100000))
        for name, data in ("whole", whole), ("cut", whole[:-5]), ("text", b"no gzip"):
            with open(f"{d}/{name}", "wb") as file:
                file.write(data)
        assert report(d, exit_code=0)[0] == []
        assert report(d, "--compress", "gzip", exit_code=1)[0] == [("decode", "cut")]
        assert not os.path.exists(f"{d}/.diskv"), "a directory that is no store's is left as it is"


@test
def a_damaged_table_of_flush_points_is_found_and_no_longer_used():
    with tempfile.TemporaryDirectory() as d, tempfile.NamedTemporaryFile() as upload:
        upload.truncate(140 << 20)
        with Server("--compress", "gzip:1", dir=d) as s:
            assert curl("-T", upload.name, f"{s.url}/keys/a").status == 201
        assert report(d, exit_code=0)[0] == []

        def last_block(file):  # of the table
            file.seek(12 + 4 + 34 * 208 + 50)
            file.write(b"\xff")
        spoil(f"{d}/a", last_block)
        assert report(d, exit_code=1)[0] == [("points", "a")]
        assert report(d, "--repair", exit_code=0)[1]["findings"][0]["repaired"] is True
        assert "user.diskv.points" not in os.listxattr(f"{d}/a")
        assert report(d, exit_code=0)[0] == []


@test
def flush_points_that_do_not_fit_are_found_and_removed():
    with stored({"a": text(4000000), "b": text(3000000)}, "--compress", "gzip") as d:
        good = os.getxattr(f"{d}/a", "user.diskv.points")
        for bad in os.getxattr(f"{d}/b", "user.diskv.points"), good[:-1], b"x" + good:
            os.setxattr(f"{d}/a", "user.diskv.points", bad)
            with open(f"{d}/a", "rb") as file:
                before = file.read()
            assert report(d, exit_code=1)[0] == [("points", "a")]
            _, whole = report(d, "--repair", exit_code=0)
            assert whole["counts"]["repaired"] == 1 and whole["findings"][0]["repaired"] is True
            assert "user.diskv.points" not in os.listxattr(f"{d}/a")
            with open(f"{d}/a", "rb") as file:
                assert file.read() == before
            assert report(d, exit_code=0)[0] == []


@test
def foreign_files_are_named_and_are_not_wrong():
    with stored({"a": b"one"}) as d:
        os.symlink("a", f"{d}/link")
        os.mkfifo(f"{d}/pipe")
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(f"{d}/socket")
            open(os.fsencode(d) + b"/%zz\xff", "w", encoding="utf-8").close()
            findings, whole = report(d, exit_code=0)
        assert findings == [("foreign", "%zz\ufffd"), ("foreign", "link"), ("foreign", "pipe"), ("foreign", "socket")]
        assert {f["detail"] for f in whole["findings"]} >= {"a symbolic link", "a pipe", "a socket"}
        assert whole["counts"]["foreign"] == 4 and whole["counts"]["wrong"] == 0
        assert "link" not in verify(d).stdout and "link" in verify("--foreign", d).stdout


@test
def leftovers_are_found_and_removed():
    with stored({"a": b"one"}) as d:
        open(f"{d}/.diskv/tmp/1.7", "w", encoding="utf-8").close()
        os.makedirs(f"{d}/.diskv/tmp/2.8/x/y")
        os.makedirs(f"{d}/.diskv/tmp-0123456789abcdef")
        expected = [("leftover", ".diskv/tmp-0123456789abcdef"), ("leftover", ".diskv/tmp/1.7"), ("leftover", ".diskv/tmp/2.8")]
        assert report(d, exit_code=1)[0] == expected
        assert report(d, "--repair", exit_code=0)[0] == expected
        assert report(d, exit_code=0)[0] == []
        assert os.listdir(f"{d}/.diskv/tmp") == []


@test
def a_damaged_index_is_found_and_removed():
    with stored({f"k{i}": b"v" for i in range(100)}) as d:
        with open(f"{d}/.diskv/index/data", "r+b") as file:
            for page in range(0, os.stat(f"{d}/.diskv/index/data").st_size, 4096):
                file.seek(page + 64)
                file.write(b"\xff" * 2000)
        assert report(d, exit_code=1)[0] == [("index", "")]
        assert report(d, exit_code=1)[0] == [("index", "")], "it was only looked at"
        assert report(d, "--repair", exit_code=0)[0] == [("index", "")]
        assert report(d, exit_code=0)[0] == []
        with Server(dir=d) as s:
            assert len(curl(s.url + "/keys?limit=1000").body.split(b"\n")) > 100


@test
def a_directory_changed_since_the_server_ran_is_no_fault_of_the_index():
    with stored({"a/b": b"one", "c": b"two"}) as d:
        shutil.rmtree(f"{d}/a")
        with open(f"{d}/new", "w", encoding="utf-8") as file:
            file.write("three")
        assert report(d, exit_code=0)[0] == []


@test
def attributes_stripped_by_a_copy_leave_values_without_checksums():
    with stored({"a": b"one", "b/c": text(1000000)}, "--compress", "gzip") as d, tempfile.TemporaryDirectory() as copy:
        subprocess.run(["cp", "-r", f"{d}/.", copy], check=True)
        _, whole = report(copy, exit_code=0)
        assert whole["counts"]["values"] == 2 and whole["counts"]["unverified"] == 2


@test
def every_layout_is_read_as_the_index_says():
    for layout in "flat", "split:2":
        with stored({"abcd": b"one", "a/b": b"two"}, "--layout", layout) as d:
            for file in (f"{d}/ab/cd/abcd", f"{d}/abcd"):
                if os.path.isfile(file):
                    spoil(file, flip(0))
            assert report(d, exit_code=1)[0] == [("checksum", "abcd")]


@test
def a_value_that_may_not_be_read_is_found():
    if os.geteuid() == 0:
        skip("root may read everything")
    with stored({"a": b"one"}) as d:
        os.chmod(f"{d}/a", 0)
        assert report(d, exit_code=1)[0] == [("unreadable", "a")]


@test
def beside_a_server_that_writes_nothing_is_wrong_but_what_is():
    with tempfile.TemporaryDirectory() as d, Server(dir=d) as s:
        for i in range(50):
            assert curl("-T", "-", f"{s.url}/keys/k{i}", input=text(30000)).status == 201
        spoil(f"{d}/k7", flip(100))
        stop = threading.Event()

        def write():
            n = 0
            while not stop.is_set():
                n += 1
                curl("-T", "-", f"{s.url}/keys/k{10 + n % 40}", input=text(20000 + n))
                with open(f"{d}/k{10 + n % 40}", "r+b") as file:
                    file.write(b"%d" % n)
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(5):
                findings, whole = report(d, "--repair", exit_code=1)
                assert findings == [("checksum", "k7")]
                assert whole["served"] is True and whole["counts"]["values"] == 50
        finally:
            stop.set()
            writer.join()
        assert "another process" in verify(d).stdout


@test
def a_server_that_scrubs_finds_it_too_and_says_so():
    with stored({"a": b"one"}) as d:
        spoil(f"{d}/a", flip(0))
        with Server("--scrub-days", "1", dir=d) as s:
            while not (stats := json.loads(curl(s.url + "/stats").body))["scrub_wrong"]:
                time.sleep(0.02)
            assert (stats["scrubbed"], stats["scrub_wrong"], stats["scrubbed_all_at"]) == (1, 1, None)
            assert "a is damaged: checksum: XXH3-128" in s.stderr()


@test
def names_take_one_line_each():
    with stored({"a%0Ab": b"one"}) as d:
        [name] = [n for n in os.listdir(d) if n != ".diskv"]
        spoil(f"{d}/{name}", flip(0))
        assert "checksum    a\\x0ab: " in verify(d).stdout
        assert report(d, exit_code=1)[0] == [("checksum", "a\nb")]


@test
def a_command_line_that_is_not_understood_exits_2_and_says_why():
    with tempfile.TemporaryDirectory() as d:
        for args, words in [([], "directory"), ([d, d], "one directory"), (["--jsno", d], "--jsno"), (["--jobs", "0", d], "--jobs"),
                            (["--jobs", d], "--jobs"), (["--layout", "x", d], "--layout"), (["--compress", "x", d], "--compress"),
                            ([f"{d}/missing"], "no such directory")]:
            done = verify(*args)
            assert done.returncode == 2 and words in done.stderr and done.stdout == "", (args, done)
        assert verify("--help").returncode == 0 and "--repair" in verify("--help").stdout


@test
def an_empty_directory_is_well_and_stays_empty():
    with tempfile.TemporaryDirectory() as d:
        assert report(d, "--repair", exit_code=0)[0] == []
        assert os.listdir(d) == []


@test
def progress_is_shown_on_a_terminal_alone():
    with tempfile.TemporaryDirectory() as d:
        with open(f"{d}/large", "wb") as file:
            file.truncate(4 << 30)  # a hole: takes long enough to read
        master, slave = pty.openpty()
        with subprocess.Popen([DISKV, "verify", d], stdout=subprocess.PIPE, stderr=slave, text=True,
                              env={**os.environ, "TERM": "xterm"}) as process:
            os.close(slave)
            shown = b""
            while b" left" not in shown:
                shown += os.read(master, 4096)
            process.send_signal(signal.SIGTERM)
        os.close(master)
        assert b"B/s" in shown and b"%" in shown and shown.startswith(b"\r")


if __name__ == "__main__":
    main()
