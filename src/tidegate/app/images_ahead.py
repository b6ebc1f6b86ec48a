"""The node's images as the ImageCache controller asks for them."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.controllers.image_cache import ImageState, SeenImage
from tidegate.node.containers.ahead import ImagesAhead


class CachedImages:
    """`controllers.image_cache.Images` over `node.containers.ahead`: the same words on both sides."""

    def __init__(self, ahead: ImagesAhead) -> None:
        self._ahead = ahead

    def want(self, image: str, secrets: Sequence[tuple[str, str]]) -> SeenImage:
        known = self._ahead.want(image, secrets)
        return SeenImage(ImageState(known.state), known.size_bytes, known.why)

    def drop(self, image: str) -> None:
        self._ahead.drop(image)
