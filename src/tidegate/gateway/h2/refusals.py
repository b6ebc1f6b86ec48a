"""The gateway's own answers as HTTP/2 has them; to a gRPC call as gRPC has them.

A gRPC client reads `grpc-status` and ignores bodies, so each of our reasons has a status there, next to
what an HTTP client would have got.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from tidegate.gateway.answers import PART, Refusal
from tidegate.gateway.h2.hpack import encoded, encoded_lines


class GrpcStatus(IntEnum):
    """gRPC's status codes that we have a use for (grpc/doc/statuscodes.md)."""

    UNKNOWN = 2
    DEADLINE_EXCEEDED = 4
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15


#: Those that are the server's failure, as 5xx are.
FAILURES: Final = frozenset(GrpcStatus) - {GrpcStatus.UNIMPLEMENTED, GrpcStatus.RESOURCE_EXHAUSTED}

_STATUS: Final[Mapping[int, GrpcStatus]] = {
    400: GrpcStatus.INTERNAL,
    404: GrpcStatus.UNIMPLEMENTED,
    431: GrpcStatus.RESOURCE_EXHAUSTED,
    501: GrpcStatus.UNIMPLEMENTED,
    502: GrpcStatus.UNAVAILABLE,
    503: GrpcStatus.UNAVAILABLE,
    504: GrpcStatus.DEADLINE_EXCEEDED,
}
_PLAIN: Final = frozenset(range(0x20, 0x7F)) - {ord("%")}


def refusal_trailers(refusal: Refusal) -> list[bytes]:
    """The lines that end a gRPC call with our reason."""
    status = _STATUS.get(refusal.status, GrpcStatus.UNKNOWN)
    return [
        b"grpc-status: %d" % status,
        b"grpc-message: " + percent_encoded(f"{refusal.reason}: {refusal.message}"),
        f"tidegate-error: {PART}; {refusal.reason}".encode(),
    ]


def refusal_block(refusal: Refusal, *, grpc: bool) -> bytes:
    """The head of our own answer; to a gRPC call it is all of it."""
    if grpc:
        lines = [b"content-type: application/grpc", *refusal_trailers(refusal)]
        return encoded(b":status", b"200") + encoded_lines(lines)
    return encoded(b":status", b"%d" % refusal.status) + encoded_lines(refusal.lines())


def percent_encoded(text: str) -> bytes:
    """As gRPC wants messages: printable ASCII, everything else by its bytes (PROTOCOL-HTTP2.md)."""
    return b"".join(
        bytes((byte,)) if byte in _PLAIN else b"%%%02X" % byte for byte in text.encode()
    )
