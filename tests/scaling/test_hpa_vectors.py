"""Every decision recorded from Kubernetes' horizontal pod autoscaler, made again by ours.

`tests/data/hpa/README.md` describes the recordings. TIDEGATE_VECTORS may name another folder that
holds `hpa/`. The object goes the whole way: read, defaulted and checked by the API's admission, turned
into numbers by `policy`, and its status back; so a mistake in any of them shows here too.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tidegate.kit.quantity import milli
from tidegate.model.admission.autoscalers import check_autoscaler, default_autoscaler
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.label_text import BadSelector, parse_selector
from tidegate.model.pods import Pod
from tidegate.model.wire import Wire, read, to_raw
from tidegate.policy.hpa import hpa_spec, hpa_status, memory_of, pod_seen, state_of, wire_status
from tidegate.scaling.hpa import (
    ExternalReading,
    HpaConfig,
    ObjectReading,
    PodSeen,
    PodsReading,
    PodUsage,
    PodValue,
    ReadFailed,
    Reading,
    ResourceReading,
    Scale,
    Seen,
    Visit,
    finish,
    reads_metrics,
    visit,
)

Row = dict[str, Any]

FOLDER = Path(os.environ.get("TIDEGATE_VECTORS", Path(__file__).parents[1] / "data")) / "hpa"
#: Any fitting pod may be the one that is named.
ANY_POD = re.compile(r"(of Pod|in Pod) \S+")
#: The rest is the recorded parser's own wording.
PARSER = re.compile(r"(internal selector object: ).*")


def recorded() -> list[Any]:
    with gzip.open(FOLDER / "hpa.jsonl.gz", "rt") as lines:
        return [pytest.param(row, id=row["id"]) for row in map(json.loads, lines)]


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def plain(value: Wire) -> Row:
    """As JSON has it: lists, not tuples."""
    out: Row = json.loads(json.dumps(to_raw(value)))
    return out


def config_of(row: Row) -> HpaConfig:
    return HpaConfig(
        tolerance=row["tolerance"],
        period_s=row["syncPeriodSeconds"],
        downscale_window_s=row["downscaleStabilizationSeconds"],
        cpu_initialization_s=row["cpuInitializationPeriodSeconds"],
        readiness_delay_s=row["initialReadinessDelaySeconds"],
        scale_to_zero=row["features"]["HPAScaleToZero"],
        configurable_tolerance=row["features"]["HPAConfigurableTolerance"],
    )


def autoscaler_of(raw: Row) -> HorizontalPodAutoscaler:
    document = {k: v for k, v in raw.items() if k not in ("apiVersion", "kind")}
    value, reading = read(document, HorizontalPodAutoscaler)
    assert reading.unknown == ()
    return default_autoscaler(value, None)


@lru_cache(maxsize=20_000)
def pod_of(text: str) -> PodSeen:
    """The recorded pod as a document, so that our own reading of pods is tried too. The same ones
    come tick by tick."""
    row: Row = json.loads(text)
    status: Row = {"phase": row["phase"], "conditions": []}
    if "startTime" in row:
        status["startTime"] = row["startTime"]
    if "ready" in row:
        status["conditions"] = [{"type": "Ready", **row["ready"]}]
    spec: Row = {"containers": [_container(c) for c in row["containers"]]}
    spec["initContainers"] = [_container(c) for c in row.get("initContainers", ())]
    if "podRequests" in row:
        spec["resources"] = {"requests": row["podRequests"]}
    meta = {"name": row["name"], "labels": row["labels"]}
    if "deletionTimestamp" in row:
        meta["deletionTimestamp"] = row["deletionTimestamp"]
    return pod_seen(read({"metadata": meta, "spec": spec, "status": status}, Pod)[0])


def _container(row: Row) -> Row:
    rest = {k: v for k, v in row.items() if k not in ("requests",)}
    return {**rest, "resources": {"requests": row["requests"]}}


def readings_of(hpa: HorizontalPodAutoscaler, seen: Row) -> tuple[Reading, ...]:
    return tuple(_reading(metric, seen) for metric in hpa.spec.metrics)


def _reading(metric: Any, seen: Row) -> Reading:
    match metric.type:
        case "Resource" | "ContainerResource":
            if "podMetricsError" in seen:
                return ReadFailed(seen["podMetricsError"])
            return ResourceReading(tuple(_usage(item) for item in seen.get("podMetrics", ())))
        case "Pods":
            found = seen["custom"][metric.pods.metric.name]
            if "error" in found:
                return ReadFailed(found["error"])
            return PodsReading(
                tuple(
                    PodValue(
                        item["pod"],
                        milli(item["value"]),
                        at(item["timestamp"]),
                        item.get("windowSeconds", 60.0),
                    )
                    for item in found.get("items", ())
                )
            )
        case "Object":
            found = seen["object"][metric.object.metric.name]
            if "error" in found:
                return ReadFailed(found["error"])
            return ObjectReading(milli(found["value"]))
        case _:
            found = seen["external"][metric.external.metric.name]
            if "error" in found:
                return ReadFailed(found["error"])
            return ExternalReading(tuple(milli(value) for value in found.get("values", ())))


def _usage(item: Row) -> PodUsage:
    return PodUsage(
        item["pod"],
        at(item["timestamp"]),
        item["windowSeconds"],
        tuple(
            (c["name"], {name: milli(amount) for name, amount in c["usage"].items()})
            for c in item["containers"]
        ),
    )


@dataclass
class Replay:
    """One autoscaler, visited tick by tick. Its memory goes through its status each time, as it does
    when the control plane is restarted between any two visits."""

    config: HpaConfig
    hpa: HorizontalPodAutoscaler
    others: list[Row] = field(default_factory=list)

    def tick(self, row: Row) -> Row:
        """What came of it, in the recording's words."""
        if "specUpdate" in row:
            self.edit(row["specUpdate"], row["specUpdateDefaulted"])
        now_s, spec = at(row["now"]), hpa_spec(self.hpa)
        state = state_of(self.hpa.status.tidegate if self.hpa.status else None)
        was = hpa_status(self.hpa)
        seen = self.seen(row["in"], now_s)
        if reads_metrics(spec, self.config, was, seen.scale):
            seen = replace(seen, readings=readings_of(self.hpa, row["in"]))
        visited = visit(spec, self.config, state, was, seen)
        scaled_to = None
        if visited.rescale is not None:
            failure = row["in"].get("scaleUpdateError")
            scaled_to = visited.rescale.to if failure is None else None
            visited = finish(visited, spec, self.config, now_s, failure=failure)
        return self.write(visited, now_s, failed=seen.scale.failed is not None) | {
            "scaledTo": scaled_to,
            "error": visited.error or None,
            "events": [
                {"type": e.type, "reason": e.reason, "message": e.message} for e in visited.events
            ],
        }

    def write(self, visited: Visit, now_s: float, *, failed: bool) -> Row:
        was = self.hpa.status
        memory = memory_of(visited.state, visited_at_s=now_s)
        status = wire_status(self.hpa, visited.status, memory, keep_metrics=failed)
        self.hpa = msgspec.structs.replace(self.hpa, status=status)
        seen = {k: v for k, v in plain(status).items() if k != "tidegate"}
        before = {k: v for k, v in plain(was).items() if k != "tidegate"} if was else {}
        return {"status": seen, "statusWritten": seen != before}

    def edit(self, raw: Row, defaulted: Row) -> None:
        edited = autoscaler_of({"metadata": to_raw(self.hpa.metadata), "spec": raw})
        assert plain(edited.spec) == defaulted
        self.hpa = msgspec.structs.replace(edited, status=self.hpa.status)

    def seen(self, row: Row, now_s: float) -> Seen:
        if "error" in row["scale"]:
            return Seen(now_s, Scale(failed='deployments.apps "web" not found'))
        text = row["scale"].get("selector", "")
        scale = Scale(row["scale"]["specReplicas"], row["scale"].get("statusReplicas", 0), text)
        try:
            selector = parse_selector(text)
        except BadSelector as why:
            return Seen(now_s, replace(scale, unparsable=str(why)))
        pods: list[PodSeen] = []
        rivals: set[str] = set()
        for one in row["pods"]:
            if all(term.holds(one["labels"]) for term in selector):
                pods.append(pod_of(json.dumps(one)))
                rivals |= {
                    f"{{{other['name']} default}}"
                    for other in self.others
                    if all(t.holds(one["labels"]) for t in parse_selector(other["selector"]))
                }
        if rivals:
            rivals.add(f"{{{self.hpa.metadata.name} default}}")
        return Seen(now_s, scale, tuple(pods), tuple(sorted(rivals)))


def comparable(text: str | None) -> str | None:
    if text is None:
        return None
    if "are controlled by multiple HPAs" in text:
        head, _, listed = text.partition("multiple HPAs: [")
        return head + " ".join(sorted(re.findall(r"\{[^}]*\}", listed)))
    return PARSER.sub(r"\1", ANY_POD.sub(r"\1 any", text))


def by_chance(row: Row) -> bool:
    """Whether which pod or autoscaler is named first is a matter of chance."""
    said = json.dumps(row)
    return "are controlled by multiple" in said or ANY_POD.search(said) is not None


def expected(out: Row) -> Row:
    status = {"currentReplicas": 0, "desiredReplicas": 0, **out["status"]}
    return {
        "scaledTo": out["scaledTo"],
        "error": comparable(out.get("error")),
        "events": [{**e, "message": comparable(e["message"])} for e in out.get("events", [])],
        "status": _status(status),
    }


def _status(status: Row) -> Row:
    conditions = [{**c, "message": comparable(c["message"])} for c in status.get("conditions", [])]
    return {
        **status,
        "conditions": conditions,
        "currentMetrics": status.get("currentMetrics") or [],
    }


def without_division_by_zero(status: Row, row: Row) -> Row:
    """Nobody observed: what Go makes of a division by nothing is skipped."""
    if row["in"]["scale"].get("statusReplicas", 0) == 0:
        for slot in status["currentMetrics"]:
            for sort in ("object", "external"):
                if "averageValue" in slot.get(sort, {}).get("current", {}):
                    slot[sort]["current"]["averageValue"] = "skipped"
    return status


@pytest.mark.parametrize("row", recorded())
def test_every_recorded_visit_is_decided_the_same(row):
    hpa = autoscaler_of(row["hpa"])
    defaulted = plain(hpa.spec)
    if not row["config"]["features"]["HPAConfigurableTolerance"]:
        for rules in defaulted.get("behavior", {}).values():
            rules.pop("tolerance", None)
    assert defaulted == row["specDefaulted"]
    least = row["specDefaulted"].get("minReplicas")
    assert check_autoscaler(hpa) == [] or least == 0
    replay = Replay(config_of(row["config"]), hpa, row.get("otherHPAs", []))
    chance = False
    for number, tick in enumerate(row["ticks"]):
        found = replay.tick(tick)
        wanted = expected(tick["out"])
        got = {
            "scaledTo": found["scaledTo"],
            "error": comparable(found["error"]),
            "events": [{**e, "message": comparable(e["message"])} for e in found["events"]],
            "status": _status(found["status"]),
        }
        for status in (got["status"], wanted["status"]):
            without_division_by_zero(status, tick)
        assert got == wanted, f"tick {number} at {tick['now']}: {tick.get('proposals')}"
        was_chance, chance = chance, by_chance(tick["out"])
        no_average = tick["in"]["scale"].get("statusReplicas", 0) == 0
        if not (chance or was_chance or no_average):
            assert found["statusWritten"] is tick["out"]["statusWritten"], f"tick {number}"


def test_the_recordings_are_all_there():
    assert len(recorded()) >= 45
