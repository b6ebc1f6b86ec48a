import base64

import pytest

from tidegate.apiserver.local import ensure_namespaces
from tidegate.model.containers import (
    Container,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    KeySelector,
    LocalRef,
    ObjectFieldSelector,
    ResourceFieldSelector,
    ResourceRequirements,
)
from tidegate.model.core import ConfigMap, Secret
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.node.environment import resolve_env
from tidegate.node.errors import ConfigMissing, NotSupported
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

POD = Pod(
    metadata=ObjectMeta(
        name="p", namespace="default", uid="u", labels={"app": "x"}, annotations={"a/b": "c"}
    ),
    spec=PodSpec(node_name="node"),
)


@pytest.fixture
async def api():
    api = make_api(LoopClock())
    await ensure_namespaces(api)
    meta = ObjectMeta(name="c", namespace="default")
    await api.create(ConfigMap(metadata=meta, data={"one": "1", "two": "2"}))
    meta = ObjectMeta(name="s", namespace="default")
    await api.create(Secret(metadata=meta, data={"key": base64.b64encode(b"hidden").decode()}))
    return api


def var(name, **source):
    return EnvVar(name=name, value_from=EnvVarSource(**source))


def resolved(api, *env, given=None, env_from=(), resources=None):
    container = Container(name="main", env=env, env_from=env_from, resources=resources)
    return resolve_env(api, POD, container, given=given or {})


async def test_values_may_use_what_stands_before_them(api):
    env = (EnvVar(name="A", value="$(PORT)/$(B)"), EnvVar(name="B", value="b$(A)"))
    got = resolved(api, *env, given={"PORT": "1"})
    assert got == {"PORT": "1", "A": "1/$(B)", "B": "b1/$(B)"}


async def test_a_whole_config_map_comes_with_its_prefix_and_env_wins(api):
    source = EnvFromSource(prefix="X_", config_map_ref=LocalRef(name="c"))
    got = resolved(api, EnvVar(name="X_two", value="mine"), env_from=(source,))
    assert got == {"X_one": "1", "X_two": "mine"}


async def test_references_are_read(api):
    got = resolved(
        api,
        var("C", config_map_key_ref=KeySelector(name="c", key="one")),
        var("S", secret_key_ref=KeySelector(name="s", key="key")),
        env_from=(EnvFromSource(secret_ref=LocalRef(name="s")),),
    )
    assert got == {"C": "1", "S": "hidden", "key": "hidden"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "u"),
        ("metadata.labels['app']", "x"),
        ("metadata.annotations['a/b']", "c"),
        ("metadata.labels['none']", ""),
        ("spec.nodeName", "node"),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", "127.0.0.1"),
        ("status.hostIP", "127.0.0.1"),
    ],
)
async def test_the_downward_api_gives_fields(api, path, value):
    got = resolved(api, var("F", field_ref=ObjectFieldSelector(field_path=path)))
    assert got == {"F": value}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"config_map_key_ref": KeySelector(name="no", key="k")}, 'configmap "no" not found'),
        (
            {"config_map_key_ref": KeySelector(name="c", key="k")},
            "couldn't find key k in ConfigMap default/c",
        ),
        ({"secret_key_ref": KeySelector(name="no", key="k")}, 'secret "no" not found'),
        (
            {"secret_key_ref": KeySelector(name="s", key="k")},
            "couldn't find key k in Secret default/s",
        ),
    ],
)
async def test_what_is_missing_is_named_as_the_kubelet_names_it(api, source, message):
    with pytest.raises(ConfigMissing) as raised:
        resolved(api, var("X", **source))
    assert str(raised.value) == message


async def test_what_is_optional_may_be_missing(api):
    key = KeySelector(name="no", key="k", optional=True)
    source = EnvFromSource(secret_ref=LocalRef(name="no", optional=True))
    assert resolved(api, var("X", config_map_key_ref=key), env_from=(source,)) == {}


@pytest.mark.parametrize(
    ("ref", "value"),
    [
        pytest.param({"resource": "limits.cpu"}, "2", id="rounded up to whole cores"),
        pytest.param({"resource": "limits.cpu", "divisor": "1m"}, "1500", id="in milli-cores"),
        pytest.param({"resource": "requests.memory", "divisor": "1Mi"}, "512", id="in MiB"),
        pytest.param({"resource": "requests.cpu"}, "0", id="not asked for"),
    ],
)
async def test_a_containers_own_resources_are_values(api, ref, value):
    resources = ResourceRequirements(limits={"cpu": "1500m"}, requests={"memory": "512Mi"})
    source = ResourceFieldSelector(**ref)
    assert resolved(api, var("X", resource_field_ref=source), resources=resources) == {"X": value}


async def test_fields_that_have_no_value_here_are_refused_by_name(api):
    with pytest.raises(NotSupported, match=r"write limits\.cpu"):
        resolved(api, var("X", resource_field_ref=ResourceFieldSelector(resource="cpu")))
    with pytest.raises(NotSupported, match=r"'spec\.magic'"):
        resolved(api, var("X", field_ref=ObjectFieldSelector(field_path="spec.magic")))
