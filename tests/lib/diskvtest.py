"""What the Python tests share: a server of one's own, curl, a raw socket, and a runner that prints TAP.

    from diskvtest import Server, curl, main, test

    @test
    def a_missing_key_is_404():
        with Server() as s:
            assert curl(s.url + "/keys/a").status == 404

    if __name__ == "__main__":
        main()
"""
import http.client
import inspect
import os
import re
import reprlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
from types import SimpleNamespace

DISKV = os.path.abspath(os.environ.get("DISKV", "build/diskv"))
READY_SECONDS = 60
tempfile.tempdir = os.environ.get("TMPDIR", "/var/tmp")  # on a disk, which /tmp need not be
STOP_SECONDS = 60
RAW_SECONDS = 60

_tests = []
_servers = []  # those that the running test started


class Skip(Exception):
    """Raised by skip()."""


def test(function):
    """Registers a function whose name is the sentence it proves."""
    _tests.append(function)
    return function


def skip(why):
    """Ends the running test as skipped."""
    raise Skip(why)


class Server:
    """`diskv serve OPTIONS… DIR` on a free port, in a new directory unless `dir` names one; run by
    the command `under`, which must not fork, where one is given. It is ready (/readyz) unless
    `ready` is false: then only its first line is waited for.

    The end of a `with` stops the server and fails if it did not exit with 0, so that a crash or a
    sanitizer's report never passes unseen.
    """

    def __init__(self, *options, dir=None, env=None, under=(), ready=True):
        self._temp = tempfile.mkdtemp(prefix="diskvtest.")
        self.dir = str(dir) if dir else os.path.join(self._temp, "data")
        os.makedirs(self.dir, exist_ok=True)
        self._stderr_path = os.path.join(self._temp, "stderr")
        _servers.append(self)
        command = [*under, DISKV, "serve", "--listen", "127.0.0.1:0", *map(str, options), self.dir]
        with open(self._stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=stderr,
                                            env={**os.environ, **(env or {})})
        self.pid = self.process.pid
        self._ended = False  # by stop() or kill()
        self.ready_line = self._read_line(READY_SECONDS)
        match = re.search(r"(http://[^ ]*:(\d+))$", self.ready_line)
        if not match:
            self.kill()
            raise AssertionError(f"no ready line but {self.ready_line!r}, "
                                 f"exit code {self.process.returncode}")
        self.url, self.port = match[1], int(match[2])
        if ready:
            wait_ready(self.url)

    def _read_line(self, seconds):
        """The first line of stdout, or what there is of it when the server ends or time runs out."""
        end, text, out = time.monotonic() + seconds, b"", self.process.stdout
        while select.select([out], [], [], max(0, end - time.monotonic()))[0]:
            piece = os.read(out.fileno(), 4096)
            text += piece
            if not piece or b"\n" in text:
                break
        return text.decode(errors="replace").split("\n")[0]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self._ended or kind:
            self.kill()
            return
        code = self.stop()
        assert code == 0, f"the server ended with exit code {code}"

    def stop(self):
        """Sends SIGTERM and waits; the exit code (negative: the signal that killed it)."""
        self._ended = True
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running {STOP_SECONDS} s after SIGTERM") from None

    def kill(self):
        """Sends SIGKILL and waits."""
        self._ended = True
        self.process.kill()
        return self.process.wait()

    def stderr(self):
        """What the server has written to stderr so far."""
        with open(self._stderr_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _remove(self):
        self.kill()
        self.process.stdout.close()
        shutil.rmtree(self._temp, ignore_errors=True)


def wait_ready(url):
    """Waits until the server has its index in step: until then it lists nothing."""
    end, where = time.monotonic() + READY_SECONDS, urllib.parse.urlsplit(url)
    while True:
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=READY_SECONDS)
        connection.request("GET", "/readyz", headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status == 200:
            return
        assert time.monotonic() < end, body
        time.sleep(0.01)


def curl(*args, input=None):
    """Runs curl and returns .status (0: no answer), .headers (lower-case names; repeated ones
    joined with ", "), .body and .exit (curl's own code). URLs go out as they are written."""
    with tempfile.NamedTemporaryFile(prefix="diskvtest.") as dump:
        command = ["curl", "-q", "-sS", "--noproxy", "*", "--globoff", "--path-as-is",
                   "-D", dump.name, *map(str, args)]
        done = subprocess.run(command, input=input or b"", stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        blocks = dump.read().decode("latin-1").split("\r\n\r\n")
    lines = blocks[-2].split("\r\n") if len(blocks) > 1 else []
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    head = {"-I", "--head"} & set(args)  # curl then prints the headers as the body
    return SimpleNamespace(status=int(lines[0].split()[1]) if lines else 0, headers=headers,
                           body=b"" if head else done.stdout, exit=done.returncode,
                           error=done.stderr.decode(errors="replace"))


def raw(port, data):
    """Sends bytes to 127.0.0.1 and returns all that comes back until the server closes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), RAW_SECONDS) as connection:
        try:
            connection.sendall(data)
        except ConnectionError:
            pass  # refused half way: the answer may be there all the same
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionError:
            pass
    return answer


def _explain(error):
    """The traceback, the local variables where the test failed, and what its servers said."""
    text = "".join(traceback.format_exception(error))
    frames = [level.frame for level in inspect.getinnerframes(error.__traceback__)]
    frames = [frame for frame in frames if frame.f_code.co_filename != __file__] or frames
    for name, value in frames[-1].f_locals.items():
        text += f"  {name} = {reprlib.repr(value)}\n"
    for server in _servers:
        text += f"server {server.pid}, exit code {server.process.poll()}, stderr:\n"
        text += server.stderr()
    return text


def _run(number, function):
    name = function.__name__.replace("_", " ")
    try:
        function()
        print(f"ok {number} - {name}", flush=True)
        return True
    except Skip as why:
        print(f"ok {number} - {name} # SKIP {why}", flush=True)
        return True
    except Exception as error:
        print(f"not ok {number} - {name}")
        for line in _explain(error).splitlines():
            print("#", line)
        sys.stdout.flush()
        return False
    finally:
        while _servers:
            _servers.pop()._remove()


def main():
    """Runs the tests named on the command line, or all, and exits with 1 if one failed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # so that servers end too
    names = [name.replace(" ", "_") for name in sys.argv[1:]]
    unknown = set(names) - {function.__name__ for function in _tests}
    if unknown:
        sys.exit(f"no such test: {', '.join(sorted(unknown))}")
    chosen = [function for function in _tests if not names or function.__name__ in names]
    print(f"1..{len(chosen)}", flush=True)
    passed = [_run(number, function) for number, function in enumerate(chosen, 1)]
    sys.exit(0 if all(passed) else 1)
