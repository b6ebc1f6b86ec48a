"""Probes of a revision's containers.

Source: knative serving pkg/apis/serving/k8s_validation.go (`validateReadinessProbe` and below).
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.model.admission.knative.settings import Features
from tidegate.model.admission.knative.words import (
    INT32_MOST,
    Errors,
    disallowed,
    got_both,
    got_neither,
    invalid_value,
    missing,
    out_of_bounds,
)
from tidegate.model.containers import Container, Probe
from tidegate.model.field_errors import FieldError
from tidegate.model.wire import IntOrString

_HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")


@dataclass(frozen=True, slots=True)
class Port:
    """The port that takes the requests; `http` when the document doesn't name it."""

    name: str


def check_probe(probe: Probe | None, port: Port, path: str) -> Errors:
    """Exactly one handler, and a port given by name is the serving port's."""
    if probe is None:
        return []
    found = _check_handlers(probe, path)
    ports: list[tuple[str, IntOrString | None]] = []
    if probe.http_get is not None:
        ports.append(("httpGet.port", probe.http_get.port))
    if probe.tcp_socket is not None:
        ports.append(("tcpSocket.port", probe.tcp_socket.port))
    for field, given in ports:
        if isinstance(given, str) and given not in ("", port.name):
            details = "Probe port must match container port"
            found.append(invalid_value(given, f"{path}.{field}", details))
    return found


def check_readiness_probe(probe: Probe | None, port: Port, path: str) -> Errors:
    """periodSeconds 0 asks for Knative's own fast probing, which has no thresholds."""
    if probe is None:
        return []
    found = check_probe(probe, port, path)
    period_s = probe.period_seconds or 0
    bounds = [
        ("periodSeconds", period_s, 0),
        ("initialDelaySeconds", probe.initial_delay_seconds or 0, 0),
        ("successThreshold", probe.success_threshold or 0, 1),
    ]
    fast = {
        "failureThreshold": probe.failure_threshold or 0,
        "timeoutSeconds": probe.timeout_seconds or 0,
    }
    if period_s == 0:
        found += [
            FieldError(f"{name} is disallowed when periodSeconds is zero", (f"{path}.{name}",))
            for name, value in fast.items()
            if value
        ]
    else:
        bounds += [(name, value, 1) for name, value in fast.items()]
    found += [
        out_of_bounds(value, low, INT32_MOST, f"{path}.{name}")
        for name, value, low in bounds
        if value < low
    ]
    return found


def check_sidecar_probes(container: Container, features: Features, path: str) -> Errors:
    """Containers beside the serving one have none, unless a feature lets them, with their port."""
    found: Errors = []
    for name, probe in (
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    ):
        if probe is None:
            continue
        here = f"{path}.{name}"
        if not features.enables("multi-container-probing"):
            fields = [*_given(probe), *_numbers(probe)]
            found.append(disallowed(*(f"{here}.{field}" for field in fields)))
            continue
        found += _check_handlers(probe, here)
        if probe.http_get is not None and not probe.http_get.port:
            found.append(missing(f"{here}.httpGet.port"))
        if probe.tcp_socket is not None and not probe.tcp_socket.port:
            found.append(missing(f"{here}.tcpSocket.port"))
    return found


def _check_handlers(probe: Probe, path: str) -> Errors:
    given = _given(probe)
    if not given:
        return [got_neither(*(f"{path}.{name}" for name in _HANDLERS))]
    if len(given) > 1:
        return [got_both(*(f"{path}.{name}" for name in given))]
    return []


def _given(probe: Probe) -> list[str]:
    handlers = (probe.http_get, probe.tcp_socket, probe.exec, probe.grpc)
    return [name for name, value in zip(_HANDLERS, handlers, strict=True) if value is not None]


def _numbers(probe: Probe) -> list[str]:
    numbers = {
        "initialDelaySeconds": probe.initial_delay_seconds,
        "timeoutSeconds": probe.timeout_seconds,
        "periodSeconds": probe.period_seconds,
        "successThreshold": probe.success_threshold,
        "failureThreshold": probe.failure_threshold,
    }
    return [name for name, value in numbers.items() if value]
