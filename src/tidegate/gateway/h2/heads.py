"""HTTP/2's heads as the gateway's own values, and answers on their way back.

Inside the gateway a field is a line as HTTP/1 has it, whichever protocol it came by, so that whatever
reads or adds fields is written once. Strict as RFC 9113 section 8.2 and 8.3 ask: a request that HTTP/1 could not
say, or would say differently, goes nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from tidegate.gateway.fields import REQUEST_MEANINGS, BadHead, Means, is_token, priority_of
from tidegate.gateway.h2.frames import Code, StreamFault
from tidegate.gateway.h2.hpack import Fields, encoded, encoded_lines
from tidegate.gateway.heads import (
    CHUNKED,
    MAX_HEAD_BYTES,
    AnswerHead,
    RequestHead,
    check_host,
    check_target,
)

_KNOWN_STARTS: Final = 1024  # of answers, and of requests; others can invent them, so bounded
_KNOWN_BYTES: Final = 512  # of one of them
_PER_FIELD: Final = 32  # bytes that RFC 9113 6.5.2 counts for each field beside its text
_OF_HTTP1: Final = frozenset(
    (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")
)
_TEXT: Final = bytes(c for c in range(256) if c == 9 or (c >= 32 and c != 127))
_REQUEST_PSEUDO: Final = frozenset((b":method", b":scheme", b":path", b":authority"))
_starts: dict[bytes, bytes] = {}
_asked: dict[tuple[bytes, bytes, bytes], bytes] = {}


def request_head(fields: Fields, ends: bool) -> RequestHead:
    """The head of a request; `ends`: it has no body. Raises `StreamFault` where it is no HTTP/2, `BadHead`
    where it can't be served."""
    pseudo, rest = _parted(fields)
    if not pseudo.keys() <= _REQUEST_PSEUDO or not {b":method", b":path"} <= pseudo.keys():
        raise _malformed("a request has :method, :scheme, :path and :authority")
    method, target, host = pseudo[b":method"], pseudo[b":path"], pseudo.get(b":authority")
    if not is_token(method):
        raise _malformed("the method is not a word")
    if method == b"CONNECT":
        raise BadHead(501, "connect", "this is a gateway to services, not a tunnel: no CONNECT")
    if b":scheme" not in pseudo or not target:
        raise _malformed("a request has :method, :scheme, :path and :authority")
    head = RequestHead(method, target, True, b"", [], 0 if ends else CHUNKED, True)
    head.http2 = True
    size, lengths, cookies = 0, [], []
    for name, value in rest:
        size += len(name) + len(value) + _PER_FIELD
        match REQUEST_MEANINGS.get(name, Means.PLAIN):
            case Means.PLAIN if name == b"cookie":
                cookies.append(value)
            case Means.PLAIN:
                head.fields.append(b"%b: %b" % (name, value))
                if name == b"content-type":
                    head.grpc = _is_grpc(value)
            case Means.HOST:
                if host is not None and host != value:
                    raise _malformed(":authority and host differ")
                host = value
            case Means.LENGTH:
                lengths.append(value)
            case Means.EXPECT:
                head.expects_continue = value.lower() == b"100-continue"
            case Means.FORWARDED_FOR:
                before = head.forwarded_for
                head.forwarded_for = before + b", " + value if before else value
            case Means.FORWARDED:
                head.forwarded += (b"%b: %b" % (name, value),)
            case Means.TE:
                if value.lower() != b"trailers":
                    raise _malformed("te may only be `trailers`")
                head.takes_trailers = True
            case Means.PRIORITY:
                head.priority = priority_of(value)
            case _:
                pass
    if size > MAX_HEAD_BYTES:
        raise BadHead(431, "head-too-large", "the headers take more than 64 KiB: send fewer")
    if cookies:  # clients may send them apart (RFC 9113 8.2.3)
        head.fields.append(b"cookie: " + b"; ".join(cookies))
    if not host:
        raise BadHead(400, "no-host", "an HTTP/2 request needs :authority")
    check_host(host)
    check_target(method, target)
    head.host = host
    if lengths:
        head.length = _length(lengths, ends)
    return head


def answer_head(fields: Fields, ends: bool) -> AnswerHead:
    """The head of an answer; `ends`: it has no body. Raises `StreamFault`."""
    pseudo, rest = _parted(fields)
    status = pseudo.get(b":status", b"")
    if len(pseudo) != 1 or len(status) != 3 or not status.isdigit() or status < b"100":
        raise _malformed("an answer has a :status of three digits")
    lines, lengths = [_status_line(status)], []
    for name, value in rest:
        if name == b"content-length":
            lengths.append(value)
        else:
            lines.append(b"%b: %b" % (name, value))
    length = CHUNKED
    bodiless = status in (b"204", b"304") or status < b"200"
    if lengths:
        length = _length(lengths[:1], False)
        lines.append(b"content-length: " + lengths[0])
        if len(set(lengths)) > 1:
            raise _malformed("two different content-length")
    elif ends:
        length = 0
        if not bodiless:
            lines.append(b"content-length: 0")
    return AnswerHead(int(status), b"\r\n".join([*lines, b""]), length, True)


def trailer_lines(fields: Fields, ends: bool) -> tuple[bytes, ...]:
    """The fields behind a body, as lines. Raises `StreamFault`."""
    pseudo, rest = _parted(fields)
    if pseudo or not ends:
        raise _malformed("fields behind a body have no pseudo-header and end the stream")
    return tuple(b"%b: %b" % field for field in rest if field[0] not in REQUEST_MEANINGS)


def answer_block(start: bytes) -> bytes:
    """An answer's status line and fields (`AnswerHead.start`) as HPACK."""
    known = _starts.get(start)
    if known is None:
        first, *lines = start.removesuffix(b"\r\n").split(b"\r\n")
        known = encoded(b":status", first[9:12]) + encoded_lines(lines)
        if len(start) <= _KNOWN_BYTES:
            if len(_starts) >= _KNOWN_STARTS:
                _starts.clear()
            _starts[start] = known
    return known


def request_block(head: RequestHead, target: bytes, lines: Sequence[bytes]) -> bytes:
    """A request as HPACK; `lines` are the fields that go on, `Host` among them is left to :authority."""
    asked = head.method, target, head.host
    out = [_asked.get(asked) or _pseudo_block(*asked), encoded_lines(lines)]
    if head.takes_trailers:
        out.append(encoded(b"te", b"trailers"))
    if head.length > 0:
        out.append(encoded(b"content-length", b"%d" % head.length))
    return b"".join(out)


def grpc_status(trailers: Sequence[bytes]) -> int | None:
    """The gRPC status that the lines carry; None: none that can be read."""
    for line in trailers:
        if line[:12].lower() == b"grpc-status:":
            text = line[12:].strip()
            return int(text) if text.isdigit() and len(text) < 4 else None
    return None


def _pseudo_block(method: bytes, target: bytes, host: bytes) -> bytes:
    out = b"".join(
        (
            encoded(b":method", method),
            encoded(b":scheme", b"http"),
            encoded(b":path", target),
            encoded(b":authority", host),
        )
    )
    if len(out) <= _KNOWN_BYTES:
        if len(_asked) >= _KNOWN_STARTS:
            _asked.clear()
        _asked[method, target, host] = out
    return out


def _parted(fields: Fields) -> tuple[dict[bytes, bytes], list[tuple[bytes, bytes]]]:
    """Pseudo-headers and the others, each field looked at (RFC 9113 8.2.1, 8.2.2, 8.3)."""
    pseudo: dict[bytes, bytes] = {}
    rest: list[tuple[bytes, bytes]] = []
    for name, value in fields:
        if value.translate(None, _TEXT) or value != value.strip(b" \t"):
            raise _malformed(f"the value of {name[:40]!r} has a control byte or space around it")
        if name[:1] == b":":
            if rest or name in pseudo:
                raise _malformed("pseudo-headers come once and first")
            pseudo[name] = value
        elif not is_token(name) or name != name.lower() or name in _OF_HTTP1:
            raise _malformed(f"{name[:40]!r} is no field of HTTP/2")
        else:
            rest.append((name, value))
    return pseudo, rest


def _length(lengths: Sequence[bytes], ends: bool) -> int:
    text = lengths[0]
    if len(lengths) > 1 or not text.isdigit() or len(text) > 18:
        raise _malformed("content-length is not one number")
    if ends and int(text):
        raise _malformed("content-length announces a body and none follows")
    return int(text)


def _is_grpc(content_type: bytes) -> bool:
    """gRPC itself; gRPC-Web carries its trailers in the body and needs nothing of us."""
    return content_type[:16] == b"application/grpc" and content_type[16:17] in (b"", b"+", b";")


def _status_line(status: bytes) -> bytes:
    try:
        phrase = HTTPStatus(int(status)).phrase
    except ValueError:
        phrase = ""
    return b"HTTP/1.1 %b %b" % (status, phrase.encode())


def _malformed(why: str) -> StreamFault:
    return StreamFault(Code.PROTOCOL_ERROR, why)
