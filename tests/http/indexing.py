"""While the index is being built values are served and nothing is listed; what is foreign is told apart."""
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import tempfile
import time

from diskvtest import Server, curl, main, skip, test, wait_ready
from livetest import differences, listing, sh, stats


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def failing(directory):
    """What to run a server under that cannot read this directory, until `mend` ends that."""
    return ["strace", "-D", "-I", "waiting", "-f", "-qq", "-o", "/dev/null", "-P", directory, "-e", "trace=getdents64",
            "-e", "inject=getdents64:error=EIO"]


def slow():
    """What to run a server under that reads directories slowly."""
    return ["strace", "-D", "-I", "waiting", "-f", "-qq", "-o", "/dev/null", "-e", "trace=getdents64",
            "-e", "inject=getdents64:delay_enter=20000"]


def mend(server):
    """Ends what `failing` or `slow` do."""
    with open(f"/proc/{server.pid}/status", encoding="ascii") as file:
        os.kill(int(re.search(r"TracerPid:\s*(\d+)", file.read())[1]), signal.SIGTERM)


def is_refused(answer):
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json"), answer
    assert int(answer.headers["retry-after"]) > 0
    return "index is being built" in json.loads(answer.body)["detail"]


class Files:
    """A directory with some files, that was never diskv's."""

    def __init__(self, script):
        self._temp = tempfile.TemporaryDirectory(prefix="diskvtest.")
        self.dir = f"{self._temp.name}/files"
        os.mkdir(self.dir)
        sh(self, script)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._temp.cleanup()


@test
def until_the_index_is_whole_values_are_served_and_nothing_is_listed():
    for option in ([], ["--no-watch"]):
        with Files("mkdir d; echo a > d/a; echo b > d/b; echo top > top") as files, \
             Server(*option, "--workers", "1", "--cache-bytes", "0", dir=files.dir, under=failing(f"{files.dir}/d"),
                    ready=False) as s:
            wait_for(lambda: "cannot bring the index in step with the files" in s.stderr())
            for listed in ("/keys", "/keys?format=ndjson", "/keys?format=tar", "/keys/?html"):
                assert is_refused(curl(s.url + listed)), listed
            assert is_refused(curl("-X", "DELETE", s.url + "/keys?prefix=d/"))
            assert is_refused(curl("-X", "POST", s.url + "/rescan"))
            assert is_refused(curl(s.url + "/readyz"))
            assert curl(s.url + "/healthz").status == 200
            assert stats(s.url)["indexing"] is True
            assert curl(s.url + "/keys/d/a").body == b"a\n"
            assert curl("-T", "-", s.url + "/keys/d/new", input=b"new").status == 201
            assert curl("-X", "DELETE", s.url + "/keys/d/b").status == 204
            assert curl(s.url + "/keys/d/b").status == 404
            mend(s)
            wait_ready(s.url)
            assert list(listing(s.url)) == ["d/a", "d/new", "top"]
            assert (stats(s.url)["indexing"], stats(s.url)["keys"]) == (False, 3)


@test
def changes_made_while_directories_are_read_are_listed_rightly():
    for option in ([], ["--no-watch"]):
        with Files("for i in $(seq 100); do mkdir d$i; echo > d$i/a; echo > d$i/b; done") as files, \
             Server(*option, dir=files.dir, under=slow(), ready=False) as s, \
             socket.create_connection(("127.0.0.1", s.port)) as c:
            def request(line):
                c.sendall(f"{line} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode())
                answer = b""
                while b"\r\n\r\n" not in answer:
                    answer += c.recv(65536)
                return int(answer.split()[1])
            for i in range(100, 0, -1):
                assert request(f"DELETE /keys/d{i}/a") == 204
                assert request(f"PUT /keys/d{i}/c") == 201
            mend(s)
            wait_ready(s.url)
            assert differences(s) == {}
            assert stats(s.url)["keys"] == 200


@test
def a_server_that_builds_its_index_stops_when_it_is_told_to():
    sanitizer = {"ASAN_OPTIONS": "detect_leaks=0"}  # looks for leaks as strace does: one of them can
    with Files("mkdir d; echo a > d/a; for i in $(seq 500); do mkdir e$i; done") as files:
        for under in (failing(f"{files.dir}/d"), slow()):
            with Server("--drain-seconds", "1", dir=files.dir, under=under, ready=False, env=sanitizer) as s:
                assert is_refused(curl(s.url + "/readyz"))
                assert s.stop() == 0


def state(root):
    """All there is to know of what lies in a directory, but for the store's own and the times of reading."""
    found = {}
    for folder, folders, files in os.walk(root):
        if folder == root:
            folders[:] = [name for name in folders if name != ".diskv"]
        for path in (os.path.join(folder, name) for name in folders + files):
            st = os.lstat(path)
            regular = os.path.isfile(path) and not os.path.islink(path)
            found[path] = (st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_size, st.st_mtime_ns,
                           st.st_ctime_ns,
                           {name: os.getxattr(path, name, follow_symlinks=False)
                            for name in os.listxattr(path, follow_symlinks=False)},
                           regular and hashlib.sha256(open(path, "rb").read()).hexdigest())
    return found


@test
def a_directory_that_is_adopted_stays_as_it_is():
    script = """mkdir -p 2024/summer empty; head -c 300000 /dev/urandom > 2024/summer/a.jpg; echo b > 2024/b.txt
                ln -s b.txt 2024/link; ln 2024/b.txt hard; mkfifo pipe; echo x > 'bad%zz'; mkdir 'bad%dir'
                setfattr -n user.note -v mine 2024/b.txt || true; chmod 600 hard; touch -d 2001-02-03 2024"""
    with Files(script) as files:
        before = state(files.dir)
        for option in ([], ["--no-watch"], ["--compress", "gzip"]):
            with Server(*option, dir=files.dir) as s:
                assert list(listing(s.url)) == ["2024/b.txt", "2024/summer/a.jpg", "hard"]
                for key in listing(s.url):
                    with open(f"{files.dir}/{key}", "rb") as file:
                        assert curl(f"{s.url}/keys/{key}").body == file.read()
                assert curl(s.url + "/keys?format=tar").status == 200
                assert curl(s.url + "/stats?foreign").status == 200
                assert curl("-X", "POST", s.url + "/rescan").status == 204
            assert state(files.dir) == before
        shutil.rmtree(f"{files.dir}/.diskv")


def foreign(s):
    answer = curl(s.url + "/stats?foreign")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    items = json.loads(answer.body)["foreign"]
    found = {item["path"]: item["why"] for item in items}
    assert len(found) == len(items)
    return found


@test
def foreign_files_are_listed_with_what_they_are():
    with Server() as s:
        assert foreign(s) == {}
        sh(s, """mkdir -p a/b 'bad%dir/sub'; ln -s / a/b/link; mkfifo a/pipe; echo > a/b/'bad%zz'; echo > 'bad%dir/sub/x'
                 echo > fine; echo > 'quote"%zz'""")
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(f"{s.dir}/socket")
        open(os.fsencode(s.dir) + b"/not\xffutf8", "wb").close()
        assert foreign(s) == {
            "a/b/link": "a symbolic link",
            "a/pipe": "a pipe",
            "a/b/bad%zz": "a file whose name is no key's",
            "bad%dir": "a directory whose name is no key's",
            "quote\"%zz": "a file whose name is no key's",
            "socket": "a socket",
            "not\ufffdutf8": "a file whose name is no key's",
        }
        wait_for(lambda: list(listing(s.url)) == ["fine"])
        follows_nothing = stats(s.url)["foreign"]
        assert curl("-X", "POST", s.url + "/rescan").status == 204
        assert stats(s.url)["foreign"] == 7 >= follows_nothing
        assert curl("-I", s.url + "/stats?foreign").status == 200


@test
def a_long_list_of_foreign_files_comes_whole_and_past_many_that_are_not():
    with Server("--sync", "none") as s:
        for number in range(5000):
            os.symlink("nowhere", f"{s.dir}/link-with-a-long-name-{number:05}")
        os.mkdir(f"{s.dir}/d")
        open(f"{s.dir}/d/0", "wb").close()
        for number in range(1, 5000):
            os.link(f"{s.dir}/d/0", f"{s.dir}/d/{number}")
        assert len(foreign(s)) == 5000
        assert set(foreign(s).values()) == {"a symbolic link"}


@test
def files_without_permission_are_foreign():
    if os.getuid():
        skip("needs root, to become another user")
    with Files("mkdir open closed; echo > open/mine; echo > open/theirs; echo > closed/x") as files:
        os.chmod(os.path.dirname(files.dir), 0o755)
        for path in ("", "/open", "/open/mine"):
            os.chown(files.dir + path, 65534, 65534)
        os.chmod(f"{files.dir}/open/theirs", 0o600)
        os.chmod(f"{files.dir}/closed", 0o700)
        with Server(dir=files.dir, under=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]) as s:
            assert list(listing(s.url)) == ["open/mine"]
            assert foreign(s) == {"open/theirs": "may not be read", "closed": "may not be read"}


if __name__ == "__main__":
    main()
