"""`tidegate describe`: one object in words: what it is, how it is, what happened to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import Resource
from tidegate.cli.errors import Usage
from tidegate.cli.merge3 import LAST_APPLIED
from tidegate.cli.options import DataDir, Namespace, Selector, home_of
from tidegate.cli.tables import bold, plain_line, widths_of
from tidegate.cli.targets import wanted_objects
from tidegate.cli.yaml_text import to_yaml

Json = dict[str, Any]
_LONG = 160  # characters of a value shown; a model in a ConfigMap is no reading matter


def describe(
    *what: str,
    namespace: Namespace = "default",
    selector: Selector = None,
    data_dir: DataDir = None,
) -> int:
    """Show one object: metadata, spec, conditions, events; of a pod also what was changed for this machine.

    Example: tidegate describe ksvc iris

    Parameters
    ----------
    what
        KIND NAME... or KIND/NAME... (a KIND alone: all of that kind).
    """
    cluster = Cluster(home_of(data_dir))
    found: list[tuple[Resource, Json]] = []
    for one in wanted_objects(cluster.resources(), what):
        if one.name:
            found.append((one.resource, cluster.read(one.resource, namespace, one.name)))
        else:
            items = cluster.items(one.resource, namespace, selector=selector)
            found += [(one.resource, item) for item in items]
    if not found:
        raise Usage(f"nothing to describe: no {' '.join(what)} in namespace {namespace}")
    for number, (resource, obj) in enumerate(found):
        if number:
            print("\n")
        events = cluster.events(resource, obj)
        for line in lines_of(resource, obj, events, datetime.now(UTC)):
            print(line)
    return 0


def lines_of(resource: Resource, obj: Json, events: list[Json], now: datetime) -> Iterator[str]:
    """The description, line by line."""
    meta, status = obj["metadata"], obj.get("status") or {}
    yield from _pairs(_head(resource, meta, now))
    for key in (k for k in obj if k not in ("apiVersion", "kind", "metadata", "status")):
        yield from _section(key.capitalize(), obj[key])
    engine = status.get("tidegate") or {}
    yield from _machine(engine)
    rest = {k: v for k, v in status.items() if k not in ("conditions", "tidegate")}
    if rest:
        yield from _section("Status", rest)
    yield from _conditions(status.get("conditions") or [])
    yield from _events(events, now)


def _head(resource: Resource, meta: Json, now: datetime) -> list[tuple[str, str]]:
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k != LAST_APPLIED}
    pairs = [("Name", meta["name"])]
    if meta.get("namespace"):
        pairs.append(("Namespace", meta["namespace"]))
    pairs.append(("Kind", f"{resource.kind} ({resource.api_version})"))
    created = meta.get("creationTimestamp")
    if created:
        pairs.append(("Created", f"{created} ({age(created, now)} ago)"))
    for title, values in (("Labels", meta.get("labels") or {}), ("Annotations", annotations)):
        pairs += [
            (title if not i else "", f"{key}: {_short(value)}")
            for i, (key, value) in enumerate(sorted(values.items()))
        ]
    for owner in meta.get("ownerReferences") or ():
        if owner.get("controller"):
            pairs.append(("Controlled by", f"{owner['kind']}/{owner['name']}"))
    if meta.get("deletionTimestamp"):
        pairs.append(("Deleting", f"at {meta['deletionTimestamp']}"))
    return pairs


def _pairs(pairs: list[tuple[str, str]]) -> Iterator[str]:
    width = max(len(name) for name, _ in pairs) + 3
    for name, value in pairs:
        yield f"{bold((name + ':' if name else '').ljust(width))}{value}"


def _section(title: str, value: Any) -> Iterator[str]:
    yield bold(f"{title}:")
    text = to_yaml(_shortened(value)) if isinstance(value, dict | list) else f"{_short(value)}\n"
    for line in text.splitlines():
        yield f"  {line}"


def _machine(engine: Json) -> Iterator[str]:
    """What the node agent tells about a pod: its ports here, what it rewrote, what it can't enforce."""
    for key, title in (
        ("ports", "Local ports"),
        ("trouble", "Not ready because"),
        ("origin", "Started"),
        ("rewritten", "Rewritten for this machine"),
        ("notEnforced", "Not enforced here"),
        ("not_enforced", "Not enforced here"),
        ("stages", "Start, in stages"),
    ):
        if engine.get(key):
            yield from _section(title, engine[key])
    known = {"ports", "origin", "trouble", "rewritten", "notEnforced", "not_enforced", "stages"}
    rest = {k: v for k, v in engine.items() if k not in known}
    if rest:
        yield from _section("On this machine", rest)


def _conditions(conditions: list[Json]) -> Iterator[str]:
    if not conditions:
        return
    rows = [
        [str(c.get("type")), str(c.get("status")), c.get("reason") or "", c.get("message") or ""]
        for c in conditions
    ]
    yield bold("Conditions:")
    yield from _indented(["TYPE", "STATUS", "REASON", "MESSAGE"], rows)


def _events(events: list[Json], now: datetime) -> Iterator[str]:
    if not events:
        yield f"{bold('Events:')}  <none>"
        return
    rows = []
    for event in sorted(events, key=_last_seen):
        count = event.get("count") or 1
        times = f"{age(_last_seen(event), now)}" + (f" (x{count})" if count > 1 else "")
        rows.append(
            [event.get("type", ""), event.get("reason", ""), times, event.get("message", "")]
        )
    yield bold("Events:")
    yield from _indented(["TYPE", "REASON", "AGE", "MESSAGE"], rows)


def _last_seen(event: Json) -> str:
    return str(
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
        or ""
    )


def _indented(header: list[str], rows: list[list[str]]) -> Iterator[str]:
    widths = widths_of(header, rows)
    for cells in (header, *rows):
        yield "  " + plain_line(cells, widths)


def age(timestamp: str, now: datetime) -> str:
    """How long ago an RFC 3339 time was, as kubectl says it; empty when it can't be read."""
    try:
        then = datetime.fromisoformat(timestamp)
    except ValueError:
        return ""
    seconds = max(0, int((now - then).total_seconds()))
    for limit, unit, size in ((120, "s", 1), (7200, "m", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86400}d"


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    return _short(value) if isinstance(value, str) and "\n" not in value else value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}... ({len(text)} characters)"
