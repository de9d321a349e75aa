"""What schemathesis is told beside the contract: how to make bodies, and what else holds of answers."""
import io
import json
import tarfile

import schemathesis
from hypothesis import strategies as st
from jsonschema_rs import validator_for

# Of HTTP itself: no contract names them.
OF_HTTP = {"connection", "content-length", "content-type", "date", "transfer-encoding"}
NAMES = st.sampled_from(["a", "./a", "a/b", "c.txt", "ü", "/a", "../a", "a//b", "x" * 300])
KINDS = st.sampled_from([*[tarfile.REGTYPE] * 5, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
ENTRIES = st.tuples(NAMES | st.text(min_size=1, max_size=20), KINDS, st.binary(max_size=1000))


@st.composite
def tars(draw):
    out = io.BytesIO()
    form = draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    with tarfile.open(fileobj=out, mode=draw(st.sampled_from(["w", "w:gz"])), format=form) as tar:
        for name, kind, content in draw(st.lists(ENTRIES, max_size=5)):
            entry = tarfile.TarInfo(name.encode(errors="replace").decode())
            entry.type, entry.linkname, entry.size = kind, "a", len(content) if kind == tarfile.REGTYPE else 0
            tar.addfile(entry, io.BytesIO(content))
    whole = out.getvalue()
    return whole[:draw(st.sampled_from([len(whole)] * 3 + [len(whole) // 2]))]


schemathesis.openapi.media_type("application/octet-stream", st.binary(max_size=5000))
schemathesis.openapi.media_type("application/x-tar", tars())


def documented(case, response):
    """What the contract says of an answer with this status; {} where nothing."""
    document = case.operation.schema.raw_schema
    operation = document["paths"][case.operation.path].get(case.method.lower())
    if operation is None:  # a method that the path does not take
        return document["components"]["responses"]["MethodNotAllowed"]
    answer = operation["responses"].get(str(response.status_code), {})
    return document["components"]["responses"][answer["$ref"].split("/")[-1]] if "$ref" in answer else answer


@schemathesis.check
def headers_are_documented(ctx, response, case):
    known = {name.lower() for name in documented(case, response).get("headers", {})} | OF_HTTP
    unknown = {name.lower() for name in response.headers} - known
    unknown = sorted(name for name in unknown if not name.startswith("x-meta-"))
    assert not unknown, f"headers that the contract does not name: {unknown}"


def validator(case, name):
    document = case.operation.schema.raw_schema
    return validator_for({"$ref": f"#/components/schemas/{name}", "components": document["components"]})


@schemathesis.check
def contents_are_as_documented(ctx, response, case):
    """Those that share a status with values, or have no schema for the whole of them."""
    kind, path, query = response.headers.get("content-type"), case.operation.path, case.query or {}
    if kind == ["application/problem+json"] and response.status_code >= 400 and response.content:
        validator(case, "Problem").validate(json.loads(response.content))
    if response.status_code != 200:
        return
    if case.method == "GET" and path == "/keys/{key}" and "meta" in query and kind == ["application/json"]:
        validator(case, "Meta").validate(json.loads(response.content))
    if case.method == "GET" and path != "/keys/{key}" and kind == ["application/x-ndjson"]:
        for line in response.content.splitlines():
            validator(case, "Line").validate(json.loads(line))
    if case.method == "GET" and path != "/keys/{key}" and kind == ["application/x-tar"]:
        tarfile.open(fileobj=io.BytesIO(response.content)).getmembers()
    if case.method == "POST" and "prefix" in query:
        validator(case, "TarResult").validate(json.loads(response.content))
    elif case.method == "POST":
        assert response.content == b"" and "location" in response.headers
