import asyncio
import json

import msgspec
import pytest

from tidegate.apiserver.local import ensure_namespaces
from tidegate.kit.home import Home
from tidegate.model.containers import Container
from tidegate.model.errors import BadRequest, NotFound
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
    PodSpec,
    PodStatus,
)
from tidegate.node import PodLogs
from tidegate.node.log_files import drop_orphans, log_path
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

pytestmark = pytest.mark.looptime


class World:
    def __init__(self, root) -> None:
        self.home = Home(root)
        self.home.make()
        self.api = make_api(LoopClock())
        self.logs = PodLogs(self.api, self.home, LoopClock())

    async def given(self, *names: str, **status) -> None:
        names = names or ("main",)
        await ensure_namespaces(self.api)
        spec = PodSpec(node_name="n", containers=tuple(Container(name=name) for name in names))
        meta = ObjectMeta(name="p", namespace="default")
        self.pod = await self.api.create(Pod(metadata=meta, spec=spec))
        if status:
            await self.says(**status)

    async def says(self, **status) -> None:
        each = ContainerStatus(name="main", **status)
        fresh = PodStatus(container_statuses=(each,))
        self.pod = await self.api.update_status(
            msgspec.structs.replace(self.api.get(Pod, "default", "p"), status=fresh)
        )

    def wrote(self, *lines: str, attempt: int = 0, at: str = "2027-01-15T08:00:00Z") -> None:
        with open(log_path(self.home.logs, self.pod, "main", attempt), "a") as file:
            for line in lines:
                file.write(json.dumps({"log": line, "stream": "stdout", "time": at}) + "\n")

    async def read(self, container=None, **options) -> str:
        lines = await self.logs.read("default", "p", container, **options)
        return b"".join([line async for line in lines]).decode()


RUNNING = ContainerState(running=ContainerStateRunning())
ENDED = ContainerState(terminated=ContainerStateTerminated(container_id="process://u/main/0"))


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)


async def test_the_lines_come_as_plain_text(world):
    await world.given(state=RUNNING, container_id="process://u/main/0")
    world.wrote("one\n", "two\n", "no newline")
    assert await world.read() == "one\ntwo\nno newline"
    assert await world.read(tail=2) == "two\nno newline"
    assert await world.read(tail=0) == ""
    assert await world.read(tail=99) == "one\ntwo\nno newline"
    assert (await world.read(timestamps=True)).startswith("2027-01-15T08:00:00Z one\n")


async def test_only_what_is_young_enough(world):
    await world.given(state=RUNNING, container_id="process://u/main/0")
    world.wrote("old\n", at="2027-01-15T07:00:00Z")
    world.wrote("new\n", at="2027-01-15T08:00:00Z")  # where virtual time begins
    assert await world.read(since_s=60) == "new\n"


async def test_the_rotated_half_comes_first(world):
    await world.given(state=RUNNING, container_id="process://u/main/0")
    world.wrote("one\n", "two\n")
    path = log_path(world.home.logs, world.pod, "main", 0)
    path.rename(f"{path}.1")
    world.wrote("three\n")
    assert await world.read() == "one\ntwo\nthree\n"
    assert await world.read(tail=2) == "two\nthree\n"


async def test_the_run_before_is_kept(world):
    last = ContainerState(terminated=ENDED.terminated)
    await world.given(state=RUNNING, container_id="process://u/main/1", last_state=last)
    world.wrote("before\n", attempt=0)
    world.wrote("now\n", attempt=1)
    assert await world.read(previous=True) == "before\n"
    assert await world.read() == "now\n"


async def test_following_ends_with_the_container_and_misses_nothing(world):
    await world.given(state=RUNNING, container_id="process://u/main/0")
    world.wrote("one\n")
    following = asyncio.create_task(world.read(follow=True, tail=1))
    await asyncio.sleep(1)
    world.wrote("two\n")
    await asyncio.sleep(1)
    world.wrote("last\n")
    await world.says(state=ENDED, container_id="process://u/main/0")
    assert await following == "one\ntwo\nlast\n"


async def test_a_line_that_is_half_written_waits_for_its_end(world):
    await world.given(state=RUNNING, container_id="process://u/main/0")
    path = log_path(world.home.logs, world.pod, "main", 0)
    record = json.dumps({"log": "whole\n", "stream": "stdout", "time": "2027-01-15T08:00:00Z"})
    path.write_text(record[:20])
    assert await world.read() == ""
    following = asyncio.create_task(world.read(follow=True))
    await asyncio.sleep(1)
    path.write_text(record + "\n")
    await world.says(state=ENDED, container_id="process://u/main/0")
    assert await following == "whole\n"


@pytest.mark.parametrize(
    ("container", "options", "message"),
    [
        (None, {}, "a container name must be specified for pod p, choose one of: [main side]"),
        ("no", {}, "container no is not valid for pod p"),
        ("side", {}, 'container "side" in pod "p" is waiting to start: ContainerCreating'),
        ("main", {}, 'container "main" in pod "p" is waiting to start: ImageNotRunnable'),
        (
            "main",
            {"previous": True},
            'previous terminated container "main" in pod "p" not found',
        ),
    ],
)
async def test_what_can_not_be_read_is_refused_in_the_kubelets_words(
    world, container, options, message
):
    waiting = ContainerState(waiting=ContainerStateWaiting(reason="ImageNotRunnable"))
    await world.given("main", "side", state=waiting)
    with pytest.raises(BadRequest) as raised:
        await world.read(container, **options)
    assert raised.value.message == message


async def test_no_such_pod(world):
    with pytest.raises(NotFound):
        await world.logs.read("default", "no", None)


async def test_logs_of_pods_that_are_gone_are_removed_and_no_others(world):
    await world.given(state=RUNNING, container_id="process://u/main/0")
    world.wrote("mine\n")
    names = ("old_default_main-00000000.0.log", "old_default_main-00000000.0.log.1")
    for name in (*names, "keeper.log", "control-plane.log.1"):
        (world.home.logs / name).touch()
    drop_orphans(world.home.logs, [world.pod])
    left = {path.name for path in world.home.logs.iterdir()}
    mine = log_path(world.home.logs, world.pod, "main", 0).name
    assert left == {mine, "keeper.log", "control-plane.log.1"}
