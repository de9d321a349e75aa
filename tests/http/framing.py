"""What RFC 9112 forbids is refused with the exact status, the connection is closed after it, and
nothing sent behind a refused request is carried out; what real clients send passes.

libmicrohttpd refuses some requests by itself, before the server's own check, with a status of its
own or by closing without a word. Those cases say so with a tuple of what is accepted, 0 for a
close.
"""
import http.client
import re
import socket

from diskvtest import Server, curl, main, test

GOOD = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
HIDDEN = b"PUT /keys/smuggled HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
CONTROLS = [bytes([c]) for c in (*range(1, 32), 127) if c not in b"\t\r\n"]


def exchange(server, *pieces):
    """The statuses of all answers to the pieces, each sent by itself, until the server closes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), 10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                s.sendall(piece)
            while part := s.recv(65536):
                answer += part
        except ConnectionError:
            pass  # closed, with something unread
        except TimeoutError:
            raise AssertionError(f"still open: sent {pieces!r:.300}, got {answer!r:.300}") from None
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def refused(*requests, status=400):
    """Each request is refused and closes, as the first and the second of a connection."""
    by_library = isinstance(status, tuple)  # which may write the head of its answer twice
    possible = status if by_library else (status,)
    with Server() as s:
        for request in requests:
            alone = exchange(s, request + HIDDEN)
            assert set(alone or [0]) <= set(possible), (request, alone)
            assert len(alone) < 2 or by_library, (request, alone)
            second = exchange(s, GOOD + request + HIDDEN)
            assert second == [200] + alone, (request, second)
        assert curl(s.url + "/keys/smuggled").status == 404


def accepted(*requests, status=200):
    """Each request is answered, alone and piece by piece, and so is the one behind it."""
    with Server() as s:
        for request in requests:
            assert exchange(s, request + LAST) == [status, 200], request
            pieces = [bytes([c]) for c in request]
            assert exchange(s, *pieces, LAST) == [status, 200], request


def line(start):
    """A request with this request line."""
    return start + b"\r\nHost: h\r\n\r\n"


def headers(*lines, method=b"GET", version=b"1.1"):
    """A request with these header lines between two others; each brings its own line end."""
    return (method + b" /healthz HTTP/" + version + b"\r\nHost: h\r\n" + b"".join(lines)
            + b"Accept: */*\r\n\r\n")


def everywhere(header):
    """Requests with this header line, which brings its own end, as the first, second and last."""
    start = b"GET /healthz HTTP/1.1\r\n"
    return (start + header + b"Host: h\r\nAccept: */*\r\n\r\n",
            start + b"Host: h\r\n" + header + b"Accept: */*\r\n\r\n",
            start + b"Host: h\r\nAccept: */*\r\n" + header + b"\r\n")


def body(*lines, version=b"1.1", content=b"5\r\nhello\r\n0\r\n\r\n"):
    """An upload with these header lines, none of which brings its line end."""
    return (b"PUT /keys/k HTTP/" + version + b"\r\nHost: h\r\n"
            + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + content)


def hosts(*values):
    return (b"GET /healthz HTTP/1.1\r\n" + b"".join(b"Host:" + v + b"\r\n" for v in values)
            + b"\r\n")


@test
def a_method_is_a_token_of_at_most_32_bytes():
    refused(*(line(m + b" /healthz HTTP/1.1") for m in
              (b"G(ET", b"GET\x01", b"GE\x7fT", b"G\xc3\x89T", b"GET\t", b"GET:", b"A" * 33)))
    refused(line(b" /healthz HTTP/1.1"), status=0)


@test
def methods_are_compared_with_case_and_unknown_ones_are_left_to_the_router():
    with Server() as s:
        for method in (b"get", b"BREW", b"!#$%&'*+-.^_`|~09az", b"A" * 32):
            statuses = exchange(s, line(method + b" /healthz HTTP/1.1") + LAST)
            assert len(statuses) > 0 and statuses[0] in (200, 405, 501), (method, statuses)


@test
def one_space_parts_method_target_and_version():
    refused(*map(line, (b"GET  /healthz HTTP/1.1", b"GET /healthz  HTTP/1.1",
                        b"GET /healthz HTTP/1.1 ", b"GET\t/healthz HTTP/1.1",
                        b"GET /health z HTTP/1.1", b"GET /healthz\tHTTP/1.1", b"GET /healthz ")),
            status=(400, 0))


@test
def a_request_without_a_version_is_refused():
    refused(line(b"GET /healthz"), line(b"GET "), line(b"GET"), status=(400, 0))


@test
def versions_other_than_1_0_and_1_1_are_505():
    refused(*(line(b"GET /healthz HTTP/" + v) for v in (b"1.2", b"1.9", b"0.9", b"2.0", b"3.0")),
            status=505)


@test
def a_malformed_version_is_400():
    refused(*(line(b"GET /healthz " + v) for v in
              (b"HTTP/1.1x", b"http/1.1", b"HTTP/11", b"HTTP/1.10", b"HTTP/1,1", b"HTTP/1.",
               b"HTTP/-1.1", b"HTTP/1.1\0", b"HTTPS/1.1", b"FTP/1.1")))


@test
def a_target_is_a_path_or_an_http_url():
    refused(*(line(b"GET " + t + b" HTTP/1.1") for t in
              (b"healthz", b"*", b"?", b"h:80", b"ftp://h/healthz", b"http:/healthz", b"http://",
               b"http:///healthz", b"http://u@h/healthz", b"http://h:x/healthz", b"http://h?a",
               b"//h/healthz#", b"file:///etc/passwd")))
    refused(line(b"CONNECT h:80 HTTP/1.1"), line(b"OPTIONS ** HTTP/1.1"))


@test
def a_target_holds_no_fragment_and_no_byte_that_may_not_stand_in_a_uri():
    bad = [b"#", b"#a", b'"', b"<", b">", b"\t", b"\0", b"\r", b"\x80", b"\xff", "é".encode()]
    refused(*(line(b"GET /healthz" + q + c + b" HTTP/1.1")
              for c in bad + CONTROLS for q in (b"", b"?a=")))


@test
def the_rest_of_a_target_behind_a_nul_is_not_lost():
    refused(line(b"GET /healthz\0/x HTTP/1.1"), line(b"GET /healthz?a=\0b HTTP/1.1"),
            line(b"GET \0 HTTP/1.1"), line(b"G\0T /healthz HTTP/1.1"))


@test
def an_absolute_target_equals_its_path():
    accepted(*(line(b"GET " + t + b" HTTP/1.1") for t in
               (b"http://h/healthz", b"HTTP://h:80/healthz", b"https://[::1]:8080/healthz",
                b"http://other.example/healthz?a=b")))
    accepted(line(b"GET http://h HTTP/1.1"), line(b"GET / HTTP/1.1"))


@test
def options_takes_an_asterisk():
    accepted(line(b"OPTIONS * HTTP/1.1"), line(b"OPTIONS http://h HTTP/1.1"), status=204)


@test
def a_target_may_hold_what_browsers_leave_unescaped():
    accepted(line(b"GET /healthz?[]|^`{}\\'%;,@!$&()*+=~-._:/?aZ09 HTTP/1.1"))


@test
def a_query_of_thousands_of_arguments_is_answered():
    with Server() as s:
        for query in (b"&" * 3000, b"a=b&" * 700):
            statuses = exchange(s, line(b"GET /healthz?" + query + b" HTTP/1.1") + LAST)
            assert statuses and statuses[0] in (200, 400), statuses


@test
def http_1_1_needs_one_host():
    refused(b"GET /healthz HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.1\r\nAccept: */*\r\n\r\n",
            hosts(b" h", b" h"), hosts(b" h", b" g"), hosts(b" h", b""), hosts(b" h", b" ", b" h"))
    refused(b"GET /healthz HTTP/1.0\r\nHost: h\r\nhOST: h\r\n\r\n",
            b"GET /healthz HTTP/1.0\r\nHost: a b\r\n\r\n")
    with Server() as s:
        assert exchange(s, b"GET /healthz HTTP/1.0\r\n\r\n") == [200]


@test
def a_host_is_a_name_or_address_with_an_optional_port():
    refused(*map(hosts, (
        b"", b" ", b" \t ", b" :80", b" h:80:80", b" h:8o", b" h:-1", b" h:+1", b" h /x", b" h/x",
        b" u@h", b" h g", b" h, g", b" http://h", b" h?", b" h#", b" [::1", b" ::1", b" x::1]",
        b" [::1]x", b" [::g]", b" []", b" [1.2.3.4]", b" [::1]:x", b" h[", b" h%", b" h%2",
        b" h%zz", b" h%2g",
        b" \xc3\xa9", b" h\\x", b' "h"', b" <h>", b" h^", b" [" + b"0:" * 40 + b"]")))
    accepted(*map(hosts, (
        b"h", b" localhost:8080", b" 127.0.0.1", b" 127.0.0.1:80", b" [::1]", b" [::1]:8080",
        b"  h.example.  ", b"\th:80\t", b" h:", b" a_b-c~d.e", b" 1234", b" h%C3%A9",
        b" a!$&'()*+,;=", b" [::ffff:1.2.3.4]:1")))


@test
def a_line_ends_in_cr_lf():
    refused(*everywhere(b"X: a\n"), *everywhere(b"X:\n"), *everywhere(b"X: a\n\r"),
            b"GET /healthz HTTP/1.1\nHost: h\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: h\r\n\n",
            b"GET /healthz HTTP/1.1\r\nHost: h\n\n", b"GET /healthz HTTP/1.1\nHost: h\n\n",
            b"GET /healthz HTTP/1.0\n\n", b"GET /healthz HTTP/1.0\r\n\n",
            b"GET /healthz HTTP/1.0\n\r\n")


@test
def a_carriage_return_ends_no_line():
    refused(*everywhere(b"X: a\rY: b\r\n"), *everywhere(b"X: \r\r\n"), *everywhere(b"\rX: a\r\n"),
            *everywhere(b"X\r: a\r\n"), line(b"GET /healthz HTTP/1.1\rX: a"))


@test
def a_header_is_never_folded():
    for white in (b" ", b"\t"):
        refused(*everywhere(b"X: a\r\n" + white + b"b\r\n"),
                *everywhere(b"X: a\r\n" + white + b"\r\n"),
                *everywhere(b"X: a\r\n" + white + b"b: c\r\n"), *everywhere(white + b"X: a\r\n"),
                *everywhere(b"X:\r\n" + white + b"b\r\n" + white * 40 + b"c\r\n"),
                *everywhere(b"X:" + white * 40 + b"a\r\n" + white + b"b\r\n"))
    refused(headers(b"X: a\r\n", b" b\r\n" * 300), headers(b"X: a\r\n " + b"b" * 3000 + b"\r\n"),
            status=(400, 431))
    refused(headers(b"Transfer-Encoding:\r\n", b" chunked\r\n"),
            headers(b"Content-Length: 1\r\n", b" 0\r\n"))


@test
def no_blank_stands_before_the_colon():
    refused(*everywhere(b"X : a\r\n"), *everywhere(b"X\t: a\r\n"), *everywhere(b"X  : a\r\n"),
            *everywhere(b" : a\r\n"), headers(b"Content-Length : 5\r\n"),
            headers(b"Transfer-Encoding : chunked\r\n"),
            headers(b"Transfer-Encoding\t: chunked\r\n"))


@test
def a_header_has_a_name():
    refused(*everywhere(b":\r\n"), *everywhere(b": a\r\n"), *everywhere(b":a\r\n"),
            *everywhere(b"::\r\n"), *everywhere(b":\0\r\n"), *everywhere(b":a\n"))


@test
def a_header_has_a_colon():
    refused(*everywhere(b"X\r\n"), *everywhere(b"X a\r\n"), *everywhere(b"X;a\r\n"))


@test
def a_name_is_a_token():
    bad = [bytes([c]) for c in b'"(),/;<=>?@[\\]{}'] + [b"\x80", b"\xff", "é".encode()] + CONTROLS
    refused(*(headers(name + b": a\r\n") for c in bad for name in (c, b"X" + c, c + b"X")))
    accepted(headers(b"!#$%&'*+-.^_`|~09AZaz: a\r\n"))


@test
def a_value_holds_no_control_character_but_tabs():
    refused(*(headers(b"X:" + value + b"\r\n") for c in CONTROLS
              for value in (c, b" a" + c, b" a" * 40 + c + b"b")))
    accepted(headers(b"X: a\tb\r\n"), headers(b"X: a b  c\r\n"))


@test
def a_nul_is_refused_wherever_it_stands():
    refused(*(request for header in (b"\0X: a\r\n", b"X\0: a\r\n", b"X:\0 a\r\n", b"X: a\0\r\n",
                                     b"X: a\0b\r\n", b"X: \0\r\n", b"X: a\0\0\r\n", b"X: a\0\r",
                                     b"\0\r\n", b"\0\0\r\n", b"\0a\r\n", b"X: a\0\0\n")
              for request in everywhere(header)))
    refused(body(b"Content-Length: 0\0", content=b""), body(b"Content-Length: 0\0, 5", content=b""),
            body(b"Transfer-Encoding: chunked\0"), body(b"Transfer-Encoding: chunked\0, x"),
            hosts(b" h\0"), hosts(b" h\0g"))


@test
def nothing_ends_the_header_early():
    for start in (b"\0", b":", b"\0:", b":\0", b"\0\r\n", b":\r\n", b"\n"):
        refused(*everywhere(start + HIDDEN))


@test
def content_length_comes_once():
    for values in ((b"5", b"5"), (b"5", b"6"), (b"0", b"5"), (b"5", b"0"), (b"5", b""),
                   (b"5", b"x")):
        lines = [b"Content-Length: " + value for value in values]
        refused(body(*lines, content=b"hello"), body(lines[0], b"X: a", lines[1], content=b"hello"))
    refused(body(b"Content-Length: 5", b"content-LENGTH: 5", content=b"hello"))


@test
def content_length_is_digits():
    refused(*(body(b"Content-Length:" + value, content=b"") for value in
              (b"", b" ", b" +5", b" -5", b" -0", b" 5 5", b" 5,5", b" 5, 5", b" 5;", b" 0x5",
               b" five", b" 5e0", b" 5.0", b" \xb2", b" 5_0", b" ,5", b" 5,", b" '5'", b" 5\x0b")),
            status=(400,))


@test
def content_length_is_below_2_to_the_63():
    refused(body(b"Content-Length: 9223372036854775808", content=b""),
            body(b"Content-Length: 18446744073709551614", content=b""),
            body(b"Content-Length: 18446744073709551615", content=b""))
    refused(body(b"Content-Length: 18446744073709551616", content=b""),
            body(b"Content-Length: 18446744073709551621", content=b""),
            body(b"Content-Length: " + b"9" * 400, content=b""), status=(400, 413))


@test
def leading_zeros_change_no_length():
    with Server() as s:
        zeros = body(b"Content-Length: " + b"0" * 40 + b"5", content=b"hello")
        assert exchange(s, zeros + LAST) == [201, 200]


@test
def content_length_beside_transfer_encoding_is_refused():
    lines = (b"Content-Length: 5", b"Transfer-Encoding: chunked")
    refused(body(*lines), body(*lines[::-1]), body(lines[0], b"X: a", lines[1]),
            body(b"Content-Length: 0", lines[1]), body(b"Content-Length:", lines[1]),
            body(b"Content-Length: x", lines[1]), body(lines[0], b"Transfer-Encoding: identity"),
            body(lines[0], b"Transfer-Encoding:"))


@test
def the_only_transfer_coding_is_chunked():
    refused(*(body(b"Transfer-Encoding:" + value) for value in
              (b"", b" ", b" identity", b" gzip", b" gzip, chunked", b" ,chunked", b" xchunked",
               b" chunkedx", b" chunk", b' "chunked"', b" \xffchunked", b" chunked ")),
            body(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"), status=501)
    refused(body(b"Transfer-Encoding: \x0bchunked"), body(b"Transfer-Encoding: chunked\x0c"))


@test
def nothing_follows_chunked_among_the_transfer_codings():
    refused(*(body(b"Transfer-Encoding: " + value) for value in
              (b"chunked, gzip", b"chunked, chunked", b"Chunked ,gzip", b"chunked\t, identity",
               b"chunked,", b"chunked;a=b", b"chunked chunked")),
            *(body(b"Transfer-Encoding: chunked", b"Transfer-Encoding: " + value) for value in
              (b"chunked", b"identity", b"gzip", b"")))


@test
def http_1_0_has_no_transfer_encoding():
    refused(body(b"Transfer-Encoding: chunked", version=b"1.0"),
            body(b"Transfer-Encoding: identity", version=b"1.0"))


@test
def the_only_expectation_is_100_continue():
    five = b"Content-Length: 5"
    refused(*(body(five, b"Expect:" + value, content=b"hello") for value in
              (b"", b" 200-ok", b" 100-continue, 100-continue", b" 100-continue;a=b", b" 100")),
            body(five, b"Expect: 100-continue", b"Expect: 100-continue", content=b"hello"),
            body(five, b"Expect: 100-continue", b"Expect: x", content=b"hello"), status=417)


@test
def an_expectation_without_a_body_is_not_in_the_way_of_the_next_request():
    with Server() as s:
        for method in (b"GET", b"HEAD", b"OPTIONS"):
            for length in (b"", b"Content-Length: 0\r\n"):
                expecting = headers(b"Expect: 100-continue\r\n", length, method=method)
                statuses = exchange(s, expecting + LAST)
                assert statuses in ([100, 200, 200], [100, 204, 200]), (method, statuses)


@test
def chunks_are_framed_by_hexadecimal_sizes():
    start = b"PUT /keys/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    refused(*(start + chunks for chunks in
              (b"\r\n", b";a\r\n", b"x\r\n", b"-5\r\nhello\r\n", b"+5\r\nhello\r\n",
               b"0x5\r\nhello\r\n", b" 5\r\nhello\r\n", b"5 \r\nhello\r\n", b"5,5\r\nhello\r\n",
               b"5\r\nhello, world\r\n",
               b"5\r\nhel\r\n0\r\n\r\n", b"\0\r\n")))
    refused(start + b"10000000000000000\r\n", start + b"f" * 40 + b"\r\n", status=(400, 413))


@test
def blanks_around_a_value_are_no_part_of_it():
    accepted(headers(b"X:a\r\n"), headers(b"X: \t a \t \r\n"), headers(b"X:" + b" " * 99 + b"\r\n"),
             headers(b"Connection:keep-alive \r\n"))
    with Server() as s:
        assert exchange(s, body(b"Content-Length: \t 5", content=b"hello") + LAST) == [201, 200]


@test
def a_value_may_be_empty_or_hold_bytes_above_127():
    accepted(headers(b"X:\r\n"), headers(b"X: \r\n", b"Y:\t\r\n"), headers(b"X: \xff\r\n"),
             headers(b"X: " + bytes(range(128, 256)) + b"\r\n"), headers("X: é\r\n".encode()))


@test
def an_empty_line_before_a_request_is_ignored():
    accepted(b"\r\n" + GOOD, b"\r\n\r\n" + GOOD)


@test
def a_hundred_and_fifty_headers_pass():
    accepted(headers(*(b"X-%d: a\r\n" % i for i in range(150))))


@test
def more_headers_than_there_is_room_for_are_refused():
    refused(headers(*(b"X-%d: a\r\n" % i for i in range(2000))),
            headers(b"X: " + b"a" * 70000 + b"\r\n"), status=(431, 0))
    refused(line(b"GET /" + b"a" * 70000 + b" HTTP/1.1"), status=(414, 431, 0))


@test
def http_1_0_keeps_the_connection_only_when_asked():
    with Server() as s:
        old = b"GET /healthz HTTP/1.0\r\n"
        assert exchange(s, old + b"\r\n" + HIDDEN) == [200]
        assert exchange(s, old + b"Connection: keep-alive\r\n\r\n" + LAST) == [200, 200]


@test
def pipelined_requests_are_all_answered():
    sized = body(b"Content-Length: 5", content=b"hello")
    chunked = body(b"Transfer-Encoding: Chunked", content=b"5;a=b\r\nhello\r\n0\r\nX: a\r\n\r\n")
    requests = [GOOD, sized, chunked, headers(b"X: a\r\n"), line(b"GET /healthz?a=b HTTP/1.1")] * 20
    with Server() as s:
        statuses = exchange(s, b"".join(requests) + LAST)
        assert len(statuses) == 101 and set(statuses) <= {200, 201, 204}, statuses


@test
def requests_cut_anywhere_are_answered():
    sized = body(b"Content-Length: 5", content=b"hello")
    whole = GOOD + sized + GOOD + LAST
    with Server() as s:
        expected = exchange(s, whole)
        assert len(expected) == 4
        for cut in range(1, len(whole)):
            statuses = exchange(s, whole[:cut], whole[cut:])
            assert len(statuses) == 4 and set(statuses) <= {200, 201, 204}, (cut, statuses)


@test
def requests_of_real_clients_pass():
    """In the form that Chromium, Firefox, nginx (as a proxy), wrk and ab send them."""
    accepted(
        b"GET /healthz HTTP/1.1\r\nHost: localhost:8080\r\nConnection: keep-alive\r\n"
        b'sec-ch-ua: "Chromium";v="120", "Not?A_Brand";v="24"\r\nsec-ch-ua-mobile: ?0\r\n'
        b'sec-ch-ua-platform: "Linux"\r\nUpgrade-Insecure-Requests: 1\r\n'
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
        b"(KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\r\n"
        b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        b"Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n"
        b"Accept-Encoding: gzip, deflate, br\r\n"
        b"Accept-Language: en-GB,en;q=0.9\r\nCookie: a=b; c=\"d\"; e\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0\r\n"
        b"Accept: */*\r\nDNT: 1\r\nTE: trailers\r\n"
        b"Connection: keep-alive, Upgrade\r\nUpgrade: h2c\r\nIf-None-Match:\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: diskv_backend\r\nX-Real-IP: ::1\r\n"
        b"X-Forwarded-For: ::1, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nConnection: \r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: 127.0.0.1:8080\r\n"
        b"User-Agent: ApacheBench/2.3\r\nAccept: */*\r\n\r\n")


@test
def curl_and_http_client_pass():
    with Server() as s:
        for options in ([], ["-0"], ["-A", ""], ["-H", "Accept:"], ["-H", "X-Empty;"],
                        ["-u", "a:b"], ["--compressed"], ["-H", "Expect: 100-continue"]):
            assert curl(*options, s.url + "/healthz").status == 200, options
        sized = ["-X", "PUT", "--data-binary", "hello"]
        for options in (["-T", "-"], ["-T", "-", "-H", "Expect: 100-continue"],
                        ["-T", "-", "-H", "Expect:"], sized, ["-0", *sized],
                        [*sized, "-H", "Expect: 100-continue"],
                        [*sized, "-H", "Transfer-Encoding: chunked"]):
            assert curl(*options, s.url + "/keys/k", input=b"hello").status in (201, 204), options
        client = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10)
        for _ in range(3):
            client.request("PUT", "/keys/k", body=iter([b"a", b"b"]), encode_chunked=True)
            answer = client.getresponse()
            assert answer.status in (201, 204), answer.read()
            answer.read()
            client.request("PUT", "/keys/k", body=b"hello", headers={"X-A": "é"})
            answer = client.getresponse()
            assert answer.status in (201, 204), answer.read()
            answer.read()
        client.close()


if __name__ == "__main__":
    main()
