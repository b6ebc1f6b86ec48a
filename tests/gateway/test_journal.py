"""The table on disk is the last acknowledged one, whatever happened while it was written."""

from tidegate.gateway import journal as journals
from tidegate.gateway.journal import Journal
from tidegate.link.gateway import (
    Certificate,
    CertificateChanged,
    Endpoint,
    Revision,
    RevisionChanged,
    Route,
    RouteChanged,
    Snapshot,
    Split,
)

POD = Endpoint(id="pod", host="127.0.0.1", port=1)
ROUTE = Route(key="d/hello", hosts=("hello",), splits=(Split(revision="d/r", percent=100),))
SNAPSHOT = Snapshot(seq=1, revisions=(Revision(key="d/r"), Revision(key="d/old")), routes=(ROUTE,))


def loaded(path):
    return Journal(path).load()


def test_without_a_file_there_is_no_table(tmp_path):
    assert loaded(tmp_path / "table") is None


def test_changes_after_a_snapshot_are_there_after_a_restart(tmp_path):
    journal = Journal(tmp_path / "table")
    journal.keep(SNAPSHOT)
    journal.keep(RevisionChanged(seq=2, key="d/r", revision=Revision(key="d/r", endpoints=(POD,))))
    journal.keep(RevisionChanged(seq=3, key="d/old", revision=None))
    journal.keep(RouteChanged(seq=4, key="d/hello", route=None))
    journal.close()
    table = loaded(tmp_path / "table")
    assert table == Snapshot(seq=4, revisions=(Revision(key="d/r", endpoints=(POD,)),), routes=())


def test_certificates_are_there_after_a_restart(tmp_path):
    one, other = (
        Certificate(key=key, hosts=("h",), chain="c", private_key="k") for key in ("one", "other")
    )
    journal = Journal(tmp_path / "table")
    journal.keep(Snapshot(seq=1, revisions=(), routes=(), certificates=(one,)))
    journal.keep(CertificateChanged(seq=2, key="other", certificate=other))
    journal.keep(CertificateChanged(seq=3, key="one", certificate=None))
    journal.close()
    table = loaded(tmp_path / "table")
    assert table is not None
    assert table.certificates == (other,)
    assert (tmp_path / "table").stat().st_mode & 0o077 == 0, "keys are for this user only"


def test_a_line_cut_short_by_a_crash_is_as_if_it_never_came(tmp_path):
    path = tmp_path / "table"
    journal = Journal(path)
    journal.keep(SNAPSHOT)
    whole = path.read_bytes()
    journal.keep(RevisionChanged(seq=2, key="d/old", revision=None))
    journal.close()
    for cut in range(len(whole), len(path.read_bytes())):
        (tmp_path / "cut").write_bytes(path.read_bytes()[:cut])
        table = loaded(tmp_path / "cut")
        assert table is not None
        assert table.seq == 1


def test_after_a_restart_the_file_goes_on_from_what_it_held(tmp_path):
    first = Journal(tmp_path / "table")
    first.keep(SNAPSHOT)
    second = Journal(tmp_path / "table")
    second.load()
    second.keep(RevisionChanged(seq=2, key="d/old", revision=None))
    table = loaded(tmp_path / "table")
    assert table is not None
    assert [revision.key for revision in table.revisions] == ["d/r"]
    assert [route.key for route in table.routes] == ["d/hello"]


def test_many_changes_are_gathered_into_one_table(tmp_path, monkeypatch):
    monkeypatch.setattr(journals, "_COMPACT_AFTER", 10)
    journal = Journal(tmp_path / "table")
    journal.keep(SNAPSHOT)
    for seq in range(2, 100):
        journal.keep(
            RevisionChanged(seq=seq, key="d/r", revision=Revision(key="d/r", timeout_s=seq))
        )
    table = loaded(tmp_path / "table")
    assert table is not None
    assert table.seq == 99
    assert (tmp_path / "table").read_bytes().count(b"\n") <= 10
