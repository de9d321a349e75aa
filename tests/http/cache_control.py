"""--cache-control PATTERN=VALUE: the Cache-Control of values that bring none."""
from urllib.parse import quote

from diskvtest import Server, curl, main, test

IMMUTABLE = "public, max-age=31536000, immutable"


def put(s, key, *options):
    answer = curl("-T", "-", *options, f"{s.url}/keys/{key}", input=b"all work and no play")
    assert answer.status in (201, 204), answer
    return answer


def shown(s, key, *options):
    answer = curl(*options, f"{s.url}/keys/{key}")
    return answer.status, answer.headers.get("cache-control")


@test
def a_value_without_one_gets_that_of_the_rule_for_its_key():
    with Server("--cache-control", f"assets/*={IMMUTABLE}") as s:
        for key in ("assets/app.js", "assets/deep/app.js", "assets/", "other", "x/assets/app.js"):
            put(s, key)
            expected = IMMUTABLE if key.startswith("assets/") else None
            assert shown(s, key) == (200, expected), key
            assert shown(s, key, "-I") == (200, expected), key


@test
def a_part_and_a_304_bear_it_too():
    with Server("--cache-control", "*=max-age=60") as s:
        tag = put(s, "a").headers["etag"]
        assert shown(s, "a", "-H", "Range: bytes=0-2") == (206, "max-age=60")
        assert shown(s, "a", "-H", "Range: bytes=0-0,2-2") == (206, "max-age=60")
        assert shown(s, "a", "-H", f"If-None-Match: {tag}") == (304, "max-age=60")


@test
def what_a_value_brings_counts_more():
    with Server("--cache-control", "*=max-age=60") as s:
        tag = put(s, "a", "-H", "Cache-Control: no-store").headers["etag"]
        assert shown(s, "a") == (200, "no-store")
        assert shown(s, "a", "-H", f"If-None-Match: {tag}") == (304, "no-store")
        put(s, "b", "-H", "Content-Language: de")
        assert shown(s, "b") == (200, "max-age=60")


@test
def the_first_rule_that_matches_counts():
    rules = ("*.html=no-cache", "site/*=max-age=60", "*=max-age=1")
    with Server(*(word for rule in rules for word in ("--cache-control", rule))) as s:
        for key, expected in (("site/index.html", "no-cache"), ("site/a.js", "max-age=60"), ("a.js", "max-age=1")):
            put(s, key)
            assert shown(s, key) == (200, expected), key


@test
def patterns_are_those_of_the_shell():
    rules = ("[ab]?.js=1", "\\*=2", "ä*=3", "*/=4")
    with Server(env={"DISKV_CACHE_CONTROL": ";".join(rules)}) as s:
        keys = {"a1.js": "1", "b/.js": "1", "c1.js": None, "a12.js": None, "*": "2", "x": None, "ä": "3", "ö": None, "x//": "4"}
        for key, expected in keys.items():
            put(s, quote(key))
            assert shown(s, quote(key)) == (200, expected), key


@test
def what_is_no_value_does_not_get_it():
    with Server("--cache-control", "*=max-age=60") as s:
        tag = put(s, "a").headers["etag"]
        for options, status in (([], 404), (["-H", f"If-Match: {tag}"], 404)):
            assert shown(s, "b", *options) == (status, None)
        assert shown(s, "a", "-H", 'If-Match: "x"') == (412, None)
        assert shown(s, "a", "-H", "Range: bytes=100-") == (416, None)
        assert shown(s, "a?meta") == (200, "no-store")


if __name__ == "__main__":
    main()
