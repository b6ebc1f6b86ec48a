"""Logs on a disk that is full or gone, and FIFOs that nobody owns."""

import json
import shutil

import pytest

from tidegate.keeper.output import LogFile, fifo_folder, make_fifos, remove_other_fifos
from tidegate.testing.limits import files_of_at_most


def line(text: str) -> bytes:
    return json.dumps({"log": text}).encode() + b"\n"


def test_a_log_that_can_not_be_turned_over_never_writes_into_somebody_else_s_file(tmp_path):
    """Its descriptor was closed before the new one was opened; the next file to be opened had its number."""
    log = LogFile(str(tmp_path / "logs" / "pod.log"), most_bytes=100)
    log.write([b"x" * 90])
    shutil.rmtree(tmp_path / "logs")
    with pytest.raises(FileNotFoundError):
        log.write([b"y" * 90])
    with (tmp_path / "other").open("wb"), pytest.raises(FileNotFoundError):
        log.write([b"z" * 90])
    assert (tmp_path / "other").read_bytes() == b""
    (tmp_path / "logs").mkdir()
    log.write([b"w" * 90])
    assert (tmp_path / "logs" / "pod.log").read_bytes() == b"w" * 90
    log.close()


def test_a_line_cut_short_by_a_full_disk_takes_no_other_with_it(tmp_path):
    path = tmp_path / "pod.log"
    log = LogFile(str(path), most_bytes=1000)
    log.write([line("first")])
    with files_of_at_most(30), pytest.raises(OSError, match="too large"):
        log.write([line("cut")])
    log.write([line("next")])
    first, cut, second = path.read_bytes().splitlines()
    assert (json.loads(first)["log"], json.loads(second)["log"]) == ("first", "next")
    with pytest.raises(ValueError, match="line 1"):
        json.loads(cut)
    log.close()


def test_fifos_of_a_process_that_no_table_has_are_removed(tmp_path):
    for name in ("uid/app/0", "zygote/kind/1"):
        make_fifos(fifo_folder(tmp_path, name))
    remove_other_fifos(tmp_path, ["uid/app/0"])
    (left,) = (tmp_path / ".output").iterdir()
    assert left == fifo_folder(tmp_path, "uid/app/0")


def test_where_there_never_was_a_fifo_none_is_missed(tmp_path):
    remove_other_fifos(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
