"""Published runs of Arena, KServe, HPA, CronHPA and Ingress, as people type them: `make live-seeds`.

    python examples/seeds/live_seeds.py [--short] [iris qwen qwen-cronhpa bert canary]

An engine of its own on free ports; simulated GPUs, SmolLM2 in place of a larger model. Without
`--short` each load lasts two minutes and scaling down waits its five, so it takes about a quarter of an
hour. Each thing that must be seen is printed; the exit code is 1 when one was missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable

import runs
from stage import Missed, Stage, stage

from tidegate.testing.engine import EngineProblem

RUNS: dict[str, tuple[Callable[[Stage], None], ...]] = {
    "qwen-cronhpa": (runs.qwen_cronhpa, runs.qwen_cronhpa_back),
    "qwen": (runs.qwen, runs.qwen_back),
    "bert": (runs.bert, runs.bert_back),
    "canary": (runs.canary,),
    "iris": (runs.iris, runs.iris_back),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="an HPA that forgets sooner")
    parser.add_argument("runs", nargs="*", choices=[*RUNS, []], help="which; all if not said")
    asked = parser.parse_args()
    wanted = [name for name in RUNS if not asked.runs or name in asked.runs]
    with stage(short=asked.short) as on:
        runs.settings(on)
        for half in (0, 1):
            for name in wanted:
                if half < len(RUNS[name]) and name not in on.missed:
                    print(f"\n== {name}{', and back' if half else ''}", flush=True)
                    _try(on, name, RUNS[name][half])
    print(
        "\n" + "\n".join(f"{name}: {'MISSED' if name in on.missed else 'seen'}" for name in wanted)
    )
    return 1 if on.missed else 0


def _try(on: Stage, name: str, run: Callable[[Stage], None]) -> None:
    try:
        run(on)
    except (
        Missed,
        EngineProblem,
        subprocess.TimeoutExpired,
        ValueError,
        LookupError,
        OSError,
    ) as why:
        print(f"  MISSED: {why}", flush=True)
        print(on.ask("kubectl get pods,hpa,isvc; kubectl get events | tail -20"), flush=True)
        on.missed.append(name)


if __name__ == "__main__":
    sys.exit(main())
