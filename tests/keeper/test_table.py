import pytest

from tidegate.keeper.table import Entry, Table, ended_unknown, exit_of, load, parse, write_whole
from tidegate.link.keeper import Process


def process(name="uid/app/0", **given):
    return Process(**{"name": name, "pid": 7, "start": 99, "boot_id": "b", **given})


def test_the_next_keeper_reads_what_the_last_one_wrote():
    table = Table(parts={"gateway": process("gateway")}, retired=[process("gateway", pid=3)])
    table.put(Entry(process(), "/logs/a", 100))
    table.put(Entry(process("uid/app/1", code=3, ended=True), "/logs/b", 200))
    again = parse(table.render())
    assert (again.entries, again.parts, again.retired) == (
        table.entries,
        table.parts,
        table.retired,
    )


def test_a_dropped_process_is_not_written():
    table = Table()
    table.put(Entry(process(), "/logs/a", 100))
    table.drop("uid/app/0")
    assert parse(table.render()).entries == {}


def test_an_entry_that_changed_is_written_as_it_is_now():
    table = Table()
    table.put(Entry(process(), "/logs/a", 100))
    table.put(Entry(process(code=4, ended=True), "/logs/a", 100))
    assert parse(table.render()).entries["uid/app/0"].process.code == 4


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 99}', '{"version": 1, "parts": 3}'])
def test_a_damaged_table_is_reported_and_read_as_empty(tmp_path, text):
    write_whole(tmp_path / "processes.json", text)
    table, complaint = load(tmp_path / "processes.json")
    assert table.entries == {}
    assert complaint is not None
    assert "processes.json" in complaint


def test_no_table_is_no_complaint(tmp_path):
    assert load(tmp_path / "processes.json")[1] is None


def test_an_exit_is_a_code_or_a_signal_or_unknown():
    coded, signalled, unknown = (exit_of(process(), status) for status in (3 << 8, 9, None))
    assert (coded.code, coded.signal, coded.ended) == (3, None, True)
    assert (signalled.code, signalled.signal, signalled.ended) == (None, 9, True)
    assert unknown == ended_unknown(process())
    assert (unknown.code, unknown.signal, unknown.ended) == (None, None, True)
