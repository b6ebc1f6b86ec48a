"""llama.cpp's server flags and LLAMA_ARG_* variables, read into a plan.

Documents name `ghcr.io/ggml-org/llama.cpp:server` and give it these flags, so each is honoured
with llama.cpp's meaning and default, or refused by name. The command line wins over variables.
Source: llama.cpp tools/server/README.md and common/arg.cpp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from tidegate.runtimes.errors import BadFlag

AUTO_PARALLEL = 4  # llama.cpp's slots when -np is not given; they share one KV buffer then


@dataclass(frozen=True, slots=True)
class LlamaPlan:
    """What to serve and where. `values` are the honoured flags by their main name."""

    model: str
    alias: str
    host: str
    port: int
    parallel: int
    threads: int
    api_keys: tuple[str, ...]
    values: Mapping[str, Any]

    def put_into(self, params: Any, module: Any) -> None:
        """Write the plan into `xllamacpp.CommonParams`; `module` is xllamacpp, for its enums."""
        params.n_parallel = self.parallel
        params.kv_unified = "--parallel" not in self.values
        params.cpuparams.n_threads = self.threads
        params.cpuparams_batch.n_threads = self.threads
        # Fitting reads the whole model twice (0.35 s of 0.7 s here) and only places layers on
        # GPUs; a context size of 0 also lets it shrink the context to what memory allows.
        params.fit_params = bool(module.get_device_info()) and self._has_gpu(module)
        # Errors only: llama.cpp's default of 3 prints 40 lines a start, and 2 warns of the missing
        # API key of a listener that nobody can reach.
        params.verbosity = 1
        for name, value in self.values.items():
            put = FLAGS_BY_NAME[name].put
            if put is not None:
                put(params, value, module)

    @staticmethod
    def _has_gpu(module: Any) -> bool:
        cpu = module.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_CPU
        return any(device.get("type") != cpu for device in module.get_device_info())


Put = Callable[[Any, Any, Any], None]


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag we honour. `read` turns its text into a value; None: it takes no value and is True.
    `off` are the spellings that mean False. `put` writes it into the params; None: we use it."""

    names: tuple[str, ...]
    env: str | None = None
    read: Callable[[str], Any] | None = None
    off: tuple[str, ...] = ()
    put: Put | None = None


def _to(path: str) -> Put:
    """Sets `path` (dotted) of the params."""
    *owners, last = path.split(".")

    def put(params: Any, value: Any, _module: Any) -> None:
        for owner in owners:
            params = getattr(params, owner)
        setattr(params, last, value)

    return put


def _to_enum(path: str, enum: str, prefix: str) -> Put:
    set_it = _to(path)

    def put(params: Any, value: Any, module: Any) -> None:
        set_it(params, getattr(getattr(module, enum), prefix + value.upper()), module)

    return put


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return read


def _layers(text: str) -> int:
    return {"auto": -1, "all": 2**31 - 1}[text] if text in ("auto", "all") else int(text)


def _seed(text: str) -> int:
    return int(text) % 2**32  # llama.cpp's -1, random, is the largest unsigned number


_KV_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")

FLAGS: tuple[Flag, ...] = (
    Flag(("--model", "-m"), "LLAMA_ARG_MODEL", str),
    Flag(("--alias", "-a"), "LLAMA_ARG_ALIAS", str),
    Flag(("--host",), "LLAMA_ARG_HOST", str),
    Flag(("--port",), "LLAMA_ARG_PORT", int),
    Flag(("--api-key",), "LLAMA_API_KEY", str),
    Flag(("--threads", "-t"), "LLAMA_ARG_THREADS", int),
    Flag(("--parallel", "-np"), "LLAMA_ARG_N_PARALLEL", int),
    Flag(("--threads-batch", "-tb"), None, int, put=_to("cpuparams_batch.n_threads")),
    Flag(("--ctx-size", "-c"), "LLAMA_ARG_CTX_SIZE", int, put=_to("n_ctx")),
    Flag(("--predict", "-n", "--n-predict"), "LLAMA_ARG_N_PREDICT", int, put=_to("n_predict")),
    Flag(("--batch-size", "-b"), "LLAMA_ARG_BATCH", int, put=_to("n_batch")),
    Flag(("--ubatch-size", "-ub"), "LLAMA_ARG_UBATCH", int, put=_to("n_ubatch")),
    Flag(("--keep",), None, int, put=_to("n_keep")),
    Flag(
        ("--gpu-layers", "-ngl", "--n-gpu-layers"),
        "LLAMA_ARG_N_GPU_LAYERS",
        _layers,
        put=_to("n_gpu_layers"),
    ),
    Flag(
        ("--flash-attn", "-fa"),
        "LLAMA_ARG_FLASH_ATTN",
        lambda text: {"on": "enabled", "off": "disabled"}.get(
            _one_of("on", "off", "auto")(text), text
        ),
        put=_to_enum("flash_attn_type", "llama_flash_attn_type", "LLAMA_FLASH_ATTN_TYPE_"),
    ),
    Flag(
        ("--cache-type-k", "-ctk"),
        "LLAMA_ARG_CACHE_TYPE_K",
        _one_of(*_KV_TYPES),
        put=_to_enum("cache_type_k", "ggml_type", "GGML_TYPE_"),
    ),
    Flag(
        ("--cache-type-v", "-ctv"),
        "LLAMA_ARG_CACHE_TYPE_V",
        _one_of(*_KV_TYPES),
        put=_to_enum("cache_type_v", "ggml_type", "GGML_TYPE_"),
    ),
    Flag(("--cache-ram", "-cram"), "LLAMA_ARG_CACHE_RAM", int, put=_to("cache_ram_mib")),
    Flag(("--seed", "-s"), None, _seed, put=_to("sampling.seed")),
    Flag(("--temperature", "--temp"), "LLAMA_ARG_TEMPERATURE", float, put=_to("sampling.temp")),
    Flag(("--top-k",), "LLAMA_ARG_TOP_K", int, put=_to("sampling.top_k")),
    Flag(("--top-p",), "LLAMA_ARG_TOP_P", float, put=_to("sampling.top_p")),
    Flag(("--min-p",), "LLAMA_ARG_MIN_P", float, put=_to("sampling.min_p")),
    Flag(("--repeat-last-n",), None, int, put=_to("sampling.penalty_last_n")),
    Flag(
        ("--repeat-penalty",),
        "LLAMA_ARG_REPEAT_PENALTY",
        float,
        put=_to("sampling.penalty_repeat"),
    ),
    Flag(
        ("--presence-penalty",),
        "LLAMA_ARG_PRESENCE_PENALTY",
        float,
        put=_to("sampling.penalty_present"),
    ),
    Flag(
        ("--frequency-penalty",),
        "LLAMA_ARG_FREQUENCY_PENALTY",
        float,
        put=_to("sampling.penalty_freq"),
    ),
    Flag(("--chat-template",), "LLAMA_ARG_CHAT_TEMPLATE", str, put=_to("chat_template")),
    Flag(
        ("--verbosity", "-lv", "--log-verbosity"),
        "LLAMA_ARG_LOG_VERBOSITY",
        int,
        put=_to("verbosity"),
    ),
    Flag(("--log-disable",), put=lambda params, _on, _module: setattr(params, "verbosity", 0)),
    Flag(("--ignore-eos",), put=_to("sampling.ignore_eos")),
    Flag(("--warmup",), off=("--no-warmup",), put=_to("warmup")),
    Flag(("--jinja",), "LLAMA_ARG_JINJA", off=("--no-jinja",), put=_to("use_jinja")),
    Flag(
        ("--cont-batching", "-cb"),
        "LLAMA_ARG_CONT_BATCHING",
        off=("--no-cont-batching", "-nocb"),
        put=_to("cont_batching"),
    ),
    Flag(
        ("--kv-unified", "-kvu"),
        "LLAMA_ARG_KV_UNIFIED",
        off=("--no-kv-unified", "-no-kvu"),
        put=_to("kv_unified"),
    ),
    Flag(
        ("--cache-prompt",),
        "LLAMA_ARG_CACHE_PROMPT",
        off=("--no-cache-prompt",),
        put=_to("cache_prompt"),
    ),
    Flag(
        ("--context-shift",),
        "LLAMA_ARG_CONTEXT_SHIFT",
        off=("--no-context-shift",),
        put=_to("ctx_shift"),
    ),
    Flag(
        ("--fit", "-fit"),
        "LLAMA_ARG_FIT",
        lambda text: _one_of("on", "off")(text) == "on",
        put=_to("fit_params"),
    ),
)
FLAGS_BY_NAME: Mapping[str, Flag] = {flag.names[0]: flag for flag in FLAGS}

ALREADY_SO: frozenset[str] = frozenset(
    {"--no-ui", "--no-webui", "--no-slots", "--no-props", "--offline", "--no-agent"}
)
"""Flags that ask for what holds here anyway: no web page, no slot pages, no downloads."""

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "--hf-repo",
            "-hf",
            "-hfr",
            "--hf-file",
            "-hff",
            "--model-url",
            "-mu",
            "--docker-repo",
            "-dr",
        ),
        "models are not downloaded here: mount the file as a volume and name it with -m",
    ),
    **dict.fromkeys(
        ("--ssl-key-file", "--ssl-cert-file"),
        "TLS ends before the server: leave it out",
    ),
    **dict.fromkeys(
        ("--embedding", "--embeddings", "--rerank", "--reranking"),
        "only chat and text completions are served here: leave it out",
    ),
    **dict.fromkeys(
        ("--metrics", "--slots", "--props", "--ui", "--webui", "--path", "--api-prefix"),
        "this page of llama.cpp is not served here: leave it out",
    ),
}


def read_llama_flags(argv: Sequence[str], environ: Mapping[str, str], *, cpus: int) -> LlamaPlan:
    """The plan. PORT is the port when neither a flag nor LLAMA_ARG_PORT says one.

    TIDEGATE_HOST wins over `--host`: documents say 0.0.0.0 and mean the pod's addresses, which
    without a container are the machine's.

    Raises `BadFlag` for flags and LLAMA_ARG_* variables that are unknown, malformed or refused.
    """
    values = {**_from_environ(environ), **_from_argv(argv)}
    if "--model" not in values:
        raise BadFlag("-m", "no model: give a .gguf file with -m FILE or LLAMA_ARG_MODEL")
    slots = values.get("--parallel", -1)
    if slots <= 0:
        values.pop("--parallel", None)
        slots = AUTO_PARALLEL
    threads = values.get("--threads", -1)
    model = values["--model"]
    return LlamaPlan(
        model=model,
        alias=values.get("--alias", PurePath(model).name).partition(",")[0],
        host=environ.get("TIDEGATE_HOST") or values.get("--host", "127.0.0.1"),
        port=values.get("--port", _port_of(environ)),
        parallel=slots,
        threads=threads if threads > 0 else cpus,
        api_keys=tuple(key for key in values.get("--api-key", "").split(",") if key),
        values=values,
    )


def _port_of(environ: Mapping[str, str]) -> int:
    text = environ.get("PORT", "8080")
    if not text.isdigit():
        raise BadFlag("PORT", f"{text!r} is not a port number")
    return int(text)


def _from_argv(argv: Sequence[str]) -> dict[str, Any]:
    spelled = {name: (flag, True) for flag in FLAGS for name in flag.names}
    spelled |= {name: (flag, False) for flag in FLAGS for name in flag.off}
    values: dict[str, Any] = {}
    rest = list(argv)
    while rest:
        name = rest.pop(0)
        if name in ALREADY_SO:
            continue
        _refuse_if_listed(name, name)
        if name not in spelled:
            raise BadFlag(
                name,
                "not a flag that is honoured here: leave it out, or run the image "
                "with a container runtime",
            )
        flag, on = spelled[name]
        if flag.read is None:
            values[flag.names[0]] = on
        elif not rest:
            raise BadFlag(name, "needs a value after it")
        else:
            values[flag.names[0]] = _value(flag, rest.pop(0), name)
    return values


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    known = {flag.env: flag for flag in FLAGS if flag.env}
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if name in known:
            flag = known[name]
            values[flag.names[0]] = (
                _truth(text, name) if flag.read is None else _value(flag, text, name)
            )
        elif name.startswith("LLAMA_ARG_"):
            _refuse_if_listed(
                "--" + name.removeprefix("LLAMA_ARG_").lower().replace("_", "-"), name
            )
            raise BadFlag(name, "not a variable that is honoured here: leave it out")
    return values


def _refuse_if_listed(flag: str, said: str) -> None:
    if flag in REFUSED:
        raise BadFlag(said, REFUSED[flag])


def _value(flag: Flag, text: str, said: str) -> Any:
    assert flag.read is not None
    try:
        return flag.read(text)
    except ValueError as why:
        raise BadFlag(said, f"can't read {text!r}: {why}") from why


def _truth(text: str, said: str) -> bool:
    if text in ("1", "on", "enabled", "true"):
        return True
    if text in ("0", "off", "disabled", "false"):
        return False
    raise BadFlag(said, f"{text!r} is neither on nor off")
