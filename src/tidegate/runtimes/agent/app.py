"""The agent as an ASGI application: what comes in goes to the component, perhaps batched, perhaps
logged; answers come back as they are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tidegate.kit.clock import Clock
from tidegate.runtimes.agent.batches import Batcher, instances_of
from tidegate.runtimes.agent.events import REQUEST, RESPONSE, EventLog, LoggedEvent
from tidegate.runtimes.agent.flags import AgentPlan
from tidegate.runtimes.agent.upstream import UpstreamFailed, end_to_end, exchange
from tidegate.runtimes.drain import Drain

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_JSON = b"application/json"
_HERE = "127.0.0.1"


class Agent:
    """`events` None: nothing is logged. `said` gets a line for people."""

    def __init__(
        self,
        plan: AgentPlan,
        *,
        drain: Drain,
        clock: Clock,
        new_id: Callable[[], str],
        said: Callable[[str], None],
    ) -> None:
        self._port, self._drain, self._new_id = plan.component_port, drain, new_id
        self.events = EventLog(plan.logging, clock, said) if plan.logging else None
        self._batcher = (
            Batcher(plan.batching, self._send_batch, clock, new_id) if plan.batching else None
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        with self._drain.entered():
            body = await _whole(receive)
            if body is not None:  # None: the client left
                await self._handle(scope, body, send)

    async def _handle(self, scope: Scope, body: bytes, send: Send) -> None:
        event_id = self._log_request(scope, body)
        path: str = scope["path"]
        if self._batcher is not None and scope["method"] == "POST" and path.endswith(":predict"):
            instances = instances_of(body)
            if instances is not None:
                asked = scope["raw_path"].decode("latin-1")
                status, answered = await self._batcher.predict(asked, instances)
                await _respond(send, status, [(b"content-type", _JSON)], answered)
                self._log_answer(event_id, status, _JSON, answered)
                return
        await self._pass_on(scope, body, send, event_id)

    async def _pass_on(self, scope: Scope, body: bytes, send: Send, event_id: str | None) -> None:
        target = scope["raw_path"] + (
            b"?" + scope["query_string"] if scope["query_string"] else b""
        )
        began, kept = False, bytearray()
        try:
            async with exchange(
                _HERE, self._port, scope["method"].encode(), target, scope["headers"], body
            ) as answer:
                began = True
                headers = end_to_end(answer.headers)
                await send(
                    {"type": "http.response.start", "status": answer.status, "headers": headers}
                )
                async for chunk in answer.chunks:
                    if event_id is not None:
                        kept += chunk
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
                content = dict(headers).get(b"content-type", b"application/octet-stream")
                self._log_answer(event_id, answer.status, content, bytes(kept))
        except UpstreamFailed as why:
            if began:
                raise  # half an answer is out: the connection must break
            await _respond(send, 502, [(b"content-type", b"text/plain")], f"{why}\n".encode())

    async def _send_batch(self, path: str, body: bytes) -> tuple[int, bytes]:
        try:
            async with exchange(
                _HERE,
                self._port,
                b"POST",
                path.encode("latin-1"),
                [(b"content-type", _JSON)],
                body,
            ) as answer:
                return answer.status, await answer.body()
        except UpstreamFailed as why:
            return 502, f"{why}\n".encode()

    def _log_request(self, scope: Scope, body: bytes) -> str | None:
        """The id that the request's and the answer's event share; None: it isn't one to log."""
        if self.events is None or scope["method"] != "POST":
            return None
        headers = dict(scope["headers"])
        event_id = headers.get(b"ce-id", b"").decode("latin-1") or self._new_id()
        content = headers.get(b"content-type", _JSON)
        told = self.events.metadata_of(scope["headers"])
        self.events.put(LoggedEvent(REQUEST, event_id, content, body, told))
        return event_id

    def _log_answer(self, event_id: str | None, status: int, content: bytes, body: bytes) -> None:
        """Only answers that are one (KServe logs no other)."""
        if self.events is not None and event_id is not None and status == 200 and body:
            self.events.put(LoggedEvent(RESPONSE, event_id, content, body))


async def _whole(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _respond(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
