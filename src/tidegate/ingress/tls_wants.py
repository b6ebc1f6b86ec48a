"""Which hosts want HTTPS, and whose certificate they want shown. Pure.

An Ingress says it in `spec.tls`, a DomainMapping too; Knative's Routes and DomainMappings by the
annotation `tidegate.dev/tls`: the name of a Secret, or `true` for a certificate made here.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.model import networking
from tidegate.model import serving_names as names
from tidegate.model.domains import DomainMapping
from tidegate.model.ingresses import Ingress

_MADE_HERE = frozenset(("true", "generated"))
_NONE = frozenset(("", "false"))


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
    return _said(ingress.metadata.annotations.get(names.TLS, ""), hosts)


def of_mapping(mapping: DomainMapping) -> tuple[Want, ...]:
    """That of a DomainMapping, whose name is the host."""
    hosts = (mapping.metadata.name.removesuffix("."),)
    if mapping.spec.tls is not None:
        return (Want(hosts, mapping.spec.tls.secret_name),)
    return _said(mapping.metadata.annotations.get(names.TLS, ""), hosts)


def _said(value: str, hosts: tuple[str, ...]) -> tuple[Want, ...]:
    word = value.strip()
    if word.lower() in _NONE or not hosts:
        return ()
    return (Want(hosts, None if word.lower() in _MADE_HERE else word),)
