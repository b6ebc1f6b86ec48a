"""Processes of this room that can't start say why in one line and end with a code that is documented."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SETTINGS = json.dumps(
    {
        "bootstrapServers": ["127.0.0.1:1"],
        "topics": ["t"],
        "consumerGroup": "g",
        "source": "/s",
        "sink": {"url": "http://127.0.0.1:1/"},
    }
)


def start(environ, *, before="", module="kafka"):
    program = f"{before}; from tidegate.sources.{module}.__main__ import main; sys.exit(main())"
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys; {program}"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("module", "environ", "said"),
    [
        ("kafka", {}, "K_SOURCE is not set"),
        ("kafka", {"K_SOURCE": "{"}, "K_SOURCE: "),
        ("kafka", {"K_SOURCE": SETTINGS, "PORT": "web"}, "PORT is 'web'"),
        ("kafka", {"K_SOURCE": SETTINGS, "K_DRAIN_S": "soon"}, "K_DRAIN_S is 'soon'"),
        ("kafka_sink", {}, "K_SINK_CONFIG is not set"),
        ("kafka_sink", {"K_SINK_CONFIG": "[]"}, "K_SINK_CONFIG: "),
    ],
)
def test_what_is_wrong_with_the_environment_is_one_line(module, environ, said):
    code, stderr = start(environ, before="pass", module=module)
    assert code == 2
    assert stderr.startswith(said)
    assert stderr.count("\n") == 1


def test_a_missing_extra_says_how_to_install_it():
    code, stderr = start({"K_SOURCE": SETTINGS}, before="sys.modules['aiokafka'] = None")
    assert (code, stderr) == (3, "aiokafka is not installed: pip install 'tidegate[kafka]'\n")
