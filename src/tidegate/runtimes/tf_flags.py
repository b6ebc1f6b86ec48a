"""The flags of `tensorflow_model_server`, read into a plan for a server that isn't TensorFlow.

    --model_name=bert --model_base_path=/models/bert --rest_api_port=8501 --port=8500

Source: tensorflow/serving model_servers/main.cc.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.runtimes.errors import BadFlag

HONOURED = ("model_name", "model_base_path", "rest_api_port", "port")
WITHOUT_EFFECT = frozenset(
    {
        "batching_parameters_file",
        "enable_batching",
        "enable_model_warmup",
        "flush_filesystem_caches",
        "grpc_channel_arguments",
        "grpc_max_threads",
        "num_load_threads",
        "num_unload_threads",
        "per_process_gpu_memory_fraction",
        "rest_api_num_threads",
        "rest_api_timeout_in_ms",
        "saved_model_tags",
        "tensorflow_inter_op_parallelism",
        "tensorflow_intra_op_parallelism",
        "tensorflow_session_parallelism",
    }
)
"""How TensorFlow computes and how its servers wait: taken, reported, not followed."""
_ONE_MODEL = "one model is served here: give --model_name and --model_base_path"
REFUSED: Mapping[str, str] = {
    "model_config_file": _ONE_MODEL,
    "model_config_file_poll_wait_seconds": _ONE_MODEL,
    "monitoring_config_file": "there is no page of metrics: leave it out",
    "ssl_config_file": "TLS ends before the server: leave it out",
    "platform_config_file": "there is no TensorFlow here: leave it out",
    "use_tflite_model": "there is no TensorFlow here: convert the model to ONNX",
}


@dataclass(frozen=True, slots=True)
class TfPlan:
    """What to serve and where. `grpc_port` None: none was asked for."""

    name: str
    base_path: str
    rest_port: int
    grpc_port: int | None
    without_effect: tuple[str, ...]


def read_tf_flags(argv: Sequence[str]) -> TfPlan:
    """The plan. Raises `BadFlag` for flags that are unknown, malformed or refused."""
    seen: dict[str, str] = {}
    for word in argv:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--"):
            raise BadFlag(word, "expected a flag such as --model_name=bert")
        if name in REFUSED and value.lower() != "false":
            raise BadFlag(f"--{name}", REFUSED[name])
        if name not in HONOURED and name not in WITHOUT_EFFECT and name not in REFUSED:
            takes = ", ".join(HONOURED)
            raise BadFlag(f"--{name}", f"not a flag that is honoured here: it takes {takes}")
        if not equals:
            raise BadFlag(word, f"write its value as --{name}=VALUE")
        seen[name] = value
    for name in ("model_base_path", "rest_api_port"):
        if not seen.get(name):
            raise BadFlag(f"--{name}", "missing: one model is served here, by REST (and gRPC)")
    grpc = _port(seen, "port", "8500")
    rest = _port(seen, "rest_api_port", "")
    if rest == 0:
        raise BadFlag("--rest_api_port", "0 turns REST off, which readiness is known by here")
    return TfPlan(
        name=seen.get("model_name") or "default",
        base_path=seen["model_base_path"].removeprefix("file://"),
        rest_port=rest,
        grpc_port=grpc or None,
        without_effect=tuple(f"--{name}" for name in seen if name in WITHOUT_EFFECT),
    )


def _port(seen: Mapping[str, str], name: str, default: str) -> int:
    text = seen.get(name, default)
    if not text.isdigit() or int(text) > 65535:
        raise BadFlag(f"--{name}", f"{text!r} is not a port number")
    return int(text)
