"""The built-in table: which program of this machine stands for which image. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.protocols.vllm_only import FLAGS as VLLM_ONLY

Python = "python"  # stands for this machine's interpreter in the table below


@dataclass(frozen=True, slots=True)
class Runtime:
    """One line of the table.

    `repository` is matched against the end of the image's path, whole components, whatever
    registry stands before it; `tag` against the start of the tag. `entry` is what the image's own
    entry point means here (empty: the image has none, so `command` or `args` say what to run), and
    `defaults` are arguments that the entry point adds by itself.
    `programs` are spellings of the entry point that documents write into `command`; `folder` is where
    it runs (None: the pod's own folder). `paths` are folders that the image has, and what they are here.

    `real` is the image's own program. Where `installed`, a program's name, is on this machine, that
    is what runs and `entry` only stands in for it; with an empty `entry` nothing does.
    `unserved` says what the stand-in leaves out, `unheeded` are flags that it takes and can't follow.
    `offered`: to people who name an image that is not here; not what controllers write by themselves.
    """

    repository: str
    entry: tuple[str, ...] = ()
    tag: str = ""
    programs: tuple[tuple[str, ...], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None
    defaults: tuple[str, ...] = ()
    paths: Mapping[str, str] = field(default_factory=dict)
    real: tuple[str, ...] = ()
    installed: str | None = None
    unserved: tuple[str, ...] = ()
    unheeded: frozenset[str] = frozenset()
    offered: bool = True


def _ours(module: str) -> tuple[str, ...]:
    return (Python, "-m", f"tidegate.runtimes.{module}")


_SKLEARN, _LLAMA = _ours("sklearnserver"), _ours("llamaserver")
#: Where KServe's servers speak gRPC, made the local port where the document declares that one.
_KSERVE_GRPC = {"TIDEGATE_GRPC_PORT": "8081"}
_SKLEARN_PROGRAMS = ((Python, "-m", "sklearnserver"),)
_LLAMA_PROGRAMS = (("/app/llama-server",), ("llama-server",), ("/llama-server",))

_VLLM_REAL = (Python, "-m", "vllm.entrypoints.openai.api_server")
_VLLM_PROGRAMS = (_VLLM_REAL, ("vllm", "serve"), ("/usr/local/bin/vllm", "serve"))
_TF_PROGRAMS = (("/usr/bin/tensorflow_model_server",), ("tensorflow_model_server",))
_TRITON_PROGRAMS = (("tritonserver",), ("/opt/tritonserver/bin/tritonserver",))
_TRITON_UNSERVED = ("Triton's metrics are not served",)


def _vllm(repository: str) -> Runtime:
    return Runtime(
        repository,
        _ours("vllmserver"),
        programs=_VLLM_PROGRAMS,
        real=_VLLM_REAL,
        installed="vllm",
        unheeded=VLLM_ONLY,
    )


RUNTIMES: tuple[Runtime, ...] = (
    Runtime("kserve/sklearnserver", _SKLEARN, programs=_SKLEARN_PROGRAMS, env=_KSERVE_GRPC),
    Runtime(
        "ai-sample/kserve-sklearn-server", _SKLEARN, programs=_SKLEARN_PROGRAMS, env=_KSERVE_GRPC
    ),
    Runtime("tidegate/sklearnserver", _SKLEARN, env=_KSERVE_GRPC),
    Runtime("tidegate/onnxserver", _ours("onnxserver"), env=_KSERVE_GRPC),
    Runtime("tidegate/pythonserver", _ours("pythonserver"), env=_KSERVE_GRPC),
    Runtime("tidegate/batch", (Python, "-m", "tidegate.cli.main", "batch"), offered=False),
    Runtime("tidegate/openai-batch", (Python, "-m", "tidegate.batch.openai"), offered=False),
    Runtime("kserve/agent", _ours("agent"), offered=False),
    Runtime("tidegate/kafka-source", (Python, "-m", "tidegate.sources.kafka"), offered=False),
    Runtime("tidegate/kafka-sink", (Python, "-m", "tidegate.sources.kafka_sink"), offered=False),
    Runtime("ggml-org/llama.cpp", _LLAMA, tag="server", programs=_LLAMA_PROGRAMS),
    Runtime("ggerganov/llama.cpp", _LLAMA, tag="server", programs=_LLAMA_PROGRAMS),
    _vllm("vllm/vllm-openai"),
    _vllm("kube-ai/vllm"),
    Runtime(
        "tensorflow/serving",
        _ours("tfserver"),
        programs=_TF_PROGRAMS,
        env={"MODEL_NAME": "model", "MODEL_BASE_PATH": "/models"},
        # What the image's tf_serving_entrypoint.sh says.
        defaults=(
            "--port=8500",
            "--rest_api_port=8501",
            "--model_name=$(MODEL_NAME)",
            "--model_base_path=$(MODEL_BASE_PATH)/$(MODEL_NAME)",
        ),
        real=("tensorflow_model_server",),
        installed="tensorflow_model_server",
    ),
    Runtime(
        "nvidia/tritonserver",
        _ours("tritonserver"),
        programs=_TRITON_PROGRAMS,
        real=("tritonserver",),
        installed="tritonserver",
        unserved=_TRITON_UNSERVED,
    ),
    Runtime(
        "pytorch/torchserve",
        programs=(("torchserve",), ("/usr/local/bin/torchserve",), ("/home/venv/bin/torchserve",)),
        real=("torchserve",),
        defaults=("--start", "--foreground"),
        installed="torchserve",
    ),
    Runtime("library/python"),
)
