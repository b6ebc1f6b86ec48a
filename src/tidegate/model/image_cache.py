"""eci.alibabacloud.com/v1: images that are pulled before a pod needs them.

Source: Alibaba Cloud's documentation of ImageCache (the CRD is not public); `status.conditions` and
`status.tidegate` are ours.
"""

from __future__ import annotations

from tidegate.model.column import AGE, NAME, text
from tidegate.model.meta import Condition, Object
from tidegate.model.wire import Wire

GROUP = "eci.alibabacloud.com"
FINALIZER = "tidegate.dev/cached-images"


class ImageCacheSpec(Wire, frozen=True, kw_only=True):
    """`image_cache_size` GiB, 20 if absent; `retention_days` None: for ever; `image_pull_secrets` as
    `namespace:secret`."""

    images: tuple[str, ...] = ()
    image_pull_secrets: tuple[str, ...] = ()
    image_cache_size: int | None = None
    retention_days: int | None = None


class CachedImage(Wire, frozen=True, kw_only=True):
    """One image. `pulled`: it wasn't here before, so it goes with the cache. `message` says why it
    isn't here, or what stands for it."""

    image: str
    state: str
    pulled: bool | None = None
    size_bytes: int | None = None
    message: str | None = None


class LocalImageCache(Wire, frozen=True, kw_only=True):
    """How this machine keeps the images."""

    images: tuple[CachedImage, ...] = ()


class ImageCacheStatus(Wire, frozen=True, kw_only=True):
    """`phase` Creating, Ready or Failed; `progress` `50%`; `expire_date_time` None: it stays."""

    image_cache_id: str | None = None
    phase: str | None = None
    progress: str | None = None
    start_time: str | None = None
    expire_date_time: str | None = None
    conditions: tuple[Condition, ...] = ()
    tidegate: LocalImageCache | None = None


class ImageCache(Object, frozen=True, kw_only=True):
    spec: ImageCacheSpec = ImageCacheSpec()
    status: ImageCacheStatus | None = None


COLUMNS = (
    NAME,
    AGE,
    text("CacheId", lambda obj, now_s: (obj.status and obj.status.image_cache_id) or ""),
    text("Phase", lambda obj, now_s: (obj.status and obj.status.phase) or ""),
    text("Progress", lambda obj, now_s: (obj.status and obj.status.progress) or ""),
)
