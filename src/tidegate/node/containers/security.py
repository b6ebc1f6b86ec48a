"""The security context of a container, as podman and docker are told it. Pure.

What can't be honoured and would weaken or change what was asked is refused with its path.
Source: kubernetes pkg/securitycontext (`DetermineEffectiveSecurityContext`), pkg/kubelet/kuberuntime
security_context.go (runAsNonRoot).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.model.containers import Container
from tidegate.model.pods import Pod
from tidegate.model.wire import to_raw
from tidegate.node.containers.command import Security
from tidegate.node.containers.images import ImageFacts
from tidegate.node.errors import NotSupported

_OF_POD = (
    *("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile"),
    *("fsGroup", "supplementalGroups", "sysctls"),
)
_FROM_POD = ("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile")


def security_of(pod: Pod, container: Container, image: ImageFacts) -> Security:
    """The container's context over the pod's. Raises `NotSupported`."""
    whole = pod.spec.security_context if isinstance(pod.spec.security_context, dict) else {}
    own = to_raw(container.security_context) if container.security_context is not None else {}
    said = {name: whole[name] for name in _FROM_POD if whole.get(name) is not None} | own
    _refuse(container, said, whole)
    user = _number(container, said, "runAsUser")
    group = _number(container, said, "runAsGroup")
    if said.get("runAsNonRoot") is True:
        _check_not_root(pod, container, user, image)
    name = None
    if user is not None or group is not None:
        name = str(user) if user is not None else (image.user.partition(":")[0] or "0")
        name += f":{group}" if group is not None else ""
    changes = said.get("capabilities")
    changes = changes if isinstance(changes, dict) else {}
    return Security(
        user=name,
        groups=_groups(whole),
        read_only_root=said.get("readOnlyRootFilesystem") is True,
        add=_capabilities(changes.get("add")),
        drop=_capabilities(changes.get("drop")),
        no_new_privileges=said.get("allowPrivilegeEscalation") is False,
    )


def unknown_to_us(pod: Pod) -> tuple[str, ...]:
    """Fields of the pod's security context that have no effect on its containers."""
    whole = pod.spec.security_context
    return tuple(k for k in whole if k not in _OF_POD) if isinstance(whole, dict) else ()


def _refuse(container: Container, said: Mapping[str, Any], whole: Mapping[str, Any]) -> None:
    where = f"securityContext of container {container.name}"
    if said.get("privileged"):
        raise NotSupported(f"{where}: privileged: no container is privileged on this machine")
    profile = said.get("seccompProfile")
    kind = profile.get("type") if isinstance(profile, dict) else None
    if kind not in (None, "RuntimeDefault"):
        raise NotSupported(
            f"{where}: seccompProfile.type {kind!r}: only RuntimeDefault is there on this machine"
        )
    if whole.get("sysctls"):
        raise NotSupported("securityContext.sysctls: containers share the machine's network here")


def _check_not_root(pod: Pod, container: Container, user: int | None, image: ImageFacts) -> None:
    named = image.user.partition(":")[0]
    where = f'(pod: "{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})", container: {container.name})'
    if user == 0:
        raise NotSupported(f"container's runAsUser breaks non-root policy {where}")
    if user is not None:
        return
    if named and not named.isdecimal():
        raise NotSupported(
            f"container has runAsNonRoot and image has non-numeric user ({named}), cannot verify user "
            f"is non-root {where}"
        )
    if not named or int(named) == 0:
        raise NotSupported(f"container has runAsNonRoot and image will run as root {where}")


def _number(container: Container, said: Mapping[str, Any], name: str) -> int | None:
    value = said.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise NotSupported(
            f"securityContext of container {container.name}: {name} {value!r} is no user or group id"
        )
    return value


def _groups(whole: Mapping[str, Any]) -> tuple[int, ...]:
    asked = [whole.get("fsGroup"), *(whole.get("supplementalGroups") or ())]
    return tuple(dict.fromkeys(g for g in asked if isinstance(g, int)))


def _capabilities(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()
