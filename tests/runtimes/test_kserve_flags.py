import pytest

from tidegate.runtimes.errors import BadFlag
from tidegate.runtimes.kserve_flags import read_kserve_flags

IMAGE = ["--model_name=iris", "--model_dir=/mnt/models", "--http_port=8080"]


def read(*argv, **environ):
    return read_kserve_flags(argv, environ, cpus=2)


def test_the_images_own_command_line_is_understood():
    plan = read(*IMAGE)
    assert (plan.model_name, plan.model_dir, plan.port) == ("iris", "/mnt/models", 8080)
    assert (plan.parallel, plan.threads, plan.max_body_bytes) == (2, 1, None)


def test_a_value_may_stand_apart_and_the_last_one_wins():
    plan = read(*IMAGE, "--http_port", "9000", "--model_name", "rose")
    assert (plan.port, plan.model_name) == (9000, "rose")


def test_port_is_read_from_the_environment_only_without_a_flag():
    assert read("--model_dir=/m", PORT="7000").port == 7000
    assert read(*IMAGE, PORT="7000").port == 8080


def test_a_server_without_a_container_listens_on_loopback():
    assert read(*IMAGE).host == "127.0.0.1"
    assert read(*IMAGE, TIDEGATE_HOST="10.0.0.1").host == "10.0.0.1"


@pytest.mark.parametrize(
    "flag", ["--enable_grpc=false", "--enable_grpc=False", "--workers=1", "--configure_logging=yes"]
)
def test_what_holds_anyway_may_be_said(flag):
    assert read(*IMAGE, flag).without_effect == ()


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--workers=4", "--workers=4 has no effect: one process is one replica here: scale the"),
        (
            "--enable_docs_url=True",
            "--enable_docs_url=True has no effect: there is no page of docs",
        ),
        ("--max_threads=4", "--max_threads=4 has no effect: calls run on max_asyncio_workers"),
        ("--access_log_format=%a", "--access_log_format=%a has no effect: logs go to stdout"),
    ],
)
def test_what_changes_no_answer_is_taken_and_reported(flag, says, capsys):
    plan = read(*IMAGE, flag)
    assert plan.without_effect[0].startswith(says)
    plan.server("sklearnserver", lambda: None)
    assert f"sklearnserver: {says}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("--enable_grpc=maybe", "--enable_grpc: 'maybe' is neither true nor false"),
        ("--grpc_port=x", "--grpc_port: 'x' is not a number"),
        ("--predictor_host=x", "--predictor_host: a transformer's flag"),
        ("--modle_name=x", "--modle_name: not a flag of this server: it takes model_name"),
        ("--http_port=web", "--http_port: 'web' is not a number"),
        ("--http_port", "--http_port: needs a value after it"),
        ("iris", "iris: expected a flag"),
    ],
)
def test_what_can_not_be_honoured_is_refused_by_name(flag, why):
    with pytest.raises(BadFlag) as refused:
        read(*IMAGE, flag)
    assert str(refused.value).startswith(why)


def test_a_model_must_be_named():
    with pytest.raises(BadFlag, match="--model_dir: missing"):
        read("--model_name=iris")
