"""`tidegate cache` over files of this machine: no engine, no network."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tidegate.cli.cache.progress import line_of
from tidegate.cli.main import main
from tidegate.kit.realtime import RealClock
from tidegate.modelcache.cache import ModelCache
from tidegate.modelcache.source import Source
from tidegate.modelcache.values import Progress, Stage

pytestmark = pytest.mark.slow  # each fetch and each verification is a process


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "iris"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    return folder


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["cache", "ls", "-o", "json"]) == 0
    entries: list[dict[str, object]] = json.loads(capsys.readouterr().out)["entries"]
    return entries


def test_a_model_is_warmed_listed_pinned_and_removed(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", "warm", str(model), "--pin"]) == 0
    folder = Path(capsys.readouterr().out.splitlines()[-1])
    assert (folder / "model.bin").read_bytes() == b"weights"

    (entry,) = listed(capsys)
    assert (entry["state"], entry["bytes"], entry["pinnedBy"]) == ("Ready", 7, ["cli"])
    assert main(["cache", "ls"]) == 0
    assert str(model) in capsys.readouterr().out

    assert main(["cache", "unpin", str(model)]) == 0
    assert main(["cache", "rm", str(model)]) == 0
    assert "7 B freed" in capsys.readouterr().out
    assert listed(capsys) == []
    assert not folder.exists()


def test_what_pods_use_is_not_removed(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "warm", str(model)]) == 0
    cache = ModelCache(Path(os.environ["TIDEGATE_HOME"]) / "cache", clock=RealClock())
    snapshot = cache.find(Source(str(model)))
    assert snapshot is not None
    cache.hold(snapshot.id, "pod/1")

    assert main(["cache", "rm", str(model)]) == 1
    assert "is in use by pod/1" in capsys.readouterr().err
    assert main(["cache", "prune"]) == 0
    assert cache.find(Source(str(model))) == snapshot
    cache.release("pod/1")
    assert main(["cache", "prune"]) == 0
    assert cache.find(Source(str(model))) is None


def test_verify_tells_a_broken_file_and_the_next_warm_mends_it(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["cache", "warm", str(model)])
    place = Path(capsys.readouterr().out.splitlines()[-1]) / "model.bin"
    place.chmod(0o644)
    place.write_bytes(b"rotten!")

    assert main(["cache", "verify"]) == 1
    assert f"{model}: model.bin" in capsys.readouterr().err
    assert main(["cache", "warm", str(model)]) == 0
    assert main(["cache", "verify", str(model)]) == 0
    assert "1 file as it should be, 0 broken" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["warm"], 2, "needs a URI"),
        (["warm", ""], 2, "needs a URI that isn't empty"),
        (["verify", " "], 2, "needs a URI"),
        (["ls", "s3://a/b"], 2, "takes no 's3://a/b'"),
        (["warm", "ftp://a/b"], 1, "is not fetched here"),
        (["warm", "/nothing/here"], 1, "no such file or folder"),
        (["rm", "s3://models/iris"], 1, "is not in the cache"),
    ],
)
@pytest.mark.usefixtures("model")
def test_bad_command_lines_are_said_in_a_line(
    words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", *words]) == code
    assert says in capsys.readouterr().err


def test_a_line_of_progress_tells_bytes_rate_and_time() -> None:
    progress = Progress(Stage.FETCHING, 1 << 20, 4 << 20, rate=float(1 << 20), note="try 2 of 5")
    assert line_of("s3://m/x", progress) == (
        "fetching s3://m/x: 1.0 MiB of 4.0 MiB, 1.0 MiB/s, 3 s left, try 2 of 5"
    )
