"""GET /keys/<folder>/ as HTML: a page of links, as crawlers and file-like readers follow them."""
import http.client
import json
import os
from html.parser import HTMLParser
from urllib.parse import quote, unquote, urlsplit

from diskvtest import Server, curl, main, test

HTML = ("-H", "Accept: text/html")
BROWSER = ("-H", "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")


def put(s, *keys):
    """Each key's value is the key."""
    connection = http.client.HTTPConnection("127.0.0.1", s.port)
    for key in keys:
        connection.request("PUT", "/keys/" + quote(key, safe=""), body=key.encode())
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 201, key
    connection.close()


class Page(HTMLParser):
    """The links of a page, text to address, the cells of its rows and its texts by element."""

    def __init__(self, html):
        super().__init__()
        self.links, self.rows, self.texts, self.open = {}, [], {}, []
        self.feed(html.decode())
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "html"):
            self.open.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag != "html":
            assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for tag, _ in self.open[-1:]:
            self.texts[tag] = self.texts.get(tag, "") + data
        for tag, attrs in self.open:
            if tag == "a":
                self.links[data] = attrs["href"]
            if tag == "td":
                self.rows[-1][-1] += data


def get(s, path, *args):
    """The page at a path."""
    answer = curl(*(args or HTML), s.url + path)
    assert answer.status == 200, (path, answer)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == \
        "default-src 'none'; style-src 'unsafe-inline'"
    return Page(answer.body)


def resolve(base, link):
    """A relative link's path and query (RFC 3986, section 5.2; urljoin drops empty segments)."""
    parts = urlsplit(link)
    segments = urlsplit(base).path.split("/")[:-1]
    for number, segment in enumerate(parts.path.split("/")):
        last = number == parts.path.count("/")
        if unquote(segment) in (".", ".."):
            segments = segments[:-1] if unquote(segment) == ".." else segments
            segments += [""] if last else []
        else:
            segments.append(segment)
    path = "/".join(segments) if parts.path else urlsplit(base).path
    return path + (f"?{parts.query}" if parts.query else "")


def crawl(s, path, *args):
    """Follows every link below a page: the values found, key to bytes."""
    found, pages, seen = {}, [path], set()
    while pages:
        page = pages.pop()
        seen.add(page)
        for text, link in get(s, page, *args).links.items():
            target = resolve(page, link)
            is_page = text.endswith("/") and text != "./" or text == "Next page"
            if text == "../" or target in seen:
                continue
            if is_page:
                pages.append(target)
            else:
                assert "?" not in link and '"' not in link and "'" not in link, link
                found[unquote(target.removeprefix("/keys/"))] = target
    urls = [argument for target in found.values() for argument in ("-o", "-", s.url + target)]
    bodies = curl("-w", "|end|", *urls).body.split(b"|end|")
    return dict(zip(found, bodies))


@test
def a_folder_shows_what_lies_in_it_with_a_link_to_where_it_lies_itself():
    with Server() as s:
        put(s, "photos/b.jpg", "photos/2024/a.jpg", "photos/2024/b.jpg", "other")
        page = get(s, "/keys/photos/")
        assert page.links == {"../": "../", "2024/": "2024/", "b.jpg": "b.jpg"}
        assert page.texts["title"] == page.texts["h1"] == "Index of /keys/photos/"
        name, size, modified = page.rows[3]
        item = json.loads(curl(s.url + "/keys/photos/b.jpg?meta").body)
        assert (name, size) == ("b.jpg", "12 B")
        assert modified == item["modified"][:16].replace("T", " ")
        assert get(s, "/keys/photos/2024/").links["../"] == "../"


@test
def the_root_has_nothing_above_it_and_may_be_empty():
    with Server() as s:
        assert get(s, "/keys/").links == {}
        put(s, "photos/b.jpg", "other")
        page = get(s, "/keys/")
        assert page.links == {"other": "other", "photos/": "photos/"}
        assert page.texts["title"] == "Index of /keys/"


@test
def every_link_leads_to_its_key():
    keys = ["?", "#", "%", "%41", "&amp;", "<b>", "\"'", "a b", " ", "a:b", "://", "é", "日本/語",
            "\U0001f600", "+", "\\", "a\nb\tc", "\x7f", "/", "/a", "//b", "a//b", "a/", "a", "a/b",
            "c", "c/d", "d/", "d//", "...", ".x", "x.", "~", "http://h/", "&lt", ";", "=", "?html",
            "index.html", "x" * 255 + "/" + "y" * 255]
    with Server() as s:
        put(s, *keys)
        expected = {key: key.encode() for key in keys}
        for path, args in (("/keys/?html", ("-H", "Accept: */*")), ("/keys/?html&limit=2", HTML)):
            assert crawl(s, path, *args) == expected, path
        erased = [key for key in keys if key.endswith("/")]  # these win over the page of their folder
        for key in erased:
            assert curl("-X", "DELETE", f"{s.url}/keys/{quote(key)}").status == 204
            del expected[key]
        for args in (HTML, BROWSER):
            assert crawl(s, "/keys/", *args) == expected


@test
def a_component_of_dots_is_shown_without_a_link():
    with Server() as s:
        put(s, ".", "..", "../a", "./b", "c")
        page = get(s, "/keys/")
        assert [row[0] for row in page.rows[1:]] == [".", "..", "../", "./", "c"]
        assert page.links == {"c": "c"}


@test
def a_value_at_the_very_key_wins_unless_the_query_asks():
    with Server() as s:
        put(s, "a/", "a/b")
        assert curl(*HTML, s.url + "/keys/a/").body == b"a/"
        page = get(s, "/keys/a/?html")
        assert page.links == {"../": "../?html", "./": "./", "b": "b"}
        assert curl(s.url + resolve("/keys/a/?html", page.links["./"])).body == b"a/"


@test
def without_html_in_the_accept_header_nothing_changes():
    with Server() as s:
        put(s, "a/b")
        for accept in ("*/*", "text/*", "text/html;q=0", "application/json", "text/htmlx"):
            for path, status in (("/keys/a/", 404), ("/keys/", 200), ("/keys/a", 404)):
                answer = curl("-H", f"Accept: {accept}", s.url + path)
                assert answer.status == status, (accept, path)
                assert "json" in answer.headers["content-type"]
                assert "Accept" in answer.headers["vary"], (accept, path)
        for path in ("/keys", "/keys?html", "/keys/?format=json"):
            assert curl(*HTML, s.url + path).headers["content-type"] == "application/json", path


@test
def a_folder_without_keys_is_404():
    with Server() as s:
        put(s, "a/b", "ab")
        for path in ("/keys/b/", "/keys/ab/", "/keys/a/b/", "/keys/b/?html", "/keys/a%2F/", "/keys//"):
            answer = curl(*HTML, s.url + path)
            assert answer.status == 404, path
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["vary"] == "Accept"
        for path in ("/keys/b", "/keys/a/b/c?html", "/keys/a%2F", "/keys/a/" + 998 * "b"):
            assert curl(*HTML, s.url + path).status == 404, path
        for path in ("/keys/a/?html&limit=0", "/keys/a/?html&from=%ff", "/keys/%ff/?html"):
            assert curl(s.url + path).status == 400, path


@test
def the_path_of_a_folder_without_its_slash_leads_there_unless_it_is_a_key():
    with Server() as s:
        put(s, "a/b/c", "a:b/c", "d", "d/e")
        for path, location in (("/keys/a", "a/"), ("/keys/a/b", "b/"), ("/keys/a:b?limit=1", "./a:b/?limit=1")):
            answer = curl(*HTML, s.url + path)
            assert (answer.status, answer.headers["location"]) == (301, location), path
            assert answer.headers["vary"] == "Accept"
            assert get(s, path.partition("?")[0], "-L", *HTML).links["../"] == "../"
        assert curl(s.url + "/keys/a?html").headers["location"] == "a/?html"
        assert curl(*HTML, s.url + "/keys/d").body == b"d"


@test
def pages_hold_a_thousand_entries_where_the_query_asks_and_all_by_the_header_alone():
    keys = [f"f/{number:04}&" for number in range(1005)]
    with Server() as empty:
        empty.stop()
        os.makedirs(f"{empty.dir}/f")
        for key in keys:
            with open(f"{empty.dir}/{key}", "w", encoding="ascii") as file:
                file.write(key)
    with Server(dir=empty.dir) as s:
        put(s, "f/sub/a")
        first = get(s, "/keys/f/?html")
        link = first.links.pop("Next page")
        assert link == "?html&from=f/0999%26" and len(first.links) == 1001
        rest = get(s, "/keys/f/" + link)
        assert list(rest.links)[1:] == [key[2:] for key in keys[1000:]] + ["sub/"]
        assert rest.links["sub/"] == "sub/?html"
        whole = get(s, "/keys/f/")
        assert list(whole.links)[1:] == [key[2:] for key in keys] + ["sub/"]
        some = get(s, "/keys/f/?limit=3")
        assert some.links["Next page"] == "?limit=3&from=f/0002%26"


@test
def head_has_the_headers_of_get():
    with Server() as s:
        put(s, "a/b")
        for path in ("/keys/", "/keys/a/", "/keys/a/?html"):
            answer = curl("-I", *HTML, s.url + path)
            assert answer.status == 200, path
            assert answer.headers["content-type"] == "text/html; charset=utf-8"


@test
def each_entry_is_a_line_of_its_own_that_begins_its_link_alike():
    with Server() as s:
        put(s, "a/b", "a/c\nd", "a/e/f")
        lines = curl(*HTML, s.url + "/keys/a/").body.decode().split("\n")
        assert "<title>Index of /keys/a/</title>" in lines
        found = [line.split('<a href="')[1].split('"')[0] for line in lines if "<a " in line]
        assert found == ["../", "b", "c%0Ad", "e/"]


if __name__ == "__main__":
    main()
