"""What a (decoded) path names: `/apis/apps/v1/namespaces/default/deployments/web/scale`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.apiserver.absent import way_out
from tidegate.model.errors import UnknownPath
from tidegate.model.kinds import BY_PATH, Kind

NO_RESOURCE = "the server could not find the requested resource"


@dataclass(frozen=True, slots=True)
class Target:
    """`namespace` None: all of them, or a kind outside namespaces. `name` None: the collection.
    `watch`: the old way of asking for one, by path."""

    kind: Kind
    namespace: str | None
    name: str | None
    subresource: str | None
    watch: bool = False


def target_of(path: str) -> Target:
    """Raises UnknownPath for what is not a path of a kind we serve."""
    steps = path.strip("/").split("/")
    if steps[0] == "api" and len(steps) >= 3:
        group, version, rest = "", steps[1], steps[2:]
    elif steps[0] == "apis" and len(steps) >= 4:
        group, version, rest = steps[1], steps[2], steps[3:]
    else:
        raise UnknownPath(NO_RESOURCE, details={})
    watch = rest[0] == "watch" and len(rest) > 1
    if watch:
        rest = rest[1:]
    namespace = None
    # `namespaces/x` and `namespaces/x/status` are the Namespace itself
    if rest[0] == "namespaces" and len(rest) >= 3 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    kind = BY_PATH.get((group, version, rest[0]))
    if kind is None:
        raise no_resource(group, rest[0], None)
    if len(rest) > 3 or (namespace is not None and not kind.namespaced):
        raise UnknownPath(NO_RESOURCE, details={})
    name = rest[1] if len(rest) > 1 else None
    if name is not None and namespace is None and kind.namespaced:
        raise UnknownPath(NO_RESOURCE, details={})
    return Target(kind, namespace, name, rest[2] if len(rest) > 2 else None, watch)


def no_resource(group: str, plural: str, subresource: str | None) -> UnknownPath:
    """The error for what isn't served, with the way out where there is one."""
    way = way_out(group, plural, subresource)
    return UnknownPath(NO_RESOURCE if way is None else f"{NO_RESOURCE}: {way}", details={})
