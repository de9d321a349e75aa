"""The public lists of HTTP/1.1 conformance cases in tests/data/http-cases (its README tells of the fields): each case's
bytes get the answers that the case names and no other, the connection then stays open or is closed as it says, and
the key that most cases aim at holds its old value unless the case says that it stores another. Where that is not
what the list asks for, the case says why."""
import json
import os
import re
import select
import socket

from diskvtest import Server, curl, main, test

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "http-cases")
LAST = b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
SEED = "the value before"
SILENCE = 0.05  # seconds in which an answer that should not come would


def cases(name):
    with open(os.path.join(CASES, name), encoding="utf-8") as file:
        return json.load(file)


def encode(parts, answer):
    """A case's bytes. `answer` is the one to a GET of the key, whose validators some cases quote."""
    text = parts if isinstance(parts, str) else "".join(
        part if isinstance(part, str) else part[0] * part[1] for part in parts)
    for name, value in (("{etag}", answer.headers["etag"]), ("{opaque}", answer.headers["etag"].strip('"')),
                        ("{last-modified}", answer.headers["last-modified"])):
        text = text.replace(name, value)
    return text.encode("latin-1")


def send(connection, data):
    try:
        connection.sendall(data)
    except ConnectionError:
        pass  # refused half way: the answer may be there all the same


def exchange(port, case, start):
    """All that the server answers to the case and to a request behind it, until it closes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        send(connection, start)
        if case["ends"] == "waits":
            assert not select.select([connection], [], [], SILENCE)[0], f"{case['name']}: did not wait"
        if case["ends"] == "waits" and "rest" not in case:
            connection.shutdown(socket.SHUT_WR)
        else:
            send(connection, case.get("rest", "").encode() + LAST)
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass  # closed, with something unread
        except TimeoutError:
            raise AssertionError(f"{case['name']}: still open after {answer!r:.300}") from None
    return answer.decode("latin-1")


def check(server, case):
    name, url = case["name"], f"{server.url}/keys/k"
    assert curl("-T", "-", url, input=SEED.encode()).status in (200, 201, 204)
    text = exchange(server.port, case, encode(case["send"], curl(url)))

    if case.get("twice"):
        head, _, text = text.partition("\r\n\r\n")
        assert text.startswith(head[:len("HTTP/1.1 400 ")]), f"{name}: {head!r} came once"
    found = [int(status) for status in re.findall(r"HTTP/1\.1 (\d{3}) ", text)]
    answered = case["ends"] == "open" or "rest" in case
    assert found == case["answers"] + [200] * answered, f"{name}: {text!r:.600}"
    first = re.split(r"(?<=.)(?=HTTP/1\.1 \d)", text, flags=re.DOTALL)[0]
    for pattern in case.get("has", []):
        assert re.search(pattern, first), f"{name}: no {pattern} in {first!r}"
    for pattern in case.get("lacks", []):
        assert not re.search(pattern, first), f"{name}: {pattern} in {first!r}"
    value = encode(case.get("stores", SEED), curl(url))
    assert curl(url).body == value, f"{name}: holds {curl(url).body!r:.100}"


def meets(case):
    """True if the promised outcome is one that the list allows."""
    final = [status for status in case["answers"] if status >= 200]
    outcome = {str(status) for status in case["answers"][:1] + final[:1]}
    outcome |= {f"{status[0]}xx" for status in outcome}
    if case["ends"] == "closed":
        outcome |= {f"{status}+close" for status in outcome} if final else {"close"}
    if case["ends"] == "waits":
        outcome |= {"wait"}
    return not outcome.isdisjoint(case["allows"])


def check_all(list_name, count):
    found = cases(list_name)
    assert len(found) == count and len({case["name"] for case in found}) == count
    with Server() as s:
        for case in found:
            check(s, case)


@test
def each_case_of_h1spec_is_answered_as_promised():
    check_all("h1spec.json", 33)


@test
def each_case_of_http11probe_is_answered_as_promised():
    check_all("http11probe.json", 215)


@test
def a_case_whose_outcome_its_list_does_not_allow_says_why_and_no_other_does():
    for name in ("h1spec.json", "http11probe.json"):
        for case in cases(name):
            assert meets(case) != ("why" in case), case


@test
def a_smuggling_case_never_gets_a_second_answer_out_of_one_request():
    for case in cases("http11probe.json"):
        final = [status for status in case["answers"] if status >= 200]
        if case["name"].startswith("SMUG-"):
            assert len(final) == case.get("requests", 1), case


if __name__ == "__main__":
    main()
