"""docs/knative.md names every autoscaling annotation and every key of the config maps that the code knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.policy import (
    annotation_keys,
    config_autoscaler,
    config_defaults,
    config_deployment,
    config_gc,
)
from tidegate.policy.route_annotations import PROMOTE, SHADOW, STICKY

PAGE = (Path(__file__).parents[2] / "docs" / "knative.md").read_text()

ANNOTATIONS = [
    value.key.removeprefix(annotation_keys.PREFIX)
    for value in vars(annotation_keys).values()
    if isinstance(value, annotation_keys.Annotation)
]
KEYS = [
    key
    for module in (config_autoscaler, config_defaults, config_deployment, config_gc)
    for key, _, _ in module.KEYS
    if key == key.lower()  # not the old camelCase spellings
]


@pytest.mark.parametrize("key", sorted({*ANNOTATIONS, *KEYS, PROMOTE, SHADOW, STICKY}))
def test_each_key_is_on_the_page(key):
    assert f"`{key}`" in PAGE
