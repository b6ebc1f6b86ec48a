"""Selectors as clients write them."""

from __future__ import annotations

import pytest

from tidegate.apiserver.selectors import parse_fields, parse_labels
from tidegate.model.core import ConfigMap, Event
from tidegate.model.errors import BadRequest
from tidegate.model.label_text import selector_text
from tidegate.model.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta, ObjectReference
from tidegate.model.pods import Pod, PodSpec, PodStatus

LABELS = {"app": "web", "tier": "front", "empty": ""}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web", True),
        ("app!=web", False),
        ("other!=web", True),
        ("app=web,tier=back", False),
        ("app=web, tier=front", True),
        ("app in (web,api)", True),
        ("app in ( web , api ),tier=front", True),
        ("app notin (web,api)", False),
        ("other notin (web)", True),
        ("other in (web)", False),
        ("app", True),
        ("!app", False),
        ("!other", True),
        ("empty=", True),
        ("serving.knative.dev/service=hello", False),
    ],
)
def test_label_selectors(text, holds):
    assert all(term.holds(LABELS) for term in parse_labels(text)) is holds


@pytest.mark.parametrize("text", ["=web", "app=web tier=x", "app in web", "a=b=c", "(", "app,,b"])
def test_label_selectors_that_are_none(text):
    with pytest.raises(BadRequest, match="unable to parse requirement"):
        parse_labels(text)


POD = Pod(
    metadata=ObjectMeta(name="p", namespace="default"),
    spec=PodSpec(node_name="here"),
    status=PodStatus(phase="Running"),
)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("metadata.name=p", True),
        ("metadata.name=p,metadata.name=p", True),
        ("metadata.name==p,metadata.namespace=default", True),
        ("status.phase!=Running", False),
        ("spec.nodeName=here,status.phase=Running", True),
        ("status.podIP=", True),
    ],
)
def test_field_selectors_of_pods(text, holds):
    assert all(term.holds(POD) for term in parse_fields(text, Pod)) is holds


def test_events_are_found_by_what_they_are_about():
    event = Event(involved_object=ObjectReference(kind="Pod", name="p"), reason="Started")
    terms = parse_fields("involvedObject.kind=Pod,involvedObject.name=p,reason=Started", Event)
    assert all(term.holds(event) for term in terms)


def test_an_unknown_field_is_refused_with_those_that_are_known():
    with pytest.raises(BadRequest) as caught:
        parse_fields("spec.x=1", ConfigMap)
    assert caught.value.message == (
        '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )


def test_a_selector_as_text_selects_the_same():
    selector = LabelSelector(
        match_labels={"app": "web"},
        match_expressions=(
            LabelSelectorRequirement(key="tier", operator="In", values=("front", "back")),
            LabelSelectorRequirement(key="old", operator="DoesNotExist"),
        ),
    )
    assert selector_text(selector) == "app=web,tier in (back,front),!old"
    assert all(term.holds(LABELS) for term in parse_labels(selector_text(selector)))
