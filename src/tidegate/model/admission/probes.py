"""Probes and lifecycle hooks: one handler each, numbers in range.

Source: kubernetes pkg/apis/core/validation/validation.go (`validateProbe`, `validateHandler`).
"""

from __future__ import annotations

from tidegate.model import labels
from tidegate.model.admission.problems import (
    Problems,
    each_invalid,
    forbidden,
    invalid,
    not_negative,
    one_of,
    required,
)
from tidegate.model.containers import (
    Container,
    HTTPGetAction,
    LifecycleHandler,
    Probe,
)
from tidegate.model.wire import IntOrString


def check_probes(container: Container, path: str) -> Problems:
    """The three probes and the hooks of a container that keeps running."""
    found = _check_once(container.liveness_probe, f"{path}.livenessProbe")
    found += check_probe(container.readiness_probe, f"{path}.readinessProbe")
    ready = container.readiness_probe
    if ready is not None and ready.termination_grace_period_seconds is not None:
        here = f"{path}.readinessProbe.terminationGracePeriodSeconds"
        value = ready.termination_grace_period_seconds
        found.append(invalid(here, value, "must not be set for readinessProbes"))
    found += _check_once(container.startup_probe, f"{path}.startupProbe")
    hooks = container.lifecycle
    if hooks is not None:
        found += _check_hook(hooks.post_start, f"{path}.lifecycle.postStart")
        found += _check_hook(hooks.pre_stop, f"{path}.lifecycle.preStop")
    return found


def check_probe(probe: Probe | None, path: str) -> Problems:
    if probe is None:
        return []
    found = _check_handlers(probe, path)
    for name, value in (
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ):
        found += not_negative(f"{path}.{name}", value)
    grace_s = probe.termination_grace_period_seconds
    if grace_s is not None and grace_s <= 0:
        here = f"{path}.terminationGracePeriodSeconds"
        found.append(invalid(here, grace_s, "must be greater than 0"))
    return found


def _check_once(probe: Probe | None, path: str) -> Problems:
    """One success is enough for a liveness or startup probe."""
    found = check_probe(probe, path)
    if probe is not None and probe.success_threshold not in (None, 1):
        found.append(invalid(f"{path}.successThreshold", probe.success_threshold, "must be 1"))
    return found


def _check_handlers(probe: Probe | LifecycleHandler, path: str) -> Problems:
    found: Problems = []
    given: list[str] = []
    if probe.exec is not None:
        given.append("exec")
        if not probe.exec.command:
            found.append(required(f"{path}.exec.command"))
    if probe.http_get is not None:
        given.append("httpGet")
        found += _check_get(probe.http_get, f"{path}.httpGet")
    if probe.tcp_socket is not None:
        given.append("tcpSocket")
        found += check_port_ref(probe.tcp_socket.port, f"{path}.tcpSocket.port")
    if isinstance(probe, Probe) and probe.grpc is not None:
        given.append("grpc")
        here = f"{path}.grpc.port"
        found += each_invalid(here, probe.grpc.port, labels.port_number(probe.grpc.port or 0))
    if isinstance(probe, LifecycleHandler) and probe.sleep is not None:
        given.append("sleep")
    for extra in given[1:]:
        found.append(forbidden(f"{path}.{extra}", "may not specify more than 1 handler type"))
    if not given:
        found.append(required(path, "must specify a handler type"))
    return found


def _check_hook(hook: LifecycleHandler | None, path: str) -> Problems:
    return [] if hook is None else _check_handlers(hook, path)


def _check_get(get: HTTPGetAction, path: str) -> Problems:
    found = [] if get.path is None or get.path else [required(f"{path}.path")]
    found += check_port_ref(get.port, f"{path}.port")
    return found + one_of(f"{path}.scheme", get.scheme, ("HTTP", "HTTPS"))


def check_port_ref(port: IntOrString | None, path: str) -> Problems:
    """A port by number or by a container port's name."""
    if isinstance(port, str):
        return each_invalid(path, port, labels.port_name(port))
    return each_invalid(path, port or 0, labels.port_number(port or 0))
