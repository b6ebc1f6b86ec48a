"""Requests and answers without a socket."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.asgi import ApiApp
from tidegate.apiserver.discovery import EXTRA
from tidegate.apiserver.exchange import Ask, Reply, Stream, as_status, parse_query
from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.apiserver.render import PLAIN
from tidegate.apiserver.reviews import RBAC, REFUSED
from tidegate.apiserver.routes import Api
from tidegate.apiserver.selectors import Selection
from tidegate.apiserver.watches import BOOKMARK_EVERY_S, Watch, WatchOptions
from tidegate.apiserver.writes import Writes
from tidegate.model.core import ConfigMap
from tidegate.model.errors import ApiError
from tidegate.model.kinds import BY_TYPE, KINDS, SERVED
from tidegate.store import Database, InlineJournal, Store
from tidegate.store.record import Record
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class Server:
    """The whole API but for the socket."""

    def __init__(self, store: Store | None = None) -> None:
        self.clock = LoopClock()
        admission = Admission(lambda name: {})
        if store is None:
            self.local: LocalApi = make_api(self.clock, admission)
        else:
            self.local = LocalApi(Writes(store, admission, self.clock))
        self.api = Api(self.local.writes, self.clock)

    async def ask(
        self, method: str, url: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, Reply]:
        path, _, query = url.partition("?")
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        try:
            answer = await self.api.handle(Ask(method, path, parse_query(query), named, raw))
        except ApiError as why:
            answer = as_status(why)
        assert isinstance(answer, Reply)
        return answer.code, json.loads(answer.body), answer

    async def watch(self, url: str, **headers: str) -> Stream:
        path, _, query = url.partition("?")
        answer = await self.api.handle(Ask("GET", path, parse_query(query), headers))
        assert isinstance(answer, Stream)
        return answer


@pytest.fixture
async def server() -> Server:
    server = Server()
    await ensure_namespaces(server.local)
    return server


def config(name: str = "c1", **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def deployment(**changes: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "x:1"}]},
    }
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"metadata": {"name": "web"}, "spec": spec | changes}


@pytest.mark.parametrize(
    ("method", "url", "body", "headers", "code", "reason", "message"),
    [
        pytest.param(
            "GET", f"{MAPS}/nope", None, {}, 404, "NotFound", 'configmaps "nope" not found',
            id="no such object",
        ),
        pytest.param(
            "GET", "/apis/apps/v1/namespaces/default/deployments/nope", None, {},
            404, "NotFound", 'deployments.apps "nope" not found', id="with its group",
        ),
        pytest.param(
            "GET", "/apis/apps/v1/namespaces/default/things", None, {},
            404, "NotFound", "the server could not find the requested resource", id="no such kind",
        ),
        pytest.param(
            "GET", "/api/v1/pods/x", None, {},
            404, "NotFound", "the server could not find the requested resource",
            id="a name without its namespace",
        ),
        pytest.param(
            "POST", "/api/v1/configmaps", config(), {},
            405, "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
            id="creating without a namespace",
        ),
        pytest.param(
            "POST", "/version", None, {},
            405, "MethodNotAllowed",
            "the server does not allow this method on the requested resource", id="writing to version",
        ),
        pytest.param(
            "POST", "/api/v1/namespaces/nope/configmaps", config(), {},
            404, "NotFound", 'namespaces "nope" not found', id="no such namespace",
        ),
        pytest.param(
            "PUT", f"{MAPS}/other", config(), {},
            404, "NotFound", 'configmaps "other" not found', id="a PUT creates nothing",
        ),
        pytest.param(
            "PUT", f"{MAPS}/old", config("c2"), {},
            400, "BadRequest",
            "the name of the object (c2) does not match the name on the URL (old)",
            id="another name",
        ),
        pytest.param(
            "POST", MAPS, {"metadata": {"name": "c", "namespace": "other"}}, {},
            400, "BadRequest",
            "the namespace of the provided object does not match the namespace sent on the request",
            id="another namespace",
        ),
        pytest.param(
            "POST", MAPS, b"{", {}, 400, "BadRequest", None, id="no JSON",
        ),
        pytest.param(
            "POST", MAPS, b'{"metadata":{"name":"x"},"data":{"a":"\\ud800"}}', {},
            400, "BadRequest", None, id="half a surrogate",
        ),
        pytest.param(
            "POST", MAPS, b"x", {"content_type": "text/plain"},
            415, "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml",
            id="a body of another type",
        ),
        pytest.param(
            "PATCH", f"{MAPS}/old", {"data": {}}, {"content_type": "application/json"},
            415, "UnsupportedMediaType", None, id="a patch of no kind",
        ),
        pytest.param(
            "GET", MAPS, None, {"accept": "text/html"},
            406, "NotAcceptable", None, id="a form we don't have",
        ),
        pytest.param(
            "GET", f"{MAPS}?fieldSelector=spec.x=1", None, {},
            400, "BadRequest",
            '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
            id="an unknown field selector",
        ),
        pytest.param(
            "GET", f"{MAPS}?resourceVersion=99999999", None, {},
            504, "Timeout", None, id="a version to come",
        ),
        pytest.param(
            "POST", f"{MAPS}?dryRun=Some", config(), {},
            400, "BadRequest", 'dryRun: Unsupported value: "Some": supported values: "All"',
            id="a strange dry run",
        ),
        pytest.param(
            "POST", f"{MAPS}?fieldValidation=Strict",
            b'{"metadata":{"name":"x","name":"y"},"dataz":1}', {},
            400, "BadRequest",
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
            'unknown field "dataz", duplicate field "metadata.name"',
            id="unknown and duplicate fields",
        ),
        pytest.param(
            "POST", MAPS, {"metadata": {"name": "x"}, "data": {"a": 1}}, {},
            400, "BadRequest",
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: data.a: '
            "expected str, got int (in quotes it is text)",
            id="a value of another type",
        ),
        pytest.param(
            "POST", MAPS, {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "x"}}, {},
            400, "BadRequest", None, id="an object of another kind",
        ),
        pytest.param(
            "DELETE", f"{MAPS}/old", {"preconditions": {"uid": "other"}}, {},
            409, "Conflict", None, id="another uid",
        ),
        pytest.param(
            "DELETE", f"{MAPS}/old", {"propagationPolicy": "Sideways"}, {},
            400, "BadRequest", None, id="a strange propagation",
        ),
    ],
)  # fmt: skip
async def test_what_is_refused(server, method, url, body, headers, code, reason, message):
    await server.ask("POST", MAPS, config("old"))
    got, status, _ = await server.ask(method, url, body, **headers)
    assert (got, status["kind"], status["reason"], status["code"]) == (
        code,
        "Status",
        reason,
        code,
    )
    if message is not None:
        assert status["message"] == message


async def test_a_body_without_kind_or_content_type_is_json_of_the_paths_kind(server):
    code, made, _ = await server.ask("POST", MAPS, config(a="1"))
    assert (code, made["kind"], made["apiVersion"]) == (201, "ConfigMap", "v1")


async def test_unknown_fields_are_warned_of_unless_asked_otherwise(server):
    body = {**config("a"), "dataz": {}}
    *_, warned = await server.ask("POST", MAPS, body)
    *_, quiet = await server.ask("POST", f"{MAPS}?fieldValidation=Ignore", config("b") | {"x": 1})
    assert (warned.warnings, quiet.warnings) == (('unknown field "dataz"',), ())


async def test_a_field_without_effect_here_is_named_once(server):
    url = "/apis/apps/v1/namespaces/default/deployments"
    affinity = deployment()
    affinity["spec"]["template"]["spec"]["affinity"] = {"nodeAffinity": {}}
    *_, made = await server.ask("POST", url, affinity)
    *_, patched = await server.ask(
        "PATCH",
        f"{url}/web",
        {"spec": {"replicas": 3}},
        content_type="application/merge-patch+json",
    )
    said = "spec.template.spec.affinity: kept, but it only has an effect on a cluster"
    assert (made.warnings, patched.warnings) == ((said,), ())


async def test_a_dry_run_answers_as_if_and_stores_nothing(server):
    before = server.local.version
    code, made, _ = await server.ask("POST", f"{MAPS}?dryRun=All", config())
    assert (code, made["metadata"]["name"]) == (201, "c1")
    assert "resourceVersion" not in made["metadata"]
    assert server.local.version == before


async def test_a_conditional_patch_needs_the_current_version(server):
    await server.ask("POST", MAPS, config(a="1"))
    patch = {"metadata": {"resourceVersion": "1"}, "data": {"a": "2"}}
    code, status, _ = await server.ask(
        "PATCH", f"{MAPS}/c1", patch, content_type="application/merge-patch+json"
    )
    assert (code, status["reason"]) == (409, "Conflict")


async def test_a_patch_may_not_rename(server):
    await server.ask("POST", MAPS, config())
    code, status, _ = await server.ask(
        "PATCH",
        f"{MAPS}/c1",
        {"metadata": {"name": "c2"}},
        content_type="application/merge-patch+json",
    )
    assert (code, status["reason"]) == (400, "BadRequest")


async def test_patches_at_the_same_time_all_count(server):
    await server.ask("POST", MAPS, config())
    await asyncio.gather(
        *(
            server.ask(
                "PATCH",
                f"{MAPS}/c1",
                {"data": {f"k{i}": "v"}},
                content_type="application/merge-patch+json",
            )
            for i in range(20)
        )
    )
    assert len(server.local.get(ConfigMap, "default", "c1").data) == 20


async def test_scale_is_a_view_of_the_object(server):
    url = "/apis/apps/v1/namespaces/default/deployments"
    await server.ask("POST", url, deployment(replicas=2))
    _, scale, _ = await server.ask("GET", f"{url}/web/scale")
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == (
        {"replicas": 2},
        {"replicas": 0, "selector": "app=web"},
    )
    _, scaled, _ = await server.ask("PUT", f"{url}/web/scale", scale | {"spec": {"replicas": 4}})
    assert scaled["spec"]["replicas"] == 4
    code, status, _ = await server.ask("PUT", f"{url}/web/scale", scale)
    assert (code, status["reason"]) == (409, "Conflict")
    code, status, _ = await server.ask(
        "PATCH",
        f"{url}/web/scale",
        {"spec": {"replicas": -1}},
        content_type="application/merge-patch+json",
    )
    assert (code, status["reason"]) == (422, "Invalid")


async def test_the_status_subresource_writes_status_only(server):
    url = "/apis/apps/v1/namespaces/default/deployments"
    await server.ask("POST", url, deployment(replicas=2))
    patch = {"spec": {"replicas": 9}, "status": {"replicas": 2}}
    _, told, _ = await server.ask(
        "PATCH", f"{url}/web/status", patch, content_type="application/merge-patch+json"
    )
    assert (told["spec"]["replicas"], told["status"]["replicas"]) == (2, 2)
    code, *_ = await server.ask("GET", f"{MAPS}/c1/status")
    assert code == 404


async def test_a_list_as_a_table_has_a_row_an_object(server):
    await server.ask("POST", MAPS, config("b", x="1"))
    await server.ask("POST", MAPS, config("a"))
    _, table, _ = await server.ask("GET", MAPS, accept=TABLE)
    names = [c["name"] for c in table["columnDefinitions"]]
    assert table["kind"] == "Table"
    assert names == ["Name", "Data", "Age"]
    assert [row["cells"][:2] for row in table["rows"]] == [["a", 0], ["b", 1]]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


async def test_metadata_only_is_metadata_only(server):
    await server.ask("POST", MAPS, config("a", x="1"))
    form = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    _, partial, _ = await server.ask("GET", MAPS, accept=form)
    assert set(partial["items"][0]) == {"kind", "apiVersion", "metadata"}


async def test_deletecollection_takes_what_is_selected(server):
    for name, app in (("a", "x"), ("b", "y")):
        body = {"metadata": {"name": name, "labels": {"app": app}}}
        await server.ask("POST", MAPS, body)
    _, gone, _ = await server.ask("DELETE", f"{MAPS}?labelSelector=app=x")
    _, left, _ = await server.ask("GET", MAPS)
    assert [i["metadata"]["name"] for i in gone["items"]] == ["a"]
    assert [i["metadata"]["name"] for i in left["items"]] == ["b"]


async def test_discovery_names_every_kind_both_ways(server):
    _, groups, _ = await server.ask("GET", "/apis")
    names = [g["name"] for g in groups["groups"]]
    assert set(names) == {k.group for k in KINDS if k.group} | set(EXTRA)
    found = set()
    for place in [
        "/api/v1",
        *(f"/apis/{v['groupVersion']}" for g in groups["groups"] for v in g["versions"]),
    ]:
        _, resources, _ = await server.ask("GET", place)
        found |= {(resources["groupVersion"], r["name"]) for r in resources["resources"]}
    assert {(k.api_version, k.plural) for k in SERVED} <= found
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    _, lists, reply = await server.ask("GET", "/apis", accept=aggregated)
    assert reply.media == aggregated
    assert [i["metadata"]["name"] for i in lists["items"]] == names


async def test_every_kind_can_be_asked_for_its_patch_operation(server):
    _, index, _ = await server.ask("GET", "/openapi/v3")
    seen = set()
    for place in index["paths"]:
        _, document, _ = await server.ask("GET", f"/openapi/v3/{place}")
        for path in document["paths"].values():
            gvk = path["patch"]["x-kubernetes-group-version-kind"]
            seen.add((gvk["group"], gvk["version"], gvk["kind"]))
    refused = {(RBAC, "v1", kind) for kind, _ in REFUSED.values()}
    assert seen == {(k.group, k.version, k.kind) for k in SERVED} | refused


async def test_schemas_are_whole_and_say_what_has_no_effect_here(server):
    _, core, _ = await server.ask("GET", "/openapi/v3/api/v1")
    schemas = core["components"]["schemas"]
    assert schemas["tidegate.core.ConfigMap"]["description"] == "binaryData values are base64."
    affinity = schemas["tidegate.pods.PodSpec"]["properties"]["affinity"]
    assert affinity["description"] == "kept, but it only has an effect on a cluster"
    named = {f"#/components/schemas/{name}" for name in schemas}
    assert set(re.findall(r'"(#/components/[^"]+)"', json.dumps(core))) <= named


async def test_deleting_answers_with_what_is_left(server):
    await server.ask("POST", MAPS, config())
    _, status, _ = await server.ask("DELETE", f"{MAPS}/c1", {"propagationPolicy": "Background"})
    assert (status["status"], status["details"]["kind"]) == ("Success", "configmaps")
    held = {"metadata": {"name": "c2", "finalizers": ["a/x"]}}
    await server.ask("POST", MAPS, held)
    _, left, _ = await server.ask("DELETE", f"{MAPS}/c2")
    assert left["metadata"]["deletionTimestamp"]


JOBS = "/apis/batch/v1/namespaces/default/jobs"


def job(name: str) -> dict[str, Any]:
    container = {"name": "c", "image": "python:3"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {"metadata": {"name": name}, "spec": {"template": {"spec": pod}}}


@pytest.mark.parametrize(
    ("options", "orphans"),
    [
        pytest.param(None, True, id="nothing said"),
        pytest.param({"propagationPolicy": "Background"}, False, id="as kubectl"),
        pytest.param({"orphanDependents": False}, False, id="said the old way"),
        pytest.param({"propagationPolicy": "Orphan"}, True, id="orphans said"),
    ],
)
async def test_a_job_keeps_its_pods_unless_the_client_says_what_becomes_of_them(
    server, options, orphans
):
    await server.ask("POST", JOBS, job("once"))
    _, left, reply = await server.ask("DELETE", f"{JOBS}/once", options)
    assert (left["metadata"].get("finalizers") == ["orphan"]) is orphans
    said = any("child pods are preserved by default" in warning for warning in reply.warnings)
    assert said is (options is None)
    many = job("many")
    await server.ask("POST", JOBS, many)
    _, items, reply = await server.ask(
        "DELETE", f"{JOBS}?fieldSelector=metadata.name=many", options
    )
    assert bool(reply.warnings) is (options is None)
    assert (items["items"][0]["metadata"].get("finalizers") == ["orphan"]) is orphans


# --- watches


async def lines_of(stream: Stream, count: int) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    async for chunk in stream.chunks:
        out += [json.loads(line) for line in chunk.splitlines()]
        if len(out) >= count:
            break
    return out


@pytest.mark.looptime
async def test_bookmarks_come_to_those_who_asked():
    server = Server()
    await ensure_namespaces(server.local)
    version = server.local.version
    url = f"{MAPS}?watch=1&resourceVersion={version}&timeoutSeconds=150"
    plain = await server.watch(url)
    marked = await server.watch(f"{url}&allowWatchBookmarks=true")
    assert await lines_of(plain, 9) == []
    lines = await lines_of(marked, 9)
    assert [line["type"] for line in lines] == ["BOOKMARK"] * 3  # every minute, and at the end
    assert lines[0]["object"]["metadata"]["resourceVersion"] == str(version)


class HeldJournal(InlineJournal):
    """Commits when told."""

    held = False

    def submit(self, record: Record) -> None:
        super().submit(record)
        self.waiting, self._queue = self._queue, [] if self.held else self._queue

    def commit(self) -> None:
        self._queue = self.waiting
        self._flush()


@pytest.mark.looptime
async def test_a_bookmark_never_passes_a_change_that_was_not_sent_yet():
    journal = HeldJournal(Database(None))
    store = Store(journal)
    server = Server(store)
    await ensure_namespaces(server.local)
    journal.held = True
    url = f"{MAPS}?watch=1&resourceVersion={server.local.version}&allowWatchBookmarks=true"
    stream = await server.watch(url)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.ask("POST", MAPS, config()))
        loop = asyncio.get_running_loop()  # committed just when the wait for a bookmark ends
        loop.call_at(loop.time() + BOOKMARK_EVERY_S, journal.commit)
        lines = await lines_of(stream, 2)
    assert [line["type"] for line in lines] == ["ADDED", "BOOKMARK"]


async def test_only_the_first_table_of_a_watch_names_the_columns(server):
    stream = await server.watch(f"{MAPS}?watch=1", accept=TABLE)
    for name in ("a", "b"):
        await server.ask("POST", MAPS, config(name))
    first, second = await lines_of(stream, 2)
    assert len(first["object"]["columnDefinitions"]) == 3
    assert second["object"]["columnDefinitions"] is None
    stream.release()


async def test_a_watcher_that_never_reads_is_told_to_list_again(server):
    kind = BY_TYPE[ConfigMap]
    options = WatchOptions(since=server.local.version, longest_backlog=3)
    store = server.local.writes.store
    watch = Watch(store, server.clock, kind, Selection(ConfigMap), PLAIN, options)
    for name in "abcd":
        await server.ask("POST", MAPS, config(name))
    lines = [json.loads(chunk) async for chunk in watch.lines()]
    assert [(line["type"], line["object"]["reason"]) for line in lines] == [("ERROR", "Expired")]
    watch.release()


async def test_a_released_watch_hears_nothing_more(server):
    stream = await server.watch(f"{MAPS}?watch=1")
    store = server.local.writes.store
    assert store.state().subscribers == 1
    stream.release()
    assert store.state().subscribers == 0


@pytest.mark.parametrize(
    "query",
    ["sendInitialEvents=true", "sendInitialEvents=true&resourceVersionMatch=Exact"],
)
async def test_a_streaming_list_must_be_asked_for_properly(server, query):
    code, status, _ = await server.ask("GET", f"{MAPS}?watch=1&{query}")
    assert (code, status["reason"]) == (422, "Invalid")


async def test_a_deletion_of_many_goes_on_where_its_limit_ended_it(server):
    for name in "abc":
        await server.ask("POST", MAPS, config(name))
    code, first, _ = await server.ask("DELETE", f"{MAPS}?limit=2")
    assert (code, [i["metadata"]["name"] for i in first["items"]]) == (200, ["a", "b"])
    rest = first["metadata"]["continue"]
    _, second, _ = await server.ask("DELETE", f"{MAPS}?limit=2&continue={rest}")
    assert [i["metadata"]["name"] for i in second["items"]] == ["c"]
    assert "continue" not in second["metadata"]
    assert (await server.ask("GET", MAPS))[1]["items"] == []


# --- ASGI


async def call(
    app: ApiApp,
    method: str,
    path: str,
    *,
    token: str | None = "secret",
    body: bytes = b"",
    **scope: Any,
) -> tuple[int, bytes, dict[bytes, bytes]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    asked = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }
    await app(asked | scope, receive, send)
    content = b"".join(m.get("body", b"") for m in sent[1:])
    return sent[0]["status"], content, dict(sent[0]["headers"])


@pytest.fixture
def app(server) -> ApiApp:
    return ApiApp(server.api, token="secret")


@pytest.mark.parametrize("token", [None, "", "guess", "secrets"])
async def test_who_has_no_token_gets_401(app, token):
    code, body, _ = await call(app, "GET", "/api/v1/namespaces", token=token)
    assert (code, json.loads(body)["reason"]) == (401, "Unauthorized")


@pytest.mark.parametrize("header", [b"impersonate-user", b"impersonate-group"])
async def test_nobody_acts_for_somebody_else(app, header):
    headers = [(b"authorization", b"Bearer secret"), (header, b"bob")]
    code, body, _ = await call(app, "GET", "/api/v1/namespaces", headers=headers)
    assert code == 403
    assert 'User "admin" cannot impersonate resource "users"' in json.loads(body)["message"]


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version", "/version/"])
async def test_health_and_version_are_public(app, path):
    assert (await call(app, "GET", path, token=None))[0] == 200


async def test_other_machines_are_refused(app):
    code, *_ = await call(app, "GET", "/version", client=("192.0.2.1", 1))
    assert code == 403


async def test_a_body_of_more_than_three_mebibytes_is_too_large(app):
    code, body, _ = await call(app, "POST", MAPS, body=b"x" * (3 * 1024 * 1024 + 1))
    assert (code, json.loads(body)["reason"]) == (413, "RequestEntityTooLarge")


async def test_warnings_become_headers(app):
    body = json.dumps(config() | {"dataz": 1}).encode()
    code, _, headers = await call(app, "POST", MAPS, body=body)
    assert (code, headers[b"warning"]) == (201, b'299 - "unknown field \\"dataz\\""')


async def test_what_nobody_expected_is_a_500_and_a_log_line(caplog):
    class Broken:
        async def handle(self, ask: Ask) -> Reply:
            raise ZeroDivisionError

    code, body, _ = await call(ApiApp(Broken(), token="secret"), "GET", "/api")
    assert (code, json.loads(body)["reason"]) == (500, "InternalError")
    assert "GET /api failed" in caplog.text
