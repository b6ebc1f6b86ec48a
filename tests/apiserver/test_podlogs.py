"""What may be asked of a pod's log, and what the node is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.exchange import Ask, Stream, parse_query
from tidegate.apiserver.local import ensure_namespaces
from tidegate.apiserver.routes import Api
from tidegate.model.conditions import timestamp
from tidegate.model.containers import Container
from tidegate.model.errors import BadRequest, Invalid
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

pytestmark = pytest.mark.looptime


class Logs:
    """Remembers what it was asked; has ten bytes in two chunks."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    async def read(
        self, namespace: str, pod: str, container: str, **options: Any
    ) -> AsyncIterator[bytes]:
        self.asked = {"container": container, **options}

        async def chunks() -> AsyncIterator[bytes]:
            yield b"01234"
            yield b"56789"

        return chunks()


class World:
    def __init__(self) -> None:
        self.clock, self.logs = LoopClock(), Logs()
        self.local = make_api(self.clock, Admission(lambda name: {}))
        self.api = Api(self.local.writes, self.clock, logs=self.logs)

    async def read(
        self, query: str, *containers: str, inits: tuple[str, ...] = (), meant: str = ""
    ) -> bytes:
        await ensure_namespaces(self.local)
        spec = PodSpec(
            containers=tuple(Container(name=c, image="x:1") for c in containers or ("main",)),
            init_containers=tuple(Container(name=c, image="x:1") for c in inits),
        )
        notes = {"kubectl.kubernetes.io/default-container": meant} if meant else {}
        meta = ObjectMeta(name="p", namespace="default", annotations=notes)
        await self.local.create(Pod(metadata=meta, spec=spec))
        return await self.read_again(query)

    async def read_again(self, query: str) -> bytes:
        path = "/api/v1/namespaces/default/pods/p/log"
        answer = await self.api.handle(Ask("GET", path, parse_query(query)))
        assert isinstance(answer, Stream)
        return b"".join([chunk async for chunk in answer.chunks])


@pytest.mark.parametrize(("limit", "text"), [(3, b"012"), (5, b"01234"), (7, b"0123456")])
async def test_no_more_than_the_limit_is_sent(limit, text):
    assert await World().read(f"limitBytes={limit}") == text


async def test_a_moment_becomes_the_seconds_since():
    world = World()
    await world.read(f"sinceTime={timestamp(int(world.clock.now()) - 60)}")
    assert world.logs.asked["since_s"] == pytest.approx(60, abs=1.5)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limitBytes=0", "limitBytes: Invalid value: 0: must be greater than 0"),
        ("tailLines=-1", "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("sinceSeconds=0", "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ("sinceTime=noon", "sinceTime: Invalid value: noon: must be a time"),
        ("sinceTime=2027-01-15T08:00:00Z&sinceSeconds=5", "may not be given beside sinceSeconds"),
    ],
)
async def test_options_that_make_no_sense_are_refused_by_name(query, says):
    with pytest.raises(Invalid, match=says):
        await World().read(query)


async def test_among_several_containers_one_must_be_named():
    with pytest.raises(BadRequest) as refused:
        await World().read("", "a", "b", inits=("first",))
    assert refused.value.message == (
        "a container name must be specified for pod p, choose one of: [a b] "
        "or one of the init containers: [first]"
    )


async def test_among_several_containers_the_one_is_meant_that_the_pod_says():
    world = World()
    await world.read("", "a", "b", meant="b")
    assert world.logs.asked["container"] == "b"
    await world.read_again("container=a")
    assert world.logs.asked["container"] == "a"


async def test_the_only_container_is_meant_though_there_are_init_containers():
    world = World()
    await world.read("", "main", inits=("first",))
    assert world.logs.asked["container"] == "main"
