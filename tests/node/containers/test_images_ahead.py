"""Images that are wanted before a pod needs them, over a podman in memory, on virtual time."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest

from tidegate.apiserver.local import ensure_namespaces
from tidegate.app.images_ahead import CachedImages
from tidegate.controllers.image_cache import ImageState
from tidegate.model.core import Secret
from tidegate.model.meta import ObjectMeta
from tidegate.node.containers.ahead import ImagesAhead
from tidegate.node.containers.images import ImageFacts
from tidegate.node.containers.program import Unusable
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock
from tidegate.testing.fake_containers import FakeContainers

pytestmark = pytest.mark.looptime


class Ahead:
    """`told` counts the news."""

    def __init__(self) -> None:
        self.api = make_api(LoopClock())
        self.containers = FakeContainers(LoopClock())
        self.work = ImagesAhead(self.api, self.containers, LoopClock())
        self.images = CachedImages(self.work)
        self.told = 0
        self.work.told = self._hear

    def _hear(self) -> None:
        self.told += 1

    async def of(self, image: str, *secrets: tuple[str, str], after_s: float = 10.0):
        """What is known of an image some time after it was asked for."""
        self.images.want(image, secrets)
        await asyncio.sleep(after_s)
        return self.images.want(image, secrets)


@pytest.fixture
async def ahead() -> AsyncIterator[Ahead]:
    ahead = Ahead()
    await ensure_namespaces(ahead.api)
    task = asyncio.get_running_loop().create_task(ahead.work.run())
    yield ahead
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_image_is_pulled_and_every_step_is_news(ahead):
    ahead.containers.registry["x/y:1"] = ImageFacts("i", size_bytes=7)
    assert ahead.images.want("x/y:1", ()).state is ImageState.WAITING
    assert (await ahead.of("x/y:1", after_s=1)).state is ImageState.PULLING
    pulled = await ahead.of("x/y:1")
    assert (pulled.state, pulled.size_bytes) == (ImageState.PULLED, 7)
    assert (ahead.told, len(ahead.containers.pulls)) == (2, 1)


async def test_one_that_is_here_is_not_pulled(ahead):
    ahead.containers.here["x/y:1"] = ImageFacts("i", size_bytes=7)
    assert (await ahead.of("x/y:1")).state is ImageState.PRESENT
    assert ahead.containers.pulls == []


async def test_one_of_the_table_needs_no_podman(ahead):
    ahead.containers.found = Unusable("podman is not installed")
    seen = await ahead.of("kserve/sklearnserver:v0.15")
    assert seen.state is ImageState.PROGRAM
    assert "python -m tidegate.runtimes.sklearnserver" in seen.why


async def test_without_podman_others_fail_with_the_reason(ahead):
    ahead.containers.found = Unusable("podman is not installed")
    seen = await ahead.of("x/y:1")
    assert seen.state is ImageState.FAILED
    assert seen.why.endswith("none that works: podman is not installed")


async def test_a_failure_is_tried_again_by_who_asks_later(ahead):
    ahead.containers.registry["x/y:1"] = "manifest unknown"
    assert (await ahead.of("x/y:1")).why == "manifest unknown"
    ahead.containers.registry["x/y:1"] = ImageFacts("i")
    assert (await ahead.of("x/y:1")).state is ImageState.FAILED
    await asyncio.sleep(60)
    assert (await ahead.of("x/y:1")).state is ImageState.PULLED


async def test_secrets_of_any_namespace_are_used_and_a_missing_one_is_told(ahead):
    login = json.dumps({"auths": {"reg": {"auth": "a"}}}).encode()
    data = {".dockerconfigjson": base64.b64encode(login).decode()}
    meta = ObjectMeta(name="login", namespace="default")
    await ahead.api.create(Secret(metadata=meta, data=data))
    seen = await ahead.of("reg/y:1", ("default", "login"), ("default", "lost"))
    assert ahead.containers.pulls == [("reg/y:1", {"reg": {"auth": "a"}})]
    assert "lost" in seen.why


async def test_one_that_is_dropped_is_removed_and_unknown(ahead):
    ahead.containers.here["x/y:1"] = ImageFacts("i")
    await ahead.of("x/y:1")
    ahead.images.drop("x/y:1")
    await asyncio.sleep(1)
    assert ahead.containers.here == {}
    assert ahead.images.want("x/y:1", ()).state is ImageState.WAITING
