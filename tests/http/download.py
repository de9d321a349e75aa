"""Small helps for people: ?download, and curl -T with a name of its own."""
import json
import os
import re
import subprocess
import tempfile
from urllib.parse import quote, unquote

from diskvtest import Server, curl, main, test


def put(s, key, *options):
    answer = curl("-T", "-", *options, f"{s.url}/keys/{quote(key, safe='/')}", input=b"all work and no play")
    assert answer.status in (201, 204), answer
    return answer


def disposition(s, key, *options, query="download"):
    answer = curl(*options, f"{s.url}/keys/{quote(key, safe='/')}?{query}")
    assert answer.status in (200, 206), answer
    return answer.headers.get("content-disposition")


def name_in(field):
    """What RFC 8187 makes of the field's filename*."""
    value = re.fullmatch(r"attachment; filename=\"[^\"\\%]*\"; filename\*=UTF-8''((?:[\w!#$&+.^`|~-]|%[0-9A-F]{2})*)", field, re.ASCII)
    return unquote(value[1], errors="strict")


@test
def download_names_the_file_by_the_last_part_of_the_key():
    with Server() as s:
        for key in ("a.txt", "photos/2024/a.txt", "a.txt/", "x/a.txt///"):
            put(s, key)
            assert disposition(s, key) == "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt", key
        put(s, "///")
        assert disposition(s, "///") == "attachment"


@test
def any_name_comes_through_whole():
    names = ("naïve Übersicht.pdf", "日本語.txt", "a b\tc\r\nd", 'say "yes" \\ 100%.txt', "a;b='c'*,d", "😀", "%41", "\x7f\x01", "-" * 900,
             "é" * 499, "\x01" * 998)
    with Server() as s:
        for name in names:
            put(s, "x/" + name, "-H", "X-Meta-Note: " + "x" * 1900)  # as much as there may be of headers
            field = disposition(s, "x/" + name)
            assert field.isascii() and field.isprintable()
            assert name_in(field) == name


@test
def clients_that_know_only_ascii_get_a_name_without_traps():
    with Server() as s:
        for name, plain in (("naïve.pdf", "na_ve.pdf"), ("日本.txt", "__.txt"), ("a\"b\\c%41d", "a_b_c_41d"), ("a\nb\x7f", "a_b_"),
                            ("a;b='c'", "a;b='c'")):
            put(s, name)
            assert disposition(s, name).startswith(f'attachment; filename="{plain}"; '), name


@test
def download_takes_the_place_of_a_stored_disposition():
    stored = 'inline; filename="b.txt"'
    with Server() as s:
        put(s, "a.txt", "-H", f"Content-Disposition: {stored}")
        ours = "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt"
        assert disposition(s, "a.txt", query="x") == stored
        for options in ([], ["-I"], ["-H", "Range: bytes=0-3"]):
            for query in ("download", "download=", "x=1&download=1"):
                assert disposition(s, "a.txt", *options, query=query) == ours, (options, query)


@test
def what_is_no_value_has_no_disposition():
    with Server() as s:
        tag = put(s, "a").headers["etag"]
        for key, options, status in (("b", [], 404), ("a", ["-H", 'If-Match: "x"'], 412), ("a", ["-H", f"If-None-Match: {tag}"], 304)):
            answer = curl(*options, f"{s.url}/keys/{key}?download")
            assert (answer.status, answer.headers.get("content-disposition")) == (status, None)


@test
def curl_saves_it_under_its_name():
    with Server() as s, tempfile.TemporaryDirectory() as folder:
        put(s, "photos/a b.txt")
        subprocess.run(["curl", "-q", "-sS", "--noproxy", "*", "-OJ", f"{s.url}/keys/photos/a%20b.txt?download"], cwd=folder, check=True)
        assert os.listdir(folder) == ["a b.txt"]


@test
def the_metadata_of_a_missing_key_are_a_404_in_json():
    with Server() as s:
        for key in ("a", "a/b", "a%20b/"):
            answer = curl(f"{s.url}/keys/{key}?meta")
            assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
            assert json.loads(answer.body)["status"] == 404
            head = curl("-I", f"{s.url}/keys/{key}?meta")
            assert (head.status, head.body) == (404, b"")


@test
def curl_appends_the_names_of_files_to_a_folder():
    with Server() as s, tempfile.TemporaryDirectory() as folder:
        for name in ("a.txt", "b c.txt", "ü"):
            with open(os.path.join(folder, name), "w") as file:
                file.write(name)
        upload = ["curl", "-q", "-sS", "--fail", "--noproxy", "*"]
        subprocess.run([*upload, "-T", "a.txt", f"{s.url}/keys/"], cwd=folder, check=True)
        subprocess.run([*upload, "-T", "{a.txt,b c.txt,ü}", f"{s.url}/keys/photos/"], cwd=folder, check=True)
        for key, body in (("a.txt", "a.txt"), ("photos/a.txt", "a.txt"), ("photos/b%20c.txt", "b c.txt"), ("photos/%C3%BC", "ü")):
            assert curl(f"{s.url}/keys/{key}").body == body.encode(), key
        subprocess.run([*upload, "-T", "-", f"{s.url}/keys/stdin"], input=b"piped", check=True)
        assert curl(s.url + "/keys/stdin").body == b"piped"
        nameless = curl("-T", "-", s.url + "/keys/", input=b"piped")
        assert nameless.status == 400


if __name__ == "__main__":
    main()
