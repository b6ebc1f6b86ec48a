"""What of a service waits between nothing and a replica, as `tidegate explain` shows it: pods at rest, and the
zygotes that are kept for its revisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import find_kind
from tidegate.cli.zygotes_shown import ShownZygote, zygotes_of
from tidegate.kit.home import Home
from tidegate.model import serving_names as names
from tidegate.policy.standby import Level, standby_from

Json = dict[str, Any]
_NO_ZYGOTE = (
    "nothing is kept: its server has no zygote, or which one can't be told before a pod has run"
)


def standby_of(cluster: Cluster, home: Home, namespace: str, service: str) -> list[Json]:
    """The service's pods at rest and its revisions' zygotes, with the memory that each costs (empty: not
    measured)."""
    kinds = cluster.resources()
    selector = f"{names.SERVICE}={service}"
    rests = cluster.items(
        find_kind(kinds, "pods"), namespace, selector=f"{selector},{names.STANDBY}"
    )
    measured = cluster.items(find_kind(kinds, "pods.metrics.k8s.io"), namespace) if rests else []
    sets = cluster.items(find_kind(kinds, "replicasets.apps"), namespace, selector=selector)
    imported = [one for one in sets if _level(one) is Level.IMPORTED]
    living = {zygote.kind: zygote for zygote in zygotes_of(home)} if imported else {}
    return [*rows_of_pods(rests, measured), *rows_of_zygotes(imported, living)]


def rows_of_pods(rests: Iterable[Json], measured: Iterable[Json]) -> Iterator[Json]:
    """A row for each pod at rest."""
    used = {one["metadata"]["name"]: one for one in measured}
    for pod in rests:
        conditions = (pod.get("status") or {}).get("conditions") or []
        ready: Json = next((c for c in conditions if c.get("type") == "Ready"), {})
        name = pod["metadata"]["name"]
        containers = used.get(name, {}).get("containers") or []
        yield {
            "name": name,
            "level": pod["metadata"]["labels"][names.STANDBY],
            "message": ready.get("message", ""),
            "memory": " + ".join(c["usage"]["memory"] for c in containers),
        }


def rows_of_zygotes(
    replica_sets: Iterable[Json], living: Mapping[str, ShownZygote]
) -> Iterator[Json]:
    """A row for each revision whose standby is `imported`. `living`: by kind, as `tidegate status` shows them."""
    for one in replica_sets:
        meta = one["metadata"]
        said = (meta.get("annotations") or {}).get(names.STANDBY_ZYGOTES)
        kept = [kind for kind in (said or "").split(",") if kind]
        here = [living[kind] for kind in kept if kind in living]
        if kept and len(here) == len(kept):
            shown = " and ".join(f"{zygote.kind} (pid {zygote.pid})" for zygote in here)
            message = f"zygote {shown} waits with its imports done, for all services of that server"
        elif kept:
            gone = " and ".join(kind for kind in kept if kind not in living)
            message = f"zygote {gone} is not there now: it is started again when it can be"
        else:
            message = "" if said is None else _NO_ZYGOTE
        yield {
            "name": meta.get("labels", {}).get(names.REVISION, meta["name"]),
            "level": Level.IMPORTED.value,
            "message": message,
            "memory": " + ".join(zygote.memory for zygote in here if zygote.memory),
        }


def lines_of_standby(rows: Iterable[Json]) -> Iterator[str]:
    """For people."""
    for row in rows:
        message = row["message"].rstrip(".") or "on its way"
        memory = f", {row['memory']} of memory" if row["memory"] else ""
        yield f"on standby: {row['name']} ({row['level']}): {message}{memory}"


def _level(replica_set: Json) -> Level:
    annotations = replica_set["metadata"].get("annotations") or {}
    return standby_from(annotations.get(names.STANDBY_HELD)).level
