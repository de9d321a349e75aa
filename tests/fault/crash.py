"""kill -9 in the middle of mixed uploads: what was acknowledged is there, and nothing half-done is."""
import http.client
import json
import os
import random
import threading
import time
from urllib.parse import quote

from diskvtest import Server, curl, main, test

ROUNDS = 200 if os.environ.get("DISKV_LONG") else 20
THREADS = 8
SIZES = [0, 100, 5_000, 300_000, 2_000_000]


class Writer(threading.Thread):
    """Changes keys that no other writer touches until the server goes away. `allowed` says, for each key, what may
    be there: the acknowledged value (None: no value), and the one that was under way."""

    def __init__(self, server, number, allowed, seed):
        super().__init__()
        self.server, self.allowed, self.random = server, allowed, random.Random(seed)
        names = [f"k{number}", f"shared/{number}", f"shared/{number}/below", f"shared/deep/er/{number}", f"w{number}/x"]
        self.keys = names + [f"w{number}/{i}/y" for i in range(4)]

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            while True:
                self.change(connection, self.random.choice(self.keys))
        except (OSError, http.client.HTTPException):
            pass  # killed

    def change(self, connection, key):
        value = None
        if self.random.random() < 0.75:
            value = self.random.randbytes(self.random.choice(SIZES))
        before = self.allowed.get(key, [None])
        self.allowed[key] = before + [value]
        chunked = value is not None and self.random.random() < 0.5
        body = iter([value]) if chunked else value
        connection.request("DELETE" if value is None else "PUT", f"/keys/{quote(key)}", body, encode_chunked=chunked,
                           headers={"Transfer-Encoding": "chunked"} if chunked else {})
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (201, 204) or (value is None and answer.status == 404), (key, answer.status)
        self.allowed[key] = [value]


def listed(server):
    keys, after = [], ""
    while after is not None:
        page = json.loads(curl(f"{server.url}/keys?limit=7&from={quote(after, safe='')}").body)
        keys += [entry["key"] for entry in page["keys"]]
        after = page.get("next")
    return keys


def on_disk(directory):
    """The keys of the files, found without the server."""
    keys = []
    for folder, folders, names in os.walk(directory):
        if folder == directory:
            folders.remove(".diskv")
        keys += [os.path.relpath(os.path.join(folder, name), directory).removesuffix("/%value") for name in names]
    return sorted(keys)


def check(server, allowed):
    """Holds the restarted server against what may be there, which is then known."""
    assert os.listdir(f"{server.dir}/.diskv/tmp") == []
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    there = []
    for key in sorted(allowed):
        connection.request("GET", f"/keys/{quote(key)}")
        answer = connection.getresponse()
        body = answer.read()
        value = body if answer.status == 200 else None
        assert answer.status in (200, 404)
        assert value in allowed[key], (key, answer.status, len(body), [v and len(v) for v in allowed[key]])
        allowed[key] = [value]
        if value is not None:
            there.append(key)
    assert listed(server) == there
    assert on_disk(server.dir) == there


@test
def after_kill_9_every_acknowledged_change_stands_and_no_other_is_half_done():
    seed = int(os.environ.get("DISKV_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"# DISKV_TEST_SEED={seed}")
    chance = random.Random(seed)
    allowed, directory, changes = {}, None, 0
    first = Server()
    directory = first.dir
    server = first
    for round_number in range(ROUNDS):
        writers = [Writer(server, number, allowed, chance.random()) for number in range(THREADS)]
        for writer in writers:
            writer.start()
        time.sleep(chance.uniform(0.05, 0.6))
        server.kill()
        for writer in writers:
            writer.join()
        changes += sum(len(values) > 1 for values in allowed.values())
        server = Server(dir=directory)
        check(server, allowed)
    assert changes > 0  # some were under way when the server was killed
    assert server.stop() == 0


if __name__ == "__main__":
    main()
