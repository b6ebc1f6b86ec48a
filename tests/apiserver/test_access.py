"""Who may do what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.apiserver.access import Action, Role, refusal
from tidegate.apiserver.admission import Admission
from tidegate.apiserver.exchange import Ask, Reply, Stream, as_status, parse_query
from tidegate.apiserver.local import ensure_namespaces
from tidegate.apiserver.routes import Api
from tidegate.model.errors import ApiError, Forbidden, NotFound
from tidegate.model.kinds import KINDS
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

MAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
MAP = {"metadata": {"name": "a"}}

Answer = tuple[int, dict[str, Any]]


class Server:
    """The whole API but for the socket; `ask` as somebody with a role."""

    def __init__(self) -> None:
        clock = LoopClock()
        self.local = make_api(clock, Admission(lambda name: {}))
        self.api = Api(self.local.writes, clock)

    async def ask(
        self, role: Role, method: str, url: str, body: Any = None, media: str = ""
    ) -> Answer:
        path, _, query = url.partition("?")
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        headers = {"content-type": media} if media else {}
        ask = Ask(method, path, parse_query(query), headers, raw, user="ann", role=role)
        try:
            answer = await self.api.handle(ask)
        except ApiError as why:
            answer = as_status(why)
        if isinstance(answer, Stream):
            answer.release()
            return 200, {}
        assert isinstance(answer, Reply)
        return answer.code, json.loads(answer.body)


@pytest.fixture
async def server() -> Server:
    server = Server()
    await ensure_namespaces(server.local)
    await ensure_namespaces(server.local, ["mine"])
    await server.ask(Role.ADMIN, "POST", MAPS, {"metadata": {"name": "there"}})
    return server


@pytest.mark.parametrize(
    ("method", "url", "body", "may"),
    [
        pytest.param("GET", MAPS, None, "view edit admin", id="list"),
        pytest.param("GET", f"{MAPS}/there", None, "view edit admin", id="get"),
        pytest.param("GET", f"{MAPS}?watch=1", None, "view edit admin", id="watch"),
        pytest.param("GET", "/api/v1/watch/configmaps", None, "view edit admin", id="old watch"),
        pytest.param("GET", "/api/v1/configmaps", None, "view edit admin", id="everywhere"),
        pytest.param("GET", SECRETS, None, "edit admin", id="list secrets"),
        pytest.param("GET", f"{SECRETS}?watch=1", None, "edit admin", id="watch secrets"),
        pytest.param("GET", "/api/v1/secrets", None, "edit admin", id="secrets everywhere"),
        pytest.param("GET", "/api/v1/watch/secrets", None, "edit admin", id="old watch of secrets"),
        pytest.param("POST", MAPS, MAP, "edit admin", id="create"),
        pytest.param("POST", f"{MAPS}?dryRun=All", MAP, "edit admin", id="dry run"),
        pytest.param("PUT", f"{MAPS}/there", MAP | {"metadata": {"name": "there"}}, "edit admin", id="update"),
        pytest.param("DELETE", f"{MAPS}/there", None, "edit admin", id="delete"),
        pytest.param("DELETE", MAPS, None, "edit admin", id="delete many"),
        pytest.param("DELETE", "/api/v1/configmaps", None, "admin", id="delete many everywhere"),
        pytest.param(
            "POST", "/api/v1/namespaces/knative-serving/configmaps", MAP, "admin", id="settings"
        ),
        pytest.param("POST", "/api/v1/namespaces", MAP, "admin", id="a namespace"),
        pytest.param("DELETE", "/api/v1/namespaces/mine", None, "admin", id="drop a namespace"),
        pytest.param("GET", "/api/v1/namespaces", None, "view edit admin", id="see namespaces"),
        pytest.param("GET", "/apis", None, "view edit admin", id="discovery"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("role", list(Role))
async def test_a_role_may_do_this_and_no_more(server, role, method, url, body, may):
    code, said = await server.ask(role, method, url, body)
    assert (code != 403) == (role.value in may.split()), said


async def test_a_refusal_says_who_could_not_do_what_and_why(server):
    code, said = await server.ask(Role.VIEW, "POST", MAPS, MAP)
    assert (code, said["reason"]) == (403, "Forbidden")
    assert said["message"] == (
        'configmaps is forbidden: User "ann" cannot create resource "configmaps" in API group "" '
        'in the namespace "default": role view only reads'
    )


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward"])
def test_reaching_into_a_pod_is_no_reading(subresource):
    into = Action("get", "", "pods", subresource, "default", "p")
    assert [refusal(role, into) is None for role in Role] == [False, True, True]


async def test_a_command_in_a_pod_is_refused_before_anything_is_looked_for(server):
    path = "/api/v1/namespaces/default/pods/nope/exec"
    with pytest.raises(Forbidden, match='cannot create resource "pods/exec"'):
        await server.api.connect(Ask("GET", path, {}, {}, b"", role=Role.VIEW))
    with pytest.raises(NotFound):
        await server.api.connect(Ask("GET", path, {}, {}, b"", role=Role.EDIT))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.resource)
def test_who_may_more_may_all_that_who_may_less(kind):
    for verb in ("get", "list", "watch", "create", "update", "patch", "delete", "strange", "*"):
        for sub in ("", "status", "scale", "log", "exec"):
            for namespace in ("", "default", "kube-system"):
                action = Action(verb, kind.group, kind.plural, sub, namespace)
                allowed = [refusal(role, action) is None for role in Role]
                assert allowed == sorted(allowed), action


def review(**attributes: str) -> dict[str, Any]:
    spec = {"resourceAttributes": attributes}
    return {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("attributes", "may"),
    [
        ({"verb": "list", "resource": "pods"}, "view edit admin"),
        ({"verb": "list", "resource": "*"}, "edit admin"),
        ({"verb": "get", "resource": "secrets", "namespace": "default"}, "edit admin"),
        ({"verb": "get", "resource": "pods", "subresource": "log"}, "view edit admin"),
        (
            {"verb": "create", "group": "serving.knative.dev", "resource": "services", "namespace": "default"},
            "edit admin",
        ),
        ({"verb": "create", "resource": "nodes"}, "admin"),
        ({"verb": "*", "group": "*", "resource": "*"}, "admin"),
        ({"verb": "create", "group": "rbac.authorization.k8s.io", "resource": "roles"}, ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("role", list(Role))
async def test_a_review_tells_the_same(server, role, attributes, may):
    code, said = await server.ask(role, "POST", REVIEW, review(**attributes))
    assert code == 201
    assert said["status"]["allowed"] == (role.value in may.split()), said["status"]


async def test_a_review_comes_in_protobuf_as_kubectl_sends_it(server):
    head = _field(1, b"authorization.k8s.io/v1") + _field(2, b"SelfSubjectAccessReview")
    attributes = _field(1, b"default") + _field(2, b"create") + _field(3, b"") + _field(5, b"pods")
    inner = _field(1, _field(1, b"")) + _field(2, _field(1, attributes))
    body = (
        b"k8s\0"
        + _field(1, head)
        + _field(2, inner + _field(3, b"\x08\x00\x12\x00\x1a\x00\x20\x00"))
    )
    media = "application/vnd.kubernetes.protobuf"
    said = [
        (await server.ask(r, "POST", REVIEW, body, media))[1]["status"]["allowed"] for r in Role
    ]
    assert said == [False, True, True]


def _field(number: int, data: bytes) -> bytes:
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


async def test_the_rules_of_a_role_are_what_it_may(server):
    url = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    _, said = await server.ask(Role.VIEW, "POST", url, {"spec": {"namespace": "default"}})
    told = {
        (verb, group, resource)
        for rule in said["status"]["resourceRules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert {verb for verb, *_ in told} == {"get", "list", "watch"}
    assert {(g, r) for _, g, r in told} == {
        (k.group, k.plural) for k in KINDS if k.plural != "secrets"
    } | {(k.group, f"{k.plural}/scale") for k in KINDS if k.has_scale} | {("", "pods/log")}
    _, said = await server.ask(Role.EDIT, "POST", url, {"spec": {"namespace": "default"}})
    into_pods = [r for r in said["status"]["resourceRules"] if "pods/exec" in r["resources"]]
    assert [rule["verbs"] for rule in into_pods] == [["create"]]


async def test_whoami_tells_the_user(server):
    url = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    _, said = await server.ask(Role.VIEW, "POST", url, {})
    assert said["status"]["userInfo"]["username"] == "ann"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({"spec": {}}, 400, id="about nothing"),
        pytest.param({"spec": []}, 400, id="no object"),
        pytest.param({"kind": "Pod"}, 400, id="another kind"),
        pytest.param([], 400, id="a list"),
        pytest.param({"spec": {"nonResourceAttributes": {"path": "/x", "verb": "get"}}}, 201, id="path"),
    ],
)  # fmt: skip
async def test_a_review_must_be_about_something(server, body, code):
    assert (await server.ask(Role.VIEW, "POST", REVIEW, json.dumps(body).encode()))[0] == code


@pytest.mark.parametrize("url", [ROLES, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"])
async def test_a_role_is_refused_with_the_way_out(server, url):
    assert (await server.ask(Role.ADMIN, "GET", f"{url}/x"))[0] == 404
    code, said = await server.ask(Role.ADMIN, "POST", url, {"metadata": {"name": "x"}})
    assert code == 403
    assert "tidegate token create --role view" in said["message"]
    assert (await server.ask(Role.ADMIN, "GET", url))[0] == 405


async def test_strange_paths_beside_them_are_not_found(server):
    for url in (f"{REVIEW}/x", REVIEW.replace("v1", "v2"), REVIEW.replace("access", "none")):
        assert (await server.ask(Role.ADMIN, "POST", url, {}))[0] == 404
    assert (await server.ask(Role.ADMIN, "GET", REVIEW))[0] == 405
