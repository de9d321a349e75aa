"""Values too large for the cache, which go from their files to the socket."""
import json
import os
import socket
import threading
import time

from diskvtest import Server, curl, main, skip, test

SIZE = 24 * 1024 * 1024 + 4321  # more than a quarter of the cache, and no whole number of pages


VALUE = os.urandom(SIZE)


def write(dir, key, data):
    path = f"{dir}/{key}"
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return path


def forget(path):
    """Drops the file from the page cache, but for what is being sent."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cold(path):
    """Drops all of the file from the page cache, once it is sent."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        forget(path)
        with open(path, "rb") as file:
            try:
                os.preadv(file.fileno(), [bytearray(1)], SIZE // 2, os.RWF_NOWAIT)
            except BlockingIOError:
                return
    skip("this file system keeps all in memory")


def stats(s):
    return json.loads(curl(s.url + "/stats").body)


def descriptors(s):
    return len(os.listdir(f"/proc/{s.pid}/fd"))


def wait_for(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@test
def what_is_sent_is_the_value():
    with Server() as s:
        write(s.dir, "k", VALUE)
        for key_range, expected in (("0-", VALUE), ("100000-", VALUE[100000:]), ("4095-1048577", VALUE[4095:1048578]),
                                    ("-70000", VALUE[-70000:]), ("1-65536", VALUE[1:65537])):
            answer = curl("-r", key_range, s.url + "/keys/k")
            assert answer.status == 206 and answer.body == expected, key_range
        answer = curl(s.url + "/keys/k")
        assert answer.status == 200 and answer.body == VALUE


@test
def ranges_that_are_asked_for_at_once_follow_one_another_wherever_they_begin():
    ranges = [(at, at + 70000 + at % 3) for at in (0, 1, 4095, 4096, 8191, 1000000, SIZE - 70003)]
    with Server() as s, socket.create_connection(("127.0.0.1", s.port)) as c:
        write(s.dir, "k", VALUE)
        c.settimeout(30)
        for first, last in ranges:
            c.sendall(b"GET /keys/k HTTP/1.1\r\nHost: h\r\nRange: bytes=%d-%d\r\n\r\n" % (first, last))
        with c.makefile("rb") as answers:
            for first, last in ranges:
                while answers.readline() != b"\r\n":
                    pass
                assert answers.read(last + 1 - first) == VALUE[first:last + 1], (first, last)


@test
def what_is_read_from_the_disk_is_the_value_too():
    with Server() as s:
        path = write(s.dir, "k", VALUE)
        for _ in range(3):
            cold(path)
            answer = curl(s.url + "/keys/k")
            assert answer.status == 200 and answer.body == VALUE
            cold(path)
            answer = curl("-r", "5000000-15000000", s.url + "/keys/k")
            assert answer.status == 206 and answer.body == VALUE[5000000:15000001]


@test
def a_value_of_which_parts_are_on_the_disk_only_is_sent_whole():
    with Server() as s:
        path = write(s.dir, "k", VALUE)
        cold(path)
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            for at in range(0, SIZE, 300000):
                os.pread(file.fileno(), 100000, at)
        assert curl(s.url + "/keys/k").body == VALUE


@test
def a_slow_client_gets_what_the_disk_is_waited_for_meanwhile():
    with Server() as s, socket.socket() as c:
        path = write(s.dir, "k", VALUE)
        cold(path)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c.settimeout(30)
        c.connect(("127.0.0.1", s.port))
        c.sendall(b"GET /keys/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        pieces = []
        while not pieces or pieces[-1]:
            forget(path)
            pieces.append(c.recv(50000))
        assert b"".join(pieces).partition(b"\r\n\r\n")[2] == VALUE


@test
def clients_get_their_own_values_over_kept_connections():
    values = [os.urandom(3000000 + number) for number in range(8)]
    wrong = []

    def client(s, number):
        if curl(*[f"{s.url}/keys/{number}"] * 5).body != values[number] * 5:
            wrong.append(number)

    with Server("--threads", 2, "--cache-bytes", 0) as s:
        for number, value in enumerate(values):
            write(s.dir, str(number), value)
        threads = [threading.Thread(target=client, args=(s, number)) for number in range(len(values))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong, wrong


@test
def all_that_is_sent_counts_as_read():
    with Server() as s:
        path = write(s.dir, "k", VALUE)
        for prepare in (lambda: None, lambda: cold(path)):
            prepare()
            before = stats(s)
            curl(s.url + "/keys/k")
            after = stats(s)
            assert after["bytes_read"] - before["bytes_read"] == SIZE
            assert after["reads"] - before["reads"] == 1


@test
def head_sends_nothing_and_leaves_the_connection_in_order():
    with Server() as s:
        write(s.dir, "k", VALUE)
        answer = curl("-I", s.url + "/keys/k", s.url + "/keys/k")
        assert answer.status == 200 and answer.headers["content-length"] == str(SIZE)


@test
def clients_that_leave_in_the_middle_leave_no_descriptor_behind():
    with Server() as s:
        path = write(s.dir, "k", VALUE)
        before = descriptors(s)
        for i in range(20):
            if i % 4 == 0:
                forget(path)
            with socket.create_connection(("127.0.0.1", s.port)) as c:
                c.sendall(b"GET /keys/k HTTP/1.1\r\nHost: h\r\n\r\n")
                c.recv(1 + i * 10000)
        wait_for(lambda: descriptors(s) <= before)
        assert curl(s.url + "/keys/k").body == VALUE


@test
def a_value_that_is_erased_meanwhile_is_sent_to_its_end():
    with Server() as s, socket.socket() as c:
        write(s.dir, "k", VALUE)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c.settimeout(30)
        c.connect(("127.0.0.1", s.port))
        c.sendall(b"GET /keys/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        pieces = [c.recv(1000)]
        assert curl("-X", "DELETE", s.url + "/keys/k").status == 204
        while piece := c.recv(1 << 20):
            pieces.append(piece)
        assert b"".join(pieces).partition(b"\r\n\r\n")[2] == VALUE


@test
def a_client_that_reads_fast_enough_may_take_longer_than_a_request_may():
    with Server("--request-seconds", 1, "--min-rate", 1000000) as s, socket.socket() as c:
        write(s.dir, "k", VALUE)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c.settimeout(30)
        c.connect(("127.0.0.1", s.port))
        c.sendall(b"GET /keys/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        size = 0
        while piece := c.recv(1 << 20):
            before, size = size, size + len(piece)
            if size // 4000000 > before // 4000000:
                time.sleep(0.8)
        assert size > SIZE


if __name__ == "__main__":
    main()
