"""Which answers pages of other origins may read (--cors-origin), and the headers for browsers that every answer bears."""
import socket

from diskvtest import Server, curl, main, raw, test

APP, OTHER = "https://app.example", "http://localhost:5173"
STRANGER = "https://app.example.evil.example"
LARGE = 10_000_000  # bytes of a body that nobody reads to its end


def ask(s, path, origin, *options):
    return curl("-H", f"Origin: {origin}", *options, s.url + path)


def put(s, key, body, *options):
    answer = curl("-T", "-", *options, f"{s.url}/keys/{key}", input=body)
    assert answer.status in (201, 204), answer
    return answer.headers["etag"]


def preflight(s, path, origin, method, *options):
    return ask(s, path, origin, "-X", "OPTIONS", "-H", f"Access-Control-Request-Method: {method}", *options)


def cors_fields(answer):
    return {name for name in answer.headers if name.startswith("access-control-")}


def exposed(answer):
    return answer.headers["access-control-expose-headers"].lower().split(", ")


def every_kind_of_answer(s, *headers):
    """Answers of many statuses, by kind."""
    etag = put(s, "a", b"hello", "-H", "X-Meta-One: 1")
    url, large = s.url + "/keys/a", f"Content-Length: {LARGE}\r\n"
    lines = "".join(f"{header}\r\n" for header in headers)
    options = [option for header in headers for option in ("-H", header)]

    def refused(request_line, more):
        """A refusal that comes while the body does."""
        answer = raw(s.port, f"{request_line} HTTP/1.1\r\nHost: h\r\n{lines}{more}\r\n".encode())
        head = answer.split(b"\r\n\r\n")[0].decode().split("\r\n")
        fields = {}
        for name, value in (line.split(": ", 1) for line in head[1:]):
            fields[name.lower()] = f"{fields[name.lower()]}, {value}" if name.lower() in fields else value
        return type("Answer", (), {"status": int(head[0].split()[1]), "headers": fields})

    return {
        "value": (200, curl(*options, url)),
        "head": (200, curl("-I", *options, url)),
        "part": (206, curl("-r", "0-1", *options, url)),
        "unchanged": (304, curl("-H", f"If-None-Match: {etag}", *options, url)),
        "stored": (201, curl("-T", "-", *options, s.url + "/keys/new", input=b"1")),
        "erased": (204, curl("-X", "DELETE", *options, s.url + "/keys/new")),
        "listing": (200, curl(*options, s.url + "/keys")),
        "page": (200, curl(*options, s.url + "/")),
        "health": (200, curl(*options, s.url + "/healthz")),
        "options": (204, curl("-X", "OPTIONS", *options, url)),
        "malformed": (400, curl(*options, s.url + "/keys/%ff")),
        "invalid": (400, refused("GET /keys/a", "Host: two\r\n")),
        "missing": (404, curl(*options, s.url + "/keys/missing")),
        "nowhere": (404, curl(*options, s.url + "/nowhere")),
        "method": (405, curl("-X", "DELETE", *options, s.url + "/healthz")),
        "too long": (405, refused("DELETE /healthz", large)),
        "form": (406, curl("-H", "Accept-Encoding: identity;q=0, *;q=0", *options, url)),
        "condition": (412, curl("-T", "-", "-H", "If-None-Match: *", *options, url, input=b"1")),
        "range": (416, curl("-r", "9-", *options, url)),
        "digest": (422, curl("-T", "-", "-H", "Content-MD5: rL0Y20zC+Fzt72VPzMSk2A==", *options, url, input=b"1")),
    }


@test
def every_answer_forbids_guessing_its_type_and_embedding_it_elsewhere():
    with Server() as s:
        for kind, (status, answer) in every_kind_of_answer(s).items():
            assert answer.status == status, (kind, answer.status)
            assert answer.headers["x-content-type-options"] == "nosniff", kind
            assert answer.headers["cross-origin-resource-policy"] == "same-site", kind


@test
def without_the_option_no_page_may_read_anything():
    with Server() as s:
        for kind, (_, answer) in every_kind_of_answer(s, f"Origin: {APP}").items():
            assert not cors_fields(answer) and "origin" not in answer.headers.get("vary", "").lower(), kind
        answer = preflight(s, "/keys/a", APP, "PUT")
        assert answer.status == 204 and not cors_fields(answer)


@test
def every_answer_can_be_read_with_credentials_by_a_listed_origin():
    with Server("--cors-origin", APP, "--cors-origin", OTHER) as s:
        for origin in (APP, OTHER):
            for kind, (status, answer) in every_kind_of_answer(s, f"Origin: {origin}").items():
                assert answer.status == status, (kind, answer.status)
                assert answer.headers["access-control-allow-origin"] == origin, kind
                assert answer.headers["access-control-allow-credentials"] == "true", kind
                assert answer.headers["cross-origin-resource-policy"] == "cross-origin", kind
                assert answer.headers["vary"].split(", ")[-1] == "Origin", kind
                assert {"etag", "location", "content-range", "allow"} <= set(exposed(answer)), kind


@test
def an_origin_that_is_not_listed_reads_nothing():
    with Server("--cors-origin", APP) as s:
        put(s, "a", b"hello")
        for origin in (STRANGER, "http://app.example", "https://app.example:8443", "https://APP.example", "null", "*", ""):
            for answer in (ask(s, "/keys/a", origin), ask(s, "/keys/b", origin), preflight(s, "/keys/a", origin, "PUT")):
                assert answer.status in (200, 204, 404) and not cors_fields(answer), origin
                assert answer.headers["vary"].endswith("Origin"), origin


@test
def caches_keep_the_answers_to_listed_origins_apart_even_from_one_without_an_origin():
    with Server("--cors-origin", APP, "--compress", "gzip") as s:
        etag = put(s, "a", b"hello" * 1000)
        for options in ([], ["-I"], ["-H", f"If-None-Match: {etag}"], ["-H", f"Origin: {APP}"]):
            assert curl(*options, s.url + "/keys/a").headers["vary"] == "Accept-Encoding, Origin", options
        head = raw(s.port, b"GET /keys/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").split(b"\r\n\r\n")[0]
        assert head.lower().count(b"vary:") == 1  # some caches look at one line only


@test
def with_a_star_all_read_the_same_answer_without_credentials():
    with Server("--cors-origin", "*") as s:
        for header in (f"Origin: {APP}", "Origin: null", "Accept: */*"):
            for kind, (status, answer) in every_kind_of_answer(s, header).items():
                assert answer.status == status, (kind, answer.status)
                assert answer.headers["access-control-allow-origin"] == "*", (header, kind)
                assert "access-control-allow-credentials" not in answer.headers, (header, kind)
                assert "origin" not in answer.headers.get("vary", "").lower(), (header, kind)


@test
def beside_a_star_those_listed_by_name_have_credentials():
    with Server("--cors-origin", "*", "--cors-origin", APP) as s:
        put(s, "a", b"hello")
        named, stranger, nobody = ask(s, "/keys/a", APP), ask(s, "/keys/a", STRANGER), curl(s.url + "/keys/a")
        assert named.headers["access-control-allow-origin"] == APP
        assert named.headers["access-control-allow-credentials"] == "true"
        assert stranger.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in stranger.headers
        assert not cors_fields(nobody)
        assert {answer.headers["vary"] for answer in (named, stranger, nobody)} == {"Origin"}


@test
def a_preflight_names_what_the_path_takes_and_grants_the_headers_that_it_asks_for():
    with Server("--cors-origin", APP) as s:
        asked = "content-type,if-match,x-meta-owner"
        answer = preflight(s, "/keys/a", APP, "PUT", "-H", f"Access-Control-Request-Headers: {asked}")
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == APP
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert {"GET", "HEAD", "PUT", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
        assert answer.headers["access-control-allow-headers"] == asked
        assert answer.headers["access-control-max-age"] == "86400"
        assert "access-control-allow-headers" not in preflight(s, "/keys/a", APP, "PUT").headers
        assert "PUT" not in preflight(s, "/healthz", APP, "PUT").headers["access-control-allow-methods"]


@test
def options_without_a_method_to_ask_for_is_no_preflight():
    with Server("--cors-origin", APP) as s:
        answer = ask(s, "/keys/a", APP, "-X", "OPTIONS")
        assert answer.status == 204 and "PUT" in answer.headers["allow"]
        assert answer.headers["access-control-allow-origin"] == APP
        assert not {"access-control-allow-methods", "access-control-max-age"} & cors_fields(answer)


@test
def the_metadata_of_a_value_are_exposed_by_name():
    with Server("--cors-origin", APP) as s:
        put(s, "a", b"hello", "-H", "X-Meta-Owner: me", "-H", "X-Meta-Colour: red")
        put(s, "b", b"hello")
        names = exposed(ask(s, "/keys/a", APP))
        assert {"x-meta-owner", "x-meta-colour", "etag"} <= set(names) and len(names) == len(set(names))
        assert not [name for name in exposed(ask(s, "/keys/b", APP)) if name.startswith("x-meta-")]


@test
def a_connection_that_is_one_too_many_is_refused_readably():
    with Server("--cors-origin", "*", "--max-connections", "1", ready=False) as s:
        with socket.create_connection(("127.0.0.1", s.port)) as first:
            first.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
            assert first.recv(100).startswith(b"HTTP/1.1 200 ")
            answer = curl(s.url + "/healthz")
            assert answer.status == 503 and answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["x-content-type-options"] == "nosniff"


if __name__ == "__main__":
    main()
