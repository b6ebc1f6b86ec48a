"""Who may do what: three roles, decided from what is asked alone. Pure.

admin does everything. view reads everything but Secrets. edit reads everything and writes what lives in
namespaces but for their quotas and limit ranges, except in the system's own, whose config maps are the settings of all. Whoever may write
workloads runs programs as the engine's user: edit keeps from accidents, not from malice.

Named after the ClusterRoles of kubernetes plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go;
a role here holds in all namespaces.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tidegate.model.errors import Forbidden
from tidegate.model.kinds import KINDS, Kind

READS = ("get", "list", "watch")
WRITES = ("create", "update", "patch", "delete", "deletecollection")
#: Subresources that reach into a pod: as good as a write, whatever the method.
INTO_PODS = ("exec", "attach", "portforward", "proxy")
#: Where settings and the ingress' Services are.
SYSTEM_NAMESPACES = ("kube-system", "knative-serving", "istio-system", "kourier-system")

_NAMESPACED = frozenset((kind.group, kind.plural) for kind in KINDS if kind.namespaced)
#: Namespaced all the same.
_SET_BY_ADMINS = (("", "resourcequotas"), ("", "limitranges"))
#: Asking about oneself is for everyone.
_REVIEWS = ("authorization.k8s.io", "authentication.k8s.io")
_NOT_KEPT = "rbac.authorization.k8s.io"


class Role(StrEnum):
    """What a token's owner may do."""

    VIEW = "view"
    EDIT = "edit"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do. `group`, `resource` and `verb` may be `*` (all of them); `namespace` empty: all
    of them, or a kind outside namespaces."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""


def refusal(role: Role, action: Action) -> str | None:
    """Why a role does not allow something; None: it does."""
    if action.group == _NOT_KEPT:
        return "roles are not kept as objects here: see `tidegate token`"
    if role is Role.ADMIN or (action.group in _REVIEWS and action.verb == "create"):
        return None
    if action.verb in READS and action.subresource not in INTO_PODS:
        secrets = (action.group in ("", "*")) and action.resource in ("secrets", "*")
        return "role view does not see Secrets" if secrets and role is Role.VIEW else None
    if role is Role.VIEW:
        return "role view only reads"
    if (action.group, action.resource) not in _NAMESPACED:
        return "role edit writes only what lives in a namespace"
    if (action.group, action.resource) in _SET_BY_ADMINS:
        return "role edit does not set the limits that it works within"
    if action.verb not in (*READS, *WRITES):
        return "role edit knows no such verb"
    if action.subresource == "status":
        return "role edit does not write statuses: controllers do"
    if not action.namespace:
        return "role edit writes in one namespace at a time"
    if action.namespace in SYSTEM_NAMESPACES:
        return f"role edit does not write in {action.namespace}: the settings of all are there"
    return None


def check_allowed(role: Role, user: str, action: Action) -> None:
    """Raises `Forbidden`, in Kubernetes' words and with our reason."""
    why = refusal(role, action)
    if why is None:
        return
    full = f"{action.resource}.{action.group}" if action.group else action.resource
    asked = f"{action.resource}/{action.subresource}" if action.subresource else action.resource
    where = f'in the namespace "{action.namespace}"' if action.namespace else "at the cluster scope"
    named = f' "{action.name}"' if action.name else ""
    raise Forbidden(
        f'{full}{named} is forbidden: User "{user}" cannot {action.verb} resource "{asked}" '
        f'in API group "{action.group}" {where}: {why}',
        details={"name": action.name, "kind": action.resource, "group": action.group},
    )


def rules(role: Role, namespace: str) -> list[dict[str, Any]]:
    """What a role allows in a namespace, as the resourceRules of a SelfSubjectRulesReview."""
    if role is Role.ADMIN:
        return [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for kind in KINDS:
        within = namespace if kind.namespaced else ""
        for sub, asked in _subresources(kind).items():
            place = Action("", kind.group, kind.plural, sub, within)
            verbs = tuple(_allowed(role, place, asked))
            if verbs:
                name = f"{kind.plural}/{sub}" if sub else kind.plural
                found.setdefault((kind.group, verbs), []).append(name)
    return [
        {"verbs": list(verbs), "apiGroups": [group], "resources": names}
        for (group, verbs), names in found.items()
    ]


def _subresources(kind: Kind) -> dict[str, tuple[str, ...]]:
    """The verbs worth telling of a kind (empty name) and of its subresources."""
    out: dict[str, tuple[str, ...]] = {"": READS + WRITES}
    if kind.has_scale:
        out["scale"] = ("get", "update", "patch")
    if (kind.group, kind.plural) == ("", "pods"):
        out |= {"log": ("get",), "exec": ("create",)}
    return out


def _allowed(role: Role, place: Action, verbs: Iterable[str]) -> Iterable[str]:
    for verb in verbs:
        action = Action(verb, place.group, place.resource, place.subresource, place.namespace)
        if refusal(role, action) is None:
            yield verb
