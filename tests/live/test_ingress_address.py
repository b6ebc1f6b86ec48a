"""The gateway on an address of its own: port 80, kept through whatever is killed, done without if taken."""

import json
import os
import random
import signal
import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection

import pytest

from tidegate.testing.engine import RunningEngine, running_engine, service_document, wait_until

pytestmark = pytest.mark.live


def free_address() -> str:
    """A loopback address of which nobody has port 80; skips where this user may not have it."""
    address = f"127.{random.randint(1, 250)}.{random.randint(1, 250)}.{random.randint(2, 250)}"
    try:
        socket.create_server((address, 80)).close()
    except OSError as why:
        pytest.skip(f"port 80 can't be had here: {why}")
    return address


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    with running_engine("--ingress-address", free_address()) as engine:
        engine.cli("apply", "-f", "-", stdin=service_document("hello", scaling={"min-scale": "1"}))
        engine.cli("wait", "ksvc/hello", "--for=condition=Ready", "--timeout=120s")
        yield engine


def address_of(engine: RunningEngine) -> str:
    """As scripts find it."""
    (service,) = engine.get("svc", "kube-system")
    return str(service["status"]["loadBalancer"]["ingress"][0]["ip"])


def status_at(address: str, host: str, port: int = 80) -> int:
    connection = HTTPConnection(address, port, timeout=60)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


def answers(address: str) -> bool:
    try:
        return status_at(address, "hello.default.localhost") == 200
    except (OSError, HTTPException):
        return False


def test_the_address_that_scripts_are_told_leads_to_services_on_port_80(engine):
    address = address_of(engine)
    assert engine.status["gateway"]["ingress_url"] == f"http://{address}"
    assert status_at(address, "hello.default.localhost") == 200
    assert status_at(address, "nobody.example") == 404
    (service,) = engine.get("svc", "kube-system")
    assert [port["port"] for port in service["spec"]["ports"]] in ([80, 443], [80])
    if len(service["spec"]["ports"]) > 1:
        trusting = ssl.create_default_context(cafile=str(engine.home / "pki" / "ca.crt"))
        secure = HTTPSConnection(address, 443, timeout=60, context=trusting)
        secure.request("GET", "/default/hello/")
        assert secure.getresponse().status == 200
        secure.close()


@pytest.mark.parametrize("part", ["gateway", "control_plane", "keeper"])
def test_it_is_kept_when_a_part_is_killed(engine, part):
    address = address_of(engine)
    engine.refresh()
    was = engine.pid(part)
    os.kill(was, signal.SIGKILL)

    def back() -> bool:
        told = json.loads(engine.cli("status", "-o", "json", check=False).splitlines()[0] or "{}")
        pid = (told.get(part) or {}).get("pid") if isinstance(told, dict) else None
        return pid not in (None, was)

    def looked() -> bool:
        try:
            return back()
        except ValueError:  # nobody answers yet
            return False

    wait_until(f"another {part} is there", looked, within_s=60)
    wait_until("it answers", lambda: answers(address), within_s=60)
    assert engine.refresh()["gateway"]["ingress_url"] == f"http://{address}"


def test_a_second_engine_does_without_and_says_the_address_it_has(engine):
    with running_engine("--ingress-address", address_of(engine)) as second:
        assert second.status["gateway"]["ingress_url"] is None
        wait_until("the Service is there", lambda: second.get("svc", "kube-system"))
        wait_until("it has an address", lambda: second.get("svc", "kube-system")[0].get("status"))
        assert address_of(second) == second.gateway[0]
        log = (second.home / "logs" / "keeper.log").read_text()
        assert "done without: port 80" in log


def test_an_address_that_is_none_is_refused_before_anything_is_started(engine):
    said = engine.cli("up", "--detach", "--ingress-address", "here", check=False)
    assert "--ingress-address here: it must be an IP address" in said
