"""Files -> one table: a lazy frame over all parts, columns of text files as text, and how each file is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from findcli.data.reader import files as store
from findcli.data.reader.dialect import Dialect
from findcli.data.reader.files import Stored
from findcli.data.reader.text import Text, plain_text
from findcli.errors import FindCLIError, first_line
from findcli.workspace.disk import disk_problem
from findcli.workspace.table_form import TableForm

TORN = "a torn file? Write it again; in a CSV look for a row of another form than the rows above it"
NO_EXCEL = 'install its reader with: pip install "findcli[excel]", or save the sheet as CSV'


@dataclass(frozen=True)
class Table:
    r"""Files that were opened as one table.

    Attributes:
        what: how errors call it.
        files: its parts.
        frame: all rows of all parts.
        schema: the columns; of text files all are text.
        written: columns that come from text, so that spaces around a value say nothing.
        padded: whether there are such spaces.
        has_marks: whether a backslash stands anywhere, so that \N may.
        numerals: columns of JSONL and Excel files whose every value is a number by its own type, though text here.
        notes: what was decided of the files, in words.
        dialects: how its text files are written, each way once.
    """

    what: str
    files: tuple[Path, ...]
    frame: pl.LazyFrame
    schema: pl.Schema
    written: frozenset[str]
    padded: bool = True
    has_marks: bool = True
    numerals: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    dialects: tuple[Dialect, ...] = ()


@dataclass(frozen=True)
class _Part:
    """Files of one form."""

    paths: tuple[Path, ...]
    schema: tuple[tuple[str, pl.DataType], ...]
    text: Text | None = None
    keys: tuple[tuple[str, str], ...] = ()
    rows: pl.DataFrame | None = field(default=None, compare=False)
    kind: str = "parquet"
    numerals: frozenset[str] = frozenset()


_opened: dict[tuple[object, ...], Table] = {}


def open_table(
    files: Sequence[Path],
    form: TableForm | None = None,
    *,
    what: str,
    root: Path | None = None,
    ids: Sequence[str] = (),
) -> Table:
    """Open the parts of a table: Parquet, CSV in whatever dialect, JSONL or Excel.

    Args:
        files: the parts; columns are matched by name, and a part may lack some.
        form: what is declared of them.
        what: how errors call the table.
        root: folders below it that are named "column=value" give a column each.
        ids: columns whose whole numbers stay numbers where some parts hold them as decimals.

    Raises:
        FindCLIError: a file cannot be read, or a row of a text file has too many fields.
    """
    form = form or TableForm()
    stamps = [(path, path.stat().st_size, path.stat().st_mtime_ns) if path.exists() else (path,) for path in files]
    key = (what, *stamps, repr(form), root, *ids)
    if key not in _opened:
        _opened[key] = _open(files, form, what, root, ids)
    return _opened[key]


def declared(settings: TableForm) -> dict[str, Any]:
    """The values of a table of the workspace file; how its files are written is left out where that is not said."""
    form = {**asdict(TableForm()), "query": None, "connection": None, "version_query": None, "table": None}
    values = {key: value for key, value in asdict(settings).items() if key not in form or value not in (None, (), {})}
    values.pop("version_query", None)  # it says when to read again, not what
    return values | ({} if settings.origin is None else {"origin": settings.origin.isoformat()})


@contextmanager
def reading(what: str, files: Sequence[Path]) -> Iterator[None]:
    """Turn what polars says of an unreadable file into an error that names it; a full disk is left to others."""
    try:
        yield
    except (OSError, EOFError, pl.exceptions.PolarsError) as error:
        if disk_problem(error):
            raise
        names = ", ".join(str(file) for file in files[:3]) + (", ..." if len(files) > 3 else "")
        raise FindCLIError(f"{what} cannot be read ({names}): {first_line(error)}", hint=TORN) from error


def _open(files: Sequence[Path], form: TableForm, what: str, root: Path | None, ids: Sequence[str]) -> Table:
    stored = [store.look_at(path, what=what) for path in files]
    kinds = {file.kind for file in stored}
    if len(kinds) > 1:
        raise FindCLIError(
            f"{what} mixes {' and '.join(_names(kinds))} files: {files[0].parent}", hint="give files of one kind"
        )
    with reading(what, files):
        parts = [_part(file, form, what, _keys(file.path, root)) for file in stored]
        frames = [_scan(part, what) for part in _grouped(parts)]
        frame = frames[0] if len(frames) == 1 else _unite(frames, ids)
        schema = frame.collect_schema()
    written = frozenset(n for n in schema.names() if all(p.kind != "parquet" or n in dict(p.keys) for p in parts))
    padded = any(part.text is None or part.text.padded for part in parts)
    marks = any(part.text is None or part.text.has_marks for part in parts)
    numerals = frozenset(n for n in written if all(n in p.numerals for p in parts if n in dict(p.schema)))
    dialects = tuple(dict.fromkeys(part.text.dialect for part in parts if part.text is not None))
    notes = tuple(_notes(parts))
    return Table(what, tuple(files), frame, schema, written, padded, marks, numerals, notes, dialects)


def _names(kinds: set[store.Kind]) -> list[str]:
    names = {"parquet": "Parquet", "text": "CSV", "jsonl": "JSONL", "excel": "Excel"}
    return [name for kind, name in names.items() if kind in kinds]


def _keys(path: Path, root: Path | None) -> tuple[tuple[str, str], ...]:
    """The columns that the names of folders below the root give."""
    if root is None or not path.is_relative_to(root):
        return ()
    pairs = [part.partition("=") for part in path.relative_to(root).parts[:-1]]
    return tuple((name, value) for name, equals, value in pairs if equals and name)


def _grouped(parts: list[_Part]) -> list[_Part]:
    """Files of one form together, in their order."""
    groups: dict[object, list[_Part]] = {}
    for part in parts:
        same = (part.schema, part.text and part.text.form, part.keys) if part.rows is None else object()
        groups.setdefault(same, []).append(part)
    return [replace(group[0], paths=tuple(path for part in group for path in part.paths)) for group in groups.values()]


def _part(file: Stored, form: TableForm, what: str, keys: tuple[tuple[str, str], ...]) -> _Part:
    if file.kind == "parquet":
        schema = pl.scan_parquet([file.path], glob=False).collect_schema()
        return _Part((file.path,), tuple(schema.items()), keys=keys)
    if file.kind == "excel":
        rows = _read_excel(file.path, form, what)
        numerals = _numerals(_read_excel(file.path, form, what, typed=True).schema) if form.decimal else frozenset()
        return _Part((file.path,), tuple(rows.schema.items()), keys=keys, rows=rows, kind="excel", numerals=numerals)
    if file.kind == "jsonl":
        plain = store.unpacked(file).path
        types = pl.scan_ndjson(plain, infer_schema_length=None).collect_schema()
        texts = tuple((name, pl.String()) for name in types)
        return _Part((plain,), texts, keys=keys, kind="jsonl", numerals=_numerals(types))
    text = plain_text(file, form, what=what)
    return _Part((text.path,), tuple((n, pl.String()) for n in text.dialect.names), text, keys, kind="text")


def _numerals(types: pl.Schema) -> frozenset[str]:
    return frozenset(name for name, kind in types.items() if kind.is_numeric())


def _read_excel(path: Path, form: TableForm, what: str, *, typed: bool = False) -> pl.DataFrame:
    """The first sheet of a workbook, every cell as text or each column of its own type."""
    options = {} if typed else {"dtypes": "string"}
    try:
        sheet = pl.read_excel(path, has_header=form.header is not False, read_options=options, infer_schema_length=None)
    except ImportError as error:
        raise FindCLIError(f"{what}: {path} is an Excel file", hint=NO_EXCEL) from error
    return sheet if typed else sheet.cast(pl.String)


def _scan(part: _Part, what: str) -> pl.LazyFrame:
    if part.rows is not None:
        frame = part.rows.lazy()
    elif part.kind == "parquet":
        frame = pl.scan_parquet(list(part.paths), glob=False, hive_partitioning=False)
    elif part.kind == "jsonl":
        frame = pl.scan_ndjson(list(part.paths), schema=dict(part.schema))
    else:
        assert part.text is not None
        frame = part.text.scan(part.paths)
    columns = {name for name, _ in part.schema}
    clash = [name for name, _ in part.keys if name in columns]
    if clash:
        hint = "rename one of the two"
        raise FindCLIError(f"{what}: {clash[0]!r} is a column and the name of a folder", hint=hint)
    return frame.with_columns(pl.lit(value).alias(name) for name, value in part.keys) if part.keys else frame


def _unite(frames: list[pl.LazyFrame], ids: Sequence[str]) -> pl.LazyFrame:
    """Parts of different columns and types as one table."""
    kinds: dict[str, list[pl.DataType]] = {}
    for frame in frames:
        for name, kind in frame.collect_schema().items():
            kinds.setdefault(name, []).append(kind)
    common = {name: _common(several, is_id=name in ids) for name, several in kinds.items()}
    cast = [
        frame.with_columns(
            _as(name, kind, common[name]) for name, kind in frame.collect_schema().items() if kind != common[name]
        )
        for frame in frames
    ]
    return pl.concat(cast, how="diagonal").select(list(common))


def _common(kinds: list[pl.DataType], *, is_id: bool) -> pl.DataType:
    """The type that holds a column of several parts without changing how any value reads."""
    first = kinds[0]
    if all(kind == first for kind in kinds):
        return first
    if all(kind.is_integer() for kind in kinds):
        wide = any(kind in (pl.UInt64, pl.Int128, pl.UInt128) for kind in kinds)
        return pl.String() if wide else pl.Int64()
    if all(kind.is_float() for kind in kinds) or (is_id and all(kind.is_numeric() for kind in kinds)):
        return pl.Float64() if all(kind.is_float() for kind in kinds) else pl.Int64()
    if all(kind.is_temporal() and kind != pl.Time and not isinstance(kind, pl.Duration) for kind in kinds):
        zones = {kind.time_zone for kind in kinds if isinstance(kind, pl.Datetime)}
        if None not in zones and not any(kind == pl.Date for kind in kinds):
            return pl.Datetime("us", "UTC")
        return pl.Datetime("us") if zones <= {None} else pl.String()
    return pl.String()


def _as(name: str, kind: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind.is_float() and wanted == pl.Int64:
        return column.fill_nan(None).cast(pl.Int64)
    if isinstance(kind, pl.Datetime) and isinstance(wanted, pl.Datetime) and wanted.time_zone is not None:
        return column.dt.convert_time_zone("UTC").cast(wanted)
    return text_of(column, kind) if wanted == pl.String else column.cast(wanted)


def text_of(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Values as text: of a decimal that is whole, the whole number."""
    if not kind.is_float():
        return column.cast(pl.String)
    whole = (column == column.floor()) & (column.abs() < 2**53)
    number = column.fill_nan(None)
    return pl.when(whole).then(number.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(number.cast(pl.String))


def _notes(parts: list[_Part]) -> list[str]:
    """What was decided of the files, each thing once."""
    notes = {note: None for part in parts if part.text is not None for note in part.text.dialect.notes()}
    columns = [{name for name, _ in part.schema} for part in parts]
    lacking = sorted(set[str]().union(*columns) - columns[0].intersection(*columns))
    if lacking:
        notes[f"some of its files have no column {', '.join(lacking)}"] = None
    return list(notes)
