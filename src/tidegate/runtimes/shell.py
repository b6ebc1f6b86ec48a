"""The ASGI application around one model: reads the request, asks the backend, writes the answer.

Bare ASGI, no framework: `protocols.catalog` reads the path, and what a framework would add is
import time on every cold start. Flow: request line -> body -> typed request -> model -> bytes;
`ProtocolError`s on the way become error answers in the words of the protocol that was spoken.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tidegate import __version__
from tidegate.kit.clock import Clock
from tidegate.protocols import openai, v1, v2
from tidegate.protocols.catalog import Ask, Call, Family, read_call
from tidegate.protocols.errors import (
    InferenceFailed,
    ModelNotReady,
    ProtocolError,
    TooLarge,
    UnknownModel,
    WrongKey,
    WrongMethod,
)
from tidegate.protocols.json_body import encode
from tidegate.runtimes.backend import Backend
from tidegate.runtimes.drain import Drain
from tidegate.runtimes.generation import Generation
from tidegate.runtimes.workers import Workers

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_log = logging.getLogger("tidegate.runtimes")
_JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Served:
    """What the shell is told about its model besides the backend."""

    name: str  # what clients call it
    also: frozenset[str] = frozenset()  # other names that mean it
    api_keys: frozenset[str] = frozenset()  # empty: none is asked for
    max_body_bytes: int | None = None  # None: no limit


class ClientGone(Exception):
    """The caller hung up before it had sent its request."""


class Shell:
    """One model's ASGI application. Owned by the event loop's thread.

    `new_id` makes the ids of answers whose request had none.
    """

    def __init__(
        self,
        served: Served,
        backend: Backend,
        *,
        workers: Workers,
        drain: Drain,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._served, self._backend, self._workers = served, backend, workers
        self._drain, self._new_id = drain, new_id
        self._loaded_at = int(clock.now())
        self._family = Family.TENSORS if hasattr(backend, "predict") else Family.TEXT
        self._render_error = (
            v1.render_error if self._family is Family.TENSORS else openai.render_error
        )

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """ASGI's entry. The outer handler of every request: reports what nobody foresaw."""
        try:
            call = read_call(scope["method"], scope["path"], self._family)
            await self._answer(call, scope, receive, send)
        except ProtocolError as error:
            await self._send_error(send, error)
        except ClientGone:
            return
        except Exception as why:  # noqa: BLE001 - the outer handler: report, answer, live on
            _log.exception("%s %s failed", scope["method"], scope["path"])
            failed = InferenceFailed(f"{type(why).__name__}: {why}")
            await self._send_error(send, failed)

    async def _answer(
        self, call: Call, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        match call.ask:
            case Ask.V1_PREDICT | Ask.V2_INFER | Ask.OPENAI_CHAT | Ask.OPENAI_COMPLETIONS:
                self._check_key(scope)
                self._check_name(call.model)
                with self._drain.entered():
                    body = await self._read_body(receive)
                    await self._run(call.ask, body, receive, send)
            case _:
                await self._send(send, 200, self._describe(call))

    def _describe(self, call: Call) -> bytes:
        """The bodies that need no model: health, readiness, names, metadata."""
        name, ready = self._served.name, not self._drain.draining
        self._check_name(call.model)
        if call.ask in _READINESS and not ready:
            raise ModelNotReady(name)
        about = self._backend.about
        match call.ask:
            case Ask.HEALTH:
                return encode({"status": "ok"})
            case Ask.V1_MODELS:
                return v1.render_models([name])
            case Ask.V1_MODEL:
                return v1.render_model(name, ready=ready)
            case Ask.V2_SERVER:
                return v2.render_server(__version__)
            case Ask.V2_LIVE:
                return v2.render_live()
            case Ask.V2_READY:
                return v2.render_ready(ready=ready)
            case Ask.V2_MODELS:
                return v2.render_models([name])
            case Ask.V2_MODEL:
                return v2.render_metadata(
                    name, platform=about.platform, inputs=about.inputs, outputs=about.outputs
                )
            case Ask.V2_MODEL_READY:
                return v2.render_model_ready(name, ready=ready)
            case Ask.OPENAI_MODELS:
                return openai.render_models([name], created=self._loaded_at)
            case _:
                return encode({"status": "alive"})

    async def _run(self, ask: Ask, body: bytes, receive: Receive, send: Send) -> None:
        backend: Any = self._backend
        if ask is Ask.V1_PREDICT:
            asked = v1.read_predict(body)
            predictions = await self._workers.predict(
                lambda: backend.predict(asked.instances), body_bytes=len(body)
            )
            await self._send(send, 200, v1.render_predictions(predictions))
        elif ask is Ask.V2_INFER:
            infer = v2.read_infer(body)
            outputs = await self._workers.predict(
                lambda: backend.infer(infer), body_bytes=len(body)
            )
            answer = v2.Inferred(self._served.name, infer.id or self._new_id(), outputs)
            await self._send(send, 200, v2.render_inferred(answer))
        else:
            chat = ask is Ask.OPENAI_CHAT
            wanted = openai.read_chat(body) if chat else openai.read_completion(body)
            self._check_name(wanted.model)
            call = backend.chat if chat else backend.complete
            generation = Generation(call, wanted, self._workers)
            if wanted.stream:
                await generation.stream(receive, send, self._headers(b"text/event-stream"))
            else:
                whole = await generation.whole(receive)
                if whole is not None:
                    await self._send(send, 200, openai.render_whole(whole))

    async def _read_body(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size, limit = 0, self._served.max_body_bytes
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            size += len(part)
            if limit is not None and size > limit:
                raise TooLarge(limit_bytes=limit)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts) if len(parts) > 1 else part

    def _check_name(self, asked: str | None) -> None:
        if asked is not None and asked != self._served.name and asked not in self._served.also:
            raise UnknownModel(asked)

    def _check_key(self, scope: dict[str, Any]) -> None:
        if not self._served.api_keys:
            return
        for name, value in scope["headers"]:
            key = value.decode("latin-1").removeprefix("Bearer ")
            if name in (b"authorization", b"x-api-key") and key in self._served.api_keys:
                return
        raise WrongKey

    def _headers(self, kind: bytes) -> list[tuple[bytes, bytes]]:
        headers = [(b"content-type", kind)]
        if self._drain.draining:
            headers.append((b"connection", b"close"))
        return headers

    async def _send_error(self, send: Send, error: ProtocolError) -> None:
        more = [(b"allow", error.allow.encode())] if isinstance(error, WrongMethod) else []
        await self._send(send, error.code, self._render_error(error), more)

    async def _send(
        self, send: Send, status: int, body: bytes, more: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        headers = self._headers(_JSON)
        headers.append((b"content-length", str(len(body)).encode()))
        headers.extend(more)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


_READINESS = frozenset({Ask.HEALTH, Ask.V1_MODEL, Ask.V2_READY, Ask.V2_MODEL_READY})
"""What turns to 503 while draining; liveness never does."""
