"""DomainMappings: defaults, and refusals in the webhook's words."""

from __future__ import annotations

from typing import Any

import pytest


def mapping(name="www.example.com", ref: dict | None = None, **meta: Any) -> dict[str, Any]:
    given = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "hello"}
    return {
        "apiVersion": "serving.knative.dev/v1beta1",
        "kind": "DomainMapping",
        "metadata": {"name": name, "namespace": "default", **meta},
        "spec": {"ref": given if ref is None else ref},
    }


def test_the_reference_is_to_the_mappings_own_namespace(admit):
    made = admit(mapping(), user="ann")
    assert made.spec.ref.namespace == "default"
    assert made.metadata.annotations["serving.knative.dev/creator"] == "ann"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (
            mapping("localhost"),
            'invalid name "localhost": name: Invalid value: "localhost": should be a domain with at '
            "least two segments separated by dots: metadata.name",
        ),
        (
            mapping("hello.default.svc.cluster.local"),
            'invalid name "hello.default.svc.cluster.local": must not be a subdomain of cluster '
            'local domain "cluster.local": metadata.name',
        ),
        (
            mapping(ref={}),
            "missing field(s): spec.ref.apiVersion, spec.ref.kind, spec.ref.name",
        ),
        (
            mapping(ref={"apiVersion": "v1", "kind": "Service", "name": "x", "namespace": "other"}),
            "mismatched namespaces: spec.ref.namespace\n"
            'parent namespace: "default" does not match ref: "other"',
        ),
        (mapping(generateName="x-"), "must not set the field(s): metadata.generateName"),
    ],
    ids=["one label", "the cluster's own", "empty reference", "another namespace", "generated"],
)
def test_what_is_wrong_is_said_as_on_a_cluster(refusal, document, text):
    assert text in refusal(document)


def test_a_name_that_is_no_domain_says_which_rule(refusal):
    assert (
        'invalid name "a_b.com": name: Invalid value: "a_b.com": a lowercase RFC 1123'
        in refusal(mapping("a_b.com"))
    )


def test_a_claim_names_its_namespace(refusal):
    claim = {
        "apiVersion": "networking.internal.knative.dev/v1alpha1",
        "kind": "ClusterDomainClaim",
        "metadata": {"name": "example.com"},
        "spec": {},
    }
    assert "missing field(s): spec.namespace" in refusal(claim)
