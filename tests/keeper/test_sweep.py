from tidegate.keeper.proc import Stat, parse_stat
from tidegate.keeper.sweep import Target, members

KEEPER = 10


def stat(pid, parent=1, *, group=None, session=None, start=100, state="S"):
    return Stat(pid, state, parent, group or pid, session or pid, start)


def world(*stats):
    return {one.pid: one for one in (stat(KEEPER, start=1), *stats)}


def left(stats, marks=None, *, leader=50, start=100, mark="uid/app/0", sessions=()):
    target = Target(leader, start, mark, set(sessions))
    return members(stats, marks or {}, target, KEEPER)


def test_the_leader_its_group_and_its_session_belong():
    stats = world(
        stat(50, KEEPER), stat(51, 50, group=50, session=50), stat(52, 1, group=52, session=50)
    )
    assert left(stats) == {50, 51, 52}


def test_a_daemon_with_the_mark_belongs_and_one_with_another_mark_does_not():
    stats = world(stat(50, KEEPER), stat(60, 1), stat(61, 1))
    assert left(stats, {60: "uid/app/0", 61: "uid/app/1"}) == {50, 60}


def test_a_child_that_made_a_session_and_lost_its_environment_belongs_by_descent():
    stats = world(stat(50, KEEPER), stat(60, 50), stat(61, 60))
    assert left(stats) == {50, 60, 61}


def test_a_session_seen_in_an_earlier_round_still_belongs_when_its_maker_is_dead():
    stats = world(stat(50, KEEPER, state="Z"), stat(61, KEEPER, group=60, session=60))
    assert left(stats, sessions=[60]) == {61}


def test_zombies_are_dead():
    assert left(world(stat(50, KEEPER, state="Z"), stat(51, 50, group=50, state="Z"))) == set()


def test_a_zombie_leader_still_vouches_for_its_group():
    stats = world(stat(50, KEEPER, state="Z"), stat(51, KEEPER, group=50, session=50))
    assert left(stats) == {51}


def test_a_pid_given_to_somebody_else_names_neither_leader_nor_group():
    stats = world(stat(50, 1, start=900), stat(51, 50, group=50, session=50, start=901))
    assert left(stats) == set()


def test_a_process_older_than_the_leader_never_belongs():
    stats = world(stat(50, KEEPER), stat(40, 1, start=99))
    assert left(stats, {40: "uid/app/0"}) == {50}


def test_the_keeper_is_never_swept_even_by_its_own_mark_or_session():
    stats = world(stat(50, KEEPER, session=KEEPER), stat(70, 1, session=KEEPER))
    assert left(stats, {KEEPER: "uid/app/0"}, start=0) == {50}


def test_a_part_has_no_mark_and_takes_nobody_who_has_none():
    stats = world(stat(50, KEEPER), stat(60, 1))
    assert left(stats, {60: "uid/app/0"}, mark=None) == {50}


def test_a_command_may_hold_parentheses_and_spaces():
    line = b"42 (a) R (b c) S 7 8 9 " + b" ".join(b"%d" % n for n in range(7, 30))
    parsed = parse_stat(line)
    assert (parsed.pid, parsed.state, parsed.parent, parsed.group, parsed.session) == (
        42,
        "S",
        7,
        8,
        9,
    )
    assert parsed.start == 22
