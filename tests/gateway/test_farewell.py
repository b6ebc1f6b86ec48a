"""A gateway that is ending says which replicas it still uses, as long as it lives."""

import os
import subprocess

from tidegate.gateway.farewell import Farewell, busy_elsewhere


def test_the_next_gateway_sees_what_is_still_used_until_the_end(tmp_path):
    assert busy_elsewhere(tmp_path) == set()
    with Farewell(tmp_path) as farewell:
        farewell.say(["a", "b"])
        assert busy_elsewhere(tmp_path) == {"a", "b"}
        farewell.say(["b"])
        assert busy_elsewhere(tmp_path) == {"b"}
    assert busy_elsewhere(tmp_path) == set()


def test_a_word_left_by_a_dead_gateway_counts_for_nothing(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / f"gateway-leaving-{dead.pid}.json").write_text('["a"]')
    assert busy_elsewhere(tmp_path) == set()


def test_a_word_that_was_cut_short_counts_for_nothing(tmp_path):
    (tmp_path / f"gateway-leaving-{os.getpid()}.json").write_text("")
    assert busy_elsewhere(tmp_path) == set()


def test_a_word_that_can_not_be_left_costs_nothing_else(tmp_path):
    farewell = Farewell(tmp_path / "gone")
    farewell.say(["a"])
    assert busy_elsewhere(tmp_path) == set()
