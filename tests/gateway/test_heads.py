"""Heads are read strictly; httptools (llhttp) argues with every one that is accepted."""

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidegate.gateway.fields import BadHead, Priority, priority_of
from tidegate.gateway.h2.heads import request_head
from tidegate.gateway.heads import CHUNKED, UNTIL_CLOSE, parse_answer, parse_request


def head(*fields: str, line: str = "GET / HTTP/1.1", host: str | None = "a.example") -> bytes:
    lines = [line, *([f"Host: {host}"] if host is not None else []), *fields]
    return "\r\n".join(lines).encode("latin-1")


def refused(raw: bytes) -> tuple[int, str]:
    with pytest.raises(BadHead) as caught:
        parse_request(raw)
    return caught.value.status, caught.value.reason


def test_what_goes_on_is_what_is_not_of_this_hop():
    got = parse_request(
        head(
            "Accept: */*",
            "Connection: close, X-Hop",
            "X-Hop: 1",
            "Keep-Alive: 5",
            "TE: trailers",
            "Knative-Serving-Namespace: forged",
            "K-Proxy-Request: activator",
            "Authorization: Bearer x",
        )
    )
    assert got.fields == [b"Accept: */*", b"Authorization: Bearer x"]
    assert not got.keep_alive


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(head("Content-Length: 3", "Transfer-Encoding: chunked"), "two-framings"),
        pytest.param(head("Transfer-Encoding: chunked", "Content-Length: 3"), "two-framings"),
        pytest.param(head("Content-Length: 0", "Transfer-Encoding: chunked"), "two-framings"),
        pytest.param(head("Content-Length: 3", "Content-Length: 4"), "two-lengths"),
        pytest.param(head("Content-Length: 3", "Content-Length: 3"), "two-lengths"),
        pytest.param(head("Content-Length: 0", "Content-Length: 4"), "two-lengths"),
        pytest.param(head("Content-Length: 4", "Content-Length: 0"), "two-lengths"),
        pytest.param(
            head("Connection: close", "Content-Length: 4", "Content-Length: 5"), "two-lengths"
        ),
        pytest.param(head("Content-Length: +3"), "bad-length"),
        pytest.param(head("Content-Length: 3, 3"), "bad-length"),
        pytest.param(head("Content-Length: -3"), "bad-length"),
        pytest.param(head("Content-Length: 0x3"), "bad-length"),
        pytest.param(head("Content-Length:"), "bad-length"),
        pytest.param(head("Content-Length: " + "9" * 30), "bad-length"),
        pytest.param(head("Transfer-Encoding: gzip, chunked"), "coding"),
        pytest.param(head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), "coding"),
        pytest.param(head("Transfer-Encoding: xchunked"), "coding"),
        pytest.param(head("Transfer-Encoding: chunked", line="GET / HTTP/1.0"), "bad-framing"),
        pytest.param(head(" folded: x"), "bad-header"),
        pytest.param(head("\tfolded: x"), "bad-header"),
        pytest.param(head("name : x"), "bad-header"),
        pytest.param(head("no colon"), "bad-header"),
        pytest.param(head("Host"), "bad-header"),
        pytest.param(head(": no name"), "bad-header"),
        pytest.param(head("näme: x"), "bad-header"),
        pytest.param(head("x: a\0b"), "bad-byte"),
        pytest.param(head("x: a\nb: c"), "bad-byte"),
        pytest.param(head("x: a\rb: c"), "bad-byte"),
        pytest.param(head("x: a\x7f"), "bad-byte"),
        pytest.param(head(host=None), "no-host"),
        pytest.param(head("Host: b.example"), "two-hosts"),
        pytest.param(head("host: a.example"), "two-hosts"),
        pytest.param(head(host="a b"), "bad-host"),
        pytest.param(head(host="user@a"), "bad-host"),
        pytest.param(head(host="a/b"), "bad-host"),
        pytest.param(head(line="GET  / HTTP/1.1"), "bad-request-line"),
        pytest.param(head(line="GET /"), "bad-request-line"),
        pytest.param(head(line="GET / HTTP/1.1 "), "bad-request-line"),
        pytest.param(head(line="GET / HTCPCP/1.0"), "bad-request-line"),
        pytest.param(head(line="G@T / HTTP/1.1"), "bad-method"),
        pytest.param(head(line="GET /ä HTTP/1.1"), "bad-target"),
        pytest.param(head(line="GET relative HTTP/1.1"), "bad-target"),
        pytest.param(head(line="GET http://u@h/ HTTP/1.1"), "bad-target"),
        pytest.param(head(line="GET / HTTP/2.0"), "http-version"),
        pytest.param(head(line="CONNECT a:1 HTTP/1.1"), "connect"),
        pytest.param(head("Expect: miracles"), "expectation"),
    ],
)
def test_a_head_that_could_be_read_in_two_ways_is_refused(raw, reason):
    assert refused(raw)[1] == reason
    assert refused(raw)[1] == reason, "and again, when its lines are known"


@pytest.mark.parametrize(
    ("line", "target", "host"),
    [
        ("GET http://b.example/x?y HTTP/1.1", b"/x?y", b"b.example"),
        ("GET http://b.example:80 HTTP/1.1", b"/", b"b.example:80"),
        ("OPTIONS * HTTP/1.1", b"*", b"a.example"),
        ('GET /x?q="{}|" HTTP/1.1', b'/x?q="{}|"', b"a.example"),
    ],
)
def test_a_target_is_brought_into_origin_form_and_its_host_wins(line, target, host):
    got = parse_request(head(line=line))
    assert (got.target, got.host) == (target, host)


@pytest.mark.parametrize(
    ("fields", "line", "kept"),
    [
        ((), "GET / HTTP/1.1", True),
        (("Connection: close",), "GET / HTTP/1.1", False),
        (("Connection: x", "connection: CLOSE"), "GET / HTTP/1.1", False),
        ((), "GET / HTTP/1.0", False),
        (("Connection: Keep-Alive",), "GET / HTTP/1.0", True),
    ],
)
def test_whether_a_client_stays_is_its_choice(fields, line, kept):
    assert parse_request(head(*fields, line=line)).keep_alive is kept


def test_the_body_is_as_long_as_the_head_says_wherever_it_says_so():
    for fields in (
        ("Content-Length: 3",),
        ("Connection: keep-alive", "Content-Length: 3"),
    ):
        assert parse_request(head(*fields)).length == 3
    assert parse_request(head("Transfer-Encoding: Chunked")).length == CHUNKED


def test_lines_that_clients_invent_do_not_fill_the_memory():
    from tidegate.gateway.heads import _request_lines, _start_lines

    for i in range(10_000):
        parse_request(head(f"X-Request-Id: {i}", line=f"GET /{i} HTTP/1.1"))
    assert len(_request_lines.known) <= 4096
    assert len(_start_lines) <= 1024


# --- against another parser

NAMES = st.sampled_from(
    ["Accept", "X-A", "Content-Length", "content-length", "Transfer-Encoding", "Connection", "Host",
     "Expect", "x y", "é", "", "X-Forwarded-For", "Upgrade"]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["1", "03", "5 ", "chunked", "gzip", "close", "keep-alive", "h", "100-continue", ""]
    ),
    st.text(st.characters(max_codepoint=255), max_size=8),
)
SEPARATORS = st.sampled_from([": ", ":", " : ", ":\t", " "])
ENDS = st.sampled_from(["\r\n"] * 12 + ["\n", "\r", "\r\n ", "\r\n\t"])
FIELDS = st.lists(st.tuples(NAMES, SEPARATORS, VALUES, ENDS), max_size=5)
LINES = st.sampled_from(
    [
        "GET / HTTP/1.1",
        "POST /x?y HTTP/1.1",
        "GET / HTTP/1.0",
        "PUT /a  HTTP/1.1",
        "GET http://h/ HTTP/1.1",
    ]
)


class Seen:
    """What httptools makes of the same bytes."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.url = self.body = b""
        self.complete = False
        self.keep_alive = False
        self.parser = httptools.HttpRequestParser(self)

    def on_headers_complete(self) -> None:
        self.keep_alive = self.parser.should_keep_alive()  # forgotten once the message is complete

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


@settings(max_examples=2000, deadline=None)
@given(LINES, FIELDS)
@example("GET / HTTP/1.1", [("Content-Length", ": ", "03", "\r\n")])
@example("GET / HTTP/1.1", [("Connection", ": ", "close", "\r\n")])
def test_httptools_reads_every_accepted_head_in_the_same_way(line, fields):
    text = f"{line}\r\nHost: a\r\n" + "".join("".join(parts) for parts in fields)
    raw = text.encode("latin-1").removesuffix(b"\r\n")
    if b"\r\n\r\n" in raw or raw.endswith(b"\r"):
        return  # ends earlier; not a head as it is handed over
    try:
        ours = parse_request(raw)
    except BadHead:
        return  # stricter than others is fine
    if ours.upgrade is not None:
        return
    seen = Seen()
    body = b"3\r\nabc\r\n0\r\n\r\n" if ours.length == CHUNKED else b"x" * ours.length
    seen.parser.feed_data(raw + b"\r\n\r\n" + body)
    assert seen.complete, "the other parser thinks that the body is longer"
    assert seen.body == (b"abc" if ours.length == CHUNKED else body)
    assert seen.parser.get_method() == ours.method
    theirs = [(name, value.strip(b" \t")) for name, value in seen.headers]
    for kept in ours.fields:
        name, _, value = kept.partition(b":")
        assert (name.lower(), value.strip(b" \t")) in theirs
    if ours.modern:
        assert seen.keep_alive == ours.keep_alive


# --- answers


def answer(*fields: str, line: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([line, *fields]).encode("latin-1")


@pytest.mark.parametrize(
    ("raw", "length", "keep"),
    [
        (answer("Content-Length: 5"), 5, True),
        (answer("Transfer-Encoding: chunked"), CHUNKED, True),
        (answer(), UNTIL_CLOSE, True),
        (answer("Content-Length: 5", "Connection: close"), 5, False),
        (answer("Content-Length: 5", line="HTTP/1.0 200 OK"), 5, False),
        (answer("Content-Length: 5", "Connection: keep-alive", line="HTTP/1.0 200 OK"), 5, True),
        (answer("Content-Length: 5", "Content-Length: 5"), 5, True),
        (answer("Content-Length: 5", line="HTTP/1.1 200"), 5, True),
    ],
)
def test_an_answer_says_how_its_body_ends(raw, length, keep):
    got = parse_answer(raw)
    assert (got.status, got.length, got.keep_alive) == (200, length, keep)


def test_an_answer_loses_what_was_of_its_hop_and_keeps_its_length():
    got = parse_answer(
        answer("X: 1", "Connection: X-Hop", "X-Hop: 2", "Keep-Alive: 5", "Content-Length: 5")
    )
    assert got.start == b"HTTP/1.1 200 OK\r\nX: 1\r\nContent-Length: 5\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        answer(line="HELO"),
        answer(line="HTTP/1.1 OK"),
        answer(line="HTTP/1.1 20x OK"),
        answer(line="HTTP/2 200 OK"),
        answer("Content-Length: 5", "Content-Length: 6"),
        answer("Content-Length: 5", "Transfer-Encoding: chunked"),
        answer("Transfer-Encoding: gzip"),
        answer("Content-Length: x"),
        answer("X: a\nSet-Cookie: b"),
    ],
)
def test_an_answer_that_is_not_http_is_refused(raw):
    with pytest.raises(BadHead):
        parse_answer(raw)


@pytest.mark.parametrize(
    ("fields", "priority"),
    [
        ((), Priority.ORDINARY),
        (("Tidegate-Priority: online",), Priority.ORDINARY),
        (("Tidegate-Priority: Batch",), Priority.BATCH),
        (("tidegate-priority:batch-demand",), Priority.BATCH_DEMAND),
    ],
)
def test_who_goes_first_is_said_by_a_field_that_stays_here(fields, priority):
    parsed = parse_request(head(*fields, "A: b"))
    assert (parsed.priority, parsed.fields) == (priority, [b"A: b"])
    lines = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"h")]
    for field in (*fields, "A: b"):
        name, _, value = field.partition(":")
        lines.append((name.lower().encode(), value.strip().encode()))
    by_http2 = request_head(lines, True)
    assert (by_http2.priority, by_http2.fields) == (priority, [b"a: b"])


def test_a_priority_that_means_nothing_is_refused():
    assert refused(head("Tidegate-Priority: urgent")) == (400, "bad-priority")
    with pytest.raises(BadHead, match="Tidegate-Priority 'urgent': it is online"):
        priority_of(b"urgent")
