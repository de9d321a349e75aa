"""SIGTERM: what is in flight is finished, nothing new begins, nothing idle is waited for."""
import os
import signal
import socket
import threading
import time

from diskvtest import Server, curl, main, test

HEAD = b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"


def begin_upload(s):
    """A connection with an upload that the server waits for."""
    c = socket.create_connection(("127.0.0.1", s.port), 20)
    c.sendall(HEAD)
    assert c.recv(1000).startswith(b"HTTP/1.1 100 ")
    return c


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return False
    except ConnectionError:  # refused, or reset where it was waiting to be accepted
        return True


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "that never came"
        time.sleep(0.01)


@test
def an_upload_in_flight_is_finished_and_its_connection_closed():
    with Server("--drain-seconds", 30) as s:
        upload = begin_upload(s)
        os.kill(s.pid, signal.SIGTERM)
        wait_until(lambda: refuses(s.port))
        upload.sendall(b"0123456789")
        answer = b""
        while piece := upload.recv(1000):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 201 ") and b"Connection: close" in answer, answer
        assert s.process.wait(20) == 0
        with open(os.path.join(s.dir, "a"), "rb") as file:
            assert file.read() == b"0123456789"


@test
def what_is_pipelined_behind_it_is_not_carried_out():
    with Server("--drain-seconds", 30) as s:
        upload = begin_upload(s)
        os.kill(s.pid, signal.SIGTERM)
        wait_until(lambda: refuses(s.port))
        upload.sendall(b"0123456789PUT /keys/b HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
        answer = b""
        while piece := upload.recv(1000):
            answer += piece
        assert answer.count(b"HTTP/1.1 ") == 1 and b"Connection: close" in answer, answer
        assert s.process.wait(20) == 0
        assert not os.path.exists(os.path.join(s.dir, "b"))


@test
def idle_connections_are_not_waited_for():
    with Server("--drain-seconds", 30) as s:
        silent = socket.create_connection(("127.0.0.1", s.port), 20)
        used = socket.create_connection(("127.0.0.1", s.port), 20)
        used.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert used.recv(1000).endswith(b"ok\n")
        began = time.monotonic()
        assert s.stop() == 0
        assert time.monotonic() - began < 20
        assert silent.recv(1) == used.recv(1) == b""


@test
def what_does_not_end_in_time_is_cut_and_changes_nothing():
    with Server("--drain-seconds", 0) as s:
        upload = begin_upload(s)
        upload.sendall(b"01234")
        assert s.stop() == 0
        assert "requests were cut" in s.stderr()  # perhaps with one before it that was just answered
        try:
            assert upload.recv(1000) == b""
        except ConnectionResetError:
            pass
        assert os.listdir(s.dir) == [".diskv"]


@test
def a_second_signal_ends_the_server_at_once():
    with Server("--drain-seconds", 1000) as s:
        upload = begin_upload(s)
        os.kill(s.pid, signal.SIGTERM)
        wait_until(lambda: refuses(s.port))
        assert s.stop() == 128 + signal.SIGTERM
        upload.close()


@test
def the_server_stops_cleanly_under_load():
    for _ in range(3):
        with Server("--drain-seconds", 1) as s:
            stop = threading.Event()

            def load(n):
                while not stop.is_set():
                    curl("-T", "-", f"{s.url}/keys/{n}", input=os.urandom(100000))
                    curl(f"{s.url}/keys/{n}")

            clients = [threading.Thread(target=load, args=[n]) for n in range(8)]
            for client in clients:
                client.start()
            time.sleep(0.5)
            code = s.stop()
            stop.set()
            for client in clients:
                client.join()
            assert code == 0


if __name__ == "__main__":
    main()
