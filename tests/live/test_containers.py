"""Container pods with a real podman: what every pod does, and what only a container can.

The image is busybox and a page, made here. Without a podman that runs it all of this is skipped.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tidegate.kit.home import Home
from tidegate.link.keeper import MARK
from tidegate.node.containers.command import HOME_LABEL
from tidegate.node.containers.program import ContainerProgram, base_env, find_program
from tidegate.node.containers.runtime import home_id, remove_containers
from tidegate.node.containers.strays import half_made, signal_marked
from tidegate.policy.config_containers import ContainersConfig
from tidegate.testing.engine import RunningEngine, running_engine, wait_until
from tidegate.testing.kubectl import KUBECTL, Kubectl
from tidegate.testing.oci_registry import oci_registry

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]
APPLETS = ("sh", "cat", "cp", "echo", "sleep", "true", "id", "httpd", "touch", "kill", "tar", "ls")
LOGIN = "reader:s3cret"


@dataclass
class Podman:
    """The program, and an image that it can run."""

    program: ContainerProgram
    image: str
    layout: Path

    def __call__(self, *args: str) -> str:
        return _podman(self.program, *args).stdout

    def containers(self, home: Path) -> list[str]:
        """Those of an engine, running or not."""
        label = f"label={HOME_LABEL}={home_id(Home(home))}"
        return self("ps", "--all", "--quiet", "--filter", label).split()


def _podman(program: ContainerProgram, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program.argv, *args], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox (Debian: busybox-static) is not installed")
    config = ContainersConfig(program="podman")
    env = base_env(os.environ)
    program = asyncio.run(find_program(config, lambda n, p: shutil.which(n, path=p), env))
    if not isinstance(program, ContainerProgram):
        pytest.skip(program.why)
    folder = tmp_path_factory.mktemp("image")
    image = f"localhost/tidegate-test/{uuid4().hex[:12]}:1"
    _make_image(program, Path(busybox), folder, image)
    trial = ("run", "--rm", "--network", "host", *program.run_argv, image, "true")
    tried = _podman(program, *trial)
    try:
        if tried.returncode != 0:
            pytest.skip(f"podman can't run a container here: {tried.stderr.strip()[-200:]}")
        layout = folder / "layout"
        _podman(program, "save", "--format", "oci-dir", "--output", str(layout), image)
        yield Podman(program, image, layout)
    finally:
        _podman(program, "rmi", "--force", image)


def _make_image(program: ContainerProgram, busybox: Path, folder: Path, image: str) -> None:
    root = folder / "root"
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "www"):
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin" / "busybox")
    for name in APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    (root / "www" / "index.html").write_text("served from an image\n")
    tar = folder / "root.tar"
    subprocess.run(["tar", "-C", root, "-cf", tar, "."], check=True, timeout=60)
    changes = ('ENTRYPOINT ["/bin/sh", "-c"]', 'CMD ["echo by itself"]', "ENV BAKED=in")
    flags = [word for change in changes for word in ("--change", change)]
    done = _podman(program, "import", *flags, str(tar), image)
    assert done.returncode == 0, done.stderr


class PodKubectl(Kubectl):
    def status(self, pod: str, container: str = "main") -> dict[str, Any]:
        found = json.loads(self("get", "pod", pod, "-o", "json"))
        known = found.get("status", {}).get("containerStatuses", [])
        return next((c for c in known if c["name"] == container), {"state": {}})

    def ended(self, pod: str) -> dict[str, Any]:
        """How the last run of the pod's main container ended; waits for it."""
        found: dict[str, Any] = {}

        def has_ended() -> bool:
            status = self.status(pod)
            both = (
                status["state"].get("terminated"),
                status.get("lastState", {}).get("terminated"),
            )
            found.update(next((one for one in both if one), {}))
            return bool(found)

        wait_until(f"{pod} has ended", has_ended, within_s=60)
        return found

    def waits(self, pod: str, reason: str) -> str:
        """The message with which the pod's main container waits for that reason."""

        def waiting() -> dict[str, Any]:
            return self.status(pod)["state"].get("waiting", {})

        wait_until(f"{pod}: {reason}", lambda: waiting().get("reason") == reason, within_s=60)
        return str(waiting().get("message"))

    def messages(self, pod: str, reason: str) -> str:
        selector = f"--field-selector=involvedObject.name={pod},reason={reason}"
        return self("get", "events", selector, "-o", "jsonpath={.items[*].message}")


def document(name: str, image: str, container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    main = {"name": "main", "image": image, **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 3, "containers": [main], **spec},
    }


#: Ends when it is asked to: as PID 1 a bare `sleep` would not.
WAITS = 'trap "exit 0" TERM; while :; do sleep 0.2; done'


def shell(script: str, *args: str) -> dict[str, Any]:
    return {"command": ["sh", "-c", script, *args]}


def contract(kind: str, image: str) -> list[dict[str, Any]]:
    """The same pods for processes and containers."""
    mounts = [{"name": "d", "mountPath": "/data"}]
    life = {
        **shell(
            'echo up $TOKEN; trap "echo bye; sleep 1; exit 3" TERM; while :; do sleep 0.1; done'
        ),
        "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}],
        "readinessProbe": {"exec": {"command": ["cat", "/data/g"]}, "periodSeconds": 1},
        "lifecycle": {"postStart": {"exec": {"command": ["cp", "/data/f", "/data/g"]}}},
        "volumeMounts": mounts,
    }
    first = {"name": "first", "image": image, "volumeMounts": mounts}
    first |= shell("echo from-init > $0/f", "/data")
    tick = {"name": "tick", "image": image, **shell(f"echo tick; {WAITS}")}
    whole = document(f"life-{kind}", image, life, initContainers=[first])
    whole["spec"]["containers"].append(tick)
    whole["spec"]["volumes"] = [{"name": "d", "emptyDir": {}}]
    once = shell('echo words > "$0"; exit 4', "/dev/termination-log")
    return [
        whole,
        document(f"once-{kind}", image, once, restartPolicy="Never"),
        document(f"crash-{kind}", image, shell("exit 7")),
    ]


@pytest.fixture(scope="module")
def engine(podman: Podman) -> Iterator[RunningEngine]:
    with running_engine() as engine:
        yield engine
        home = engine.home
        engine.cli("down")
        assert podman.containers(home) == []


@pytest.fixture(scope="module")
def kubectl(engine: RunningEngine, podman: Podman) -> PodKubectl:
    """All pods of the contract, under way."""
    kubectl = PodKubectl(engine)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    items = [secret | {"stringData": {"token": "hush"}}]
    items += contract("process", "python:3") + contract("container", podman.image)
    apply(kubectl, *items)
    return kubectl


def apply(kubectl: PodKubectl, *items: dict[str, Any]) -> None:
    whole = {"apiVersion": "v1", "kind": "List", "items": list(items)}
    kubectl("apply", "-f", "-", given=json.dumps(whole))


def ready(kubectl: PodKubectl, pod: str) -> None:
    kubectl("wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=80s")


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_what_a_container_runs_is_found_by_its_mark_and_stopped():
    env = {**os.environ, MARK: f"{uuid4()}/main/0"}
    with subprocess.Popen(["sleep", "100"], env=env, start_new_session=True) as marked:
        try:
            wait_until("it sleeps", lambda: state_of(marked.pid) == "S")
            signal_marked(env[MARK], signal.SIGSTOP)
            wait_until("it is stopped", lambda: state_of(marked.pid) == "T")
            signal_marked(env[MARK], signal.SIGCONT)
            wait_until("it goes on", lambda: state_of(marked.pid) == "S")
        finally:
            marked.kill()


#: An OCI runtime that is slow to say that it has made a container.
SLOW_RUNTIME = """#!/bin/sh
{runtime} "$@"
code=$?
case " $* " in *" create "*) touch {made}; sleep 60;; esac
exit $code
"""


def test_a_start_that_is_killed_before_podman_knows_of_it_leaves_nothing(podman, tmp_path):
    runtime = _podman(podman.program, "info", "--format", "{{.Host.OCIRuntime.Path}}")
    made, slow, name = tmp_path / "made", tmp_path / "slow", f"half-{uuid4()}"
    slow.write_text(SLOW_RUNTIME.format(runtime=runtime.stdout.strip(), made=made))
    slow.chmod(0o755)
    program = replace(podman.program, argv=(*podman.program.argv, "--runtime", str(slow)))
    line = ("run", "--network", "host", *program.run_argv, "--name", name, podman.image, "sleep 9")
    with subprocess.Popen([*program.argv, *line], start_new_session=True) as client:
        wait_until("the runtime has made it", made.exists)
        os.killpg(client.pid, signal.SIGKILL)
    (left,) = half_made([name])
    asyncio.run(remove_containers(program, base_env(os.environ), [name]))
    wait_until("its monitor has gone", lambda: not half_made([name]))
    assert left.id not in _podman(program, "ps", "--all", "--no-trunc").stdout
    state = subprocess.run([left.runtime, "state", left.id], capture_output=True, check=False)
    assert state.returncode != 0


KINDS = pytest.mark.parametrize("kind", ["process", "container"])


@KINDS
def test_init_hooks_probes_secrets_and_logs_are_the_same(kubectl, kind):
    pod = f"life-{kind}"
    ready(kubectl, pod)
    assert kubectl("logs", pod, "-c", "main") == "up hush\n"
    assert kubectl("logs", pod, "-c", "tick") == "tick\n"
    shown = kubectl("exec", pod, "-c", "main", "--", "cat", "/data/f", "/data/g")
    assert shown == "from-init\n" * 2


@KINDS
def test_commands_beside_it_have_streams_and_exit_codes(kubectl, kind):
    pod = f"life-{kind}"
    ready(kubectl, pod)
    assert kubectl("exec", "-i", pod, "-c", "main", "--", "cat", given="in\n") == "in\n"
    code, _, err = kubectl.run("exec", pod, "-c", "main", "--", "sh", "-c", "echo oops >&2; exit 5")
    assert code == 5
    assert "oops" in err


@KINDS
def test_the_end_of_a_run_is_told_with_code_and_message(kubectl, kind):
    ended = kubectl.ended(f"once-{kind}")
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (4, "Error", "words\n")


@KINDS
def test_a_crash_loop_backs_off(kubectl, kind):
    assert kubectl.ended(f"crash-{kind}")["exitCode"] == 7
    assert "back-off" in kubectl.waits(f"crash-{kind}", "CrashLoopBackOff")


def test_pods_outlive_the_control_plane_and_the_keeper(kubectl, engine):
    pods = ("life-process", "life-container")
    for pod in pods:
        ready(kubectl, pod)
    before = [kubectl.status(pod)["containerID"] for pod in pods]
    for part in ("control_plane", "keeper"):
        pid = engine.refresh()[part]["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until(f"another {part}", _another(engine, part, pid), within_s=60)
    wait_until("the API answers", lambda: kubectl.run("get", "pods")[0] == 0, within_s=60)
    for pod in pods:
        ready(kubectl, pod)
        still = ("exec", pod, "-c", "tick", "--", "echo", "still")
        wait_until(
            "it is adopted", lambda s=still: kubectl.run(*s)[:2] == (0, "still\n"), within_s=60
        )
    assert [kubectl.status(pod)["containerID"] for pod in pods] == before


def _another(engine: RunningEngine, part: str, old: int) -> Callable[[], bool]:
    def there() -> bool:
        out = engine.cli("status", "-o", "json", check=False)
        try:
            return json.loads(out)[part]["pid"] not in (None, old)
        except (ValueError, KeyError, TypeError):
            return False

    return there


@KINDS
def test_it_is_asked_to_stop_before_it_is_ended(kubectl, engine, kind):
    pod = f"life-{kind}"
    ready(kubectl, pod)
    config = engine.home / "kubeconfig"
    line = [str(KUBECTL), f"--kubeconfig={config}", "logs", "-f", pod, "-c", "main"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "up hush\n"
        kubectl("delete", "pod", pod, "--timeout=60s")
        assert follower.stdout.read().endswith("bye\n")


def test_a_container_that_is_killed_behind_our_back_is_started_again(kubectl, podman):
    apply(kubectl, document("killed", podman.image, shell(WAITS)))
    ready(kubectl, "killed")
    uid = json.loads(kubectl("get", "pod", "killed", "-o", "json"))["metadata"]["uid"]
    podman("kill", f"tidegate.{uid}.main.0")
    assert kubectl.ended("killed")["exitCode"] == 137
    ready(kubectl, "killed")
    assert kubectl.status("killed")["restartCount"] == 1
    kubectl("delete", "pod", "killed", "--grace-period=1", "--timeout=60s")


def test_what_is_asked_of_a_container_is_enforced(kubectl, podman):
    limits = {"resources": {"limits": {"memory": "16Mi"}}}
    asked = {
        **shell("id -u; touch /x || echo no-root; touch /conf/y || echo no-conf; echo $BAKED"),
        "volumeMounts": [{"name": "c", "mountPath": "/conf"}],
        "securityContext": {"runAsUser": 1234, "readOnlyRootFilesystem": True},
    }
    secret = [{"name": "c", "secret": {"secretName": "s"}}]
    never = {"restartPolicy": "Never"}
    root = {"securityContext": {"runAsNonRoot": True}}
    grows = shell("x=a; while :; do x=$x$x; done")
    apply(
        kubectl,
        document("hungry", podman.image, {**grows, **limits}, **never),
        document("bound", podman.image, asked, volumes=secret, **never),
        document("rooted", podman.image, {**shell("true"), **root}),
        document("absent", podman.image, {"command": ["/bin/nothing"]}, **never),
        document("plain", podman.image, {}, **never),
    )
    assert kubectl.ended("hungry")["reason"] == "OOMKilled"
    assert kubectl.ended("bound")["exitCode"] == 0
    said = [line for line in kubectl("logs", "bound").splitlines() if "touch:" not in line]
    assert said == ["1234", "no-root", "no-conf", "in"]
    assert "runAsNonRoot and image will run as root" in kubectl.waits(
        "rooted", "CreateContainerConfigError"
    )
    absent = kubectl.ended("absent")
    assert (absent["exitCode"], absent["reason"]) == (128, "StartError")
    assert "/bin/nothing" in absent["message"]
    assert kubectl.ended("plain")["exitCode"] == 0
    assert kubectl("logs", "plain") == "by itself\n"


def test_a_knative_service_of_an_image_starts_from_zero(engine, podman, kubectl):
    container = {
        "image": podman.image,
        "command": ["httpd", "-f", "-h", "/www", "-p", "127.0.0.1:8080"],
        "ports": [{"containerPort": 8080}],
    }
    service = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "boxed"},
        "spec": {
            "template": {
                "metadata": {"annotations": {"autoscaling.knative.dev/initial-scale": "0"}},
                "spec": {"containers": [container]},
            }
        },
    }
    config = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"allow-zero-initial-scale": "true"}}
    config["metadata"] = {"name": "config-autoscaler", "namespace": "knative-serving"}
    apply(kubectl, config)
    apply(kubectl, service)
    kubectl("wait", "--for=condition=Ready", "ksvc/boxed", "--timeout=60s")
    assert engine.ready_pods("boxed") == []
    assert engine.ask("boxed", "/", timeout_s=60) == (200, b"served from an image\n")


def test_replicas_that_insist_on_their_port_have_networks_of_their_own(engine, podman, kubectl):
    tried = ("run", "--rm", *podman.program.run_argv, "--publish", "127.0.0.1::80", podman.image)
    if _podman(podman.program, *tried, "true").returncode != 0:
        pytest.skip("podman can't publish ports here")
    container = {
        "image": podman.image,
        "command": ["httpd", "-f", "-h", "/www", "-p", "8099"],
        "ports": [{"containerPort": 8099}],
    }
    notes = {"autoscaling.knative.dev/min-scale": "2", "tidegate.dev/network": "private"}
    template = {"metadata": {"annotations": notes}, "spec": {"containers": [container]}}
    service = {"apiVersion": "serving.knative.dev/v1", "kind": "Service"}
    service |= {"metadata": {"name": "twins"}, "spec": {"template": template}}
    apply(kubectl, service)
    wait_until("both are ready", lambda: len(engine.ready_pods("twins")) == 2, within_s=80)
    for _ in range(4):
        assert engine.ask("twins", "/") == (200, b"served from an image\n")
    kubectl("delete", "ksvc", "twins")


def test_images_are_pulled_once_with_the_secret_and_ahead_of_pods(kubectl, podman):
    with oci_registry(podman.layout, login=LOGIN) as registry:
        one, ahead = f"{registry.host}/x/one:1", f"{registry.host}/x/ahead:1"
        auth = base64.b64encode(LOGIN.encode()).decode()
        login = json.dumps({"auths": {registry.host: {"auth": auth}}})
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}}
        secret |= {
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": login},
        }
        config = {"apiVersion": "v1", "kind": "ConfigMap", "data": {}}
        config["metadata"] = {"name": "config-containers", "namespace": "tidegate-system"}
        config["data"] = {"insecure-registries": registry.host}
        cache = {"apiVersion": "eci.alibabacloud.com/v1", "kind": "ImageCache"}
        cache["metadata"] = {"name": "ahead"}
        cache["spec"] = {"images": [ahead], "imagePullSecrets": ["default:login"]}
        sleeps, secrets = shell(WAITS), {"imagePullSecrets": [{"name": "login"}]}
        try:
            apply(kubectl, config, secret)
            apply(kubectl, document("stranger", one, sleeps))
            assert "unauthorized" in kubectl.waits("stranger", "ImagePullBackOff").lower()
            apply(kubectl, *(document(f"asks-{n}", one, sleeps, **secrets) for n in range(4)))
            for n in range(4):
                ready(kubectl, f"asks-{n}")
            pulls = registry.gets["manifests"]
            told = [kubectl.messages(f"asks-{n}", "Pulled") for n in range(4)]
            assert any("Successfully pulled" in message for message in told)

            apply(kubectl, cache)
            kubectl("wait", "--for=condition=Ready", "ic/ahead", "--timeout=60s")
            fetched = registry.gets["manifests"]
            apply(kubectl, document("later", ahead, sleeps))
            ready(kubectl, "later")
            assert "already present on machine" in kubectl.messages("later", "Pulled")
            assert (pulls, fetched, registry.gets["manifests"]) == (1, 2, 2)

            names = ["stranger", "later", *(f"asks-{n}" for n in range(4))]
            kubectl("delete", "pod", *names, "--grace-period=1", "--timeout=60s")
            kubectl("delete", "ic", "ahead")
            wait_until("its image is gone", lambda: not podman("images", "-q", ahead).strip())
        finally:
            podman("rmi", "--force", one)
            podman("rmi", "--force", ahead)


SEED = """
apiVersion: eci.alibabacloud.com/v1
kind: ImageCache
metadata:
  name: imagecache-ai-model
  annotations:
    k8s.aliyun.com/eci-image-cache: "true"
spec:
  images:
  - example.com/sd-backend:1.0
  imageCacheSize:
    25
  retentionDays:
    7
"""


def test_the_published_image_cache_is_ready_and_its_image_starts_without_a_pull(kubectl, podman):
    image = "example.com/sd-backend:1.0"
    podman("tag", podman.image, image)
    try:
        kubectl("apply", "-f", "-", given=SEED)
        kubectl("wait", "--for=condition=Ready", "ic/imagecache-ai-model", "--timeout=60s")
        name, age, id_, phase, progress = kubectl("get", "ic", "--no-headers").split()
        assert (name, phase, progress) == ("imagecache-ai-model", "Ready", "100%")
        assert id_.startswith("imc-")
        assert age
        apply(kubectl, document("backend", image, {}, restartPolicy="Never"))
        assert kubectl.ended("backend")["exitCode"] == 0
        assert "already present on machine" in kubectl.messages("backend", "Pulled")
    finally:
        kubectl.run("delete", "ic", "imagecache-ai-model")
        podman("untag", image, image)


def test_without_a_program_the_pod_says_why_and_what_to_do(kubectl, podman):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"program": "none"}}
    config["metadata"] = {"name": "config-containers", "namespace": "tidegate-system"}
    apply(kubectl, config)
    apply(kubectl, document("unrun", podman.image, {}))
    why = kubectl.waits("unrun", "ImageNotRunnable")
    assert "Three ways out" in why
    assert "says program: none" in why
    kubectl("delete", "configmap", "config-containers", "-n", "tidegate-system")
    ready_or_ended = kubectl.ended("unrun")
    assert ready_or_ended["exitCode"] == 0


@pytest.fixture
def docker_host(podman: Podman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Podman as docker's client sees a daemon: the same API, on a socket of its own."""
    if shutil.which("docker") is None:
        pytest.skip("docker's client is not installed")
    path = tmp_path / "docker.sock"
    line = [*podman.program.argv, "system", "service", "--time=0", f"unix://{path}"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as service:
        try:
            wait_until("the service listens", path.exists)
            monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
            yield
        finally:
            service.terminate()


def test_dockers_client_runs_them_as_well(podman, docker_host):
    with running_engine() as engine:
        kubectl = PodKubectl(engine)
        config = {"apiVersion": "v1", "kind": "ConfigMap"}
        config["metadata"] = {"name": "config-containers", "namespace": "tidegate-system"}
        config["data"] = {"program": "docker", "run-arguments": " ".join(podman.program.run_argv)}
        whole, once, _ = contract("docker", podman.image)
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
        apply(kubectl, config, secret | {"stringData": {"token": "hush"}}, whole, once)
        ready(kubectl, "life-docker")
        assert kubectl.status("life-docker")["containerID"].startswith("docker://")
        assert kubectl("logs", "life-docker", "-c", "main") == "up hush\n"
        said = kubectl("exec", "-i", "life-docker", "-c", "main", "--", "cat", given="in\n")
        assert said == "in\n"
        assert kubectl.ended("once-docker")["exitCode"] == 4
        engine.cli("down")
        assert podman.containers(engine.home) == []
