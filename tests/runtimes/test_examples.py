"""The examples' documents ask for nothing that our servers refuse."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tidegate.runtimes.kserve_flags import read_kserve_flags
from tidegate.runtimes.llama_flags import read_llama_flags

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def container_of():
    def read(name):
        service = YAML(typ="safe").load((EXAMPLES / name / "service.yaml").read_text())
        (container,) = service["spec"]["template"]["spec"]["containers"]
        return service, container

    return read


def test_iris_asks_for_kserves_sklearn_server(container_of):
    _, container = container_of("iris")
    plan = read_kserve_flags(container["args"], {}, cpus=2)
    assert container["image"].startswith("kserve/sklearnserver:")
    assert (plan.model_name, plan.model_dir) == ("iris", "/mnt/models")
    assert plan.port == container["ports"][0]["containerPort"]
    assert container["readinessProbe"]["httpGet"]["path"] == f"/v1/models/{plan.model_name}"


def test_chat_asks_for_llama_cpp_with_as_many_slots_as_requests(container_of):
    service, container = container_of("chat")
    plan = read_llama_flags(container["args"], {}, cpus=2)
    assert container["image"] == "ghcr.io/ggml-org/llama.cpp:server"
    assert (plan.alias, plan.port) == ("smollm2", container["ports"][0]["containerPort"])
    assert plan.parallel == service["spec"]["template"]["spec"]["containerConcurrency"]
