"""TF Serving's and Triton's flags and layouts, and what answers behind them."""

import asyncio
import shutil
import socket

import pytest

from tidegate.kit.realtime import RealClock
from tidegate.runtimes import tfserver, tritonserver
from tidegate.runtimes.drain import Drain
from tidegate.runtimes.errors import BadFlag, ModelFileMissing, NotTrusted
from tidegate.runtimes.listen import end_connections
from tidegate.runtimes.shell import Served
from tidegate.runtimes.tf_flags import HONOURED, REFUSED, WITHOUT_EFFECT, read_tf_flags
from tidegate.runtimes.triton_flags import read_triton_flags
from tidegate.runtimes.versions import latest_version, load_version
from tidegate.runtimes.workers import Workers

FLOWERS = [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]
TF = ["--port=8500", "--rest_api_port=8501", "--model_name=m", "--model_base_path=/models/m"]


@pytest.fixture
def versioned(tmp_path, iris_files):
    """`versioned("7", "model.onnx")`: the folder of a model with that version."""

    def make(version, file):
        folder = tmp_path / "m" / version
        folder.mkdir(parents=True)
        shutil.copy(iris_files / file, folder)
        return tmp_path / "m"

    return make


def test_tensorflow_servings_flags_are_understood():
    plan = read_tf_flags([*TF, "--rest_api_timeout_in_ms=60000"])
    assert (plan.name, plan.base_path) == ("m", "/models/m")
    assert (plan.rest_port, plan.grpc_port) == (8501, 8500)
    assert plan.without_effect == ("--rest_api_timeout_in_ms",)
    assert read_tf_flags([*TF, "--port=0"]).grpc_port is None
    batched = read_tf_flags([*TF, "--enable_batching=true", "--batching_parameters_file=/b"])
    assert batched.without_effect == ("--enable_batching", "--batching_parameters_file")


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (TF[:3], "--model_base_path: missing"),
        ([*TF, "--rest_api_port=0"], "--rest_api_port: 0 turns REST off"),
        ([*TF, "--rest_api_port=x"], "--rest_api_port: 'x' is not a port"),
        ([*TF, "--model_config_file=/x"], "--model_config_file: one model is served here"),
        ([*TF, "--monitoring_config_file=/x"], "--monitoring_config_file: there is no page"),
        ([*TF, "--mlokc=1"], "--mlokc: not a flag that is honoured here"),
        ([*TF, "--port"], "--port: write its value as"),
        (["m"], "m: expected a flag"),
    ],
)
def test_tensorflow_servings_other_flags_are_refused_by_name(argv, why):
    with pytest.raises(BadFlag) as refused:
        read_tf_flags(argv)
    assert str(refused.value).startswith(why)


def test_no_flag_of_tensorflow_serving_is_in_two_lists():
    assert len({*HONOURED, *REFUSED, *WITHOUT_EFFECT}) == sum(
        map(len, (HONOURED, REFUSED, WITHOUT_EFFECT))
    )


def test_tritons_flags_are_understood():
    plan = read_triton_flags(["--model-store=/r", "--http-port", "9", "--allow-metrics=false"])
    assert (plan.repository, plan.http_port, plan.unserved_ports) == ("/r", 9, ())
    assert plan.grpc_port == 8001
    assert read_triton_flags(["--model-repository=/r"]).unserved_ports == (8002,)
    assert read_triton_flags(["--model-repository=/r", "--allow-grpc=false"]).grpc_port is None


def test_the_model_that_is_to_be_loaded_is_the_one_that_triton_is_told():
    told = ["--model-repository=/r", "--model-control-mode=explicit"]
    assert read_triton_flags([*told, "--load-model=a"]).model == "a"
    assert read_triton_flags([*told, "--load-model=*"]).model is None
    assert read_triton_flags(["--model-repository=/r", "--model-control-mode=none"]).model is None


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ([], "--model-repository: missing"),
        (["--model-repository=/r", "--allow-http=false"], "--allow-http=false: HTTP is"),
        (["--model-repository=/r", "--allow-grpc=so"], "--allow-grpc: 'so' is neither"),
        (["--model-repository=/r", "--http-port=x"], "--http-port: 'x' is not a port"),
        (
            ["--model-repository=/r", "--model-control-mode=poll"],
            "--model-control-mode=poll: the model is loaded",
        ),
        (
            ["--model-repository=/r", "--model-control-mode=explicit"],
            "--model-control-mode=explicit: nothing would be served",
        ),
        (["--model-repository=/r", "--load-model=a"], "--load-model: only together with"),
        (["--load-model=a", "--load-model=b"], "--load-model=b: one model is served here"),
        (["--x=1"], "--x: not a flag that is honoured here"),
        (["--http-port"], "--http-port: needs a value"),
        (["r"], "r: expected a flag"),
    ],
)
def test_tritons_other_flags_are_refused_by_name(argv, why):
    with pytest.raises(BadFlag) as refused:
        read_triton_flags(argv)
    assert str(refused.value).startswith(why)


def test_the_highest_version_is_served(tmp_path):
    for name in ("9", "10", "assets", "1.0"):
        (tmp_path / name).mkdir()
    assert latest_version(tmp_path).name == "10"


def test_a_layout_without_versions_says_what_it_needs(tmp_path):
    with pytest.raises(ModelFileMissing, match=r"no versions in it: it needs a folder such as 1/"):
        latest_version(tmp_path)
    with pytest.raises(ModelFileMissing, match="one folder a version"):
        latest_version(tmp_path / "none")


def test_what_only_tensorflow_can_load_says_so(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(
        ModelFileMissing, match=r"a TensorFlow SavedModel, and tensorflow_model_serv"
    ):
        load_version(tmp_path, "tensorflow_model_server", {}, parallel=1)


def test_a_pickle_needs_trust_said_in_the_document(versioned):
    folder = versioned("1", "model.joblib") / "1"
    with pytest.raises(NotTrusted, match="TIDEGATE_TRUST=true"):
        load_version(folder, "tensorflow_model_server", {}, parallel=1)
    model = load_version(folder, "x", {"TIDEGATE_TRUST": "true"}, parallel=1)
    assert model.predict(FLOWERS) == [1, 1]


def test_triton_serves_the_one_model_of_its_repository(tmp_path):
    with pytest.raises(ModelFileMissing, match="no model in it"):
        tritonserver.model_folder(tmp_path, None)
    (tmp_path / "a").mkdir()
    assert tritonserver.model_folder(tmp_path, None).name == "a"
    (tmp_path / "b").mkdir()
    with pytest.raises(ModelFileMissing, match=r"several models \(a, b\)"):
        tritonserver.model_folder(tmp_path, None)
    assert tritonserver.model_folder(tmp_path, "b").name == "b"
    with pytest.raises(ModelFileMissing, match=r"no model at .*/c: the repository has a, b"):
        tritonserver.model_folder(tmp_path, "c")


@pytest.fixture
def served(caller):
    """`served(plan)`: a caller of the plan's application, with its model loaded."""
    made = []

    def make(plan):
        clock = RealClock()
        workers = Workers(2, clock)
        made.append(workers)
        app = plan.shell(
            Served(plan.name),
            plan.load(),
            workers=workers,
            drain=Drain(),
            clock=clock,
            new_id=lambda: "made",
        )
        return caller(app)

    yield make
    for workers in made:
        workers.close()


async def test_tensorflow_servings_api_over_an_onnx_model(versioned, served):
    base = versioned("1623831335", "model.onnx")
    call = served(tfserver.read_plan([*TF[:3], f"--model_base_path={base}"], {}))
    status = (await call("GET /v1/models/m")).json["model_version_status"]
    assert [(each["version"], each["state"]) for each in status] == [("1623831335", "AVAILABLE")]
    for at in ("", "/versions/1623831335"):
        answer = await call(f"POST /v1/models/m{at}:predict", {"instances": FLOWERS})
        assert [each["label"] for each in answer.json["predictions"]] == [1, 1]
    named = await call("POST /v1/models/m:predict", {"instances": [{"X": FLOWERS[0]}]})
    assert named.json["predictions"][0]["label"] == 1
    columns = await call("POST /v1/models/m:predict", {"inputs": {"X": FLOWERS}})
    assert columns.json["outputs"]["label"] == [1, 1]
    assert (await call("GET /v1/models/m/metadata")).json["model_spec"]["name"] == "m"
    other = await call("POST /v1/models/m/versions/2:predict", {"instances": FLOWERS})
    assert (other.status, other.json["error"]) == (
        404,
        "Servable not found for request: Specific(m, 2)",
    )
    assert (await call("POST /v1/models/m:predict", {"instances": [[1.0]]})).status == 400


async def test_tritons_api_over_an_onnx_model(versioned, served):
    repository = versioned("3", "model.onnx").parent
    plan = tritonserver.read_plan([f"--model-repository={repository}", "--http-port=1"], {})
    assert (plan.name, plan.port) == ("m", 1)
    call = served(plan)
    assert (await call("GET /v2/health/ready")).status == 200
    flat = [value for row in FLOWERS for value in row]
    asked = {"inputs": [{"name": "X", "shape": [2, 4], "datatype": "FP32", "data": flat}]}
    for at in ("", "/versions/3"):
        answer = await call(f"POST /v2/models/m{at}/infer", asked)
        assert answer.json["outputs"][0]["data"] == [1, 1]
    assert (await call("POST /v2/models/m/versions/9/infer", asked)).status == 501


async def test_a_port_of_what_is_not_served_takes_connections_and_ends_them():
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    ending = asyncio.create_task(end_connections([listener]))
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    assert await reader.read() == b""
    writer.close()
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", writer.get_extra_info("peername")[1])
