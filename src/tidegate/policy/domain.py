"""Hosts as Knative writes them: `<route>.<namespace>.<domain>`, tags `<tag>-<route>...`.

Source: config-domain and config-network as in knative/serving pkg/reconciler/route/domains.
"""

from __future__ import annotations

from collections.abc import Mapping

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

DEFAULT_DOMAIN = "localhost"
CLUSTER_DOMAIN = "svc.cluster.local"


def domain_for(labels: Mapping[str, str], config_domain: Mapping[str, str]) -> str:
    """The domain of a route with these labels: the most specific matching selector of the
    config-domain map wins, ties by name; without a match `localhost`."""
    best: tuple[int, str] | None = None
    for domain in sorted(config_domain):
        if domain.startswith("_"):
            continue
        selector = _selector(config_domain[domain])
        if all(labels.get(k) == v for k, v in selector.items()):
            rank = len(selector)
            if best is None or rank > best[0]:
                best = (rank, domain)
    return best[1] if best else DEFAULT_DOMAIN


def public_host(name: str, namespace: str, domain: str) -> str:
    """The host of a route (or of `<tag>-<route>`)."""
    return f"{name}.{namespace}.{domain}"


def local_hosts(name: str, namespace: str) -> tuple[str, ...]:
    """Names that a route answers to inside a cluster."""
    return (
        f"{name}.{namespace}.{CLUSTER_DOMAIN}",
        f"{name}.{namespace}.svc",
        f"{name}.{namespace}",
    )


def _selector(text: str) -> Mapping[str, str]:
    try:
        raw = YAML(typ="safe", pure=True).load(text) if text.strip() else None
    except YAMLError:
        return {}
    found = (raw or {}).get("selector") if isinstance(raw, dict) else None
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}
