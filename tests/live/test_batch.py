"""Batch runs: each row once in the output, whatever happens in between."""

import asyncio
import errno
import itertools
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tidegate.batch import serving
from tidegate.batch.disk import Disk, _told, locked
from tidegate.batch.errors import (
    BadPlan,
    BatchError,
    InputFailed,
    OtherRun,
    OutputFailed,
    ServiceAway,
    Stopped,
)
from tidegate.batch.places import StoreAccess
from tidegate.batch.plan import Plan
from tidegate.batch.runner import run_batch
from tidegate.batch.shapes import Shape
from tidegate.kit.realtime import RealClock
from tidegate.testing.engine import CLI, wait_until

pytestmark = pytest.mark.live

SERVER = Path(__file__).with_name("batch_server.py")


class Model:
    """An HTTP server in this process. `answer` decides; what it saw is in `seen`."""

    def __init__(self, answer=None) -> None:
        self.answer = answer or (lambda value, count: (200, {"twice": value["n"] * 2}))
        self.seen: list = []
        self.heads: list[bytes] = []
        self.slow_s = 0.0
        self.url = ""

    async def serve(self, reader, writer):
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next(li for li in lines if li.startswith(b"content-length:"))
                value = json.loads(await reader.readexactly(int(length.split(b":")[1])))
                self.seen.append(value)
                self.heads.append(head)
                await asyncio.sleep(self.slow_s)
                status, body, *more = self.answer(value, len(self.seen))
                data = json.dumps(body).encode()
                extra = b"".join(b"%b\r\n" % line for line in more)
                writer.write(
                    b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n" % (status, extra, len(data))
                    + data
                )
        writer.close()


@asynccontextmanager
async def served(model: Model):
    serving = set()

    async def serve(reader, writer):
        serving.add(writer)
        try:
            await model.serve(reader, writer)
        finally:
            writer.close()
            serving.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    model.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield model
    finally:
        server.close()
        for writer in list(serving):
            writer.transport.abort()
        while serving:
            await asyncio.sleep(0)
        await asyncio.sleep(0)


def rows(path: Path, count: int, bad: tuple[int, ...] = ()) -> Path:
    lines = ("{oops" if n in bad else json.dumps({"n": n}) for n in range(count))
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def plan(model: Model, folder: Path, **more) -> Plan:
    shape = {"protocol": "raw", "model": "m", **more.pop("shape", {})}
    settings = {
        "url": model.url,
        "service": "the model",
        "input": str(folder / "in.jsonl"),
        "output": str(folder / "out.jsonl"),
        "input_format": "jsonl",
        "output_format": "jsonl",
        "save_s": 0.02,
        "patience_s": 20.0,
        **more,
    }
    return Plan(shape=Shape(**shape), **settings)


async def run(plan: Plan, **more):
    return await run_batch(plan, RealClock(), **{"stop": asyncio.Event(), **more})


def lines(path: Path) -> list:
    return [json.loads(line) for line in path.read_text().splitlines()]


def expected(count: int, less=()) -> list:
    return [{"row": n, "output": {"twice": n * 2}} for n in range(count) if n not in less]


async def test_rows_come_out_in_order_and_the_run_leaves_its_journal_only(tmp_path):
    rows(tmp_path / "in.jsonl", 300, bad=(7,))
    async with served(Model()) as model:
        summary = await run(plan(model, tmp_path))
        again = await run(plan(model, tmp_path))
    assert lines(tmp_path / "out.jsonl") == expected(300, less=(7,))
    [failed] = lines(tmp_path / "out.jsonl.failed.jsonl")
    assert (failed["row"], failed["input"]) == (7, "{oops")
    assert "not JSON" in failed["reason"]
    assert (summary.served, summary.failed, summary.already_complete) == (299, 1, False)
    assert (again.served, again.failed, again.already_complete) == (299, 1, True)
    assert len(model.seen) == 299
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "in.jsonl", "out.jsonl", "out.jsonl.failed.jsonl", "out.jsonl.run",
    ]  # fmt: skip
    assert all(b"Tidegate-Priority: batch\r\n" in head for head in model.heads)


async def test_out_of_order_every_row_is_there_once(tmp_path):
    rows(tmp_path / "in.jsonl", 300)
    async with served(Model()) as model:
        await run(plan(model, tmp_path, ordered=False, concurrency=16))
    assert sorted(lines(tmp_path / "out.jsonl"), key=lambda r: r["row"]) == expected(300)


class PowerCut(Exception):
    """Nothing more reaches the disk."""


class Cut(Disk):
    """Loses power at one step: before it, or in the middle of a write."""

    def __init__(self, at: int) -> None:
        self.left = at

    def _step(self) -> bool:
        self.left -= 1
        if self.left < 0:
            raise PowerCut
        return self.left == 0

    def append(self, path, data):
        if self._step():
            super().append(path, data[: len(data) // 2])
            self.left = 0
            raise PowerCut
        super().append(path, data)

    def cut(self, path, size):
        self._step()
        super().cut(path, size)

    def write(self, path, data):
        if self._step():
            path.with_name(path.name + ".new").write_bytes(data[: len(data) // 2])
            raise PowerCut
        super().write(path, data)

    def move(self, path, to):
        self._step()
        super().move(path, to)

    def remove(self, path):
        self._step()
        super().remove(path)


@pytest.mark.parametrize(("ordered", "output_format"), [(True, "jsonl"), (False, "csv")])
async def test_after_a_crash_at_any_step_the_output_is_the_same(tmp_path, ordered, output_format):
    def reference(folder):
        if output_format == "csv":
            text = sorted((folder / "out.csv").read_text().splitlines())
        else:
            text = sorted((folder / "out.jsonl").read_text().splitlines())
        return text, sorted((folder / "out.jsonl.failed.jsonl").read_text().splitlines())

    async with served(Model()) as model:
        model.slow_s = 0.003
        outcomes = []
        for step in itertools.count(1):
            folder = tmp_path / str(step)
            folder.mkdir()
            rows(folder / "in.jsonl", 40, bad=(3, 30))
            output = str(folder / f"out.{output_format}")
            asked = plan(model, folder, ordered=ordered, concurrency=3, output=output)
            asked = Plan(
                **{f: getattr(asked, f) for f in asked.__slots__} | {"output_format": output_format}
            )
            crashed = False
            try:
                await run(asked, disk=Cut(step))
            except PowerCut:
                crashed = True
            summary = await run(asked)
            (folder / f"out.{output_format}.failed.jsonl").replace(
                folder / "out.jsonl.failed.jsonl"
            )
            outcomes.append(reference(folder))
            assert (summary.served, summary.failed) == (38, 2)
            if not crashed:
                break
    assert step > 8  # it did crash at many places
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert len(outcomes[0][0]) == 38 + (output_format == "csv")


async def test_few_rows_are_in_memory_when_rows_are_large(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "_HELD_BYTES", 3000)
    rows = (json.dumps({"n": n, "text": "x" * 1000}) for n in range(40))
    (tmp_path / "in.jsonl").write_text("".join(f"{row}\n" for row in rows))
    most = 0

    def answer(value, count):
        nonlocal most
        most = max(most, count - model.answered)
        model.answered += 1
        return 200, {"twice": value["n"] * 2}

    async with served(Model(answer)) as model:
        model.answered, model.slow_s = 0, 0.02
        await run(plan(model, tmp_path, concurrency=16))
    assert lines(tmp_path / "out.jsonl") == expected(40)
    assert 1 < most <= 4


async def test_a_full_disk_says_so_and_the_run_goes_on_later(tmp_path):
    class Full(Disk):
        room = 1000

        def append(self, path, data):
            if path.name.endswith(".part"):
                fits, Full.room = min(Full.room, len(data)), max(0, Full.room - len(data))
                if fits < len(data):
                    super().append(path, data[:fits])
                    with _told(path):
                        raise OSError(errno.ENOSPC, "No space left on device")
            super().append(path, data)

    rows(tmp_path / "in.jsonl", 200)
    async with served(Model()) as model:
        with pytest.raises(OutputFailed, match=r"no space left .* run the same command again"):
            await run(plan(model, tmp_path), disk=Full())
        await run(plan(model, tmp_path))
    assert lines(tmp_path / "out.jsonl") == expected(200)


async def test_what_a_row_gets_wrong_is_not_tried_again_and_what_the_service_does_is(tmp_path):
    def answer(value, count):
        if value["n"] == 3:
            return 400, {"error": "no such thing"}
        if value["n"] == 5:
            return 500, {"error": "crash"}
        if count % 4 == 0:
            return 503, {"error": "busy"}
        return 200, {"twice": value["n"] * 2}

    rows(tmp_path / "in.jsonl", 12)
    async with served(Model(answer)) as model:
        summary = await run(plan(model, tmp_path, retries=1, concurrency=4))
    assert lines(tmp_path / "out.jsonl") == expected(12, less=(3, 5))
    wrong, broken = lines(tmp_path / "out.jsonl.failed.jsonl")
    assert (wrong["row"], wrong["status"], broken["row"], broken["status"]) == (3, 400, 5, 500)
    assert "2 tries" in broken["reason"]
    assert "no such thing" in wrong["answer"]
    assert summary.failed == 2


async def test_rows_of_one_request_are_told_apart_when_it_fails(tmp_path):
    def answer(value, count):
        if 3 in value["instances"]:
            return 400, {"error": "three"}
        return 200, {"predictions": [each * 2 for each in value["instances"]]}

    rows(tmp_path / "in.jsonl", 10)
    async with served(Model(answer)) as model:
        shape = {"protocol": "v1", "columns": ("n",)}
        await run(plan(model, tmp_path, shape=shape, batch_size=4))
    out = lines(tmp_path / "out.jsonl")
    assert [(r["row"], r["output"]) for r in out] == [(n, n * 2) for n in range(10) if n != 3]
    assert [r["row"] for r in lines(tmp_path / "out.jsonl.failed.jsonl")] == [3]


async def test_a_service_that_goes_ends_the_run_in_words_and_one_that_comes_back_ends_it_well(
    tmp_path,
):
    gone = {"gone": False}

    def answer(value, count):
        if gone["gone"] or value["n"] == 20:
            gone["gone"] = value["n"] == 20 or gone["gone"]
            if gone["gone"]:
                return 404, {"error": "no route"}, b"tidegate-error: gateway; no-route"
        return 200, {"twice": value["n"] * 2}

    rows(tmp_path / "in.jsonl", 40)
    async with served(Model(answer)) as model:
        with pytest.raises(ServiceAway, match=r"0.5 s: 404, the service isn't there\. .* goes on"):
            await run(plan(model, tmp_path, patience_s=0.5, concurrency=1))
        assert not (tmp_path / "out.jsonl").exists()
        model.answer = lambda value, count: (200, {"twice": value["n"] * 2})
        summary = await run(plan(model, tmp_path, patience_s=30.0))
    assert lines(tmp_path / "out.jsonl") == expected(40)
    assert summary.resumed_at == 20


async def test_rows_that_were_on_their_way_as_the_service_went_have_not_failed(tmp_path):
    def answer(value, count):
        if count > 10:
            return 404, {"error": "no route"}, b"tidegate-error: gateway; no-route"
        return 200, {"twice": value["n"] * 2}

    rows(tmp_path / "in.jsonl", 30)
    async with served(Model(answer)) as model:
        model.slow_s = 0.02
        with pytest.raises(ServiceAway):
            await run(plan(model, tmp_path, patience_s=0.6, concurrency=4))
        model.answer = lambda value, count: (200, {"twice": value["n"] * 2})
        summary = await run(plan(model, tmp_path))
    assert (summary.served, summary.failed) == (30, 0)


async def test_a_row_that_is_never_let_in_while_others_are_has_failed(tmp_path):
    def answer(value, count):
        if value["n"] == 1:
            return 503, {"error": "not you"}
        return 200, {"twice": value["n"] * 2}

    rows(tmp_path / "in.jsonl", 100)
    async with served(Model(answer)) as model:
        model.slow_s = 0.02
        await run(plan(model, tmp_path, patience_s=0.5, concurrency=2))
    assert lines(tmp_path / "out.jsonl") == expected(100, less=(1,))


async def test_when_nothing_works_from_the_start_nothing_is_left_behind(tmp_path):
    rows(tmp_path / "in.jsonl", 500)
    async with served(Model(lambda value, count: (422, {"error": "bad"}))) as model:
        with pytest.raises(BatchError, match="it isn't the rows"):
            await run(plan(model, tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["in.jsonl"]
    assert len(model.seen) < 500


async def test_a_row_that_fails_may_end_it_and_so_may_a_signal(tmp_path):
    rows(tmp_path / "in.jsonl", 50, bad=(30,))
    async with served(Model()) as model:
        with pytest.raises(Stopped, match="row 30 failed"):
            await run(plan(model, tmp_path, on_error="stop"))
        model.slow_s, stop = 0.05, asyncio.Event()

        def when_some_are_served(progress):
            if progress.served > 2:
                stop.set()

        other = {"output": str(tmp_path / "b.jsonl"), "concurrency": 1}
        with pytest.raises(Stopped, match="goes on from there"):
            await run(plan(model, tmp_path, **other), stop=stop, say=when_some_are_served)
        model.slow_s = 0.0
        await run(plan(model, tmp_path, **other))
    assert lines(tmp_path / "b.jsonl") == expected(50, less=(30,))


async def test_a_run_that_never_got_a_row_done_says_so_and_not_that_it_was_kept(tmp_path):
    rows(tmp_path / "in.jsonl", 3, bad=(0,))
    async with served(Model(lambda value, count: (503, {}))) as model:
        with pytest.raises(Stopped, match=r"^row 0 failed: not JSON.*No row was done yet$"):
            await run(plan(model, tmp_path, on_error="stop"))
        rows(tmp_path / "in.jsonl", 3)
        with pytest.raises(ServiceAway, match=r"503.*No row was done yet$"):
            await run(plan(model, tmp_path, patience_s=0.01))
    assert [p.name for p in tmp_path.iterdir()] == ["in.jsonl"]


async def test_an_output_that_is_gone_is_not_said_to_be_complete_but_a_jobs_may_be_fetched(
    tmp_path,
):
    rows(tmp_path / "in.jsonl", 3)
    async with served(Model()) as model:
        for name in ("", "job-1"):
            asked = plan(model, tmp_path, run=name, overwrite=bool(name))
            await run(asked)
            (tmp_path / "out.jsonl").unlink()
            if name:
                assert (await run(asked)).already_complete
            else:
                with pytest.raises(OtherRun, match="isn't there any more"):
                    await run(asked)


async def test_the_input_is_never_the_output(tmp_path):
    rows(tmp_path / "in.jsonl", 3)
    (tmp_path / "out.jsonl").symlink_to(tmp_path / "in.jsonl")
    async with served(Model()) as model:
        for name in ("in.jsonl", "out.jsonl"):
            with pytest.raises(BadPlan, match="is the input"):
                await run(plan(model, tmp_path, output=str(tmp_path / name), overwrite=True))
    assert not model.seen


async def test_runs_do_not_mix(tmp_path):
    rows(tmp_path / "in.jsonl", 10)
    async with served(Model()) as model:
        asked = plan(model, tmp_path)
        with (
            locked(tmp_path / "out.jsonl.lock", "it"),
            pytest.raises(OtherRun, match="another run"),
        ):
            await run(asked)
        (tmp_path / "out.jsonl").write_text("mine")
        with pytest.raises(OtherRun, match="exists"):
            await run(asked)
        await run(plan(model, tmp_path, overwrite=True))
        assert lines(tmp_path / "out.jsonl") == expected(10)
        with pytest.raises(OtherRun, match="differs in limit"):
            await run(plan(model, tmp_path, limit=5))
        await run(plan(model, tmp_path, limit=5, overwrite=True))
    assert lines(tmp_path / "out.jsonl") == expected(5)


async def test_parquet_goes_in_and_out(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"n": list(range(50))}), tmp_path / "in.parquet")
    async with served(Model()) as model:
        files = {"input": str(tmp_path / "in.parquet"), "output": str(tmp_path / "out.parquet")}
        formats = {"input_format": "parquet", "output_format": "parquet"}
        await run(plan(model, tmp_path, **files, **formats))
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.to_pylist() == [{"row": n, "output.twice": n * 2} for n in range(50)]


def test_a_process_that_is_killed_again_and_again_serves_each_row_once(tmp_path):
    count = 1500
    rows(tmp_path / "in.jsonl", count, bad=(11,))
    server = subprocess.Popen([sys.executable, str(SERVER), "0.002"], stdout=subprocess.PIPE)
    try:
        port = int(server.stdout.readline())
        command = [
            *CLI, "batch", "run", f"http://127.0.0.1:{port}",
            "--input", "in.jsonl", "--output", "out.jsonl", "--concurrency", "2",
        ]  # fmt: skip
        kills = 0
        for _ in range(4):
            process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
            before = served_so_far(tmp_path)
            end = time.monotonic() + 30
            while served_so_far(tmp_path) == before and process.poll() is None:
                assert time.monotonic() < end
                time.sleep(0.01)
            process.kill()
            kills += process.wait() == -signal.SIGKILL
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    assert (done.returncode, kills > 0) == (3, True), done.stderr
    assert "1,499 rows served, 1 failed" in done.stdout
    assert [line["row"] for line in lines(tmp_path / "out.jsonl")] == [
        n for n in range(count) if n != 11
    ]


def served_so_far(folder: Path) -> int:
    try:
        return json.loads((folder / "out.jsonl.run").read_text())["served"]
    except (FileNotFoundError, ValueError):
        return 0


@pytest.fixture
def s3(tmp_path, monkeypatch):
    """An S3 server over a folder, with a bucket `data`; gives the bucket's folder and the address."""
    rclone = Path(sys.executable).with_name("rclone")
    if not rclone.exists():
        pytest.skip("needs rclone (requirements/dev.txt)")
    (tmp_path / "s3" / "data").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    keys = ("batch-key", "batch-secret")
    server = subprocess.Popen(
        [
            rclone, "serve", "s3", "--auth-key", ",".join(keys), "--addr", f"127.0.0.1:{port}",
            "--dir-cache-time", "0s", str(tmp_path / "s3"),
        ],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys[1])
    try:
        wait_until("rclone listens", lambda: listens(port))
        yield tmp_path / "s3" / "data", StoreAccess(endpoint=f"http://127.0.0.1:{port}")
    finally:
        server.kill()
        server.wait()


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


async def test_objects_of_a_store_go_in_and_out_and_a_run_to_a_store_resumes(
    tmp_path, s3, monkeypatch
):
    bucket, access = s3
    rows(bucket / "in.jsonl", 60, bad=(4,))
    state = tmp_path / "state"
    places = {"input": "s3://data/in.jsonl", "output": "s3://data/out.jsonl"}
    async with served(Model()) as model:
        model.slow_s, stop = 0.02, asyncio.Event()
        asked = plan(model, tmp_path, **places, access=access, state_folder=state, concurrency=1)

        def when_some_are_served(progress):
            if progress.served > 5:
                stop.set()

        with pytest.raises(Stopped):
            await run(asked, stop=stop, say=when_some_are_served)
        assert not (bucket / "out.jsonl").exists()
        model.slow_s = 0.0
        summary = await run(asked)
        assert lines(bucket / "out.jsonl") == expected(60, less=(4,))
        assert [line["row"] for line in lines(bucket / "out.jsonl.failed.jsonl")] == [4]
        assert summary.resumed_at > 0
        assert len(model.seen) < 2 * 60
        missing = plan(model, tmp_path, **{**places, "input": "s3://data/none"}, access=access)
        with pytest.raises(InputFailed, match="no such bucket or object"):
            await run(missing)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
        with pytest.raises(InputFailed, match="refuses these keys"):
            await run(plan(model, tmp_path, **places, access=access, state_folder=tmp_path / "s"))
