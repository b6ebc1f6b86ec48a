"""From two looks at /proc to what was used between them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tidegate.keeper.proc import read_stat
from tidegate.link.keeper import MARK, Process
from tidegate.node.usage import Look, look, used


def test_use_is_what_was_spent_in_the_window():
    before = Look(10.0, {"u/main/0": 5_000_000_000}, {"u/main/0": 7}, 0, 1)
    after = Look(12.0, {"u/main/0": 6_000_000_000}, {"u/main/0": 9}, 3_000_000_000, 2)
    seen = used(before, after, wall_s=1.0, node_name="n")
    assert seen.window_s == 2.0
    assert seen.containers["u", "main"].cpu_nano == 500_000_000
    assert seen.containers["u", "main"].memory_bytes == 9
    assert (seen.node.cpu_nano, seen.node.memory_bytes) == (1_500_000_000, 2)


def test_a_run_that_began_within_the_window_began_with_nothing():
    before = Look(10.0, {"u/main/0": 9_000_000_000}, {"u/main/0": 7}, 0, 1)
    after = Look(11.0, {"u/main/1": 250_000_000}, {"u/main/1": 3}, 0, 1)
    seen = used(before, after, wall_s=1.0, node_name="n")
    assert seen.containers["u", "main"].cpu_nano == 250_000_000


def test_time_of_a_child_that_somebody_else_reaped_is_no_negative_use():
    before = Look(10.0, {"u/main/0": 9_000_000_000}, {"u/main/0": 7}, 0, 1)
    after = Look(11.0, {"u/main/0": 1_000_000_000}, {"u/main/0": 7}, 0, 1)
    assert used(before, after, wall_s=1.0, node_name="n").containers["u", "main"].cpu_nano == 0


@pytest.mark.live
def test_a_look_counts_the_whole_tree_and_what_carries_the_mark():
    script = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True); input()"
    tree = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {script!r}])"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    leader = subprocess.Popen([sys.executable, "-c", tree], start_new_session=True, **pipes)
    marked = subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, MARK: "u/main/0"}, **pipes
    )
    try:
        assert leader.stdout.readline()
        assert marked.stdout.readline()
        process = Process("u/main/0", leader.pid, read_stat(leader.pid).start, "boot")
        seen = look([process], 1.0)
        assert seen.cpu_nano["u/main/0"] >= 390_000_000
        assert seen.memory_bytes["u/main/0"] > 5 << 20
        assert seen.node_memory_bytes > seen.memory_bytes["u/main/0"]
    finally:
        for process in (leader, marked):
            process.communicate(b"\n")
