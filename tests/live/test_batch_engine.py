"""Batch work in a real engine: it gives way to online requests, runs as Jobs, and answers as OpenAI's API."""

import json
import signal
import subprocess
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from tidegate.testing.engine import CLI, EngineProblem, running_engine, service_document, wait_until

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

SERVER = Path(__file__).with_name("batch_server.py")
LONG_S, WITHIN_S = 120, 60.0


@pytest.fixture(scope="module")
def engine():
    with running_engine() as engine:
        command = ["python", str(SERVER), "0.02", "8080"]
        scaling = {"max-scale": "1"}
        document = service_document("model", command=command, concurrency=1, scaling=scaling)
        engine.cli("apply", "-f", "-", stdin=document)
        engine.cli("wait", "ksvc/model", "--for=condition=Ready", "--timeout", "60s")
        yield engine


def ask(engine, method, path, body=b"", kind="application/json"):
    connection = HTTPConnection(*engine.gateway, timeout=WITHIN_S)
    try:
        connection.request(method, path, body=body or None, headers={"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def lines(path: Path) -> list:
    return [json.loads(line) for line in path.read_text().splitlines()]


def kill_one(home: Path, *words: str) -> int:
    """Kill a process of this engine's pods by what its command line says."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            said = " ".join(process.cmdline())
            mark = process.environ().get("TMPDIR", "")
            if all(word in said for word in words) and mark.startswith(str(home)):
                process.send_signal(signal.SIGKILL)
                return process.pid
    return 0


def test_an_online_request_has_the_only_place_at_once_and_the_row_is_sent_again(engine, tmp_path):
    came = tmp_path / "came"
    row = {"sleep": LONG_S, "touch": str(came)}
    (tmp_path / "in.jsonl").write_text(json.dumps(row) + "\n")
    run = subprocess.Popen(
        [*CLI, "batch", "run", "model", "--input", "in.jsonl", "--output", "out.jsonl"],
        cwd=tmp_path,
        env=engine.environ(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until("the row is at the model", came.exists, within_s=WITHIN_S)
        # One row holds the only place for two minutes; nobody who is online waits for that.
        for _ in range(3):
            status, body = engine.ask("model", body=b'{"online": 1}', timeout_s=WITHIN_S)
            assert (status, body) == (200, b'{"online": 1}')
        assert run.poll() is None
    finally:
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate(timeout=30)
    assert (run.returncode, "No row was done yet" in said) == (1, True), said


def test_a_job_does_what_the_command_does(engine, tmp_path):
    count = 20
    (tmp_path / "in.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(count)))
    files = ["--input", str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "out.jsonl")]
    how = ("--protocol", "v2", "--template", '{"sleep": 0.01, "n": "{{n}}"}')
    engine.cli("batch", "run", "model", *files, *how, "--as-job", "--name", "rows")
    engine.cli("wait", "job/rows", "--for=condition=Complete", "--timeout", "90s")
    assert lines(tmp_path / "out.jsonl") == [
        {"row": n, "output": {"sleep": 0.01, "n": n}} for n in range(count)
    ]
    assert "Complete" in engine.cli("batch", "ls")
    assert f"served:    {count}" in engine.cli("batch", "status", "rows")
    with pytest.raises(EngineProblem, match="the Job rows is there already"):
        engine.cli("batch", "run", "model", *files, "--as-job", "--name", "rows")
    engine.cli("batch", "cancel", "rows")
    assert "rows" not in engine.cli("batch", "ls")


def upload(engine, text: str) -> str:
    form = (
        '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        '--b\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n'
        f"{text}\r\n--b--\r\n"
    )
    kind = "multipart/form-data; boundary=b"
    status, body = ask(engine, "POST", "/openai/v1/files", form.encode(), kind)
    assert status == 200, body
    return json.loads(body)["id"]


def batch_of(engine, text: str) -> str:
    asked = {
        "input_file_id": upload(engine, text),
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    status, body = ask(engine, "POST", "/openai/v1/batches", json.dumps(asked).encode())
    assert status == 200, body
    return json.loads(body)["id"]


def seen(engine, batch: str) -> dict:
    return json.loads(ask(engine, "GET", f"/openai/v1/batches/{batch}")[1])


def requests(count: int, model: str = "model", **more) -> str:
    return "".join(
        json.dumps(
            {
                "custom_id": f"r{n}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": model, "n": n, **more},
            }
        )
        + "\n"
        for n in range(count)
    )


def test_openais_batches_outlive_their_worker_and_their_server(engine):
    batch = batch_of(engine, requests(80))
    wait_until(
        "some are served",
        lambda: seen(engine, batch)["request_counts"]["completed"] > 0,
        within_s=WITHIN_S,
    )
    assert kill_one(engine.home, "tidegate.batch.openai", "work", batch)
    assert kill_one(engine.home, "tidegate.batch.openai", "serve")
    wait_until("it is completed", lambda: seen(engine, batch)["status"] == "completed", within_s=90)
    done = seen(engine, batch)
    assert done["request_counts"] == {"total": 80, "completed": 80, "failed": 0}
    _, content = ask(engine, "GET", f"/openai/v1/files/{done['output_file_id']}/content")
    found = [json.loads(line) for line in content.splitlines()]
    assert [line["custom_id"] for line in found] == [f"r{n}" for n in range(80)]
    assert found[7]["response"]["body"] == {"model": "model", "n": 7}
    assert done["error_file_id"] is None


def test_openais_batches_are_cancelled_with_what_they_have_and_fail_when_they_are_wrong(engine):
    wrong = batch_of(engine, requests(2, model="nobody"))
    wait_until("it failed", lambda: seen(engine, wrong)["status"] == "failed", within_s=WITHIN_S)
    assert seen(engine, wrong)["errors"]["data"][0]["code"] == "model_not_found"

    quick, slow = requests(3), requests(1, sleep=LONG_S).replace("r0", "slow")
    batch = batch_of(engine, quick + slow)
    wait_until(
        "three are served",
        lambda: seen(engine, batch)["request_counts"]["completed"] == 3,
        within_s=WITHIN_S,
    )
    status, body = ask(engine, "POST", f"/openai/v1/batches/{batch}/cancel")
    assert (status, json.loads(body)["status"]) == (200, "cancelling")
    wait_until("it ends", lambda: seen(engine, batch)["status"] == "cancelled", within_s=WITHIN_S)
    done = seen(engine, batch)
    assert done["request_counts"] == {"total": 4, "completed": 3, "failed": 0}
    _, content = ask(engine, "GET", f"/openai/v1/files/{done['output_file_id']}/content")
    assert len(content.splitlines()) == 3
