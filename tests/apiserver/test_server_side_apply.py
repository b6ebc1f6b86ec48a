"""Server-side apply: requests without a socket, and laws that hold for any intent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.exchange import Ask, Reply, as_status, parse_query
from tidegate.apiserver.field_sets import fields_of, from_v1, path_text, to_v1
from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.apiserver.managed_fields import (
    ANCIENT,
    MOST_UPDATES,
    UPDATE,
    Manager,
    after_update,
)
from tidegate.apiserver.routes import Api
from tidegate.apiserver.server_side_apply import merged, without
from tidegate.model.apps import Deployment
from tidegate.model.core import ConfigMap
from tidegate.model.errors import ApiError, BadRequest
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/apis/serving.knative.dev/v1/namespaces/default/services"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"


class Server:
    """The whole API but for the socket."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.local: LocalApi = make_api(self.clock, Admission(lambda name: {}))
        self.api = Api(self.local.writes, self.clock)

    async def ask(
        self, method: str, url: str, body: Any = None, media: str = "application/json"
    ) -> tuple[int, Any]:
        path, _, query = url.partition("?")
        headers = {"content-type": media, "user-agent": "tester/1.0"}
        raw = json.dumps(body).encode() if body is not None else b""
        try:
            answer = await self.api.handle(Ask(method, path, parse_query(query), headers, raw))
        except ApiError as why:
            answer = as_status(why)
        assert isinstance(answer, Reply)
        return answer.code, json.loads(answer.body)

    async def apply(
        self, url: str, body: dict[str, Any], manager: str = "me", more: str = ""
    ) -> tuple[int, Any]:
        return await self.ask("PATCH", f"{url}?fieldManager={manager}{more}", body, APPLY)


@pytest.fixture
async def server() -> Server:
    server = Server()
    await ensure_namespaces(server.local)
    return server


def config(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


def container(name: str = "main", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "x:1", **more}


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": list(containers or (container(),))},
    }
    base = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": base | spec,
    }


def owners(obj: Any) -> dict[tuple[str, str], set[str]]:
    """Who owns what, as conflicts would name it."""
    return {
        (e["manager"], e["operation"]): {path_text(p) for p in from_v1(e["fieldsV1"])}
        for e in obj["metadata"].get("managedFields", [])
    }


# --- requests


async def test_apply_creates_what_is_not_there_and_says_who_owns_it(server):
    code, made = await server.apply(f"{MAPS}/c", config(a="1"))
    assert code == 201
    assert owners(made) == {("me", "Apply"): {".data.a"}}


async def test_the_same_apply_again_changes_nothing(server):
    _, made = await server.apply(f"{DEPLOYMENTS}/web", deployment(replicas=2))
    code, again = await server.apply(f"{DEPLOYMENTS}/web", deployment(replicas=2))
    assert code == 200
    assert again == made


async def test_a_field_no_longer_said_goes_unless_others_say_it(server):
    await server.apply(f"{MAPS}/c", config(a="1", b="2", c="3"))
    await server.apply(f"{MAPS}/c", config(b="2"), "other")
    _, left = await server.apply(f"{MAPS}/c", config(c="3"))
    assert left["data"] == {"b": "2", "c": "3"}
    assert owners(left) == {("me", "Apply"): {".data.c"}, ("other", "Apply"): {".data.b"}}


async def test_another_value_for_a_field_of_others_is_a_conflict_that_names_it(server):
    await server.ask("POST", f"{DEPLOYMENTS}?fieldManager=kr8s", deployment(replicas=2))
    code, status = await server.apply(f"{DEPLOYMENTS}/web", deployment(replicas=3))
    assert code == 409
    assert status["reason"] == "Conflict"
    assert status["message"] == (
        'Apply failed with 1 conflict: conflict with "kr8s" using apps/v1: .spec.replicas'
    )
    assert status["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kr8s" using apps/v1',
            "field": ".spec.replicas",
        }
    ]


async def test_several_conflicts_are_listed_by_manager(server):
    await server.apply(f"{MAPS}/c", config(a="1"), "one")
    await server.apply(f"{MAPS}/c", config(b="1", c="1"), "two")
    _, status = await server.apply(f"{MAPS}/c", config(a="2", b="2", c="2"))
    assert status["message"] == (
        'Apply failed with 3 conflicts: conflicts with "one":\n- .data.a\n'
        'conflicts with "two":\n- .data.b\n- .data.c'
    )


async def test_force_takes_the_field_from_its_owner(server):
    await server.apply(f"{MAPS}/c", config(a="1", b="1"), "other")
    code, taken = await server.apply(f"{MAPS}/c", config(a="2"), more="&force=true")
    assert code == 200
    assert taken["data"] == {"a": "2", "b": "1"}
    assert owners(taken) == {("me", "Apply"): {".data.a"}, ("other", "Apply"): {".data.b"}}


async def test_the_same_value_is_owned_together(server):
    await server.apply(f"{MAPS}/c", config(a="1"), "other")
    code, both = await server.apply(f"{MAPS}/c", config(a="1"))
    assert code == 200
    assert owners(both) == {("me", "Apply"): {".data.a"}, ("other", "Apply"): {".data.a"}}


async def test_an_update_owns_what_it_changed_and_takes_it_from_appliers(server):
    await server.apply(f"{MAPS}/c", config(a="1", b="1"))
    _, made = await server.ask("PATCH", f"{MAPS}/c", {"data": {"a": "2"}}, MERGE)
    assert owners(made) == {("me", "Apply"): {".data.b"}, ("tester", "Update"): {".data.a"}}
    code, _ = await server.apply(f"{MAPS}/c", config(a="1", b="1"))
    assert code == 409


async def test_what_controllers_change_stays_with_its_owner(server):
    await server.apply(f"{MAPS}/c", config(a="1"))
    local = server.local.get(ConfigMap, "default", "c")
    assert local is not None
    fresh = ConfigMap(metadata=type(local.metadata)(name="c", namespace="default"), data={"a": "9"})
    await server.local.update(fresh)
    code, back = await server.apply(f"{MAPS}/c", config(a="1"))
    assert code == 200
    assert back["data"] == {"a": "1"}
    assert owners(back) == {("me", "Apply"): {".data.a"}}


async def test_containers_merge_by_name_and_a_dropped_one_goes_whole(server):
    url = f"{DEPLOYMENTS}/web"
    await server.apply(url, deployment(container(), container("mine")))
    side = deployment(container("side"))
    side["spec"] = {"template": {"spec": {"containers": [container("side")]}}}
    _, made = await server.apply(url, side, "sidecar")
    assert [c["name"] for c in made["spec"]["template"]["spec"]["containers"]] == [
        "side",
        "main",
        "mine",
    ]
    _, left = await server.apply(url, deployment(container()))
    assert [c["name"] for c in left["spec"]["template"]["spec"]["containers"]] == ["side", "main"]


async def test_a_dropped_probe_goes_with_the_defaults_that_were_filled_in(server):
    url = f"{DEPLOYMENTS}/web"
    probe = {"httpGet": {"path": "/", "port": 80}}
    await server.apply(url, deployment(container(livenessProbe=probe)))
    code, left = await server.apply(url, deployment(container()))
    assert code == 200
    assert "livenessProbe" not in left["spec"]["template"]["spec"]["containers"][0]


async def test_annotations_of_others_outlive_the_ones_that_are_dropped(server):
    intent = config(a="1")
    intent["metadata"]["annotations"] = {"mine": "1"}
    await server.apply(f"{MAPS}/c", intent)
    local = server.local.get(ConfigMap, "default", "c")
    assert local is not None
    local.metadata.annotations["controllers"] = "1"
    _, left = await server.apply(f"{MAPS}/c", config(a="1"))
    assert left["metadata"]["annotations"] == {"controllers": "1"}


async def test_lists_of_knatives_kinds_are_one_value_each(server):
    intent = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"template": {"spec": {"containers": [{"image": "greeter:1"}]}}},
    }
    code, made = await server.apply(f"{SERVICES}/s", intent)
    assert code == 201, made["message"]
    assert owners(made) == {("me", "Apply"): {".spec.template.spec.containers"}}
    code, again = await server.apply(f"{SERVICES}/s", intent)
    assert (code, again["metadata"]["resourceVersion"]) == (
        200,
        made["metadata"]["resourceVersion"],
    )


async def test_what_defaults_fill_in_is_nobodys_and_no_conflict(server):
    intent = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"template": {"spec": {"containers": [{"image": "greeter:1"}]}}},
    }
    _, made = await server.ask("POST", SERVICES, intent)
    assert owners(made) == {("tester", "Update"): {".spec.template.spec.containers"}}
    assert made["spec"]["template"]["spec"]["containers"] != [{"image": "greeter:1"}]
    code, _ = await server.apply(f"{SERVICES}/s", intent)
    assert code == 200
    _, made = await server.ask("POST", DEPLOYMENTS, deployment())
    assert owners(made) == {
        ("tester", "Update"): {
            ".spec.selector",
            ".spec.template.metadata.labels.app",
            '.spec.template.spec.containers[name="main"]',
            '.spec.template.spec.containers[name="main"].image',
            '.spec.template.spec.containers[name="main"].name',
        }
    }


async def test_apply_of_a_status_touches_nothing_else(server):
    await server.apply(f"{DEPLOYMENTS}/web", deployment(replicas=2))
    intent = deployment(replicas=9) | {"status": {"replicas": 1}}
    code, made = await server.apply(f"{DEPLOYMENTS}/web/status", intent, "watcher")
    assert code == 200
    assert made["spec"]["replicas"] == 2
    assert owners(made)["watcher", "Apply"] == {".status.replicas"}


async def test_scaling_owns_the_replicas(server):
    await server.apply(f"{DEPLOYMENTS}/web", deployment(replicas=2))
    await server.ask("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 3}}, MERGE)
    code, status = await server.apply(f"{DEPLOYMENTS}/web", deployment(replicas=2))
    assert code == 409
    assert status["message"] == (
        'Apply failed with 1 conflict: conflict with "tester" with subresource "scale" '
        "using apps/v1: .spec.replicas"
    )


async def test_a_dry_run_shows_the_managers_and_stores_nothing(server):
    code, shown = await server.apply(f"{MAPS}/c", config(a="1"), more="&dryRun=All")
    assert code == 201
    assert owners(shown) == {("me", "Apply"): {".data.a"}}
    assert (await server.ask("GET", f"{MAPS}/c"))[0] == 404


@pytest.mark.parametrize(
    ("url", "body", "code", "message"),
    [
        (
            "?x=1",
            config(),
            422,
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: '
            "is required for apply patch",
        ),
        ("?fieldManager=m", {"kind": "ConfigMap"}, 400, "must say its apiVersion"),
        ("?fieldManager=m", [1], 400, "must be a ConfigMap object"),
        (
            "?fieldManager=m",
            config() | {"metadata": {"name": "c", "managedFields": []}},
            400,
            "metadata.managedFields must be nil",
        ),
        ("?fieldManager=m&fieldValidation=Strict", config() | {"x": 1}, 400, 'unknown field "x"'),
        (f"?fieldManager={'m' * 129}", config(), 422, "may not be more than 128 bytes"),
    ],
)
async def test_wrong_applies_are_refused(server, url, body, code, message):
    got, status = await server.ask("PATCH", f"{MAPS}/c{url}", body, APPLY)
    assert got == code
    assert message in status["message"]


async def test_only_an_apply_may_be_forced(server):
    await server.apply(f"{MAPS}/c", config(a="1"))
    code, status = await server.ask("PATCH", f"{MAPS}/c?force=true", {"data": {}}, MERGE)
    assert code == 422
    assert "force: Forbidden" in status["message"]


async def test_containers_without_a_name_cannot_be_merged(server):
    code, status = await server.apply(f"{DEPLOYMENTS}/web", deployment({"image": "x"}))
    assert code == 400
    assert 'omits key field "name"' in status["message"]


async def test_an_apply_made_for_another_state_is_a_conflict(server):
    await server.apply(f"{MAPS}/c", config(a="1"))
    stale = config(a="2")
    stale["metadata"]["resourceVersion"] = "1"
    code, status = await server.apply(f"{MAPS}/c", stale)
    assert (code, status["reason"]) == (409, "Conflict")


async def test_managers_can_be_rewritten_as_kubectl_does_when_it_migrates(server):
    _, made = await server.ask(
        "POST", f"{MAPS}?fieldManager=kubectl-client-side-apply", config(a="1", b="1")
    )
    entry = made["metadata"]["managedFields"][0] | {"manager": "kubectl", "operation": "Apply"}
    version = made["metadata"]["resourceVersion"]
    patch = [
        {"op": "replace", "path": "/metadata/managedFields", "value": [entry]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]
    code, moved = await server.ask("PATCH", f"{MAPS}/c", patch, JSON_PATCH)
    assert code == 200
    assert owners(moved) == {("kubectl", "Apply"): {".data.a", ".data.b"}}
    _, left = await server.apply(f"{MAPS}/c", config(a="1"), "kubectl")
    assert left["data"] == {"a": "1"}
    code, _ = await server.ask("PATCH", f"{MAPS}/c", patch, JSON_PATCH)
    assert code == 409  # made for an older state


async def test_managed_fields_that_make_no_sense_are_refused(server):
    await server.apply(f"{MAPS}/c", config(a="1"))
    wrong = {"metadata": {"managedFields": [{"operation": "Apply", "fieldsV1": {"what": {}}}]}}
    code, status = await server.ask("PATCH", f"{MAPS}/c", wrong, MERGE)
    assert code == 400
    assert "neither a field" in status["message"]


async def test_tables_leave_the_managers_out(server):
    await server.apply(f"{MAPS}/c", config(a="1"))
    accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    answer = await server.api.handle(Ask("GET", MAPS, {}, accept))
    assert isinstance(answer, Reply)
    assert b'"name":"c"' in answer.body
    assert b"managedFields" not in answer.body


# --- laws


def test_updaters_beyond_the_tenth_are_thrown_together():
    entries: Any = ()
    fields: dict[Any, Any] = {}
    for number in range(MOST_UPDATES + 5):
        was = dict(fields)
        fields["f:data", f"f:k{number}"] = "x"
        who = Manager(f"m{number}", UPDATE, "v1")
        entries = after_update(
            entries, who, was, fields, said=fields, now=f"2026-01-01T00:00:{number:02}Z"
        )
    assert len(entries) == MOST_UPDATES
    assert any(e.manager.name == ANCIENT for e in entries)
    assert frozenset().union(*(e.fields for e in entries)) == fields.keys()


names = st.text("abcd/:.=\"[]'", min_size=1, max_size=3)
texts = st.text("xyz", max_size=2)
maps = st.builds(
    lambda data, labels: {
        "metadata": {"name": "c"} | ({"labels": labels} if labels else {}),
        "data": data,
    },
    st.dictionaries(names, texts, max_size=4),
    st.dictionaries(names, texts, max_size=3),
)
containers = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("abcd"), "image": texts},
        optional={
            "args": st.lists(texts, max_size=2),
            "env": st.lists(
                st.fixed_dictionaries({"name": st.sampled_from("EFG"), "value": texts}),
                max_size=3,
                unique_by=lambda e: e["name"],
            ),
            "ports": st.lists(
                st.fixed_dictionaries({"containerPort": st.integers(1, 3)}),
                max_size=2,
                unique_by=lambda p: p["containerPort"],
            ),
        },
    ),
    max_size=4,
    unique_by=lambda c: c["name"],
)
pods = st.builds(lambda c: {"spec": {"template": {"spec": {"containers": c}}}}, containers)
documents = st.one_of(maps, pods)


@settings(max_examples=40)
@given(documents)
def test_field_sets_survive_being_written(document):
    paths = fields_of(document, keyed=True).keys()
    assert from_v1(json.loads(json.dumps(to_v1(paths)))) == paths


@settings(max_examples=40)
@given(pods, pods)
def test_an_intent_laid_twice_is_laid_once(live, intent):
    once = merged(live, intent, keyed=True)
    assert merged(once, intent, keyed=True) == once


@settings(max_examples=40)
@given(documents, documents)
def test_all_that_an_intent_says_is_so_afterwards(live, intent):
    said = {p: v for p, v in fields_of(intent, keyed=True).items() if v not in ({}, [])}
    assert said.items() <= fields_of(merged(live, intent, keyed=True), keyed=True).items()


@settings(max_examples=40)
@given(pods, pods)
def test_dropping_all_that_was_said_leaves_what_others_say(live, intent):
    mine, theirs = fields_of(intent, keyed=True).keys(), fields_of(live, keyed=True).keys()
    laid = merged(live, intent, keyed=True)
    left = without(laid, mine, theirs, Deployment, keyed=True)
    assert fields_of(left, keyed=True).keys() >= theirs
    assert not fields_of(left, keyed=True).keys() & (mine - theirs)


@settings(max_examples=40)
@given(pods)
def test_dropping_everything_leaves_nothing(intent):
    mine = fields_of(intent, keyed=True).keys()
    assert without(intent, mine, frozenset(), Deployment, keyed=True) == {}


WORDS = (
    "metadata", "spec", "template", "containers", "ports", "env", "name", "labels", "port",
    "containerPort", "finalizers", "selector", "status", "managedFields",
)  # fmt: skip
wild = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status"]), wild, max_size=3))
async def test_any_document_is_taken_or_refused(intent):
    server = Server()
    await ensure_namespaces(server.local)
    whole = {"apiVersion": "apps/v1", "kind": "Deployment", **intent}
    assert (await server.apply(f"{DEPLOYMENTS}/web", whole))[0] in (201, 400, 422)
    await server.apply(f"{DEPLOYMENTS}/web", deployment())
    assert (await server.apply(f"{DEPLOYMENTS}/web", whole, "other"))[0] in (200, 400, 409, 422)


@pytest.mark.parametrize("depth", [90, 300, 900])
async def test_a_document_nested_deeply_is_refused_or_taken(server, depth):
    deep: Any = "x"
    for _ in range(depth):
        deep = {"a": deep}
    code, _ = await server.apply(f"{DEPLOYMENTS}/web", deployment() | {"deep": deep})
    assert code in (201, 400)
    managed = [{"operation": "Apply", "fieldsV1": deep}]
    patch = {"metadata": {"managedFields": managed}}
    await server.apply(f"{MAPS}/c", config(a="1"))
    code, _ = await server.ask("PATCH", f"{MAPS}/c", patch, MERGE)
    assert code == 400


@pytest.mark.parametrize("tree", [[], {"what": {}}, {"k:name": {}}, {"k:1": {}}, {"f:a": 1}])
def test_what_is_no_set_of_fields_is_refused(tree):
    with pytest.raises(BadRequest):
        from_v1(tree)
