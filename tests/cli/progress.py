"""How far a command is: seen on a terminal, and nowhere else."""
import http.server
import os
import pty
import subprocess
import threading
import time

from clitest import diskv, temp_dir
from diskvtest import DISKV, main, test

STEPS, STEP = 5, 100_000


class Slow(http.server.BaseHTTPRequestHandler):
    """Sends a value in small steps, each longer than it takes until the line is drawn anew."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(STEPS * STEP))
        self.end_headers()
        for _ in range(STEPS):
            self.wfile.write(b"x" * STEP)
            self.wfile.flush()
            time.sleep(0.11)

    def log_message(self, *_):
        pass


def on_terminal(*args, **options):
    """Runs the program with its standard error a terminal: the exit code, and what that showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([DISKV, *args], stderr=theirs, env={**os.environ, "TERM": "xterm"}, **options)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return process.wait(30), seen.decode()


class slow_server:
    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@test
def a_terminal_shows_a_bar_that_is_gone_in_the_end():
    with slow_server() as url, temp_dir() as d:
        code, seen = on_terminal("get", url, "k", f"{d}/f")
        assert code == 0 and os.path.getsize(f"{d}/f") == STEPS * STEP
        assert "#" in seen and "%" in seen and "kB/s" in seen and "left" in seen, seen
        assert seen.endswith("\r\x1b[K"), seen


@test
def a_failure_has_a_line_of_its_own():
    with temp_dir() as d:
        code, seen = on_terminal("rm", d, "bad\x1b[2Jkey")
        assert code == 1 and "bad?[2Jkey: no such key\r\n" in seen, seen


@test
def what_is_no_terminal_shows_nothing():
    with slow_server() as url, temp_dir() as d:
        done = diskv("get", url, "k", f"{d}/f")
        assert (done.code, done.out, done.err) == (0, b"", "")


if __name__ == "__main__":
    main()
