"""Reading HTTP/1 heads strictly, and writing them anew.

Bytes in, values out; no connection is known here. A head that two servers could read differently is
refused (RFC 9112 sections 2.2, 3, 5 and 6.3), and what goes on is built from what was understood, never
copied blind: the fields of one hop are dropped and the framing is stated once. Written by hand rather
than with httptools' callbacks, because a head can then be taken one at a time off the wire (a pipelined
request behind it stays unread, so back-pressure holds) and an answer to HEAD ends where it should; the
tests let httptools argue with every head that is accepted here.
"""

from dataclasses import dataclass
from typing import Final

from tidegate.gateway.fields import (
    ANSWER_MEANINGS,
    PLAIN,
    REQUEST_MEANINGS,
    BadHead,
    Field,
    Lines,
    Means,
    Priority,
    check_bytes,
    is_token,
    priority_of,
)

MAX_HEAD_BYTES: Final = 64 * 1024
CHUNKED: Final = -1  # a body's length when it comes in chunks
UNTIL_CLOSE: Final = -2  # an answer's length when its connection's end ends it

_TARGET: Final = bytes(c for c in range(0x21, 0x7F) if c != ord("#"))
_HOST_TEXT: Final = bytes(c for c in range(0x21, 0x7F) if c not in b'"#,/<>?@\\^`{|}')
_DIGITS: Final = b"0123456789"
_KNOWN_START_LINES: Final = 1024

_request_lines = Lines(REQUEST_MEANINGS)
_answer_lines = Lines(ANSWER_MEANINGS)
_start_lines: dict[bytes, tuple[bytes, bytes, bool]] = {}


@dataclass(slots=True)
class RequestHead:
    """A request's head as understood; not changed once read, but for `written`. `fields` are the lines that go on."""

    method: bytes
    target: bytes  # origin form, or `*`
    modern: bool  # HTTP/1.1: understands chunks and interim answers
    host: bytes  # as the client sent it
    fields: list[bytes]
    length: int  # of the body in bytes, or CHUNKED
    keep_alive: bool
    expects_continue: bool = False
    upgrade: bytes | None = None  # the protocol that the client wants to change to
    takes_trailers: bool = False  # says that it understands fields behind a body
    http2: bool = False  # came by HTTP/2
    grpc: bool = False  # a gRPC call, so that errors have its form
    priority: Priority = Priority.ORDINARY
    forwarded_for: bytes | None = None  # what was there already
    forwarded: tuple[bytes, ...] = ()  # other X-Forwarded-* and Forwarded lines, to be kept or not
    written: bytes = b""  # as a replica got it last; a head belongs to one connection
    written_for: object = None  # the revision's own fields that are in it; None: it never was

    def lines(self) -> list[bytes]:
        """The header lines by which a route may choose: what goes on, and what tells who asks whom."""
        lines = [b"Host: " + self.host, *self.forwarded, *self.fields]
        if self.forwarded_for is not None:
            lines.append(b"X-Forwarded-For: " + self.forwarded_for)
        return lines


@dataclass(slots=True)
class AnswerHead:
    """An answer's head as understood. `start` is status line and kept fields, each with its line end."""

    status: int
    start: bytes
    length: int  # of the body in bytes, CHUNKED or UNTIL_CLOSE, as the fields say
    keep_alive: bool
    upgrade: bytes | None = None  # the protocol that is spoken from now on (101)


def parse_request(head: bytes) -> RequestHead:
    """The head of a request, without its empty line. Raises `BadHead`."""
    lines = head.split(b"\r\n")
    check_bytes(head, len(lines))
    start = lines[0]
    method, target, modern = _start_lines.get(start) or _request_line(start)
    host: bytes | None = None
    length = 0
    keep_alive = modern
    plain: list[bytes] = []
    rare: list[Field] | None = None
    known = _request_lines.known
    for line in lines[1:]:
        field = known.get(line) or _request_lines.learn(line)
        if field is PLAIN:
            plain.append(line)
            continue
        means, value = field
        if means is Means.HOST and host is None:
            host = value
        elif means is Means.LENGTH and not length and rare is None:
            length = _number(value, 400)
            if not length:
                rare = [field]  # a zero must not hide a second length
        elif means is not Means.DROP:
            rare = [*rare, field] if rare else [field]
    if host is None:
        if modern:
            raise BadHead(400, "no-host", "an HTTP/1.1 request needs a Host header")
        host = b""
    check_host(host)
    if target[:1] != b"/":
        target, host = _origin(method, target, host)
    out = RequestHead(method, target, modern, host, plain, length, keep_alive)
    if rare is not None:
        _take_rare(out, rare)
    return out


def parse_answer(head: bytes) -> AnswerHead:
    """The head of an answer, without its empty line. Raises `BadHead` (its status means nothing here)."""
    lines = head.split(b"\r\n")
    check_bytes(head, len(lines))
    start = lines[0]
    code = start[9:12]
    if (
        start[:7] != b"HTTP/1."
        or start[8:9] != b" "
        or start[12:13] not in (b" ", b"")
        or not code.isdigit()
    ):
        raise BadHead(502, "bad-answer", f"the status line {start[:80]!r} is not one of HTTP/1")
    kept = [b"HTTP/1.1" + start[8:]]
    lengths: set[bytes] = set()
    codings: list[bytes] = []
    options: tuple[bytes, ...] = ()
    upgrade: bytes | None = None
    known = _answer_lines.known
    for line in lines[1:]:
        field = known.get(line) or _answer_lines.learn(line)
        if field is PLAIN:
            kept.append(line)
            continue
        means, value = field
        if means is Means.LENGTH:
            if not lengths:
                kept.append(line)
            lengths.add(value)
        elif means is Means.CODING:
            codings.append(value)
        elif means is Means.CONNECTION:
            options += _options(value)
        elif means is Means.UPGRADE:
            upgrade = value
    if options:
        kept[1:] = _without(kept[1:], options)
    kept.append(b"")
    keep_alive = b"close" not in options if start[7:8] == b"1" else b"keep-alive" in options
    length = _answer_length(lengths, codings)
    if upgrade is not None and (b"upgrade" not in options or code != b"101"):
        upgrade = None
    return AnswerHead(int(code), b"\r\n".join(kept), length, keep_alive, upgrade)


def check_host(host: bytes) -> None:
    """Raises `BadHead` if it can't be a host, whatever the protocol."""
    if host.translate(None, _HOST_TEXT):
        raise BadHead(400, "bad-host", f"the Host header {host[:80]!r} is not a host")


def check_target(method: bytes, target: bytes) -> None:
    """Raises `BadHead` if it is no path as HTTP/2 has it."""
    if target.translate(None, _TARGET) or not (
        target[:1] == b"/" or (target == b"*" and method == b"OPTIONS")
    ):
        raise BadHead(400, "bad-target", "the target is not a path, or must be percent-encoded")


def _request_line(line: bytes) -> tuple[bytes, bytes, bool]:
    try:
        method, target, version = line.split(b" ")
    except ValueError:
        raise BadHead(
            400, "bad-request-line", "the request line is not `METHOD target HTTP/1.1`"
        ) from None
    if not is_token(method):
        raise BadHead(400, "bad-method", "the method is not a word")
    if not target or target.translate(None, _TARGET):
        raise BadHead(
            400, "bad-target", "the target is empty or has bytes that must be percent-encoded"
        )
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        if version[:5] == b"HTTP/" and version[5:6].isdigit():
            raise BadHead(505, "http-version", "this port speaks HTTP/1.1 and HTTP/1.0")
        raise BadHead(
            400, "bad-request-line", "the request line does not end in HTTP/1.1 or HTTP/1.0"
        )
    if len(line) <= 128:
        if len(_start_lines) >= _KNOWN_START_LINES:
            _start_lines.clear()
        _start_lines[line] = method, target, version == b"HTTP/1.1"
    return method, target, version == b"HTTP/1.1"


def _take_rare(head: RequestHead, rare: list[Field]) -> None:
    """Understand what most requests don't have; all framing that isn't one plain Content-Length."""
    lengths = [head.length] if head.length else []
    codings: list[bytes] = []
    options: tuple[bytes, ...] = ()
    upgrade: bytes | None = None
    for means, value in rare:
        match means:
            case Means.HOST:
                raise BadHead(400, "two-hosts", "the request has two Host headers: send one")
            case Means.LENGTH:
                lengths.append(_number(value, 400))
            case Means.CODING:
                codings.append(value.lower())
            case Means.CONNECTION:
                options += _options(value)
            case Means.EXPECT:
                if value.lower() != b"100-continue":
                    raise BadHead(417, "expectation", "the only expectation met is 100-continue")
                head.expects_continue = head.modern
            case Means.UPGRADE:
                upgrade = upgrade + b", " + value if upgrade else value
            case Means.FORWARDED_FOR:
                head.forwarded_for = (
                    head.forwarded_for + b", " + value if head.forwarded_for else value
                )
            case Means.FORWARDED:
                head.forwarded += (value,)
            case Means.TE:
                head.takes_trailers = b"trailers" in _options(value)
            case Means.PRIORITY:
                head.priority = priority_of(value)
            case Means.PLAIN | Means.DROP:
                pass
    if len(lengths) > 1:
        raise BadHead(400, "two-lengths", "the request has more than one Content-Length header")
    if lengths:
        head.length = lengths[0]
    if codings:
        _check_chunked(head, codings, has_length=bool(lengths))
        head.length = CHUNKED
    if options:
        head.keep_alive = b"close" not in options if head.modern else b"keep-alive" in options
        # To h2c there is another way, by prior knowledge; an Upgrade may be ignored (RFC 9110 7.8).
        if upgrade and head.modern and b"upgrade" in options and upgrade.lower() != b"h2c":
            head.upgrade = upgrade
        head.fields = _without(head.fields, options)


def _check_chunked(head: RequestHead, codings: list[bytes], *, has_length: bool) -> None:
    if has_length:
        raise BadHead(
            400, "two-framings", "the request has both Content-Length and Transfer-Encoding"
        )
    if not head.modern:
        raise BadHead(400, "bad-framing", "an HTTP/1.0 request can't have Transfer-Encoding")
    if codings != [b"chunked"]:
        raise BadHead(501, "coding", "the only transfer coding understood is chunked")


def _answer_length(lengths: set[bytes], codings: list[bytes]) -> int:
    if codings:
        if lengths or [coding.lower() for coding in codings] != [b"chunked"]:
            raise BadHead(502, "bad-answer", f"its framing is not understood ({codings[0][:40]!r})")
        return CHUNKED
    if len(lengths) > 1:
        raise BadHead(502, "bad-answer", "it has two different Content-Length headers")
    return _number(lengths.pop(), 502) if lengths else UNTIL_CLOSE


def _options(connection: bytes) -> tuple[bytes, ...]:
    return tuple(option.strip(b" \t").lower() for option in connection.split(b","))


def _without(fields: list[bytes], options: tuple[bytes, ...]) -> list[bytes]:
    """The fields less those that Connection names as meant for this hop only."""
    named = [o for o in options if o not in (b"close", b"keep-alive", b"content-length")]
    if not named:
        return fields
    return [line for line in fields if line.partition(b":")[0].lower() not in named]


def _number(text: bytes, status: int) -> int:
    if not text or len(text) > 18 or text.translate(None, _DIGITS):
        raise BadHead(
            status, "bad-length", f"Content-Length {text[:40]!r} is not a number of bytes"
        )
    return int(text)


def _origin(method: bytes, target: bytes, host: bytes) -> tuple[bytes, bytes]:
    """Target and host of a request that isn't in origin form (RFC 9112 3.2.2: its host wins)."""
    if method == b"CONNECT":
        raise BadHead(
            501, "connect", "this is a gateway to services, not a tunnel: CONNECT is not offered"
        )
    if target == b"*" and method == b"OPTIONS":
        return target, host
    if target[:7].lower() == b"http://":
        authority, slash, path = target[7:].partition(b"/")
        if authority and not authority.translate(None, _HOST_TEXT):
            return b"/" + path if slash else b"/", authority
    raise BadHead(400, "bad-target", "the target is neither a path nor an http:// address")
