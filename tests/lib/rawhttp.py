"""A connection that sends bytes as they are and reads answers one by one, for what curl and
http.client would hide.

    with Connection(s.port) as c:
        c.send(request("PUT", "/keys/a", "If-None-Match: *", body=b"hello"))
        answer = c.answer()  # .status, .version, .lines, .headers, .body, .closes
"""
import socket
from types import SimpleNamespace


def request(method, target, *headers, body=None, version="1.1"):
    """A request's bytes, with a Content-Length where there is a body."""
    lines = [f"{method} {target} HTTP/{version}", "Host: h", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines + ["", ""]).encode() + (body or b"")


def chunked(*pieces):
    """A body in chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


class Connection:
    """A connection to 127.0.0.1; nothing is lost between one answer and the next."""

    def __init__(self, port, timeout=30, receive_bytes=None, segment_bytes=None):
        self.socket = socket.socket()
        if segment_bytes:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment_bytes)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send = self.socket.sendall
        self.unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _more(self):
        piece = self.socket.recv(65536)
        self.unread += piece
        return piece

    def _until(self, end):
        """What comes up to `end`, which is dropped."""
        while end not in self.unread:
            assert self._more(), f"closed in mid-answer: {self.unread!r:.200}"
        found, _, self.unread = self.unread.partition(end)
        return found

    def _bytes(self, count):
        while len(self.unread) < count:
            assert self._more(), f"closed {count - len(self.unread)} bytes early"
        found, self.unread = self.unread[:count], self.unread[count:]
        return found

    def _chunks(self):
        body = b""
        while size := int(self._until(b"\r\n"), 16):
            body += self._bytes(size)
            assert self._bytes(2) == b"\r\n"
        assert self._until(b"\r\n") == b""
        return body

    def answer(self, *, head=False):
        """The next answer; `head`: the request was a HEAD. A 100 is an answer of its own."""
        first, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status = first.split()[:2]
        headers = {}
        for line in lines:
            name, value = line.split(": ", 1)
            assert name.lower() not in headers, lines
            headers[name.lower()] = value
        a = SimpleNamespace(status=int(status), version=version, lines=lines, headers=headers, body=b"",
                            closes=headers.get("connection", "").lower() == "close")
        if head or a.status in (100, 204, 304):
            return a
        if headers.get("transfer-encoding") == "chunked":
            a.body = self._chunks()
        elif "content-length" in headers:
            a.body = self._bytes(int(headers["content-length"]))
        else:
            a.body, a.closes = self.rest(), True
        return a

    def rest(self):
        """All that comes until the server closes."""
        try:
            while self._more():
                pass
        except ConnectionResetError:
            pass  # it closed, with something unread
        found, self.unread = self.unread, b""
        return found
