"""The tables of docs/kubernetes-api.md, made from the tables in the code.

Run it to write them anew: `.venv/bin/python tests/docs/kubernetes_api.py`. `test_kubernetes_api.py` fails
when page and code differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tidegate.apiserver import custom_metrics, discovery, resources, reviews, selectors
from tidegate.apiserver.access import INTO_PODS, READS, WRITES, Action, Role, refusal
from tidegate.apiserver.applying import APPLY_MEDIA
from tidegate.apiserver.protobuf_messages import READABLE
from tidegate.model.columns import columns_of
from tidegate.model.kinds import KINDS, SERVED, Kind

PAGE = Path(__file__).parents[2] / "docs/kubernetes-api.md"


def kinds() -> list[str]:
    """Every kind and version with its names, subresources and columns."""
    rows = []
    for kind in SERVED:
        names = ", ".join(f"`{name}`" for name in (kind.plural, *kind.short_names))
        columns = ", ".join(c.name + ("*" if c.priority else "") for c in columns_of(kind))
        rows.append(
            [
                f"{kind.kind} `{kind.api_version}`" + ("" if kind.namespaced else " (cluster)"),
                names,
                _verbs(_entry(kind, "")),
                "; ".join(f"{sub}: {_verbs(entry)}" for sub, entry in _subresources(kind))
                or "none",
                columns,
            ]
        )
    return table(["Kind", "Names", "Verbs", "Subresources", "Columns (* wide)"], rows)


def extras() -> list[str]:
    """What is answered without being a kind."""
    rows = [
        [f"`{group}/{extra.version}`", ", ".join(extra.resources), ", ".join(extra.verbs), _note(group)]
        for group, extra in discovery.EXTRA.items()
    ]  # fmt: skip
    return table(["Group", "Resources", "Verbs", ""], rows)


def fields() -> list[str]:
    rows = [["every kind", "metadata.name, metadata.namespace"]]
    rows += [[type_.__name__, ", ".join(sorted(more))] for type_, more in selectors._MORE.items()]
    return table(["Kind", "Field selectors"], rows)


def bodies() -> list[str]:
    rows = [
        ["create, update", "`application/json`, `application/yaml`, none said (JSON)"],
        ["create, delete in protobuf", ", ".join(sorted(READABLE))],
        ["patch", ", ".join(f"`{media}`" for media in (*resources.PATCHES, *APPLY_MEDIA))],
    ]
    return table(["Body of", "What is read"], rows)


def roles() -> list[str]:
    """Which verbs each role has on each kind (in a namespace that is not the system's)."""
    rows = [[kind.resource, *(_may(role, kind) for role in reversed(Role))] for kind in KINDS]
    into = ", ".join(f"pods/{sub}" for sub in INTO_PODS)
    rows.append([into, *(_may_into(role) for role in reversed(Role))])
    return table(["Resource", *(role.value for role in reversed(Role))], rows)


TABLES: Mapping[str, Callable[[], list[str]]] = {
    "kinds": kinds, "extras": extras, "fields": fields, "bodies": bodies, "roles": roles,
}  # fmt: skip


def page_with_tables(page: str) -> str:
    """The page with every table between its markers made anew. Raises ValueError without markers."""
    for name, make in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = _cut(page, begin)
        _, after = _cut(rest, end)
        page = before + begin + "\n".join(make()) + "\n" + end + after
    return page


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    heads = list(heads)
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def _cut(text: str, marker: str) -> tuple[str, str]:
    before, found, after = text.partition(marker)
    if not found:
        raise ValueError(f"{PAGE.name} has no {marker.strip()}")
    return before, after


def _entries(kind: Kind) -> list[dict[str, Any]]:
    listed = discovery.resource_list(kind.group, kind.version)["resources"]
    return [one for one in listed if one["name"].partition("/")[0] == kind.plural]


def _entry(kind: Kind, subresource: str) -> dict[str, Any]:
    wanted = f"{kind.plural}/{subresource}" if subresource else kind.plural
    return next(one for one in _entries(kind) if one["name"] == wanted)


def _subresources(kind: Kind) -> Iterable[tuple[str, dict[str, Any]]]:
    for one in _entries(kind):
        _, slash, sub = one["name"].partition("/")
        if slash:
            yield sub, one


def _verbs(entry: Mapping[str, Any]) -> str:
    verbs = tuple(entry["verbs"])
    return "all" if set(verbs) == set(discovery.VERBS) else ", ".join(verbs)


def _note(group: str) -> str:
    return {
        reviews.RBAC: "refused with the reason: roles belong to tokens here",
        reviews.AUTHORIZATION: "`kubectl auth can-i`",
        reviews.AUTHENTICATION: "`kubectl auth whoami`",
        custom_metrics.CUSTOM: "`kubectl get --raw`: what autoscalers are told",
        custom_metrics.EXTERNAL: "`kubectl get --raw`: what autoscalers are told",
    }.get(group, "`kubectl top`; measured when asked")


def _may(role: Role, kind: Kind) -> str:
    place = "default" if kind.namespaced else ""
    verbs = [v for v in (*READS, *WRITES) if _allowed(role, v, kind, place)]
    for words, these in (("all", (*READS, *WRITES)), ("read", READS)):
        if tuple(verbs) == these:
            return words
    return ", ".join(verbs) or "nothing"


def _allowed(role: Role, verb: str, kind: Kind, namespace: str) -> bool:
    return refusal(role, Action(verb, kind.group, kind.plural, namespace=namespace)) is None


def _may_into(role: Role) -> str:
    allowed = {refusal(role, Action("create", "", "pods", s, "default")) is None for s in INTO_PODS}
    assert len(allowed) == 1
    return "all" if allowed == {True} else "nothing"


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text()))
