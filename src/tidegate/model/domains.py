"""Hosts of one's own: serving.knative.dev/v1beta1 DomainMapping and its ClusterDomainClaim.

Source: knative serving pkg/apis/serving/v1beta1/domainmapping_types.go, knative.dev/networking
pkg/apis/networking/v1alpha1/clusterdomainclaim_types.go.
"""

from __future__ import annotations

from tidegate.model.meta import Object
from tidegate.model.serving import Addressable, ServingStatus
from tidegate.model.wire import Wire


class KReference(Wire, frozen=True, kw_only=True):
    """An object with an address, in the namespace of whoever refers to it."""

    api_version: str | None = None
    kind: str | None = None
    name: str | None = None
    namespace: str | None = None
    group: str | None = None
    address: str | None = None


class SecretTls(Wire, frozen=True, kw_only=True):
    secret_name: str


class DomainMappingSpec(Wire, frozen=True, kw_only=True):
    ref: KReference = KReference()
    tls: SecretTls | None = None  # None: as the annotation tidegate.dev/tls says, if there is one


class DomainMappingStatus(ServingStatus, frozen=True, kw_only=True):
    url: str | None = None
    address: Addressable | None = None


class DomainMapping(Object, frozen=True, kw_only=True):
    """Its name is the host."""

    spec: DomainMappingSpec = DomainMappingSpec()
    status: DomainMappingStatus | None = None


class ClusterDomainClaimSpec(Wire, frozen=True, kw_only=True):
    namespace: str | None = None  # whose DomainMappings may use the domain


class ClusterDomainClaim(Object, frozen=True, kw_only=True):
    """Its name is the domain. Cluster-wide, so that a domain is one namespace's only."""

    spec: ClusterDomainClaimSpec = ClusterDomainClaimSpec()
    status: ServingStatus | None = None
