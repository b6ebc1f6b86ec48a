"""Patches: what comes out, and what is refused."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.apiserver.patches import PatchRefused, json_patch, merge_patch
from tidegate.apiserver.strategic import strategic_merge
from tidegate.model.errors import BadRequest

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    ),
    max_leaves=8,
)
#: What an object may hold: no nulls, as they are removed at the door.
DOCUMENTS = st.dictionaries(
    st.sampled_from("abcd"),
    st.recursive(
        st.integers() | st.text(max_size=3),
        lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        # the examples of RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches(target, patch, result):
    assert merge_patch(target, patch) == result


@given(VALUES, VALUES)
def test_merging_twice_is_merging_once_and_leaves_the_input(target, patch):
    before = copy.deepcopy(target)
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert target == before


@given(DOCUMENTS, DOCUMENTS)
def test_a_strategic_patch_without_keyed_lists_is_a_merge_patch(target, patch):
    assert strategic_merge(target, patch) == merge_patch(target, patch)


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        ([{"op": "add", "path": "/b", "value": 1}], {"a": [1, 2], "b": 1}),
        ([{"op": "add", "path": "/a/1", "value": 9}], {"a": [1, 9, 2]}),
        ([{"op": "add", "path": "/a/-", "value": 9}], {"a": [1, 2, 9]}),
        ([{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ([{"op": "replace", "path": "/a/0", "value": 7}], {"a": [7, 2]}),
        ([{"op": "replace", "path": "/a", "value": {}}], {"a": {}}),
        ([{"op": "move", "from": "/a", "path": "/c"}], {"c": [1, 2]}),
        ([{"op": "copy", "from": "/a/0", "path": "/c"}], {"a": [1, 2], "c": 1}),
        ([{"op": "test", "path": "/a/1", "value": 2}], {"a": [1, 2]}),
        ([{"op": "add", "path": "/x~1y~0z", "value": 1}], {"a": [1, 2], "x/y~z": 1}),
    ],
)
def test_json_patches(operations, result):
    target = {"a": [1, 2]}
    assert json_patch(target, operations) == result
    assert target == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ({"op": "test", "path": "/a", "value": 2}, PatchRefused),
        ({"op": "remove", "path": "/b"}, PatchRefused),
        ({"op": "replace", "path": "/b", "value": 1}, PatchRefused),
        ({"op": "add", "path": "/b/c", "value": 1}, PatchRefused),
        ({"op": "add", "path": "/a"}, BadRequest),
        ({"op": "add", "path": "a", "value": 1}, BadRequest),
        ({"op": "frob", "path": "/a"}, BadRequest),
        ({"op": "move", "path": "/a"}, BadRequest),
        ("nonsense", BadRequest),
    ],
)
def test_json_patches_that_cannot_be_applied(operation, error):
    with pytest.raises(error):
        json_patch({"a": 1}, [operation])


POD = {
    "containers": [
        {"name": "main", "image": "a:1", "env": [{"name": "X", "value": "1"}]},
        {"name": "side", "image": "s:1"},
    ]
}


def containers(**patch: object) -> dict[str, object]:
    return {"containers": [patch]}


@pytest.mark.parametrize(
    ("patch", "check"),
    [
        pytest.param(
            containers(name="main", image="a:2"),
            lambda d: [c["image"] for c in d["containers"]] == ["a:2", "s:1"],
            id="an item merges by its key",
        ),
        pytest.param(
            containers(name="new", image="n:1"),
            lambda d: [c["name"] for c in d["containers"]] == ["main", "side", "new"],
            id="a new item is appended",
        ),
        pytest.param(
            {"containers": [{"name": "main", "$patch": "delete"}]},
            lambda d: [c["name"] for c in d["containers"]] == ["side"],
            id="an item is deleted",
        ),
        pytest.param(
            {"containers": [{"$patch": "replace"}, {"name": "only"}]},
            lambda d: d["containers"] == [{"name": "only"}],
            id="a list is replaced",
        ),
        pytest.param(
            containers(name="main", env=[{"name": "Y", "value": "2"}]),
            lambda d: [e["name"] for e in d["containers"][0]["env"]] == ["X", "Y"],
            id="lists inside merge too",
        ),
        pytest.param(
            {
                "$setElementOrder/containers": [{"name": "side"}, {"name": "main"}],
                "containers": [{"name": "side", "image": "s:2"}],
            },
            lambda d: [c["name"] for c in d["containers"]] == ["side", "main"],
            id="the order asked for is kept",
        ),
        pytest.param(
            {"containers": None},
            lambda d: d == {},
            id="null deletes",
        ),
        pytest.param(
            {"$patch": "replace", "nodeName": "n"},
            lambda d: d == {"nodeName": "n"},
            id="an object is replaced",
        ),
    ],
)
def test_strategic_merge_of_a_pod(patch, check):
    before = copy.deepcopy(POD)
    assert check(strategic_merge(POD, patch))
    assert before == POD


def test_ports_merge_by_what_they_are():
    service = {"ports": [{"port": 80, "name": "a"}]}
    assert strategic_merge(service, {"ports": [{"port": 80, "name": "b"}]}) == {
        "ports": [{"port": 80, "name": "b"}]
    }
    container = {"ports": [{"containerPort": 80}]}
    assert strategic_merge(container, {"ports": [{"containerPort": 81}]}) == {
        "ports": [{"containerPort": 80}, {"containerPort": 81}]
    }


def test_finalizers_are_a_set_and_tolerations_are_replaced():
    meta = {"finalizers": ["a"], "tolerations": [{"key": "x"}]}
    patched = strategic_merge(meta, {"finalizers": ["b", "a"], "tolerations": [{"key": "y"}]})
    assert patched == {"finalizers": ["a", "b"], "tolerations": [{"key": "y"}]}
    dropped = strategic_merge(meta, {"$deleteFromPrimitiveList/finalizers": ["a"]})
    assert dropped["finalizers"] == []


def test_retained_keys_drop_the_others():
    strategy = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}
    patch = {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
    assert strategic_merge(strategy, patch) == {"strategy": {"type": "Recreate"}}


def test_an_item_without_its_key_is_refused():
    with pytest.raises(BadRequest, match="does not contain declared merge key: name"):
        strategic_merge(POD, {"containers": [{"image": "x"}]})
