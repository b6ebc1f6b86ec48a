"""Two real models on one machine, from zero to many and back: what `make demo` runs.

Starts an engine of its own on free ports in a temporary folder, and always stops it again. Each step
says what it does and what came of it; the exit code is 1 when one failed.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tidegate.client.http import Client, path_of, read_kubeconfig

EXAMPLES = Path(__file__).parent
SERVING = "serving.knative.dev/v1"
FLOWERS = {"instances": [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]}
QUESTION = {
    "model": "smollm2",
    "messages": [{"role": "user", "content": "Say hello."}],
    "max_tokens": 24,
    "temperature": 0,
    "stream": True,
}
CONNECTIONS = 20


class Failed(Exception):
    """A step did not come out as it should."""


@dataclass
class Demo:
    """The engine under show, and what was seen."""

    home: Path
    started: float = field(default_factory=time.monotonic)
    gateway: str = ""
    summary: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.started:6.1f} s] {text}", flush=True)

    def found(self, text: str) -> None:
        """Something for the summary."""
        self.say(text)
        self.summary.append(text)

    def client(self) -> Client:
        return Client(read_kubeconfig(self.home / "kubeconfig"))


def tidegate(demo: Demo, *words: str, show: bool = True) -> str:
    """Run a command of ours as a person would; what it printed. Raises `Failed`."""
    if show:
        demo.say(f"$ tidegate {' '.join(words)}")
    done = subprocess.run(_command(*words), env=_environment(demo), capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"tidegate {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tidegate.cli.main", *words]


def _environment(demo: Demo) -> dict[str, str]:
    return {**os.environ, "TIDEGATE_HOME": str(demo.home)}


# The steps, in their order


def prepare(demo: Demo) -> None:
    """Train the classifier; find the chat model that came with the dependencies."""
    for name in ("iris", "chat"):
        demo.say(f"$ python examples/{name}/prepare.py")
        with _progress(demo, f"preparing {name}"):
            done = subprocess.run(
                [sys.executable, str(EXAMPLES / name / "prepare.py")],
                capture_output=True,
                text=True,
            )
        if done.returncode:
            raise Failed(f"examples/{name}/prepare.py: {done.stderr.strip()}")


def start(demo: Demo) -> None:
    """An engine on free ports."""
    began = time.monotonic()
    tidegate(demo, "up", "--detach", "--port", "0", "--api-port", "0")
    demo.gateway = json.loads(tidegate(demo, "status", "-o", "json", show=False))["gateway"]["url"]
    demo.found(f"engine up in {time.monotonic() - began:.1f} s, gateway at {demo.gateway}")


def apply_at_zero(demo: Demo) -> None:
    """Both services, and then no pod of either."""
    for name in ("iris", "chat"):
        document = EXAMPLES / name / "build" / f"{name}.yaml"
        for line in tidegate(demo, "apply", "-f", str(document)).splitlines():
            demo.say(f"  {line}")
    for name in ("iris", "chat"):
        with _progress(demo, f"waiting for {name} to be accepted"):
            tidegate(demo, "wait", f"ksvc/{name}", "--for=condition=Ready", "--timeout=60s")
    _until(demo, "no pods", lambda: not pods(demo, "iris") and not pods(demo, "chat"), 90)
    demo.found("iris and chat are Ready with no process running")


def first_iris(demo: Demo) -> None:
    """A request that finds nothing running, and is answered all the same."""
    answer = json.loads(_first_request(demo, "iris", "/v1/models/iris:predict", FLOWERS))
    if answer != {"predictions": [1, 1]}:
        raise Failed(f"iris answered {answer}, not {{'predictions': [1, 1]}}")
    demo.say(f"iris answered {json.dumps(answer)}")


def first_chat(demo: Demo) -> None:
    """The same with a language model."""
    answer = _first_request(demo, "chat", "/v1/chat/completions", QUESTION)
    pieces = [
        json.loads(line.removeprefix("data: "))["choices"]
        for line in answer.splitlines()
        if line.startswith("data: {")
    ]
    text = "".join(one[0]["delta"].get("content") or "" for one in pieces if one)
    if not text.strip():
        raise Failed(f"chat answered nothing: {answer}")
    demo.say(f"chat answered {text.strip()!r}")


def scale_out(demo: Demo) -> None:
    """Load until there is more than one replica; a moment longer, to see them work."""
    words = ["load", "-z", "60s", "-c", str(CONNECTIONS), "-d", json.dumps(FLOWERS), "-o", "json"]
    words.append("iris/v1/models/iris:predict")
    demo.say(f"$ tidegate {shlex.join(words)}")
    load = subprocess.Popen(
        _command(*words), env=_environment(demo), stdout=subprocess.PIPE, text=True
    )
    began = time.monotonic()
    try:
        _until(demo, "more than one replica of iris", lambda: ready(demo, "iris") > 1, 50)
        demo.found(f"{CONNECTIONS} connections: scaled out after {time.monotonic() - began:.1f} s")
        most = 0
        for _ in range(5):
            most = max(most, ready(demo, "iris"))
            demo.say(f"  iris: {ready(demo, 'iris')} ready under load")
            time.sleep(1)
        load.terminate()  # ends the run; its report comes all the same
        report = json.loads(load.communicate(timeout=30)[0])
    finally:
        if load.poll() is None:
            load.kill()
            load.wait()
    statuses, errors = report["statuses"], report["errors"]
    if set(statuses) != {"200"} or errors:
        raise Failed(f"under load: statuses {statuses}, errors {errors}")
    half = {p["percent"]: p["latency_s"] * 1000 for p in report["percentiles"]}
    demo.found(
        f"{most} replicas served {statuses['200']} requests without an error: "
        f"{report['requests_per_s']:.0f}/s, p50 {half[50]:.1f} ms, p99 {half[99]:.1f} ms"
    )


def back_to_zero(demo: Demo) -> None:
    """Nobody asks; nothing runs."""
    began = time.monotonic()
    _until(demo, "no pods", lambda: not pods(demo, "iris") and not pods(demo, "chat"), 120)
    demo.found(f"back at zero {time.monotonic() - began:.1f} s after the load")


def stop(demo: Demo) -> None:
    """Everything ends."""
    tidegate(demo, "down")
    demo.found("engine stopped")


STEPS: tuple[tuple[str, Callable[[Demo], None]], ...] = (
    ("Preparing the models", prepare),
    ("Starting the engine", start),
    ("Applying two services", apply_at_zero),
    ("First request to iris, at zero", first_iris),
    ("First request to chat, at zero", first_chat),
    ("Load on iris", scale_out),
    ("After the load", back_to_zero),
    ("Stopping", stop),
)


# What the steps look at


def pods(demo: Demo, service: str) -> list[Any]:
    """The pods of a service, ending ones too."""
    query = {"labelSelector": f"serving.knative.dev/service={service}"}
    with demo.client() as client:
        found: list[Any] = client.get(path_of("v1", "pods", "default"), query)["items"]
    return found


def ready(demo: Demo, service: str) -> int:
    """How many pods of a service are ready."""
    conditions = [pod.get("status", {}).get("conditions", []) for pod in pods(demo, service)]
    return sum(
        any(c["type"] == "Ready" and c["status"] == "True" for c in ones) for ones in conditions
    )


def _until(demo: Demo, what: str, reached: Callable[[], bool], patience_s: float) -> None:
    """Wait, with a line at every change and every two seconds. Raises `Failed`."""
    deadline, told_at, told = time.monotonic() + patience_s, 0.0, ""
    while not reached():
        now, counts = time.monotonic(), _counts(demo)
        if now > deadline:
            raise Failed(f"waited {patience_s:g} s for {what}: {counts}")
        if counts != told or now - told_at >= 2:
            demo.say(f"  waiting for {what}: {counts}")
            told_at, told = now, counts
        time.sleep(0.2)


def _counts(demo: Demo) -> str:
    return ", ".join(
        f"{name} {ready(demo, name)}/{len(pods(demo, name))} ready" for name in ("iris", "chat")
    )


@contextmanager
def _progress(demo: Demo, what: str) -> Iterator[None]:
    """A line every two seconds while something takes its time."""
    import threading

    over = threading.Event()

    def tell() -> None:
        while not over.wait(2):
            demo.say(f"  {what} ...")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _first_request(demo: Demo, service: str, path: str, body: object) -> str:
    """Ask at zero; the answer's body. Tells where the time went. All times are of one monotonic clock: ours, and
    the one in which the pod's stages are written down."""
    host = f"{service}.default.localhost"
    place = urlsplit(demo.gateway)
    demo.say(f"$ curl -H 'Host: {host}' {demo.gateway}{path} -d '{json.dumps(body)}'")
    connection = HTTPConnection(place.hostname or "", place.port, timeout=90)
    with _progress(demo, f"{service} starts"):
        asked = time.monotonic()
        headers = {"Host": host, "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        first = response.read1(1)
        first_byte = time.monotonic()
        answer = (first + response.read()).decode(errors="replace")
    connection.close()
    if response.status != 200:
        raise Failed(f"{service} answered {response.status}: {answer}")
    _tell_stages(demo, service, asked, first_byte)
    return answer


def _tell_stages(demo: Demo, service: str, asked: float, first_byte: float) -> None:
    stages: dict[str, float] = {}
    for pod in pods(demo, service):
        stages = pod.get("status", {}).get("tidegate", {}).get("stages") or stages
    named = [
        ("request sent", asked),
        ("pod made and bound: gateway, wake, autoscaler, scheduler", stages.get("seen")),
        ("process spawned: volumes, environment, fork, exec", stages.get("spawned")),
        ("listening: the server's own start and its model's load", stages.get("listening")),
        ("ready: found by probing", stages.get("ready")),
        ("first byte: routed, answered, read", first_byte),
    ]
    before = asked
    for what, at in named[1:]:
        if at is not None:
            demo.say(f"  {(at - before) * 1000:8.1f} ms  {what}")
            before = at
    own = stages.get("listening", first_byte) - stages.get("spawned", asked)
    demo.found(
        f"{service} from zero: {first_byte - asked:.2f} s to the first byte, "
        f"{own:.2f} s of it the model server's own start"
    )


def main() -> int:
    """Run the steps; stop the engine whatever happens."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    home = Path(tempfile.mkdtemp(prefix="tg-demo-"))
    demo = Demo(home)
    failed = ""
    try:
        for title, step in STEPS:
            print(f"\n== {title}", flush=True)
            step(demo)
    except Failed as why:
        failed = str(why)
    except KeyboardInterrupt:
        failed = "interrupted"
    except Exception as why:  # noqa: BLE001 - whatever it was: say it, stop, exit with 1
        failed = f"{type(why).__name__}: {why}"
    finally:
        _clean_up(demo, keep=bool(failed) and failed != "interrupted")
    print("\n== Summary")
    for line in demo.summary:
        print(f"  {line}")
    if failed:
        print(f"\nFAILED: {failed}", file=sys.stderr)
        return 130 if failed == "interrupted" else 1
    print(f"\nAll {len(STEPS)} steps in {time.monotonic() - demo.started:.0f} s.")
    return 0


def _clean_up(demo: Demo, *, keep: bool) -> None:
    """Stop the engine if it still runs; keep the folder only where its logs tell what failed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave half an engine
    while _an_engine_runs(demo):
        try:
            tidegate(demo, "down", show=False)
        except Failed as why:
            print(f"could not stop the engine: {why}", file=sys.stderr)
            return
    if keep:
        print(f"logs: {demo.home / 'logs'}", file=sys.stderr)
    else:
        shutil.rmtree(demo.home, ignore_errors=True)


def _an_engine_runs(demo: Demo) -> bool:
    """Looks for a second where `up` was interrupted: its keeper may be just about to serve."""
    for _ in range(5 if not demo.gateway else 1):
        known = subprocess.run(_command("status"), env=_environment(demo), capture_output=True)
        if known.returncode == 0:
            return True
        time.sleep(0.2)
    return False


if __name__ == "__main__":
    sys.exit(main())
