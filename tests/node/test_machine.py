"""This machine, while it is short of descriptors."""

from tidegate.link.keeper import Process
from tidegate.node.listeners import Holder
from tidegate.node.machine import HttpGet, LocalMachine
from tidegate.testing.limits import no_descriptors

NOBODY = Process("uid/app/0", 0, 0, "boot")


async def test_what_could_not_be_tried_is_no_failure_of_who_was_to_be_asked():
    machine = LocalMachine()
    with no_descriptors():
        outcomes = [
            await machine.tcp_open(1, timeout_s=5),
            await machine.http_get(HttpGet(1), timeout_s=5),
            await machine.grpc_health(1, "", timeout_s=5),
            await machine.run(["true"], {}, "/", timeout_s=5),
        ]
        held, found = machine.holder(1, NOBODY), machine.listening(NOBODY)
    assert [outcome.made for outcome in outcomes] == [False] * 4
    assert all("Too many open files" in outcome.detail for outcome in outcomes)
    assert (held, found) == (Holder.NOBODY, ())


async def test_what_was_tried_is():
    outcome = await LocalMachine().http_get(HttpGet(1), timeout_s=5)
    assert (outcome.ok, outcome.made) == (False, True)
