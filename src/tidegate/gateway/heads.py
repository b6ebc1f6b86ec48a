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

MAX_HEAD_BYTES: Final = 64 * 1024
CHUNKED: Final = -1  # a body's length when it comes in chunks
UNTIL_CLOSE: Final = -2  # an answer's length when its connection's end ends it

_TOKEN: Final = bytes(
    sorted(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
)
_FIELD_TEXT: Final = bytes(c for c in range(256) if c == 9 or (c >= 32 and c != 127))
_TARGET: Final = bytes(c for c in range(0x21, 0x7F) if c != ord("#"))
_HOST_TEXT: Final = bytes(c for c in range(0x21, 0x7F) if c not in b'"#,/<>?@\\^`{|}')
_DIGITS: Final = b"0123456789"

# What a field means to us. Plain ones go on as they came.
_PLAIN, _DROP, _HOST, _LENGTH, _CODING, _CONNECTION, _EXPECT, _UPGRADE, _FOR, _TRUSTED = range(10)
_MEANING: Final[dict[bytes, int]] = {
    b"host": _HOST,
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"expect": _EXPECT,
    b"upgrade": _UPGRADE,
    b"x-forwarded-for": _FOR,
    b"x-forwarded-proto": _TRUSTED,
    b"x-forwarded-host": _TRUSTED,
    b"forwarded": _TRUSTED,
    # One hop's own (RFC 9110 7.6.1), and Knative's words between its own parts: nobody outside may say them.
    b"keep-alive": _DROP,
    b"proxy-connection": _DROP,
    b"proxy-authorization": _DROP,
    b"te": _DROP,
    b"trailer": _DROP,
    b"http2-settings": _DROP,
    b"knative-serving-namespace": _DROP,
    b"knative-serving-revision": _DROP,
    b"k-proxy-request": _DROP,
}
_ANSWER_MEANING: Final[dict[bytes, int]] = {
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"keep-alive": _DROP,
    b"proxy-connection": _DROP,
    b"trailer": _DROP,
    b"upgrade": _DROP,
}
_SEEN_NAMES: Final = (
    1024  # spellings of names remembered as valid; clients can invent them, so bounded
)


class BadHead(Exception):
    """A head that can't be trusted. `status` is the answer it deserves, `reason` one word for machines."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(message)


@dataclass(slots=True)
class RequestHead:
    """A request's head as understood. `fields` are the lines that go on unchanged."""

    method: bytes
    target: bytes  # origin form, or `*`
    host: bytes  # as the client sent it
    fields: list[bytes]
    length: int  # of the body in bytes, or CHUNKED
    keep_alive: bool
    modern: bool  # HTTP/1.1: understands chunks and interim answers
    expects_continue: bool
    upgrades: bool
    forwarded_for: bytes | None  # what was there already
    forwarded: list[bytes]  # other X-Forwarded-* and Forwarded lines, to be kept or not


@dataclass(slots=True)
class AnswerHead:
    """An answer's head as understood. `start` is status line and kept fields, each with its line end."""

    status: int
    start: bytes
    length: int  # of the body in bytes, CHUNKED or UNTIL_CLOSE, as the fields say
    keep_alive: bool


_seen: dict[bytes, int] = {}
_answer_seen: dict[bytes, int] = {}


def parse_request(head: bytes) -> RequestHead:
    """The head of a request, without its empty line. Raises `BadHead`."""
    lines = head.split(b"\r\n")
    _check_bytes(head, len(lines))
    method, target, modern = _request_line(lines[0])
    host = coding = length = forwarded_for = None
    connection = b""
    fields: list[bytes] = []
    forwarded: list[bytes] = []
    expects = upgrades = False
    seen = _seen
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        meaning = seen.get(name)
        if meaning is None:
            meaning = _learn(name, colon, seen, _MEANING)
        if not colon:
            raise _bad_name(line)
        if meaning == _PLAIN:
            fields.append(line)
            continue
        value = value.strip(b" \t")
        if meaning == _HOST:
            if host is not None or value.translate(None, _HOST_TEXT):
                raise BadHead(400, "bad-host", "the request needs one Host header that is a host")
            host = value
        elif meaning == _LENGTH:
            if length is not None and length != value:
                raise BadHead(
                    400, "two-lengths", "the request has two different Content-Length headers"
                )
            length = value
        elif meaning == _CONNECTION:
            connection = connection + b"," + value if connection else value
        elif meaning == _CODING:
            coding = value if coding is None else coding + b"," + value
        elif meaning == _EXPECT:
            if value.lower() != b"100-continue":
                raise BadHead(417, "expectation", "the only expectation understood is 100-continue")
            expects = modern
        elif meaning == _UPGRADE:
            upgrades = True
        elif meaning == _FOR:
            forwarded_for = value if forwarded_for is None else forwarded_for + b", " + value
        elif meaning == _TRUSTED:
            forwarded.append(line)
    if host is None:
        if modern:
            raise BadHead(400, "no-host", "an HTTP/1.1 request needs a Host header")
        host = b""
    if target[:1] != b"/":
        target, host = _origin(method, target, host)
    options = _options(connection) if connection else ()
    if options:
        fields = _without(fields, options)
    return RequestHead(
        method,
        target,
        host,
        fields,
        _request_length(length, coding, modern=modern),
        b"close" not in options if modern else b"keep-alive" in options,
        modern,
        expects,
        upgrades and b"upgrade" in options,
        forwarded_for,
        forwarded,
    )


def parse_answer(head: bytes) -> AnswerHead:
    """The head of an answer, without its empty line. Raises `BadHead` (its status means nothing here)."""
    lines = head.split(b"\r\n")
    _check_bytes(head, len(lines))
    start = lines[0]
    code = start[9:12]
    if (
        start[:7] != b"HTTP/1."
        or start[8:9] != b" "
        or start[12:13] not in (b" ", b"")
        or not code.isdigit()
    ):
        raise BadHead(502, "bad-answer", f"the status line {start[:80]!r} is not one of HTTP/1")
    length = coding = None
    connection = b""
    kept = [b"HTTP/1.1" + start[8:]]
    seen = _answer_seen
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        meaning = seen.get(name)
        if meaning is None:
            meaning = _learn(name, colon, seen, _ANSWER_MEANING)
        if not colon:
            raise _bad_name(line)
        if meaning == _PLAIN:
            kept.append(line)
        elif meaning == _LENGTH:
            value = value.strip(b" \t")
            if length is None:
                length = value
                kept.append(line)
            elif length != value:
                raise BadHead(
                    502, "bad-answer", "the answer has two different Content-Length headers"
                )
        elif meaning == _CODING:
            coding = value.strip(b" \t") if coding is None else coding + b"," + value
        elif meaning == _CONNECTION:
            connection = connection + b"," + value if connection else value
    options = _options(connection) if connection else ()
    if options:
        kept = kept[:1] + _without(kept[1:], options)
    modern = start[7:8] == b"1"
    size = UNTIL_CLOSE
    if coding is not None:
        if coding.lower() != b"chunked" or length is not None:
            raise BadHead(
                502,
                "bad-answer",
                f"the answer's framing is not understood (coding {coding[:80]!r})",
            )
        size = CHUNKED
    elif length is not None:
        size = _number(length, 502)
    kept.append(b"")
    return AnswerHead(
        int(code),
        b"\r\n".join(kept),
        size,
        b"close" not in options if modern else b"keep-alive" in options,
    )


def _check_bytes(head: bytes, lines: int) -> None:
    """No control bytes, and no CR or LF but those that end lines."""
    if head.translate(None, _FIELD_TEXT) != b"\r\n" * (lines - 1):
        raise BadHead(
            400, "bad-byte", "the head has a control byte or a line end that is not CR LF"
        )


def _request_line(line: bytes) -> tuple[bytes, bytes, bool]:
    try:
        method, target, version = line.split(b" ")
    except ValueError:
        raise BadHead(
            400, "bad-request-line", "the request line is not `METHOD target HTTP/1.1`"
        ) from None
    if not method or method.translate(None, _TOKEN):
        raise BadHead(400, "bad-method", "the method is not a word")
    if not target or target.translate(None, _TARGET):
        raise BadHead(
            400, "bad-target", "the target is empty or has bytes that must be percent-encoded"
        )
    if version == b"HTTP/1.1":
        return method, target, True
    if version == b"HTTP/1.0":
        return method, target, False
    if version[:5] == b"HTTP/" and version[5:6].isdigit():
        raise BadHead(505, "http-version", "this port speaks HTTP/1.1 and HTTP/1.0")
    raise BadHead(400, "bad-request-line", "the request line does not end in HTTP/1.1 or HTTP/1.0")


def _learn(name: bytes, colon: bytes, seen: dict[bytes, int], meanings: dict[bytes, int]) -> int:
    """Check a name not met before in this spelling. A line folded onto the one before ends here too."""
    if not colon or not name or name.translate(None, _TOKEN):
        raise _bad_name(name)
    meaning = meanings.get(name.lower(), _PLAIN)
    if len(seen) < _SEEN_NAMES and len(name) <= 64:
        seen[name] = meaning
    return meaning


def _bad_name(line: bytes) -> BadHead:
    return BadHead(
        400, "bad-header", f"{line[:80]!r} is not a header: write `name: value`, not folded"
    )


def _options(connection: bytes) -> tuple[bytes, ...]:
    return tuple(option.strip(b" \t").lower() for option in connection.split(b","))


def _without(fields: list[bytes], options: tuple[bytes, ...]) -> list[bytes]:
    """The fields less those that Connection names as meant for this hop only."""
    named = [option for option in options if option not in (b"close", b"keep-alive", b"content-length")]
    if not named:
        return fields
    return [line for line in fields if line.partition(b":")[0].lower() not in named]


def _request_length(length: bytes | None, coding: bytes | None, *, modern: bool) -> int:
    if coding is None:
        return 0 if length is None else _number(length, 400)
    if length is not None:
        raise BadHead(
            400, "two-framings", "the request has both Content-Length and Transfer-Encoding"
        )
    if not modern:
        raise BadHead(400, "bad-framing", "an HTTP/1.0 request can't have Transfer-Encoding")
    if coding.lower() != b"chunked":
        raise BadHead(501, "coding", "the only transfer coding understood is chunked")
    return CHUNKED


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
