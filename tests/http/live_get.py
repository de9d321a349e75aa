"""A value that other programs change while it is being sent: whole as it was, or cut off."""
import os
import socket

from diskvtest import Server, curl, main, test

SIZE = 64 * 1024 * 1024  # far more than sockets and buffers hold


class SlowGet:
    """A GET whose answer is read in two parts."""

    def __init__(self, s, key):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", s.port))
        self.socket.sendall(b"GET /keys/%s HTTP/1.1\r\nHost: h\r\n\r\n" % key.encode())
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            self.data += self.socket.recv(65536)
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ") and b"Content-Length: %d" % SIZE in head, head

    def rest(self):
        """The body, to its length or to where the server closes."""
        pieces, have = [self.data], len(self.data)
        with self.socket:
            try:
                while have < SIZE and (piece := self.socket.recv(1 << 20)):
                    pieces.append(piece)
                    have += len(piece)
            except ConnectionResetError:
                pass
        return b"".join(pieces)


def serving(change):
    """What a client gets of a value that begins as x while `change` is done to its file."""
    with Server() as s:
        path = f"{s.dir}/value"
        with open(path, "wb") as file:
            file.write(b"x" * SIZE)
        get = SlowGet(s, "value")
        change(path)
        body = get.rest()
        now = curl(f"{s.url}/keys/value")
        with open(path, "rb") as file:
            assert (now.status, now.body) == (200, file.read())
        assert curl(f"{s.url}/healthz").status == 200
        return body


@test
def one_that_is_replaced_by_rename_ends_as_it_began():
    def replace(path):
        with open(path + ".new", "wb") as file:
            file.write(b"y" * SIZE)
        os.rename(path + ".new", path)

    assert serving(replace) == b"x" * SIZE


@test
def one_that_is_truncated_ends_short_and_the_connection_is_closed():
    body = serving(lambda path: os.truncate(path, 1000))
    # What the kernel has to send lies in the page that it fills up with zeroes behind the new end.
    assert len(body) < SIZE and set(body) <= {0, ord("x")}


@test
def one_that_is_emptied_ends_short_and_the_connection_is_closed():
    body = serving(lambda path: os.truncate(path, 0))
    assert len(body) < SIZE and set(body) <= {ord("x")}


@test
def one_that_grows_ends_at_its_length():
    def grow(path):
        with open(path, "ab") as file:
            file.write(b"y" * 1000)

    assert serving(grow) == b"x" * SIZE


@test
def one_that_is_edited_in_place_has_its_length_or_ends_short():
    def edit(path):
        with open(path, "r+b") as file:
            file.seek(SIZE // 2)
            file.write(b"y" * (SIZE // 2))

    body = serving(edit)
    assert len(body) <= SIZE and set(body) <= set(b"xy")


@test
def a_cached_value_that_is_edited_is_never_sent_as_it_was():
    with Server() as s:
        assert curl("-T", "-", f"{s.url}/keys/k", input=b"first").status == 201
        for number in range(50):
            text = b"number %d" % number
            with open(f"{s.dir}/k", "wb") as file:
                file.write(text)
            answer = curl(f"{s.url}/keys/k")
            assert (answer.status, answer.body) == (200, text)
            os.truncate(f"{s.dir}/k", 3)
            assert curl(f"{s.url}/keys/k").body == text[:3]


if __name__ == "__main__":
    main()
