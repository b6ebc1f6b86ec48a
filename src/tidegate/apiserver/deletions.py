"""What a client says about a delete: in the query, or in a DeleteOptions (which wins)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tidegate.apiserver import bodies
from tidegate.apiserver.exchange import Ask
from tidegate.apiserver.lifecycle import Deletion
from tidegate.model.errors import BadRequest
from tidegate.model.jobs import Job
from tidegate.model.meta import Object

JOBS_WARNING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to "
    "remove them or set propagationPolicy=Orphan to suppress this warning"
)


def kept_children(asked: Deletion, type_: type[Object]) -> tuple[Deletion, tuple[str, ...]]:
    """What the kind adds where the client says nothing of its dependents, and warnings: a Job leaves
    its pods behind, for old times' sake. kubectl always says what it wants.

    Source: kubernetes pkg/registry/batch/job/strategy.go (DefaultGarbageCollectionPolicy), storage.go.
    """
    if type_ is not Job or asked.propagation is not None:
        return asked, ()
    return replace(asked, propagation="Orphan"), (JOBS_WARNING,)


def deletion(ask: Ask) -> tuple[Deletion, bool]:
    """What a DELETE asks for, and whether it is only tried. Raises BadRequest, UnsupportedMedia."""
    said: Any = {}
    if ask.body.strip():
        said = bodies.decode(ask.body, ask.content_type).raw or {}
    return deletion_of(said, ask)


def deletion_of(said: Any, ask: Ask) -> tuple[Deletion, bool]:
    """The same, from a DeleteOptions document. Raises BadRequest."""
    if not isinstance(said, dict) or said.get("kind", "DeleteOptions") != "DeleteOptions":
        raise BadRequest("the body of a DELETE must be a DeleteOptions object")
    conditions = said.get("preconditions") or {}
    if not isinstance(conditions, dict):
        raise BadRequest("preconditions must be an object with uid or resourceVersion")
    grace = said.get("gracePeriodSeconds", ask.number("gracePeriodSeconds"))
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise BadRequest(f"gracePeriodSeconds is {json.dumps(grace)}: it must be a whole number")
    propagation = said.get("propagationPolicy") or ask.query.get("propagationPolicy") or None
    orphan = said.get("orphanDependents")
    if propagation is None and isinstance(orphan, bool):
        propagation = "Orphan" if orphan else "Background"
    asked = Deletion(
        uid=conditions.get("uid"),
        version=conditions.get("resourceVersion"),
        grace_s=grace,
        propagation=propagation,
    )
    return asked, dry_run(ask) or "All" in (said.get("dryRun") or ())


def dry_run(ask: Ask) -> bool:
    """Whether everything is done but the storing. Raises BadRequest."""
    value = ask.query.get("dryRun")
    if value in (None, ""):
        return False
    if value != "All":
        raise BadRequest(f'dryRun: Unsupported value: "{value}": supported values: "All"')
    return True
