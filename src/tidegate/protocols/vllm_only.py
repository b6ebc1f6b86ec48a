"""Flags of vLLM's OpenAI server that say how vLLM computes, on GPUs for the most part.

llama.cpp, where it stands in for vLLM, has nothing that they could set: they are taken, and told to
be without effect. Here because both the server and the node that reports on it read them.
Source: vLLM's `docs/cli/serve`, engine arguments.
"""

from __future__ import annotations

SWITCHES: frozenset[str] = frozenset(
    {
        "--disable-custom-all-reduce",
        "--enable-chunked-prefill",
        "--enable-prefix-caching",
        "--enforce-eager",
        "--no-enable-chunked-prefill",
        "--no-enable-prefix-caching",
        "--trust-remote-code",
        "--use-v2-block-manager",
    }
)
"""Those without a value."""

VALUED: frozenset[str] = frozenset(
    {
        "--block-size",
        "--code-revision",
        "--cpu-offload-gb",
        "--device",
        "--distributed-executor-backend",
        "--download-dir",
        "--dtype",
        "--gpu-memory-utilization",
        "--kv-cache-dtype",
        "--load-format",
        "--max-num-batched-tokens",
        "--max-seq-len-to-capture",
        "--num-scheduler-steps",
        "--pipeline-parallel-size",
        "--quantization",
        "--revision",
        "--swap-space",
        "--tensor-parallel-size",
        "--tokenizer",
        "--tokenizer-mode",
        "--tokenizer-revision",
    }
)

SHORT = {"-q": "--quantization", "-tp": "--tensor-parallel-size", "-pp": "--pipeline-parallel-size"}

FLAGS: frozenset[str] = SWITCHES | VALUED | frozenset(SHORT)
