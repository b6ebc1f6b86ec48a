"""docs/pods.md names every field of a pod and of its containers, and says which have no effect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec import inspect

from tidegate.model.containers import Container
from tidegate.model.pods import PodSpec
from tidegate.model.volumes import Volume

PAGE = (Path(__file__).parents[2] / "docs/pods.md").read_text()
ROWS = [
    (set(re.findall(r"`([\w.]+)`", field)), here)
    for field, here in re.findall(r"^\| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
]
NAMED = {name for names, _ in ROWS for name in names}
WORDS = {
    "kept, but it only has an effect on a cluster": "cluster only",
    "known, but not honoured on this machine": "no effect here",
    "honoured in containers; a process of this machine has no such thing": "containers",
}


def note_of(type_: inspect.Type) -> str:
    """What reading a document says about the field; empty: nothing."""
    if isinstance(type_, inspect.Metadata):
        return str((type_.extra or {}).get("note", ""))
    if isinstance(type_, inspect.UnionType):
        return next((note for inner in type_.types if (note := note_of(inner))), "")
    return ""


def fields(of: type) -> dict[str, str]:
    info = inspect.type_info(of)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: note_of(field.type) for field in info.fields}


@pytest.mark.parametrize("name", sorted(fields(PodSpec) | fields(Container)))
def test_every_field_has_a_row(name):
    # A container is found by its name, and images have a chapter of their own.
    assert name in NAMED or name in ("name", "image")


@pytest.mark.parametrize(
    ("name", "note"),
    [(name, note) for of in (PodSpec, Container) for name, note in fields(of).items() if note],
)
def test_a_field_without_effect_is_in_a_row_that_says_so(name, note):
    word = WORDS.get(note, "warning")
    assert any(name in names and word in here for names, here in ROWS)


@pytest.mark.parametrize(
    "name", sorted(name for name, note in fields(Volume).items() if not note and name != "name")
)
def test_every_kind_of_volume_that_is_used_has_a_row(name):
    assert name in NAMED
