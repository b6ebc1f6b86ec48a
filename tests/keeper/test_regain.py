"""The keeper gets its listening sockets, and does without those that are optional."""

import json
import socket
import time

import pytest

from tidegate.keeper.errors import BadSettings, PortTaken
from tidegate.keeper.regain import Living, regain
from tidegate.keeper.settings import read_settings, write_addresses

FREE = {"gateway": ("127.0.0.1", 0)}


def get(wanted, optional, tmp_path, *, given=None):
    reports = []
    sockets = regain(
        wanted,
        optional,
        given=given or {},
        gateway=tmp_path / "sockets.sock",
        alive=Living((), gateway=False),
        monotonic=time.monotonic,
        report=reports.append,
    )
    return sockets, reports


def close(sockets):
    for sock in sockets.values():
        sock.close()


def test_an_optional_address_is_listened_on_where_it_is_free(tmp_path):
    sockets, reports = get(FREE, {"ingress": ("127.0.0.80", 0)}, tmp_path)
    assert sockets["ingress"].getsockname()[0] == "127.0.0.80"
    assert reports == []
    close(sockets)


def test_an_optional_address_that_is_taken_is_done_without_and_reported(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()
        sockets, reports = get(FREE, {"ingress": taken}, tmp_path)
        assert set(sockets) == {"gateway"}
        assert f"done without: port {taken[1]}" in reports[0]
        close(sockets)
        with pytest.raises(PortTaken, match="--port"):
            get({"gateway": taken}, {}, tmp_path)


def test_an_optional_socket_that_the_starter_holds_is_used_on(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as front:
        address = front.getsockname()
        sockets, _ = get(
            FREE, {"ingress": address}, tmp_path, given={"ingress": front.dup().detach()}
        )
        assert sockets["ingress"].getsockname() == address
        close(sockets)


def test_picked_ports_are_written_into_the_settings_and_missed_ones_are_tried_again(tmp_path):
    path = tmp_path / "settings.json"
    optional = {"ingress": ["127.0.0.80", 80], "other": ["127.0.0.1", 0]}
    path.write_text(json.dumps({"host": "127.0.0.1", "port": 0, "optional": optional}))
    settings = read_settings(path)
    got = {"gateway": ("127.0.0.1", 81), "api": ("127.0.0.1", 82), "other": ("127.0.0.1", 83)}
    write_addresses(path, settings, got)
    assert read_settings(path).optional == {
        "ingress": ("127.0.0.80", 80),
        "other": ("127.0.0.1", 83),
    }


@pytest.mark.parametrize(
    "optional",
    [[], {"ingress": "127.0.0.80:80"}, {"ingress": ["h", 70000]}, {"gateway": ["127.0.0.1", 1]}],
)
def test_optional_addresses_that_make_no_sense_are_refused(tmp_path, optional):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"optional": optional or ["x"]}))
    with pytest.raises(BadSettings, match=r"settings\.json"):
        read_settings(path)
