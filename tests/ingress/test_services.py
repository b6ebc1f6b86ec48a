"""What is said to who asked a Service that nobody serves."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.ingress.services import why_nobody_serves
from tidegate.model.core import Service
from tidegate.model.pods import Pod
from tidegate.model.wire import read

SELECTS = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
WAITS = {
    "containerStatuses": [
        {
            "name": "c",
            "restartCount": 3,
            "state": {"waiting": {"reason": "ImageNotRunnable", "message": "no program runs x:1"}},
        }
    ]
}


def pod(name: str = "web-1", *, port: int = 8080, going: bool = False, **status: Any) -> Pod:
    meta: dict[str, Any] = {"name": name, "namespace": "default", "uid": name}
    if going:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    container = {"name": "c", "image": "x:1", "ports": [{"containerPort": port}]}
    raw = {"metadata": meta, "spec": {"containers": [container]}, "status": status}
    return read(raw, Pod)[0]


@pytest.mark.parametrize(
    ("spec", "pods", "lane", "why"),
    [
        pytest.param(
            {"type": "ExternalName", "externalName": "db.example.com", "ports": [{"port": 80}]},
            [],
            "",
            "Service default/web is an alias for db.example.com: ask that name itself",
            id="an alias",
        ),
        pytest.param(
            {"ports": [{"port": 80}]},
            [],
            "",
            "Service default/web has no selector, and no Endpoints of its name tell where to go",
            id="no selector",
        ),
        pytest.param(
            SELECTS,
            [pod(going=True)],
            "",
            "no pod has the labels that Service default/web selects",
            id="the last one goes",
        ),
        pytest.param(
            SELECTS,
            [],
            "service/default/web/80@v2",
            "no pod has the labels that Service default/web selects for its subset v2",
            id="none of a subset",
        ),
        pytest.param(
            SELECTS,
            [pod(port=9090, **READY)],
            "",
            "Service default/web leads to port 8080, which no container of pod web-1 declares: add it "
            "to the container's ports",
            id="another port",
        ),
        pytest.param(
            SELECTS, [pod(port=9090)], "", "no pod of Service default/web is ready", id="not ready"
        ),
        pytest.param(
            SELECTS,
            [pod(**WAITS)],
            "",
            "no pod of Service default/web is ready: no program runs x:1",
            id="not ready, and why",
        ),
    ],
)
def test_the_sentence_names_what_is_missing(spec, pods, lane, why):
    raw = {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    service = read(raw, Service)[0]
    assert why_nobody_serves(service, service.spec.ports[0], pods, lane=lane) == why
