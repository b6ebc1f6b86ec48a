"""Which ports `up` takes when none is said, and what it says when it waits in vain."""

from __future__ import annotations

import json

import pytest

from tidegate.cli.engine import (
    API_PORT,
    HTTPS_PORT,
    INGRESS_HOST,
    PORT,
    Engine,
    ask_for_gpus,
    last_gpus,
    last_https_port,
    last_ingress_host,
    ports_of_last_run,
    wait_until_serving,
)
from tidegate.cli.errors import CliError
from tidegate.cli.up import Addresses
from tidegate.kit.home import Home


@pytest.fixture
def home(tmp_path) -> Home:
    home = Home(tmp_path)
    home.make()
    home.settings.write_text(json.dumps({"port": 1234, "api_port": 5678}))
    return home


def test_an_engine_that_was_killed_comes_back_where_its_clients_know_it(home):
    home.processes.write_text("{}")
    assert ports_of_last_run(home) == (1234, 5678)


def test_an_engine_that_was_stopped_starts_where_people_look_first(home):
    assert ports_of_last_run(home) == (PORT, API_PORT)


def test_settings_that_can_not_be_read_are_no_reason_not_to_start(home):
    home.processes.write_text("{}")
    home.settings.write_text("{")
    assert ports_of_last_run(home) == (PORT, API_PORT)


def test_https_is_where_it_was_or_where_people_look_or_anywhere_with_a_picked_port(home):
    assert last_https_port(home, None) == HTTPS_PORT
    assert last_https_port(home, 9090) == HTTPS_PORT
    assert last_https_port(home, 0) == 0
    home.processes.write_text("{}")
    home.settings.write_text(json.dumps({"optional": {"gateway-tls": ["127.0.0.1", 77]}}))
    assert last_https_port(home, 0) == 77


def test_the_ingress_keeps_the_address_that_it_was_asked_for(home):
    home.settings.write_text(json.dumps({"optional": {"ingress": ["127.0.0.90", 80]}}))
    assert last_ingress_host(home) == INGRESS_HOST
    home.processes.write_text("{}")
    assert last_ingress_host(home) == "127.0.0.90"


def test_a_killed_engines_simulated_gpus_are_kept(home):
    ask_for_gpus(home, "2x15GiB")
    assert last_gpus(home) is None  # it was stopped
    home.processes.write_text("{}")
    assert last_gpus(home) == "2x15GiB"
    assert ports_of_last_run(home) == (1234, 5678)  # beside the other settings


def test_each_address_that_a_running_engine_has_otherwise_is_named():
    running = Engine(1, 2, 3, "127.0.0.1", 8080, "127.0.0.1", 6443, https=("127.0.0.1", 8443))
    asked = Addresses(port=8081, api_port=6443, https_port=9443, ingress_address="127.0.0.81")
    assert list(asked.unlike(running)) == [
        "--port 8081 has no effect on a running engine, which uses 8080",
        "--https-port 9443 has no effect on a running engine, which uses 8443",
        "--ingress-address 127.0.0.81 has no effect on a running engine, which has none",
    ]
    assert list(Addresses(port=0).unlike(running)) == []  # any port will do


@pytest.mark.parametrize(
    ("log", "why"),
    [
        pytest.param("10:00:00,1 ERROR tidegate.app: it is full\n", " (it is full)", id="its end"),
        pytest.param("10:00 ERROR x: old\n10:01 INFO y: it runs\n", "", id="long over"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_who_waits_in_vain_is_told_what_the_part_said_last(home, log, why):
    (home.logs / "keeper.log").write_text(log)
    with pytest.raises(CliError) as told:
        wait_until_serving(home, timeout_s=0)
    assert str(told.value).endswith(f"keeper.log{why}")
