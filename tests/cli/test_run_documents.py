"""The documents that `tidegate run` writes."""

from pathlib import PurePosixPath

import pytest

from tidegate.cli.errors import Usage
from tidegate.cli.run_documents import Wanted, command_service, model_service, service_name
from tidegate.model import serving
from tidegate.model.wire import read


def container_of(document):
    (container,) = document["spec"]["template"]["spec"]["containers"]
    return container


def strictly_read(document):
    body = {key: value for key, value in document.items() if key not in ("apiVersion", "kind")}
    value, reading = read(body, serving.Service)
    assert reading.unknown == ()
    return value


@pytest.mark.parametrize(
    ("file", "image", "args"),
    [
        (
            "iris.joblib",
            "kserve/sklearnserver:v0.15.0",
            ["--model_name=iris", "--model_dir=/mnt/models", "--http_port=8080"],
        ),
        (
            "iris.PKL",
            "kserve/sklearnserver:v0.15.0",
            ["--model_name=iris", "--model_dir=/mnt/models", "--http_port=8080"],
        ),
        (
            "iris.onnx",
            "tidegate/onnxserver",
            ["--model_name=iris", "--model_dir=/mnt/models", "--http_port=8080"],
        ),
        (
            "Smol-135M.Q4.gguf",
            "ghcr.io/ggml-org/llama.cpp:server",
            [
                "-m",
                "/mnt/models/Smol-135M.Q4.gguf",
                "--host",
                "0.0.0.0",
                "--port",
                "8080",
                "--alias",
                "smol-135m-q4",
            ],
        ),
    ],
)
def test_a_model_file_is_served_by_the_runtime_of_its_suffix(file, image, args):
    document = model_service(PurePosixPath("/models/here") / file, Wanted())
    container = container_of(document)
    assert (container["image"], container["args"]) == (image, args)
    assert document["spec"]["template"]["spec"]["volumes"][0]["hostPath"]["path"] == "/models/here"
    strictly_read(document)


@pytest.mark.parametrize(
    ("beside", "model"),
    [
        pytest.param(["iris.joblib", "notes.txt"], "/mnt/models", id="the only model: the folder"),
        pytest.param(["iris.joblib", "wine.onnx"], "/mnt/models", id="another runtime's"),
        pytest.param(
            ["iris.joblib", "wine.pkl"], "/mnt/models/iris.joblib", id="several: the file"
        ),
    ],
)
def test_a_model_among_others_is_named_itself(beside, model):
    document = model_service(PurePosixPath("/models/iris.joblib"), Wanted(), beside=beside)
    assert f"--model_dir={model}" in container_of(document)["args"]


def test_the_options_are_in_the_document():
    wanted = Wanted(
        name="n", namespace="ns", min_scale=0, max_scale=3, concurrency=2, port=9000, env={"A": "1"}
    )
    document = model_service(PurePosixPath("/m/x.joblib"), wanted)
    template = document["spec"]["template"]
    assert document["metadata"] == {"name": "n", "namespace": "ns"}
    assert template["metadata"]["annotations"] == {
        "autoscaling.knative.dev/min-scale": "0",
        "autoscaling.knative.dev/max-scale": "3",
    }
    assert template["spec"]["containerConcurrency"] == 2
    assert container_of(document)["env"] == [{"name": "A", "value": "1"}]
    assert container_of(document)["ports"] == [{"containerPort": 9000}]
    assert "--http_port=9000" in container_of(document)["args"]


def test_a_python_command_runs_in_its_folder_and_is_named_after_its_script():
    document = command_service(["python3", "-u", "my_app.py", "--x"], "/work", Wanted())
    container = container_of(document)
    assert (document["metadata"]["name"], container["image"]) == ("my-app", "python:3")
    assert (container["command"], container["workingDir"]) == (
        ["python3", "-u", "my_app.py", "--x"],
        "/work",
    )
    strictly_read(document)


@pytest.mark.parametrize(
    ("make", "way_out"),
    [
        (lambda: model_service(PurePosixPath("/m/x.pt"), Wanted()), "tidegate run -- COMMAND"),
        (lambda: command_service([], "/", Wanted()), "tidegate run model.joblib"),
        (
            lambda: command_service(["./server"], "/", Wanted(), found=False),
            "tidegate run -- COMMAND",
        ),
    ],
)
def test_what_nothing_can_serve_is_refused_with_a_way_out(make, way_out):
    with pytest.raises(Usage, match=way_out.replace(".", r"\.")):
        make()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My Model_1", "my-model-1"),
        ("1b", "m-1b"),
        ("--", "model"),
        ("a" * 70, "a" * 63),
        ("é", "model"),
    ],
)
def test_names_are_such_as_the_api_takes(text, name):
    assert service_name(text) == name


def test_a_program_that_is_not_python_runs_from_its_folder():
    document = command_service(["node", "server.js"], "/srv/app", Wanted(name="nodey"))
    (container,) = document["spec"]["template"]["spec"]["containers"]
    assert container["image"] == container["workingDir"] == "/srv/app"
    assert container["command"] == ["node", "server.js"]
