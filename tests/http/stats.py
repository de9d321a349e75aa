"""/healthz, /readyz and /stats."""
import json
import socket

from diskvtest import Server, curl, main, test


def stats(s):
    answer = curl(s.url + "/stats")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    return json.loads(answer.body)


@test
def a_server_is_healthy_and_ready():
    with Server() as s:
        for path in ("/healthz", "/readyz"):
            answer = curl(s.url + path)
            assert (answer.status, answer.body) == (200, b"ok\n")
            assert answer.headers["content-type"] == "text/plain"


@test
def what_is_done_is_counted():
    with Server() as s:
        before = stats(s)
        assert (before["keys"], before["writes"], before["reads"], before["erases"]) == (0, 0, 0, 0)
        for key in ("a", "a", "b"):
            curl("-T", "-", f"{s.url}/keys/{key}", input=b"hello")
        curl(s.url + "/keys/a")
        curl("-X", "DELETE", s.url + "/keys/b")
        after = stats(s)
        assert (after["keys"], after["writes"], after["reads"], after["erases"]) == (1, 3, 1, 1)
        assert (after["bytes_written"], after["bytes_read"]) == (15, 5)


@test
def connections_and_requests_in_flight_are_counted():
    with Server() as s:
        while stats(s)["connections"] > 1:
            pass  # the one that asked whether the server is ready is just being closed
        assert (stats(s)["connections"], stats(s)["requests"]) == (1, 1)
        with socket.create_connection(("127.0.0.1", s.port)) as c:
            c.sendall(b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
                      b"Expect: 100-continue\r\n\r\n")
            assert c.recv(1000).startswith(b"HTTP/1.1 100 ")
            assert (stats(s)["connections"], stats(s)["requests"]) == (2, 2)


if __name__ == "__main__":
    main()
