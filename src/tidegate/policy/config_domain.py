"""Knative's config map `config-domain`: which domain a route belongs to, by its labels.

Source: Knative, serving pkg/reconciler/route/config/domain.go. Deliberate difference: without an
entry for everybody the domain is `localhost`, whose names lead to this machine in browsers, and not
the cluster's own, which would make every route private.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tidegate.policy.errors import BadConfig

NAME = "config-domain"
DEFAULT_DOMAIN = "localhost"
CLUSTER_DOMAIN = "svc.cluster.local"


@dataclass(frozen=True, slots=True)
class DomainConfig:
    """Domains in name order, each with the labels that a route needs for it (empty: any route)."""

    domains: tuple[tuple[str, Mapping[str, str]], ...] = ()

    def domain_for(self, labels: Mapping[str, str]) -> str:
        """The domain with the most specific selector that matches; ties go to the first by name."""
        matching = [
            (len(selector), domain)
            for domain, selector in self.domains
            if selector.items() <= labels.items()
        ]
        return max(matching, key=lambda found: found[0])[1] if matching else DEFAULT_DOMAIN


def parse_config_domain(data: Mapping[str, str]) -> DomainConfig:
    """Raises `BadConfig` that names the domain whose selector can't be read."""
    return DomainConfig(
        tuple(
            (domain.lower(), _selector(domain, data[domain]))
            for domain in sorted(data)
            if not domain.startswith("_")
        )
    )


def _selector(domain: str, text: str) -> Mapping[str, str]:
    try:
        raw = YAML(typ="safe", pure=True).load(text) if text.strip() else None
    except YAMLError as why:
        raise BadConfig(NAME, f"{domain}: {' '.join(str(why).split())}") from why
    if raw is None:
        return {}
    found = raw.get("selector") if isinstance(raw, dict) else raw
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise BadConfig(NAME, f"{domain}: selector must be a mapping of labels to texts")
    return {str(key): value for key, value in found.items()}
