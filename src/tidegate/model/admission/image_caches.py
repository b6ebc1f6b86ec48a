"""ImageCache: what is wrong with one. Its spec is fixed once it is made, as on Alibaba Cloud."""

from __future__ import annotations

from tidegate.model.admission.image_names import is_folder, parses
from tidegate.model.admission.problems import (
    Problems,
    duplicate,
    forbidden,
    invalid,
    required,
)
from tidegate.model.image_cache import ImageCache

LEAST_GIB, MOST_GIB = 20, 32_768


def check_image_cache(cache: ImageCache) -> Problems:
    spec = cache.spec
    found: Problems = [] if spec.images else [required("spec.images", "at least one image")]
    for i, image in enumerate(spec.images):
        path = f"spec.images[{i}]"
        if not parses(image) or is_folder(image):
            found.append(invalid(path, image, "must be an image's name, such as nginx:1.27"))
        elif image in spec.images[:i]:
            found.append(duplicate(path, image))
    for i, secret in enumerate(spec.image_pull_secrets):
        namespace, colon, name = secret.partition(":")
        if not (namespace and colon and name) or ":" in name:
            detail = "must be namespace:secret"
            found.append(invalid(f"spec.imagePullSecrets[{i}]", secret, detail))
    size = spec.image_cache_size
    if size is not None and not LEAST_GIB <= size <= MOST_GIB:
        detail = f"must be between {LEAST_GIB} and {MOST_GIB} (GiB)"
        found.append(invalid("spec.imageCacheSize", size, detail))
    if spec.retention_days is not None and spec.retention_days <= 0:
        found.append(
            invalid("spec.retentionDays", spec.retention_days, "must be greater than 0 (days)")
        )
    return found


def check_image_cache_change(cache: ImageCache, old: ImageCache) -> Problems:
    if cache.spec == old.spec:
        return []
    return [forbidden("spec", "is immutable: delete the ImageCache and create it again")]
