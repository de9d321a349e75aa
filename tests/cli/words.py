"""Command lines: what is understood, what is not, and what both exit with."""
import http.server
import os
import re
import threading

from clitest import diskv, fine, keys, temp_dir
from diskvtest import Server, main, test

COMMANDS = ["ls", "get", "put", "rm", "stat", "import", "export"]


@test
def help_lists_every_command_and_each_has_its_own():
    text = fine("--help").decode()
    for name in ["serve", *COMMANDS]:
        assert re.search(rf"^  {name} +\w", text, re.M), name
        assert fine(name, "--help").decode().startswith(f"Usage: diskv {name} "), name
    for name in COMMANDS:
        assert "Exit status" in fine(name, "--help").decode()


@test
def what_is_not_understood_is_named_and_exits_2():
    with temp_dir() as d:
        for words, named in [
                (["lsa", d], '"lsa"'),
                (["ls"], "ls needs a store"),
                (["ls", d, "x"], "x"),
                (["ls", "--lang", d], "--lang"),
                (["ls", "-l", d], "-l"),
                (["ls", "--long=1", d], "--long=1"),
                (["ls", "--type", "x", d], "--type"),
                (["ls", d, "--prefix"], "--prefix"),
                (["get", d], "get needs"),
                (["get", d, "k", "f", "g"], "g"),
                (["put", d], "put needs"),
                (["put", "--move", d, "k"], "--move"),
                (["rm", d], "rm needs"),
                (["stat", d, "k", "l"], "l"),
                (["import", d], "import needs"),
                (["export", d], "export needs"),
                (["ls", "--layout", "round", d], "--layout"),
                (["ls", "--compress", "lzma", d], "--compress"),
                (["ls", "--layout", "flat", "http://127.0.0.1:1"], "--layout"),
        ]:
            done = diskv(*words)
            assert done.code == 2 and done.out == b"" and named in done.err, (words, done)
        assert os.listdir(d) == []


@test
def a_store_that_cannot_be_opened_is_named_and_exits_1():
    with temp_dir() as d:
        with open(f"{d}/file", "wb"):
            pass
        for store in (f"{d}/missing", f"{d}/file", "http://127.0.0.1:1", "http://", f"http://{d}?x"):
            done = diskv("ls", store)
            assert done.code == 1 and done.out == b"" and store in done.err and done.err.count("\n") == 1, done
        assert os.listdir(d) == ["file"]
        fine("put", f"{d}/new", "k", input=b"v")
        assert keys(f"{d}/new") == ["k"]


@test
def options_of_a_directory_are_those_of_its_server():
    with temp_dir() as d:
        fine("put", "--layout", "flat", "--compress=gzip:9", d, "a/b", input=b"x" * 10000)
        assert os.listdir(d) == ["a%2Fb"] and os.path.getsize(f"{d}/a%2Fb") < 1000
        assert fine("get", d, "a/b", env={"DISKV_LAYOUT": "flat"}) == b"x" * 10000
        assert diskv("get", d, "a/b").code == 1
        with Server("--layout", "flat", dir=d) as s:
            assert fine("get", s.url, "a/b", env={"DISKV_LAYOUT": "path"}) == b"x" * 10000


@test
def output_that_cannot_be_written_exits_1():
    with temp_dir() as d, open("/dev/full", "wb") as full:
        fine("put", d, "k", input=b"v")
        for words in (["ls", d], ["get", d, "k"], ["stat", d, "k"]):
            done = diskv(*words, stdout=full)
            assert done.code == 1 and "No space left" in done.err, (words, done)


class Stranger(http.server.BaseHTTPRequestHandler):
    """A server that is not diskv's, or one behind a path, as its paths say."""
    answers = {}
    asked = []

    def do_GET(self):
        self.asked.append(self.path)
        status, body = self.answers.get(self.path.split("?")[0], (200, b"<html>"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Strange:
    def __init__(self, **answers):
        self.handler = type("Handler", (Stranger,), {"answers": {f"/{k}": v for k, v in answers.items()}, "asked": []})

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@test
def a_server_may_lie_behind_a_path():
    with Strange(**{"my/store/keys/a%20b/../c": (200, b"value")}) as s:
        assert fine("get", f"{s.url}/my/store//", "a b/../c") == b"value"
        assert s.handler.asked == ["/my/store/keys/a%20b/../c"]


@test
def what_a_server_says_is_wrong_is_shown():
    problem = b'{"type":"about:blank","status":503,"detail":"the storage is away"}'
    with Strange(**{"keys/a": (503, problem), "keys/b": (502, b"<html>"), "keys/c": (301, b"")}) as s:
        assert diskv("get", s.url, "a").err == "diskv: a: the storage is away\n"
        assert diskv("get", s.url, "b").err == "diskv: b: HTTP status 502\n"
        assert diskv("get", s.url, "c").err == "diskv: c: HTTP status 301\n"
        done = diskv("ls", s.url)
        assert done.code == 1 and "diskv's" in done.err and done.out == b""


if __name__ == "__main__":
    main()
