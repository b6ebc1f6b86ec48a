"""The ClusterServingRuntimes that are there from the start, under the names KServe ships.

Only the ones whose programs run here: a model server of ours (scikit-learn, ONNX, GGUF through
llama.cpp), or one that a user can install. A user may change, disable or delete them; a deleted one
comes back when the engine starts again.
Source: kserve config/runtimes/*.yaml (names, formats, arguments, protocols).
"""

from __future__ import annotations

from tidegate.model import kserve_names as names
from tidegate.model.containers import Container, ContainerPort, ResourceRequirements
from tidegate.model.kserve import (
    ClusterServingRuntime,
    ServingRuntimeSpec,
    SupportedModelFormat,
)
from tidegate.model.meta import ObjectMeta
from tidegate.model.wire import QuantityText

_SCRAPE = {"prometheus.kserve.io/port": "8080", "prometheus.kserve.io/path": "/metrics"}
_KSERVE_ARGS = (
    "--model_name={{.Name}}",
    f"--model_dir={names.MODEL_PATH}",
    "--http_port=8080",
)
_V1_V2 = ("v1", "v2")


def _format(
    name: str, version: str | None, *, priority: int, auto_select: bool = True
) -> SupportedModelFormat:
    return SupportedModelFormat(
        name=name, version=version, auto_select=auto_select, priority=priority
    )


def _runtime(
    name: str,
    image: str,
    args: tuple[str, ...],
    formats: tuple[SupportedModelFormat, ...],
    protocols: tuple[str, ...],
    command: tuple[str, ...] = (),
) -> ClusterServingRuntime:
    """Requests and limits are KServe's own: one CPU and 2 GiB."""
    one: dict[str, QuantityText] = {"cpu": "1", "memory": "2Gi"}
    container = Container(
        name=names.CONTAINER,
        image=image,
        command=command,
        args=args,
        ports=(ContainerPort(container_port=names.DEFAULT_PORT, protocol="TCP"),),
        resources=ResourceRequirements(requests=one, limits=one),
    )
    return ClusterServingRuntime(
        metadata=ObjectMeta(name=name),
        spec=ServingRuntimeSpec(
            annotations=_SCRAPE,
            supported_model_formats=formats,
            protocol_versions=protocols,
            containers=(container,),
        ),
    )


#: As objects, ready to be created.
BUILT_IN_RUNTIMES = (
    _runtime(
        "kserve-sklearnserver",
        "kserve/sklearnserver:latest",
        _KSERVE_ARGS,
        (_format("sklearn", "1", priority=1),),
        _V1_V2,
    ),
    _runtime(
        "kserve-xgbserver",
        "kserve/xgbserver:latest",
        (*_KSERVE_ARGS, "--nthread=1"),
        (_format("xgboost", "1", priority=1), _format("xgboost", "2", priority=2)),
        _V1_V2,
    ),
    _runtime(
        "kserve-lgbserver",
        "kserve/lgbserver:latest",
        (*_KSERVE_ARGS, "--nthread=1"),
        (_format("lightgbm", "3", priority=1), _format("lightgbm", "4", priority=2)),
        _V1_V2,
    ),
    _runtime(
        "tidegate-onnxserver",
        "tidegate/onnxserver:latest",
        _KSERVE_ARGS,
        (_format("onnx", "1", priority=1),),
        _V1_V2,
    ),
    _runtime(
        "tidegate-llamaserver",
        "ggml-org/llama.cpp:server",
        ("-m", names.MODEL_PATH, "--alias", "{{.Name}}", "--port", "8080"),
        (_format("gguf", None, priority=1),),
        _V1_V2,
    ),
    _runtime(
        "kserve-tensorflow-serving",
        "tensorflow/serving:2.6.2",
        (
            "--model_name={{.Name}}",
            "--port=9000",
            "--rest_api_port=8080",
            f"--model_base_path={names.MODEL_PATH}",
            "--rest_api_timeout_in_ms=60000",
        ),
        (_format("tensorflow", "1", priority=2), _format("tensorflow", "2", priority=2)),
        ("v1", "grpc-v1"),
        command=("/usr/bin/tensorflow_model_server",),
    ),
    _runtime(
        "kserve-tritonserver",
        "nvcr.io/nvidia/tritonserver:23.05-py3",
        (
            f"--model-store={names.MODEL_PATH}",
            "--grpc-port=9000",
            "--http-port=8080",
            "--allow-grpc=true",
            "--allow-http=true",
        ),
        (
            _format("triton", "2", priority=1),
            _format("onnx", "1", priority=1, auto_select=False),
        ),
        ("v2", "grpc-v2"),
        command=("tritonserver",),
    ),
)
