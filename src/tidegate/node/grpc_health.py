"""A probe of kind gRPC: one call of `grpc.health.v1.Health/Check`, over cleartext HTTP/2.

Source: kubernetes pkg/probe/grpc; RFC 9113; grpc/doc/health-checking.md.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress

from hpack import Decoder, Encoder, HPACKError

from tidegate.node.shortage import is_short

LOOPBACK = "127.0.0.1"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY, _CONTINUATION = 0, 1, 3, 4, 6, 7, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_STREAM = 1
_MOST_BYTES = 64 * 1024  # of the whole answer: a health check's is a few hundred
_STATUSES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_UNIMPLEMENTED = "12"


async def grpc_health(port: int, service: str, *, timeout_s: float) -> str | None:
    """What is wrong with the service, in the kubelet's words; None: it says SERVING. Raises OSError only
    where this machine is short of something."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                return await _check(reader, writer, port, service)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        where = f"{LOOPBACK}:{port}"
        return f'timeout: failed to connect service "{where}" within {timeout_s:g}s'
    except (OSError, asyncio.IncompleteReadError, HPACKError, ValueError) as why:
        if isinstance(why, OSError) and is_short(why.errno):
            raise
        what = str(why) or type(why).__name__
        return f"error: health rpc to {LOOPBACK}:{port} failed: {what}"


async def _check(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, service: str
) -> str | None:
    head = Encoder().encode(
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", f"{LOOPBACK}:{port}"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("user-agent", "kube-probe/1.32"),
        ],
        huffman=False,
    )
    name = service.encode()
    asked = b"\x0a" + _varint(len(name)) + name if name else b""
    message = b"\0" + struct.pack(">I", len(asked)) + asked
    writer.write(_PREFACE + _frame(_SETTINGS, 0, 0, b""))
    writer.write(_frame(_HEADERS, _END_HEADERS, _STREAM, head))
    writer.write(_frame(_DATA, _END_STREAM, _STREAM, message))
    body, headers = await _answer(reader, writer)
    status = headers.get("grpc-status", "")
    if status not in ("", "0"):
        said = headers.get("grpc-message") or f"grpc-status {status}"
        if status == _UNIMPLEMENTED:
            return (
                "error: this server does not implement the grpc health protocol "
                f"(grpc.health.v1.Health): {said}"
            )
        return f"error: health rpc failed: {said}"
    serving = _serving(body)
    if serving == 1:
        return None
    told = _STATUSES.get(serving, str(serving))
    return f'service unhealthy (responded with "{told}")'


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[bytes, dict[str, str]]:
    """Body and headers (trailers too) of the one stream."""
    decoder, headers, body, block, read, last = Decoder(), dict[str, str](), b"", b"", 0, False
    while True:
        top = await reader.readexactly(9)
        size, kind, flags = int.from_bytes(top[:3], "big"), top[3], top[4]
        read += size + 9
        if read > _MOST_BYTES:
            raise ValueError("the answer is too long for a health check")
        payload = await reader.readexactly(size)
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            writer.write(_frame(_PING, _ACK, 0, payload))
        elif kind in (_RST, _GOAWAY):
            raise ValueError("the server ended the stream")
        elif kind == _DATA:
            body += _unpadded(payload, flags)
            last = bool(flags & _END_STREAM)
        elif kind in (_HEADERS, _CONTINUATION):
            if kind == _HEADERS:
                last = bool(flags & _END_STREAM)
                payload = _unpadded(payload, flags)[5 if flags & _PRIORITY else 0 :]
            block += payload
            if flags & _END_HEADERS:
                headers |= {str(n): str(v) for n, v in decoder.decode(block)}
                block = b""
        if last and not block:
            return body, headers


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _unpadded(payload: bytes, flags: int) -> bytes:
    if not flags & _PADDED:
        return payload
    return payload[1 : len(payload) - payload[0]]


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def _serving(body: bytes) -> int:
    """Field 1 of the HealthCheckResponse; 0 where it is absent."""
    message = body[5:]
    return message[1] if len(message) >= 2 and message[0] == 0x08 else 0
