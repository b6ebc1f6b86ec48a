"""Subsets of Services, as Istio's DestinationRules name them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidegate.model.istio import DestinationRule, service_named
from tidegate.model.meta import Key


def subsets_of(service: Key, rules: Iterable[DestinationRule]) -> dict[str, Mapping[str, str]]:
    """Each subset's labels. `rules`: those that may be about the Service; of two subsets of one name
    the older rule's counts."""
    found: dict[str, Mapping[str, str]] = {}
    for rule in sorted(rules, key=_age):
        if ruled_by(rule) == service:
            for subset in rule.spec.subsets:
                found.setdefault(subset.name, subset.labels)
    return found


def ruled_by(rule: DestinationRule) -> Key | None:
    """The Service that a rule is about; None: its host is no Service's name."""
    return service_named(rule.spec.host, rule.metadata.namespace or "")


def _age(rule: DestinationRule) -> tuple[str, Key]:
    return rule.metadata.creation_timestamp or "", rule.key
