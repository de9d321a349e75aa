"""The servers, each started on a free port of 127.0.0.1 over a directory, with its own tuning."""
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import bareprograms
import goprograms
import s3

START_SECONDS = 120
DESCRIPTORS = min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])  # that a server may ask for


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
                start_new_session=True,  # lighttpd, when it ends, ends its whole process group
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
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.process.wait()
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
    """With tcp_nopush ranges would wait 40 ms for the client's acknowledgement. Of `many` files it keeps
    none open: hardly one is asked for again in time, and they would be more than the descriptors."""
    name, package = "nginx", "nginx-light"

    def command(self):
        dav = "dav_methods PUT DELETE; create_full_put_path on;" if self.options.get("put") else ""
        keep = "max=5000 inactive=60s; open_file_cache_valid 60s" if not self.options.get("many") else "off"
        return ["nginx", "-e", "stderr", "-p", self.work, "-c", self.file("nginx.conf", f"""
daemon off; pid nginx.pid; worker_processes auto; worker_rlimit_nofile {DESCRIPTORS};
user {'root' if os.geteuid() == 0 else 'nobody'};
events {{ worker_connections 16384; }}
http {{
    access_log off; error_log stderr crit; default_type application/octet-stream;
    sendfile on; tcp_nodelay on; keepalive_requests 1000000000;
    open_file_cache {keep};
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


class Lighttpd(Peer):
    name = package = "lighttpd"

    def command(self):
        return ["lighttpd", "-D", "-f", self.file("lighttpd.conf", f"""
server.document-root = "{self.data}"
server.bind = "127.0.0.1"
server.port = {self.port}
server.max-worker = {os.cpu_count()}
server.max-fds = {DESCRIPTORS}
server.max-connections = {min(16384, DESCRIPTORS // 2)}
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 60
server.event-handler = "linux-sysepoll"
server.network-backend = "sendfile"
server.stat-cache-engine = "inotify"
mimetype.assign = ( "" => "application/octet-stream" )
""")]


class Caddy(Peer):
    name = package = "caddy"

    def command(self):
        return ["caddy", "run", "--adapter", "caddyfile", "--config", self.file("Caddyfile", f"""
{{
    admin off
    auto_https off
}}
http://127.0.0.1:{self.port} {{
    root * {self.data}
    file_server
}}
""")]

    def environment(self):
        return {"XDG_DATA_HOME": self.work, "XDG_CONFIG_HOME": self.work}


class Rclone(Peer):
    name = package = "rclone"

    def command(self):
        return ["rclone", "serve", "http", "--config", "/dev/null", "--addr", f"127.0.0.1:{self.port}",
                "--read-only", "--no-checksum", "--dir-cache-time", "1h", self.data]


class Bare(Peer):
    """What the kernel allows: no server that anybody could use."""
    name = "bare loop"

    def command(self):
        return [bareprograms.path("serve"), str(self.port), self.data, self.work]


class Versitygw(Peer):
    """Over a directory whose folders are the buckets."""
    name = "versitygw"

    def command(self):
        return [goprograms.path("versitygw"), "--access", s3.ACCESS, "--secret", s3.SECRET, "--quiet",
                "--port", f"127.0.0.1:{self.port}", "posix", self.data]


class Minio(Peer):
    name = "MinIO"
    ready = "/minio/health/cluster"

    def command(self):
        return [goprograms.path("minio"), "server", "--quiet", "--address", f"127.0.0.1:{self.port}",
                "--console-address", f"127.0.0.1:{free_port()}", self.data]

    def environment(self):
        return {"MINIO_ROOT_USER": s3.ACCESS, "MINIO_ROOT_PASSWORD": s3.SECRET, "MINIO_UPDATE": "off",
                "HOME": self.work}
