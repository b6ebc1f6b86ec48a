"""Names that a route (or any Service) answers to inside a cluster."""

from __future__ import annotations

from tidegate.policy.config_domain import CLUSTER_DOMAIN


def local_hosts(name: str, namespace: str) -> tuple[str, ...]:
    """The full name first, then the shorter ones that a cluster's resolver completes."""
    return (
        f"{name}.{namespace}.{CLUSTER_DOMAIN}",
        f"{name}.{namespace}.svc",
        f"{name}.{namespace}",
    )
