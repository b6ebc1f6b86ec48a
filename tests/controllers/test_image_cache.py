"""Image caches over images that exist only in memory, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.controllers.image_cache import ImageCacheController, ImageState, SeenImage
from tidegate.model.conditions import find
from tidegate.model.core import Event
from tidegate.model.errors import Invalid
from tidegate.model.image_cache import ImageCache, ImageCacheSpec, ImageCacheStatus
from tidegate.model.meta import Key, ObjectMeta
from tidegate.reconcile import Engine
from tidegate.testing.api import make_guarded_api
from tidegate.testing.clocks import LoopClock

pytestmark = pytest.mark.looptime
DAY_S, GIB = 86_400.0, 2**30


@dataclass
class FakeImages:
    """What `want` answers, by image; `asked` counts, `dropped` remembers."""

    seen: dict[str, SeenImage] = field(default_factory=dict)
    secrets: list[tuple[str, str]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def want(self, image: str, secrets: list[tuple[str, str]]) -> SeenImage:
        self.secrets = secrets
        return self.seen.get(image, SeenImage(ImageState.PULLING))

    def drop(self, image: str) -> None:
        self.dropped.append(image)


@dataclass
class CacheWorld:
    api: LocalApi
    images: FakeImages
    engine: Engine

    async def given(self, name: str = "ic", **spec: object) -> ImageCache:
        spec = {"images": ("x/a:1", "x/b:1"), **spec}
        made = ImageCache(metadata=ObjectMeta(name=name), spec=ImageCacheSpec(**spec))
        await self.api.create(made)
        return await self.settled(name)

    async def settled(self, name: str = "ic") -> ImageCache | None:
        self.engine.look_at(ImageCacheController.name, Key("", name))
        await asyncio.sleep(1)
        return self.api.get(ImageCache, "", name)

    def events(self, reason: str) -> list[str]:
        return [e.message or "" for e in self.api.list(Event) if e.reason == reason]


@pytest.fixture
async def world() -> AsyncIterator[CacheWorld]:
    clock = LoopClock()
    api, images = make_guarded_api(clock), FakeImages()
    await ensure_namespaces(api)
    engine = Engine(api, clock, [ImageCacheController(api, clock, images)])
    task = asyncio.get_running_loop().create_task(engine.run())
    await engine.primed.wait()
    yield CacheWorld(api, images, engine)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def told(cache: ImageCache | None) -> ImageCacheStatus:
    assert cache is not None
    assert cache.status is not None
    return cache.status


async def test_it_is_ready_when_every_image_is_there_and_tells_how_far_it_is(world):
    world.images.seen["x/a:1"] = SeenImage(ImageState.PULLED, 5)
    half = told(await world.given())
    world.images.seen["x/b:1"] = SeenImage(ImageState.PRESENT, 7)
    whole = told(await world.settled())

    assert (half.phase, half.progress) == ("Creating", "50%")
    assert (whole.phase, whole.progress) == ("Ready", "100%")
    assert whole.image_cache_id == half.image_cache_id
    assert find(whole.conditions, "Ready").status == "True"
    assert world.events("Ready") == ["all images are on this machine"]


async def test_an_image_that_runs_as_a_program_is_ready_at_once_and_says_so(world):
    program = SeenImage(ImageState.PROGRAM, why="runs here as a program")
    world.images.seen = {"x/a:1": program, "x/b:1": program}
    ready = find(told(await world.given()).conditions, "Ready")
    assert ready.status == "True"
    assert ready.message == "x/a:1: runs here as a program; x/b:1: runs here as a program"


async def test_an_image_that_cannot_come_is_named_and_tried_again(world):
    world.images.seen["x/a:1"] = SeenImage(ImageState.PRESENT)
    world.images.seen["x/b:1"] = SeenImage(ImageState.FAILED, why="no podman")
    failed = told(await world.given())
    world.images.seen["x/b:1"] = SeenImage(ImageState.PULLED)
    await asyncio.sleep(70)  # nobody pokes it
    mended = told(world.api.get(ImageCache, "", "ic"))

    assert (failed.phase, failed.progress) == ("Failed", "50%")
    assert find(failed.conditions, "Ready").message == "x/b:1: no podman"
    assert mended.phase == "Ready"


async def test_images_beyond_its_size_fail_it(world):
    world.images.seen = {
        image: SeenImage(ImageState.PULLED, 11 * GIB) for image in ("x/a:1", "x/b:1")
    }
    status = told(await world.given(image_cache_size=20))
    assert status.phase == "Failed"
    assert "22.0 GiB, imageCacheSize is 20 GiB" in find(status.conditions, "Ready").message


async def test_after_its_days_it_goes_with_the_images_that_it_brought(world):
    world.images.seen["x/a:1"] = SeenImage(ImageState.PULLED)
    world.images.seen["x/b:1"] = SeenImage(ImageState.PRESENT)
    await world.given(retention_days=7)

    await asyncio.sleep(7 * DAY_S - 60)
    assert world.api.get(ImageCache, "", "ic") is not None
    await asyncio.sleep(120)
    assert world.api.get(ImageCache, "", "ic") is None
    assert world.images.dropped == ["x/a:1"]


async def test_what_another_cache_keeps_is_not_removed(world):
    world.images.seen = {image: SeenImage(ImageState.PULLED) for image in ("x/a:1", "x/b:1")}
    await world.given("first")
    await world.given("second", images=("x/b:1",))
    await world.api.delete(ImageCache, "", "first")
    await world.settled("first")
    assert world.images.dropped == ["x/a:1"]


async def test_what_it_brought_is_known_after_a_restart(world):
    world.images.seen = {image: SeenImage(ImageState.PULLED) for image in ("x/a:1", "x/b:1")}
    await world.given()
    world.images.seen = {image: SeenImage(ImageState.PRESENT) for image in ("x/a:1", "x/b:1")}
    await world.settled()
    await world.api.delete(ImageCache, "", "ic")
    await world.settled()
    assert world.images.dropped == ["x/a:1", "x/b:1"]


async def test_secrets_are_named_by_namespace_and_name(world):
    await world.given(image_pull_secrets=("default:registry",))
    assert world.images.secrets == [("default", "registry")]


async def test_its_spec_is_fixed(world):
    made = await world.given()
    changed = ImageCache(
        metadata=ObjectMeta(name="ic", resource_version=made.metadata.resource_version),
        spec=ImageCacheSpec(images=("x/c:1",)),
    )
    with pytest.raises(Invalid, match="spec: Forbidden: is immutable: delete the ImageCache"):
        await world.api.update(changed)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"images": ()}, "spec.images: Required value: at least one image"),
        ({"images": ("A b",)}, r"spec.images\[0\]: Invalid value"),
        ({"images": ("/srv/app",)}, r"spec.images\[0\]: Invalid value"),
        ({"images": ("a/b:1", "a/b:1")}, r"spec.images\[1\]: Duplicate value"),
        ({"image_cache_size": 19}, "must be between 20 and 32768"),
        ({"image_cache_size": 32_769}, "must be between 20 and 32768"),
        ({"retention_days": 0}, "must be greater than 0"),
        ({"image_pull_secrets": ("registry",)}, "must be namespace:secret"),
    ],
)
async def test_a_cache_that_can_not_be_is_refused(world, spec, says):
    with pytest.raises(Invalid, match=says):
        await world.given(**spec)
