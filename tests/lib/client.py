"""A client that keeps its connection."""
import socket

OFTEN = 8  # more requests than it takes until an answer is sent again as it was


class Client:
    """A connection that reads one answer after the other."""

    def __init__(self, s, receive_bytes=None):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", s.port))
        self.left = b""

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        piece = self.socket.recv(65536)
        assert piece, f"the server closed, after {self.left!r}"
        self.left += piece

    def answer(self, bodiless=False):
        """Status, fields and body of the next answer."""
        while b"\r\n\r\n" not in self.left:
            self._more()
        head, _, self.left = self.left.partition(b"\r\n\r\n")
        line, *lines = head.decode().split("\r\n")
        fields = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
        status = int(line.split()[1])
        size = 0 if bodiless or status in (204, 304) else int(fields["content-length"])
        while len(self.left) < size:
            self._more()
        body, self.left = self.left[:size], self.left[size:]
        return status, fields, body

    def ask(self, request, **options):
        self.send(request)
        return self.answer(**options)

    def ask_often(self, request, **options):
        """The answers, which are to differ in nothing but their date."""
        answers = [self.ask(request, **options) for _ in range(OFTEN)]
        for _, fields, _ in answers:
            del fields["date"]
        assert all(answer == answers[0] for answer in answers), answers
        assert not self.left
        return answers[0]
