"""Parts that live unrecorded are taken over, never doubled."""

from tidegate.keeper.strays import complete
from tidegate.keeper.table import Table
from tidegate.link.keeper import Process

KNOWN = {"gateway": (), "control_plane": ()}


def part(name: str, pid: int) -> Process:
    return Process(name, pid, start=pid * 10, boot_id="b")


def test_what_is_recorded_stays_as_it_is():
    table = Table(parts={"gateway": part("gateway", 1)})
    assert complete(table, [part("gateway", 1)], KNOWN) == []
    assert table == Table(parts={"gateway": part("gateway", 1)})


def test_an_unrecorded_part_replaces_a_recorded_one_that_is_dead():
    table = Table(parts={"gateway": part("gateway", 1)})
    assert complete(table, [part("gateway", 2)], KNOWN) == [part("gateway", 2)]
    assert (table.parts, table.retired) == ({"gateway": part("gateway", 2)}, [])


def test_of_several_the_newest_is_the_part_and_the_others_are_retired():
    table = Table(parts={"gateway": part("gateway", 1)})
    complete(table, [part("gateway", 3), part("gateway", 1), part("gateway", 2)], KNOWN)
    assert table.parts == {"gateway": part("gateway", 3)}
    assert table.retired == [part("gateway", 1), part("gateway", 2)]


def test_a_name_that_is_no_part_is_left_alone():
    table = Table()
    assert complete(table, [part("zygote", 2)], KNOWN) == []
    assert table == Table()
