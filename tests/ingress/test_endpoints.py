"""Which pods the gateway may use, and when a pod that goes has drained."""

from __future__ import annotations

import pytest

from tidegate.ingress.replicas import endpoint, serving_port
from tidegate.ingress.table import GatewayTable
from tidegate.link.gateway import Endpoint, Revision, RevisionChanged
from tidegate.model.meta import Condition, ObjectMeta
from tidegate.model.pods import (
    LocalPod,
    LocalPort,
    Pod,
    PodStatus,
)

PORT = LocalPort(container="c", container_port=8080, local_port=20001, name="user-port")


def pod(*, ready: bool = True, going: bool = False, drained: bool = False, ports=(PORT,)) -> Pod:
    conditions = [Condition(type="Ready", status="True" if ready else "False")]
    if drained:
        conditions.append(Condition(type="tidegate.dev/Drained", status="True"))
    return Pod(
        metadata=ObjectMeta(
            name="p", uid="uid-1", deletion_timestamp="2026-11-21T00:00:00Z" if going else None
        ),
        status=PodStatus(conditions=tuple(conditions), tidegate=LocalPod(ports=tuple(ports))),
    )


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(pod(), "ready", id="a ready pod serves"),
        pytest.param(pod(ready=False), None, id="one that isn't ready gets nothing"),
        pytest.param(
            pod(ready=False, going=True), "draining", id="a going one drains, ready or not"
        ),
        pytest.param(pod(going=True, drained=True), None, id="a drained one is forgotten"),
        pytest.param(pod(ports=()), None, id="without a port there is nowhere to send to"),
    ],
)
def test_a_pod_as_the_gateway_knows_it(seen, expected):
    found = endpoint(seen, serving_port(seen))
    assert (found and ("draining" if found.draining else "ready")) == expected


def test_the_port_is_the_one_that_stands_for_the_users_port():
    metrics = LocalPort(container="s", container_port=9090, local_port=20000, name="metrics")
    seen = pod(ports=(metrics, PORT))
    assert endpoint(seen, serving_port(seen)) == Endpoint(
        id="uid-1/20001", host="127.0.0.1", port=20001
    )


def test_only_real_changes_are_sent_and_numbers_grow_over_restarts():
    sent: list[RevisionChanged] = []
    table = GatewayTable(send=sent.append)  # type: ignore[arg-type]
    table.start_after(41)
    entry = Revision(key="default/a-00001")
    assert table.set_revision(entry.key, entry)
    assert not table.set_revision(entry.key, Revision(key="default/a-00001"))
    assert table.set_revision(entry.key, None)
    assert [m.seq for m in sent] == [42, 43]
    assert table.snapshot(0.0).seq == 44
