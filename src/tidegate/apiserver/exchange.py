"""A request and its answer as values: what handlers see of HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tidegate.apiserver.access import Role
from tidegate.model.errors import ApiError, BadRequest

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `path` has no trailing slash; header names are lower case. `query_string` is the
    query as it came, for a parameter that may be said many times."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    user: str = "admin"
    role: Role = Role.ADMIN
    query_string: str = ""

    @property
    def accept(self) -> str:
        return self.headers.get("accept", "")

    @property
    def content_type(self) -> str:
        """Without parameters, in lower case; empty when not said."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def flag(self, name: str) -> bool:
        """A query parameter that is a claim. Raises BadRequest."""
        value = self.query.get(name)
        if value is None or value.lower() in ("false", "0"):
            return False
        if value.lower() in ("true", "1", ""):
            return True
        raise BadRequest(f'query parameter {name} is "{value}": it must be true or false')

    def number(self, name: str) -> int | None:
        """A query parameter that is a whole number, None when absent. Raises BadRequest."""
        value = self.query.get(name)
        if not value:
            return None
        try:
            return int(value)
        except ValueError as why:
            raise BadRequest(f'query parameter {name} is "{value}": it must be a number') from why


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `warnings` become Warning headers, which kubectl prints."""

    body: bytes
    code: int = 200
    media: str = JSON
    warnings: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that goes on until `chunks` ends or the client leaves; `release` is called then,
    even if nothing was ever sent."""

    chunks: AsyncIterator[bytes]
    release: Callable[[], None]
    media: str = JSON


def parse_query(raw: str) -> dict[str, str]:
    """The first value of each parameter. A selector said twice must hold twice."""
    out: dict[str, str] = {}
    for name, value in parse_qsl(raw, keep_blank_values=True):
        if name in ("labelSelector", "fieldSelector") and out.get(name) and value:
            out[name] = f"{out[name]},{value}"
        else:
            out.setdefault(name, value)
    return out


def as_json(value: Any, *, code: int = 200, warnings: Sequence[str] = ()) -> Reply:
    return Reply(json.dumps(value, separators=(",", ":")).encode(), code, warnings=warnings)


def status_of(error: ApiError) -> dict[str, Any]:
    """The Status object that tells of an error."""
    out: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.message,
        "reason": error.reason,
    }
    if error.details is not None:
        out["details"] = {k: v for k, v in error.details.items() if v != ""}
    return out | {"code": error.code}


def as_status(error: ApiError) -> Reply:
    return as_json(status_of(error), code=error.code)
