"""DELETE /keys?prefix=P erases every key that begins with P."""
import json
import os
import signal
import socket
import subprocess
import time
from urllib.parse import quote

from diskvtest import Server, curl, main, skip, test


def fill(directory, *keys):
    """Makes the files of keys before a server sees the directory."""
    for key in keys:
        os.makedirs(os.path.dirname(f"{directory}/{key}"), exist_ok=True)
        with open(f"{directory}/{key}", "w", encoding="utf-8") as file:
            file.write(key)


def filled(*keys):
    """A server that has the keys."""
    with Server() as empty:
        empty.stop()
        fill(empty.dir, *keys)
        return Server(dir=empty.dir)


def erase(s, prefix):
    return curl("-X", "DELETE", f"{s.url}/keys?prefix={quote(prefix, safe='')}")


def immutable(path, flag):
    """Sets or clears the attribute, which binds root too; False where that cannot be."""
    try:
        return subprocess.run(["chattr", flag, path], stderr=subprocess.DEVNULL,
                              check=False).returncode == 0
    except FileNotFoundError:
        return False


def names(s, query=""):
    return [json.loads(line)["key"]
            for line in curl(f"{s.url}/keys?format=ndjson&{query}").body.splitlines()]


@test
def what_begins_so_is_erased_and_counted_and_the_rest_stays():
    with Server() as s:
        for key in ("a", "a/b", "a/b/c", "a0", "b/a", "é/1", "é/2"):
            assert curl("-T", "-", f"{s.url}/keys/{quote(key)}", input=b"x").status == 201
        answer = erase(s, "a/")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert json.loads(answer.body) == {"deleted": 2}
        assert names(s) == ["a", "a0", "b/a", "é/1", "é/2"]
        assert json.loads(erase(s, "é").body) == {"deleted": 2}
        assert json.loads(erase(s, "a").body) == {"deleted": 2}
        assert names(s) == ["b/a"]
        assert not os.path.exists(f"{s.dir}/a") and not os.path.exists(f"{s.dir}/é")


@test
def nothing_to_erase_is_no_error():
    with filled("a") as s:
        answer = erase(s, "b")
        assert (answer.status, json.loads(answer.body)) == (200, {"deleted": 0})


@test
def more_keys_than_a_page_holds_go_in_one_request():
    with filled(*(f"k/{number:04}" for number in range(1100)), "l") as s:
        assert json.loads(erase(s, "k/").body) == {"deleted": 1100}
        assert names(s) == ["l"]


@test
def the_prefix_must_be_given():
    with filled("a") as s:
        for query in ("", "?", "?prefix", "?prefix=", "?prefix=%ff", "?prefix=%00", "?prefix=%",
                      "?prefix=" + "x" * 1001, "?limit=5", "?Prefix=a"):
            answer = curl("-X", "DELETE", f"{s.url}/keys{query}")
            assert answer.status == 400, query
            assert "prefix" in json.loads(answer.body)["detail"]
        assert names(s) == ["a"]


@test
def an_error_ends_it_and_says_how_many_were_erased():
    with filled("k/a/1", "k/a/2", "k/b/1") as s:
        locked = f"{s.dir}/k/b"
        if not immutable(locked, "+i"):
            skip("nothing here can be made immutable")
        try:
            answer = erase(s, "k/")
        finally:
            immutable(locked, "-i")
        problem = json.loads(answer.body)
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status, problem["status"], problem["deleted"]) == (403, 403, 2)
        assert names(s) == ["k/b/1"]


@test
def keys_that_others_erase_meanwhile_do_not_count():
    with filled(*(f"k/{number:04}" for number in range(1100))) as s:
        racers = [subprocess.Popen(["curl", "-q", "-sS", "--noproxy", "*", "-X", "DELETE",
                                    f"{s.url}/keys?prefix=k/"], stdout=subprocess.PIPE)
                  for _ in range(4)]
        answers = [json.loads(racer.communicate()[0]) for racer in racers]
        assert sum(answer["deleted"] for answer in answers) == 1100, answers
        assert names(s) == []


@test
def it_stops_when_the_client_has_left():
    count = 3500
    with filled(*(f"k/{number // 1000:02}/{number:05}" for number in range(count))) as s:
        client = subprocess.Popen(["curl", "-q", "-sS", "--noproxy", "*", "-X", "DELETE",
                                   f"{s.url}/keys?prefix=k/"], stdout=subprocess.DEVNULL)
        while os.path.exists(f"{s.dir}/k/00/00000"):
            assert client.poll() is None
        client.send_signal(signal.SIGKILL)
        client.wait()
        while json.loads(curl(s.url + "/stats").body)["requests"] > 1:
            time.sleep(0.01)
        left = names(s)
        assert 0 < len(left) < count, len(left)
        assert json.loads(erase(s, "k/").body) == {"deleted": len(left)}


@test
def a_request_behind_it_on_the_connection_does_not_look_like_an_end():
    with filled(*(f"k/{number:04}" for number in range(1100))) as s:
        with socket.create_connection(("127.0.0.1", s.port), 30) as client:
            client.sendall(b"DELETE /keys?prefix=k/ HTTP/1.1\r\nHost: h\r\n\r\n"
                           b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := client.recv(65536):
                answer += piece
        assert b'{"deleted":1100}' in answer and answer.endswith(b"ok\n")


if __name__ == "__main__":
    main()
