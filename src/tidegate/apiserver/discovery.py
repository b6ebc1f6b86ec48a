"""What there is to ask for: `/version`, `/api`, `/apis` and the resource lists, plain and
aggregated. Made once from the table of kinds."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.apiserver import custom_metrics, metrics, reviews
from tidegate.model.errors import UnknownPath
from tidegate.model.kinds import SERVED, Kind

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_SUB_VERBS = ("get", "patch", "update")
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True, slots=True)
class Extras:
    """A group of what is no kind of ours. `resources`: plural -> kind, whether it is namespaced."""

    version: str
    verbs: tuple[str, ...]
    resources: Mapping[str, tuple[str, bool]]
    singular: bool = True


EXTRA: Mapping[str, Extras] = {
    **{
        group_name: Extras(
            "v1",
            ("create",),
            {name: (kind, False) for (g, name), kind in reviews.REVIEWS.items() if g == group_name},
        )
        for group_name in (reviews.AUTHORIZATION, reviews.AUTHENTICATION)
    },
    reviews.RBAC: Extras("v1", ("create", "get"), reviews.REFUSED),
    custom_metrics.CUSTOM: Extras(custom_metrics.VERSION, ("get",), {}),
    custom_metrics.EXTERNAL: Extras(custom_metrics.VERSION, ("get",), {}),
    metrics.GROUP: Extras(metrics.VERSION, ("get", "list"), metrics.RESOURCES, singular=False),
}


def version() -> dict[str, str]:
    return {
        "major": "1",
        "minor": "32",
        "gitVersion": "v1.32.0+tidegate",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": platform.python_implementation(),
        "platform": f"linux/{platform.machine()}",
    }


def api_versions() -> dict[str, Any]:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list() -> dict[str, Any]:
    groups = [_group(name) for name in (*_groups(), *EXTRA) if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(name: str) -> dict[str, Any]:
    """Raises UnknownPath."""
    if not name or name not in (*_groups(), *EXTRA):
        raise UnknownPath("the server could not find the requested resource", details={})
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}


def resource_list(group_name: str, group_version: str) -> dict[str, Any]:
    """Raises UnknownPath."""
    if group_name in EXTRA and group_version == EXTRA[group_name].version:
        return _extra_list(group_name)
    kinds = [k for k in SERVED if (k.group, k.version) == (group_name, group_version)]
    if not kinds:
        raise UnknownPath("the server could not find the requested resource", details={})
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": kinds[0].api_version,
        "resources": [entry for kind in kinds for entry in _resources(kind)],
    }


def aggregated(*, core: bool) -> dict[str, Any]:
    """APIGroupDiscoveryList of the core group, or of all others."""
    items = []
    for name in _groups():
        if core == (name == ""):
            versions = [
                {
                    "version": v,
                    "freshness": "Current",
                    "resources": [
                        _aggregated_resource(k) for k in SERVED if (k.group, k.version) == (name, v)
                    ],
                }
                for v in _versions(name)
            ]
            items.append({"metadata": {"name": name} if name else {}, "versions": versions})
    if not core:
        items += [_aggregated_extra(name) for name in EXTRA]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _groups() -> list[str]:
    """Of the kinds, in table order: the first group wins an ambiguous short name."""
    return list(dict.fromkeys(kind.group for kind in SERVED))


def _extra_list(group_name: str) -> dict[str, Any]:
    """What is answered and no kind: computed when asked, or refused with a reason."""
    extras = EXTRA[group_name]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group_name}/{extras.version}",
        "resources": [
            {
                "name": name,
                "singularName": kind.lower() if extras.singular else "",
                "namespaced": namespaced,
                "kind": kind,
                "verbs": list(extras.verbs),
            }
            for name, (kind, namespaced) in extras.resources.items()
        ],
    }


def _aggregated_extra(group_name: str) -> dict[str, Any]:
    extras = EXTRA[group_name]
    resources = [
        {
            "resource": name,
            "responseKind": _gvk(f"{group_name}/{extras.version}", kind),
            "scope": "Namespaced" if namespaced else "Cluster",
            "singularResource": kind.lower() if extras.singular else "",
            "verbs": list(extras.verbs),
        }
        for name, (kind, namespaced) in extras.resources.items()
    ]
    version = {"version": extras.version, "freshness": "Current", "resources": resources}
    return {"metadata": {"name": group_name}, "versions": [version]}


def _versions(group_name: str) -> list[str]:
    if group_name in EXTRA:
        return [EXTRA[group_name].version]
    return list(dict.fromkeys(kind.version for kind in SERVED if kind.group == group_name))


def _group(name: str) -> dict[str, Any]:
    versions = [{"groupVersion": f"{name}/{v}", "version": v} for v in _versions(name)]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _resources(kind: Kind) -> list[dict[str, Any]]:
    base: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(VERBS),
    }
    if kind.short_names:
        base["shortNames"] = list(kind.short_names)
    if kind.categories:
        base["categories"] = list(kind.categories)
    out = [base]
    for name, (api_version, sub_kind, verbs) in _subresources(kind).items():
        entry: dict[str, Any] = {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": sub_kind,
            "verbs": list(verbs),
        }
        if api_version != kind.api_version:
            sub_group, _, sub_version = api_version.rpartition("/")
            entry |= {"group": sub_group, "version": sub_version}
        out.append(entry)
    return out


def _aggregated_resource(kind: Kind) -> dict[str, Any]:
    out: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": _gvk(kind.api_version, kind.kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(VERBS),
    }
    if kind.short_names:
        out["shortNames"] = list(kind.short_names)
    if kind.categories:
        out["categories"] = list(kind.categories)
    subresources = [
        {"subresource": name, "responseKind": _gvk(api_version, sub_kind), "verbs": list(verbs)}
        for name, (api_version, sub_kind, verbs) in _subresources(kind).items()
    ]
    if subresources:
        out["subresources"] = subresources
    return out


def _subresources(kind: Kind) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Name -> (apiVersion, kind, verbs)."""
    out: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    if kind.has_status:
        out["status"] = (kind.api_version, kind.kind, _SUB_VERBS)
    if kind.has_scale:
        out["scale"] = ("autoscaling/v1", "Scale", _SUB_VERBS)
    if kind.plural == "pods" and not kind.group:
        out["log"] = (kind.api_version, kind.kind, ("get",))
        out["attach"] = (kind.api_version, "PodAttachOptions", ("create", "get"))
        out["exec"] = (kind.api_version, "PodExecOptions", ("create", "get"))
        out["eviction"] = ("policy/v1", "Eviction", ("create",))
        out["portforward"] = (kind.api_version, "PodPortForwardOptions", ("create", "get"))
    return out


def _gvk(api_version: str, kind: str) -> dict[str, str]:
    group_name, _, version_name = api_version.rpartition("/")
    return {"group": group_name, "version": version_name, "kind": kind}
