"""Which hosts want HTTPS, and whose certificate they want shown. Pure.

An Ingress says it in `spec.tls`, a DomainMapping too; Knative's Routes and DomainMappings by the
annotation `tidegate.dev/tls` (`policy.https`), which the Route's controller has put on its Ingress.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.model import networking
from tidegate.model.domains import DomainMapping
from tidegate.model.ingresses import Ingress
from tidegate.policy.https import MADE_HERE, certificate_of


@dataclass(frozen=True, slots=True)
class Want:
    """A certificate for these hosts. `secret`: its name in the namespace of whoever wants it; None: one
    signed by the engine's own authority."""

    hosts: tuple[str, ...]
    secret: str | None = None


def of_ingress(ingress: Ingress) -> tuple[Want, ...]:
    """Those of a networking.k8s.io Ingress; an entry without hosts is for all hosts of its rules."""
    everywhere = tuple(dict.fromkeys(rule.host for rule in ingress.spec.rules if rule.host))
    return tuple(
        Want(hosts, tls.secret_name or None)
        for tls in ingress.spec.tls
        if (hosts := tls.hosts or everywhere)
    )


def of_route(ingress: networking.Ingress) -> tuple[Want, ...]:
    """That of a Knative Route, by the Ingress made for it: its own hosts and those of its tags."""
    hosts = tuple(
        host
        for rule in ingress.spec.rules
        if rule.visibility != networking.CLUSTER_LOCAL
        for host in rule.hosts
    )
    return _said(certificate_of(ingress.metadata.annotations), hosts)


def of_mapping(mapping: DomainMapping) -> tuple[Want, ...]:
    """That of a DomainMapping, whose name is the host."""
    hosts = (mapping.metadata.name.removesuffix("."),)
    if mapping.spec.tls is not None:
        return (Want(hosts, mapping.spec.tls.secret_name),)
    return _said(certificate_of(mapping.metadata.annotations), hosts)


def _said(certificate: str | None, hosts: tuple[str, ...]) -> tuple[Want, ...]:
    if certificate is None or not hosts:
        return ()
    return (Want(hosts, None if certificate == MADE_HERE else certificate),)
