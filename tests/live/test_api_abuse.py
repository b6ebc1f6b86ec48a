"""What clients do wrong to the API, by mistake or not: each is answered or ended, and the others never
notice."""

from __future__ import annotations

import json
import resource
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psutil
import pytest

from tidegate.client.http import Access, Client, path_of, read_kubeconfig
from tidegate.model.errors import ApiError, Conflict, StorageFull
from tidegate.testing.engine import RunningEngine, running_engine, wait_until
from tidegate.testing.raw_https import all_of, connected, head

pytestmark = pytest.mark.live

CONFIGS = path_of("v1", "configmaps", "default")


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    with running_engine() as it:
        yield it


@pytest.fixture
def access(engine: RunningEngine) -> Access:
    return read_kubeconfig(engine.home / "kubeconfig")


@pytest.fixture
def client(access: Access) -> Iterator[Client]:
    """And afterwards the proof that the API still answers."""
    with Client(access) as it:
        yield it
        assert it.get("/version")["major"] == "1"


def config(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def said(answer: bytes) -> tuple[int, str]:
    """The code and the body's message."""
    top, _, body = answer.partition(b"\r\n\r\n")
    code = int(top.split()[1])
    text = body.decode("utf-8", "replace")
    return code, str(json.loads(text)["message"]) if text.startswith("{") else text


def exchange(access: Access, request: bytes) -> tuple[int, str]:
    with connected(access) as connection:
        connection.sendall(request)
        return said(all_of(connection))


# --- bodies


@pytest.mark.parametrize(
    ("media", "body", "code", "message"),
    [
        pytest.param("application/json", b'{"metadata": {"na', 400, "not JSON", id="cut off"),
        pytest.param("application/json", b"", 400, "not JSON", id="empty"),
        pytest.param("application/json", b"[]", 400, "must be a ConfigMap object", id="a list"),
        pytest.param("application/json", b'"x\xff"', 400, "not JSON", id="no UTF-8"),
        pytest.param("application/json", b"[" * 100_000, 400, "not JSON", id="nested"),
        pytest.param("text/plain", b"{}", 415, "unknown format", id="plain text"),
        pytest.param("application/xml", b"<a/>", 415, "unknown format", id="XML"),
        pytest.param("application/yaml", b"a: [", 400, "not YAML", id="half YAML"),
        pytest.param("application/vnd.kubernetes.protobuf", b"k8s\0\x0a\xff", 400, "protobuf", id="half protobuf"),
        pytest.param("application/json", b'{"kind": "Pod", "apiVersion": "v1"}', 400, "this path is for v1 ConfigMap", id="another kind"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_document_is_refused(client, access, media, body, code, message):
    size = str(len(body))
    request = head(
        access, "POST", CONFIGS, content_type=media, content_length=size, connection="close"
    )
    answered, told = exchange(access, request + body)
    assert (answered, message in told) == (code, True), told


def test_a_body_that_ends_too_soon_changes_nothing(client, access):
    body = json.dumps(config("torn")).encode()
    request = head(access, "POST", CONFIGS, content_length=str(len(body) + 100))
    with connected(access) as connection:
        connection.sendall(request + body)
    names = [item["metadata"]["name"] for item in client.get(CONFIGS)["items"]]
    assert "torn" not in names


def test_a_body_that_is_too_large_is_refused_before_it_is_read(client, access):
    request = head(access, "POST", CONFIGS, content_length=str(2**32), connection="close")
    code, told = exchange(access, request)
    assert (code, told) == (413, "Request entity too large: limit is 3145728")


def test_a_chunked_body_without_end_is_refused(client, access):
    with connected(access) as connection:
        connection.sendall(head(access, "POST", CONFIGS, transfer_encoding="chunked"))
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        with pytest.raises((ssl.SSLError, OSError)):  # noqa: PT012 - it may fail at any chunk
            for _ in range(200):
                connection.sendall(chunk)
                connection.setblocking(False)
                try:
                    answer = connection.recv(65536)
                except (ssl.SSLWantReadError, BlockingIOError):
                    connection.setblocking(True)
                    continue
                assert b" 413 " in answer.splitlines()[0]
                raise ConnectionResetError


def test_a_head_without_end_is_refused(client, access):
    with connected(access) as connection:
        connection.sendall(b"GET /version HTTP/1.1\r\nhost: a\r\n")
        line = b"x-filler: " + b"x" * 8000 + b"\r\n"
        answer = b""
        try:
            for _ in range(100):
                connection.sendall(line)
        except (ssl.SSLError, OSError):
            pass
        else:
            answer = all_of(connection)
        assert b"200 OK" not in answer


@pytest.mark.parametrize(
    "request_line",
    [
        b"\x16\x03\x01 not HTTP at all\r\n\r\n",
        b"GET /version HTTP/9.9\r\n\r\n",
        b"POST /version HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /version HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /version HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(client, access, request_line):
    code, _ = exchange(access, request_line)
    assert code in (400, 401, 404, 405)


# --- names and paths


@pytest.mark.parametrize(
    "name",
    [
        "%2e%2e",
        "..%2f..%2fsecrets",
        "a%2fb",
        "a%00b",
        "%ff",
        "a" * 300,
        "a%20b",
        "A",
        "-a",
        "%0d%0ax",
    ],
)
def test_a_name_that_is_none_reaches_nothing(client, access, name):
    path = f"{CONFIGS}/{name}"
    code, _ = exchange(access, head(access, "GET", path, connection="close"))
    assert code in (400, 404, 405)
    body = json.dumps({"data": {}}).encode()
    for method in ("PUT", "PATCH", "DELETE"):
        request = head(
            access, method, path, connection="close", content_length=str(len(body)),
            content_type="application/merge-patch+json" if method == "PATCH" else "application/json",
        )  # fmt: skip
        code, _ = exchange(access, request + body)
        assert code in (400, 404, 405, 422)


@pytest.mark.parametrize(
    "name", ["..", "a/b", "a\0b", "a" * 254, "a b", "A", "-a", "a\r\nx", "", "\ud800", "%2e%2e"]
)
def test_an_object_can_not_have_a_name_that_is_none(client, name):
    with pytest.raises(ApiError) as refused:
        client.create(CONFIGS, config(name))
    assert refused.value.code in (400, 422)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nothings",
        "/apis/nowhere.io/v1/things",
        "/apis/apps/v9/deployments",
        "/api/v1/namespaces/default/configmaps/a/b/c/d",
        "/api/v1/namespaces/default/configmaps/../../../../etc/passwd",
        "//api//v1//pods",
        "/" + "a" * 9000,
        "/api/v1/namespaces/%2e%2e/configmaps/x",
    ],
)
def test_a_path_that_leads_nowhere_is_not_found(client, access, path):
    code, _ = exchange(access, head(access, "GET", path, connection="close"))
    assert code == 404


# --- many at once


def test_ten_clients_racing_on_one_object_lose_no_update(client, access):
    client.create(CONFIGS, config("counter", value="0"))

    def count_up(times: int) -> int:
        conflicts = 0
        with Client(access) as mine:
            for _ in range(times):
                while True:
                    now = mine.get(f"{CONFIGS}/counter")
                    now["data"]["value"] = str(int(now["data"]["value"]) + 1)
                    try:
                        mine.update(f"{CONFIGS}/counter", now)
                    except Conflict:
                        conflicts += 1
                    else:
                        break
        return conflicts

    with ThreadPoolExecutor(10) as pool:
        conflicts = sum(pool.map(count_up, [20] * 10))
    assert client.get(f"{CONFIGS}/counter")["data"]["value"] == "200"
    assert conflicts > 0  # they did race
    client.delete(f"{CONFIGS}/counter")


def test_an_old_version_writes_nothing_by_any_verb(client):
    made = client.create(CONFIGS, config("versioned", value="1")).body
    old = made["metadata"]["resourceVersion"]
    client.update(f"{CONFIGS}/versioned", config("versioned", value="2"))
    stale = {"metadata": {"name": "versioned", "resourceVersion": old}, "data": {"value": "3"}}
    with pytest.raises(Conflict):
        client.update(f"{CONFIGS}/versioned", stale)
    with pytest.raises(Conflict):
        client.patch(f"{CONFIGS}/versioned", stale)
    assert client.get(f"{CONFIGS}/versioned")["data"] == {"value": "2"}
    client.delete(f"{CONFIGS}/versioned")


def test_a_watch_that_never_reads_costs_little_and_hinders_nobody(engine, client, access):
    process = psutil.Process(engine.pid("control_plane"))
    client.create(CONFIGS, config("busy", value="0"))
    with ExitStack() as stack:
        for _ in range(5):
            deaf = stack.enter_context(connected(access, receive_buffer=4096))
            deaf.sendall(head(access, "GET", f"{CONFIGS}?watch=true"))
        before = process.memory_info().rss
        for number in range(300):
            client.update(f"{CONFIGS}/busy", config("busy", value=f"{number}" + "x" * 20_000))
        grown = process.memory_info().rss - before
        # 5 watchers times 300 changes of 20 KiB would be 30 MiB if each had its copy waiting; the log
        # that watches resume from holds the changes once (6 MiB).
        assert grown < 25 * 2**20, f"{grown >> 20} MiB"
    client.delete(f"{CONFIGS}/busy")


# --- a full disk


def test_on_a_full_disk_writes_are_refused_nothing_is_lost_and_all_goes_on_when_there_is_room(
    engine, client, access
):
    pid = engine.pid("control_plane")
    acknowledged = {}
    sizes = [path.stat().st_size for path in engine.home.glob("state.db*")]
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(sizes) + 2**20, most))
    told: list[str] = []
    try:
        for number in range(400):
            name = f"full-{number}"
            try:
                client.create(CONFIGS, config(name, value="x" * 50_000 + str(number)))
            except StorageFull as why:
                told.append(why.message)
                if len(told) == 3:
                    break
            else:
                acknowledged[name] = "x" * 50_000 + str(number)
        assert [message for message in told if "make room" in message] == told
        assert len(told) == 3
        listed = client.get(CONFIGS)  # reading goes on
        assert {i["metadata"]["name"] for i in listed["items"]} >= acknowledged.keys()
        with pytest.raises(StorageFull):
            client.create(CONFIGS, config("one-more", value="x" * 50_000))
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
    client.create(CONFIGS, config("room-again", value="y"))
    psutil.Process(pid).kill()  # what was acknowledged is on disk
    wait_until(
        "another control plane", lambda: engine.refresh()["control_plane"]["pid"] not in (None, pid)
    )
    wait_until("its answer", lambda: answers(access))
    with Client(access) as again:
        found = {
            i["metadata"]["name"]: i["data"]["value"]
            for i in again.get(CONFIGS)["items"]
            if "data" in i
        }
        assert {name: found.get(name) for name in acknowledged} == acknowledged
        assert found["room-again"] == "y"
        assert "one-more" not in found
        for name in (*acknowledged, "room-again"):
            again.delete(f"{CONFIGS}/{name}")


def answers(access: Access) -> bool:
    try:
        with Client(access) as it:
            it.get(CONFIGS)
    except ApiError:
        return False
    return True
