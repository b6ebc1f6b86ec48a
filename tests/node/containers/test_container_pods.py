"""Pods of images that need a container, on virtual time: which they are, and how images come."""

import asyncio
import base64
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.model.containers import Container, EnvVar
from tidegate.model.core import Secret
from tidegate.model.meta import ObjectMeta
from tidegate.node.containers.contract import Ending
from tidegate.node.containers.images import ImageFacts
from tidegate.node.containers.program import Unusable
from tidegate.testing.clocks import LoopClock
from tidegate.testing.fake_containers import FakeContainers
from tidegate.testing.fake_keeper import Script
from tidegate.testing.node_world import NodeWorld, main, node_world

pytestmark = pytest.mark.looptime
NGINX = ImageFacts("sha256:1", "docker.io/library/nginx@sha256:2", ("/entry",), ("-g",))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[NodeWorld]:
    async with node_world(tmp_path) as world:
        await with_containers(world, FakeContainers(LoopClock(), here={"nginx:1": NGINX}))
        yield world


async def with_containers(world: NodeWorld, containers: FakeContainers) -> None:
    await world.stop_agent()
    world.containers = containers
    await world.start_agent()


def boxed(image: str = "nginx:1", **changes: Any) -> Container:
    return main(image=image, command=(), **changes)


def uid(world: NodeWorld, name: str = "p") -> str:
    return world.pod(name).metadata.uid


async def test_an_image_outside_the_table_runs_in_a_container(world):
    await world.given(boxed())
    await world.until(world.is_ready)
    [spec] = world.keeper.spawned
    assert spec.argv[:4] == ("/fake/podman", "run", "--name", f"tidegate.{uid(world)}.main.0")
    assert spec.argv[-4:] == ("--entrypoint", "/entry", "sha256:1", "-g")
    assert world.main().container_id == f"podman://{uid(world)}/main/0"
    assert world.main().image_id == "docker.io/library/nginx@sha256:2"
    assert world.events("Pulled") == ['Container image "nginx:1" already present on machine']


async def test_an_image_of_the_table_stays_a_process(world):
    await world.given()
    await world.until(world.is_ready)
    assert world.main().container_id.startswith("process://")


@pytest.mark.parametrize("by", ["annotation", "runtimeClassName"])
async def test_a_pod_may_ask_for_a_container_all_the_same(world, by):
    world.containers.here["python:3"] = ImageFacts("sha256:3")
    spec = {"runtime_class_name": "container"} if by == "runtimeClassName" else {}
    noted = {"tidegate.dev/runtime": "container"} if by == "annotation" else {}
    await world.given(annotations=noted, **spec)
    await world.until(world.is_ready)
    assert world.main().container_id.startswith("podman://")
    assert "python" in world.keeper.spawned[0].argv


async def test_a_pod_may_ask_for_a_process(world):
    await world.given(boxed(), annotations={"tidegate.dev/runtime": "process"})
    await world.until(lambda: world.waiting()[0] == "ImageNotRunnable")
    assert world.keeper.spawned == []


async def test_a_folder_can_be_no_container(world):
    folder = main(image="/srv")
    await world.given(folder, annotations={"tidegate.dev/runtime": "container"})
    await world.until(lambda: world.waiting()[0] == "CreateContainerConfigError")
    assert "is a folder of this machine" in world.waiting()[1]


PRIVATE = {"tidegate.dev/network": "private"}


async def test_with_a_network_of_its_own_nothing_is_rewritten(world):
    world.scripted(Script(listens_after_s=None))
    env = (EnvVar(name="HOST", value="0.0.0.0"),)
    await world.given(boxed(args=("--port=8080",), env=env), annotations=PRIVATE)
    await world.until(lambda: world.keeper.spawned)
    [spec], [port] = world.keeper.spawned, world.status().tidegate.ports
    assert f"127.0.0.1:{port.local_port}:8080" in spec.argv
    assert spec.argv[-1] == "--port=8080"
    assert (spec.env["PORT"], spec.env["HOST"]) == ("8080", "0.0.0.0")


@pytest.mark.parametrize(
    ("containers", "says"),
    [
        ((boxed(), boxed(name="two", ports=())), "only a pod with one container"),
        ((main(),), "container main is a process, which shares the machine's network"),
    ],
)
async def test_a_network_of_its_own_is_refused_where_it_can_not_be(world, containers, says):
    await world.given(*containers, annotations=PRIVATE)
    await world.until(lambda: world.waiting()[0] == "CreateContainerConfigError")
    assert says in world.waiting()[1]


async def test_without_a_program_that_works_it_says_which_and_why(world):
    world.containers.found = Unusable("docker is installed and does not work: no daemon")
    await world.given(boxed())
    await world.until(lambda: world.waiting()[0] == "ImageNotRunnable")
    assert "Three ways out" in world.waiting()[1]
    assert "docker is installed and does not work: no daemon" in world.waiting()[1]


async def test_a_program_that_is_installed_later_is_found(world):
    world.containers.found = Unusable("podman is not installed")
    await world.given(boxed())
    await world.until(lambda: world.waiting()[0] == "ImageNotRunnable")
    world.containers.found = FakeContainers(LoopClock()).found
    await world.until(world.is_ready, within_s=70)


# --- how images come


async def test_an_absent_image_is_pulled_and_told_in_the_kubelets_words(world):
    world.containers.registry["x/new:1"] = ImageFacts("sha256:9", size_bytes=42)
    await world.given(main(image="x/new:1"))
    await world.until(world.is_ready)
    assert world.events("Pulling") == ['Pulling image "x/new:1"']
    assert world.events("Pulled") == [
        'Successfully pulled image "x/new:1" in 2.000s (2.000s including waiting). '
        "Image size: 42 bytes."
    ]


@pytest.mark.parametrize(
    ("image", "policy", "pulls"),
    [
        ("x/y:1", None, 0),
        ("x/y:1", "IfNotPresent", 0),
        ("x/y:1", "Always", 1),
        ("x/y", None, 1),
        ("x/y:latest", None, 1),
        ("x/y:latest", "IfNotPresent", 0),
        ("x/y:latest", "Never", 0),
        ("localhost/y:latest", None, 0),  # no registry has it
    ],
)
async def test_the_policy_says_whether_a_present_image_is_pulled(world, image, policy, pulls):
    world.containers.here[image] = world.containers.registry[image] = ImageFacts("sha256:9")
    await world.given(main(image=image, image_pull_policy=policy))
    await world.until(world.is_ready)
    assert len(world.containers.pulls) == pulls


async def test_never_means_never(world):
    await world.given(main(image="x/new:1", image_pull_policy="Never"))
    await world.until(lambda: world.waiting()[0] == "ErrImageNeverPull")
    message = 'Container image "x/new:1" is not present with pull policy of Never'
    assert world.waiting()[1] == message
    assert world.containers.pulls == []


@pytest.mark.parametrize("image", ["--authfile=x", "A b", "x/$(id)"])
async def test_what_is_no_name_is_never_given_to_podman(world, image):
    await world.given(main(image=image))
    await world.until(lambda: world.waiting()[0] == "InvalidImageName")
    assert world.waiting()[1] == f'couldn\'t parse image name "{image}": invalid reference format'
    assert world.containers.pulls == []


async def test_a_pull_that_fails_backs_off_and_is_tried_again(world):
    world.containers.registry["x/new:1"] = "manifest unknown"
    await world.given(main(image="x/new:1"))
    await world.until(lambda: world.waiting()[0] == "ImagePullBackOff")
    why = 'Back-off pulling image "x/new:1": ErrImagePull: manifest unknown'
    assert world.waiting()[1] == why
    assert 'Failed to pull image "x/new:1": manifest unknown' in world.events("Failed")
    await world.until(lambda: world.events("BackOff") == ['Back-off pulling image "x/new:1"'])
    await world.clock_to(60)
    assert len(world.containers.pulls) == 3  # after 10 s, and 20 s
    world.containers.registry["x/new:1"] = ImageFacts("sha256:9")
    await world.until(world.is_ready)


async def test_a_pod_that_goes_does_not_wait_for_its_image(world):
    world.containers.pull_s = 3000
    await world.given(main(image="x/huge:1"))
    await world.until(lambda: world.containers.pulls)
    await world.api.delete(type(world.pod()), "default", "p")
    assert await world.until(lambda: world.pod() is None) < 60


async def test_pull_secrets_reach_the_pull_and_a_missing_one_is_told(world):
    auth = base64.b64encode(b"u:p").decode()
    login = {"auths": {"https://reg.example/v2/": {"auth": auth}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(login).encode()).decode()}
    meta = ObjectMeta(name="login", namespace="default")
    await world.api.create(Secret(metadata=meta, data=data))
    world.containers.registry["reg.example/y:1"] = ImageFacts("sha256:9")
    refs = ({"name": "login"}, {"name": "lost"})
    await world.given(main(image="reg.example/y:1"), image_pull_secrets=refs)
    await world.until(world.is_ready)
    assert world.containers.pulls == [("reg.example/y:1", {"reg.example": {"auth": auth}})]
    assert "lost" in world.events("FailedToRetrieveImagePullSecret")[0]


# --- how containers end


async def test_the_kernels_kill_is_told_as_such(world):
    world.scripted(Script(exits_after_s=5, code=137))
    await world.given(boxed(), restart_policy="Never")
    await world.until(world.is_ready)
    world.containers.endings[f"{uid(world)}/main/0"] = Ending(True, 137, True)
    await world.until(lambda: world.main().state.terminated)
    ended = world.main().state.terminated
    assert (ended.exit_code, ended.reason) == (137, "OOMKilled")
    assert ended.container_id == world.main().container_id


async def test_what_podman_could_not_start_never_began(world):
    world.scripted(Script(listens_after_s=None, exits_after_s=0.05, code=127))
    world.containers.endings = _Always(Ending(False, None, False))
    await world.given(boxed())
    await world.until(lambda: world.waiting()[0] == "RunContainerError")
    assert world.main().last_state.terminated.reason == "StartError"
    assert world.events("Started") == []
    assert world.containers.removed[0] == f"{uid(world)}/main/0"


async def test_an_end_that_only_podman_saw_has_its_exit_code(world):
    await world.given(boxed(), restart_policy="Never")
    await world.until(world.is_ready)
    name = f"{uid(world)}/main/0"
    world.containers.endings[name] = Ending(True, 3, False)
    world.keeper.end(name)  # a keeper that was killed meanwhile doesn't know
    await world.until(lambda: world.main().state.terminated)
    assert world.main().state.terminated.exit_code == 3


async def test_an_agent_that_starts_finds_its_containers(world):
    await world.given(boxed())
    await world.until(world.is_ready)
    before = world.main().container_id
    await with_containers(world, world.containers)
    await asyncio.sleep(30)
    assert (world.main().container_id, world.main().restart_count) == (before, 0)
    world.keeper.end(before.partition("://")[2], number=signal.SIGKILL)
    await world.until(lambda: world.main().restart_count == 1)
    assert world.containers.removed == [before.partition("://")[2]]


async def test_a_container_that_nobody_told_of_is_known_as_one(world):
    await world.given(boxed())
    await world.until(world.is_ready)
    await world.stop_agent()  # killed before it wrote the status
    await world.api.update_status(replace(world.pod(), status=None))
    await with_containers(world, world.containers)
    await world.until(world.is_ready)
    assert world.main().container_id == f"podman://{uid(world)}/main/0"
    assert len(world.keeper.spawned) == 1


async def test_another_image_takes_the_place_of_one_that_can_not_be_pulled(world):
    await world.given(main(image="x/new:1"))
    await world.until(lambda: world.waiting()[0] == "ImagePullBackOff")
    pod = world.pod()
    spec = replace(pod.spec, containers=(replace(pod.spec.containers[0], image="nginx:1"),))
    await world.api.update(replace(pod, spec=spec))
    await world.until(world.is_ready, within_s=5)
    assert world.main().image == "nginx:1"


class _Always(dict):
    """The same ending for every container."""

    def __init__(self, ending: Ending) -> None:
        super().__init__()
        self._ending = ending

    def get(self, name: str, default: object = None) -> Ending:
        return self._ending
