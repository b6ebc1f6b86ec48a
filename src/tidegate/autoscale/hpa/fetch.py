"""One small HTTP GET, on a thread, with an end to its time and size."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable

Get = Callable[[str], bytes]

_TIMEOUT_S, _WHOLE_S, _MOST_BYTES = 3.0, 5.0, 8 * 2**20


class NotFetched(OSError):
    """The page could not be had; the sentence says why."""


def get(url: str) -> bytes:
    """The body. Blocks. Raises `NotFetched`."""
    asked = urllib.request.Request(url, headers={"Accept": "text/plain, application/json"})
    try:
        with _OPENER.open(asked, timeout=_TIMEOUT_S) as answer:
            body: bytes = answer.read(_MOST_BYTES + 1)
    except urllib.error.HTTPError as why:
        # One line: it ends up in a condition, and some servers answer with a page of HTML.
        detail = " ".join(why.read(300).decode("utf-8", "replace").split())
        raise NotFetched(f"{url} answered {why.code}: {detail or why.reason}") from why
    except (OSError, ValueError) as why:
        raise NotFetched(f"{url}: {getattr(why, 'reason', None) or why}") from why
    if len(body) > _MOST_BYTES:
        raise NotFetched(f"{url}: more than {_MOST_BYTES // 2**20} MiB")
    return body


async def fetch(get_: Get, url: str) -> bytes:
    """Raises `NotFetched`, also for a page that comes drop by drop."""
    try:
        async with asyncio.timeout(_WHOLE_S):
            return await asyncio.to_thread(get_, url)
    except TimeoutError as why:
        raise NotFetched(f"{url}: not whole within {_WHOLE_S:g} s") from why


#: Without the environment's proxies: what is asked is on this machine or named in the settings.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
