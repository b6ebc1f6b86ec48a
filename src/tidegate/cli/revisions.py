"""`tidegate revisions`: the history of a Knative Service, newest first, and who serves what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from time import time_ns
from typing import Any

from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import find_kind
from tidegate.cli.knative import knative_service
from tidegate.cli.options import AsTable, DataDir, Namespace, home_of
from tidegate.cli.tables import show_table
from tidegate.model.ages import age_of
from tidegate.model.serving_names import CONFIGURATION_GENERATION, SERVICE

Json = dict[str, Any]
REVISIONS = "revisions.serving.knative.dev"
_LONG = 80  # characters of a reason in the table; `describe` has the rest


@dataclass(frozen=True, slots=True)
class RevisionLine:
    """One revision of a service. `traffic` is in percent of the service's; `desired` None: nobody
    has decided yet. `why`: what it says of itself when it isn't ready or doesn't run."""

    name: str
    generation: int
    traffic: int
    tags: tuple[str, ...]
    ready: str
    replicas: int
    desired: int | None
    created: str
    image: str
    why: str


def revisions(
    service: str,
    /,
    *,
    namespace: Namespace = "default",
    output: AsTable = "table",
    data_dir: DataDir = None,
) -> int:
    """List the revisions of a service, newest first: traffic, tags, replicas, and why one isn't ready.

    Example: tidegate revisions iris

    Parameters
    ----------
    service
        A Knative Service, or an InferenceService in Knative mode.
    """
    live, found = history_of(Cluster(home_of(data_dir)), service, namespace)
    lines = lines_of(live, found)
    if output == "json":
        print(json.dumps([asdict(line) for line in lines], indent=4))
        return 0
    header = ("REVISION", "TRAFFIC", "TAGS", "READY", "REPLICAS", "AGE", "IMAGE", "WHY")
    show_table(header, [_cells(line, time_ns() / 1e9) for line in lines])
    return 0


def history_of(cluster: Cluster, service: str, namespace: str) -> tuple[Json, list[Json]]:
    """A service and its revisions as the API has them. Raises `NotFound`, `CliError`."""
    live = knative_service(cluster, namespace, service)
    kind, name = find_kind(cluster.resources(), REVISIONS), live["metadata"]["name"]
    return live, cluster.items(kind, namespace, selector=f"{SERVICE}={name}")


def lines_of(service: Json, revisions: Sequence[Json]) -> list[RevisionLine]:
    """The history, newest first."""
    traffic = (service.get("status") or {}).get("traffic") or []
    lines = [_line(revision, traffic) for revision in revisions]
    return sorted(lines, key=lambda line: (-line.generation, line.name))


def _line(revision: Json, traffic: Sequence[Json]) -> RevisionLine:
    meta, status = revision["metadata"], revision.get("status") or {}
    mine = [target for target in traffic if target.get("revisionName") == meta["name"]]
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    generation = (meta.get("labels") or {}).get(CONFIGURATION_GENERATION, "")
    containers = revision["spec"].get("containers") or [{}]
    return RevisionLine(
        name=meta["name"],
        generation=int(generation) if generation.isdigit() else 0,
        traffic=sum(target.get("percent") or 0 for target in mine),
        tags=tuple(sorted({target["tag"] for target in mine if target.get("tag")})),
        ready=conditions.get("Ready", {}).get("status", "Unknown"),
        replicas=status.get("actualReplicas") or 0,
        desired=status.get("desiredReplicas"),
        created=meta.get("creationTimestamp") or "",
        image=next((c for c in containers if c.get("ports")), containers[0]).get("image", ""),
        why=_why(conditions),
    )


def _why(conditions: dict[str, Json]) -> str:
    """What isn't true, in the revision's own words; readiness first."""
    for type_ in ("Ready", "Active"):
        condition = conditions.get(type_, {})
        if condition.get("status", "True") != "True":
            said = [condition.get("reason") or "", condition.get("message") or ""]
            return ": ".join(text for text in said if text)
    return ""


def _cells(line: RevisionLine, now_s: float) -> list[str]:
    why = line.why if len(line.why) <= _LONG else f"{line.why[:_LONG]}..."
    desired = "-" if line.desired is None else str(line.desired)
    return [
        line.name,
        f"{line.traffic}%" if line.traffic else "-",
        ",".join(line.tags) or "-",
        line.ready,
        f"{line.replicas}/{desired}",
        age_of(line.created, now_s),
        line.image,
        " ".join(why.split()),
    ]
