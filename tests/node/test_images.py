import pytest

from tidegate.model.kserve_names import AGENT_IMAGE
from tidegate.node.errors import ImageNotRunnable
from tidegate.node.images import (
    Here,
    known_images,
    left_out,
    program_of,
    split_image,
    without_shell,
)

PY = "/venv/bin/python"
SKLEARN = (PY, "-m", "tidegate.runtimes.sklearnserver")
LLAMA = (PY, "-m", "tidegate.runtimes.llamaserver")


VLLM = (PY, "-m", "tidegate.runtimes.vllmserver")
TF = (PY, "-m", "tidegate.runtimes.tfserver")
QWEN = "python3 -m vllm.entrypoints.openai.api_server --port 8080 --quantization gptq --model /m"


def here(*installed):
    """A machine with one folder and these programs."""
    return Here(PY, lambda p: p == "/srv/app", lambda p: p in (PY, "./serve", *installed))


def argv(image, command=(), args=(), installed=()):
    return program_of(image, command, args, here(*installed)).argv


def in_shell(image, script, installed=(), shell="sh"):
    """What becomes of `sh -c SCRIPT`; None: the shell runs it."""
    program = program_of(image, (shell, "-c", script), (), here(*installed))
    return without_shell(program.argv, image, program.runtime, here(*installed))


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
        ("tidegate/batch", (PY, "-m", "tidegate.cli.main", "batch")),
        (AGENT_IMAGE, (PY, "-m", "tidegate.runtimes.agent")),
        ("ghcr.io/ggml-org/llama.cpp:server", LLAMA),
        ("ghcr.io/ggml-org/llama.cpp:server-cuda", LLAMA),
        ("registry.example.com/ai-sample/kserve-sklearn-server:v0.12.0", SKLEARN),
        ("vllm/vllm-openai:v0.6.0", VLLM),
        ("registry.example.com/kube-ai/vllm:0.4.1", VLLM),
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
    program = program_of("/srv/app", ("python", "main.py"), (), here())
    assert (program.argv, program.folder) == ((PY, "main.py"), "/srv/app")


@pytest.mark.parametrize(
    "image",
    [
        "nginx",
        "vllm",
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


@pytest.mark.parametrize("shell", ["sh", "/bin/sh", "bash"])
def test_one_plain_command_for_a_shell_is_that_command(shell):
    script = "python -m sklearnserver --model_dir=/models --http_port=8080"
    becomes = (*SKLEARN, "--model_dir=/models", "--http_port=8080")
    assert in_shell("ai-sample/kserve-sklearn-server", script, shell=shell) == becomes


@pytest.mark.parametrize(
    ("image", "script", "becomes"),
    [
        (
            "kube-ai/vllm:0.4.1",
            QWEN,
            (*VLLM, "--port", "8080", "--quantization", "gptq", "--model", "/m"),
        ),
        ("vllm/vllm-openai", "vllm serve /m --port 1", (*VLLM, "/m", "--port", "1")),
        ("tensorflow/serving:1.15.0-gpu", "/usr/bin/tensorflow_model_server --a", (*TF, "--a")),
        (
            "nvcr.io/nvidia/tritonserver:24.01-py3",
            "tritonserver --model-repository=/r",
            (PY, "-m", "tidegate.runtimes.tritonserver", "--model-repository=/r"),
        ),
        ("python", "python3 -u app.py", (PY, "-u", "app.py")),
    ],
)
def test_programs_are_known_by_their_spellings_in_a_script(image, script, becomes):
    assert in_shell(image, script) == becomes


@pytest.mark.parametrize(
    "script",
    ["./serve --x", "python app.py; ls", "cd /x && python app.py", "no-such-program --x", "exit 3"],
)
def test_a_script_that_needs_the_shell_or_names_no_program_stays_with_it(script):
    assert in_shell("python", script) is None


def test_an_installed_program_runs_itself():
    real = (PY, "-m", "vllm.entrypoints.openai.api_server")
    assert argv("vllm/vllm-openai", args=("--model", "/m"), installed=("vllm",)) == (
        *(*real, "--model", "/m"),
    )
    assert in_shell("kube-ai/vllm", QWEN, installed=("vllm",))[:3] == real
    tf = ("tensorflow_model_server",)
    command = ("/usr/bin/tensorflow_model_server", "--port=1")
    assert argv("tensorflow/serving", command, installed=tf) == (*tf, "--port=1")


def test_the_entry_point_of_tensorflow_serving_says_model_and_ports_by_itself():
    program = program_of("tensorflow/serving", (), ("--x=1",), here())
    assert program.argv == (
        *TF,
        "--port=8500",
        "--rest_api_port=8501",
        "--model_name=$(MODEL_NAME)",
        "--model_base_path=$(MODEL_BASE_PATH)/$(MODEL_NAME)",
        "--x=1",
    )
    assert program.env == {"MODEL_NAME": "model", "MODEL_BASE_PATH": "/models"}


def test_torchserve_runs_where_it_is_installed_and_is_refused_elsewhere():
    image = "pytorch/torchserve:0.9.0"
    assert argv(image, installed=("torchserve",)) == ("torchserve", "--start", "--foreground")
    with pytest.raises(ImageNotRunnable, match="torchserve is not installed"):
        argv(image)
    with pytest.raises(ImageNotRunnable, match="torchserve is not installed"):
        in_shell(image, "torchserve --start --model-store /m")


def test_what_a_stand_in_leaves_out_is_said():
    program = program_of("kube-ai/vllm", (), ("--kv_cache_dtype=fp8", "--port=1"), here())
    assert left_out(program.argv, program.runtime) == ("--kv-cache-dtype has no effect here",)
    real = program_of("kube-ai/vllm", (), ("--quantization=gptq",), here("vllm"))
    assert left_out(real.argv, real.runtime) == ()
    triton = program_of("nvidia/tritonserver", ("tritonserver",), (), here())
    assert left_out(triton.argv, triton.runtime) == ("Triton's metrics are not served",)
    other = program_of("nvidia/tritonserver", ("python", "-m", "x"), (), here())
    assert left_out(other.argv, other.runtime) == ()


def test_people_are_offered_images_that_they_would_write_themselves():
    offered = known_images()
    assert "kserve/sklearnserver" in offered
    assert "tidegate/kafka-source" not in offered
    assert "kserve/agent" not in offered
