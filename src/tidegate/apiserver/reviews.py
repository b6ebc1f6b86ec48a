"""What a client may ask about itself, and what is refused because it could not hold here.

`kubectl auth can-i`, `can-i --list` and `whoami` post a review and read its status; nothing is kept.
Roles and their bindings are discovered, so that applying one fails with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.apiserver import access, bodies
from tidegate.apiserver.access import Action
from tidegate.apiserver.exchange import Ask, Reply, as_json
from tidegate.model.errors import BadRequest, Forbidden, MethodNotAllowed, NotFound, UnknownPath

AUTHORIZATION = "authorization.k8s.io"
AUTHENTICATION = "authentication.k8s.io"
RBAC = "rbac.authorization.k8s.io"
#: (group, resource) -> (kind, whether it is namespaced). All are v1. Discovery lists them.
REVIEWS: Mapping[tuple[str, str], str] = {
    (AUTHORIZATION, "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    (AUTHORIZATION, "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
    (AUTHENTICATION, "selfsubjectreviews"): "SelfSubjectReview",
}
REFUSED: Mapping[str, tuple[str, bool]] = {
    "roles": ("Role", True),
    "rolebindings": ("RoleBinding", True),
    "clusterroles": ("ClusterRole", False),
    "clusterrolebindings": ("ClusterRoleBinding", False),
}
WHY_REFUSED = (
    "there are three roles here, admin, edit and view, which hold in all namespaces; give one to a "
    "named token with `tidegate token create --role view`"
)


def has(path: str) -> bool:
    """Whether a path is answered here."""
    steps = path.strip("/").split("/")
    return (
        steps[0] == "apis" and len(steps) > 3 and steps[1] in (AUTHORIZATION, AUTHENTICATION, RBAC)
    )


def answer(ask: Ask) -> Reply:
    """Raises ApiError: UnknownPath, MethodNotAllowed, BadRequest; Forbidden for a role."""
    _, group, version, *rest = ask.path.strip("/").split("/")
    if version != "v1":
        raise UnknownPath("the server could not find the requested resource", details={})
    if group == RBAC:
        raise _refused(ask, rest)
    kind = REVIEWS.get((group, rest[0]))
    if kind is None or len(rest) > 1:
        raise UnknownPath("the server could not find the requested resource", details={})
    if ask.method != "POST":
        raise MethodNotAllowed(f"{rest[0]} can only be created", details={})
    body = bodies.decode(ask.body, ask.content_type).raw
    if not isinstance(body, dict) or body.get("kind", kind) != kind:
        raise BadRequest(f"the body must be a {kind} object")
    spec = body.get("spec") or {}
    if not isinstance(spec, dict):
        raise BadRequest("spec must be an object")
    api_version = f"{group}/{version}"
    head: dict[str, Any] = {"kind": kind, "apiVersion": api_version, "metadata": {}}
    if kind != "SelfSubjectReview":
        head["spec"] = spec
    return as_json({**head, "status": _STATUSES[kind](ask, spec)}, code=201)


def _access(ask: Ask, spec: Mapping[str, Any]) -> dict[str, Any]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if isinstance(resource, dict) == isinstance(path, dict):
        raise BadRequest("spec needs one of resourceAttributes and nonResourceAttributes")
    if isinstance(path, dict):
        reading = path.get("verb") in ("get", "head")
        allowed = reading or ask.role is access.Role.ADMIN
        return {"allowed": allowed} | (
            {} if allowed else {"reason": "there is nothing but to read"}
        )
    assert isinstance(resource, dict)
    asked = {name: str(resource.get(name) or "") for name in Action.__dataclass_fields__}
    why = access.refusal(ask.role, Action(**asked))
    return {"allowed": why is None, "reason": why or f"role {ask.role.value}"}


def _rules(ask: Ask, spec: Mapping[str, Any]) -> dict[str, Any]:
    verbs = ["*"] if ask.role is access.Role.ADMIN else ["get"]
    return {
        "resourceRules": access.rules(ask.role, str(spec.get("namespace") or "default")),
        "nonResourceRules": [{"verbs": verbs, "nonResourceURLs": ["*"]}],
        "incomplete": False,
    }


def _who(ask: Ask, spec: Mapping[str, Any]) -> dict[str, Any]:
    groups = [f"tidegate:{ask.role.value}", "system:authenticated"]
    return {"userInfo": {"username": ask.user, "groups": groups}}


_STATUSES: Mapping[str, Callable[[Ask, Mapping[str, Any]], dict[str, Any]]] = {
    "SelfSubjectAccessReview": _access,
    "SelfSubjectRulesReview": _rules,
    "SelfSubjectReview": _who,
}


def _refused(ask: Ask, rest: list[str]) -> Exception:
    """What to raise for a path of RBAC."""
    at = 2 if rest[0] == "namespaces" and len(rest) > 2 else 0
    resource, name = rest[at], rest[at + 1] if len(rest) > at + 1 else ""
    if resource not in REFUSED:
        return UnknownPath("the server could not find the requested resource", details={})
    full = f"{resource}.{RBAC}"
    if ask.method in ("GET", "HEAD") and name:
        return NotFound(full, name)  # `kubectl apply` looks before it creates
    if ask.method == "POST":
        details = {"kind": resource, "group": RBAC}
        return Forbidden(f"{full} is forbidden: {WHY_REFUSED}", details=details)
    return MethodNotAllowed(f"{full} are not kept: {WHY_REFUSED}", details={})
