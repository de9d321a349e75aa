"""DELETE erases a key, conditionally if asked."""
import os

from diskvtest import Server, curl, main, test


def put(s, key, body):
    return curl("-T", "-", f"{s.url}/keys/{key}", input=body)


def delete(s, key, *options):
    return curl("-X", "DELETE", *options, f"{s.url}/keys/{key}")


@test
def a_key_is_erased_once():
    with Server() as s:
        put(s, "a/b", b"1")
        answer = delete(s, "a/b")
        assert (answer.status, answer.body) == (204, b"")
        assert curl(s.url + "/keys/a/b").status == 404
        assert delete(s, "a/b").status == 404
        assert not os.path.exists(os.path.join(s.dir, "a"))


@test
def only_that_key_is_erased():
    with Server() as s:
        for key in ("a", "a/b", "a/b/c"):
            put(s, key, key.encode())
        assert delete(s, "a/b").status == 204
        assert curl(s.url + "/keys/a").body == b"a"
        assert curl(s.url + "/keys/a/b/c").body == b"a/b/c"


@test
def a_stale_if_match_erases_nothing():
    with Server() as s:
        old = put(s, "a", b"1").headers["etag"]
        new = put(s, "a", b"2").headers["etag"]
        assert delete(s, "a", "-H", f"If-Match: {old}").status == 412
        assert curl(s.url + "/keys/a").body == b"2"
        assert delete(s, "a", "-H", f"If-Match: {new}").status == 204


@test
def a_missing_key_is_404_whatever_the_conditions():
    with Server() as s:
        assert delete(s, "a", "-H", 'If-Match: "x"').status == 404
        assert delete(s, "a", "-H", "If-None-Match: *").status == 404


@test
def the_listing_itself_cannot_be_erased():
    with Server() as s:
        assert delete(s, "").status == 400
        assert curl("-X", "DELETE", s.url + "/keys").status == 400


if __name__ == "__main__":
    main()
