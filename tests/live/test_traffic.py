"""Splits, tags, rollouts and hosts on a real engine: what changes under load loses nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from tidegate.testing.engine import (
    Load,
    RunningEngine,
    running_engine,
    service_document,
    wait_until,
)

pytestmark = pytest.mark.live

ONE_EACH = {"min-scale": "1", "max-scale": "3"}


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    with running_engine() as it:
        yield it


def document(name: str, version: str, *traffic: dict[str, Any], **meta: Any) -> str:
    """A service whose revision is called by its version and answers it under /env/VERSION."""
    made = json.loads(service_document(name, scaling=ONE_EACH, environ={"VERSION": version}))
    made["spec"]["template"]["metadata"]["name"] = f"{name}-{version}"
    made["metadata"] |= meta
    if traffic:
        made["spec"]["traffic"] = list(traffic)
    return json.dumps(made)


def to(revision: str, percent: int, tag: str | None = None) -> dict[str, Any]:
    return {"revisionName": revision, "percent": percent, **({"tag": tag} if tag else {})}


def applied(engine: RunningEngine, text: str) -> None:
    engine.cli("apply", "-f", "-", stdin=text)
    name = json.loads(text)["metadata"]["name"]
    engine.cli("wait", f"ksvc/{name}", "--for=condition=Ready", "--timeout", "60s")


def asked(
    engine: RunningEngine, host: str, path: str = "/env/VERSION", **headers: str
) -> tuple[int, str]:
    """One request to a host, with further headers (`_` for `-`)."""
    connection = HTTPConnection(*engine.gateway, timeout=30)
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("GET", path, headers={"Host": host, **more})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def versions(engine: RunningEngine, host: str, *, requests: int) -> Counter[str]:
    """Who answered, over one connection."""
    connection = HTTPConnection(*engine.gateway, timeout=30)
    seen: Counter[str] = Counter()
    for _ in range(requests):
        connection.request("GET", "/env/VERSION", headers={"Host": host})
        answer = connection.getresponse()
        seen[answer.read().decode()] += 1
        assert answer.status == 200
    connection.close()
    return seen


def test_a_split_keeps_its_weights_and_changes_under_load_without_an_error(engine):
    applied(engine, document("split", "a"))
    applied(engine, document("split", "b", to("split-a", 90), to("split-b", 10)))
    seen = versions(engine, "split.default.localhost", requests=1000)
    assert seen["a"] + seen["b"] == 1000
    assert abs(seen["b"] - 100) <= 10

    with Load(engine, "split") as load:
        for a, b in ((50, 50), (0, 100), (100, 0), (90, 10)):
            applied(engine, document("split", "b", to("split-a", a), to("split-b", b)))
            answered = load.ok
            wait_until("answers by the new weights", lambda n=answered: load.ok > n + 100)
    assert load.failures == []
    seen = versions(engine, "split.default.localhost", requests=500)
    assert abs(seen["b"] - 50) <= 5


def test_a_tag_has_its_own_host_and_a_header_that_chooses_it(engine):
    applied(engine, document("tagged", "a"))
    applied(engine, document("tagged", "b", to("tagged-a", 100), to("tagged-b", 0, "next")))
    host = "tagged.default.localhost"
    assert versions(engine, host, requests=20) == {"a": 20}
    assert asked(engine, f"next-{host}") == (200, "b")
    assert asked(engine, host, Knative_Serving_Tag="next") == (200, "a"), "the feature is off"

    features = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "config-features", "namespace": "knative-serving"},
        "data": {"tag-header-based-routing": "enabled"},
    }
    engine.cli("apply", "-f", "-", stdin=json.dumps(features))
    wait_until(
        "the header counts", lambda: asked(engine, host, Knative_Serving_Tag="next")[1] == "b"
    )
    assert asked(engine, host, Knative_Serving_Tag="nobody") == (200, "a")
    assert asked(engine, host) == (200, "a")


def test_a_gradual_rollout_moves_under_load_without_an_error(engine):
    slowly = {"annotations": {"serving.knative.dev/rollout-duration": "15s"}}
    applied(engine, document("gradual", "a", **slowly))
    with Load(engine, "gradual", path="/env/VERSION") as load:
        engine.cli("apply", "-f", "-", stdin=document("gradual", "b", **slowly))

        def shares() -> dict[str, int]:
            (service,) = (s for s in engine.get("ksvc") if s["metadata"]["name"] == "gradual")
            return {t["revisionName"]: t["percent"] for t in service["status"]["traffic"]}

        wait_until("both serve", lambda: len(shares()) == 2)
        assert sum(shares().values()) == 100
        wait_until("the new one serves alone", lambda: shares() == {"gradual-b": 100}, within_s=60)
        engine.cli("wait", "ksvc/gradual", "--for=condition=Ready", "--timeout", "60s")
    assert load.failures == []
    assert versions(engine, "gradual.default.localhost", requests=10) == {"b": 10}


def test_a_private_service_is_reached_by_its_local_name_and_by_a_mapped_domain_only(engine):
    private = {"labels": {"networking.knative.dev/visibility": "cluster-local"}}
    applied(engine, document("hidden", "a", **private))
    assert asked(engine, "hidden.default.localhost")[0] == 404
    assert asked(engine, "hidden.default.svc.cluster.local") == (200, "a")
    domain = {
        "apiVersion": "serving.knative.dev/v1beta1",
        "kind": "DomainMapping",
        "metadata": {"name": "models.example.com", "namespace": "default"},
        "spec": {
            "ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "hidden"}
        },
    }
    engine.cli("apply", "-f", "-", stdin=json.dumps(domain))
    engine.cli("wait", "dm/models.example.com", "--for=condition=Ready", "--timeout", "60s")
    assert asked(engine, "models.example.com") == (200, "a")
    table = engine.cli("get", "domainmapping")
    assert table.split()[:4] == ["NAME", "URL", "READY", "REASON"]
    assert "http://models.example.com" in table
    engine.cli("delete", "dm", "models.example.com")
    wait_until("the host is gone", lambda: asked(engine, "models.example.com")[0] == 404)


def test_rollback_goes_to_the_earlier_revision_and_back(engine):
    applied(engine, document("undo", "a"))
    applied(engine, document("undo", "b"))
    said = engine.cli("rollback", "undo")
    assert "all traffic goes to undo-a (was: undo-b 100%)" in said
    engine.cli("wait", "ksvc/undo", "--for=condition=Ready", "--timeout", "60s")
    assert versions(engine, "undo.default.localhost", requests=10) == {"a": 10}
    history = json.loads(engine.cli("revisions", "undo", "-o", "json"))
    assert [(line["name"], line["traffic"]) for line in history] == [("undo-b", 0), ("undo-a", 100)]
    engine.cli("rollback", "undo", "--latest")
    engine.cli("wait", "ksvc/undo", "--for=condition=Ready", "--timeout", "60s")
    assert versions(engine, "undo.default.localhost", requests=10) == {"b": 10}


def test_traffic_that_makes_no_sense_is_refused_and_changes_nothing(engine):
    applied(engine, document("wrong", "a"))
    for traffic, why in (
        ((to("wrong-a", 90),), "Traffic targets sum to 90, want 100: spec.traffic"),
        (
            (to("wrong-a", 50, "x"), to("wrong-a", 50, "x")),
            'Multiple definitions for "x": spec.traffic[0].tag, spec.traffic[1].tag',
        ),
    ):
        said = engine.cli("apply", "-f", "-", stdin=document("wrong", "a", *traffic), check=False)
        assert why in said
    said = engine.cli("rollback", "wrong", "--to", "split-a", check=False)
    assert "service wrong has no revision split-a" in said
    assert asked(engine, "wrong.default.localhost") == (200, "a")
