"""The user's own lines of the image table, beside the built-in ones."""

import pytest

from tidegate.model.core import ConfigMap
from tidegate.model.meta import ObjectMeta
from tidegate.node.errors import ImageNotRunnable
from tidegate.node.image_config import configured_runtimes
from tidegate.node.images import Here, program_of

PY = "/venv/bin/python"
HERE = Here(PY, lambda path: path.startswith("/srv"), lambda name: name == PY)
IRIS = "image: ai-sample/kserve-sklearn-server\npaths: {/models: /srv/iris}\nenv: {A: b}"


class OneMap:
    """Reads of a cluster that has this map and nothing else."""

    def __init__(self, **data):
        meta = ObjectMeta(name="config-images", namespace="tidegate-system")
        self._map = ConfigMap(metadata=meta, data=data)

    def get(self, kind, namespace, name):
        meta = self._map.metadata
        same = (kind, namespace, name) == (ConfigMap, meta.namespace, meta.name)
        return self._map if same else None


def program(image, command=(), **data):
    return program_of(image, command, (), HERE, configured_runtimes(OneMap(**data)))


def test_an_entry_without_a_command_adds_to_the_tables_line():
    found = program("example.com/ai-sample/kserve-sklearn-server:v0.12.0", iris=IRIS)
    assert found.argv == (PY, "-m", "tidegate.runtimes.sklearnserver")
    assert found.paths == {"/models": "/srv/iris"}
    assert found.env == {"TIDEGATE_GRPC_PORT": "8081", "A": "b"}  # the table's, and its own


def test_an_entry_of_an_image_that_nobody_knows_runs_the_documents_command():
    found = program("acme/app", ("python", "x.py"), app="image: acme/app\npaths: {/m: /srv/m}")
    assert found.argv == (PY, "x.py")
    assert found.paths == {"/m": "/srv/m"}


def test_an_entry_with_a_command_goes_before_the_table():
    found = program("kube-ai/vllm:0.4.1", own="image: kube-ai/vllm\ncommand: [/srv/vllm]")
    assert found.argv == ("/srv/vllm",)


def test_a_map_that_can_not_be_read_counts_as_empty():
    assert configured_runtimes(OneMap(x="image: [")) == ()


def test_an_entry_may_name_the_registry_and_is_then_about_that_one_only():
    own = "image: example.com:5000/team/hello\ncommand: [/srv/hello]"
    for image in ("example.com:5000/team/hello", "example.com:5000/team/hello:1.0@sha256:ab"):
        assert program(image, own=own).argv == ("/srv/hello",)
    with pytest.raises(ImageNotRunnable):
        program("example.org/team/hello:1.0", own=own)
