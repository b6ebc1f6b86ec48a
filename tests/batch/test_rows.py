"""Rows out of files."""

import io

import pytest

from tidegate.batch.errors import BadPlan, InputFailed
from tidegate.batch.places import FileSource, StoreAccess, settings_of, source_of
from tidegate.batch.rows import Row, Start, cell_value, format_of, read_rows, row_count


class Bytes:
    """An input that comes in pieces of a few bytes."""

    identity = "test"

    def __init__(self, data: bytes, piece: int = 3) -> None:
        self.data, self.piece, self.size = data, piece, len(data)

    def chunks(self, offset):
        for at in range(offset, len(self.data), self.piece):
            yield self.data[at : at + self.piece]

    def seekable(self):
        return io.BytesIO(self.data)


def test_json_lines_have_numbers_and_ends_and_may_be_begun_in_the_middle():
    data = b'\xef\xbb\xbf{"a":1}\n\n[2]\r\n"x"'
    rows = list(read_rows(Bytes(data), "jsonl", Start()))
    assert [(r.number, r.value) for r in rows] == [(0, {"a": 1}), (1, [2]), (2, "x")]
    assert rows[-1].end == len(data)
    for row in rows[:-1]:
        start = Start(row.number + 1, row.end)
        assert list(read_rows(Bytes(data), "jsonl", start)) == rows[row.number + 1 :]
        without = Start(row.number + 1, None)
        assert list(read_rows(Bytes(data), "jsonl", without)) == rows[row.number + 1 :]


def test_what_is_not_json_is_a_row_with_a_problem():
    bad, good = read_rows(Bytes(b"{oops\n1\n"), "jsonl", Start())
    assert bad.problem is not None
    assert "not JSON" in bad.problem
    assert good == Row(1, 1, 8, size=1)


def test_csv_cells_are_what_they_look_like():
    data = b'a,b,c\n1,"x, y\nz",true\n01234,,1e3\n1,2\n1\n'
    rows = list(read_rows(Bytes(data), "csv", Start()))
    assert rows[0].value == {"a": 1, "b": "x, y\nz", "c": True}
    assert rows[1].value == {"a": "01234", "b": "", "c": 1000.0}
    assert rows[2].problem == "2 cells, and the header names 3 columns"
    assert rows[3].problem == "1 cell, and the header names 3 columns"
    assert [r.number for r in read_rows(Bytes(data), "csv", Start(1, None))] == [1, 2, 3]


def test_csv_rows_know_where_they_end_in_bytes():
    data = '\ufeffa,b\r\nü,"x\ny"\r\n\r\n1,2'.encode()
    first, last = read_rows(Bytes(data), "csv", Start())
    assert first.value == {"a": "ü", "b": "x\ny"}
    assert data[: first.end].endswith(b'y"\r\n')
    assert (last.end, last.value) == (len(data), {"a": 1, "b": 2})


def test_a_csv_cell_may_be_long():
    text = "x" * 300_000
    (row,) = read_rows(Bytes(f"a\n{text}\n".encode(), piece=1 << 16), "csv", Start())
    assert row.value == {"a": text}


@pytest.mark.parametrize("text", ["nan", "-", "Infinity", "true ", "0x1"])
def test_what_json_has_no_number_for_stays_text(text):
    assert cell_value(text) in (text, text.strip() == "true")


def test_csv_that_is_none_is_told():
    with pytest.raises(InputFailed, match="no CSV"):
        list(read_rows(Bytes(b'a\n"x\n'), "csv", Start()))
    assert list(read_rows(Bytes(b""), "csv", Start())) == []


def test_parquet_is_read_by_groups(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"n": list(range(10))}), path, row_group_size=4)
    source = FileSource(path)
    assert row_count(source, "parquet") == 10
    assert [r.value["n"] for r in read_rows(source, "parquet", Start(5, None))] == [5, 6, 7, 8, 9]
    with pytest.raises(InputFailed, match="no Parquet"):
        list(read_rows(Bytes(b"hello"), "parquet", Start()))


def test_formats_are_told_by_names():
    assert format_of("a/b.CSV", None) == "csv"
    assert format_of("-", None) == "jsonl"
    assert format_of("x", "parquet") == "parquet"
    with pytest.raises(BadPlan, match="--input-format"):
        format_of("x.txt", None)


def test_places_that_are_not_there_say_so(tmp_path):
    with pytest.raises(InputFailed, match="No such file"):
        source_of(str(tmp_path / "none.jsonl"), StoreAccess())
    with pytest.raises(BadPlan, match="s3://"):
        source_of("ftp://x/y", StoreAccess())


def test_a_store_is_reached_as_options_and_environment_say():
    env = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000", "AWS_REGION": "eu"}
    assert settings_of(StoreAccess(), env) == {
        "region": "eu",
        "endpoint": "http://127.0.0.1:9000",
        "virtual_hosted_style_request": False,
        "client_options": {"allow_http": True},
    }
    assert settings_of(StoreAccess("https://s", "us", anonymous=True), env) == {
        "region": "us",
        "endpoint": "https://s",
        "virtual_hosted_style_request": False,
        "skip_signature": True,
    }
