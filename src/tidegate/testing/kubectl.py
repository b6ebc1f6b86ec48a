"""A real kubectl on a running engine, for tests and programmes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.testing.engine import RunningEngine

Document = Mapping[str, Any]
_WITHIN_S = 180  # a `wait` or `rollout status` gives up before


def installed() -> str | None:
    """Version 1.32, whose behaviour is promised; a kubectl on the PATH may be a dispatcher to the versions
    beside it. None: there is no kubectl at all."""
    found = shutil.which("kubectl.1.32") or shutil.which("kubectl")
    if found is None:
        return None
    beside = Path(os.path.realpath(found)).with_name("kubectl.1.32")
    return str(beside) if beside.exists() else found


KUBECTL = installed()


@dataclass
class Kubectl:
    """Commands as the user of an engine's kubeconfig types them. `given`: for `-f -`, as text or documents."""

    engine: RunningEngine

    @property
    def line(self) -> tuple[str, ...]:
        """How each command line begins."""
        cache, config = self.engine.home / "kubectl", self.engine.home / "kubeconfig"
        return (str(KUBECTL), f"--cache-dir={cache}", f"--kubeconfig={config}")

    def __call__(self, *args: str, given: str | Document | Sequence[Document] = "") -> str:
        """The output of a command that must succeed."""
        code, out, err = self.run(*args, given=given)
        assert code == 0, out + err
        return out

    def run(
        self, *args: str, given: str | Document | Sequence[Document] = ""
    ) -> tuple[int, str, str]:
        """Exit code and both outputs."""
        done = subprocess.run(
            [*self.line, *args],
            input=_text(given),
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def said(self, *args: str, given: str | Document | Sequence[Document] = "") -> str:
        """Both outputs together, however the command ends: for warnings and refusals."""
        _, out, err = self.run(*args, given=given)
        return out + err

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """An object as JSON values."""
        found: dict[str, Any] = json.loads(self("get", kind, name, "-o", "json"))
        return found


def _text(given: str | Document | Sequence[Document]) -> str:
    if isinstance(given, str):
        return given
    documents = [given] if isinstance(given, Mapping) else given
    return "\n".join(map(json.dumps, documents))
