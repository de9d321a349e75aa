"""REDbot finds nothing to warn of in a value that is plain, compressed at rest, asked for in part, unchanged or
missing, nor in the listing and the page. It is fetched from PyPI into the build directory."""
import json
import subprocess
import urllib.request

from diskvtest import Server, curl, main, test
from pypi import python_with

PACKAGE = "redbot==2.7.1"
TEXT = b"a line of a text that is worth compressing\n" * 1000
# A value goes out with the Cache-Control that its upload named. Without one how long a cache may keep it is for the
# cache to say: the server cannot know when a client will change it.
UNNAMED = ("FRESHNESS_HEURISTIC",)
SIDES = ("INM_304", "IMS_304", "RANGE_CORRECT")  # REDbot asks for these by itself where they are offered

# Runs in REDbot's environment: its command line takes no headers.
PROGRAM = """
import configparser, json, sys, thor
from redbot.resource import HttpResource
config = configparser.ConfigParser()
config.read_dict({"redbot": {"enable_local_access": "True"}})
resource = HttpResource(config["redbot"])
resource.set_request(sys.argv[1], headers=[tuple(header.split(": ", 1)) for header in sys.argv[2:]])
resource.on("check_done", thor.stop)
resource.check()
thor.run()
def flat(notes):
    return [found for note in notes for found in [note, *flat(note.subnotes)]]
print(json.dumps({"status": resource.response.status_code, "error": str(resource.fetch_error or ""),
                  "notes": {type(note).__name__: [note.level.name, str(note.summary)]
                            for note in flat(resource.response.notes)}}))
"""


def check(url, *headers, status=200, good=(), known=()):
    """No warning but the `known` ones, which must come; the notes of `good` must come and be good or plain facts."""
    command = [python_with("redbot", PACKAGE), "-I", "-c", PROGRAM, url, *headers]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=120)
    found = json.loads(run.stdout)
    assert (found["status"], found["error"]) == (status, ""), found
    warnings = {name for name, (level, _) in found["notes"].items() if level in ("WARN", "BAD")}
    assert warnings == set(known), {name: found["notes"].get(name) for name in warnings ^ set(known)}
    assert set(good) <= set(found["notes"]), found["notes"]


def put(server, *options, value=TEXT):
    url = server.url + "/keys/folder/a.txt"
    assert curl("-T", "-", *options, url, input=value).status == 201
    return url


@test
def a_plain_value_warns_of_nothing():
    with Server() as s:
        check(put(s), good=("CL_CORRECT", *SIDES), known=UNNAMED)


@test
def a_value_with_metadata_warns_of_nothing():
    with Server() as s:
        check(put(s, "-H", "Content-Type: text/plain; charset=utf-8", "-H", "Cache-Control: max-age=3600",
                  "-H", "Content-Language: en", "-H", 'Content-Disposition: inline; filename="a.txt"',
                  "-H", "X-Meta-Author: somebody"), good=SIDES)


@test
def a_value_compressed_at_rest_warns_of_nothing():
    with Server("--compress", "gzip") as s:
        check(put(s), good=("CONNEG_GZIP_GOOD", *SIDES), known=UNNAMED)
        check(f"{s.url}/keys/folder/a.txt", "Accept-Encoding: gzip", known=UNNAMED)


@test
def an_empty_value_warns_of_nothing():
    with Server() as s:
        check(put(s, value=b""), known=UNNAMED)


@test
def a_part_of_a_value_warns_of_nothing():
    for options in ((), ("--compress", "gzip")):
        with Server(*options) as s:
            check(put(s), "Range: bytes=10-19", status=206, known=UNNAMED)
            check(f"{s.url}/keys/folder/a.txt", "Range: bytes=0-1,5-6", status=206, known=UNNAMED)
            check(f"{s.url}/keys/folder/a.txt", f"Range: bytes={len(TEXT)}-", status=416)


@test
def a_value_that_has_not_changed_warns_of_nothing():
    for options in ((), ("--compress", "gzip")):
        with Server(*options) as s:
            url = put(s)
            with urllib.request.urlopen(url) as answer:
                etag, modified = answer.headers["ETag"], answer.headers["Last-Modified"]
            check(url, f"If-None-Match: {etag}", status=304)
            check(url, f"If-Modified-Since: {modified}", status=304)


@test
def a_missing_value_warns_of_nothing():
    with Server() as s:
        check(s.url + "/keys/none", status=404)


@test
def the_listing_the_page_and_what_tells_of_the_server_warn_of_nothing():
    with Server() as s:
        url = put(s)
        for about in (s.url + "/keys", url + "?meta", s.url + "/stats", s.url + "/healthz", s.url + "/"):
            check(about)


@test
def what_is_true_only_now_is_not_for_caches_to_keep():
    with Server() as s:
        for url in (put(s) + "?meta", *(s.url + path for path in ("/keys", "/stats", "/healthz", "/readyz"))):
            assert curl(url).headers["cache-control"] == "no-store", url


if __name__ == "__main__":
    main()
