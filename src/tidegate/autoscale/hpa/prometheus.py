"""A Prometheus server's answer to one query now.

Source: Prometheus HTTP API, `/api/v1/query`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any
from urllib.parse import urlencode

from tidegate.autoscale.hpa.fetch import Get, NotFetched, fetch, get


class NoAnswer(ValueError):
    """The server has no answer to the query; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Value:
    """`milli`: thousandths, rounded up. `at_s`: wall time."""

    labels: Mapping[str, str]
    milli: int
    at_s: float


async def query(server: str, text: str, *, get_: Get = get) -> tuple[Value, ...]:
    """All values of the answer, those that are no number left out. Raises `NoAnswer`."""
    url = f"{server}/api/v1/query?{urlencode({'query': text})}"
    try:
        answer = json.loads(await fetch(get_, url))
    except NotFetched as why:
        raise NoAnswer(str(why)) from why
    except ValueError as why:
        raise NoAnswer(f"{server} is no Prometheus server: its answer is no JSON") from why
    return values_of(answer, server)


def values_of(answer: Any, server: str) -> tuple[Value, ...]:
    """Raises `NoAnswer`."""
    try:
        if answer["status"] != "success":
            raise NoAnswer(f"{server}: {answer.get('error') or 'it says no reason'}")
        data = answer["data"]
        match data["resultType"]:
            case "scalar":
                found: list[Any] = [({}, data["result"])]
            case "vector":
                found = [(one["metric"], one["value"]) for one in data["result"]]
            case other:
                raise NoAnswer(f"{server}: the query gives a {other}; ask for a value of now")
        return tuple(
            Value(labels, ceil(round(float(figure) * 1000, 6)), float(at_s))
            for labels, (at_s, figure) in found
            if isfinite(float(figure))
        )
    except (KeyError, TypeError, ValueError) as why:
        if isinstance(why, NoAnswer):
            raise
        raise NoAnswer(f"{server} answers in another form than Prometheus") from why
