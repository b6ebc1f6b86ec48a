import pytest

from tidegate.node.errors import ImageNotRunnable
from tidegate.node.images import program_of, split_image

PY = "/venv/bin/python"
SKLEARN = (PY, "-m", "tidegate.runtimes.sklearnserver")
LLAMA = (PY, "-m", "tidegate.runtimes.llamaserver")


def argv(image, command=(), args=()):
    program = program_of(image, command, args, python=PY, is_folder=lambda p: p == "/srv/app")
    return program.argv


@pytest.mark.parametrize(
    ("image", "path", "tag"),
    [
        ("python", "library/python", "latest"),
        ("python:3.11-slim", "library/python", "3.11-slim"),
        ("docker.io/library/python:3.11", "library/python", "3.11"),
        ("localhost:5000/kserve/sklearnserver@sha256:ab", "kserve/sklearnserver", "latest"),
        ("ghcr.io/ggml-org/llama.cpp:server", "ggml-org/llama.cpp", "server"),
    ],
)
def test_an_image_name_has_a_path_and_a_tag(image, path, tag):
    assert split_image(image) == (path, tag)


@pytest.mark.parametrize(
    ("image", "becomes"),
    [
        ("kserve/sklearnserver", SKLEARN),
        ("kserve/sklearnserver:v0.15.0", SKLEARN),
        ("docker.io/kserve/sklearnserver:v0.15.0", SKLEARN),
        ("registry.example.com:5000/mirror/kserve/sklearnserver", SKLEARN),
        ("tidegate/sklearnserver", SKLEARN),
        ("tidegate/onnxserver", (PY, "-m", "tidegate.runtimes.onnxserver")),
        ("ghcr.io/ggml-org/llama.cpp:server", LLAMA),
        ("ghcr.io/ggml-org/llama.cpp:server-cuda", LLAMA),
    ],
)
def test_a_known_image_is_a_runtime_of_this_machine(image, becomes):
    assert argv(image, args=("--port", "1")) == (*becomes, "--port", "1")


@pytest.mark.parametrize(
    ("command", "becomes"),
    [
        (("python", "app.py"), (PY, "app.py")),
        (("python3", "app.py"), (PY, "app.py")),
        (("/usr/local/bin/python3.11", "app.py"), (PY, "app.py")),
        (("gunicorn", "app"), ("gunicorn", "app")),
        (("python2", "app.py"), ("python2", "app.py")),
    ],
)
def test_a_python_image_runs_its_command_with_this_machines_python(command, becomes):
    assert argv("docker.io/library/python:3.11-slim", command) == becomes
    assert argv("python", args=command) == becomes


def test_command_replaces_the_entry_point_and_its_own_spelling_is_known():
    assert argv("kserve/sklearnserver", ("python", "-m", "sklearnserver"), ("--x",)) == (
        *SKLEARN,
        "--x",
    )
    assert argv("ghcr.io/ggml-org/llama.cpp:server", ("/app/llama-server",)) == LLAMA
    assert argv("kserve/sklearnserver", ("sh", "-c", "true")) == ("sh", "-c", "true")


def test_a_folder_runs_its_command_inside():
    program = program_of(
        "/srv/app", ("python", "main.py"), (), python=PY, is_folder=lambda p: p == "/srv/app"
    )
    assert (program.argv, program.folder) == ((PY, "main.py"), "/srv/app")


@pytest.mark.parametrize(
    "image",
    [
        "nginx",
        "vllm/vllm-openai:latest",
        "acme/python",
        "ghcr.io/ggml-org/llama.cpp:full",
        "sklearnserver",
        "/srv/missing",
        "/srv/app",
        "",
    ],
)
def test_anything_else_says_the_three_ways_out(image):
    with pytest.raises(ImageNotRunnable, match=r"Three ways out: name a runtime.*folder.*podman"):
        argv(image)
