"""GET /events: whoever follows is told of each change, whoever made it, and of what is not known."""
import contextlib
import json
import os
import resource
import selectors
import socket
import subprocess
import time

from diskvtest import Server, curl, main, test
from livetest import FOLLOW_SECONDS, Follower, few_watches, sh

FOLLOWERS = 1000
QUICK = ("--event-heartbeat-seconds", "1")


def put(s, key, value=b"x"):
    answer = curl("-X", "PUT", "--data-binary", "@-", f"{s.url}/keys/{key}", input=value)
    assert answer.status in (201, 204), answer
    return answer


def delete(s, key):
    assert curl("-X", "DELETE", f"{s.url}/keys/{key}").status == 204


@test
def a_put_and_a_delete_are_told_with_what_the_value_is():
    with Server() as s, Follower(s) as f:
        etag = put(s, "a%20b", b"hello").headers["etag"]
        event, data = f.event()
        assert event == "put"
        assert (data["key"], data["size"], f'"{data["etag"]}"') == ("a b", 5, etag)
        item = json.loads(curl(f"{s.url}/keys").body)["keys"][0]
        assert item["modified"] == data["modified"] <= data["time"]
        delete(s, "a%20b")
        event, data = f.event()
        assert (event, set(data), data["key"]) == ("delete", {"key", "time"}, "a b")


@test
def curl_shows_events_as_they_come():
    with Server() as s:
        command = ["curl", "-qsSN", "--noproxy", "*", f"{s.url}/events"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
            assert follower.stdout.readline() == ":\n"
            put(s, "a")
            while (line := follower.stdout.readline()) != "event: put\n":
                assert line
            assert json.loads(follower.stdout.readline().removeprefix("data: "))["key"] == "a"
            follower.terminate()


@test
def each_way_to_write_over_http_is_told_once_though_the_directory_is_watched():
    with Server() as s, Follower(s) as f:
        put(s, "a", b"1")
        put(s, "a", b"2")
        put(s, "d/e/f", b"3")
        assert curl("-X", "PUT", "-H", "X-Move-From: /keys/a", f"{s.url}/keys/b").status == 201
        patch = ["-X", "PATCH", "-H", "Content-Type: application/merge-patch+json", "-d", '{"x-meta-a":"1"}']
        assert curl(*patch, f"{s.url}/keys/b?meta").status == 204
        delete(s, "d/e/f")
        sh(s, "echo 1 > y")  # looks come in the order of names
        told = f.until("put", "y")
        sh(s, "echo 1 > z")
        told += f.until("put", "z")
        assert told == [("put", "a"), ("put", "a"), ("put", "d/e/f"), ("delete", "a"), ("put", "b"), ("put", "b"),
                        ("delete", "d/e/f"), ("put", "y"), ("put", "z")]


@test
def what_programs_do_is_told():
    steps = [
        ("echo hello > a", {("put", "a")}),
        ("cp a b", {("put", "b")}),
        ("echo more >> a", {("put", "a")}),
        ("sed -i s/more/less/ a", {("put", "a")}),
        ("truncate -s 2 a", {("put", "a")}),
        ("mv a c", {("delete", "a"), ("put", "c")}),
        ("mkdir -p d/e && cp b d/e", {("put", "d/e/b")}),
        ("cp -r d f", {("put", "f/e/b")}),
        ("mv f g", {("delete", "f/e/b"), ("put", "g/e/b")}),
        ("rm -r g", {("delete", "g/e/b")}),
        ("rm b", {("delete", "b")}),
    ]
    with Server() as s, Follower(s) as f:
        for script, expected in steps:
            sh(s, script)
            told = set()
            while not expected <= told:
                event, data = f.event()
                told.add((event, data["key"]))
        assert curl(f"{s.url}/keys/c").headers["etag"]


@test
def the_last_that_is_told_of_a_value_is_what_it_is():
    with Server() as s, Follower(s) as f:
        sh(s, "for i in 1 2 3 4 5 6 7 8 9; do echo $i >> a; done; echo > z")
        last = {}
        while "z" not in last or last["a"]["size"] != 18:
            _, data = f.event()
            last[data["key"]] = data
        assert curl(f"{s.url}/keys/a").headers["etag"] == f'"{last["a"]["etag"]}"'


@test
def only_keys_that_begin_with_the_prefix_are_told_of():
    with Server() as s, Follower(s, "?prefix=a/%C3%A4") as f:
        for key in ("b", "a/x", "a/%C3%A4", "a/%C3%A4/2"):
            put(s, key)
        assert f.until("put", "a/ä/2") == [("put", "a/ä"), ("put", "a/ä/2")]
        assert curl(f"{s.url}/events?prefix={'x' * 1001}").status == 400


@test
def who_comes_back_is_told_what_it_missed():
    with Server() as s:
        with Follower(s) as f:
            put(s, "a")
            f.event()
        put(s, "b")
        put(s, "c")
        with Follower(s, last_id=f.last_id) as again:
            assert again.until("put", "c") == [("put", "b"), ("put", "c")]
        found = curl("-N", "--max-time", "1", f"{s.url}/events?last_event_id={f.last_id}").body
        assert found.count(b"event: put") == 2 and b"reset" not in found


@test
def who_missed_what_nobody_knows_any_more_is_told_so():
    with Server() as s:
        with Follower(s) as f:
            put(s, "a")
            f.event()
        for last_id in ("0", "1", "x", "-1", "9" * 30, str(int(f.last_id) + 100)):
            with Follower(s, last_id=last_id) as again:
                assert again.event() == ("reset", {}), last_id
                put(s, "b")
                assert again.event()[1]["key"] == "b"
        assert s.stop() == 0
        with Server(dir=s.dir) as restarted, Follower(restarted, last_id=f.last_id) as again:
            assert again.event() == ("reset", {})


@test
def a_rescan_says_what_came_and_went_and_that_more_may_have_changed():
    with Server("--no-watch") as s:
        put(s, "stays")
        with Follower(s) as f:
            sh(s, "echo 1 > new && echo edited > stays")
            assert curl("-X", "POST", f"{s.url}/rescan").status == 204
            while f.event() != ("reset", {}):
                pass
            put(s, "stays")
            assert f.event()[1]["key"] == "stays"


@test
def who_follows_where_not_all_is_watched_is_told_so():
    with Server(under=few_watches(2)) as s:
        sh(s, "mkdir -p a/b c/d e/f && echo 1 > a/b/x && echo 1 > e/f/x")
        with Follower(s) as f:
            while f.event() != ("reset", {}):
                pass


@test
def a_heartbeat_comes_where_nothing_else_does():
    with Server(*QUICK) as s, Follower(s, "?prefix=none") as f:
        began, first = time.monotonic(), f.last_id
        assert "event" not in f.block() and f.last_id == first
        assert time.monotonic() - began < FOLLOW_SECONDS
        put(s, "a")
        while f.last_id == first:  # it moves on, though nothing is told
            assert "event" not in f.block()


@test
def who_follows_is_not_held_to_the_time_of_a_request():
    with Server("--request-seconds", "1", "--idle-seconds", "1") as s, Follower(s) as f:
        time.sleep(3.5)  # scans are a second apart
        put(s, "a")
        assert f.event()[1]["key"] == "a"


@test
def the_answer_is_for_event_sources_of_other_origins_and_for_proxies():
    with Server("--cors-origin", "https://app.example") as s:
        answer = curl("-I", "-H", "Origin: https://app.example", f"{s.url}/events")
        assert answer.status == 200 and answer.exit == 0
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        for method in ("PUT", "POST", "DELETE"):
            answer = curl("-X", method, f"{s.url}/events")
            assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD, OPTIONS"


@test
def http_1_0_is_followed_without_chunks():
    with Server() as s, socket.create_connection(("127.0.0.1", s.port), FOLLOW_SECONDS) as client:
        client.sendall(b"GET /events HTTP/1.0\r\n\r\n")
        text = b""
        while b"\r\n\r\n:\n" not in text:
            text += client.recv(4096)
        put(s, "a")
        while b'event: put\ndata: {"key":"a"' not in text:
            text += client.recv(4096)


@test
def who_left_makes_room_for_others_at_the_next_heartbeat():
    with Server(*QUICK, "--max-connections", "3", ready=False) as s:
        for follower in [Follower(s) for _ in range(3)]:
            follower.close()
        end = time.monotonic() + FOLLOW_SECONDS
        while curl(f"{s.url}/healthz").status != 200:
            assert time.monotonic() < end
            time.sleep(0.1)


@test
def who_does_not_read_is_cut_off_and_keeps_nobody_waiting():
    with Server("--request-seconds", "1", "--min-rate", "1000000000", "--sync", "none") as s:
        with Follower(s, receive_bytes=4096) as slow, Follower(s) as quick:
            with socket.create_connection(("127.0.0.1", s.port), FOLLOW_SECONDS) as client:
                for i in range(600):
                    key = ("k" * 240 + "/") * 4 + str(i)
                    client.sendall(f"PUT /keys/{key} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
                    answer = b""
                    while b"\r\n\r\n" not in answer:
                        answer += client.recv(4096)
                    assert answer.startswith(b"HTTP/1.1 201"), answer
                    assert quick.event()[1]["key"] == key
            time.sleep(4)
            try:
                while slow.event() is not None:
                    pass
                assert False, "it was told all, and the end"
            except ConnectionError:
                pass
            put(s, "a")
            assert quick.event()[1]["key"] == "a"


@test
def sigterm_ends_what_is_followed_at_once():
    with Server("--drain-seconds", "50") as s, Follower(s) as f:
        began = time.monotonic()
        assert s.stop() == 0
        assert time.monotonic() - began < 20
        assert f.event() is None and f.ended


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def descriptors_raise():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard > soft else soft, hard))


@test
def a_thousand_are_told_each_change_and_take_little_memory():
    descriptors_raise()
    with Server("--max-connections", FOLLOWERS + 10, "--sync", "none") as s, contextlib.ExitStack() as stack:
        assert curl(f"{s.url}/healthz").status == 200
        before = resident_bytes(s.pid)
        followers = [stack.enter_context(Follower(s)) for _ in range(FOLLOWERS)]
        each = (resident_bytes(s.pid) - before) / FOLLOWERS
        began = time.monotonic()
        for i in range(10):
            put(s, f"k{i}")
        sh(s, "echo 1 > z")
        expected = [("put", f"k{i}") for i in range(10)] + [("put", "z")]
        for follower in followers:
            assert follower.until("put", "z") == expected
        took = time.monotonic() - began
        print(f"# {each / 1024:.1f} KiB for each of {FOLLOWERS}; "
              f"{FOLLOWERS * len(expected) / took:.0f} events a second")
        assert each < 64 * 1024
        assert s.stop() == 0


if __name__ == "__main__":
    main()
