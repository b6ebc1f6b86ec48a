"""What the command line calls a file is what a volume may call it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.cli.batch.job import _absolute
from tidegate.cli.places import placed


@pytest.fixture
def here(tmp_path, monkeypatch):
    root = tmp_path.resolve()
    (root / "data" / "deep").mkdir(parents=True)
    (root / "work").mkdir()
    (root / "link").symlink_to(root / "data" / "deep")
    monkeypatch.chdir(root / "work")
    return root


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("rows.csv", "work/rows.csv"),
        ("../data/rows.csv", "data/rows.csv"),
        ("./../work/./x", "work/x"),
        ("..", ""),
        (
            "../link/../rows.csv",
            "data/rows.csv",
        ),  # as the system goes: up from where the link leads
        ("../link", "link"),
    ],
)
def test_a_place_is_absolute_and_leads_up_nowhere(here, said, meant):
    assert placed(Path(said)) == here / meant


def test_a_job_s_files_are_placed_and_objects_are_left_alone(here):
    assert _absolute("../data/in.csv") == str(here / "data" / "in.csv")
    assert _absolute("s3://bucket/a/../b") == "s3://bucket/a/../b"
