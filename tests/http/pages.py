"""Pages of keys while others write and erase: what existed throughout is there exactly once."""
import json
import os
import re
import tempfile
import threading
from urllib.parse import quote

from diskvtest import Server, curl, main, test
from rawhttp import Connection, request
from tracing import traced

KEPT = sorted([f"{folder}/k{number:03}" for folder in ("a", "m/n", "z") for number in range(150)]
              + [f"top{number:03}" for number in range(50)] + ["a", "m", "m/n/k000/below"], key=str.encode)
ROUNDS = 12


def put(c, key):
    c.send(request("PUT", f"/keys/{quote(key)}", body=b"x"))
    status = c.answer().status
    assert status in (201, 204), (key, status)


def comings_and_goings(number):
    """Keys before, between, below and behind those that stay."""
    return [name.format(number) for name in
            ("A{}", "a.{}", "a/k000{}", "a/k075/w{}/x", "a/{}", "m/n{}", "m/n/k{}", "new{}/x", "top{}x", "z/z{}")]


class Writers:
    """Clients that write and erase keys which come and go, for as long as the `with` lasts."""

    def __init__(self, s, count=3):
        self.server, self.stopped, self.failures = s, threading.Event(), []
        self.threads = [threading.Thread(target=self.run, args=[number]) for number in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures

    def run(self, number):
        keys = comings_and_goings(number)
        try:
            with Connection(self.server.port) as c:
                while not self.stopped.is_set():
                    for key in keys:
                        put(c, key)
                    for key in keys:
                        c.send(request("DELETE", f"/keys/{quote(key)}"))
                        assert c.answer().status == 204, key
        except Exception as error:
            self.failures.append(error)


def items_of(c, **query):
    """All keys and prefixes over all pages, in the order in which the pages come."""
    found = []
    while True:
        text = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
        c.send(request("GET", f"/keys?{text}"))
        answer = c.answer()
        assert answer.status == 200, answer
        page = json.loads(answer.body)
        items = sorted([entry["key"] for entry in page["keys"]] + page["prefixes"], key=str.encode)
        assert len(items) <= query["limit"]
        found += items
        if "next" not in page:
            return found
        assert len(items) > 0 and page["next"] >= items[-1], page["next"]
        query["from"] = page["next"]


def folded(keys, prefix, delimiter):
    """What a listing has of these keys."""
    result = []
    for key in keys:
        if key.startswith(prefix):
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            item = key if end < 0 else key[:end + len(delimiter)]
            if not result or result[-1] != item:
                result.append(item)
    return result


@test
def each_key_that_existed_throughout_is_there_exactly_once():
    with Server("--sync", "none") as s, Connection(s.port) as c:
        for key in KEPT:
            put(c, key)
        passing = [key for number in range(3) for key in comings_and_goings(number)]
        with Writers(s):
            for _ in range(ROUNDS):
                for prefix, delimiter, limit in (("", "", 7), ("", "", 100), ("", "/", 1), ("", "/", 10), ("a", "/", 3),
                                                 ("a/", "/", 20), ("m/", "/", 2), ("", "k0", 5), ("m/n/", "", 13)):
                    found = items_of(c, prefix=prefix, delimiter=delimiter, limit=limit)
                    asked = (prefix, delimiter, limit)
                    assert found == sorted(set(found), key=str.encode), asked
                    assert set(folded(KEPT, prefix, delimiter)) <= set(found), asked
                    assert set(found) <= set(folded(KEPT, prefix, delimiter) + folded(passing, prefix, delimiter)), asked
        assert items_of(c, limit=1000) == KEPT


@test
def a_page_that_begins_at_a_key_which_is_gone_goes_on_behind_it():
    with Server("--sync", "none") as s, Connection(s.port) as c:
        for key in KEPT:
            put(c, key)
        c.send(request("GET", "/keys?limit=100"))
        page = json.loads(c.answer().body)
        c.send(request("DELETE", f"/keys/{quote(page['next'])}"))
        assert c.answer().status == 204
        assert items_of(c, limit=100, **{"from": page["next"]}) == KEPT[100:]


def looked_at(s, trace, query):
    """How many files the server opens or looks at to answer."""
    before = os.path.getsize(trace)
    assert curl(f"{s.url}/keys?{query}").status == 200
    with open(trace, encoding="utf-8", errors="replace") as file:
        file.seek(before)
        return len(re.findall(r"\b(?:openat2?|newfstatat|statx|f(?:get|list)xattr)\(", file.read()))


@test
def a_page_of_folders_looks_at_no_file_in_them():
    with tempfile.TemporaryDirectory() as work:
        for folder, count in (("small", 10), ("large", 10_000)):
            os.makedirs(f"{work}/data/{folder}")
            for number in range(count):
                with open(f"{work}/data/{folder}/{number}", "wb"):
                    pass
        with Server(dir=f"{work}/data") as s:
            assert json.loads(curl(s.url + "/keys?delimiter=/").body)["prefixes"] == ["large/", "small/"]
            with traced(s) as trace:
                large = looked_at(s, trace, "delimiter=/&prefix=l")
                small = looked_at(s, trace, "delimiter=/&prefix=s")
                flat = looked_at(s, trace, "limit=100")
        assert large == small and large < 20, (large, small)
        assert flat >= 100, flat  # the trace is not blind


if __name__ == "__main__":
    main()
