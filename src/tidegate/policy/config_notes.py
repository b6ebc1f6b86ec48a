"""Keys of Knative's config maps that are kept and do nothing here, in words for their author.

Knative drops unknown keys in silence; a promise of ours is that nothing is silently ignored. Keys that
are honoured are those that the parsers beside this file read.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from tidegate.policy import (
    config_autoscaler,
    config_defaults,
    config_deployment,
    config_gc,
    config_network,
)

_SIDECAR = "no queue-proxy runs beside the containers here"
_CLUSTER = "it only has an effect on a cluster"
_DIGESTS = "images name local runtimes here, no digest is resolved"
_RESOURCES = tuple(
    f"queue-sidecar-{what}-{bound}"
    for what in ("cpu", "memory", "ephemeral-storage")
    for bound in ("request", "limit")
)

#: Map -> key -> why it has no effect here.
_IDLE: Mapping[str, Mapping[str, str]] = {
    config_autoscaler.NAME: dict.fromkeys(
        ("tick-interval", "panic-window", "concurrency-state-endpoint"),
        "Knative no longer reads it either",
    ),
    config_deployment.NAME: {
        **dict.fromkeys(
            (
                "queue-sidecar-image",
                "queueSidecarImage",
                *_RESOURCES,
                "queue-sidecar-token-audiences",
                "queue-sidecar-rootca",
                "queue-sidecar-tls-min-version",
                "queue-sidecar-tls-max-version",
                "queue-sidecar-tls-cipher-suites",
                "queue-sidecar-tls-curve-preferences",
            ),
            _SIDECAR,
        ),
        "digest-resolution-timeout": _DIGESTS,
        "registries-skipping-tag-resolving": _DIGESTS,
        "default-affinity-type": _CLUSTER,
        "runtime-class-name": _CLUSTER,
        "pod-is-always-schedulable": _CLUSTER,
    },
    config_network.NAME: dict.fromkeys(
        (
            "ingress-class",
            "ingress.class",
            "certificate-class",
            "certificate.class",
            "cluster-local-domain-tls",
            "system-internal-tls",
            "enable-mesh-pod-addressability",
            "mesh-compatibility-mode",
            "namespace-wildcard-cert-selector",
        ),
        _CLUSTER,
    ),
    "config-features": {
        "autodetect-http2": "a container says h2c by its port's name",
        "queueproxy.mount-podinfo": _SIDECAR,
        "queueproxy.resource-defaults": _SIDECAR,
        "secure-pod-defaults": "defaults of the security context are not filled in here; it only "
        "allows NET_BIND_SERVICE",
    },
}

_READ: Mapping[str, frozenset[str]] = {
    name: frozenset(key for key, _, _ in keys)
    for name, keys in (
        (config_autoscaler.NAME, config_autoscaler.KEYS),
        (config_defaults.NAME, config_defaults.KEYS),
        (config_deployment.NAME, config_deployment.KEYS),
        (config_network.NAME, config_network.KEYS),
        (config_gc.NAME, config_gc.KEYS),
    )
}


def config_notes(name: str, data: Mapping[str, str]) -> list[str]:
    """One sentence for each key of a map in `knative-serving` that has no effect, naming it."""
    idle, read = _IDLE.get(name, {}), _READ.get(name)
    notes = []
    for key in sorted(data):
        if key == "_example":
            continue
        if key in idle:
            notes.append(f"data[{key}]: kept, but {idle[key]}")
        elif read is not None and key not in read:
            near = get_close_matches(key, read | set(idle), n=1, cutoff=0.8)
            meant = f" (did you mean {near[0]}?)" if near else ""
            notes.append(f"data[{key}]: {name} has no such key, it has no effect{meant}")
    return notes
