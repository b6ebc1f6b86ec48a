"""Long lists in pages: every page shows the moment of the first."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.apiserver.exchange import Ask, Reply, Stream, as_status, parse_query
from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.apiserver.pages import Place, as_of, read_token, write_token
from tidegate.apiserver.routes import Api
from tidegate.apiserver.writes import Writes
from tidegate.model.changes import Change
from tidegate.model.core import ConfigMap, Namespace
from tidegate.model.errors import ApiError
from tidegate.model.meta import Key, ObjectMeta
from tidegate.store import Database, InlineJournal, Store
from tidegate.testing.api import AdmitEverything
from tidegate.testing.clocks import LoopClock

MAPS = "/api/v1/namespaces/default/configmaps"


def config(name: str, data: str = "", *, version: str | None = None) -> ConfigMap:
    meta = ObjectMeta(name=name, namespace="default", resource_version=version)
    return ConfigMap(metadata=meta, data={"a": data})


class Server:
    """Seven ConfigMaps, and a log of changes that soon forgets."""

    def __init__(self) -> None:
        clock = LoopClock()
        store = Store(InlineJournal(Database(None)), log_size=10)
        writes = Writes(store, AdmitEverything(), clock)
        self.local, self.api = LocalApi(writes), Api(writes, clock)

    async def start(self) -> None:
        await ensure_namespaces(self.local, ["default"])
        for name in "bcdefgh":
            await self.local.create(config(name))

    async def list(self, query: str = "", accept: str = "") -> tuple[int, Any]:
        try:
            ask = Ask("GET", MAPS, parse_query(query), {"accept": accept})
            answer = await self.api.handle(ask)
        except ApiError as why:
            answer = as_status(why)
        assert isinstance(answer, Reply)
        return answer.code, json.loads(answer.body)


@pytest.fixture
async def server() -> Server:
    server = Server()
    await server.start()
    return server


def names(listed: Any) -> str:
    return "".join(item["metadata"]["name"] for item in listed["items"])


async def test_pages_follow_each_other_to_the_end(server):
    _, first = await server.list("limit=3")
    assert names(first) == "bcd"
    assert first["metadata"]["remainingItemCount"] == 4
    _, second = await server.list(f"limit=3&continue={first['metadata']['continue']}")
    assert names(second) == "efg"
    _, last = await server.list(f"limit=3&continue={second['metadata']['continue']}")
    assert names(last) == "h"
    assert last["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}


async def test_later_pages_show_the_moment_of_the_first(server):
    _, first = await server.list("limit=2")
    token, version = first["metadata"]["continue"], first["metadata"]["resourceVersion"]
    await server.local.update(config("f", "new"))
    await server.local.delete(ConfigMap, "default", "g")
    await server.local.create(config("ee"))
    await server.local.create(config("a"))
    _, rest = await server.list(f"continue={token}")
    assert names(rest) == "defgh"
    assert [item["data"]["a"] for item in rest["items"]] == [""] * 5
    assert rest["metadata"]["resourceVersion"] == version
    _, exact = await server.list(f"resourceVersion={version}&resourceVersionMatch=Exact")
    assert names(exact) == "bcdefgh"


async def test_a_token_older_than_the_log_is_expired(server):
    _, first = await server.list("limit=2")
    for number in range(12):
        await server.local.update(config("h", str(number)))
    code, status = await server.list(f"continue={first['metadata']['continue']}")
    assert (code, status["reason"]) == (410, "Expired")
    assert "start a new list without the continue parameter" in status["message"]


async def test_a_watch_from_a_forgotten_version_says_so_as_an_event(server):
    for number in range(12):
        await server.local.update(config("h", str(number)))
    answer = await server.api.handle(Ask("GET", MAPS, {"watch": "1", "resourceVersion": "2"}))
    assert isinstance(answer, Stream)
    (event,) = [json.loads(line) async for line in answer.chunks]
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    answer.release()


async def test_a_list_with_a_selector_does_not_say_how_many_are_left(server):
    _, first = await server.list("limit=2&fieldSelector=metadata.name!=b")
    assert names(first) == "cd"
    assert "remainingItemCount" not in first["metadata"]
    token = first["metadata"]["continue"]
    _, rest = await server.list(f"fieldSelector=metadata.name!=b&continue={token}")
    assert names(rest) == "efgh"


async def test_tables_and_metadata_come_in_pages_too(server):
    for form in ("Table", "PartialObjectMetadataList"):
        accept = f"application/json;as={form};v=v1;g=meta.k8s.io"
        _, first = await server.list("limit=5", accept)
        _, rest = await server.list(f"continue={first['metadata']['continue']}", accept)
        assert len(rest.get("rows") or rest.get("items")) == 2


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("limit=-1", 400, "must not be negative"),
        ("continue=what", 400, "continue key is not valid"),
        ("continue=%C3%A4", 400, "continue key is not valid"),
        ("continue=eyJydiI6MX0", 400, "continue key is not valid"),
        ("continue=abc&resourceVersion=3", 400, "not allowed when using continue"),
        ("resourceVersionMatch=Exact", 400, "needs a resourceVersion"),
    ],
)
async def test_wrong_pages_are_refused(server, query, code, message):
    got, status = await server.list(query)
    assert got == code
    assert message in status["message"]


@given(st.integers(0), st.text(), st.text())
def test_tokens_read_back_as_they_were_written(version, namespace, name):
    place = Place(version, Key(namespace, name))
    assert read_token(write_token(place)) == place


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=12), st.data())
async def test_undoing_the_changes_shows_the_moment_before(steps, data):
    """Against a plain list of all moments: each step writes or deletes one name."""
    store = Store(InlineJournal(Database(None)))
    seen: list[Change] = []
    store.subscribe([ConfigMap], lambda logged: seen.append(logged.change))
    moments = [list(store.list(ConfigMap))]
    await store.put(Namespace(metadata=ObjectMeta(name="default")), durable=False)
    for name, wanted in steps:
        old = store.get(ConfigMap, "default", name)
        if wanted:
            await store.put(old or config(name), durable=False)
        elif old is not None:
            await store.remove(old, durable=False)
        else:
            continue
        moments.append(list(store.list(ConfigMap)))
    moment = data.draw(st.integers(0, len(moments) - 1))
    assert as_of(store.list(ConfigMap), seen[moment:]) == moments[moment]
    await store.close()
