"""Conditional requests are decided once, at the commit, and in RFC 9110's order."""
import itertools
import os
import random
import selectors

from diskvtest import Server, curl, main, test
from rawhttp import Connection, chunked, request

ROUNDS = 50
RACERS = 64
CLIENTS = 32
RAISES = 10_000
PAST, FUTURE = "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 2199 23:59:59 GMT"


def split_last(data):
    """The bytes to send beforehand, and the one that completes the request."""
    return data[:-1], data[-1:]


def creations(key, framing):
    """For each racer what it sends at first, and what makes its request complete."""
    for number in range(RACERS):
        body = b"value of racer %d" % number
        if framing == "sized":
            yield split_last(request("PUT", f"/keys/{key}", "If-None-Match: *", body=body))
        elif framing == "chunked":
            head = request("PUT", f"/keys/{key}", "If-None-Match: *", "Transfer-Encoding: chunked")
            yield split_last(head + chunked(body[:5], body[5:]))
        else:
            whole = request("PUT", f"/keys/{key}", "If-None-Match: *", "Expect: 100-continue", body=body)
            yield whole[:-len(body)], body


@test
def of_64_racing_creations_one_is_201_and_63_are_412():
    with Server("--sync", "none") as s:
        framings = itertools.cycle(["sized", "chunked", "expect"])
        for number, framing in zip(range(ROUNDS), framings):
            racers = [Connection(s.port) for _ in range(RACERS)]
            halves = list(creations(number, framing))
            for racer, (first, _) in zip(racers, halves):
                racer.send(first)
            if framing == "expect":
                assert {racer.answer().status for racer in racers} == {100}
            for racer, (_, last) in zip(racers, halves):
                racer.send(last)
            statuses = [racer.answer().status for racer in racers]
            assert sorted(statuses) == [201] + [412] * (RACERS - 1), (framing, statuses)
            winner = b"value of racer %d" % statuses.index(201)
            assert curl(f"{s.url}/keys/{number}").body == winner
            for racer in racers:
                racer.socket.close()
        assert os.listdir(f"{s.dir}/.diskv/tmp") == []


@test
def of_racing_erasures_that_name_the_value_one_is_204():
    with Server("--sync", "none") as s:
        for number in range(ROUNDS):
            etag = curl("-T", "-", f"{s.url}/keys/k", input=b"%d" % number).headers["etag"]
            racers = [Connection(s.port) for _ in range(16)]
            first, last = split_last(request("DELETE", "/keys/k", f"If-Match: {etag}"))
            for racer in racers:
                racer.send(first)
            for racer in racers:
                racer.send(last)
            statuses = sorted(racer.answer().status for racer in racers)
            assert statuses == [204] + [404] * 15, statuses
            for racer in racers:
                racer.socket.close()


@test
def of_an_erasure_and_a_replacement_that_name_the_same_value_one_wins():
    with Server("--sync", "none") as s:
        for number in range(ROUNDS):
            etag = curl("-T", "-", f"{s.url}/keys/k", input=b"old %d" % number).headers["etag"]
            with Connection(s.port) as eraser, Connection(s.port) as writer:
                erase = split_last(request("DELETE", "/keys/k", f"If-Match: {etag}"))
                write = split_last(request("PUT", "/keys/k", f"If-Match: {etag}", body=b"new"))
                both = [(eraser, erase), (writer, write)]
                for c, (first, _) in both:
                    c.send(first)
                for c, (_, last) in both[::1 if number % 2 else -1]:
                    c.send(last)
                statuses = eraser.answer().status, writer.answer().status
            assert statuses in ((204, 412), (412, 204)), statuses
            left = curl(f"{s.url}/keys/k")
            assert left.status == 404 if statuses[0] == 204 else left.body == b"new"


def as_seen(etag, form):
    """An entity tag as it came, as Apache's or as nginx's compression makes it."""
    return (etag, f'{etag[:-1]}-gzip"', f"W/{etag}")[form % 3]


class Raiser:
    """A client that reads the counter and replaces it by the next number, again and again. Where
    another was faster it stands back until the others have raised the counter a few times."""

    def __init__(self, s, form):
        self.connection, self.form = Connection(s.port), form
        self.random, self.raised, self.refused = random.Random(form), 0, 0
        self.read()

    def read(self):
        self.seen, self.back_at = None, None
        self.connection.send(request("GET", "/keys/counter"))

    def go_on(self, raised_by_all):
        """Takes an answer and sends the next request, if it does not stand back; False at the end."""
        answer = self.connection.answer()
        if self.seen is None:
            self.seen = int(answer.body)
            if self.seen < RAISES:
                condition = f"If-Match: {as_seen(answer.headers['etag'], self.form)}"
                self.connection.send(request("PUT", "/keys/counter", condition, body=b"%d" % (self.seen + 1)))
            return self.seen < RAISES
        assert answer.status in (204, 412), answer
        if answer.status == 204:
            self.raised += 1
            self.read()
        else:
            self.refused += 1
            self.back_at = min(raised_by_all + self.random.randrange(CLIENTS), RAISES)
        return True


@test
def a_counter_raised_by_compare_and_swap_loses_no_raise():
    with Server("--sync", "none") as s, selectors.DefaultSelector() as busy:
        curl("-T", "-", f"{s.url}/keys/counter", input=b"0")
        clients = [Raiser(s, form) for form in range(CLIENTS)]
        for client in clients:
            busy.register(client.connection.socket, selectors.EVENT_READ, client)
        raised = 0
        while busy.get_map():
            for ready, _ in busy.select():
                if not ready.data.go_on(raised):
                    busy.unregister(ready.fileobj)
            raised = sum(client.raised for client in clients)
            for client in clients:
                if client.back_at is not None and client.back_at <= raised:
                    client.read()
        assert curl(f"{s.url}/keys/counter").body == b"%d" % RAISES
        assert raised == RAISES
        assert sum(client.refused for client in clients) > RAISES // 2
        for client in clients:
            client.connection.socket.close()


def as_headers(conditions, etag):
    """The header lines of one row of the table; None stands for a header that is not there."""
    names = "If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since"
    values = {"this": etag, "gzip": as_seen(etag, 1), "weak": as_seen(etag, 2), "other": '"other"',
              "some": f'"other", {etag}'}
    return [f"{name}: {values.get(value, value)}" for name, value in zip(names, conditions) if value]


def expected(method, exists, conditions):
    """RFC 9110, section 13.2.2, step by step, for values between PAST and FUTURE."""
    match, unmodified_since, none_match, modified_since = conditions
    safe = method in ("GET", "HEAD")
    if not exists and method != "PUT":
        return 404  # what would fail anyway is not tested (section 13.2.1)
    if match:
        if not exists or match == "other":
            return 412
    elif exists and unmodified_since == PAST:
        return 412
    if none_match:
        if exists and none_match != "other":
            return 304 if safe else 412
    elif safe and modified_since == FUTURE:
        return 304
    return {"GET": 200, "HEAD": 200, "PUT": 204 if exists else 201, "DELETE": 204}[method]


TABLE = list(itertools.product((None, "*", "this", "gzip", "weak", "some", "other"), (None, PAST, FUTURE, "soon"),
                               (None, "*", "this", "gzip", "weak", "some", "other"), (None, PAST, FUTURE, "soon")))


def check_table(method, exists):
    """Every row of the table, on one connection."""
    body = b"value" if method == "PUT" else None
    with Server("--sync", "none") as s, Connection(s.port) as c:

        def put():
            c.send(request("PUT", "/keys/k", body=b"value"))
            return c.answer().headers["etag"]

        etag = put()  # a hash of the value: the same for each that is put
        for conditions in TABLE:
            if exists:
                put()
            else:
                c.send(request("DELETE", "/keys/k"))
                c.answer()
            c.send(request(method, "/keys/k", *as_headers(conditions, etag), body=body))
            answer = c.answer(head=method == "HEAD")
            assert answer.status == expected(method, exists, conditions), (conditions, answer)
            assert not answer.closes, conditions


@test
def a_get_is_decided_as_the_table_says():
    check_table("GET", True)
    check_table("GET", False)


@test
def a_head_is_decided_as_the_table_says():
    check_table("HEAD", True)
    check_table("HEAD", False)


@test
def a_put_is_decided_as_the_table_says():
    check_table("PUT", True)
    check_table("PUT", False)


@test
def a_delete_is_decided_as_the_table_says():
    check_table("DELETE", True)
    check_table("DELETE", False)


@test
def an_upload_is_decided_before_its_body_is_asked_for():
    with Server("--sync", "none") as s:
        etag = curl("-T", "-", f"{s.url}/keys/there", input=b"value").headers["etag"]
        for key, conditions in itertools.product(("there", "missing"), TABLE[::5]):
            status = expected("PUT", key == "there", conditions)
            with Connection(s.port) as c:
                c.send(request("PUT", f"/keys/{key}", "Expect: 100-continue", "Content-Length: 5",
                               *as_headers(conditions, etag)))
                answer = c.answer()
                assert answer.status == (412 if status == 412 else 100), (key, conditions, answer)
                if status == 412:
                    assert answer.closes and c.rest() == b""
        assert curl(f"{s.url}/keys/there").headers["etag"] == etag
        assert curl(f"{s.url}/keys/missing").status == 404


if __name__ == "__main__":
    main()
