"""ImageCache: pulls images before pods need them, keeps them for a time, and lets them go with itself.

An image that a program of this machine stands for is Ready at once, saying so. Of the others those that
were not here before belong to the cache: they are removed when it goes, unless another cache has them.
The pulling itself goes on beside (`Images`), whose news bring the controller back.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.kit.clock import Clock
from tidegate.model.conditions import merged, seconds_of, timestamp
from tidegate.model.image_cache import (
    FINALIZER,
    CachedImage,
    ImageCache,
    ImageCacheStatus,
    LocalImageCache,
)
from tidegate.model.meta import Condition, Key
from tidegate.reconcile import Again, Done, Next, Watch, watch_self
from tidegate.reconcile.apply import write_status
from tidegate.reconcile.finalizers import hold, let_go

_DAY_S, _GIB = 86_400.0, 2**30
_DEFAULT_GIB = 20
_FAILED_AGAIN_S = 60.0  # somebody may have installed podman, or mended the registry


class ImageState(StrEnum):
    """`PROGRAM`: a program of this machine stands for it."""

    WAITING = "Waiting"
    PULLING = "Pulling"
    PULLED = "Pulled"
    PRESENT = "Present"
    PROGRAM = "Program"
    FAILED = "Failed"


HERE = (ImageState.PULLED, ImageState.PRESENT, ImageState.PROGRAM)


@dataclass(frozen=True, slots=True)
class SeenImage:
    """What is known of one image. `why`: what went wrong, or what stands for it."""

    state: ImageState
    size_bytes: int = 0
    why: str = ""


class Images(Protocol):
    """The images of this machine; pulls go on by themselves. Neither call waits or raises."""

    def want(self, image: str, secrets: Sequence[tuple[str, str]]) -> SeenImage:
        """What is known of it; if that is nothing, or an old failure, it is looked for and pulled."""
        ...

    def drop(self, image: str) -> None:
        """Remove it, unless a container has it."""
        ...


class ImageCacheController:
    """The one writer of image caches' status."""

    name = "imagecache"

    def __init__(self, api: Api, clock: Clock, images: Images) -> None:
        self._api, self._clock, self._images = api, clock, images
        self._events = EventRecorder(api, clock, "ImageCache")
        self.watches: Sequence[Watch] = (watch_self(ImageCache),)

    async def reconcile(self, key: Key) -> Next:
        cache = self._api.get(ImageCache, "", key.name)
        if cache is None:
            return Done()
        if cache.metadata.deletion_timestamp:
            return await self._let_go(cache)
        if FINALIZER not in cache.metadata.finalizers:
            await hold(self._api, cache, FINALIZER)
            return Done()  # our own write brings us back
        now_s, ends_s = self._clock.now(), expiry_of(cache)
        if ends_s is not None and now_s >= ends_s:
            await self._events.emit(cache, NORMAL, "Expired", "its retentionDays are over")
            await self._api.delete(ImageCache, "", key.name, uid=cache.metadata.uid)
            return Done()
        status = status_of(cache, self._seen(cache), now_s=now_s)
        was = cache.status.phase if cache.status is not None else None
        await write_status(self._api, cache, status)
        if status.phase != was:
            await self._tell(cache, status)
        waits = [ends_s - now_s] if ends_s is not None else []
        if status.phase == "Failed":
            waits.append(_FAILED_AGAIN_S)
        return Again(min(waits)) if waits else Done()

    def _seen(self, cache: ImageCache) -> list[SeenImage]:
        secrets = [_secret(text) for text in cache.spec.image_pull_secrets]
        return [self._images.want(image, secrets) for image in cache.spec.images]

    async def _tell(self, cache: ImageCache, status: ImageCacheStatus) -> None:
        ready = next((c for c in status.conditions if c.type == "Ready"), Condition(type="Ready"))
        type_ = WARNING if status.phase == "Failed" else NORMAL
        await self._events.emit(cache, type_, status.phase or "", ready.message or "")

    async def _let_go(self, cache: ImageCache) -> Next:
        if FINALIZER not in cache.metadata.finalizers:
            return Done()
        for image in owned_images(cache, self._api.list(ImageCache)):
            self._images.drop(image)
        await let_go(self._api, cache, FINALIZER)
        return Done()


def expiry_of(cache: ImageCache) -> float | None:
    """Wall time; None: it stays."""
    days, made = cache.spec.retention_days, cache.metadata.creation_timestamp
    return None if days is None or not made else seconds_of(made) + days * _DAY_S


def owned_images(cache: ImageCache, everyone: Sequence[ImageCache]) -> list[str]:
    """Those that were pulled for this cache and that no other one has."""
    local = cache.status.tidegate if cache.status is not None else None
    others = {
        image
        for other in everyone
        if other.metadata.uid != cache.metadata.uid and not other.metadata.deletion_timestamp
        for image in other.spec.images
    }
    pulled = [one.image for one in (local.images if local is not None else ()) if one.pulled]
    return [image for image in pulled if image not in others]


def status_of(cache: ImageCache, seen: Sequence[SeenImage], *, now_s: float) -> ImageCacheStatus:
    """Computed whole from what was seen. Pure."""
    was = cache.status or ImageCacheStatus()
    images = tuple(
        _cached(image, one, was) for image, one in zip(cache.spec.images, seen, strict=True)
    )
    phase, reason, message = _verdict(cache, images)
    ready = Condition(
        type="Ready",
        status={"Ready": "True", "Failed": "False"}.get(phase, "Unknown"),
        reason=reason,
        message=message,
    )
    here = sum(one.state in HERE for one in images)
    ends_s = expiry_of(cache)
    return ImageCacheStatus(
        image_cache_id=f"imc-{zlib.crc32((cache.metadata.uid or '').encode()):08x}",
        phase=phase,
        progress=f"{100 * here // max(1, len(images))}%",
        start_time=was.start_time or timestamp(now_s),
        expire_date_time=None if ends_s is None else timestamp(ends_s),
        conditions=merged(was.conditions, (ready,), now_s=now_s),
        tidegate=LocalImageCache(images=images),
    )


def _cached(image: str, seen: SeenImage, was: ImageCacheStatus) -> CachedImage:
    before = was.tidegate.images if was.tidegate is not None else ()
    ours = any(one.image == image and one.pulled for one in before)
    return CachedImage(
        image=image,
        state=str(seen.state),
        pulled=True if ours or seen.state is ImageState.PULLED else None,
        size_bytes=seen.size_bytes or None,
        message=seen.why or None,
    )


def _verdict(cache: ImageCache, images: Sequence[CachedImage]) -> tuple[str, str, str]:
    """Phase, and reason and message of the condition Ready."""
    failed = [one for one in images if one.state == ImageState.FAILED]
    if failed:
        return "Failed", "ImagesFailed", "; ".join(f"{f.image}: {f.message}" for f in failed)
    room = (cache.spec.image_cache_size or _DEFAULT_GIB) * _GIB
    size = sum(one.size_bytes or 0 for one in images)
    if size > room:
        why = (
            f"the images have {size / _GIB:.1f} GiB, imageCacheSize is {room // _GIB} GiB: "
            "create it again with a larger one"
        )
        return "Failed", "SizeExceeded", why
    waiting = [one.image for one in images if one.state not in HERE]
    if waiting:
        return (
            "Creating",
            "Pulling",
            f"{len(waiting)} of {len(images)} images to come: {waiting[0]}",
        )
    told = [f"{one.image}: {one.message}" for one in images if one.message]
    return "Ready", "ImagesPresent", "; ".join(told) or "all images are on this machine"


def _secret(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition(":")
    return namespace, name
