"""What the tests of listings that follow the files share."""
import http.client
import json
import os
import socket
import subprocess
import time
import urllib.parse

from diskvtest import skip

KEY_MAX = 1000  # a file with a longer path is foreign
FOLLOW_SECONDS = 20  # the promise is one second; a busy machine is given more


def walk(root):
    """Every value's key and size, as layout `path` has them, from a walk of the directory."""
    found = {}
    for folder, folders, files in os.walk(root):
        if folder == root:
            folders.remove(".diskv")
        for name in files:
            path = os.path.join(folder, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            key = folder if name == "%value" else path
            key = os.path.relpath(key, root)
            if len(key) <= KEY_MAX:
                found[key] = os.stat(path).st_size
    return found


def fetch(url):
    """The JSON that a GET is answered with; quicker than curl where it is asked for again and again."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=FOLLOW_SECONDS)
    connection.request("GET", f"{where.path}?{where.query}", headers={"Connection": "close"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, (answer.status, body)
    return json.loads(body)


def listing(url):
    """Every listed item, by its key."""
    found, start = {}, ""
    while True:
        page = fetch(f"{url}/keys?limit=10000&from={start}")
        for item in page["keys"]:
            assert item["key"] not in found
            found[item["key"]] = item
        if "next" not in page:
            return found
        start = "".join(f"%{byte:02X}" for byte in page["next"].encode())


def stats(url):
    return fetch(f"{url}/stats")


def differing(these, those):
    """The keys of which two dictionaries have not the same, with what each has."""
    return {key: (these.get(key), those.get(key))
            for key in these.keys() | those.keys() if these.get(key) != those.get(key)}


def differences(s):
    """What the listing and the number of keys have other than the directory; empty where nothing."""
    there, listed = walk(s.dir), {key: item["size"] for key, item in listing(s.url).items()}
    wrong = differing(there, listed)
    count = stats(s.url)["keys"]
    if not wrong and count != len(there):
        wrong["(count)"] = (len(there), count)
    return wrong


def settles(find):
    """Waits until no difference is found; how long that took."""
    began = time.monotonic()
    while wrong := find():
        took = time.monotonic() - began
        assert took < FOLLOW_SECONDS, dict(list(wrong.items())[:10])
        time.sleep(0.02)
    return time.monotonic() - began


def follows(s):
    """Waits until the listing is as the directory; how long that took."""
    return settles(lambda: differences(s))


class Follower:
    """A client of /events, which reads no more than it is asked to."""

    def __init__(self, s, query="", last_id=None, receive_bytes=None):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(FOLLOW_SECONDS)
        self.socket.connect(("127.0.0.1", s.port))
        field = f"Last-Event-ID: {last_id}\r\n" if last_id is not None else ""
        self.socket.sendall(f"GET /events{query} HTTP/1.1\r\nHost: x\r\n{field}\r\n".encode())
        self._raw = b""  # received, not yet taken out of its chunks
        self._text = b""
        self.ended = False  # as it should
        self.last_id = None
        while b"\r\n\r\n" not in self._raw:
            self._receive()
        self.head, _, self._raw = self._raw.partition(b"\r\n\r\n")
        if last_id is None:
            self.block()  # it follows from here on

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def _receive(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("the server closed")
        self._raw += piece

    def _unchunk(self):
        while not self.ended:
            size, end, rest = self._raw.partition(b"\r\n")
            if not end or len(rest) < int(size, 16) + 2:
                return
            self._text += rest[:int(size, 16)]
            self._raw = rest[int(size, 16) + 2:]
            self.ended = int(size, 16) == 0

    def block(self):
        """The lines up to the next empty one, as a dictionary; None at the end."""
        self._unchunk()
        while b"\n\n" not in self._text:
            if self.ended:
                return None
            self._receive()
            self._unchunk()
        block, _, self._text = self._text.partition(b"\n\n")
        fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if line != ":")
        self.last_id = fields["id"]
        return fields

    def event(self):
        """The next event: its name and its data; None at the end."""
        while (fields := self.block()) is not None:
            if "event" in fields:
                return fields["event"], json.loads(fields["data"])
        return None

    def until(self, name, key):
        """The events up to one of this name and key, as pairs."""
        found = []
        while not found or found[-1] != (name, key):
            event, data = self.event()
            found.append((event, data.get("key")))
        return found


def sh(s, script):
    """Runs a script in the served directory."""
    done = subprocess.run(["sh", "-ec", script], cwd=s.dir, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def few_watches(count):
    """What to run a server under so that it may have so many watches: a user namespace of its own,
    whose limit is its own too, which is made sure of before anything is set."""
    limit = "/proc/sys/user/max_inotify_watches"
    with open(limit, encoding="ascii") as file:
        ours = file.read()
    namespace = ["unshare", "--user", "--map-root-user"]
    theirs = subprocess.run([*namespace, "cat", limit], capture_output=True, text=True, check=False)
    if theirs.returncode != 0 or theirs.stdout == ours:
        skip("needs a user namespace with a limit of its own")
    return [*namespace, "sh", "-ec", f'echo {count} > {limit}; exec "$@"', "sh"]
