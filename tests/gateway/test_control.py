"""What a control plane hears when it connects, and in which order."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from tidegate.gateway import control as controls
from tidegate.gateway.control import Control
from tidegate.gateway.hub import Hub
from tidegate.gateway.journal import Journal
from tidegate.gateway.settings import Settings
from tidegate.gateway.upstream import UpstreamConnection
from tidegate.link.gateway import (
    Ack,
    Drained,
    Endpoint,
    FromGateway,
    Hello,
    Revision,
    Sample,
    Snapshot,
    decode_from_gateway,
    encode,
)
from tidegate.testing.clocks import LoopClock


class Unread(asyncio.Transport):
    """The other side's end, which reads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data += bytes(data)

    def get_write_buffer_size(self) -> int:
        return len(self.data)

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    close = abort

    @property
    def heard(self) -> list[FromGateway]:
        return [decode_from_gateway(line) for line in self.data.splitlines()]


async def nobody(*_: object) -> UpstreamConnection:
    raise ConnectionRefusedError


def sample(at_s: float) -> Sample:
    return Sample(revision="d/r", at_s=at_s, concurrency=1.0, requests=1, waiting=0, running=0)


POD = Endpoint(id="pod", host="127.0.0.1", port=1)
GOING = Endpoint(id="pod", host="127.0.0.1", port=1, draining=True)


def snapshot(seq: int, endpoint: Endpoint) -> Snapshot:
    return Snapshot(seq=seq, revisions=(Revision(key="d/r", endpoints=(endpoint,)),), routes=())


@pytest.fixture
async def control(tmp_path):
    async with asyncio.TaskGroup() as tasks:
        hub = Hub(clock=LoopClock(), settings=Settings(), tasks=tasks, dial=nobody)
        yield Control(hub, Journal(tmp_path / "table"))


def connect(control: Control, message: Snapshot) -> Unread:
    transport = Unread()
    connection = control.connection()
    connection.connection_made(cast("asyncio.BaseTransport", transport))
    connection.data_received(encode(message))
    return transport


async def test_kept_samples_come_before_the_acknowledgement_and_drained_after_it(control):
    connect(control, snapshot(1, POD))
    (lane,) = control._hub.active
    lane.kept.extend([sample(1.0), sample(2.0)])
    heard = connect(control, snapshot(2, GOING)).heard
    assert [type(one) for one in heard] == [Hello, Sample, Sample, Ack, Drained]


async def test_what_drained_is_said_again_to_each_new_control_plane(control):
    connect(control, snapshot(1, POD))
    for seq in (2, 3):
        assert (
            Drained(revision="d/r", endpoint="pod") in connect(control, snapshot(seq, GOING)).heard
        )


async def test_a_long_history_does_not_cost_the_connection_it_is_for(control, monkeypatch):
    """Dropped for not reading it, a control plane would come and ask for it again, for ever."""
    monkeypatch.setattr(controls, "_MAX_UNREAD", 2_000)
    connect(control, snapshot(1, POD))
    (lane,) = control._hub.active
    lane.kept.extend(sample(float(n)) for n in range(1, 100))
    transport = connect(control, snapshot(2, POD))
    assert not transport.aborted
    for _ in range(100):
        control.tell(sample(100.0))
    assert transport.aborted


async def test_each_control_plane_is_told_since_when_there_was_none(control):
    first = connect(control, snapshot(1, POD)).heard[0]
    assert isinstance(first, Hello)
    assert first.alone_since_s is None
    connection = control.connection()
    connection.connection_made(cast("asyncio.BaseTransport", Unread()))
    lost_s = control._hub.monotonic()
    connection.connection_lost(None)
    second = connect(control, snapshot(2, POD)).heard[0]
    assert isinstance(second, Hello)
    assert second.alone_since_s is not None
    assert lost_s <= second.alone_since_s <= control._hub.monotonic()
