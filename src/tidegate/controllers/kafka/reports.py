"""How an adapter is, in its own words: its `/status` page."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import msgspec

from tidegate.model.pods import Pod

log = logging.getLogger(__name__)


class ReportedError(msgspec.Struct, frozen=True):
    """What keeps the adapter from its work now."""

    reason: str = ""
    message: str = ""


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """`last_error` None: nothing is wrong. The fields that the page has beside these are for people."""

    state: str = ""
    message: str = ""
    connected: bool = False
    initial_offsets_committed: bool = False
    topic_ready: bool = False
    last_error: ReportedError | None = None


class Reports(Protocol):
    """Whom the controllers ask."""

    async def of(self, pods: Iterable[Pod]) -> dict[str, Report]:
        """What the pods' adapters say, by pod name. Who doesn't answer is left out."""
        ...


class PodReports:
    """Asks over loopback. `fetch` gives a page's body and raises OSError."""

    def __init__(self, fetch: Callable[[str], Awaitable[bytes]]) -> None:
        self._fetch = fetch

    async def of(self, pods: Iterable[Pod]) -> dict[str, Report]:
        asked = {pod.metadata.name: url for pod in pods if (url := _page(pod)) is not None}
        answers = await asyncio.gather(*(self._ask(url) for url in asked.values()))
        return {
            name: answer for name, answer in zip(asked, answers, strict=True) if answer is not None
        }

    async def _ask(self, url: str) -> Report | None:
        try:
            return msgspec.json.decode(await self._fetch(url), type=Report)
        except (OSError, msgspec.DecodeError) as why:
            log.debug("%s: %s", url, why)
            return None


def _page(pod: Pod) -> str | None:
    """None: nothing of the pod listens yet."""
    status = pod.status
    if status is None or status.phase != "Running" or status.tidegate is None:
        return None
    ports = status.tidegate.ports
    return f"http://127.0.0.1:{ports[0].local_port}/status" if ports else None
