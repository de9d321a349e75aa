"""The contract that the server gives of itself (/openapi.json) names every route, parameter, header and status that its
source knows, and no other; and it is valid OpenAPI."""
import glob
import gzip
import json
import os
import pathlib
import re
import subprocess

from diskvtest import Server, curl, main, test
from pypi import python_with

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
PACKAGE = "openapi-spec-validator==0.9.0"
METHODS = {"get", "head", "put", "post", "delete", "options", "patch", "trace"}

# A row of the table in route.c, without its braces.
ROW = re.compile(r'MATCH_(?P<match>\w+), "(?P<path>[^"]*)", (?P<query>NULL|"\w+"), (?P<methods>\w+(?: \| \w+)*), '
                 r'(?:NULL|&\w+_handler), (?:NULL|\w+)')
# A macro of libmicrohttpd's and the literal that it stands for.
CONSTANT = re.compile(r'^#define (MHD_HTTP_\w+)(?: |\\\n)+(\d{3}|"[^"]+")$', re.MULTILINE)

# What libmicrohttpd answers by itself, and what our list of errors calls the rest.
UNNAMED_STATUSES = {414, 431, 500}
# OpenAPI leaves these to the content of a request or an answer, or to HTTP.
UNNAMED_HEADERS = {"accept", "connection", "content-length", "content-type", "date", "transfer-encoding"}


def source(*names):
    """The text of files of src/http."""
    paths = sorted(path for name in names for path in glob.glob(os.path.join(ROOT, "src/http", name)))
    return "\n".join(pathlib.Path(path).read_text(encoding="utf-8") for path in paths)


def contract():
    with open(os.path.join(ROOT, "www/openapi.json"), encoding="utf-8") as file:
        return json.load(file)


def resolved(document, node):
    """What a reference stands for."""
    while "$ref" in node:
        target = document
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def operations(document):
    """{(path, method): operation}, each with the parameters of its path."""
    found = {}
    for path, item in document["paths"].items():
        for method in METHODS & set(item):
            parameters = item.get("parameters", []) + item[method].get("parameters", [])
            found[path, method] = {**item[method], "parameters": [resolved(document, p) for p in parameters]}
    return found


def parameters_of(operation, where, required=False):
    return {p["name"] for p in operation["parameters"] if p["in"] == where and (p.get("required") or not required)}


def files_of_the_page():
    with open(os.path.join(ROOT, "www/meson.build"), encoding="utf-8") as file:
        listed = re.findall(r"^  '([^']+)',$", file.read(), re.MULTILINE)
    assert "index.html" in listed
    return ["/" + name if name != "index.html" else "/" for name in listed]


def methods_of(text):
    text = text.replace("READ", "METHOD_GET | METHOD_HEAD")
    assert re.fullmatch(r"0|METHOD_[A-Z]+( \| METHOD_[A-Z]+)*", text), text
    return {name.lower() for name in re.findall("METHOD_([A-Z]+)", text)} | {"options"}


def routes():
    """The rows of the table in route.c: (path of the contract, parameter that must be there or None, methods)."""
    table = re.search(r"\} routes\[\] = \{\n(.*?)\n\};", source("route.c"), re.DOTALL)[1]
    table = re.sub(r"/\*.*?\*/", "", table, flags=re.DOTALL)
    rows = [" ".join(row.split()) for row in re.findall(r"\{([^}]*)\},", table)]
    assert rows and not re.sub(r"\{[^}]*\},", "", table).strip(), table
    found = []
    for text in rows:
        row = ROW.fullmatch(text)
        assert row, f"a row of another form: {text}"
        query = None if row["query"] == "NULL" else row["query"].strip('"')
        paths = {"WHOLE": [row["path"]], "BELOW": [row["path"] + "{key}"],
                 "ASSET": ["/", "/openapi.json", "/{file}"], "SITE": ["/{file}"]}[row["match"]]
        found += [(path, query, methods_of(row["methods"])) for path in paths if path != "*"]  # no path: OPTIONS *
    return found


def constants():
    """{"MHD_HTTP_OK": "200", "MHD_HTTP_HEADER_ETAG": "ETag", …} of libmicrohttpd's header."""
    found = dict(CONSTANT.findall(open("/usr/include/microhttpd.h", encoding="utf-8").read()))
    assert len(found) > 100
    return {name: value.strip('"') for name, value in found.items()}


def is_path_of(path, template):
    return re.fullmatch(template.replace("{key}", ".*").replace("{file}", "(?!keys|rescan).+"), path) is not None


@test
def the_routes_and_the_contract_name_the_same_paths_and_methods():
    named = {(path, method) for path, _, methods in routes() for method in methods}
    assert named == set(operations(contract())), named ^ set(operations(contract()))


@test
def a_parameter_that_chooses_a_route_is_in_the_contract():
    written = operations(contract())
    for path, query, methods in routes():
        for method in methods - {"options"} if query else ():
            others = [q for p, q, m in routes() if p == path and method in m]
            required = set(others) == {query}
            assert query in parameters_of(written[path, method], "query", required), (path, method, query)


@test
def each_path_of_the_contract_takes_the_methods_of_its_routes():
    queries = "&".join(sorted({query for _, query, _ in routes() if query}))
    with Server() as s:
        for path in ("/keys", "/keys/", "/keys/a", "/keys/a/b/", "/healthz", "/readyz", "/stats", "/rescan",
                     *files_of_the_page()):
            for query in ("", queries):
                allow = curl("-X", "OPTIONS", f"{s.url}{path}?{query}").headers["allow"].lower().split(", ")
                methods = set().union(*(m for p, q, m in routes() if is_path_of(path, p) and (query or not q)))
                assert sorted(allow) == sorted(methods), (path, query, allow)


@test
def the_code_and_the_contract_name_the_same_query_parameters():
    read = set(re.findall(r'\b(?:query_has|query_text|query_number|read_text)\(r(?:->query)?, "(\w+)"', source("*.c")))
    read |= {query for _, query, _ in routes() if query}
    written = set().union(*(parameters_of(o, "query") for o in operations(contract()).values()))
    assert read == written, read ^ written


@test
def the_code_and_the_contract_name_the_same_statuses():
    number = constants()
    code = source("*.c")
    names = set(re.findall(r"\bMHD_HTTP_(?!HEADER_|METHOD_(?!NOT_ALLOWED))[A-Z_]+\b", code))
    used = {int(number[name]) for name in names}
    used |= {int(status) for status in re.findall(r"X\(E[A-Z]+, (\d{3})\)", source("problem.c"))}
    assert 404 in used and 412 in used
    written = {int(status) for o in operations(contract()).values() for status in o["responses"]}
    assert used | UNNAMED_STATUSES == written, (used | UNNAMED_STATUSES) ^ written


@test
def the_code_and_the_contract_name_the_same_headers():
    document, number = contract(), constants()
    code = source("*.c")
    used = {number[name] for name in set(re.findall(r"\bMHD_HTTP_HEADER_[A-Z0-9_]+\b", code))}
    used |= set(re.findall(r'"((?:[A-Z][A-Za-z0-9]*-)+[A-Z][A-Za-z0-9]*)"', code))
    written = set()
    for operation in operations(document).values():
        written |= parameters_of(operation, "header")
        written |= {name for r in operation["responses"].values() for name in resolved(document, r).get("headers", {})}
    used, written = ({name.lower() for name in names} - UNNAMED_HEADERS for names in (used, written))
    assert "etag" in used and "x-content-type-options" in used
    assert used == {name for name in written if not name.startswith("x-meta-")}, used ^ written


@test
def nothing_of_the_contract_is_left_unused():
    text = json.dumps(contract())
    for kind, members in contract()["components"].items():
        for name in members:
            assert f'"#/components/{kind}/{name}"' in text, (kind, name)


@test
def the_contract_is_served_as_json_and_compressed_where_that_is_accepted():
    with Server() as s:
        answer = curl(s.url + "/openapi.json")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert json.loads(answer.body) == contract()
        assert contract()["info"]["version"] == json.loads(curl(s.url + "/stats").body)["version"]
        packed = curl("-H", "Accept-Encoding: gzip", s.url + "/openapi.json")
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == answer.body
        etag = packed.headers["etag"]
        assert etag != answer.headers["etag"]
        again = curl("-H", "Accept-Encoding: gzip", "-H", f"If-None-Match: {etag}", s.url + "/openapi.json")
        assert again.status == 304


@test
def a_site_does_not_take_the_place_of_the_contract():
    with Server("--site", "www/") as s:
        assert curl("-T", "-", s.url + "/keys/www/openapi.json", input=b"{}").status == 201
        assert json.loads(curl(s.url + "/openapi.json").body) == contract()


@test
def the_contract_is_valid_openapi_and_its_examples_fit_their_schemas():
    program = """
import json, sys
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
document = json.load(open(sys.argv[1], encoding="utf-8"))
validate(document)
def check(schema, example):
    OAS31Validator({**schema, "components": document["components"]}).validate(example)
for parts in (document["components"]["parameters"], document["components"]["headers"]):
    for part in parts.values():
        check(part["schema"], part["example"]) if "example" in part else None
for schema in document["components"]["schemas"].values():
    check(schema, schema["example"]) if "example" in schema else None
"""
    python = python_with("openapi", PACKAGE)
    run = subprocess.run([python, "-I", "-c", program, os.path.join(ROOT, "www/openapi.json")], check=False,
                         stderr=subprocess.PIPE)
    assert run.returncode == 0, run.stderr.decode()


if __name__ == "__main__":
    main()
