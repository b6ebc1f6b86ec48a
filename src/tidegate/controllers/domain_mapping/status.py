"""A mapping's Ingress, and its status computed whole from what was seen."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.model.conditions import derive_ready, find, merged
from tidegate.model.domains import DomainMapping, DomainMappingStatus
from tidegate.model.meta import Condition, ObjectMeta, owner_reference
from tidegate.model.networking import (
    EXTERNAL_IP,
    Ingress,
    IngressHTTP,
    IngressPath,
    IngressRule,
    IngressSpec,
)
from tidegate.model.serving import Addressable
from tidegate.policy.https import certificate_of

API = "serving.knative.dev/v1beta1"


def desired_ingress(
    mapping: DomainMapping, paths: Sequence[IngressPath], http_option: str | None
) -> Ingress:
    """What the data plane is asked for: the host, and the shares of what it maps to."""
    meta = mapping.metadata
    rule = IngressRule(
        hosts=(meta.name.removesuffix("."),),
        visibility=EXTERNAL_IP,
        http=IngressHTTP(paths=tuple(paths)),
    )
    return Ingress(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels=dict(meta.labels),
            owner_references=(owner_reference("DomainMapping", API, meta),),
        ),
        spec=IngressSpec(rules=(rule,), http_option=http_option),
    )


def has_https(mapping: DomainMapping) -> bool:
    """Whether it asks for a certificate of its own."""
    return mapping.spec.tls is not None or certificate_of(mapping.metadata.annotations) is not None


def plan_status(
    mapping: DomainMapping,
    claimed: Condition,
    resolved: Condition,
    ingress: Condition,
    *,
    scheme: str,
    now_s: float,
) -> DomainMappingStatus:
    """The whole status."""
    was = mapping.status or DomainMappingStatus()
    certificate = Condition(type="CertificateProvisioned", status="True")
    if not has_https(mapping):
        certificate = Condition(
            type="CertificateProvisioned",
            status="True",
            reason="TLSNotEnabled",
            message="external-domain-tls is not enabled",
        )
    kept = merged(was.conditions, (claimed, resolved, ingress, certificate), now_s=now_s)
    url = f"{scheme}://{mapping.metadata.name.removesuffix('.')}"
    return DomainMappingStatus(
        observed_generation=mapping.metadata.generation,
        conditions=merged(was.conditions, (*kept, derive_ready(kept)), now_s=now_s),
        url=url,
        address=Addressable(url=url),
    )


def ingress_condition(ingress: Ingress | None) -> Condition:
    """As the data plane answered for what the Ingress says now."""
    status = ingress.status if ingress is not None else None
    ready = find(status.conditions, "Ready") if status is not None else None
    current = (
        ingress is not None
        and status is not None
        and status.observed_generation == ingress.metadata.generation
    )
    if ready is None or not current:
        return Condition(
            type="IngressReady",
            status="Unknown",
            reason="IngressNotConfigured",
            message="Ingress has not yet been reconciled.",
        )
    return Condition(
        type="IngressReady", status=ready.status, reason=ready.reason, message=ready.message
    )
