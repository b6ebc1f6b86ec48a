"""The command line of vLLM's OpenAI server, read into a plan for llama.cpp, which stands in for it.

    --model /mnt/models/qwen --served-model-name qwen --port 8080 --max-model-len 6144

Each flag is honoured with vLLM's meaning, reported as without effect (`protocols.vllm_only`), or
refused by name. Source: vLLM vllm/entrypoints/openai/cli_args.py and its engine arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.protocols.vllm_only import SHORT, SWITCHES, VALUED
from tidegate.runtimes.errors import BadFlag, ModelFileMissing
from tidegate.runtimes.model_files import one_model_file

HONOURED = (
    "--model",
    "--served-model-name",
    "--host",
    "--port",
    "--api-key",
    "--max-model-len",
    "--max-num-seqs",
    "--seed",
    "--chat-template",
)
ALREADY_SO = frozenset(
    {"--disable-log-requests", "--disable-log-stats", "--no-enable-log-requests"}
)
"""Switches that ask for what holds here anyway."""
LEVELS = frozenset({"--uvicorn-log-level", "--max-log-len", "--response-role"})
"""Flags with a value that change words in a log or nothing."""
_NO_TOOLS = "tools are not called here: leave it out"
_NO_TLS = "TLS ends before the server: leave it out"
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("--enable-auto-tool-choice", "--tool-call-parser"), _NO_TOOLS),
    **dict.fromkeys(("--ssl-keyfile", "--ssl-certfile", "--ssl-ca-certs"), _NO_TLS),
    **dict.fromkeys(
        ("--enable-lora", "--lora-modules"), "LoRA adapters are not served here: merge them"
    ),
    "--root-path": "the server answers at /: let the gateway's route strip the prefix",
    "--task": "only chat and text completions are served here: leave it out",
}
MANY = "--served-model-name"  # the one flag that takes several values


@dataclass(frozen=True, slots=True)
class VllmPlan:
    """What to serve and where. `llama` is the same for llama.cpp, without model and names."""

    model: str
    names: tuple[str, ...]  # the first is the model's, the others mean it too
    llama: tuple[str, ...]
    without_effect: tuple[str, ...]  # flags that were given and can't be followed here


def read_vllm_flags(argv: Sequence[str]) -> VllmPlan:
    """The plan. Raises `BadFlag` for flags that are unknown, malformed or refused."""
    seen, unheeded = _split(argv)
    if "--model" not in seen:
        raise BadFlag("--model", "missing: give a .gguf file, or the folder that holds it")
    model = seen["--model"][-1]
    llama: list[str] = []
    for flag, ours in (("--host", "--host"), ("--api-key", "--api-key"), ("--seed", "--seed")):
        if flag in seen:
            llama += [ours, seen[flag][-1]]
    for flag, ours in (("--port", "--port"), ("--max-num-seqs", "--parallel")):
        if flag in seen:
            llama += [ours, str(_number(flag, seen[flag][-1]))]
    if "--max-model-len" in seen:
        llama += ["--ctx-size", str(_tokens("--max-model-len", seen["--max-model-len"][-1]))]
    if "--chat-template" in seen:
        llama += ["--chat-template", _template(seen["--chat-template"][-1])]
    names = tuple(seen.get(MANY) or (model,))
    return VllmPlan(model, names, tuple(llama), tuple(unheeded))


def model_file(model: str) -> Path:
    """The `.gguf` file that `--model` means. Raises `ModelFileMissing`."""
    path = Path(model)
    if not path.exists() and not path.is_absolute():
        raise ModelFileMissing(
            model,
            "models are not downloaded here: mount a folder with a .gguf file and give its path "
            "(or install vllm)",
        )
    if path.is_dir() and not any(path.glob("*.gguf")):
        raise ModelFileMissing(
            model,
            "vllm is not installed, and llama.cpp, which stands in for it, needs a .gguf file "
            "there: add one (or install vllm)",
        )
    return one_model_file(path, (".gguf",))


def _split(argv: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Values by flag, and flags without effect. Underscores are dashes, as vLLM has it."""
    seen: dict[str, list[str]] = {}
    unheeded: list[str] = []
    rest = list(argv)
    if rest and not rest[0].startswith("-"):  # `vllm serve MODEL`
        seen["--model"] = [rest.pop(0)]
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            raise BadFlag(word, "expected a flag such as --model /mnt/models")
        name, equals, value = word.partition("=")
        name = SHORT.get(name, name.replace("_", "-"))
        if name in REFUSED:
            raise BadFlag(name, REFUSED[name])
        if name in SWITCHES or name in ALREADY_SO:
            if name in SWITCHES:
                unheeded.append(name)
            continue
        if name not in HONOURED and name not in VALUED and name not in LEVELS:
            raise BadFlag(
                name,
                "not a flag that is honoured here: leave it out, or install vllm "
                f"(llama.cpp stands in for it and takes {', '.join(HONOURED)})",
            )
        values = [value] if equals else _values(name, rest)
        if name in VALUED:
            unheeded.append(name)
        elif name in HONOURED:
            seen[name] = values
    return seen, unheeded


def _values(name: str, rest: list[str]) -> list[str]:
    """Takes the flag's values off `rest`."""
    if not rest or (rest[0].startswith("--") and len(rest[0]) > 2):
        raise BadFlag(name, "needs a value after it")
    values = [rest.pop(0)]
    while name == MANY and rest and not rest[0].startswith("-"):
        values.append(rest.pop(0))
    return values


def _number(flag: str, text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise BadFlag(flag, f"{text!r} is not a number of 1 or more")
    return int(text)


def _tokens(flag: str, text: str) -> int:
    """`6144`, `6k` (thousands) or `6K` (1024s), as vLLM reads lengths."""
    found = re.fullmatch(r"(\d+)([kKmM]?)", text)
    if found is None or int(found[1]) < 1:
        raise BadFlag(flag, f"{text!r} is not a number of tokens such as 6144 or 6k")
    return int(found[1]) * {"": 1, "k": 1000, "K": 1024, "m": 10**6, "M": 2**20}[found[2]]


def _template(text: str) -> str:
    """A file's content, or the template itself when it isn't a file (it has Jinja's braces)."""
    if "{" in text:
        return text
    try:
        return Path(text).read_text()
    except OSError as why:
        raise BadFlag("--chat-template", f"can't read {text}: {why.strerror}") from why
