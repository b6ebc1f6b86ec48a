"""Which runtime serves a model, and what its container becomes."""

from __future__ import annotations

import pytest

from tidegate.model.containers import Container, EnvVar, ResourceRequirements
from tidegate.model.kserve import (
    ClusterServingRuntime,
    ModelFormat,
    ModelSpec,
    ServingRuntime,
    ServingRuntimeSpec,
    SupportedModelFormat,
)
from tidegate.model.meta import ObjectMeta
from tidegate.policy.kserve_builtin import BUILT_IN_RUNTIMES
from tidegate.policy.kserve_runtimes import (
    NoRuntime,
    choose_runtime,
    serving_container,
    with_tag,
)


def model(format_: str = "sklearn", **fields: object) -> ModelSpec:
    return ModelSpec(model_format=ModelFormat(name=format_), **fields)


def runtime(
    name: str,
    *,
    format_: str = "sklearn",
    auto: bool = True,
    priority: int | None = None,
    disabled: bool = False,
    protocols: tuple[str, ...] = ("v1",),
    made: str = "2026-01-01T00:00:00Z",
    near: bool = False,
) -> ServingRuntime | ClusterServingRuntime:
    type_ = ServingRuntime if near else ClusterServingRuntime
    supported = SupportedModelFormat(name=format_, auto_select=auto, priority=priority)
    return type_(
        metadata=ObjectMeta(name=name, creation_timestamp=made),
        spec=ServingRuntimeSpec(
            supported_model_formats=(supported,),
            protocol_versions=protocols,
            disabled=disabled or None,
            containers=(Container(name="kserve-container", image="server:1"),),
        ),
    )


def chosen(wanted: ModelSpec, *runtimes: ServingRuntime | ClusterServingRuntime) -> str:
    near = [r for r in runtimes if isinstance(r, ServingRuntime)]
    far = [r for r in runtimes if isinstance(r, ClusterServingRuntime)]
    return choose_runtime(wanted, near, far).name


def reason(wanted: ModelSpec, *runtimes: ServingRuntime | ClusterServingRuntime) -> str:
    with pytest.raises(NoRuntime) as failed:
        chosen(wanted, *runtimes)
    return failed.value.reason


def test_the_namespace_comes_before_the_cluster_whatever_the_priority():
    assert chosen(model(), runtime("far", priority=9), runtime("near", near=True)) == "near"


def test_the_highest_priority_wins_then_the_newest_then_the_name():
    low, high = runtime("low", priority=1), runtime("high", priority=2)
    assert chosen(model(), low, high) == "high"
    older, newer = runtime("older"), runtime("newer", made="2026-02-01T00:00:00Z")
    assert chosen(model(), older, newer) == "newer"
    assert chosen(model(), runtime("b"), runtime("a")) == "a"


@pytest.mark.parametrize(
    "unfit",
    [
        runtime("r", disabled=True),
        runtime("r", auto=False),
        runtime("r", format_="onnx"),
        runtime("r", protocols=("v2",)),
    ],
    ids=["disabled", "not to be selected", "another format", "another protocol"],
)
def test_what_does_not_fit_is_not_selected(unfit):
    assert reason(model(), unfit) == "NoSupportingRuntime"


def test_a_named_runtime_needs_no_auto_select():
    assert chosen(model(runtime="r"), runtime("r", auto=False)) == "r"


def test_a_named_runtime_that_cannot_be_had_says_why():
    assert reason(model(runtime="gone"), runtime("r")) == "RuntimeNotRecognized"
    assert reason(model(runtime="r"), runtime("r", disabled=True)) == "RuntimeDisabled"
    assert reason(model(runtime="r"), runtime("r", format_="onnx")) == "NoSupportingRuntime"


def test_the_users_fields_lie_over_the_runtimes():
    base = Container(
        name="kserve-container",
        image="reg.example/server:1",
        args=("--model_name={{.Name}}", "--zone={{.Labels.zone}}"),
        env=(EnvVar(name="A", value="1"), EnvVar(name="B", value="{{ .Namespace }}")),
        resources=ResourceRequirements(requests={"cpu": "1", "memory": "2Gi"}),
    )
    wanted = model(
        args=("--more",),
        env=(EnvVar(name="A", value="2"),),
        resources=ResourceRequirements(requests={"cpu": "4"}),
        runtime_version="7",
    )
    meta = ObjectMeta(name="iris", namespace="prod", labels={"zone": "z1"})
    made = serving_container(ServingRuntimeSpec(containers=(base,)), wanted, meta)
    assert made.args == ("--model_name=iris", "--zone=z1", "--more")
    assert {v.name: v.value for v in made.env} == {"A": "2", "B": "prod"}
    assert made.resources is not None
    assert made.resources.requests == {"cpu": "4", "memory": "2Gi"}
    assert made.image == "reg.example/server:7"


def test_a_registry_with_a_port_keeps_it():
    assert with_tag("reg:5000/a/b:1", "2") == "reg:5000/a/b:2"
    assert with_tag("a/b", "2") == "a/b:2"
    assert with_tag("a/b@sha256:" + "0" * 64, "2") == "a/b:2"


def test_the_built_in_runtimes_serve_the_formats_that_run_here():
    built_in = BUILT_IN_RUNTIMES
    assert chosen(model("sklearn"), *built_in) == "kserve-sklearnserver"
    assert chosen(model("onnx", protocol_version="v2"), *built_in) == "tidegate-onnxserver"
    assert chosen(model("triton", protocol_version="grpc-v2"), *built_in) == "kserve-tritonserver"
    assert reason(model("triton"), *built_in) == "NoSupportingRuntime"  # it has no V1
    assert reason(model("paddle"), *built_in) == "NoSupportingRuntime"
