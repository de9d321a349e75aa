"""The page's files come out of the binary."""
import gzip
import os

from diskvtest import Server, curl, main, test

WWW = os.path.join(os.path.dirname(__file__), "..", "..", "www")


def files():
    for folder, _, names in os.walk(WWW):
        for name in names:
            if name != "meson.build":
                path = os.path.join(folder, name)
                yield os.path.relpath(path, WWW), open(path, "rb").read()


@test
def every_file_of_the_page_is_served_with_its_type():
    types = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
             ".js": "text/javascript; charset=utf-8", ".json": "application/json", ".svg": "image/svg+xml"}
    with Server() as s:
        for name, content in files():
            answer = curl(s.url + ("/" if name == "index.html" else "/" + name))
            assert (answer.status, answer.body) == (200, content), name
            assert answer.headers["content-type"] == types[os.path.splitext(name)[1]]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"].startswith("default-src 'self'")
            assert answer.headers["cache-control"] == "no-cache"


@test
def a_client_that_takes_gzip_gets_it_with_an_entity_tag_of_its_own():
    with Server() as s:
        plain = curl(s.url + "/app.js")
        assert plain.headers["vary"] == "Accept-Encoding"
        assert "content-encoding" not in plain.headers
        for accept in ("gzip", "br, gzip", "deflate,gzip;q=0.5", "GZIP ; q=1.000"):
            packed = curl("-H", f"Accept-Encoding: {accept}", s.url + "/app.js")
            assert packed.headers["content-encoding"] == "gzip", accept
            assert gzip.decompress(packed.body) == plain.body
            assert packed.headers["etag"] != plain.headers["etag"]
        for accept in ("identity", "gzip;q=0", "gzip; q=0.000", "gzipped", ""):
            answer = curl("-H", f"Accept-Encoding: {accept}", s.url + "/app.js")
            assert answer.body == plain.body, accept


@test
def a_browser_that_has_a_file_is_told_so():
    with Server() as s:
        for accept in ("gzip", "identity"):
            options = ["-H", f"Accept-Encoding: {accept}"]
            etag = curl(*options, s.url + "/").headers["etag"]
            answer = curl(*options, "-H", f"If-None-Match: {etag}", s.url + "/")
            assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)


if __name__ == "__main__":
    main()
