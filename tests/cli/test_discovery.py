"""Which kind a word means."""

from dataclasses import replace

import pytest

from tidegate.cli.discovery import (
    Resource,
    UnknownKind,
    category,
    find_document_kind,
    find_kind,
    resources_of,
)
from tidegate.cli.errors import Usage
from tidegate.cli.targets import wanted_objects


def listed(name, kind, *short, singular=None, categories=(), namespaced=True):
    return {
        "name": name,
        "kind": kind,
        "singularName": singular or kind.lower(),
        "shortNames": list(short),
        "categories": list(categories),
        "namespaced": namespaced,
        "verbs": ["get", "list"],
    }


KNOWN: list[Resource] = [
    *resources_of("v1", [listed("pods", "Pod", "po", categories=["all"]), listed("pods/log", "Pod"),
                         listed("services", "Service", "svc"), listed("nodes", "Node", "no", namespaced=False)]),
    *resources_of("apps/v1", [listed("deployments", "Deployment", "deploy", categories=["all"])]),
    *resources_of("serving.knative.dev/v1", [listed("services", "Service", "ksvc", "kservice")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "api_version", "kind"),
    [
        ("pods", "v1", "Pod"),
        ("po", "v1", "Pod"),
        ("Pod", "v1", "Pod"),
        ("services", "v1", "Service"),
        ("ksvc", "serving.knative.dev/v1", "Service"),
        ("services.serving.knative.dev", "serving.knative.dev/v1", "Service"),
        ("service.serving", "serving.knative.dev/v1", "Service"),
        ("deployments.v1.apps", "apps/v1", "Deployment"),
    ],
)
def test_a_word_means(word, api_version, kind):
    found = find_kind(KNOWN, word)
    assert (found.api_version, found.kind) == (api_version, kind)


def test_an_unknown_word_names_the_near_kinds():
    with pytest.raises(UnknownKind, match="did you mean deployments"):
        find_kind(KNOWN, "deploymnets")


def test_an_unknown_word_near_nothing_names_all():
    with pytest.raises(UnknownKind, match="there are pods, services, nodes, deployments"):
        find_kind(KNOWN, "xyzzy")


def test_a_document_of_an_unknown_kind_names_the_near_ones():
    with pytest.raises(UnknownKind, match=r"did you mean Deployment \(apps/v1\)"):
        find_document_kind(KNOWN, "apps/v1", "Deploymnt")


def test_a_document_with_the_wrong_version_is_told_the_right_one():
    with pytest.raises(UnknownKind, match=r"it is in v1 and serving\.knative\.dev/v1"):
        find_document_kind(KNOWN, "serving.knative.dev/v1alpha1", "Service")


def test_paths_are_those_of_the_api():
    assert find_kind(KNOWN, "po").path("ns", "a") == "/api/v1/namespaces/ns/pods/a"
    assert find_kind(KNOWN, "ksvc").path(None) == "/apis/serving.knative.dev/v1/services"
    assert find_kind(KNOWN, "no").path("ns", "a") == "/api/v1/nodes/a"


@pytest.mark.parametrize(
    ("words", "means"),
    [
        (["all"], [("pods", ""), ("deployments", "")]),
        (["po,svc"], [("pods", ""), ("services", "")]),
        (["po", "a", "b"], [("pods", "a"), ("pods", "b")]),
        (["po/a", "deploy/b"], [("pods", "a"), ("deployments", "b")]),
    ],
)
def test_a_command_line_means(words, means):
    assert [(one.resource.plural, one.name) for one in wanted_objects(KNOWN, words)] == means


@pytest.mark.parametrize("words", [[], ["po/a", "b"], ["po/"]])
def test_a_command_line_that_means_nothing_is_a_usage_error(words):
    with pytest.raises(Usage):
        wanted_objects(KNOWN, words)


def test_a_kind_in_several_versions_is_once_in_its_category():
    newer = replace(find_kind(KNOWN, "deploy"), version="v2")
    assert [r.plural for r in category([*KNOWN, newer], "all")] == ["pods", "deployments"]


def test_categories_are_groups_of_kinds():
    assert category(KNOWN, "pods") == []


def test_a_name_that_no_url_can_hold_is_asked_for_as_it_is():
    pods = find_kind(KNOWN, "pods")
    assert pods.path("a b", "x/y?z") == "/api/v1/namespaces/a%20b/pods/x%2Fy%3Fz"
