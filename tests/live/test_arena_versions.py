"""Two versions of an Arena job behind one Service: split by Arena's own command, exactly, and taken away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from tidegate.testing.engine import SERVER, RunningEngine, running_engine, wait_until

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    with running_engine() as it:
        yield it


def arena(engine: RunningEngine, *args: str, check: bool = True) -> str:
    return engine.cli("arena", "serve", *args, check=check)


def count(engine: RunningEngine, requests: int, host: str | None = None) -> Counter[str]:
    """Which version answered how many, by the job's path on the gateway's own address, or by a host."""
    connection = HTTPConnection(*engine.gateway, timeout=60)
    path = "/env/WHO" if host else "/default/shop/env/WHO"
    seen: Counter[str] = Counter()
    for _ in range(requests):
        connection.request("GET", path, headers={"Host": host} if host else {})
        seen[connection.getresponse().read().decode()] += 1
    connection.close()
    return seen


def test_versions_are_split_as_said_and_what_they_share_goes_with_the_last(engine):
    for version in ("1", "2"):
        arena(
            engine,
            "custom",
            "--name=shop",
            f"--version={version}",
            "--image=python:3",
            "--restful-port=8080",
            f"--env=WHO=v{version}",
            "--enable-istio",
            "--expose-service",
            f"python {SERVER} 8080",
        )
    wait_until("the first version alone", lambda: count(engine, 20) == {"v1": 20}, within_s=60)
    arena(engine, "traffic-router-split", "--name=shop", "-v", "1:90", "-v", "2:10")
    wait_until("a share of the second", lambda: count(engine, 10)["v2"] == 1, within_s=60)
    assert count(engine, 2000) == {"v1": 1800, "v2": 200}
    assert count(engine, 100, "any.example.com") == {"v1": 90, "v2": 10}
    listed = arena(engine, "list")
    assert "(90%)" in listed
    assert "(10%)" in listed
    arena(engine, "delete", "shop", "--version=1")
    arena(engine, "traffic-router-split", "--name=shop", "-v", "2")
    wait_until("the second version alone", lambda: count(engine, 20) == {"v2": 20}, within_s=60)
    arena(engine, "delete", "shop")
    for kind in ("services", "virtualservices", "destinationrules", "gateways"):
        names = [one["metadata"]["name"] for one in engine.get(kind)]
        assert not [name for name in names if name.startswith("shop")]


def test_a_split_that_names_no_version_that_is_there_is_refused(engine):
    said = arena(engine, "traffic-router-split", "--name=nobody", "-v", "1", check=False)
    assert "Not found serving job nobody" in said
