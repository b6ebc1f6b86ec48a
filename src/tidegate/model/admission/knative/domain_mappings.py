"""DomainMappings and ClusterDomainClaims: defaults and refusals in the webhook's words.

Source: knative serving pkg/apis/serving/v1beta1/domainmapping_validation.go, knative.dev/pkg
apis/duck/v1/knative_reference.go, knative.dev/networking clusterdomainclaim_validation.go.
"""

from __future__ import annotations

from msgspec.structs import replace

from tidegate.model import labels
from tidegate.model.admission.knative import object_meta
from tidegate.model.admission.knative.settings import Settings
from tidegate.model.admission.knative.words import Errors, disallowed, missing
from tidegate.model.domains import ClusterDomainClaim, DomainMapping, KReference
from tidegate.model.field_errors import FieldError
from tidegate.model.meta import ObjectMeta

_CLUSTER = "cluster.local"


def admit_domain_mapping(
    mapping: DomainMapping, old: DomainMapping | None, settings: Settings, user: str
) -> tuple[DomainMapping, Errors]:
    """The mapping with defaults and marks of its user, and all that is wrong with it."""
    meta, spec = mapping.metadata, mapping.spec
    spec = replace(spec, ref=_with_namespace(spec.ref, meta))
    changed = old is not None and spec != old.spec
    meta = object_meta.with_user(meta, user, creating=old is None, changed=changed)
    found = _check_name(meta) + _check_reference(spec.ref, meta.namespace or "")
    if old is not None:
        found += object_meta.check_user(meta, old.metadata, changed=changed)
    return replace(mapping, metadata=meta, spec=spec), found


def admit_domain_claim(
    claim: ClusterDomainClaim, old: ClusterDomainClaim | None, settings: Settings, user: str
) -> tuple[ClusterDomainClaim, Errors]:
    """The claim as it is, and all that is wrong with it."""
    found = _check_domain(claim.metadata.name)
    if not claim.spec.namespace:
        found.append(missing("spec.namespace"))
    return claim, found


def _with_namespace(ref: KReference, meta: ObjectMeta) -> KReference:
    return replace(ref, namespace=ref.namespace or meta.namespace)


def _check_name(meta: ObjectMeta) -> Errors:
    found: Errors = []
    if meta.generate_name:
        found.append(disallowed("metadata.generateName"))
    return found + _check_domain(meta.name)


def _check_domain(name: str) -> Errors:
    found: Errors = []
    problem = _no_domain(name)
    if problem:
        found.append(FieldError(f'invalid name "{name}": {problem}', ("metadata.name",)))
    if name.endswith(f".{_CLUSTER}"):
        inside = f'must not be a subdomain of cluster local domain "{_CLUSTER}"'
        found.append(FieldError(f'invalid name "{name}": {inside}', ("metadata.name",)))
    return found


def _no_domain(name: str) -> str | None:
    if not name:
        return "name: Required value"
    wrong = labels.not_a_domain(name)
    return None if wrong is None else f'name: Invalid value: "{wrong[0]}": {wrong[1]}'


def _check_reference(ref: KReference, namespace: str) -> Errors:
    path = "spec.ref"
    given = {"name": ref.name, "apiVersion": ref.api_version or ref.group, "kind": ref.kind}
    found: Errors = [missing(f"{path}.{field}") for field, text in given.items() if not text]
    if ref.namespace and namespace and ref.namespace != namespace:
        details = f'parent namespace: "{namespace}" does not match ref: "{ref.namespace}"'
        found.append(FieldError("mismatched namespaces", (f"{path}.namespace",), details))
    return found
