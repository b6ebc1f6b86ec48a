"""OpenAI's Batch API without a network: forms, records, checks, and the application itself."""

import asyncio
import json
import os
from pathlib import Path

import msgspec
import pytest

from tidegate.batch.openai import records
from tidegate.batch.openai.app import BatchApi
from tidegate.batch.openai.check import problems
from tidegate.batch.openai.form import boundary_of, parts_of
from tidegate.batch.openai.jobs import job_document
from tidegate.batch.openai.records import Batch, Refused, moved
from tidegate.batch.openai.shelf import Shelf
from tidegate.batch.openai.work import Worker
from tidegate.batch.spool import Journal
from tidegate.kit.realtime import RealClock
from tidegate.model.kinds import KINDS

NOW_S = 1_800_000_000.0


class Now:
    """A clock that stands still until it is put forward."""

    def __init__(self) -> None:
        self.s = NOW_S

    def now(self) -> float:
        return self.s

    def monotonic(self) -> float:
        return self.s

    async def sleep(self, after_s: float) -> None:
        self.s += after_s


class Work:
    """Remembers which batches were asked for; fails if told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails = False

    def ensure(self, batch_id: str) -> None:
        self.asked.append(batch_id)
        if self.fails:
            raise OSError("no API")


class Client:
    """Speaks ASGI to the application, a body in pieces."""

    def __init__(self, folder: Path) -> None:
        self.shelf, self.work, self.clock = Shelf(folder), Work(), Now()
        self.app = BatchApi(self.shelf, self.work, self.clock)

    async def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json"):
        path, _, query = path.partition("?")
        pieces = [body[at : at + 7] for at in range(0, len(body), 7)] or [b""]
        sent: list[dict] = []

        async def receive():
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": f"/openai/v1{path}",
            "query_string": query.encode(),
            "headers": [(b"content-type", kind.encode())],
        }
        await self.app(scope, receive, send)
        return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:])

    async def json(self, *asked, **more):
        status, body = await self.ask(*asked, **more)
        return status, json.loads(body)

    async def upload(
        self, content: bytes, *, purpose: str = "batch", name: str = "in.jsonl", **fields: str
    ):
        body = form(content, purpose, name, **fields)
        return await self.json("POST", "/files", body, kind=FORM)

    async def batch(self, **more):
        _, file = await self.upload(b"{}\n")
        asked = {
            "input_file_id": file["id"],
            "endpoint": "/v1/embeddings",
            "completion_window": "24h",
        }
        return await self.json("POST", "/batches", json.dumps(asked | more).encode())


FORM = 'multipart/form-data; boundary="x-y"'


def form(content: bytes, purpose: str, name: str, **fields: str) -> bytes:
    more = "".join(
        f'--x-y\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    )
    return more.encode() + (
        b'--x-y\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n'
        + purpose.encode()
        + b"\r\n"
        b'--x-y\r\nContent-Disposition: form-data; name="file"; filename="'
        + name.encode()
        + b'"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n--x-y--\r\n"
    )


@pytest.fixture
def client(tmp_path):
    return Client(tmp_path)


# --- files


async def test_a_file_comes_back_byte_for_byte_and_goes_when_deleted(client, tmp_path):
    content = bytes(range(256)) * 40 + b"\r\n--x-z\r\n"
    status, file = await client.upload(content)
    assert (status, file["object"], file["bytes"], file["filename"], file["purpose"]) == (
        200, "file", len(content), "in.jsonl", "batch",
    )  # fmt: skip
    assert await client.json("GET", f"/files/{file['id']}") == (200, file)
    assert await client.ask("GET", f"/files/{file['id']}/content") == (200, content)
    gone = {"id": file["id"], "object": "file", "deleted": True}
    assert await client.json("DELETE", f"/files/{file['id']}") == (200, gone)
    status, said = await client.json("GET", f"/files/{file['id']}")
    assert (status, said["error"]["code"]) == (404, "not_found")
    assert list((tmp_path / "arriving").iterdir()) == []


async def test_a_file_goes_when_its_time_is_over(client):
    kept = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    _, file = await client.upload(b"{}\n", **kept)
    assert file["expires_at"] == file["created_at"] + 3600
    client.clock.s += 3599
    assert (await client.ask("GET", f"/files/{file['id']}"))[0] == 200
    client.clock.s += 1
    assert (await client.ask("GET", f"/files/{file['id']}"))[0] == 404
    assert (await client.json("GET", "/files"))[1]["data"] == []
    await client.app.look_after_all()
    assert client.shelf.file(file["id"]) is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"expires_after[anchor]": "now", "expires_after[seconds]": "3600"}, "anchor can only"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "60"}, "from 3600"),
        ({"expires_after[anchor]": "created_at"}, "from 3600"),
        ({"colour": "red"}, "Unknown parameter: 'colour'"),
    ],
)
async def test_what_an_upload_asks_for_is_done_or_refused(client, fields, said):
    status, answer = await client.upload(b"{}\n", **fields)
    assert (status, said in answer["error"]["message"]) == (400, True), answer


async def test_uploads_that_ended_in_the_middle_and_broken_records_stop_nobody(client):
    left = client.shelf.arriving / "file-left"
    left.write_bytes(b"half")
    os.utime(left, (NOW_S - 9999, NOW_S - 9999))
    _, batch = await client.batch()
    broken = client.shelf.folder(batch["id"]).parent / "batch.json"
    broken.write_text("{")
    await client.app.look_after_all()
    assert list(client.shelf.arriving.iterdir()) == []
    assert (await client.ask("GET", f"/batches/{batch['id']}"))[0] == 404


async def test_lists_come_in_pages_the_newest_first(client):
    ids = []
    for _ in range(3):
        client.clock.s += 1
        ids.append((await client.upload(b"{}"))[1]["id"])
    _, page = await client.json("GET", "/files?limit=2")
    assert ([f["id"] for f in page["data"]], page["has_more"]) == ([ids[2], ids[1]], True)
    _, rest = await client.json("GET", f"/files?limit=2&after={page['last_id']}")
    assert ([f["id"] for f in rest["data"]], rest["has_more"]) == ([ids[0]], False)
    _, other = await client.json("GET", "/files?purpose=vision")
    assert (other["data"], other["first_id"]) == ([], None)
    assert (await client.ask("GET", "/files?limit=0"))[0] == 400
    assert (await client.ask("GET", "/files?after=file-none"))[0] == 400


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"{}", "application/json", "multipart"),
        (b"", FORM, "empty"),
        (form(b"x", "fine-tune", "a"), FORM, "only 'batch'"),
        (form(b"x" * 99, "batch", "a")[:-30], FORM, "cut short"),
        (b"--x-y--\r\n", FORM, "no `file`"),
    ],
)
async def test_what_is_no_upload_is_refused_in_words(client, body, kind, said):
    status, answer = await client.json("POST", "/files", body, kind=kind)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    assert said in answer["error"]["message"]


def test_names_in_forms_may_be_quoted_and_odd(tmp_path):
    path = tmp_path / "form"
    path.write_bytes(form(b"abc", "batch", 'a \\"b\\".jsonl'))
    part = parts_of(path, boundary_of("multipart/form-data;boundary=x-y"))["file"]
    assert part.filename == 'a "b".jsonl'
    assert path.read_bytes()[part.begin : part.end] == b"abc"
    with pytest.raises(Refused):
        boundary_of("multipart/form-data")


async def test_a_file_that_is_too_large_is_refused(client, monkeypatch):
    monkeypatch.setattr("tidegate.batch.openai.app.MOST_FILE_BYTES", 10)
    monkeypatch.setattr("tidegate.batch.openai.app._FORM_BYTES", 300)
    assert (await client.upload(b"x" * 10))[0] == 200
    assert (await client.upload(b"x" * 11))[0] == 413
    assert (await client.upload(b"x" * 500))[0] == 413


async def test_ids_that_are_no_ids_lead_nowhere(client):
    for path in ("/files/..", "/files/file-../content", "/batches/batch_..", "/nothing"):
        assert (await client.ask("GET", path))[0] == 404


# --- batches


async def test_a_new_batch_is_kept_and_worked_on(client):
    status, batch = await client.batch(metadata={"a": "b"})
    assert (status, batch["object"], batch["status"]) == (200, "batch", "validating")
    assert batch["expires_at"] - batch["created_at"] == 24 * 3600
    assert batch["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert client.work.asked == [batch["id"]]
    assert await client.json("GET", f"/batches/{batch['id']}") == (200, batch)
    _, listed = await client.json("GET", "/batches")
    assert [b["id"] for b in listed["data"]] == [batch["id"]]


async def test_a_batch_that_could_not_be_given_to_anybody_is_given_later(client):
    client.work.fails = True
    status, batch = await client.batch()
    assert status == 200
    client.work.fails = False
    client.clock.s += 10
    await client.ask("GET", f"/batches/{batch['id']}")
    assert client.work.asked == [batch["id"]] * 2
    await client.app.look_after_all()
    assert client.work.asked == [batch["id"]] * 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"input_file_id": "file-000000000000"},
        {"endpoint": "/v1/images"},
        {"completion_window": "1h"},
        {"metadata": {str(n): "" for n in range(17)}},
        {"surprise": 1},
    ],
)
async def test_what_can_be_no_batch_is_refused(client, wrong):
    status, said = await client.batch(**wrong)
    assert status in (400, 404)
    assert said["error"]["message"]
    assert client.work.asked == []


async def test_one_that_is_told_to_stop_is_cancelling_until_its_worker_says_so(client):
    _, batch = await client.batch()
    status, said = await client.json("POST", f"/batches/{batch['id']}/cancel")
    assert (status, said["status"], said["cancelling_at"]) == (200, "cancelling", int(NOW_S))
    client.clock.s += 5
    _, again = await client.json("POST", f"/batches/{batch['id']}/cancel")
    assert again["cancelling_at"] == int(NOW_S)
    over = moved(client.shelf.batch(batch["id"]), "cancelled", NOW_S)
    client.shelf.save(over)
    assert (await client.json("GET", f"/batches/{batch['id']}"))[1]["status"] == "cancelled"
    assert (await client.ask("POST", f"/batches/{batch['id']}/cancel"))[0] == 409


async def test_a_batch_that_nobody_ended_has_expired_after_its_window(client):
    _, batch = await client.batch()
    client.clock.s += 25 * 3600
    _, late = await client.json("GET", f"/batches/{batch['id']}")
    assert (late["status"], late["expired_at"]) == ("expired", batch["expires_at"])


# --- input files


def line(**more) -> str:
    request = {
        "custom_id": "a",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m"},
    }
    return json.dumps(request | more)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (line(), []),
        (line() + "\n\n" + line(custom_id="b"), []),
        ("", ["empty_file"]),
        ("nope", ["invalid_json_line"]),
        ("[]", ["invalid_json_line"]),
        (line() + "\n" + line(), ["duplicate_custom_id"]),
        (line(custom_id=None), ["missing_required_parameter"]),
        (line(method="GET"), ["invalid_method"]),
        (line(url="/v1/embeddings"), ["mismatched_url"]),
        (line(body={"model": "other"}), ["model_not_found"]),
        (line(body={}), ["missing_required_parameter"]),
        (line(body={"model": "m", "stream": True}), ["invalid_request"]),
    ],
)
def test_an_input_file_is_checked_line_by_line(tmp_path, text, codes):
    path = tmp_path / "in.jsonl"
    path.write_text(text)
    _, found = problems(path, "/v1/chat/completions", {"m"})
    assert [problem.code for problem in found] == codes


def test_too_many_requests_are_told_first(tmp_path, monkeypatch):
    monkeypatch.setattr("tidegate.batch.openai.check.MOST_REQUESTS", 2)
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(line(custom_id=str(n)) for n in range(3)))
    total, [first] = problems(path, "/v1/chat/completions", {"m"})
    assert (total, first.code) == (3, "too_many_tasks")


def test_the_job_of_a_batch_is_a_job_as_we_know_it(tmp_path):
    document = job_document("batch_0123456789abcdef", tmp_path)
    assert document["metadata"]["name"] == "batch-0123456789abcdef"
    assert any(kind.kind == document["kind"] for kind in KINDS)
    assert (
        Batch(
            id="b", endpoint="e", input_file_id="f", created_at=0, expires_at=records.WINDOW_S
        ).status
        == "validating"
    )


# --- the worker, when there is nothing to send any more


def begun(client: Client, *, rows: int = 3) -> Batch:
    """A batch that is being worked on, and whose window is over."""
    content = client.shelf.arriving / "in"
    content.write_text("".join(line(custom_id=f"r{n}") + "\n" for n in range(rows)))
    file = records.FileRecord(
        id="file-00000000", bytes=1, created_at=0, filename="in", purpose="batch"
    )
    client.shelf.add_file(content, file)
    batch = Batch(
        id="batch_00000000",
        endpoint="/v1/chat/completions",
        input_file_id=file.id,
        created_at=0,
        expires_at=int(NOW_S) - 1,
        status="in_progress",
        request_counts=records.Counts(total=rows),
    )
    client.shelf.save(batch)
    return batch


def served(client: Client, batch: Batch, rows: int) -> None:
    """What a worker that was killed has left: so many rows in the output, and half a line more."""
    folder = client.shelf.folder(batch.id)
    data = b"".join(b'{"row": %d}\n' % n for n in range(rows))
    (folder / "out.jsonl.part").write_bytes(data + b'{"half')
    (folder / "out.jsonl.failed.jsonl").write_bytes(b"")
    journal = Journal(about={}, next=rows, offset=None, out_bytes=len(data), served=rows)
    (folder / "out.jsonl.run").write_bytes(msgspec.json.encode(journal))


async def test_when_the_window_is_over_what_was_served_is_kept_and_the_rest_has_failed(client):
    batch = begun(client)
    served(client, batch, 1)
    for _ in range(2):  # a second worker finds nothing to do
        batch = client.shelf.batch(batch.id)
        await Worker(client.shelf, batch, "http://127.0.0.1:1", client.clock, asyncio.Event()).run()
    done = client.shelf.batch(batch.id)
    assert (done.status, done.expired_at) == ("expired", int(NOW_S))
    assert done.request_counts == records.Counts(total=3, completed=1, failed=2)
    assert client.shelf.content(done.output_file_id).read_text() == '{"row": 0}\n'
    errors = client.shelf.content(done.error_file_id).read_text().splitlines()
    assert [json.loads(e)["custom_id"] for e in errors] == ["r1", "r2"]
    assert json.loads(errors[0])["error"]["code"] == "batch_expired"


async def test_a_worker_that_dies_as_it_ends_a_batch_is_followed_by_one_that_ends_it_the_same(
    client,
):
    outcomes = []
    for _ in range(2):
        batch = begun(client)  # as if its last state had never been written
        served(client, batch, 2)
        await Worker(client.shelf, batch, "http://127.0.0.1:1", client.clock, asyncio.Event()).run()
        done = client.shelf.batch(batch.id)
        outcomes.append((done, client.shelf.content(done.error_file_id).read_text()))
    assert outcomes[0] == outcomes[1]


async def test_the_outputs_of_a_batch_go_when_it_was_asked_that_they_do(client):
    kept = {"anchor": "created_at", "seconds": 7200}
    status, batch = await client.batch(output_expires_after=kept)
    assert (status, batch["output_expires_after"]) == (200, kept)
    status, said = await client.batch(output_expires_after=kept | {"seconds": 1})
    assert (status, said["error"]["param"]) == (400, "output_expires_after[seconds]")
    batch = msgspec.structs.replace(
        begun(client), output_expires_after=records.ExpiresAfter(**kept)
    )
    served(client, batch, 1)
    await Worker(client.shelf, batch, "http://127.0.0.1:1", client.clock, asyncio.Event()).run()
    done = client.shelf.batch(batch.id)
    assert client.shelf.file(done.output_file_id).expires_at == int(NOW_S) + 7200


async def test_one_that_is_cancelled_before_it_began_has_no_files(client):
    batch = begun(client)
    batch = msgspec.structs.replace(batch, status="validating", expires_at=int(NOW_S) + 99)
    client.shelf.save(batch)
    client.shelf.ask_to_cancel(batch.id, NOW_S)
    batch = client.shelf.batch(batch.id)
    await Worker(client.shelf, batch, "http://127.0.0.1:1", client.clock, asyncio.Event()).run()
    done = client.shelf.batch(batch.id)
    assert (done.status, done.output_file_id, done.error_file_id) == ("cancelled", None, None)
    assert done.cancelling_at == int(NOW_S)


async def test_one_whose_rows_are_all_served_is_completed_although_somebody_cancels_it_then(client):
    batch = begun(client, rows=0)
    batch = msgspec.structs.replace(batch, expires_at=2 * int(NOW_S))

    async def work() -> Batch:
        client.shelf.save(batch)
        await Worker(client.shelf, batch, "http://127.0.0.1:1", RealClock(), asyncio.Event()).run()
        return client.shelf.batch(batch.id)

    assert (await work()).status == "completed"
    journal = client.shelf.folder(batch.id) / "out.jsonl.run"  # as if it died just before its end
    journal.write_text(journal.read_text().replace('"complete"', '"publishing"'))
    client.shelf.ask_to_cancel(batch.id, NOW_S)
    assert (await work()).status == "completed"
