import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.node.rewrite import Rewriting, rewrite_args, rewrite_env, rewrite_path

RULES = Rewriting(
    ports={8080: 20001, 9090: 20002},
    mounts={
        "/mnt/models": "/p/volumes/m",
        "/mnt/models/deep": "/p/volumes/d",
        "/app": "/p/volumes/a",
    },
)


def arguments(*args: str) -> list[str]:
    return list(rewrite_args(("server", *args), RULES)[0][1:])


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        pytest.param(["--http_port=8080"], ["--http_port=20001"], id="flag=port"),
        pytest.param(["--port", "8080"], ["--port", "20001"], id="flag port"),
        pytest.param(["-p", "8080"], ["-p", "20001"], id="-p port"),
        pytest.param(["--grpcPort", "9090"], ["--grpcPort", "20002"], id="camel case flag"),
        pytest.param(["--server.port=8080"], ["--server.port=20001"], id="dotted flag"),
        pytest.param(["--listen", "8080"], ["--listen", "20001"], id="listen flag"),
        pytest.param(
            ["-m", "http.server", "8080"], ["-m", "http.server", "20001"], id="positional"
        ),
        pytest.param(["0.0.0.0:8080"], ["127.0.0.1:20001"], id="any address and port"),
        pytest.param(["--bind=0.0.0.0:8080"], ["--bind=127.0.0.1:20001"], id="flag=address"),
        pytest.param(["-b", "127.0.0.1:8080"], ["-b", "127.0.0.1:20001"], id="short flag address"),
        pytest.param(["localhost:9090"], ["localhost:20002"], id="localhost"),
        pytest.param([":8080"], ["127.0.0.1:20001"], id="bare colon stays on loopback"),
        pytest.param(["--addr=:8080"], ["--addr=127.0.0.1:20001"], id="flag=bare colon"),
        pytest.param(["[::]:8080"], ["127.0.0.1:20001"], id="IPv6 any"),
        pytest.param(["--host", "0.0.0.0"], ["--host", "127.0.0.1"], id="bind host"),
        pytest.param(["--host=0.0.0.0"], ["--host=127.0.0.1"], id="flag=bind host"),
        pytest.param(["--host", "::"], ["--host", "127.0.0.1"], id="IPv6 bind host"),
        pytest.param(["--model_dir=/mnt/models"], ["--model_dir=/p/volumes/m"], id="flag=mount"),
        pytest.param(["/mnt/models/iris/1"], ["/p/volumes/m/iris/1"], id="inside a mount"),
        pytest.param(["/mnt/models/deep/x"], ["/p/volumes/d/x"], id="the longest mount wins"),
        pytest.param(["/app:/mnt/models"], ["/p/volumes/a:/p/volumes/m"], id="a list of paths"),
        pytest.param(["x=/app,y=/mnt/models"], ["x=/p/volumes/a,y=/p/volumes/m"], id="pairs"),
        pytest.param(["file:/app/x"], ["file:/p/volumes/a/x"], id="after a colon"),
    ],
)
def test_what_was_written_for_a_container_becomes_true_here(given, becomes):
    assert arguments(*given) == becomes


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["--max-tokens", "8080"], id="another flag's number"),
        pytest.param(["--max-tokens=8080"], id="another flag's number after ="),
        pytest.param(["--port", "7070"], id="a port nobody declared"),
        pytest.param(["--port=18080"], id="a longer number"),
        pytest.param(["--upstream-port", "8080"], id="another machine's port"),
        pytest.param(["db.example:8080"], id="another host"),
        pytest.param(["http://0.0.0.0:8080/mnt/models"], id="a URL"),
        pytest.param(["--uri=file:///mnt/models/x"], id="a URL after ="),
        pytest.param(["s3://bucket/app"], id="a bucket"),
        pytest.param(["/mnt/models2"], id="a longer name"),
        pytest.param(["/mnt/models.json"], id="a name with an ending"),
        pytest.param(["/data/mnt/models"], id="the mount's name further inside"),
        pytest.param(["-I/app"], id="glued to a short flag"),
        pytest.param(["serve --port 8080 /app"], id="a whole script"),
        pytest.param(['{"port": 8080}'], id="JSON"),
        pytest.param(["10.0.0.0"], id="an address"),
        pytest.param(["08080"], id="not how a port is written"),
    ],
)
def test_everything_else_is_left_alone(args):
    assert arguments(*args) == args


def test_the_program_itself_moves_only_with_its_mount():
    argv, _ = rewrite_args(("/app/run", "8080"), RULES)
    assert argv == ("/p/volumes/a/run", "20001")
    assert rewrite_args(("8080",), RULES)[0] == ("8080",)


def test_each_change_is_said_in_one_sentence():
    _, said = rewrite_args(("s", "--port=8080", "--quiet", "/app"), RULES)
    assert said == (
        "argument '--port=8080' became '--port=20001'",
        "argument '/app' became '/p/volumes/a'",
    )


@pytest.mark.parametrize(
    ("env", "becomes"),
    [
        pytest.param({"PORT": "8080"}, {"PORT": "20001"}, id="PORT"),
        pytest.param({"LLAMA_ARG_PORT": "8080"}, {"LLAMA_ARG_PORT": "20001"}, id="X_PORT"),
        pytest.param({"AIP_HTTP_PORT": "9090"}, {"AIP_HTTP_PORT": "20002"}, id="X_Y_PORT"),
        pytest.param(
            {"LLAMA_ARG_HOST": "0.0.0.0", "LLAMA_ARG_PORT": "8080"},
            {"LLAMA_ARG_HOST": "127.0.0.1", "LLAMA_ARG_PORT": "20001"},
            id="host and port of this machine",
        ),
        pytest.param({"BIND": "0.0.0.0:8080"}, {"BIND": "127.0.0.1:20001"}, id="BIND"),
        pytest.param({"LISTEN_ADDR": ":8080"}, {"LISTEN_ADDR": "127.0.0.1:20001"}, id="LISTEN"),
        pytest.param({"MODEL": "/mnt/models/x"}, {"MODEL": "/p/volumes/m/x"}, id="a mount"),
        pytest.param(
            {"PYTHONPATH": "/x:/app"}, {"PYTHONPATH": "/x:/p/volumes/a"}, id="a path list"
        ),
    ],
)
def test_environment_values_become_true_here(env, becomes):
    assert rewrite_env(env, RULES)[0] == becomes


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"LIMIT": "8080"}, id="a number that is no port"),
        pytest.param({"SUPPORT": "8080"}, id="port inside a word"),
        pytest.param({"REDIS_SERVICE_PORT": "8080"}, id="Kubernetes' own service variables"),
        pytest.param({"DB_HOST": "db.example", "DB_PORT": "8080"}, id="another machine's port"),
        pytest.param({"PORT_URL": "http://0.0.0.0:8080"}, id="a URL"),
        pytest.param({"ENDPOINT": "0.0.0.0:8080"}, id="a name that doesn't say so"),
        pytest.param({"MASK": "0.0.0.0"}, id="an address that is no host"),
    ],
)
def test_other_environment_values_are_left_alone(env):
    assert rewrite_env(env, RULES) == (env, ())


def test_a_working_directory_inside_a_mount_is_found():
    assert rewrite_path("/app/src", RULES) == "/p/volumes/a/src"
    assert rewrite_path("/apple", RULES) == "/apple"


@given(st.lists(st.text(alphabet="-=:/.,0123456789aphostmndel ", max_size=20), max_size=5))
def test_rewriting_twice_changes_nothing_more(args):
    once, _ = rewrite_args(("s", *args), RULES)
    assert rewrite_args(once, RULES) == (once, ())


@given(st.lists(st.text(max_size=20), max_size=5))
def test_without_rules_only_listening_everywhere_changes(args):
    argv, _ = rewrite_args(("s", *args), Rewriting())
    assert [a for a in argv[1:] if "127.0.0.1" not in a] == [
        a for a, b in zip(args, argv[1:], strict=True) if "127.0.0.1" not in b
    ]


BY_GATEWAY = Rewriting(ports={80: 20001}, gateway="127.0.0.1:8080")


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        pytest.param(
            ["--predictor_host", "iris-predictor.default"],
            ["--predictor_host", "127.0.0.1:8080/default/iris-predictor"],
            id="what KServe gives a transformer",
        ),
        pytest.param(
            ["--predictor_host=iris-predictor.default.svc.cluster.local:80"],
            ["--predictor_host=127.0.0.1:8080/default/iris-predictor"],
            id="the same in full",
        ),
        pytest.param(
            ["--log-url=http://dumper.ns.svc/a?b"],
            ["--log-url=http://127.0.0.1:8080/ns/dumper/a?b"],
            id="a Service's URL in a flag",
        ),
        pytest.param(
            ["--url", "http://web.ns.svc.cluster.local:9090"],
            ["--url", "http://127.0.0.1:8080/ns/web:9090"],
            id="another port of it",
        ),
        pytest.param(
            ["http://web.ns.svc?q"], ["http://127.0.0.1:8080/ns/web/?q"], id="a query, no path"
        ),
        pytest.param(["http://web.ns/a"], ["http://web.ns/a"], id="it may be on the internet"),
        pytest.param(
            ["https://web.ns.svc/"], ["https://web.ns.svc/"], id="its certificate would be another"
        ),
        pytest.param(["--host", "web.ns"], ["--host", "web.ns"], id="another flag"),
        pytest.param(
            ["--predictor_host", "10.0.0.1"], ["--predictor_host", "10.0.0.1"], id="an address"
        ),
    ],
)
def test_names_of_services_lead_to_the_gateway(given, becomes):
    assert list(rewrite_args(("server", *given), BY_GATEWAY)[0][1:]) == becomes
    unknown = Rewriting(ports=BY_GATEWAY.ports)
    assert list(rewrite_args(("server", *given), unknown)[0][1:]) == given


def test_an_environment_s_url_of_a_service_leads_to_the_gateway_and_is_told():
    env, said = rewrite_env({"URL": "http://web.ns.svc.cluster.local/v1", "N": "web"}, BY_GATEWAY)
    assert env == {"URL": "http://127.0.0.1:8080/ns/web/v1", "N": "web"}
    assert said == (
        "environment URL: 'http://web.ns.svc.cluster.local/v1' became 'http://127.0.0.1:8080/ns/web/v1'",
    )
