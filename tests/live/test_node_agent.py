"""A real keeper, real Python pods, the true API in memory, the agent on the real clock."""

import asyncio
import json
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.apiserver.writes import Writes
from tidegate.keeper.proc import mark_of, read_stat
from tidegate.kit.home import Home
from tidegate.kit.realtime import RealClock
from tidegate.link.keeper_call import KeeperCall, NoEngine
from tidegate.link.keeper_start import start_keeper
from tidegate.model.conditions import find, timestamp
from tidegate.model.containers import (
    Container,
    ContainerPort,
    Probe,
    TCPSocketAction,
    VolumeMount,
)
from tidegate.model.core import ConfigMap, Event
from tidegate.model.meta import Condition, ObjectMeta
from tidegate.model.pods import Pod, PodSpec, PodStatus
from tidegate.model.volumes import ConfigMapVolumeSource, EmptyDirVolumeSource, Volume
from tidegate.node import KeeperLink, NodeAgent, NodeSettings, PodLogs
from tidegate.store import Database, InlineJournal, Store
from tidegate.testing.api import AdmitEverything

pytestmark = pytest.mark.live

SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["HOSTNAME"].encode())
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
TRIVIAL = """
import os, socket
s = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    s.accept()[0].close()
"""


async def eventually(claim: Callable[[], object], within_s: float = 15.0) -> None:
    """Real processes take their own time: look until it is so."""
    until_s = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < until_s, "it did not become so in time"
        await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and not stat.dead


@dataclass
class World:
    home: Home
    api: LocalApi
    clock: RealClock = field(default_factory=RealClock)
    settings: NodeSettings = field(
        default_factory=lambda: NodeSettings(name="node", elsewhere_after_s=0.5)
    )
    _task: asyncio.Task | None = None

    async def start_agent(self) -> None:
        async def lost() -> None:
            await asyncio.to_thread(start_keeper, self.home)

        keeper = KeeperLink(self.home, self.clock, on_lost=lost)
        agent = NodeAgent(self.api, keeper, self.clock, self.home, self.settings)
        self._task = asyncio.create_task(agent.run())

    async def stop_agent(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def given(self, name: str, *containers: Container, labels: dict | None = None, **spec):
        labels, spec = labels or {}, {"termination_grace_period_seconds": 1, **spec}
        return await self.api.create(
            Pod(
                metadata=ObjectMeta(name=name, namespace="default", labels=labels),
                spec=PodSpec(node_name="node", containers=containers, **spec),
            )
        )

    def pod(self, name: str) -> Pod | None:
        return self.api.get(Pod, "default", name)

    def status(self, name: str) -> PodStatus:
        pod = self.pod(name)
        return (pod.status if pod is not None else None) or PodStatus()

    def is_ready(self, name: str) -> bool:
        ready = find(self.status(name).conditions, "Ready")
        return ready is not None and ready.status == "True"

    async def ready(self, name: str) -> Pod:
        await eventually(lambda: self.is_ready(name))
        pod = self.pod(name)
        assert pod is not None
        return pod

    def port(self, name: str) -> int:
        local = self.status(name).tidegate
        assert local is not None
        return local.ports[0].local_port

    def pid(self, name: str) -> int:
        pod = self.pod(name)
        assert pod is not None
        ids = [p for p in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._of(p, pod)]
        return min(ids)

    def pids(self, pod: Pod) -> list[int]:
        return [p for p in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._of(p, pod)]

    def _of(self, pid: int, pod: Pod) -> bool:
        return alive(pid) and (mark_of(pid) or "").startswith(f"{pod.metadata.uid}/")

    def events(self, reason: str) -> list[str]:
        return [e.message or "" for e in self.api.list(Event) if e.reason == reason]

    def waits_because(self, name: str) -> str | None:
        for container in self.status(name).container_statuses:
            if container.state is not None and container.state.waiting is not None:
                return container.state.waiting.reason
        return None

    def restarts(self, name: str) -> int:
        return sum(c.restart_count or 0 for c in self.status(name).container_statuses)


@asynccontextmanager
async def made(root: Path) -> AsyncIterator[World]:
    home = Home(root)
    home.make()
    sleeper = ["/bin/sleep", "1000"]
    parts = {"gateway": sleeper, "control_plane": sleeper}
    home.settings.write_text(json.dumps({"port": 0, "api_port": 0, "parts": parts}))
    await asyncio.to_thread(start_keeper, home)
    # Uids are marks of processes: another run of these tests must not have the same ones.
    writes = Writes(
        Store(InlineJournal(Database(None))),
        AdmitEverything(),
        RealClock(),
        new_uid=lambda: str(uuid4()),
        suffixes=random.Random(1),
    )
    world = World(home, LocalApi(writes))
    await ensure_namespaces(world.api)
    await world.start_agent()
    try:
        yield world
    finally:
        await world.stop_agent()
        with suppress(NoEngine):
            await asyncio.to_thread(KeeperCall(home).ask, "shutdown", timeout_s=30)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with made(tmp_path / "home") as it:
        yield it


def python(code: str, *args: str, name: str = "main", **more) -> Container:
    more = {"ports": (ContainerPort(container_port=8080),), **more}
    return Container(
        name=name, image="python:3", command=("python", "-S", "-E", "-c", code), args=args, **more
    )


def get(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        data = b""
        while got := client.recv(4096):
            data += got
    return data.rpartition(b"\r\n\r\n")[2].decode()


async def test_a_pod_becomes_ready_and_answers_on_its_local_port(world):
    await world.given("web", python(SERVER, "8080"))
    await world.ready("web")
    assert await asyncio.to_thread(get, world.port("web")) == "web"
    status = world.status("web")
    assert status.phase == "Running"
    assert status.tidegate.rewritten == (f"argument '8080' became '{world.port('web')}'",)
    assert list(status.tidegate.stages) == ["seen", "spawned", "listening", "ready"]
    assert 20_000 <= world.port("web") < 32_000


async def test_a_crash_loop_restarts_at_once_then_backs_off(world):
    await world.given("bad", python("import sys; print('boom'); sys.exit(3)"))
    await eventually(lambda: world.waits_because("bad") == "CrashLoopBackOff")
    status = world.status("bad").container_statuses[0]
    assert status.restart_count == 1
    assert status.last_state.terminated.exit_code == 3
    assert status.last_state.terminated.reason == "Error"
    assert world.status("bad").phase == "Running"
    assert not world.is_ready("bad")
    logs = await PodLogs(world.api, world.home, world.clock).read("default", "bad")
    assert [line async for line in logs] == [b"boom\n"]


async def test_what_never_listens_is_never_ready(world):
    await world.given("deaf", python("import time; time.sleep(1000)"))
    await eventually(lambda: world.status("deaf").phase == "Running")
    await asyncio.sleep(0.5)
    assert not world.is_ready("deaf")
    assert find(world.status("deaf").conditions, "Ready").reason == "ContainersNotReady"


async def test_what_listens_elsewhere_is_never_ready_and_told_the_way_out(world):
    code = """
import socket, time
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); time.sleep(1000)
"""
    await world.given("astray", python(code))
    await eventually(lambda: world.events("ListensElsewhere"))
    logs = await PodLogs(world.api, world.home, world.clock).read("default", "astray")
    port = b"".join([line async for line in logs]).decode().strip()
    assert f"listens on {port} but" in world.events("ListensElsewhere")[0]
    assert "let it listen on $PORT" in world.events("ListensElsewhere")[0]
    assert not world.is_ready("astray")


async def test_a_stranger_on_the_port_gets_no_traffic_and_the_pod_moves(world):
    """The pod binds late; meanwhile a stranger took the port that was free when it was given out."""
    go = world.home.root / "go"
    code = f"""
import os, socket, time
while not os.path.exists({str(go)!r}): time.sleep(0.01)
s = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True: s.accept()[0].close()
"""
    await world.given("robbed", python(code))
    await eventually(lambda: world.status("robbed").phase == "Running")
    stolen = world.port("robbed")
    with socket.create_server(("127.0.0.1", stolen)):
        await eventually(lambda: world.events("PortStolen"))
        go.touch()
        await world.ready("robbed")
        assert world.port("robbed") != stolen
    assert world.restarts("robbed") == 1


async def test_deletion_leaves_no_process_port_descriptor_folder_or_log(world):
    """Children that leave the session and ignore SIGTERM included."""
    code = """
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
s = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
    time.sleep(1000)
while True: s.accept()[0].close()
"""
    agent_fds = len(os.listdir("/proc/self/fd"))
    pod = await world.given("stubborn", python(code))
    await world.ready("stubborn")
    await eventually(lambda: len(world.pids(pod)) == 3)
    port, pids = world.port("stubborn"), world.pids(pod)
    await world.api.delete(Pod, "default", "stubborn", grace_s=1)
    await eventually(lambda: not world.is_ready("stubborn"), within_s=0.5)
    await eventually(lambda: world.pod("stubborn") is None)
    assert not any(map(alive, pids))
    assert world.pids(pod) == []
    socket.create_server(("127.0.0.1", port), reuse_port=False).close()
    assert not (world.home.pods / pod.metadata.uid).exists()
    assert list(world.home.logs.glob("stubborn*")) == []
    assert KeeperCall(world.home).ask("subscribe")["processes"] == []
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= agent_fds)


async def test_mounted_config_is_where_the_arguments_say(world):
    config = ConfigMap(
        metadata=ObjectMeta(name="code", namespace="default"),
        data={"server.py": SERVER, "note": "hello"},
    )
    volume = Volume(name="code", config_map=ConfigMapVolumeSource(name="code"))
    container = Container(
        name="main",
        image="python:3.11-slim",
        command=("python3", "/app/server.py"),
        args=("8080",),
        ports=(ContainerPort(container_port=8080),),
        volume_mounts=(VolumeMount(name="code", mount_path="/app"),),
    )
    await world.given("mounted", container, volumes=(volume,))
    await eventually(lambda: world.events("FailedMount"))
    assert 'configmap "code" not found' in world.events("FailedMount")[0]
    await world.api.create(config)
    await world.ready("mounted")
    assert await asyncio.to_thread(get, world.port("mounted")) == "mounted"
    fresh = msgspec.structs.replace(
        world.api.get(ConfigMap, "default", "code"), data={"server.py": SERVER, "note": "again"}
    )
    await world.api.update(fresh)
    note = world.home.pods / world.pod("mounted").metadata.uid / "volumes" / "code" / "note"
    assert note.read_text() == "again"


async def test_a_restarted_agent_adopts_and_the_pod_stays_ready_with_its_pid(world):
    pod = await world.given("kept", python(SERVER, "8080"))
    await world.ready("kept")
    pid, seen = world.pid("kept"), []
    world.api.subscribe([Pod], lambda change: seen.append(change.object))
    await world.stop_agent()
    assert alive(pid)
    await world.start_agent()
    await eventually(lambda: world.api.get(Pod, "default", "kept") is not None)
    await asyncio.sleep(0.5)
    assert world.pids(pod) == [pid]
    assert seen == []  # not a word was written
    assert await asyncio.to_thread(get, world.port("kept")) == "kept"
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: world.restarts("kept") == 1)
    await world.ready("kept")
    last = world.status("kept").container_statuses[0].last_state.terminated
    assert (last.exit_code, last.signal) == (137, 9)


async def test_a_process_without_a_pod_is_ended(world):
    pod = await world.given("orphan", python(TRIVIAL))
    await world.ready("orphan")
    pid = world.pid("orphan")
    await world.stop_agent()
    await world.api.delete(Pod, "default", "orphan", grace_s=0)
    assert alive(pid)
    await world.start_agent()
    await eventually(lambda: not alive(pid))
    await eventually(lambda: not (world.home.pods / pod.metadata.uid).exists())
    assert list(world.home.logs.glob("orphan*")) == []


async def test_a_pod_that_ended_while_nobody_looked_has_its_true_exit_code(world):
    code = TRIVIAL.replace(
        "import os", "import signal, os, sys\nsignal.signal(15, lambda *_: sys.exit(7))\nimport os"
    )
    await world.given("left", python(code), restart_policy="OnFailure")
    await world.ready("left")
    pid = world.pid("left")
    await world.stop_agent()
    os.kill(pid, signal.SIGTERM)
    await eventually(lambda: not alive(pid))
    await world.start_agent()
    await eventually(lambda: world.restarts("left") == 1)
    assert world.status("left").container_statuses[0].last_state.terminated.exit_code == 7


async def test_a_killed_keeper_costs_no_pod(world):
    await world.given("safe", python(TRIVIAL))
    await world.ready("safe")
    pid = world.pid("safe")
    keeper = KeeperCall(world.home).ask("status")["keeper"]["pid"]
    os.kill(keeper, signal.SIGKILL)
    await world.given("after", python(TRIVIAL))
    await world.ready("after")  # the agent had a new keeper started
    assert world.pid("safe") == pid
    assert world.is_ready("safe")
    assert world.restarts("safe") == 0
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: world.restarts("safe") == 1)
    last = world.status("safe").container_statuses[0].last_state.terminated
    assert (last.exit_code, last.reason) == (-1, "Unknown")


async def test_a_routed_pod_is_stopped_only_when_it_is_drained(world):
    await world.given(
        "routed",
        python(TRIVIAL),
        labels={"serving.knative.dev/revision": "r"},
        termination_grace_period_seconds=30,
    )
    await world.ready("routed")
    pid = world.pid("routed")
    await world.api.delete(Pod, "default", "routed")
    await eventually(lambda: not world.is_ready("routed"))
    await asyncio.sleep(0.3)
    assert alive(pid)
    pod = world.pod("routed")
    drained = Condition(
        type="tidegate.dev/Drained", status="True", last_transition_time=timestamp(0)
    )
    status = msgspec.structs.replace(pod.status, conditions=(*pod.status.conditions, drained))
    await world.api.update_status(msgspec.structs.replace(pod, status=status))
    await eventually(lambda: world.pod("routed") is None, within_s=5)
    assert not alive(pid)


async def test_a_program_with_a_fixed_port_serves_once_and_the_second_replica_says_why(world):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = f"""
import socket
s = socket.create_server(("127.0.0.1", {port}))
while True: s.accept()[0].close()
"""
    container = python(code, ports=(ContainerPort(container_port=port),))
    await world.given("first", container)
    await world.ready("first")
    assert world.port("first") == port
    await world.given("second", container)
    await eventually(lambda: world.events("FixedPort"))
    assert f"port {port}, which it declares, is taken" in world.events("FixedPort")[0]
    assert not world.is_ready("second")


async def test_a_failing_liveness_probe_restarts_the_container(world):
    probe = Probe(tcp_socket=TCPSocketAction(port=8080), period_seconds=1, failure_threshold=1)
    code = """
import os, socket, time
s = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
time.sleep(0.5); s.close(); time.sleep(1000)
"""
    await world.given("ill", python(code, liveness_probe=probe))
    await eventually(lambda: world.restarts("ill") == 1)
    assert any("failed liveness probe, will be restarted" in m for m in world.events("Killing"))


async def test_init_containers_come_first_and_share_a_folder(world):
    volume = Volume(name="shared", empty_dir=EmptyDirVolumeSource())
    mount = (VolumeMount(name="shared", mount_path="/shared"),)
    init = python(
        "import sys; open(sys.argv[1], 'w').write('ready')",
        "/shared/done",
        name="init",
        volume_mounts=mount,
        ports=(),
    )
    code = "import sys; assert open(sys.argv[1]).read() == 'ready'\n" + TRIVIAL
    main = python(code, "/shared/done", volume_mounts=mount)
    await world.given("ordered", main, volumes=(volume,), init_containers=(init,))
    await world.ready("ordered")
    done = world.status("ordered").init_container_statuses[0]
    assert done.state.terminated.reason == "Completed"
    assert world.restarts("ordered") == 0


async def test_a_job_like_pod_succeeds_and_stays_until_deleted(world):
    await world.given("once", python("print('done')", ports=()), restart_policy="Never")
    await eventually(lambda: world.status("once").phase == "Succeeded")
    assert world.status("once").container_statuses[0].state.terminated.exit_code == 0
    await world.api.delete(Pod, "default", "once")
    await eventually(lambda: world.pod("once") is None)


async def test_twenty_pods_become_ready_together(world):
    for number in range(20):
        await world.given(f"many-{number}", python(TRIVIAL))
    await eventually(lambda: all(world.is_ready(f"many-{n}") for n in range(20)), within_s=30)
    assert len({world.port(f"many-{n}") for n in range(20)}) == 20
