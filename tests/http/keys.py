"""A key is what the URL says: every character comes back as it went up, through curl, listings, Location and
nginx, however the URL spells it."""
import json
import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from types import SimpleNamespace
from urllib.parse import quote, unquote

from diskvtest import Server, curl, main, raw, test
from rawhttp import Connection, request

HERE = os.path.dirname(os.path.abspath(__file__))
NGINX_CONF = os.path.join(HERE, "../../docker/nginx.conf")

ASCII = [chr(c) for c in range(1, 0x80)]
LATIN = [chr(c) for c in range(0x80, 0x100)]
# The ends of each length in UTF-8, byte order marks, separators, directions, noncharacters, private use.
OTHERS = list("\u0100\u07ff\u0800\u200b\u200d\u200e\u200f\u2028\u2029\u202e\u2066\ud7ff\ue000\ufdd0\ufeff\ufffd"
              "\ufffe\uffff\U00010000\U0001f600\U0001fffe\U000e0001\U0010fffe\U0010ffff")
WORDS = ["e\u0301", "\u00e9", "\u212b", "\u00c5", "שלום", "مرحبا", "日本語/ファイル", "👩‍👩‍👧", "🇪🇺"]
SLASHES = ["/", "//", "/a", "a/", "a//b", "a/b", "a///", "a/b//c/"]
DOTS = [".", "..", "...", "./a", "../a", "a/.", "a/..", "a/./b", "a/../b", "a/.../b", ".a", "a."]
ESCAPES = ["%", "%%", "%2", "%2F", "%2f", "%252F", "%00", "%zz", "a%20b", "+", "a+b", "a b", " ", " a ", "?meta", "a?b=c",
           "a#b", "a&b=c", "a;b", "\\", "a\\b", ".diskv", ".diskv/index", "%value", "a/%value", "%_", "%+", "keys/"]
KEYS = sorted({*ASCII, *(f"x{c}y" for c in ASCII + LATIN + OTHERS), *(c + c for c in ASCII), *WORDS, *SLASHES, *DOTS,
               *ESCAPES}, key=str.encode)
UNESCAPED = "!$&'()*+,;=:@/[]\\^`{}|~-._"  # what curl, browsers and other clients send as it is


def plain(key):
    """The spelling with the fewest escapes."""
    return quote(key, safe=UNESCAPED)


def escaped(key):
    """Each byte escaped, the slashes too."""
    return "".join(f"%{byte:02X}" for byte in key.encode())


def lower(key):
    return escaped(key).lower()


def in_quotes(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def curl_each(s, socket, method, keys, spelling):
    """One request for each key with one curl; answers in order with .status, .body and .location."""
    end = "<end of an answer>"
    requests = []
    for number, key in enumerate(keys):
        url = in_quotes(f"{s.url}/keys/{spelling(key)}{'?meta' if method == 'META' else ''}")
        lines = [f"url = {url}", f'request = "{"GET" if method == "META" else method}"', "path-as-is", "globoff",
                 f'write-out = "\\n%{{http_code}}\\n%header{{location}}\\n{end}"']
        lines += [f'unix-socket = "{socket}"'] if socket else []
        lines += [f'data-raw = "{number}"'] if method == "PUT" else []
        requests.append("\n".join(lines))
    done = subprocess.run(["curl", "-q", "-sS", "--noproxy", "*", "-K", "-"], input="\nnext\n".join(requests).encode(),
                          stdout=subprocess.PIPE, check=True)
    answers = done.stdout.decode("utf-8").split(end)[:-1]
    assert len(answers) == len(keys)
    for answer in answers:
        body, status, location, _ = answer.rsplit("\n", 3)
        yield SimpleNamespace(status=int(status), body=body, location=location)


def listed(s):
    """All keys as the listing has them."""
    return [entry["key"] for entry in json.loads(curl(f"{s.url}/keys?limit=10000").body)["keys"]]


def round_trip(s, up, down, away, socket=None):
    """Each key goes up in one spelling, and is read, described, listed and erased in others."""

    def each(method, spelling):
        return zip(KEYS, curl_each(s, socket, method, KEYS, spelling))

    for key, answer in each("PUT", up):
        assert answer.status == 201, (key, answer)
        assert answer.location.startswith("/keys/") and unquote(answer.location[6:]) == key, (key, answer)
        assert answer.location.isascii() and answer.location.isprintable() and " " not in answer.location, answer
    for number, (key, answer) in enumerate(each("GET", down)):
        assert (answer.status, answer.body) == (200, str(number)), (key, answer)
    for key, answer in each("META", up):
        assert (answer.status, json.loads(answer.body)["key"]) == (200, key), answer
    assert listed(s) == KEYS
    for key, answer in each("DELETE", away):
        assert answer.status == 204, (key, answer)
    assert listed(s) == []


@test
def every_character_of_a_key_comes_back_through_curl_in_every_spelling():
    with Server("--sync", "none") as s:
        round_trip(s, plain, escaped, lower)
        round_trip(s, escaped, lower, plain)
        assert set(os.listdir(s.dir)) <= {".diskv"}


@test
def the_same_keys_come_back_in_every_layout():
    for layout in ("flat", "split:2"):
        with Server("--sync", "none", "--layout", layout) as s:
            round_trip(s, plain, escaped, lower)


@test
def the_location_of_a_new_key_is_a_url_of_it():
    with Server("--sync", "none") as s, Connection(s.port) as c:
        for key in KEYS:
            c.send(request("PUT", f"/keys/{escaped(key)}", body=key.encode()))
            location = c.answer().headers["location"]
            c.send(request("GET", location))
            assert c.answer().body == key.encode(), (key, location)


@test
def a_page_begins_behind_any_key():
    with Server("--sync", "none") as s, Connection(s.port) as c:
        for key in KEYS:
            c.send(request("PUT", f"/keys/{escaped(key)}", body=b""))
            assert c.answer().status == 201
        for number, key in enumerate(KEYS):
            c.send(request("GET", f"/keys?limit=1&from={escaped(key)}"))
            page = json.loads(c.answer().body)
            assert [entry["key"] for entry in page["keys"]] == KEYS[number + 1:number + 2], key
            c.send(request("GET", f"/keys?limit=1&prefix={escaped(key)}"))
            page = json.loads(c.answer().body)
            assert [entry["key"] for entry in page["keys"]] == [key], key


@test
def a_byte_that_no_url_may_hold_is_400():
    with Server() as s:
        for byte in (*range(1, 33), *b'"<>#', *range(127, 256)):
            if byte in b"\n\r":
                continue  # they end the line
            answer = raw(s.port, b"PUT /keys/a%cb HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx" % byte)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400 "), (byte, answer)
        assert json.loads(curl(s.url + "/keys").body)["keys"] == []


@contextmanager
def nginx(s):
    """nginx with the settings that come with diskv, on a socket of its own; yields its path."""
    with tempfile.TemporaryDirectory() as work:
        with open(NGINX_CONF, encoding="utf-8") as file:
            conf = file.read()
        for old, new in (("server diskv:8080", f"server 127.0.0.1:{s.port}"), ("listen 8000", f"listen unix:{work}/socket"),
                         (" /tmp/", f" {work}/")):
            assert old in conf, old
            conf = conf.replace(old, new)
        with open(f"{work}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(conf)
        os.chmod(work, 0o755)  # its workers may be another user's
        env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
        proxy = subprocess.Popen(["nginx", "-p", work, "-e", f"{work}/error", "-c", f"{work}/nginx.conf",
                                  "-g", "daemon off;"], env=env, stderr=subprocess.PIPE)
        try:
            end = time.monotonic() + 30
            while not os.path.exists(f"{work}/socket"):
                assert proxy.poll() is None and time.monotonic() < end, proxy.stderr.read()
                time.sleep(0.05)
            yield f"{work}/socket"
        finally:
            proxy.terminate()
            proxy.communicate()


@test
def every_character_of_a_key_comes_back_through_nginx():
    with Server("--sync", "none") as s, nginx(s) as socket:
        round_trip(s, plain, escaped, lower, socket)
        round_trip(s, escaped, lower, plain, socket)


if __name__ == "__main__":
    main()
