"""Between ASGI and the API: reads requests, checks who asks, writes answers.

The outermost place of a request: what no handler expected ends here as a 500 and a log line.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from tidegate.apiserver.access import Role
from tidegate.apiserver.exchange import Ask, Reply, Stream, as_status, parse_query
from tidegate.apiserver.routes import PUBLIC
from tidegate.apiserver.sessions import Session
from tidegate.apiserver.tokens import Tokens
from tidegate.apiserver.websocket import Message, Receive, Send, converse, refuse
from tidegate.model.errors import ApiError, Forbidden, TooLarge, Unauthorized

#: As an API server limits a request body.
LARGEST_BODY = 3 * 1024 * 1024

_log = logging.getLogger(__name__)


class Answers(Protocol):
    async def handle(self, ask: Ask) -> Reply | Stream:
        """Answer one request. Raises ApiError."""
        ...

    async def connect(self, ask: Ask) -> Session:
        """Answer one request for a WebSocket. Raises ApiError."""
        ...


class Left(Exception):
    """The client went away before its request was complete."""


class ApiApp:
    """The ASGI application. Whoever brings `token` is `user` with every right; `tokens` are the others.

    `close` ends the streams, so that a server with watchers can stop.
    """

    def __init__(
        self, api: Answers, *, token: str, user: str = "admin", tokens: Tokens | None = None
    ) -> None:
        self._api, self._token, self._user = api, token.encode(), user
        self._tokens = tokens
        self._closing = asyncio.Event()

    def close(self) -> None:
        self._closing.set()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # lifespan is off
            await self._websocket(scope, receive, send)
            return
        try:
            answer = await self._answer(scope, receive)
        except Left:
            return
        except ApiError as why:
            answer = as_status(why)
        except Exception:  # noqa: BLE001 - the edge of a request; reported
            _log.exception("%s %s failed", scope["method"], scope["path"])
            answer = as_status(ApiError("an unexpected error: the engine's log has the details"))
        if isinstance(answer, Stream):
            await self._stream(answer, receive, send)
        else:
            await _whole(answer, send, head=scope["method"] == "HEAD")

    async def _answer(self, scope: Mapping[str, Any], receive: Receive) -> Reply | Stream:
        ask = self._admitted(scope)
        return await self._api.handle(replace(ask, body=await _body(ask.headers, receive)))

    def _admitted(self, scope: Mapping[str, Any]) -> Ask:
        """The request but for its body. Raises Unauthorized, Forbidden."""
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        path = scope["path"].rstrip("/") or "/"
        _check_loopback(scope.get("client"))
        user, role = self._user, Role.ADMIN
        if path not in PUBLIC:
            user, role = self._who(headers.get("authorization", ""))
            _check_nobody_else(user, headers)
        query_string = scope["query_string"].decode("latin-1")
        return Ask(
            method=scope.get("method", "GET"),  # a WebSocket's scope names none
            path=path,
            query=parse_query(query_string),
            headers=headers,
            user=user,
            role=role,
            query_string=query_string,
        )

    async def _websocket(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            session = await self._api.connect(self._admitted(scope))
            protocol = session.protocol_for(scope["subprotocols"])
        except ApiError as why:
            await refuse(as_status(why), send)
        except Exception:  # noqa: BLE001 - the edge of a request; reported
            _log.exception("WebSocket %s failed", scope["path"])
            await refuse(as_status(ApiError("an unexpected error: see the engine's log")), send)
        else:
            await converse(session, protocol, receive, send, closing=self._closing)

    def _who(self, header: str) -> tuple[str, Role]:
        """The user behind an Authorization header. Raises Unauthorized."""
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() == "bearer":
            if hmac.compare_digest(token.encode("latin-1", "replace"), self._token):
                return self._user, Role.ADMIN
            named = self._tokens.owner(token) if self._tokens is not None else None
            if named is not None:
                return named.name, named.role
        raise Unauthorized("Unauthorized")

    async def _stream(self, stream: Stream, receive: Receive, send: Send) -> None:
        async def leave() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        try:
            await send(_start(200, stream.media, {}))
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(_chunks(stream, send))
                ends = [
                    sending,
                    group.create_task(leave()),
                    group.create_task(self._closing.wait()),
                ]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                for task in ends:
                    task.cancel()
        except* OSError:
            pass  # the client left in the middle of a chunk
        except* Exception:  # noqa: BLE001 - the edge of a stream; reported
            _log.exception("a stream failed")
        finally:
            stream.release()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _chunks(stream: Stream, send: Send) -> None:
    async for chunk in stream.chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _whole(reply: Reply, send: Send, *, head: bool) -> None:
    start = _start(reply.code, reply.media, reply.headers)
    start["headers"].append((b"content-length", str(len(reply.body)).encode()))
    start["headers"] += [(b"warning", _warning(text)) for text in reply.warnings]
    await send(start)
    await send({"type": "http.response.body", "body": b"" if head else reply.body})


def _start(code: int, media: str, headers: Mapping[str, str]) -> Message:
    fields = {"content-type": media, "cache-control": "no-cache, private", **headers}
    return {
        "type": "http.response.start",
        "status": code,
        "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in fields.items()],
    }


def _warning(text: str) -> bytes:
    """RFC 7234, as kubectl reads it: code, agent, quoted text."""
    plain = " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{plain}"'.encode("latin-1", "replace")


async def _body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """Raises TooLarge as soon as that is known, and Left."""
    said = headers.get("content-length", "")
    if said.isdigit() and int(said) > LARGEST_BODY:
        raise _too_large()
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Left
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > LARGEST_BODY:
            raise _too_large()
        parts.append(chunk)
        if not message.get("more_body"):
            return b"".join(parts)


def _too_large() -> TooLarge:
    return TooLarge(f"Request entity too large: limit is {LARGEST_BODY}")


def _check_nobody_else(user: str, headers: Mapping[str, str]) -> None:
    """Refuses `kubectl --as`: it would be answered for somebody else than was asked. Raises Forbidden."""
    meant = next((v for k, v in headers.items() if k.startswith("impersonate-")), None)
    if meant is not None:
        raise Forbidden(
            f'users "{meant}" is forbidden: User "{user}" cannot impersonate resource "users" in '
            'API group "" at the cluster scope: nobody acts for somebody else here; use a token of '
            "the role that you mean (`tidegate token create NAME --role view`)",
            details={"name": meant, "kind": "users"},
        )


def _check_loopback(client: Any) -> None:
    """The listener is on loopback already; this says so again should it ever not be."""
    if client and not ipaddress.ip_address(client[0]).is_loopback:
        raise Forbidden("this API answers on loopback only")
