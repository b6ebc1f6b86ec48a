"""A service is a model of its own name, unless it says others."""

import pytest

from tidegate.ingress.model_names import models_of


@pytest.mark.parametrize(
    ("annotations", "names"),
    [
        pytest.param({}, ("chat",), id="its own"),
        pytest.param({"tidegate.dev/models": "qwen, qwen-2"}, ("qwen", "qwen-2"), id="others"),
        pytest.param({"tidegate.dev/models": "a,,a "}, ("a",), id="twice, and nothing"),
        pytest.param({"tidegate.dev/models": ""}, (), id="none"),
    ],
)
def test_a_service_has_its_own_name_or_those_it_says(annotations, names):
    assert models_of("chat", annotations) == names


def test_what_is_no_service_of_models_has_only_the_names_it_says():
    assert models_of(None, {}) == ()
    assert models_of(None, {"tidegate.dev/models": "a"}) == ("a",)
