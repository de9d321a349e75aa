"""What cannot be done is refused with its status, as application/problem+json (RFC 9457)."""
import json
import socket

from diskvtest import Server, curl, main, raw, test
from rawhttp import Connection


def problem(answer, status, *, body=True):
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    if body:
        detail = json.loads(answer.body)
        assert (detail["type"], detail["status"]) == ("about:blank", status)
        assert detail["title"] and detail["detail"]
    return answer


@test
def a_bad_key_is_400_for_every_method():
    bad = ["%", "%4", "%zz", "a%2", "%00", "a%00b", "%ff", "%c3", "%ed%a0%80", "%c0%af", "x" * 1001,
           "%C3%A9" * 501]
    with Server() as s:
        for key in bad:
            problem(curl(f"{s.url}/keys/{key}"), 400)
            problem(curl("-I", f"{s.url}/keys/{key}"), 400, body=False)
            problem(curl("-X", "DELETE", f"{s.url}/keys/{key}"), 400)
            problem(curl("-T", "-", f"{s.url}/keys/{key}", input=b"x"), 400)
        assert json.loads(curl(s.url + "/keys").body)["keys"] == []


@test
def an_empty_key_is_400():
    with Server() as s:
        problem(curl("-X", "PUT", "-d", "x", s.url + "/keys/"), 400)
        problem(curl("-X", "DELETE", s.url + "/keys/?x"), 400)


@test
def a_key_of_1000_bytes_works():
    with Server() as s:
        for key in ("x" * 1000, "%C3%A9" * 500, "a/" * 500):
            assert curl("-T", "-", f"{s.url}/keys/{key}", input=b"x").status == 201
            assert curl(f"{s.url}/keys/{key}").body == b"x"


@test
def an_unknown_path_is_404_for_every_method():
    with Server() as s:
        for path in ("/nothing", "/Keys", "/keysx", "/healthz/", "//", "/stats/x", "/index.html"):
            problem(curl(s.url + path), 404)
            problem(curl("-X", "PUT", "-d", "x", s.url + path), 404)


@test
def a_wrong_method_is_405_and_told_what_is_right():
    with Server() as s:
        for method, path, allow in (("POST", "/keys/a", "GET, HEAD, PUT, DELETE, OPTIONS"),
                                    ("PATCH", "/keys/a?x", "GET, HEAD, PUT, DELETE, OPTIONS"),
                                    ("PUT", "/keys", "GET, HEAD, DELETE, OPTIONS, POST"),
                                    ("BREW", "/", "GET, HEAD, OPTIONS"),
                                    ("DELETE", "/stats", "GET, HEAD, OPTIONS")):
            answer = problem(curl("-X", method, "-d", "x", s.url + path), 405)
            assert answer.headers["allow"] == allow, (method, path)


@test
def options_tells_what_a_path_takes():
    with Server() as s:
        for path, allow in (("/keys/a", "GET, HEAD, PUT, DELETE, OPTIONS"),
                            ("/keys", "GET, HEAD, DELETE, OPTIONS, POST"), ("/", "GET, HEAD, OPTIONS")):
            answer = curl("-X", "OPTIONS", s.url + path)
            assert (answer.status, answer.headers["allow"]) == (204, allow)
        answer = raw(s.port, b"OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 204 ")
        problem(curl("-X", "OPTIONS", s.url + "/nothing"), 404)


@test
def a_long_body_that_nobody_wants_still_gets_its_answer():
    body = b"x" * 20_000_000
    with Server() as s:
        for options in ([], ["-H", "Expect:"], ["-H", "Transfer-Encoding: chunked"]):
            options += ["--data-binary", "@-", s.url + "/stats"]
            refused = problem(curl("-X", "PUT", *options, input=body), 405)
            assert refused.headers["allow"] == "GET, HEAD, OPTIONS"
            problem(curl("-X", "GET", *options, input=body), 413)


@test
def a_body_shorter_or_longer_than_its_length_harms_nothing():
    with Server() as s:
        put = b"PUT /keys/a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\nhello"
        with Connection(s.port) as c:
            c.send(put % 6)
            c.socket.shutdown(socket.SHUT_WR)
            assert c.rest() == b""
        assert curl(s.url + "/keys/a").status == 404
        with Connection(s.port) as c:
            c.send(put % 4)  # what is left over is no request
            assert c.answer().status == 201
        assert curl(s.url + "/keys/a").body == b"hell"


if __name__ == "__main__":
    main()
