"""Image references: what Knative's webhook parses, and what is a folder here."""

from __future__ import annotations

import pytest

from tidegate.model.admission.image_names import parses


@pytest.mark.parametrize(
    "image",
    [
        "python:3",
        "greeter",
        "kserve/sklearnserver:v0.15.0",
        "ghcr.io/ggml-org/llama.cpp:server",
        "registry-vpc.cn-hangzhou.aliyuncs.com/demo-test/test:helloworld-go",
        "localhost:5000/app",
        "localhost/app:1",
        "app@sha256:" + "0" * 64,
        "app:1@sha256:" + "0" * 64,
        "/srv/Models/app",
        "./app",
    ],
)
def test_it_parses(image):
    assert parses(image)


@pytest.mark.parametrize(
    "image",
    [
        "a",
        "gcr.io/a",
        "foo:bar:baz",
        "App",
        "app:",
        "app@sha256:12",
        "app:ü",
        "a b",
        "gcr.io:x/app",
    ],
)
def test_it_does_not_parse(image):
    assert not parses(image)
