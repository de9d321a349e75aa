"""Whoever asks the same time and again gets what is true now, whatever was kept ready for such requests."""
import email.utils
import os
import signal
import threading
import time

from client import OFTEN, Client
from diskvtest import Server, curl, main, test

GET = b"GET /keys/a HTTP/1.1\r\nHost: h\r\n\r\n"


def put(s, body, key="a"):
    assert curl("-T", "-", f"{s.url}/keys/{key}", input=body).status in (201, 204)


def settled(s, body, key="a"):
    """Puts a value long enough ago for the cache."""
    put(s, body, key)
    time.sleep(0.2)


def value_of(version):
    return b"%d" % version * 500


@test
def the_same_request_has_the_same_answer():
    with Server() as s:
        settled(s, b"value")
        client = Client(s)
        status, fields, body = client.ask_often(GET)
        assert (status, body, fields["content-length"]) == (200, b"value", "5")
        head = client.ask_often(GET.replace(b"GET", b"HEAD"), head=True)
        assert head == (200, fields, b"")
        tag = fields["etag"].encode()
        condition = GET[:-2] + b"If-None-Match: " + tag + b"\r\n\r\n"
        status, fields, body = client.ask_often(condition)
        assert (status, fields["etag"]) == (304, tag.decode())
        assert client.ask_often(GET.replace(b"/a", b"/b"))[0] == 404
        assert client.ask_often(GET)[2] == b"value"


@test
def an_empty_value_and_one_in_gzip_are_answered_the_same_again():
    with Server("--compress", "gzip") as s:
        put(s, b"")
        settled(s, b"x" * 5000, "packed")
        client = Client(s)
        assert client.ask_often(GET)[::2] == (200, b"")
        plain = GET.replace(b"/a", b"/packed")
        packed = plain[:-2] + b"Accept-Encoding: gzip\r\n\r\n"
        assert client.ask_often(plain)[2] == b"x" * 5000
        _, fields, body = client.ask_often(packed)
        assert fields["content-encoding"] == "gzip" and body[:2] == b"\x1f\x8b"
        assert client.ask_often(plain)[2] == b"x" * 5000


@test
def a_value_written_or_deleted_meanwhile_is_seen_by_the_next_request():
    with Server() as s:
        client = Client(s)
        for version in range(5):
            settled(s, value_of(version))
            assert client.ask_often(GET)[2] == value_of(version)
            with open(os.path.join(s.dir, "a"), "wb") as file:
                file.write(b"by another program")
            assert client.ask(GET)[2] == b"by another program"
            put(s, value_of(version + 1))
            assert client.ask(GET)[2] == value_of(version + 1)
        settled(s, b"last")
        client.ask_often(GET)
        os.unlink(os.path.join(s.dir, "a"))
        assert client.ask(GET)[0] == 404


@test
def metadata_changed_meanwhile_is_seen_by_the_next_request():
    with Server() as s:
        settled(s, b"value")
        client = Client(s)
        client.ask_often(GET)
        patched = curl("-X", "PATCH", "-H", "Content-Type: application/merge-patch+json",
                       "-d", '{"x-meta-new":"yes"}', s.url + "/keys/a?meta")
        assert patched.status == 204
        assert client.ask(GET)[1]["x-meta-new"] == "yes"


@test
def the_date_goes_on():
    with Server() as s:
        settled(s, b"value")
        client = Client(s)
        dates, end = set(), time.monotonic() + 2.5
        while time.monotonic() < end:
            before = int(time.time() - 0.1)  # the server's clock is that of the last tick
            date = email.utils.parsedate_to_datetime(client.ask(GET)[1]["date"]).timestamp()
            assert before <= date <= time.time()
            dates.add(date)
        assert len(dates) >= 3


@test
def requests_that_come_together_or_in_pieces_are_answered_in_order():
    with Server("--threads", 1) as s:
        settled(s, b"value a")
        settled(s, b"value b", "b")
        client, other = Client(s), GET.replace(b"/a", b"/b")
        for cut in range(1, len(other)):
            client.ask_often(GET)
            client.ask_often(other)
            client.send(GET + other[:cut])
            assert client.answer()[2] == b"value a"
            client.send(other[cut:] + GET + GET)
            assert [client.answer()[2] for _ in range(3)] == [b"value b", b"value a", b"value a"]


@test
def two_requests_of_which_the_second_is_cut_are_not_taken_for_one():
    """The first piece and the second request are as long."""
    with Server("--threads", 1) as s:
        settled(s, b"value a")
        settled(s, b"value b", "b")
        other = b"GET /keys/b HTTP/1.1\r\nHost: h\r\nX-Long: " + b"x" * 100 + b"\r\n\r\n"
        first = GET + other[:len(other) - len(GET)]
        for _ in range(OFTEN):
            client = Client(s)
            client.send(first)
            assert client.answer()[2] == b"value a"
            client.send(other[len(other) - len(GET):])
            assert client.answer()[2] == b"value b"


@test
def a_body_that_looks_like_a_request_is_a_body():
    chunked = b"PUT /keys/new HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Server("--threads", 1) as s:
        settled(s, b"value")
        for head, tail in ((b"PUT /keys/new HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(GET), b""),
                           (chunked + b"%x\r\n" % len(GET), b"\r\n0\r\n\r\n")):
            client = Client(s)
            client.ask_often(GET)
            client.send(head)
            time.sleep(0.05)
            client.send(GET)
            time.sleep(0.05)
            client.send(tail)
            assert client.answer()[0] in (201, 204)
            assert client.ask_often(GET)[2] == b"value"
            assert curl(s.url + "/keys/new").body == GET


@test
def http_1_0_is_kept_open_where_that_is_asked_for():
    with Server() as s:
        settled(s, b"value")
        old = GET.replace(b"1.1", b"1.0")
        kept = old[:-2] + b"Connection: Keep-Alive\r\n\r\n"
        assert Client(s).ask_often(kept)[1]["connection"].lower() == "keep-alive"
        closed = (old, GET[:-2] + b"Connection: close\r\n\r\n")
        for request in closed * OFTEN:
            client = Client(s)
            assert client.ask(request)[2] == b"value"
            assert client.socket.recv(1) == b""


@test
def clients_that_ask_for_many_values_at_once_get_each_its_own():
    keys = [f"k{i}" for i in range(20)]
    with Server("--threads", 1) as s:
        for key in keys:
            put(s, key.encode() * 100, key)
        time.sleep(0.2)  # as in settled()
        clients = [Client(s) for _ in range(8)]
        for i in range(400):
            asked = [keys[(i * 7 + j * (1 + i % 3)) % len(keys)] for j in range(len(clients))]
            for client, key in zip(clients, asked):
                client.send(GET.replace(b"/a ", b"/%s " % key.encode()))
            for client, key in zip(clients, asked):
                assert client.answer()[2] == key.encode() * 100


@test
def a_client_that_asks_far_ahead_of_reading_gets_every_answer():
    count = 20000
    with Server("--threads", 1) as s:
        settled(s, value_of(7))
        client = Client(s)
        client.ask_often(GET)

        def ask():
            for _ in range(count):
                client.send(GET)

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(1)
        for _ in range(count):
            assert client.answer()[2] == value_of(7)
        asking.join()


@test
def a_connection_that_asks_the_same_is_not_idle():
    with Server("--idle-seconds", 1) as s:
        settled(s, b"value")
        client, end = Client(s), time.monotonic() + 4
        while time.monotonic() < end:
            assert client.ask(GET)[2] == b"value"
            time.sleep(0.01)


@test
def a_server_that_is_stopped_ends_no_answer_early():
    with Server("--threads", 1) as s:
        settled(s, value_of(7))
        client = Client(s)
        client.ask_often(GET)
        threading.Timer(0.1, os.kill, (s.pid, signal.SIGTERM)).start()
        try:
            while client.ask(GET)[1].get("connection") != "close":
                pass
        except (AssertionError, ConnectionError):  # closed while it was idle
            assert not client.unread
        assert s.process.wait(20) == 0


if __name__ == "__main__":
    main()
