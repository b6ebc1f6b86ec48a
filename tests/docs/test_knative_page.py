"""docs/knative.md says of each field of a revision what reading and admission do with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec import inspect

from tidegate.model.admission.knative.pod_specs import GATED, NEVER
from tidegate.model.admission.knative.settings import ON_BY_DEFAULT
from tidegate.model.serving import RevisionSpec

PAGE = Path(__file__).parents[2] / "docs/knative.md"
SECTION = PAGE.read_text().partition("## Fields of `spec.template.spec`")[2]
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", SECTION, re.MULTILINE))


def note_of(type_: inspect.Type) -> str:
    """What reading a document says about the field; empty: nothing."""
    if isinstance(type_, inspect.Metadata):
        return str((type_.extra or {}).get("note", "")) or note_of(type_.type)
    if isinstance(type_, inspect.UnionType):
        return next((note for inner in type_.types if (note := note_of(inner))), "")
    return ""


def fields() -> dict[str, str]:
    info = inspect.type_info(RevisionSpec)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: note_of(field.type) for field in info.fields}


def test_every_field_has_a_row_and_every_row_a_field():
    assert ROWS.keys() == fields().keys()


@pytest.mark.parametrize("field", sorted(fields()))
def test_a_row_says_what_is_done(field):
    note, row = fields()[field], ROWS[field]
    if field in NEVER:
        assert row.startswith("refused")
        return
    assert not row.startswith("refused")
    assert row.startswith("cluster only") == ("only has an effect on a cluster" in note)
    assert row.startswith("containers only") == ("honoured in containers" in note)
    if note and "cluster" not in note and "containers" not in note:
        assert row.startswith("no effect")
    feature = GATED.get(field, ("", ""))[1]
    off = bool(feature) and f"kubernetes.podspec-{feature}" not in ON_BY_DEFAULT
    assert row.endswith("behind its feature") == off
