"""Which kinds the API has, and which of them a word means.

Words are what people type: `pods`, `pod`, `po`, `Pod`, `services.serving.knative.dev`, `ksvc`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote

from tidegate.cli.errors import CliError


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind as discovery tells it. `group` is empty for core."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    namespaced: bool
    verbs: tuple[str, ...]

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`deployment.apps`, `pod`: how kubectl names it before a slash and an object's name."""
        singular = self.singular or self.kind.lower()
        return f"{singular}.{self.group}" if self.group else singular

    def path(self, namespace: str | None, name: str = "") -> str:
        """The URL path of the collection or of one object; `namespace` None: all of them."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{root}{inside}/{self.plural}" + (f"/{quote(name, safe='')}" if name else "")


class UnknownKind(CliError):
    """No kind of the API has that name; says which are near."""


def resources_of(group_version: str, raw: Sequence[Mapping[str, Any]]) -> list[Resource]:
    """The kinds of an APIResourceList; subresources are left out."""
    group, _, version = group_version.rpartition("/")
    return [
        Resource(
            group=group,
            version=version,
            kind=one["kind"],
            plural=one["name"],
            singular=one.get("singularName") or one["kind"].lower(),
            short_names=tuple(one.get("shortNames") or ()),
            categories=tuple(one.get("categories") or ()),
            namespaced=bool(one.get("namespaced")),
            verbs=tuple(one.get("verbs") or ()),
        )
        for one in raw
        if "/" not in one["name"]
    ]


def find_kind(known: Sequence[Resource], word: str) -> Resource:
    """What a word means; the first match wins, so a bare `services` is core's, as with kubectl.

    Raises `UnknownKind`.
    """
    bare, _, group = word.lower().partition(".")
    for resource in known:
        names = (resource.plural, resource.singular, resource.kind.lower(), *resource.short_names)
        in_group = not group or resource.group == group or resource.group.startswith(group + ".")
        if bare in names and (in_group or group == f"{resource.version}.{resource.group}"):
            return resource
    words = {name: r.plural for r in known for name in (r.plural, r.singular, *r.short_names)}
    near = list(dict.fromkeys(words[w] for w in get_close_matches(bare, words, n=3)))
    raise UnknownKind(f"no kind {word!r} here: {_known(near, [r.plural for r in known])}")


def find_document_kind(known: Sequence[Resource], api_version: str, kind: str) -> Resource:
    """The kind of a document. Raises `UnknownKind`."""
    for resource in known:
        if (resource.api_version, resource.kind) == (api_version, kind):
            return resource
    same = [r.api_version for r in known if r.kind == kind]
    if same:
        raise UnknownKind(
            f"kind {kind} is not in {api_version} here: it is in {' and '.join(same)}"
        )
    names = {f"{r.kind} ({r.api_version})": r for r in known}
    kinds = {r.kind: label for label, r in names.items()}
    near = [kinds[k] for k in get_close_matches(kind, kinds, n=3, cutoff=0.5)]
    raise UnknownKind(f"no kind {kind} ({api_version}) here: {_known(near, list(names))}")


def category(known: Sequence[Resource], word: str) -> list[Resource]:
    """The kinds of a category such as `all`, each in its first version; empty when it is none."""
    found: dict[tuple[str, str], Resource] = {}
    for resource in known:
        if word.lower() in resource.categories:
            found.setdefault((resource.group, resource.plural), resource)
    return list(found.values())


def _known(near: Sequence[str], every: Sequence[str]) -> str:
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are {', '.join(dict.fromkeys(every))}"
