"""What the agent may expect of a keeper: the same of the fake one and of a real one."""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from tidegate.kit.home import Home
from tidegate.kit.realtime import RealClock
from tidegate.link.keeper import ZYGOTE_FAILED, SpawnSpec
from tidegate.link.keeper_call import KeeperCall, NoEngine
from tidegate.link.keeper_start import start_keeper
from tidegate.node import KeeperLink
from tidegate.node.errors import KeeperRefused
from tidegate.testing.fake_keeper import FakeKeeper, Script, no_such_program

pytestmark = pytest.mark.live

STAYS = "import time; time.sleep(1000)"
STUBBORN = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(9e3)"
)


class Bench:
    """A keeper, and processes that do as they are told by name."""

    def __init__(self, keeper, home: Home) -> None:
        self.keeper, self.home, self.mark = keeper, home, uuid4()

    def spec(self, what: str) -> SpawnSpec:
        argv = {
            "stays": (sys.executable, "-c", STAYS),
            "stubborn": (sys.executable, "-c", STUBBORN),
            "ends": (sys.executable, "-c", "import sys; sys.exit(3)"),
            "missing": ("/no/such/program",),
        }[what]
        return SpawnSpec(
            name=f"{self.mark}/{what}/0",
            argv=argv,
            cwd="/",
            env={},
            log=str(self.home.logs / f"{what}.log"),
        )

    async def has_written(self, what: str) -> None:
        while isinstance(self.keeper, KeeperLink) and not os.path.getsize(self.spec(what).log):
            await asyncio.sleep(0.005)


def script(spec: SpawnSpec) -> Script:
    what = spec.name.split("/")[1]
    if what == "missing":
        return no_such_program(spec)
    return {
        "stays": Script(),
        "stubborn": Script(stops_after_s=None),
        "ends": Script(exits_after_s=0.01, code=3),
    }[what]


@pytest.fixture
def home(tmp_path: Path):
    home = Home(tmp_path / "home")
    home.make()
    sleeper = ["/bin/sleep", "1000"]
    parts = {"gateway": sleeper, "control_plane": sleeper}
    home.settings.write_text(json.dumps({"port": 0, "api_port": 0, "parts": parts}))
    yield home
    with suppress(NoEngine):
        KeeperCall(home).ask("shutdown", timeout_s=30)


@pytest.fixture(params=["fake", "real"])
async def bench(request, home: Home):
    if request.param == "fake":
        yield Bench(FakeKeeper(script), home)
        return
    await asyncio.to_thread(start_keeper, home)
    link = KeeperLink(home, RealClock())
    running = asyncio.create_task(link.run())
    await link.connected()
    yield Bench(link, home)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_name_is_one_process_however_often_it_is_asked(bench):
    first = await bench.keeper.spawn(bench.spec("stays"))
    assert await bench.keeper.spawn(bench.spec("stays")) == first
    assert bench.keeper.processes == {first.name: first}
    assert not first.ended


async def test_a_zygote_that_is_not_there_is_told_and_the_name_can_be_asked_for_again(bench):
    spec = bench.spec("stays")
    with pytest.raises(KeeperRefused, match="is not there") as refused:
        await bench.keeper.spawn(replace(spec, zygote="zygote/none/1"))
    assert refused.value.number == ZYGOTE_FAILED
    assert not (await bench.keeper.spawn(spec)).ended


async def test_an_end_tells_its_code_to_all_who_wait_and_later_ones(bench):
    name = bench.spec("ends").name
    await bench.keeper.spawn(bench.spec("ends"))
    seen = await asyncio.gather(bench.keeper.ended(name), bench.keeper.ended(name))
    assert [(p.ended, p.code, p.signal) for p in seen] == [(True, 3, None)] * 2
    assert (await bench.keeper.ended(name)).code == 3
    assert (await bench.keeper.spawn(bench.spec("ends"))).ended


async def test_a_signal_ends_what_listens_to_it(bench):
    process = await bench.keeper.spawn(bench.spec("stays"))
    await bench.keeper.signal(process.name, signal.SIGTERM)
    assert (await bench.keeper.ended(process.name)).signal == signal.SIGTERM
    await bench.keeper.signal(process.name, signal.SIGTERM)  # nothing happens


async def test_killing_ends_what_does_not(bench):
    process = await bench.keeper.spawn(bench.spec("stubborn"))
    await bench.has_written("stubborn")
    await bench.keeper.signal(process.name, signal.SIGTERM)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bench.keeper.ended(process.name), 0.1)
    await bench.keeper.kill_tree(process.name)
    assert (await bench.keeper.ended(process.name)).signal == signal.SIGKILL
    await bench.keeper.kill_tree(process.name)  # nothing happens


async def test_a_program_that_is_not_there_is_refused_with_its_errno(bench):
    with pytest.raises(KeeperRefused) as raised:
        await bench.keeper.spawn(bench.spec("missing"))
    assert raised.value.number == 2
    assert "/no/such/program" in str(raised.value)
    assert bench.keeper.processes == {}


async def test_what_is_forgotten_has_ended_nobody_knows_how(bench):
    process = await bench.keeper.spawn(bench.spec("ends"))
    await bench.keeper.ended(process.name)
    await bench.keeper.forget(process.name)
    assert bench.keeper.processes == {}
    vanished = await bench.keeper.ended(process.name)
    assert (vanished.ended, vanished.code, vanished.signal) == (True, None, None)
    await bench.keeper.signal(process.name, signal.SIGTERM)
    await bench.keeper.kill_tree(process.name)


async def test_a_replaced_keeper_is_found_and_the_wait_goes_on(home):
    lost = []

    async def start_another() -> None:
        lost.append(1)
        await asyncio.to_thread(start_keeper, home)

    await asyncio.to_thread(start_keeper, home)
    link = KeeperLink(home, RealClock(), on_lost=start_another)
    bench = Bench(link, home)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(link.run())
        process = await link.spawn(bench.spec("stays"))
        waiting = tasks.create_task(link.ended(process.name))
        await asyncio.sleep(0)
        os.kill(KeeperCall(home).ask("status")["keeper"]["pid"], signal.SIGKILL)
        assert await link.spawn(bench.spec("stays")) == process
        assert not waiting.done()
        os.kill(process.pid, signal.SIGKILL)
        ended = await waiting
        assert (ended.ended, ended.code, ended.signal) == (True, None, None)
        running.cancel()
    assert lost == [1]
