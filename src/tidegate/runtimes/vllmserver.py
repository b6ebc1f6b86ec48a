"""`python -m tidegate.runtimes.vllmserver`: vLLM's OpenAI server by its flags, without vLLM.

    --model /mnt/models/qwen --served-model-name qwen --port 8080 --max-model-len 6144

Where vLLM is installed the node starts that; this stands in for it with llama.cpp and a GGUF file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from tidegate.kit.realtime import RealClock
from tidegate.runtimes.backend import Backend
from tidegate.runtimes.cpus import cpus_for
from tidegate.runtimes.llama_flags import read_llama_flags
from tidegate.runtimes.start import Plan, run
from tidegate.runtimes.vllm_flags import model_file, read_vllm_flags

PROGRAM = "vllmserver"
_PORT = "8000"  # vLLM's


def read_plan(argv: Sequence[str], environ: Mapping[str, str]) -> Plan:
    """Raises `StartError`s. Reports flags without effect on stderr."""
    asked = read_vllm_flags(argv)
    if asked.without_effect:
        flags = ", ".join(dict.fromkeys(asked.without_effect))
        sys.stderr.write(f"{PROGRAM}: llama.cpp stands in for vLLM: without effect are {flags}\n")
    file = str(model_file(asked.model))
    words = ["--model", file, "--alias", asked.names[0], *asked.llama]
    # llama.cpp's own LLAMA_ARG_* variables mean nothing to vLLM, so they mean nothing here.
    ours = {name: environ[name] for name in ("PORT", "TIDEGATE_HOST") if name in environ}
    llama = read_llama_flags(words, {"PORT": _PORT} | ours, cpus=cpus_for(environ))

    def load() -> Backend:
        from tidegate.runtimes.gguf_model import load_gguf

        return load_gguf(llama)

    return Plan(
        PROGRAM,
        asked.names[0],
        llama.host,
        llama.port,
        load,
        also=frozenset(asked.names[1:]),
        api_keys=frozenset(llama.api_keys),
    )


def main() -> int:
    return run(PROGRAM, lambda: read_plan(sys.argv[1:], os.environ), RealClock())


if __name__ == "__main__":
    sys.exit(main())
