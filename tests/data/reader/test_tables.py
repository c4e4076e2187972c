"""One table in many dialects reads back equal; what cannot be told apart is refused with the reason."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.data.reader.tables import open_table
from findcli.errors import FindCLIError
from findcli.workspace.table_form import TableForm

ROWS = [("001", "tea, green", "1"), ("Ä2", 'a "b"', "0"), ("3", "two\nlines", "1")]
NAMES = ("user_id", "item", "label")


def written(rows: list[tuple[str, ...]], *, delimiter: str = ",", encoding: str = "utf-8", end: str = "\n") -> bytes:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=end).writerows([NAMES, *rows])
    return stream.getvalue().encode(encoding)


def read(path: Path) -> list[tuple[object, ...]]:
    return open_table([path], what="a table").frame.collect().rows()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_one_table_in_many_dialects_is_read_equal(tmp_path: Path, delimiter: str, encoding: str, end: str) -> None:
    path = tmp_path / "orders [2024].csv"
    path.write_bytes(written(ROWS, delimiter=delimiter, encoding=encoding, end=end))
    assert [(a, str(b).replace("\r\n", "\n"), c) for a, b, c in read(path)] == ROWS


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=8)
CELLS = WORDS.map(str.strip).filter(lambda word: word and not word.startswith(("#", '"')))


@given(
    st.lists(st.tuples(st.integers(1, 10**9).map(str), CELLS, st.sampled_from("01")), min_size=2, max_size=12),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_any_cells_survive_any_delimiter(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], delimiter: str
) -> None:
    path = tmp_path_factory.mktemp("dialects") / "t.csv"
    path.write_bytes(written(rows, delimiter=delimiter))
    assert read(path) == rows


def test_gzip_jsonl_and_parquet_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(written(ROWS)))
    assert read(tmp_path / "a.csv.gz") == ROWS
    pl.DataFrame(ROWS, schema=list(NAMES), orient="row").write_ndjson(tmp_path / "a.jsonl")
    assert read(tmp_path / "a.jsonl") == ROWS
    pl.DataFrame({"user_id": [1, 2]}).write_parquet(tmp_path / "a [1].parquet")
    assert read(tmp_path / "a [1].parquet") == [(1,), (2,)]


def test_a_sheet_of_a_workbook_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "seeds.xlsx"
    pl.DataFrame({"user_id": ["007", "8"], "label": ["1", "0"]}).write_excel(path)
    assert read(path) == [("007", "1"), ("8", "0")]


def test_a_row_with_too_many_fields_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("user_id,label\n1,2\n1,2,3\n")
    with pytest.raises(FindCLIError, match=r"line 3 of .* has 3 fields"):
        open_table([tmp_path / "t.csv"], what="a table").frame.collect()


def test_files_without_a_header_have_numbered_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1\n2\n3\n")
    table = open_table([tmp_path / "t.csv"], what="a table")
    assert table.schema.names() == ["column_1"]
    assert table.notes == ("no row names the columns",)


def test_a_line_within_quotes_is_no_comment(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('# made today\na,b\n"#1","one\n#two"\n# a "note\n2,"x\n#""y"" z"\n')
    table = open_table([path], TableForm(comment="#"), what="a table")
    assert table.frame.collect().rows() == [("#1", "one\n#two"), ("2", 'x\n#"y" z')]


def test_a_backslash_that_escapes_nothing_stays(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"say \\"hi\\""\n2,\\N\n3,"C:\\tea"\n4,"one \\\\ two"\n')
    assert read(path) == [("1", 'say "hi"'), ("2", "\\N"), ("3", "C:\\tea"), ("4", "one \\ two")]


@pytest.mark.parametrize("missing", ["-", "NA", "NULL", "\\N"])
def test_a_missing_value_in_the_first_row_is_no_name(tmp_path: Path, missing: str) -> None:
    rows = [f"{missing},2.5", "2024-01-02,3.5", f"{missing},4.5", "2024-01-04,5.5"]
    (tmp_path / "bare.csv").write_text("\n".join(rows))
    assert len(read(tmp_path / "bare.csv")) == 4
    (tmp_path / "named.csv").write_text("\n".join(["#,when", *rows]))
    table = open_table([tmp_path / "named.csv"], what="a table")
    assert (table.frame.collect().height, table.schema.names()[1]) == (4, "when")


def test_what_a_later_part_needs_is_seen(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,x\n")
    (tmp_path / "2.csv").write_text("a,b\n2,\\N\n3, y\n")
    table = open_table([tmp_path / "1.csv", tmp_path / "2.csv"], what="a table")
    assert table.padded
    assert table.has_marks


def test_columns_that_spaces_align(tmp_path: Path) -> None:
    rows = [f" {i:05d} 19970{1 + i % 9}01 {i % 12:2d} {i * 1.5:7.2f}" for i in range(1, 30)]
    (tmp_path / "master.txt").write_text("\n".join(rows) + "\n")
    table = open_table([tmp_path / "master.txt"], what="t")
    assert table.frame.collect().row(0) == ("00001", "19970201", "1", "1.50")
    assert "fields are parted by spaces" in table.notes
    (tmp_path / "names.txt").write_text("\n".join(f"Ann Lee Smith{i}" for i in range(9)))
    assert len(open_table([tmp_path / "names.txt"], what="t").schema) == 1
