"""What the keeper does while the machine has no descriptor or no room left."""

import subprocess
import time

import pytest

from tidegate.keeper.lock import acquire
from tidegate.keeper.loop import Loop
from tidegate.keeper.proc import read_stat
from tidegate.keeper.server import Server
from tidegate.keeper.sweep import Sweeper, Target
from tidegate.keeper.table import write_whole
from tidegate.kit.home import Home
from tidegate.link.unix import connect_unix, listen_unix
from tidegate.testing.limits import files_of_at_most, no_descriptors


@pytest.fixture
def reports():
    return []


@pytest.fixture
def loop(reports):
    loop = Loop(time.monotonic, reports.append)
    yield loop
    loop.close()


def test_who_is_to_be_ended_is_not_forgotten_while_there_is_nothing_to_look_with(loop, reports):
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    stat = read_stat(child.pid)
    ended = []
    Sweeper(loop).sweep(
        Target(child.pid, stat.start, None), lambda killed, left: ended.append((killed, left))
    )
    with no_descriptors():
        loop.turn(0)
        loop.turn(0.2)
    assert ended == []
    assert child.poll() is None
    for _ in range(200):
        if ended:
            break
        loop.turn(0.1)
    assert ended == [([child.pid], [])]
    assert len(reports) == 1
    child.wait()


def test_a_client_that_comes_too_early_is_served_later_and_no_turn_is_wasted_meanwhile(
    loop, tmp_path
):
    def ask(_, op, fields, answer):
        answer({"op": op})

    server = Server(listen_unix(tmp_path / "keeper.sock"), loop, ask)
    client = connect_unix(tmp_path / "keeper.sock", timeout_s=5)
    client.sendall(b'{"op": "status", "id": 1}\n')
    with no_descriptors():
        loop.turn(0)
        began_s = time.monotonic()
        loop.turn(0.05)
        assert time.monotonic() - began_s >= 0.05
    for _ in range(3):  # the pause is over, it is accepted, it is answered
        loop.turn(1.0)
    assert b'"op":"status"' in client.recv(1000)
    client.close()
    server.stop_listening()
    server.close()


def test_a_keeper_gets_its_lock_on_a_full_disk(tmp_path):
    home = Home(tmp_path)
    home.make()
    with files_of_at_most(0):
        lock = acquire(home, time.monotonic)
    lock.release()
    assert not home.lock.exists()


def test_a_table_that_does_not_fit_leaves_the_one_before_and_nothing_else(tmp_path):
    write_whole(tmp_path / "table", "before")
    with files_of_at_most(3), pytest.raises(OSError, match="too large"):
        write_whole(tmp_path / "table", "too much")
    assert (tmp_path / "table").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["table"]
