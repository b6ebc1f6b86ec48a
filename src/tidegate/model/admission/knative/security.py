"""The security context of a revision's container.

Knative also warns of every container that leaves the restricted profile's fields unset ("Kubernetes
default value is insecure ..."). That warning is left out: process pods run as the user that started
the engine, so it would come with nearly every document and say nothing that the user can act on.

Source: knative serving pkg/apis/serving/{fieldmask,k8s_validation}.go.
"""

from __future__ import annotations

from typing import Any

from tidegate.model.admission.knative.settings import Features
from tidegate.model.admission.knative.words import (
    INT32_MOST,
    Errors,
    disallowed,
    invalid_value,
    out_of_bounds,
)
from tidegate.model.containers import SecurityContext

_BIND_SERVICE = ["NET_BIND_SERVICE"]


def check_security_context(
    context: SecurityContext | None, features: Features, path: str
) -> Errors:
    if context is None:
        return []
    given = {
        "seLinuxOptions": context.se_linux_options,
        "windowsOptions": context.windows_options,
        "procMount": context.proc_mount,
        "appArmorProfile": context.app_armor_profile,
        "privileged": context.privileged or None,
    }
    refused = [f"{path}.{name}" for name, value in given.items() if value is not None]
    if not _may_add(context.capabilities, features):
        refused.append(f"{path}.capabilities.add")
    found: Errors = [disallowed(*refused)] if refused else []
    for name, value in (("runAsUser", context.run_as_user), ("runAsGroup", context.run_as_group)):
        if value is None:
            continue
        if not isinstance(value, int):
            found.append(invalid_value(value, f"{path}.{name}"))
        elif not 0 <= value <= INT32_MOST:
            found.append(out_of_bounds(value, 0, INT32_MOST, f"{path}.{name}"))
    return found


def _may_add(capabilities: Any, features: Features) -> bool:
    added = capabilities.get("add") if isinstance(capabilities, dict) else None
    if not added or features.allows("kubernetes.containerspec-addcapabilities"):
        return True
    return features.allows("secure-pod-defaults") and added == _BIND_SERVICE
