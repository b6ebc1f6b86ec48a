"""The commands against a real engine, as a person or a script would use them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

APP = """\
import os, http.server
class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = (os.environ.get("WORD", "hello") + "\\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
print("app starts", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Hello).serve_forever()
"""


class Engine:
    """A home and the commands on it."""

    def __init__(self, home):
        self.home = home

    def run(self, *words, cwd=None, stdin=""):
        return subprocess.run(
            [sys.executable, "-m", "tidegate.cli.main", *map(str, words)],
            env={**os.environ, "TIDEGATE_HOME": str(self.home), "NO_COLOR": "1"},
            cwd=cwd, input=stdin, capture_output=True, text=True, timeout=100,
        )  # fmt: skip

    def ok(self, *words, **more):
        done = self.run(*words, **more)
        assert done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
        return done.stdout

    def json(self, *words):
        return json.loads(self.ok(*words, "-o", "json"))


@pytest.fixture(scope="module")
def engine():
    home = Path(tempfile.mkdtemp(prefix="tg-cli-"))
    found = Engine(home)
    try:
        found.ok("up", "--detach", "--port", "0", "--api-port", "0")
        yield found
    finally:
        found.ok("down")
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def hello(engine, tmp_path_factory):
    """A service made by `run`, ready; its folder."""
    folder = tmp_path_factory.mktemp("hello")
    (folder / "app.py").write_text(APP)
    out = engine.ok(
        "run", "--name", "hello", "--env", "WORD=hi", "--", "python", "app.py", cwd=folder
    )
    assert out.startswith("apiVersion: serving.knative.dev/v1\n")
    assert out.endswith("# service.serving.knative.dev/hello created\n")
    said = engine.ok("wait", "ksvc/hello", "--for=condition=Ready", "--timeout=60s")
    assert said == "service.serving.knative.dev/hello condition met\n"
    return folder


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_status_names_processes_that_are_alive_and_addresses_that_answer(engine):
    found = engine.json("status")
    assert all(alive(found[part]["pid"]) for part in ("keeper", "control_plane", "gateway"))
    assert found["data_dir"] == str(engine.home)
    assert Path(found["kubeconfig"]).exists()
    assert engine.ok("kubeconfig").strip() == found["kubeconfig"]
    assert found["api"]["url"].startswith("https://127.0.0.1:")
    with pytest.raises(urllib.request.HTTPError, match="404"):
        urllib.request.urlopen(found["gateway"]["url"] + "/", timeout=5)


def test_up_on_a_running_engine_changes_nothing_and_applies_what_it_is_given(engine, tmp_path):
    before = engine.json("status")
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-up}\n")
    out = engine.ok("up", "-f", tmp_path / "a.yaml")
    assert f"already running (keeper pid {before['keeper']['pid']})" in out
    assert "configmap/from-up created" in out
    assert engine.json("status") == before


def test_url_prints_an_address_that_works_as_it_is_and_a_curl_line_that_works(engine, hello):
    address, curl = engine.ok("url", "hello").splitlines()
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert answer.read() == b"hi\n"
    done = subprocess.run(["bash", "-c", f"{curl} -s"], capture_output=True, text=True, timeout=30)
    assert done.stdout == "hi\n"


def test_load_by_service_name_is_answered(engine, hello):
    report = engine.json("load", "-n", "20", "-c", "2", "hello/")
    assert (report["statuses"], report["errors"]) == ({"200": 20}, {})


def test_logs_by_service_and_by_pod(engine, hello):
    engine.ok("load", "-n", "1", "-c", "1", "hello/")  # there is a pod now
    assert "app starts\n" in engine.ok("logs", "ksvc/hello")
    (pod,) = engine.ok(
        "get", "pods", "-l", "serving.knative.dev/service=hello", "-o", "name"
    ).split()
    assert engine.ok("logs", "--tail", "1", pod).strip() != ""


def test_get_speaks_tables_names_yaml_and_json(engine, hello):
    header, row = engine.ok("get", "ksvc", "hello").splitlines()
    assert header.split()[:2] == ["NAME", "URL"]
    assert row.split()[:2] == ["hello", "http://hello.default.localhost"]
    assert engine.ok("get", "ksvc/hello", "-o", "name") == "service.serving.knative.dev/hello\n"
    assert engine.json("get", "ksvc", "hello")["metadata"]["name"] == "hello"
    assert "  name: hello\n" in engine.ok("get", "kservice", "hello", "-o", "yaml")
    assert "NAMESPACE" in engine.ok("get", "ksvc", "-A").splitlines()[0]


def test_what_get_prints_as_yaml_can_be_applied(engine, hello):
    text = engine.ok("get", "ksvc", "hello", "-o", "yaml")
    said = engine.ok("apply", "--dry-run", "-f", "-", stdin=text)
    assert said.startswith("service.serving.knative.dev/hello ")


def test_describe_tells_what_was_rewritten_for_this_machine(engine, hello):
    engine.ok("load", "-n", "1", "-c", "1", "hello/")
    said = engine.ok("describe", "pods", "-l", "serving.knative.dev/service=hello")
    for heading in ("Local ports:", "Rewritten for this machine:", "Conditions:", "Events:"):
        assert heading in said


def test_get_watch_prints_what_changes(engine, tmp_path):
    watch = subprocess.Popen(
        [sys.executable, "-u", "-m", "tidegate.cli.main", "get", "cm", "-w"],
        env={**os.environ, "TIDEGATE_HOME": str(engine.home)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert watch.stdout.readline().startswith("NAME")
        document = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: watched}\n"
        engine.ok("apply", "-f", "-", stdin=document)
        while not watch.stdout.readline().startswith("watched "):
            pass  # those that were there before; the test's time limit bounds this
        watch.send_signal(signal.SIGINT)
        assert watch.wait(timeout=20) == 130
    finally:
        watch.kill()
        watch.wait()
        watch.stdout.close()


BAD = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: good}
data: {a: "1", b: "2"}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: bad}
spec:
  template:
    spec:
      containers:
      - image: python
        imagge: x
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: worse}
spec:
  template:
    spec:
      containers:
      - image: python
        ports:
        - containerPort: xxx
---
apiVersion: apps/v1
kind: Deploymnt
metadata: {name: d}
---
data: {a: "1" // no
"""


def test_a_bad_document_does_not_stop_the_others_and_each_is_told_with_its_line(engine, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    done = engine.run("apply", "-f", file)
    assert (done.returncode, done.stdout) == (1, "configmap/good created\n")
    unknown, wrong, kind, syntax = done.stderr.splitlines()
    assert unknown.startswith(f"tidegate: {file}:14: document 2, Service/bad: ")
    assert "spec.template.spec.containers[0].imagge" in unknown
    assert wrong.startswith(f"tidegate: {file}:25: document 3, Service/worse: ")
    assert "spec.template.spec.containers[0].ports[0].containerPort" in wrong
    assert "did you mean Deployment (apps/v1)?" in kind
    assert syntax.startswith(f"tidegate: {file}:31:15: not YAML: ")


def test_a_field_that_the_document_dropped_is_removed_and_a_third_apply_changes_nothing(engine):
    document = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fields}\ndata: {a: '1'%s}\n"
    said = [
        engine.ok("apply", "-f", "-", stdin=document % more).strip()
        for more in (", b: '2'", "", "")
    ]
    assert said == [f"configmap/fields {what}" for what in ("created", "configured", "unchanged")]
    assert engine.json("get", "cm", "fields")["data"] == {"a": "1"}


def test_delete_waits_until_the_object_is_gone(engine, hello, tmp_path):
    (tmp_path / "app.py").write_text(APP)
    engine.ok("run", "--name", "brief", "--min-scale", "1", "--", "python", "app.py", cwd=tmp_path)
    engine.ok("wait", "ksvc/brief", "--for=condition=Ready", "--timeout=60s")
    assert engine.ok("delete", "ksvc", "brief") == "service.serving.knative.dev/brief deleted\n"
    done = engine.run("get", "ksvc", "brief")
    assert (done.returncode, done.stderr) == (
        1,
        'tidegate: services.serving.knative.dev "brief" not found\n',
    )
    engine.ok("wait", "ksvc/brief", "--for=delete")


def test_a_taken_port_is_named_with_the_way_out(engine):
    port = engine.json("status")["gateway"]["url"].rpartition(":")[2]
    other = Engine(Path(tempfile.mkdtemp(prefix="tg-cli-")))
    try:
        for words in (["up", "--port", port, "--api-port", "0"], ["up", "--detach", "--port", port, "--api-port", "0"]):  # fmt: skip
            done = other.run(*words)
            assert done.returncode == 1
            assert port in done.stderr
            assert "Traceback" not in done.stderr
    finally:
        other.run("down")
        shutil.rmtree(other.home)


def test_up_in_the_foreground_becomes_the_keeper_and_ctrl_c_ends_everything(tmp_path):
    home = Path(tempfile.mkdtemp(prefix="tg-cli-"))
    document = tmp_path / "a.yaml"
    document.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "tidegate.cli.main", "up", "--port", "0", "--api-port", "0", "-f", str(document)],
        env={**os.environ, "TIDEGATE_HOME": str(home)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        said = [process.stdout.readline() for _ in range(4)]
        assert said[0].startswith("gateway     http://127.0.0.1:")
        assert said[3] == "configmap/a created\n"
        found = Engine(home).json("status")
        assert found["keeper"]["pid"] == process.pid
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        deadline = time.monotonic() + 5
        while any(alive(found[part]["pid"]) for part in ("control_plane", "gateway")):
            assert time.monotonic() < deadline
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        Engine(home).run("down")
        shutil.rmtree(home)
