"""`tidegate explain`: why a service has the replicas it has: decisions and cold starts, in sentences.

Reads what the autoscaler keeps in the PodAutoscalers' status; nothing is worked out again here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.cli.cluster import Cluster
from tidegate.cli.describe import age
from tidegate.cli.discovery import find_kind
from tidegate.cli.knative import knative_service
from tidegate.cli.options import AsText, DataDir, Namespace, duration_of, home_of
from tidegate.cli.standby_shown import lines_of_standby, standby_of
from tidegate.cli.tables import bold

Json = dict[str, Any]
_SERVICE = "serving.knative.dev/service"
_STAGES = (
    ("decidedS", "a replica was asked for"),
    ("seenS", "it was scheduled"),
    ("spawnedS", "its process started"),
    ("listeningS", "it listened"),
    ("wokenS", "a pod on standby was woken"),
    ("readyS", "its probe passed"),
    ("firstByteS", "the first byte of the answer came"),
)


def explain(
    service: str,
    /,
    *,
    since: str = "10m",
    output: AsText = "text",
    namespace: Namespace = "default",
    data_dir: DataDir = None,
) -> int:
    """Tell why a service was scaled as it was: the load seen, the decision, the rule; each cold start in stages.

    Example: tidegate explain iris --since 1h

    Parameters
    ----------
    service
        A Knative Service, or an InferenceService in Knative mode.
    since
        How far to look back, such as 90s, 10m or 24h. Each revision remembers its last 60 decisions
        and 20 cold starts.
    """
    after = datetime.now(UTC) - timedelta(seconds=duration_of("--since", since))
    home = home_of(data_dir)
    cluster = Cluster(home)
    live = knative_service(cluster, namespace, service)
    service = live["metadata"]["name"]
    scalers = cluster.items(
        find_kind(cluster.resources(), "podautoscalers.autoscaling.internal.knative.dev"),
        namespace,
        selector=f"{_SERVICE}={service}",
    )
    story = story_of(live, scalers, after)
    story["standby"] = standby_of(cluster, home, namespace, service)
    if output == "json":
        print(json.dumps(story, indent=2))
        return 0
    for line in lines_of(story, datetime.now(UTC), since):
        print(line)
    return 0


def story_of(service: Json, scalers: list[Json], after: datetime) -> Json:
    """What happened to a service's revisions since then, newest revision first. `last` is each
    revision's last decision, however old."""
    traffic = (service.get("status") or {}).get("traffic") or []
    revisions = []
    for scaler in sorted(scalers, key=lambda s: s["metadata"]["name"], reverse=True):
        name, status = scaler["metadata"]["name"], scaler.get("status") or {}
        decisions = status.get("decisions") or []
        revisions.append(
            {
                "name": name,
                "percent": sum(t.get("percent") or 0 for t in _to(traffic, name)),
                "tags": [t["tag"] for t in _to(traffic, name) if t.get("tag")],
                "ready": status.get("actualScale") or 0,
                "wanted": max(0, status.get("desiredScale") or 0),
                "decisions": [d for d in decisions if _at(d) >= after],
                "coldStarts": [c for c in status.get("coldStarts") or () if _at(c) >= after],
                "last": decisions[-1] if decisions else None,
            }
        )
    conditions = (service.get("status") or {}).get("conditions") or []
    ready: Json = next((c for c in conditions if c.get("type") == "Ready"), {})
    return {
        "service": service["metadata"]["name"],
        "ready": {key: ready.get(key, "") for key in ("status", "reason", "message")},
        "namespace": service["metadata"].get("namespace", ""),
        "since": after.isoformat(),
        "revisions": revisions,
    }


def lines_of(story: Json, now: datetime, since: str) -> Iterator[str]:
    """The story for people."""
    ready = story["ready"]
    if ready["status"] != "True" and ready["message"]:
        yield f"{story['service']} is not ready ({ready['reason']}): {ready['message']}"
        yield ""
    yield from lines_of_standby(story.get("standby", ()))
    if not story["revisions"]:
        yield f"{story['service']} has no revision that is scaled yet."
    for number, revision in enumerate(story["revisions"]):
        if number:
            yield ""
        yield bold(_title(revision))
        told = [(d["time"], _decision(d)) for d in revision["decisions"]]
        told += [(c["time"], _cold_start(c)) for c in revision["coldStarts"]]
        for time, text in sorted(told):
            yield f"  {_clock(time)}  {text}"
        if not told and revision["last"]:
            last = revision["last"]
            yield (
                f"  Nothing new in the last {since}. {age(last['time'], now)} ago: {last['message']}"
            )
        elif not told:
            yield "  Nothing was decided yet: no demand was measured."


def _title(revision: Json) -> str:
    tags = "".join(f", tag {tag}" for tag in revision["tags"])
    ready, wanted = revision["ready"], revision["wanted"]
    return f"{revision['name']}: {revision['percent']}% of the traffic{tags}; {ready} ready, {wanted} wanted"


def _decision(decision: Json) -> str:
    was, count = decision.get("was"), decision.get("replicas")
    change = f"stays {count}" if count == was else f"{was} -> {count}"
    return f"{change:<9} {decision['message']} [{decision['rule']}]"


def _cold_start(start: Json) -> str:
    reached = [(text, start[key]) for key, text in _stages_of(start) if start.get(key) is not None]
    stages = ", ".join(f"{text} after {at:.3f} s" for text, at in reached)
    missing = "" if start.get("readyS") is not None else "; no replica is ready yet"
    return f"{'cold':<9} A request found no replica: {stages or 'nothing came of it yet'}{missing}."


def _stages_of(start: Json) -> Iterator[tuple[str, str]]:
    """One that was woken had passed its probe before."""
    woken = start.get("wokenS") is not None
    return (stage for stage in _STAGES if not (woken and stage[0] == "readyS"))


def _to(traffic: list[Json], revision: str) -> list[Json]:
    return [target for target in traffic if target.get("revisionName") == revision]


def _at(entry: Json) -> datetime:
    return datetime.fromisoformat(entry["time"])


def _clock(time: str) -> str:
    return datetime.fromisoformat(time).astimezone().strftime("%H:%M:%S")
