"""GET /keys lists keys in byte order, page by page."""
import json
import os
import re
import time
from urllib.parse import quote

from diskvtest import Server, curl, main, test


def put(s, *keys):
    for key in keys:
        answer = curl("-T", "-", f"{s.url}/keys/{quote(key, safe='')}", input=key.encode())
        assert answer.status == 201, (key, answer)


def page(s, **query):
    text = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
    answer = curl(f"{s.url}/keys?{text}")
    assert answer.status == 200, (query, answer)
    return json.loads(answer.body)


def names(s, **query):
    return [item["key"] for item in page(s, **query)["keys"]]


@test
def an_empty_store_lists_nothing():
    with Server() as s:
        for path in ("/keys", "/keys/", "/keys?"):
            answer = curl(s.url + path)
            assert answer.headers["content-type"] == "application/json"
            assert json.loads(answer.body) == {"keys": [], "prefixes": []}


@test
def keys_come_in_byte_order_with_what_a_head_says_of_them():
    with Server() as s:
        put(s, "b", "a/b", "a", "a.b", "é", "A")
        assert names(s) == ["A", "a", "a.b", "a/b", "b", "é"]
        item, head = page(s)["keys"][1], curl("-I", s.url + "/keys/a").headers
        assert item["size"] == 1
        assert f'"{item["etag"]}"' == head["etag"]
        assert item["type"] == head["content-type"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z", item["modified"])


@test
def any_key_survives_the_json():
    odd = ['"', "\\", "\x01\x1f\x7f", "\u2028\u2029", "\U0001f600", "a\nb\tc", "</script>", "+"]
    with Server() as s:
        put(s, *odd)
        assert names(s) == sorted(odd, key=str.encode)
        assert curl(s.url + "/keys").body.isascii() is False  # only what must be is escaped
        assert "\u2028".encode() not in curl(s.url + "/keys").body


@test
def pages_join_without_gaps_or_repeats():
    keys = sorted(f"k{i:03}" for i in range(25))
    with Server() as s:
        put(s, *keys)
        for limit in (1, 7, 24, 25, 26):
            seen, query = [], {}
            while True:
                answer = page(s, limit=limit, **query)
                assert len(answer["keys"]) <= limit
                seen += [item["key"] for item in answer["keys"]]
                if "next" not in answer:
                    break
                query = {"from": answer["next"]}
            assert seen == keys, limit


@test
def from_need_not_be_a_key():
    with Server() as s:
        put(s, "a", "c", "e")
        for start, rest in (("a", ["c", "e"]), ("b", ["c", "e"]), ("", ["a", "c", "e"]),
                            ("c/x", ["e"]), ("e", []), ("z", [])):
            assert names(s, **{"from": start}) == rest, start


@test
def a_prefix_narrows_and_a_delimiter_folds():
    with Server() as s:
        put(s, "a/1", "a/2", "a/b/3", "a/b/4", "b", "c/5")
        assert names(s, prefix="a/b") == ["a/b/3", "a/b/4"]
        answer = page(s, delimiter="/")
        assert [item["key"] for item in answer["keys"]] == ["b"]
        assert answer["prefixes"] == ["a/", "c/"]
        answer = page(s, prefix="a/", delimiter="/")
        assert [item["key"] for item in answer["keys"]] == ["a/1", "a/2"]
        assert answer["prefixes"] == ["a/b/"]


@test
def folded_pages_join_too():
    with Server() as s:
        put(s, "a/1", "a/2", "b", "c/1", "c/2", "d")
        seen, query = [], {}
        while True:
            answer = page(s, delimiter="/", limit=1, **query)
            seen += [item["key"] for item in answer["keys"]] + answer["prefixes"]
            if "next" not in answer:
                break
            query = {"from": answer["next"]}
        assert seen == ["a/", "b", "c/", "d"]


@test
def a_plus_in_the_query_is_a_plus():
    with Server() as s:
        put(s, "a+b", "a b")
        assert json.loads(curl(s.url + "/keys?prefix=a+b").body)["keys"][0]["key"] == "a+b"
        assert names(s, prefix="a b") == ["a b"]


@test
def what_other_programs_change_is_listed_within_seconds_of_a_restart():
    with Server() as s:
        put(s, "a")
        s.stop()
        os.rename(os.path.join(s.dir, "a"), os.path.join(s.dir, "b"))
        with Server(dir=s.dir) as again:
            assert names(again) == ["b"]


def assert_items_agree_with_heads(s, expected):
    items = page(s)["keys"]
    assert [item["key"] for item in items] == sorted(expected)
    for item in items:
        head = curl("-I", f"{s.url}/keys/{item['key']}").headers
        assert (f'"{item["etag"]}"', str(item["size"]), item["type"]) == (
            head["etag"], head["content-length"], head["content-type"]), (item, head)


@test
def what_was_listed_before_is_listed_as_it_is_now():
    with Server() as s:
        kept = ["edited", "replaced", "retyped", "overwritten", "as-it-was"]
        put(s, "erased", "removed", *kept)
        time.sleep(0.2)  # what changed a moment ago is looked at again in any case
        assert_items_agree_with_heads(s, ["erased", "removed", *kept])
        with open(f"{s.dir}/edited", "r+b") as file:
            file.write(b"E")
        with open(f"{s.dir}/new", "wb") as file:
            file.write(b"another")
        os.rename(f"{s.dir}/new", f"{s.dir}/replaced")
        os.setxattr(f"{s.dir}/retyped", "user.mime_type", b"text/x-new")
        os.remove(f"{s.dir}/removed")
        assert curl("-X", "DELETE", s.url + "/keys/erased").status == 204
        assert curl("-T", "-", s.url + "/keys/overwritten", input=b"longer than it was").status == 204
        for _ in range(3):
            assert_items_agree_with_heads(s, kept)
            time.sleep(0.2)


@test
def a_listing_longer_than_there_is_memory_for_is_whole():
    with Server("--cache-bytes", 4096) as s:
        keys = [f"k{number:03}" for number in range(150)]
        for key in keys:
            assert curl("-T", "-", f"{s.url}/keys/{key}", input=b"x" * int(key[1:])).status == 201
        time.sleep(0.2)
        for _ in range(3):
            assert [(item["key"], item["size"]) for item in page(s)["keys"]] == [(key, int(key[1:])) for key in keys]


@test
def a_bad_parameter_is_400_and_named():
    long = "x" * 1001
    with Server() as s:
        for query in ("limit=0", "limit=abc", "limit=10001", "limit=-1", "limit=", "limit=1e3",
                      "limit=99999999999999999999", "from=%ff", "from=%", "from=%00",
                      "prefix=%e2%82",
                      f"from={long}", f"prefix={long}", f"delimiter={long}"):
            answer = curl(f"{s.url}/keys?{query}")
            assert answer.status == 400, query
            assert query.split("=")[0] in json.loads(answer.body)["detail"]
        for query in ("limit=1", "limit=10000", "limit=0010", "unknown=%zz", "from=" + long[1:]):
            assert curl(f"{s.url}/keys?{query}").status == 200, query


@test
def a_long_page_is_compressed_where_the_client_accepts_it():
    with Server() as s:
        for number in range(50):
            put(s, f"k{number}")
        plain = curl(s.url + "/keys")
        packed = curl("--compressed", s.url + "/keys")
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert plain.headers["vary"] == packed.headers["vary"] == "Accept, Accept-Encoding"
        assert packed.body == plain.body
        assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
        assert "content-encoding" not in curl("-H", "Accept-Encoding: gzip;q=0", s.url + "/keys").headers
        assert "content-encoding" not in curl("--compressed", s.url + "/keys?limit=1").headers


if __name__ == "__main__":
    main()
