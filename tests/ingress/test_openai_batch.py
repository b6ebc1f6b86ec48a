"""The service behind OpenAI's files and batches is made when the first request waits for it."""

from pathlib import Path

import pytest

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.ingress.openai_batch import OpenAiBatchController, document
from tidegate.ingress.table import GatewayTable
from tidegate.link.gateway import OPENAI_BATCH, Revision, Wake
from tidegate.model import serving
from tidegate.model.meta import Key, ObjectMeta
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

HOME = Path("/home/me/engine")
SERVICE = Key("tidegate-system", "openai-batch")


@pytest.fixture
async def api() -> LocalApi:
    api = make_api(LoopClock(), Admission(lambda name: {}))
    await ensure_namespaces(api, {SERVICE.namespace})
    return api


class Plane:
    """The controller, its table, and who pokes it."""

    def __init__(self, api: LocalApi, home: Path = HOME) -> None:
        self.table = GatewayTable(send=lambda message: None)
        self.controller = OpenAiBatchController(api, self.table, home)
        self.poked: list[Key] = []
        self.tell = self.controller.listener(lambda name, key: self.poked.append(key))

    @property
    def revision(self) -> str:
        [split] = self.table.routes[OPENAI_BATCH].splits
        return split.revision

    async def wake(self) -> None:
        self.tell(Wake(revision=self.revision, at_s=1.0, waiting=1))
        for key in self.poked:
            await self.controller.reconcile(key)
        self.poked.clear()


async def test_nothing_is_there_but_a_place_to_wait_until_a_request_does(api):
    plane = Plane(api)
    await plane.controller.reconcile(SERVICE)
    assert api.get(serving.Service, *SERVICE) is None
    assert plane.table.revisions[plane.revision].endpoints == ()
    await plane.wake()
    made = api.get(serving.Service, *SERVICE)
    assert made is not None
    assert f"tidegate-system/{made.spec.template.metadata.name}" == plane.revision
    await plane.wake()  # it comes again each second


async def test_others_that_wake_concern_it_not(api):
    plane = Plane(api)
    plane.tell(Wake(revision="default/other", at_s=1.0, waiting=1))
    assert plane.poked == []


async def test_one_that_runs_something_else_is_replaced(api):
    await Plane(api, Path("/elsewhere")).wake()
    plane = Plane(api)
    await plane.wake()
    made = api.get(serving.Service, *SERVICE)
    assert made is not None
    assert made.spec.template.spec.containers[0].args == ("serve", "--home", str(HOME))


async def test_one_that_somebody_deletes_keeps_its_place(api):
    plane = Plane(api)
    namespace, _, name = plane.revision.partition("/")
    there = serving.Revision(metadata=ObjectMeta(name=name, namespace=namespace))
    plane.table.set_revision(plane.revision, Revision(key=plane.revision, timeout_s=7.0))
    plane.controller._was_there = True  # it was seen before
    again = await plane.controller.reconcile(SERVICE)
    assert again.after_s > 0
    plane.table.set_revision(plane.revision, None)  # as whoever follows revisions does
    await plane.controller.reconcile(SERVICE)
    assert plane.revision in plane.table.revisions
    assert [watch.type for watch in plane.controller.watches] == [type(there)]


def test_the_document_is_one_of_ours():
    service = document(HOME)
    assert service.spec.template.spec.containers[0].image == "tidegate/openai-batch"
