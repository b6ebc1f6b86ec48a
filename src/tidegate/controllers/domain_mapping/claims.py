"""Whose a domain is. Claims that were made for a mapping go with it; those that people wrote stay."""

from __future__ import annotations

from tidegate.model.domains import ClusterDomainClaim, ClusterDomainClaimSpec, DomainMapping
from tidegate.model.meta import Condition, Key, ObjectMeta
from tidegate.model.networking import Ingress

_OURS = {"app.kubernetes.io/managed-by": "tidegate"}


def is_ours(claim: ClusterDomainClaim) -> bool:
    """Whether it was made here, and not by somebody."""
    return _OURS.items() <= claim.metadata.labels.items()


def owner_of(claim: ClusterDomainClaim) -> Key:
    """The mapping that the claim lets use its domain."""
    return Key(claim.spec.namespace or "", claim.metadata.name)


def new_claim(mapping: DomainMapping) -> ClusterDomainClaim:
    return ClusterDomainClaim(
        metadata=ObjectMeta(name=mapping.metadata.name, labels=dict(_OURS)),
        spec=ClusterDomainClaimSpec(namespace=mapping.metadata.namespace),
    )


def claimed(mapping: DomainMapping, claim: ClusterDomainClaim | None) -> Condition:
    """Whether the mapping has its domain. `claim` None: nobody has, and none is made by itself."""
    if claim is None:
        domain = mapping.metadata.name
        return _taken(
            f'no ClusterDomainClaim found for domain "{domain}" '
            "(and autocreate-cluster-domain-claims property is not true)"
        )
    if owner_of(claim) != mapping.key:
        return _taken("The domain name is already in use by another DomainMapping")
    return Condition(type="DomainClaimed", status="True")


def hosts_of(ingress: Ingress) -> frozenset[str]:
    """The hosts that an Ingress serves."""
    return frozenset(host for rule in ingress.spec.rules for host in rule.hosts)


def served_by(rival: Ingress) -> Condition:
    """The domain is the host of something that isn't a mapping."""
    return _taken(f"The domain name is already a host of Route {rival.key}")


def _taken(message: str) -> Condition:
    return Condition(
        type="DomainClaimed", status="False", reason="DomainAlreadyClaimed", message=message
    )
