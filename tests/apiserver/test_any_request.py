"""No request whatever is an error of ours: each is answered or refused with a Status."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.applying import APPLY_MEDIA
from tidegate.apiserver.exchange import Ask, parse_query
from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.apiserver.quotas import Quotas
from tidegate.apiserver.resources import PATCHES
from tidegate.apiserver.routes import Api
from tidegate.apiserver.writes import Writes
from tidegate.model.errors import ApiError
from tidegate.model.kinds import SERVED
from tidegate.store import Database, InlineJournal, Store
from tidegate.testing.clocks import LoopClock

NAMES = ["a", "default", "kube-system", "a/b", "..", "%2e", "", "A", "a" * 300, "\0", "é"]
PARTS = [
    "status",
    "scale",
    "log",
    "exec",
    "eviction",
    "portforward",
    "token",
    "nothing",
    "finalize",
]
PARAMETERS = [
    "labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch",
    "dryRun", "fieldManager", "force", "fieldValidation", "propagationPolicy",
    "gracePeriodSeconds", "includeObject", "timeoutSeconds", "orphanDependents", "pretty",
]  # fmt: skip
VALUES = [
    "", "0", "1", "-1", "true", "All", "Strict", "Warn", "Ignore", "Exact", "NotOlderThan", "Foreground",
    "a=b", "a in (b,c)", "!a", "a notin (", "metadata.name=a", "spec.x=1", "99999999999999999999", "x",
    "Object", "eyJ2IjoxfQ", "a" * 129, "\ud83d", "1e3", "NaN",
]  # fmt: skip
MEDIA = ["", "application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "text/plain", *PATCHES, *APPLY_MEDIA]  # fmt: skip
ACCEPT = [
    "", "application/json", "*/*", "text/html", "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", ";;,", "application/json;as=Table",
]  # fmt: skip

roots = st.sampled_from(
    [
        "/apis/" + kind.group + "/" + kind.version if kind.group else "/api/" + kind.version
        for kind in SERVED
    ]
    + ["/api", "/apis", "", "/apis/metrics.k8s.io/v1beta1", "/apis/authorization.k8s.io/v1", "/openapi/v3"]
)  # fmt: skip
plurals = st.sampled_from([kind.plural for kind in SERVED] + ["nothings", "watch", "namespaces"])
steps = st.one_of(
    plurals, st.sampled_from(NAMES), st.sampled_from(PARTS), st.just("namespaces/default")
)
paths = st.builds(
    lambda root, rest: "/".join((root, *rest)) or "/", roots, st.lists(steps, max_size=5)
)
known = st.sampled_from(SERVED).map(
    lambda k: (
        (f"/apis/{k.group}/{k.version}" if k.group else f"/api/{k.version}")
        + ("/namespaces/default" if k.namespaced else "")
        + f"/{k.plural}"
    )
)
placed = st.builds(
    lambda path, rest: "/".join((path, *rest)),
    known,
    st.lists(st.sampled_from(["a", *PARTS]), max_size=2),
)
queries = st.dictionaries(st.sampled_from(PARAMETERS), st.sampled_from(VALUES), max_size=3)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from(VALUES), st.floats(allow_nan=False)
)
keys = st.sampled_from(
    ["metadata", "spec", "status", "name", "template", "containers", "replicas", "selector", "labels", "annotations",
     "matchLabels", "kind", "apiVersion", "data", "ports", "rules", "traffic", "hard", "limits", "resources",
     "managedFields", "ownerReferences", "finalizers", "op", "path", "value", "$patch", "resourceVersion", "env", "volumes"]
)  # fmt: skip
documents = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)), max_leaves=12
)  # fmt: skip


class Server:
    def __init__(self) -> None:
        clock = LoopClock()
        store = Store(InlineJournal(Database(None)))
        self.writes = Writes(store, Admission(lambda name: {}, Quotas(store)), clock)
        self.api = Api(self.writes, clock)


async def answer(asks: list[Ask]) -> list[int]:
    server = Server()
    await ensure_namespaces(LocalApi(server.writes))
    codes = []
    for ask in asks:
        try:
            reply: Any = await server.api.handle(ask)
        except ApiError as why:
            codes.append(why.code if why.message else 599)
        else:
            codes.append(getattr(reply, "code", 200))
            if hasattr(reply, "release"):
                reply.release()
    return codes


asks = st.builds(
    lambda method, path, query, media, accept, body: Ask(
        method, path, parse_query("&".join(f"{k}={v}" for k, v in query.items())),
        {"content-type": media, "accept": accept}, body,
    ),
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
    st.one_of(paths, placed),
    queries,
    st.sampled_from(MEDIA),
    st.sampled_from(ACCEPT),
    st.one_of(documents.map(lambda d: json.dumps(d).encode()), st.binary(max_size=40)),
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(asks, min_size=1, max_size=6))
def test_any_request_is_answered_or_refused(requests):
    codes = asyncio.run(answer(requests))
    assert [code for code in codes if code >= 500 and code != 504] == []


@pytest.mark.parametrize("kind", SERVED, ids=lambda kind: f"{kind.kind} {kind.version}")
def test_every_kind_survives_an_empty_document(kind):
    place = (f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}") + (
        "/namespaces/default" if kind.namespaced else ""
    )
    body = {"metadata": {"name": "a"}}
    sent = [body, {**body, "spec": {}}, {**body, "spec": None}, {**body, "status": {}}]
    requests = [
        Ask("POST", f"{place}/{kind.plural}", {}, {"content-type": "application/json"}, json.dumps(d).encode())
        for d in sent
    ]  # fmt: skip
    assert max(asyncio.run(answer(requests))) < 500
