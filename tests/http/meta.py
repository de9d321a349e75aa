"""GET /keys/<key>?meta says what is known of a value."""
import json

from diskvtest import Server, curl, main, test


@test
def the_metadata_agree_with_the_value_and_the_listing():
    with Server() as s:
        curl("-T", "-", "-H", "Content-Type: text/plain", s.url + "/keys/a%22b", input=b"hello")
        answer, value = curl(s.url + "/keys/a%22b?meta"), curl(s.url + "/keys/a%22b")
        meta = json.loads(answer.body)
        assert answer.headers["content-type"] == "application/json"
        assert (meta["key"], meta["size"], meta["type"]) == ('a"b', 5, "text/plain")
        assert f'"{meta["etag"]}"' == value.headers["etag"]
        assert json.loads(curl(s.url + "/keys").body)["keys"] == [meta]


@test
def a_value_without_a_type_has_the_one_that_it_is_served_with():
    with Server() as s:
        curl("-T", "-", s.url + "/keys/a", input=b"hello")
        meta = json.loads(curl(s.url + "/keys/a?meta=1&x").body)
        assert meta["type"] == "application/octet-stream"


@test
def a_missing_key_is_404_and_a_bad_one_400():
    with Server() as s:
        assert curl(s.url + "/keys/a?meta").status == 404
        assert curl(s.url + "/keys/%ff?meta").status == 400


@test
def another_parameter_is_no_meta():
    with Server() as s:
        curl("-T", "-", s.url + "/keys/a", input=b"hello")
        for query in ("metadata", "x=meta", "a&b"):
            assert curl(f"{s.url}/keys/a?{query}").body == b"hello"


if __name__ == "__main__":
    main()
