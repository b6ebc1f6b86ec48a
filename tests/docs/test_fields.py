"""Pages name every field of the kinds they are about; docs/kserve.md says of each what is done with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import inspect

from tidegate.model.apps import Deployment
from tidegate.model.containers import Container
from tidegate.model.core import Service
from tidegate.model.cron_hpa import CronHorizontalPodAutoscaler
from tidegate.model.ingresses import Ingress
from tidegate.model.istio import DestinationRule, VirtualService
from tidegate.model.jobs import CronJob, Job
from tidegate.model.kafka import KafkaSink, KafkaSource
from tidegate.model.keda import ScaledObject
from tidegate.model.kserve import (
    FrameworkSpec,
    InferenceServiceSpec,
    Predictor,
    ServingRuntimeSpec,
    Transformer,
)
from tidegate.model.pods import PodSpec

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "kserve.md").read_text()
ROWS = [
    (set(re.findall(r"`([\w.]+)`", field)), here)
    for field, here in re.findall(r"^\| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
]
REFUSED = {"workerSpec", "explainer", "canary", "podmetric", "schemaPath", "multiModel"}
#: Described on pages of their own, or by what stands around them.
ELSEWHERE = {PodSpec, Container}
WHOLE = {
    "behavior",
    "deploymentStrategy",
    "predictor",
    "template",
    "jobTemplate",
    "selector",
    "secretKeyRef",
    "ref",
}


def inner(type_: inspect.Type) -> Iterator[inspect.Type]:
    """The type itself, and what is in it when it is a union, a list or annotated."""
    yield type_
    match type_:
        case inspect.Metadata(type=of):
            yield from inner(of)
        case inspect.UnionType(types=types):
            for of in types:
                yield from inner(of)
        case inspect.VarTupleType(item_type=of):
            yield from inner(of)


def note_of(type_: inspect.Type) -> str:
    notes = (t.extra or {} for t in inner(type_) if isinstance(t, inspect.Metadata))
    return next((str(extra["note"]) for extra in notes if "note" in extra), "")


def fields(of: type, parent: str = "") -> Iterator[tuple[str, str, str]]:
    """Parent, name and note of each field, those of structs inside too."""
    inherited = {f.encode_name for base in ELSEWHERE for f in struct(base).fields}
    for field in struct(of).fields:
        if field.encode_name in inherited and parent in ("", "model"):
            continue
        yield parent, field.encode_name, note_of(field.type)
        for type_ in inner(field.type):
            if (
                isinstance(type_, inspect.StructType)
                and field.encode_name not in WHOLE
                and type_.cls not in (FrameworkSpec, Transformer)
            ):
                yield from fields(type_.cls, field.encode_name)


def struct(of: type) -> inspect.StructType:
    info = inspect.type_info(of)
    assert isinstance(info, inspect.StructType)
    return info


FIELDS = sorted(
    {
        *(field for field in fields(InferenceServiceSpec) if field[1] != "predictor"),
        *fields(Predictor),
        *fields(Transformer),
        *fields(FrameworkSpec, "model"),
        *fields(ServingRuntimeSpec),
    }
)


def said_of(parent: str, name: str) -> list[str]:
    """What the rows say that name the field beside its parent, or alone where none does."""
    beside = [
        here
        for named, here in ROWS
        if f"{parent}.{name}" in named
        or (name in named and any(token.rpartition(".")[2] == parent for token in named))
    ]
    return beside or [here for named, here in ROWS if name in named]


@pytest.mark.parametrize(("parent", "name", "note"), FIELDS)
def test_a_row_says_what_is_done_with_the_field(parent, name, note):
    said = said_of(parent, name)
    assert said, f"{parent}.{name} is in no row of docs/kserve.md"
    assert any("with a warning" in here for here in said) == bool(note)
    assert any(here.startswith("refused") for here in said) == (name in REFUSED)


OTHERS = {
    "autoscaling.md": (ScaledObject, CronHorizontalPodAutoscaler),
    "events.md": (KafkaSource, KafkaSink),
    "plain-kubernetes.md": (
        Deployment,
        Job,
        CronJob,
        Service,
        Ingress,
        VirtualService,
        DestinationRule,
    ),
}


@pytest.mark.parametrize(
    ("page", "kind"),
    [pytest.param(page, kind, id=kind.__name__) for page in OTHERS for kind in OTHERS[page]],
)
def test_a_page_names_every_field_of_its_kinds(page, kind):
    text = (DOCS / page).read_text()
    (spec,) = (field.type for field in struct(kind).fields if field.encode_name == "spec")
    (of,) = (type_.cls for type_ in inner(spec) if isinstance(type_, inspect.StructType))
    names = {name for _, name, _ in fields(of)}
    assert names
    assert {name for name in names if not re.search(rf"\b{name}\b", text)} == set()
