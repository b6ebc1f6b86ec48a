"""What `apply` sends: set what the document says, remove what it said before, leave the rest."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cli.merge3 import (
    LAST_APPLIED,
    last_applied,
    merge_patch,
    with_last_applied,
    without_nulls,
)


@pytest.mark.parametrize(
    ("was", "wanted", "live", "patch"),
    [
        pytest.param({}, {"a": 1}, {"a": 1, "d": 9}, {}, id="what is so already is not sent"),
        pytest.param({}, {"a": 2}, {"a": 1}, {"a": 2}, id="what differs is set"),
        pytest.param(
            {"a": 1}, {}, {"a": 1}, {"a": None}, id="what the document dropped is removed"
        ),
        pytest.param({"a": 1}, {}, {}, {}, id="unless it is gone already"),
        pytest.param({}, {}, {"d": 9}, {}, id="what others wrote stays"),
        pytest.param(
            {"s": {"a": 1, "b": 1}},
            {"s": {"a": 1}},
            {"s": {"a": 1, "b": 1, "d": 9}},
            {"s": {"b": None}},
            id="also deep inside",
        ),
        pytest.param({}, {"l": [1]}, {"l": [1, 2]}, {"l": [1]}, id="lists are replaced whole"),
        pytest.param({}, {"a": True}, {"a": 1}, {"a": True}, id="true is not 1"),
        pytest.param({}, {"a": {"x": 1}}, {"a": "t"}, {"a": {"x": 1}}, id="another type"),
    ],
)
def test_the_patch_of(was, wanted, live, patch):
    assert merge_patch(was, wanted, live) == patch


def test_the_annotation_holds_the_document_without_itself():
    once = with_last_applied({"kind": "X", "metadata": {"name": "n", "annotations": {"a": "b"}}})
    again = with_last_applied(once)
    assert once == again
    assert json.loads(once["metadata"]["annotations"][LAST_APPLIED]) == {
        "kind": "X",
        "metadata": {"name": "n", "annotations": {"a": "b"}},
    }
    assert last_applied(once)["metadata"]["annotations"] == {"a": "b"}


@pytest.mark.parametrize("text", ["", "not json", "[]"])
def test_an_annotation_that_says_nothing_counts_as_never_applied(text):
    assert last_applied({"metadata": {"annotations": {LAST_APPLIED: text}}}) == {}


def merged(live, patch):
    """RFC 7386, as the server does it."""
    out = dict(live)
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            out[key] = merged(out[key] if isinstance(out.get(key), dict) else {}, value)
        else:
            out[key] = value
    return out


def covers(live, wanted):
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            k in live and covers(live[k], v) for k, v in wanted.items()
        )
    return live == wanted


leaves = st.integers(0, 2) | st.lists(st.integers(0, 1), max_size=2)
objects = st.recursive(
    leaves, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
)
documents = st.dictionaries(st.sampled_from("abc"), objects, max_size=3)


@given(documents, documents, documents)
def test_after_the_patch_the_object_has_all_the_document_says_and_a_second_apply_sends_nothing(
    was, wanted, extra
):
    live = merged(extra, was)
    after = merged(live, merge_patch(was, wanted, live))
    assert covers(after, wanted)
    assert merge_patch(wanted, wanted, after) == {}


def test_nulls_are_fields_not_set():
    assert without_nulls({"a": None, "b": [{"c": None}]}) == {"b": [{}]}
