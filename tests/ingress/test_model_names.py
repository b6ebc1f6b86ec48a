"""A service is a model of its own name, unless it says others."""

import pytest

from tidegate.ingress.model_names import models_of, openai_path


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


@pytest.mark.parametrize(
    ("annotations", "kserve", "path"),
    [
        pytest.param({}, False, "/v1", id="as most servers"),
        pytest.param({}, True, "/openai/v1", id="as KServe's"),
        pytest.param({"tidegate.dev/openai-path": "/api/"}, True, "/api", id="as said"),
        pytest.param({"tidegate.dev/openai-path": "api"}, False, "/v1", id="not a path"),
        pytest.param({"tidegate.dev/openai-path": "/"}, False, "/v1", id="no path"),
        pytest.param({"tidegate.dev/openai-path": "/a b\r\nX: y"}, False, "/v1", id="a trick"),
    ],
)
def test_the_api_is_where_the_server_has_it(annotations, kserve, path):
    assert openai_path(annotations, kserve=kserve) == path
