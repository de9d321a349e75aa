"""--site PREFIX: the keys behind a prefix as a web site at /."""
import base64
import gzip
import hashlib
import os
from urllib.parse import quote

from diskvtest import Server, curl, main, raw, test

PAGE = b"<!doctype html><title>page</title>"
BROWSER = ("-H", "Accept: text/html,application/xhtml+xml,*/*;q=0.8")


def put(s, key, body, *options):
    answer = curl("-T", "-", *options, f"{s.url}/keys/{quote(key)}", input=body)
    assert answer.status in (201, 204), answer
    return answer.headers["etag"]


def get(s, path, *options, accept=None):
    encoding = ("-H", f"Accept-Encoding: {accept}") if accept is not None else ()
    return curl(*encoding, *options, s.url + path)


def is_problem(answer, status):
    return (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")


@test
def a_path_is_a_key_behind_the_prefix():
    with Server("--site", "www/") as s:
        for path, key in (("/a.txt", "www/a.txt"), ("/a/b/c.css", "www/a/b/c.css"), ("/%C3%BC%20%25.txt", "www/ü %.txt"),
                          ("/a%2Fx.txt", "www/a/x.txt"), ("/+.txt", "www/+.txt"), ("//x", "www//x"), ("/keysx", "www/keysx")):
            tag = put(s, key, key.encode())
            answer = get(s, path)
            assert (answer.status, answer.body, answer.headers["etag"]) == (200, key.encode(), tag), path
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert get(s, "/a.txt").headers["content-type"] == "text/plain"
        assert get(s, "/a.txt?x=1&download&meta").headers.keys() == get(s, "/a.txt").headers.keys()
        put(s, "www/typed", PAGE, "-H", "Content-Type: text/html", "-H", "X-Meta-A: 1")
        answer = get(s, "/typed")
        assert (answer.headers["content-type"], answer.headers["x-meta-a"]) == ("text/html", "1")


@test
def the_prefix_may_be_any_text_or_none():
    for prefix, key in (("", "index.html"), ("pre", "preindex.html"), ("a/b/", "a/b/index.html")):
        with Server("--site", prefix) as s:
            put(s, key, PAGE)
            assert get(s, "/").body == PAGE


@test
def a_folder_is_its_index():
    with Server(env={"DISKV_SITE": "www/"}) as s:
        for key in ("www/index.html", "www/about/index.html", "www/a//index.html"):
            put(s, key, key.encode())
        for path, key in (("/", "www/index.html"), ("/index.html", "www/index.html"), ("/about/", "www/about/index.html"),
                          ("/about%2f", "www/about/index.html"), ("/a//", "www/a//index.html"), ("/?x", "www/index.html")):
            answer = get(s, path)
            assert (answer.status, answer.body) == (200, key.encode()), path
            assert answer.headers["content-type"] == "text/html"


@test
def a_folder_without_its_slash_is_sent_there():
    with Server("--site", "www/") as s:
        for name in ("about", "a/b", "a/ü", "10:30", "\\\\other"):
            put(s, f"www/{name}/index.html", PAGE)
        for path, location in (("/about", "about/"), ("/about?x=1&y", "about/?x=1&y"), ("/a/b", "b/"), ("/a/%C3%BC", "%C3%BC/"),
                               ("/a%2Fb", "a%2Fb/"), ("/10:30", "./10:30/"), ("/\\\\other", "./\\\\other/")):
            for options in ((), ("-I",)):
                answer = get(s, path, *options)
                assert (answer.status, answer.headers["location"], answer.body) == (301, location, b""), path
        assert curl("-L", s.url + "/a%2Fb").body == PAGE
        put(s, "www/about", b"a value")
        assert get(s, "/about").body == b"a value"


@test
def the_api_stays_where_it_is():
    with Server("--site", "") as s:
        for key in ("keys", "keys/a", "healthz", "readyz", "stats", "openapi.json", "style.css"):
            put(s, key, b"a value")
        assert get(s, "/keys").headers["content-type"] == "application/json"
        assert is_problem(get(s, "/keys/b"), 404)
        assert is_problem(curl("-X", "DELETE", s.url + "/healthz"), 405)
        for path in ("/keys/", "/keys/style.css", "/healthz", "/readyz", "/stats", "/openapi.json"):
            assert get(s, path).status == 200 and (path == "/keys/style.css") == (get(s, path).body == b"a value"), path
        assert get(s, "/style.css").body == b"a value"


@test
def the_page_that_is_built_in_makes_room():
    with Server("--site", "www/") as s:
        for path in ("/", "/style.css", "/favicon.svg"):
            assert is_problem(get(s, path), 404), path


@test
def a_site_is_only_read():
    with Server("--site", "www/") as s:
        put(s, "www/a", b"x")
        for path in ("/a", "/b", "/"):
            for method in ("PUT", "POST", "DELETE", "PATCH"):
                answer = curl("-X", method, s.url + path)
                assert is_problem(answer, 405), (path, method)
                assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
            answer = curl("-X", "OPTIONS", s.url + path)
            assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


@test
def what_is_missing_is_a_404_with_the_page_for_it():
    with Server("--site", "www/", "--cache-control", "*=max-age=60") as s:
        assert is_problem(get(s, "/missing"), 404)
        put(s, "www/404.html", b"not here", "-H", "Cache-Control: max-age=9", "-H", "Content-Language: de")
        for path in ("/missing", "/missing/", "/a/b.js", "/"):
            for options in ((), ("-I",), ("-H", "Range: bytes=0-1"), ("-H", "If-None-Match: *"), ("-H", 'If-Match: "x"')):
                answer = get(s, path, *options)
                assert (answer.status, answer.body) == (404, b"" if "-I" in options else b"not here"), (path, options)
                assert (answer.headers["content-type"], answer.headers["content-length"]) == ("text/html", "8")
                assert answer.headers["content-language"] == "de"
                for name in ("etag", "last-modified", "cache-control", "accept-ranges", "vary"):
                    assert name not in answer.headers, name
        answer = get(s, "/404.html")
        assert answer.status == 200 and "etag" in answer.headers


@test
def a_path_that_can_be_no_key_is_a_404():
    with Server("--site", "www/", "--site-fallback", "index.html") as s:
        put(s, "www/index.html", PAGE)
        for path in ("/%", "/%zz", "/%00", "/%FF", "/" + "x" * 1001):
            assert get(s, path, *BROWSER).status == 404, path
        for path in ("/" + "x" * 996, "/" + "x" * 1000):  # a key that the prefix makes too long
            assert get(s, path).status == 404
            assert get(s, path, *BROWSER).body == PAGE
        longest = "x" * 996
        put(s, "www/" + longest, b"longest")
        assert get(s, "/" + longest, accept="br, gzip").body == b"longest"
        put(s, "www/404.html", b"not here")
        assert (get(s, "/%FF").status, get(s, "/%FF").body) == (404, b"not here")


@test
def a_page_that_is_missing_is_the_fallback():
    with Server("--site", "www/", "--site-fallback", "app/index.html", "--cache-control", "www/app/*=no-cache") as s:
        tag = put(s, "www/app/index.html", PAGE)
        put(s, "www/a.js", b"script")
        for path in ("/route", "/a/b/c", "/", "/folder/"):
            answer = get(s, path, *BROWSER)
            assert (answer.status, answer.body, answer.headers["etag"]) == (200, PAGE, tag), path
            assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Accept", "no-cache")
            head = get(s, path, *BROWSER, "-I")
            assert (head.status, head.headers["content-length"], head.headers["vary"]) == (200, str(len(PAGE)), "Accept")
            cached = get(s, path, *BROWSER, "-H", f"If-None-Match: {tag}")
            assert (cached.status, cached.headers["vary"]) == (304, "Accept")
        answer = get(s, "/a.js", *BROWSER)
        assert (answer.status, answer.body) == (200, b"script") and "vary" not in answer.headers


@test
def the_fallback_is_for_clients_that_want_a_page():
    with Server("--site", "www/", "--site-fallback", "index.html") as s:
        put(s, "www/index.html", PAGE)
        for accept in ("*/*", "text/*", "application/json", "text/html;q=0", "image/png"):
            answer = get(s, "/missing.png", "-H", f"Accept: {accept}")
            assert is_problem(answer, 404) and answer.headers["vary"] == "Accept", accept
        assert curl("-X", "POST", *BROWSER, s.url + "/missing").status == 405
        put(s, "www/404.html", b"not here")
        answer = get(s, "/missing.png")
        assert (answer.status, answer.body, answer.headers["vary"]) == (404, b"not here", "Accept")
        curl("-X", "DELETE", s.url + "/keys/www/index.html")
        answer = get(s, "/missing", *BROWSER)
        assert (answer.status, answer.body, answer.headers["vary"]) == (404, b"not here", "Accept")


@test
def what_lies_compressed_beside_a_value_goes_out_to_those_who_take_it():
    with Server("--site", "www/") as s:
        tags = {None: put(s, "www/a.js", b"plain"), "br": put(s, "www/a.js.br", b"in brotli"), "gzip": put(s, "www/a.js.gz", b"in gzip")}
        bodies = {None: b"plain", "br": b"in brotli", "gzip": b"in gzip"}
        for accept, coding in ((None, None), ("gzip, deflate, br, zstd", "br"), ("gzip", "gzip"), ("br", "br"), ("identity", None),
                               ("br;q=0.5, gzip", "gzip"), ("br;q=0, *", "gzip"), ("*", "br"), ("gzip;q=0.5, identity", None),
                               ("x-gzip", "gzip"), ("br;q=0.5, identity;q=0.6, gzip;q=0.5", None), ("deflate", None), ("", None),
                               ("identity;q=0, br;q=0.1", "br"), ("br;q=0.1", "br")):
            for options in ((), ("-I",)):
                answer = get(s, "/a.js", *options, accept=accept)
                assert (answer.status, answer.headers.get("content-encoding")) == (200, coding), accept
                assert answer.body == (b"" if options else bodies[coding])
                assert (answer.headers["etag"], answer.headers["vary"]) == (tags[coding], "Accept-Encoding")
                assert answer.headers["content-type"] == "text/javascript"
                assert answer.headers["content-length"] == str(len(bodies[coding]))
        assert is_problem(get(s, "/a.js", accept="*;q=0"), 406)
        assert get(s, "/a.js.br", accept="br").headers.get("content-encoding") is None


@test
def each_form_has_its_own_preconditions_and_ranges():
    with Server("--site", "www/") as s:
        plain, packed = put(s, "www/a.js", b"plain"), put(s, "www/a.js.br", b"in brotli")
        for accept, tag, other, body in (("br", packed, plain, b"in brotli"), ("gzip", plain, packed, b"plain")):
            answer = get(s, "/a.js", "-H", f"If-None-Match: {tag}", accept=accept)
            assert (answer.status, answer.headers["etag"], answer.headers["vary"]) == (304, tag, "Accept-Encoding")
            assert get(s, "/a.js", "-H", f"If-None-Match: {other}", accept=accept).body == body
            assert get(s, "/a.js", "-H", f"If-Match: {other}", accept=accept).status == 412
            answer = get(s, "/a.js", "-H", "Range: bytes=1-3", accept=accept)
            assert (answer.status, answer.body, answer.headers["vary"]) == (206, body[1:4], "Accept-Encoding")
            assert answer.headers["content-range"] == f"bytes 1-3/{len(body)}"
            assert get(s, "/a.js", "-H", "Range: bytes=1-3", "-H", f"If-Range: {other}", accept=accept).status == 200
            assert get(s, "/a.js", "-H", "Range: bytes=99-", accept=accept).status == 416
        assert get(s, "/a.js", "-H", 'If-Match: "', accept="br").status == 400


@test
def the_value_beside_a_compressed_form_need_not_exist():
    with Server("--site", "www/") as s:
        tag = put(s, "www/index.html.br", b"in brotli", "-H", "Content-Type: application/x-brotli")
        put(s, "www/about/index.html.gz", b"in gzip")
        put(s, "www/404.html.gz", b"not here, in gzip")
        answer = get(s, "/", accept="gzip, br")
        assert (answer.body, answer.headers["content-encoding"], answer.headers["etag"]) == (b"in brotli", "br", tag)
        assert answer.headers["content-type"] == "text/html"
        assert get(s, "/about").headers["location"] == "about/"
        assert get(s, "/about/", accept="gzip, br").body == b"in gzip"
        answer = get(s, "/", accept="gzip")
        assert is_problem(answer, 406) and answer.headers["vary"] == "Accept-Encoding"
        answer = get(s, "/missing", accept="gzip")
        assert (answer.status, answer.body, answer.headers["content-encoding"]) == (404, b"not here, in gzip", "gzip")
        assert answer.headers["vary"] == "Accept-Encoding" and "etag" not in answer.headers
        assert is_problem(get(s, "/missing", accept="br"), 404)


@test
def a_compressed_form_has_the_type_and_the_rule_of_the_value():
    with Server("--site", "www/", "--cache-control", "*.js=max-age=60", "--cache-control", "*.br=no-store") as s:
        put(s, "www/a.js.br", b"in brotli")
        put(s, "www/about", PAGE, "-H", "Content-Type: text/html; charset=utf-8", "-H", "Cache-Control: no-cache")
        put(s, "www/about.br", b"in brotli", "-H", "Content-Encoding: br", "-H", "Content-Type: application/x-brotli")
        assert get(s, "/a.js", accept="br").headers["cache-control"] == "max-age=60"
        answer = get(s, "/about", accept="br")
        assert (answer.headers["content-type"], answer.headers["content-encoding"]) == ("text/html; charset=utf-8", "br")
        assert "cache-control" not in answer.headers


@test
def the_fallback_has_compressed_forms_too():
    with Server("--site", "www/", "--site-fallback", "index.html") as s:
        put(s, "www/index.html", PAGE)
        put(s, "www/index.html.br", b"in brotli")
        answer = get(s, "/route", *BROWSER, accept="gzip, br")
        assert (answer.status, answer.body, answer.headers["content-encoding"]) == (200, b"in brotli", "br")
        assert answer.headers["vary"] == "Accept-Encoding, Accept"


@test
def a_value_that_the_store_compressed_goes_out_as_its_file_has_it():
    text = b"all work and no play makes jack a dull boy\n" * 100
    with Server("--site", "www/", "--compress", "gzip") as s:
        tag = put(s, "www/a.txt", text)
        answer = get(s, "/a.txt", accept="gzip")
        assert gzip.decompress(answer.body) == text and answer.headers["content-encoding"] == "gzip"
        assert (answer.headers["etag"], answer.headers["vary"]) == (f'{tag[:-1]}-gzip"', "Accept-Encoding")
        assert get(s, "/a.txt").body == text
        put(s, "www/a.txt.br", b"in brotli")
        assert get(s, "/a.txt", accept="gzip, br").body == b"in brotli"
        assert gzip.decompress(get(s, "/a.txt", accept="gzip, br;q=0.9").body) == text
        with open(f"{s.dir}/www/a.txt.gz", "wb") as file:
            file.write(gzip.compress(text, mtime=0))
        answer = get(s, "/a.txt", accept="gzip")
        assert gzip.decompress(answer.body) == text and answer.headers["content-encoding"] == "gzip"


@test
def a_digest_is_of_the_form_that_is_sent():
    with Server("--site", "www/") as s:
        put(s, "www/a.js", b"plain")
        put(s, "www/a.js.br", b"in brotli")
        for accept, body in (("br", b"in brotli"), ("gzip", b"plain")):
            answer = get(s, "/a.js", "-H", "Want-Repr-Digest: sha-256=1", accept=accept)
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
            assert (answer.body, answer.headers["repr-digest"]) == (body, f"sha-256=:{digest}:")


@test
def large_files_and_files_of_other_programs_come_whole():
    body = os.urandom(3_000_000)
    with Server("--site", "") as s:
        with open(f"{s.dir}/film.mp4", "wb") as file:
            file.write(body)
        answer = get(s, "/film.mp4")
        assert (answer.body, answer.headers["content-type"]) == (body, "video/mp4")
        part = get(s, "/film.mp4", "-H", "Range: bytes=1000000-1999999")
        assert (part.status, part.body) == (206, body[1_000_000:2_000_000])
        lines = [b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n" % name for name in (b"a", b"film.mp4", b"b")]
        answers = raw(s.port, b"".join(lines[0::2]) + lines[1].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert answers.count(b"HTTP/1.1 404 ") == 2 and answers.endswith(b"\r\n\r\n" + body)


if __name__ == "__main__":
    main()
