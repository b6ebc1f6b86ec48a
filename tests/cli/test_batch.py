"""`tidegate batch`: what is asked for, refused, shown, and written as a Job."""

import json
from dataclasses import fields

import pytest
from ruamel.yaml import YAML

from tidegate.batch.plan import Progress, Summary
from tidegate.batch.spool import Journal
from tidegate.cli.batch.jobs import _why
from tidegate.cli.batch.options import Pace, Places, Requests
from tidegate.cli.batch.progress import _Remaining, said
from tidegate.cli.batch.target import batch_target
from tidegate.cli.main import main

FAILED = {"type": "Failed", "status": "True", "message": "no more tries"}
URL = "http://127.0.0.1:1"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    (tmp_path / "in.jsonl").write_text('{"n": 1, "m": "x"}\n{"n": 2}\n')
    return tmp_path


def batch(*words: str) -> int:
    return main(["batch", "run", *words])


FILES = ("--input", "in.jsonl", "--output", "out.jsonl")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((URL,), "all three are needed"),
        ((URL, *FILES, "--batch-size", "0"), "--batch-size 0: at least 1"),
        ((URL, *FILES, "--batch-size", "4", "--protocol", "chat"), "only V1 requests"),
        ((URL, *FILES, "--protocol", "v2", "--column", "n"), "add --model NAME"),
        ((URL, *FILES, "--template", "{{n}}"), "--template: it is no JSON"),
        ((URL, *FILES, "-H", "nope"), "write it as 'Name: value'"),
        ((URL, "--input", "in.txt", "--output", "o.jsonl"), "--input-format"),
        ((URL, "--input", "in.jsonl", "--output", "-"), "can't be resumed"),
        ((URL, *FILES, "--timeout", "soon"), "--timeout"),
        ((URL, *FILES, "--name", "x"), "--as-job"),
        (("ftp://x/y", *FILES), "http://HOST"),
        (("iris", *FILES, "--url", "iris:80"), "--url iris:80: write http://"),
        ((URL, *FILES, "--url", URL), "is a URL itself"),
        ((URL, "--input", "-", "--output", "o.jsonl", "--as-job"), "no standard input"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused_in_one_line(folder, capsys, words, said):
    assert batch(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_what_is_not_there_is_said(folder, capsys):
    assert batch(URL, "--input", "none.jsonl", "--output", "o.jsonl") == 1
    assert "No such file" in capsys.readouterr().err
    assert batch(URL, "--input", "in.jsonl", "--output", "no/folder/o.jsonl") == 1
    assert "there is no folder" in capsys.readouterr().err
    assert batch("iris", "--input", "none.jsonl", "--output", "o.jsonl", "--as-job") == 1
    assert "none.jsonl: No such file" in capsys.readouterr().err
    late = ("--input", "tomorrow.jsonl", "--output", "o.jsonl", "--as-job", "--dry-run")
    assert batch("iris", *late) == 0  # a document may be for a file that isn't there yet
    assert "tomorrow.jsonl" in capsys.readouterr().out
    assert batch("iris", *FILES) == 1
    assert "tidegate up" in capsys.readouterr().err
    assert main(["batch", "status"]) == 2
    assert "needs a NAME" in capsys.readouterr().err


def test_a_dry_run_shows_the_first_request_and_sends_nothing(folder, capsys):
    assert batch(f"{URL}/p", *FILES, "--dry-run", "--template", '{"x": ["{{n}}"]}') == 0
    out = capsys.readouterr().out
    assert out.startswith(f"POST {URL}/p\n")
    assert out.endswith('\n{"x":[1]}\n')
    assert batch(URL, *FILES, "--dry-run", "--column", "z") == 1
    assert "it has no column z" in capsys.readouterr().err
    assert list(folder.glob("out*")) == []


def test_a_url_names_no_model(folder, capsys):
    chat = ("--protocol", "chat", "--column", "m", "--dry-run")
    assert batch(URL, *FILES, *chat) == 0
    assert '{"messages":' in capsys.readouterr().out
    assert batch(URL, *FILES, *chat, "--model", "x") == 0
    assert '{"model":"x","messages":' in capsys.readouterr().out


def test_nobody_there_ends_a_run_after_its_patience(folder, capsys):
    assert batch(URL, *FILES, "--patience", "300ms") == 1
    err = capsys.readouterr().err
    assert "no row was served for 0.3 s: 127.0.0.1:1: connection refused" in err
    assert list(folder.glob("out*")) == []  # nothing was done, so nothing is left


def test_a_run_as_a_job_is_the_same_command_line_with_paths_written_out(folder, capsys):
    more = ("--column", "n", "--protocol", "v1", "--batch-size", "8", "--keep", "a.b")
    secret = ("--secret", "keys")
    assert batch("isvc/iris", *FILES, *more, *secret, "--as-job", "--dry-run", "-o", "yaml") == 0
    job = YAML(typ="safe").load(capsys.readouterr().out)
    [container] = job["spec"]["template"]["spec"]["containers"]
    args = container["args"]
    assert (job["kind"], container["image"]) == ("Job", "tidegate/batch")
    assert args[:8] == [
        "run", "isvc/iris", "--url", "http://iris-predictor.default.svc.cluster.local",
        "--input", str(folder / "in.jsonl"), "--output", str(folder / "out.jsonl"),
    ]  # fmt: skip
    assert container["envFrom"] == [{"secretRef": {"name": "keys"}}]
    assert container["volumeMounts"] == [{"name": "files-0", "mountPath": str(folder)}]
    assert args[args.index("--run-name") + 1] == job["metadata"]["name"]
    # The Job's own command line is one that this program reads.
    args[3] = "http://127.0.0.1:8080/default/iris-predictor"  # what the name becomes in a pod
    assert main(["batch", *args, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"POST {args[3]}/v1/models/iris:predict\n")
    assert '{"instances":[1,2]}' in said


EVERY_OPTION = (
    *("--protocol", "v1", "--column", "n", "--column", "m", "--batch-size", "4", "--model", "x"),
    *("-H", "A: b", "--keep", "a.b", "--id", "n", "--with-input", "--concurrency", "3"),
    *("--max-concurrency", "9", "--no-ordered", "--scale", "--limit", "7", "--retries", "1"),
    *("--timeout", "1m", "--patience", "2m", "--on-error", "stop", "--failed-rows-ok"),
    *(
        "--input-format",
        "jsonl",
        "--output-format",
        "csv",
        "--overwrite",
        "--s3-endpoint",
        "http://s",
    ),
    *("--s3-region", "r", "--s3-anonymous", "--run-name", "mine", "--template", '{"a": "{{n}}"}'),
)


def test_no_option_is_lost_on_the_way_into_a_job(folder, capsys):
    given = {word for word in EVERY_OPTION if word.startswith("-")}
    options = {f"--{f.name}".replace("_", "-") for c in (Requests, Pace, Places) for f in fields(c)}
    taken = {word.replace("--no-", "--") for word in given} | {"--header", "--state-dir"}
    assert options - taken == set()  # of those, one is -H, and a store's job is tested below
    assert batch("iris", *FILES, *EVERY_OPTION, "--as-job", "--dry-run", "-o", "json") == 0
    [container] = json.loads(capsys.readouterr().out)["spec"]["template"]["spec"]["containers"]
    assert set(EVERY_OPTION) - {"-H"} <= set(container["args"])
    assert container["args"][container["args"].index("--header") + 1] == "A: b"


def test_a_port_is_no_part_of_a_jobs_name_or_of_its_models(folder, capsys):
    assert batch("svc/web:8081/x", *FILES, "--as-job", "--dry-run", "-o", "json") == 0
    job = json.loads(capsys.readouterr().out)
    args = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert job["metadata"]["name"].startswith("batch-web-")
    assert args[args.index("--model") + 1] == "web"
    assert args[args.index("--url") + 1] == "http://web.default.svc.cluster.local:8081"


def test_a_job_that_writes_to_a_store_keeps_its_state_in_the_engines_folder(folder, capsys):
    files = ("--input", "s3://a/in.jsonl", "--output", "s3://a/out.parquet")
    assert batch("iris", *files, "--as-job", "--dry-run", "-o", "json") == 0
    job = json.loads(capsys.readouterr().out)
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert str(folder / "home" / "batch") in container["args"]
    assert container["volumeMounts"][0]["mountPath"] == str(folder / "home" / "batch")


@pytest.mark.parametrize(
    ("text", "inside", "path"),
    [
        ("iris", "http://iris.ns.svc.cluster.local", None),
        ("iris/v1/x", "http://iris.ns.svc.cluster.local", "/v1/x"),
        ("isvc/iris/v1", "http://iris-predictor.ns.svc.cluster.local", "/v1"),
        ("http://h:8/a/", "http://h:8", "/a"),
    ],
)
def test_targets_as_pods_call_them(folder, text, inside, path):
    target = batch_target(text, "ns", None, inside=True)
    assert (target.inside, target.path) == (inside, path)


def test_progress_and_the_end_are_one_line_each():
    line = _Remaining().line(Progress(1200, 3, 0.25, 41.2, 8, 8, 2, "503 busy"))
    assert line.startswith("25%, 1,203 rows, 3 failed, 41.2 rows/s, 8 at once")
    assert line.endswith("gave way 2 times, waits: 503 busy")
    assert "12,346 rows/s" in _Remaining().line(Progress(1, 0, None, 12345.6, 8, 8, 0, None))
    ended = said(Summary(90, 10, 200.0, 50, False, 0, "o.jsonl", "o.jsonl.failed.jsonl"))
    assert ended == (
        "o.jsonl: 90 rows served, 10 failed (o.jsonl.failed.jsonl) in 3m20s"
        " (0.5 rows/s, resumed at row 50)"
    )


@pytest.mark.parametrize(
    ("status", "rows_failed", "state", "why"),
    [
        ({"active": 1}, 0, "running", ""),
        ({"failed": 2}, 0, "running", "pods that ended early: 2, the next one goes on;"),
        ({"failed": 1, "conditions": [FAILED]}, 0, "running", "no more tries"),
        ({"failed": 1, "conditions": [FAILED]}, 3, "complete", "all rows are done, and the failed"),
    ],
)
def test_a_run_that_is_a_job_tells_what_is_the_matter(status, rows_failed, state, why):
    journal = Journal(about={}, state=state, failed=rows_failed)
    said = _why({"metadata": {"name": "rows"}, "status": status}, journal)
    assert (said == "") == (why == "")
    assert said.startswith(why)
