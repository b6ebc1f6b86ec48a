"""Whether waiting for a condition makes sense any more. Pure.

Only what stays so until somebody changes something counts: a deadline that the object itself set and
missed, a Job that has ended, a spec that names nothing that could serve it. A container that crashes
may yet start, so it doesn't.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
_DEADLINE = "ProgressDeadlineExceeded"
_OPPOSITE = {"complete": "Failed", "failed": "Complete"}
_HEALTH = ("ready", "available")


def why_never(live: Json, type_: str, revision: Json | None = None) -> str | None:
    """Why the object will never have the condition True by itself; None: it still may.

    `revision`: the newest Knative revision of a Service or Configuration; None: there is none to ask.
    """
    wanted = type_.lower()
    status = live.get("status") or {}
    if _is_stale(live, status):
        return None
    conditions = {str(c.get("type")): c for c in status.get("conditions") or ()}
    other = conditions.get(_OPPOSITE.get(wanted, ""))
    if other is not None and other.get("status") == "True":
        return _said(other)
    if wanted not in _HEALTH:
        return None
    if _is_true(conditions, wanted):
        return None
    progressing = conditions.get("Progressing")
    if progressing is not None and progressing.get("reason") == _DEADLINE:
        return _said(progressing)
    if (status.get("modelStatus") or {}).get("transitionStatus") == "InvalidSpec":
        failure = status["modelStatus"].get("lastFailureInfo") or {}
        return f"{failure.get('reason', 'InvalidSpec')}: {failure.get('message', '')}".rstrip(": ")
    return _of_revision(live if revision is None else revision)


def newest_revision(live: Json) -> str | None:
    """The name of the newest revision that a Knative object has made."""
    name = (live.get("status") or {}).get("latestCreatedRevisionName")
    return str(name) if name else None


def _of_revision(revision: Json) -> str | None:
    status = revision.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("status") == "False" and condition.get("reason") == _DEADLINE:
            return _said(condition)
    return None


def _is_stale(live: Json, status: Json) -> bool:
    seen = status.get("observedGeneration")
    return seen is not None and seen < live["metadata"].get("generation", 0)


def _is_true(conditions: dict[str, Json], wanted: str) -> bool:
    return any(c.get("status") == "True" for t, c in conditions.items() if t.lower() == wanted)


def _said(condition: Json) -> str:
    reason = condition.get("reason") or condition.get("type")
    message = condition.get("message")
    return f"{reason}: {message}" if message else str(reason)
