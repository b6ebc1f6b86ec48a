"""Finished parts, as a killed process leaves them."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tidegate.modelcache.journal import Journal, Kept, boot_id, parse, read, version_of
from tidegate.modelcache.values import RemoteFile

FILES = [RemoteFile(f"f{n}", 100, etag=f"etag {n}\n") for n in range(3)]
DONE = st.lists(st.tuples(st.sampled_from(FILES), st.integers(0, 9)), max_size=30)


@given(DONE, st.data())
def test_a_journal_cut_at_any_byte_says_a_beginning_of_what_was_done(
    done: list[tuple[RemoteFile, int]], data: st.DataObject
) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        log = Journal(path, 16, None)
        for file, part in done:
            log.done(version_of(file), part)
        log.close()
        text = path.read_bytes()
        path.write_bytes(text[: data.draw(st.integers(0, len(text)))])

        kept = read(path)

        told = {(version, part) for version, parts in _parts(kept) for part in parts}
        possible = [
            {(version_of(file), part) for file, part in done[:count]}
            for count in range(len(done) + 1)
        ]
        assert told in possible

        again = Journal(path, 16, kept)  # the next process goes on in the same file
        again.done(version_of(FILES[0]), 77)
        again.close()
        after = read(path)
        assert after is not None
        assert 77 in after.parts[version_of(FILES[0])]
        assert told <= {(version, part) for version, parts in _parts(after) for part in parts}


def _parts(kept: Kept | None) -> list[tuple[str, frozenset[int]]]:
    return list(kept.parts.items()) if kept else []


def test_a_journal_of_another_boot_counts_for_nothing() -> None:
    lines = ['{"boot": "yesterday", "part_bytes": 16}\n', '["v", 1]\n']
    assert parse(lines, boot="today") is None
    assert parse(lines, boot="") is None
    assert parse(lines, boot="yesterday") == Kept(16, {"v": frozenset({1})})


def test_a_file_without_a_version_can_not_be_resumed(tmp_path: Path) -> None:
    assert version_of(RemoteFile("f", 10)) == ""
    assert version_of(RemoteFile("f", -1, etag="a")) == ""
    log = Journal(tmp_path / "journal", 16, None)
    log.done("", 0)
    log.close()
    assert read(tmp_path / "journal") == Kept(16, {})


def test_this_machine_says_its_boot() -> None:
    assert boot_id()
