"""The servers, each started on a free port of 127.0.0.1 over a directory, with its own tuning."""
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import goprograms
from measure import tree

START_SECONDS = 120


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Peer:
    """A server that runs. `data` is the directory it serves, `work` one for files of its own, on the
    same file system. A subclass says its command(); `prefix` stands before a file's path in URLs."""
    name = package = None
    prefix = "/"
    ready = "/"

    def __init__(self, data, work, **options):
        self.data, self.options = data, options
        self.work = os.path.join(work, f"{self.name.replace(' ', '-')}.{os.getpid()}.{free_port()}")
        os.makedirs(self.work)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        with open(os.path.join(self.work, "log"), "wb") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "GOMAXPROCS": str(os.cpu_count()), **self.environment()})
        self.pid = self.process.pid
        self._wait()

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def file(self, name, text):
        """Writes a file of settings and returns its path."""
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _wait(self):
        """Until it answers, whatever it answers."""
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(self.url + self.ready, timeout=START_SECONDS).close()
                return
            except urllib.error.HTTPError as answer:
                if answer.code != 503:
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop(keep=True)
                raise RuntimeError(f"{self.name} does not run; see {self.work}/log")
            time.sleep(0.01)

    def stop(self, keep=False):
        """Ends it and its children, and removes its own files."""
        if self.process.poll() is None:
            children = tree(self.pid)[1:]
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                for child in children:
                    if os.path.exists(f"/proc/{child}"):
                        os.kill(child, signal.SIGKILL)
        if not keep:
            shutil.rmtree(self.work, ignore_errors=True)


class Diskv(Peer):
    """Default options; `flags` are those that the line is about."""
    name = "diskv"
    prefix = "/keys/"
    ready = "/readyz"

    def command(self):
        return [os.environ["DISKV"], "serve", "--listen", f"127.0.0.1:{self.port}",
                *self.options.get("flags", ()), self.data]


class Nginx(Peer):
    name, package = "nginx", "nginx-light"

    def command(self):
        dav = "dav_methods PUT DELETE; create_full_put_path on;" if self.options.get("put") else ""
        return ["nginx", "-e", "stderr", "-p", self.work, "-c", self.file("nginx.conf", f"""
daemon off; pid nginx.pid; worker_processes auto; worker_rlimit_nofile 65536;
user {'root' if os.geteuid() == 0 else 'nobody'};
events {{ worker_connections 16384; }}
http {{
    access_log off; error_log stderr crit; default_type application/octet-stream;
    sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000;
    open_file_cache max=100000 inactive=60s; open_file_cache_valid 60s;
    client_max_body_size 0; client_body_temp_path temp; client_body_buffer_size 16k;
    proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
    server {{ listen 127.0.0.1:{self.port} backlog=4096;
        location / {{ root {self.data}; {dav} }} }}
}}""")]


class GoDiskv(Peer):
    name = "Go diskv"

    def command(self):
        sync = ["-sync"] if self.options.get("sync") else []
        return [goprograms.path("godiskv"), "-listen", f"127.0.0.1:{self.port}", *sync,
                "-temp", self.work, self.data]
