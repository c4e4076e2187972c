"""The files of a dialect: text, JSONL, Parquet and Excel."""

from __future__ import annotations

import gzip
import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from dialects import DATA_NULLS, EPOCHS, Dialect, Row, cut, local, of_part, truth_of, written_rows


def write(one: Dialect, folder: Path) -> tuple[list[Row], str, tuple[str, ...]]:
    """Write the table; its truth, the glob of its files and the names of its columns."""
    rows = truth_of(one)
    rows = [(user, None if time is None else cut(time, one), amount, item) for user, time, amount, item in rows]
    size = -(-len(rows) // one.parts)
    suffix = {"text": ".csv", "jsonl": ".jsonl", "parquet": ".parquet", "excel": ".xlsx"}[one.kind] + one.packed
    for part in range(one.parts):
        some = rows[part * size : (part + 1) * size]
        order = list(range(5))
        if one.header:
            random.Random(f"order {one.seed} {part}").shuffle(order)
        WRITERS[one.kind](of_part(one, part), some, order, folder / f"part-{part}{suffix}")
    names = one.names if one.header else tuple(f"column_{i}" for i in range(1, 6))
    return rows, f"part-*{suffix}", names


def write_text(one: Dialect, rows: list[Row], order: list[int], path: Path) -> None:
    rng = random.Random(f"lines {one.seed}")
    lines = []
    if one.comments:
        lines += [f'{one.declared["comment"]} exported "today, by me']
    lines += ["Orders of the shop", ""][: one.titles]
    if one.header:
        lines.append(one.delimiter.join(field_text(one.names[i], one, word=True) for i in order))
    for row in written_rows(one, rows):
        cells = [
            field_text(cell if cell is not None else spelled_null(one, i, rng), one, word=i == 3)
            for i, cell in enumerate(row)
        ]
        if one.header or lines:
            lines += [""] * (rng.random() < one.blank)
            lines += [f'{one.declared.get("comment")} 1;2,3 "'] * (rng.random() < one.comments)
        lines.append(one.delimiter.join(cells[i] for i in order))
    text = one.line_end.join(lines) + (one.line_end if one.last_end else "")
    pack(text.encode(one.encoding), path)


def spelled_null(one: Dialect, column: int, rng: random.Random) -> str:
    """How a missing value of a column is written."""
    if column == 3:
        return one.word_null
    return one.data_null if one.nulls == "one" else rng.choice(DATA_NULLS)


def field_text(text: str, one: Dialect, *, word: bool) -> str:
    """A field, in quotes where it has to be or the dialect wants it so."""
    comment = one.declared.get("comment")
    needs = any(mark in text for mark in (one.delimiter, '"', "\n", "\r")) or (comment and text.startswith(comment))
    quoted = one.quoting == "all" or (one.quoting == "words" and word) or (needs and text != '5" pipe')
    pad = " " if one.padded and not quoted and one.delimiter != "\t" else ""
    inner = text.replace('"', '\\"' if one.quoting == "escaped" else '""')
    return f'"{inner}"' if quoted else pad + text + pad


def pack(raw: bytes, path: Path) -> None:
    """Write bytes, packed as the name says; of zstd as blocks that are not compressed."""
    if path.suffix == ".gz":
        raw = gzip.compress(raw)
    elif path.suffix == ".zst":
        blocks = [raw[i : i + 1000] for i in range(0, len(raw), 1000)]
        headers = [
            (int(i == len(blocks) - 1) | len(block) << 3).to_bytes(3, "little") for i, block in enumerate(blocks)
        ]
        raw = b"\x28\xb5\x2f\xfd\x00\x58" + b"".join(h + b for h, b in zip(headers, blocks, strict=True))
    path.write_bytes(raw)


def native(one: Dialect, rows: list[Row]) -> dict[str, list[Any]]:
    """The columns in their order, each of the type that the dialect gives it."""
    columns = dict(zip(COLUMNS, map(list, zip(*written_rows(one, rows), strict=True)), strict=True))
    if has_numeric_ids(one):
        kind = float if one.ids == "decimal" and one.kind == "jsonl" else int
        columns["user"] = [None if user is None else kind(user) for user, *_ in rows]
    if one.native["when"] == "number":
        unit = EPOCHS.get(one.times, 10**6)
        micros = [
            None if row[1] is None else (row[1] - datetime(1970, 1, 1)) // timedelta(microseconds=1) for row in rows
        ]
        columns["when"] = [None if m is None else m // unit if unit else m * 1000 for m in micros]
    elif one.native["when"] != "text":
        columns["when"] = [local(time) if "timezone" in one.declared and time else time for _, time, *_ in rows]
    if one.native["amount"] != "text":
        columns["amount"] = [amount for _, _, amount, _ in rows]
    rng = random.Random(f"nulls {one.seed}")
    for name, values in columns.items():
        texts = all(isinstance(value, str | None) for value in values)
        spelling = one.word_null if name == "item" else one.data_null
        if texts and name != "note" and rng.random() < 0.5:
            columns[name] = [spelling if value is None else value for value in values]
    return columns


def has_numeric_ids(one: Dialect) -> bool:
    """Whether the file itself holds the ids as numbers."""
    if one.native["user"] in ("text", "Categorical"):
        return False
    whole = one.native["user"] in ("number", "Int64") and one.kind != "excel"
    return one.ids in ("plain", "decimal") or (one.ids == "long" and whole)


def write_jsonl(one: Dialect, rows: list[Row], order: list[int], path: Path) -> None:
    rng = random.Random(f"lines {one.seed}")
    columns, lines = native(one, rows), []
    for i in range(len(rows)):
        fields = {one.names[c]: columns[COLUMNS[c]][i] for c in order}
        kept = {key: value for key, value in fields.items() if value is not None or rng.random() < 0.5 or i == 0}
        lines.append(json.dumps(kept, ensure_ascii=one.seed % 2 == 0) + "\n")
    pack("".join(lines).encode(), path)


def write_parquet(one: Dialect, rows: list[Row], order: list[int], path: Path) -> None:
    rng = random.Random(f"types {path.name} {one.seed}")
    columns = native(one, rows)
    frame = pl.DataFrame({one.names[c]: pl.Series(columns[COLUMNS[c]], strict=False) for c in order})
    user, when, amount = one.names[:3]
    if has_numeric_ids(one):
        kinds = [one.native["user"], *(["Int64", "Int32"] if one.ids != "long" else ["Int64"])]
        frame = frame.with_columns(pl.col(user).cast(getattr(pl, rng.choice(kinds))))
    elif one.native["user"] == "Categorical":
        frame = frame.with_columns(pl.col(user).cast(pl.Categorical))
    if one.native["when"] in ("ms", "us", "ns", "zoned"):
        finer = {"ms": ["ms", "us", "ns"], "us": ["us", "ns"]}.get(one.native["when"], ["us", "ns"])
        frame = frame.with_columns(pl.col(when).cast(pl.Datetime(rng.choice(finer))))
        if one.native["when"] == "zoned":
            zoned = pl.col(when).dt.replace_time_zone("UTC").dt.convert_time_zone(rng.choice(["Asia/Tokyo", "UTC"]))
            frame = frame.with_columns(zoned)
    elif one.native["when"] == "Date":
        frame = frame.with_columns(pl.col(when).cast(pl.Date))
    if one.native["amount"] in ("Float32", "Float64"):
        frame = frame.with_columns(pl.col(amount).cast(getattr(pl, rng.choice([one.native["amount"], "Float64"]))))
    elif one.native["amount"] == "Decimal":
        frame = frame.with_columns(pl.col(amount).cast(pl.Decimal(18, one.digits)))
    elif one.native["amount"] == "Int32" and one.digits == 0:
        frame = frame.with_columns(pl.col(amount).cast(pl.Int32))
    frame.write_parquet(path)


def write_excel(one: Dialect, rows: list[Row], order: list[int], path: Path) -> None:
    import xlsxwriter

    columns = native(one, rows)
    with xlsxwriter.Workbook(str(path)) as book:
        sheet, form = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for c, column in enumerate(order):
            sheet.write_string(0, c, one.names[column])
            for r, value in enumerate(columns[COLUMNS[column]], 1):
                if isinstance(value, str):
                    sheet.write_string(r, c, value.replace("\r\n", "\n"))
                elif isinstance(value, datetime):
                    sheet.write_datetime(r, c, value, form)
                elif value is not None:
                    sheet.write_number(r, c, value)


COLUMNS = ("user", "when", "amount", "item", "note")
WRITERS = {"text": write_text, "jsonl": write_jsonl, "parquet": write_parquet, "excel": write_excel}
