"""Evictions: deletes of pods by the way that budgets could forbid, which there are none of here."""

from __future__ import annotations

from typing import Any

from tidegate.apiserver import bodies
from tidegate.apiserver.deletions import deletion_of
from tidegate.apiserver.exchange import Ask, Reply, as_json
from tidegate.apiserver.targets import Target
from tidegate.apiserver.writes import Caller, Writes
from tidegate.model.errors import BadRequest
from tidegate.model.pods import Pod


class Evictions:
    """Answers POSTs to pods/NAME/eviction. Raises ApiError."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes

    async def create(self, ask: Ask, target: Target) -> Reply:
        """Ask a pod to go, with the grace period that the body says, or its own."""
        assert target.name is not None
        body: Any = bodies.decode(ask.body, ask.content_type).raw
        if not isinstance(body, dict) or body.get("kind", "Eviction") != "Eviction":
            raise BadRequest("the body must be an Eviction object")
        meta = body.get("metadata") or {}
        named = meta.get("name") if isinstance(meta, dict) else None
        if named not in (None, "", target.name):
            raise BadRequest(
                f"the name of the object ({named}) does not match the name on the URL "
                f"({target.name})"
            )
        asked, dry_run = deletion_of(body.get("deleteOptions") or {}, ask)
        caller = Caller(ask.user, durable=True)
        await self._writes.delete(
            Pod, target.namespace or "", target.name, caller, asked=asked, dry_run=dry_run
        )
        return as_json(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, code=201
        )
