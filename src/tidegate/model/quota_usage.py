"""What an object counts for in a namespace's quotas, and whether one more would be too much. Pure.

Source: kubernetes pkg/quota/v1/evaluator/core (pods.go, services.go, persistent_volume_claims.go),
staging apiserver pkg/admission/plugin/resourcequota/controller.go for the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tidegate.kit.quantity import milli_text, parse_quantity
from tidegate.model.core import Service
from tidegate.model.kinds import KINDS, kind_of
from tidegate.model.meta import Object
from tidegate.model.pods import Pod, PodSpec
from tidegate.model.quotas import ResourceQuota
from tidegate.model.storage import PersistentVolumeClaim

Usage = Mapping[str, Decimal]

#: Kinds of the core group that are counted by their bare name too.
_BY_NAME = ("pods", "services", "configmaps", "secrets", "persistentvolumeclaims", "resourcequotas")
_PLAIN = ("cpu", "memory", "ephemeral-storage")
#: A pod that says nothing about these can't be counted where they are limited.
_MUST_BE_SAID = ("cpu", "memory")
_ONE = Decimal(1)
SCOPES = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort")


def usage_of(obj: Object) -> dict[str, Decimal]:
    """Everything that an object counts for, by the names that quotas use."""
    kind = kind_of(obj)
    out = {f"count/{kind.resource}": _ONE}
    ended = isinstance(obj, Pod) and _has_ended(obj)
    if not kind.group and kind.plural in _BY_NAME and not ended:
        out[kind.plural] = _ONE
    if isinstance(obj, Pod) and not ended:
        out |= _of_pod(obj.spec)
    elif isinstance(obj, Service):
        out |= _of_service(obj)
    elif isinstance(obj, PersistentVolumeClaim):
        out |= _of_claim(obj)
    return out


def concerns(quota: ResourceQuota, obj: Object) -> bool:
    """Whether a quota counts this object at all."""
    scopes = quota.spec.scopes
    if not scopes:
        return True
    return isinstance(obj, Pod) and all(_in_scope(obj, scope) for scope in scopes)


def counted_types(quota: ResourceQuota) -> list[type[Object]]:
    """The kinds whose objects may count for a quota."""
    hard = quota.spec.hard.keys()
    found = []
    for kind in KINDS:
        names = {f"count/{kind.resource}"} | ({kind.plural} if not kind.group else set())
        if kind.type is Pod:
            names |= {name for name in hard if name.startswith(("requests.", "limits."))}
            names |= set(_PLAIN)
        elif kind.type is Service:
            names |= {"services.loadbalancers", "services.nodeports"}
        elif kind.type is PersistentVolumeClaim:
            names |= {name for name in hard if "storage" in name}
        if kind.namespaced and names & hard:
            found.append(kind.type)
    return found


def used(quota: ResourceQuota, objects: Iterable[Object]) -> dict[str, Decimal]:
    """How much of each limited resource these objects use together."""
    total = dict.fromkeys(quota.spec.hard, Decimal(0))
    for obj in objects:
        if concerns(quota, obj):
            for name, amount in usage_of(obj).items():
                if name in total:
                    total[name] += amount
    return total


#: Kinds that may come to count for more while they are there.
GROWING: tuple[type[Object], ...] = (Service, PersistentVolumeClaim)


def too_much(
    quota: ResourceQuota, obj: Object, already: Usage, old: Object | None = None
) -> str | None:
    """Why a quota does not let this object in beside what is there; None: it does. `old`: the object
    as it is there now, and counted in `already`; only what it grows by matters then."""
    if not concerns(quota, obj):
        return None
    name, hard = quota.metadata.name, quota.spec.hard
    silent = _not_said(obj, hard) if isinstance(obj, Pod) else []
    if silent:
        return f"failed quota: {name}: must specify {'; '.join(silent)}"
    was = usage_of(old) if old is not None else {}
    grown = {n: amount - was.get(n, 0) for n, amount in usage_of(obj).items() if n in hard}
    asked = {n: amount for n, amount in grown.items() if amount > 0}
    over = sorted(n for n, amount in asked.items() if already[n] + amount > parse_quantity(hard[n]))
    if not over:
        return None
    told = {n: parse_quantity(hard[n]) for n in over}
    shares = (_listed(quota, over, amounts) for amounts in (asked, already, told))
    return "exceeded quota: {}, requested: {}, used: {}, limited: {}".format(name, *shares)


def amount_text(quota: ResourceQuota, name: str, amount: Decimal) -> str:
    """An amount as its limit is written: with powers of 1024 where that has them."""
    binary = str(quota.spec.hard.get(name, "")).endswith("i")
    return milli_text(int(amount * 1000), binary=binary)


def _listed(quota: ResourceQuota, names: Sequence[str], amounts: Usage) -> str:
    return ",".join(f"{name}={amount_text(quota, name, amounts[name])}" for name in names)


def _has_ended(pod: Pod) -> bool:
    return pod.status is not None and pod.status.phase in ("Succeeded", "Failed")


def _of_pod(spec: PodSpec) -> dict[str, Decimal]:
    out: dict[str, Decimal] = {}
    for name, amount in pod_amounts(spec, "requests").items():
        out[f"requests.{name}"] = amount
        if name in _PLAIN:
            out[name] = amount
    for name, amount in pod_amounts(spec, "limits").items():
        out[f"limits.{name}"] = amount
    return out


def pod_amounts(spec: PodSpec, side: str) -> dict[str, Decimal]:
    """A pod's `requests` or `limits`: all its containers together, or its largest init container."""
    out: dict[str, Decimal] = {}
    for container in spec.containers:
        for name, text in _side(container.resources, side).items():
            out[name] = out.get(name, Decimal(0)) + parse_quantity(text)
    for container in spec.init_containers:
        for name, text in _side(container.resources, side).items():
            out[name] = max(out.get(name, Decimal(0)), parse_quantity(text))
    return out


def _side(resources: Any, side: str) -> Mapping[str, Any]:
    return getattr(resources, side) if resources is not None else {}


def _of_service(service: Service) -> dict[str, Decimal]:
    ports = Decimal(len(service.spec.ports))
    match service.spec.type:
        case "LoadBalancer":
            return {"services.loadbalancers": _ONE, "services.nodeports": ports}
        case "NodePort":
            return {"services.nodeports": ports}
        case _:
            return {}


def _of_claim(claim: PersistentVolumeClaim) -> dict[str, Decimal]:
    text = _side(claim.spec.resources, "requests").get("storage")
    out = {"requests.storage": parse_quantity(text)} if text is not None else {}
    if claim.spec.storage_class_name:
        of_class = f"{claim.spec.storage_class_name}.storageclass.storage.k8s.io/"
        out |= {of_class + name: amount for name, amount in out.items()}
        out[of_class + "persistentvolumeclaims"] = _ONE
    return out


def _not_said(pod: Pod, hard: Iterable[str]) -> list[str]:
    """`limits.cpu for: main`, for each resource that is limited and that some container leaves open."""
    out = []
    for name in sorted(hard):
        side, _, resource = name.rpartition(".")
        if resource not in _MUST_BE_SAID or side not in ("", "requests", "limits"):
            continue
        containers = (*pod.spec.init_containers, *pod.spec.containers)
        silent = [
            c.name for c in containers if resource not in _side(c.resources, side or "requests")
        ]
        if silent:
            out.append(f"{name} for: {','.join(sorted(silent))}")
    return out


def _in_scope(pod: Pod, scope: str) -> bool:
    best_effort = not any(
        name in _MUST_BE_SAID
        for container in (*pod.spec.init_containers, *pod.spec.containers)
        for side in ("requests", "limits")
        for name in _side(container.resources, side)
    )
    terminating = pod.spec.active_deadline_seconds is not None
    match scope:
        case "BestEffort":
            return best_effort
        case "NotBestEffort":
            return not best_effort
        case "Terminating":
            return terminating
        case "NotTerminating":
            return not terminating
        case _:
            return False  # admission lets no other scope in
