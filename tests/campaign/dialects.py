"""Dialects of one table: how a seed writes it, what it should read as, and whether it reads in two ways."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

TRAIN_UNTIL = datetime(2024, 9, 1)
FIRST, LAST = datetime(2023, 3, 1), datetime(2025, 2, 1)
PLAIN = [
    "tea",
    "None",
    "NA",
    "null",
    "-",
    "nan",
    "0",
    "007",
    "1e5",
    "green tea",
    "it's",
    "#5",
    "C:\\tea",
    "x/y",
    "100%",
]
QUOTED = ['he said "hi"', "two\nlines", "a\n#b\nc", "a\n#b", "a,b;c|d\te", '"', '""', '","', "one, two", 'end"', "\\", 'a\\"b',
          "line\r\nend", "#1, #2"]  # fmt: skip
LATIN = ["café", "Größe", "naïve", "Señor £5", "½ l"]
WIDE = ["日本茶", "чай", "☕ mug", "e\u0301", "ﬁne"]
ENCODINGS = {"utf-8": LATIN + WIDE, "utf-8-sig": LATIN + WIDE, "utf-16": LATIN + WIDE, "cp1252": [*LATIN, "5 € – “tea”"],
             "latin-1": LATIN}  # fmt: skip
DATA_NULLS = ["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "null", "None", "nan", "NaN", "NaT", "-", "\\N"]
# A format as the strftime of Python writes it, and the unit to which it cuts times off.
MINUTE, SECOND, DAY = timedelta(minutes=1), timedelta(seconds=1), timedelta(days=1)
TIMES: dict[str, tuple[str, timedelta]] = {
    "iso": ("%Y-%m-%d %H:%M:%S", SECOND), "iso T": ("%Y-%m-%dT%H:%M:%S", SECOND), "iso minutes": ("%Y-%m-%d %H:%M", MINUTE),
    "iso day": ("%Y-%m-%d", DAY), "iso ms": ("%Y-%m-%dT%H:%M:%S.{ms}", timedelta(milliseconds=1)),
    "iso us": ("%Y-%m-%d %H:%M:%S.%f", timedelta(microseconds=1)), "iso Z": ("%Y-%m-%dT%H:%M:%SZ", SECOND),
    "iso ms Z": ("%Y-%m-%dT%H:%M:%S.{ms}Z", timedelta(milliseconds=1)), "slashed ymd": ("%Y/%m/%d %H:%M:%S", SECOND),
    "dmy": ("%d/%m/%Y %H:%M:%S", SECOND), "dmy day": ("%d/%m/%Y", DAY), "dmy dots": ("%d.%m.%Y %H:%M", MINUTE),
    "dmy dashes": ("%d-%m-%Y %H:%M:%S", SECOND), "mdy": ("%m/%d/%Y %H:%M", MINUTE), "mdy day": ("%m/%d/%Y", DAY),
    "mdy noon": ("%m/%d/%Y %I:%M:%S %p", SECOND), "dmy noon": ("%d/%m/%Y %I:%M %p", MINUTE),
    "month name": ("%d-%b-%Y %H:%M:%S", SECOND), "month first": ("%b %d, %Y", DAY), "basic": ("%Y%m%d", DAY),
    "basic T": ("%Y%m%dT%H%M%SZ", SECOND), "basic clock": ("%Y%m%d%H%M%S", SECOND), "day of week": ("%a, %d %b %Y %H:%M:%S", SECOND),
    "dmy short": ("%d/%m/%y %H:%M", MINUTE), "unix": ("%a %b %d %H:%M:%S UTC %Y", SECOND),
}  # fmt: skip
EPOCHS = {"epoch s": 10**6, "epoch ms": 10**3, "epoch us": 1, "epoch ns": 0}
ZONED = ["offset", "offset short", "zone words", "zone names", "declared zone"]
SLASHED = [name for name, (form, _) in TIMES.items() if form.startswith(("%d/%m", "%m/%d", "%d-%m"))]
GROUPS = {"none": "", "comma": ",", "point": ".", "space": " ", "hard space": "\xa0", "apostrophe": "'"}


@dataclass
class Dialect:
    """How a table is written; `declared` goes into the workspace file."""

    seed: int
    kind: str
    encoding: str = "utf-8"
    delimiter: str = ","
    quoting: str = "minimal"
    line_end: str = "\n"
    last_end: bool = True
    packed: str = ""
    header: bool = True
    blank: float = 0.0
    comments: float = 0.0
    padded: bool = False
    parts: int = 1
    ids: str = "plain"
    times: str = "iso"
    decimal: str = "."
    groups: str = "none"
    digits: int = 2
    money: str = "{}"
    minus: str = "-{}"
    data_null: str = ""
    word_null: str = ""
    early_days: bool = False
    native: dict[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ("user", "when", "amount", "item", "note")
    declared: dict[str, Any] = field(default_factory=dict)


Row = tuple[str | None, datetime | None, float | None, str | None]


def dialect_of(seed: int) -> Dialect:
    """The dialect of a seed."""
    rng = random.Random(seed)
    kind = rng.choices(["text", "jsonl", "parquet", "excel"], [70, 10, 13, 7])[0]
    one = Dialect(seed, kind, names=rng.choice([("user", "when", "amount", "item", "note"), ("User ID", "Date/Time", "Price €", "Größe", "#"),
                                                ("customer_id", "ts", "total", "sku", "qty")]))  # fmt: skip
    one.ids = rng.choice(["plain", "zeros", "long", "text", "decimal"])
    one.times = rng.choice([*TIMES, *EPOCHS, *ZONED])
    one.parts = rng.choice([1, 1, 1, 2, 3]) if kind != "excel" else 1
    _draw_amounts(rng, one)
    one.data_null, one.word_null = rng.choice(DATA_NULLS), rng.choice(["", "", "\\N"])
    if kind == "text":
        _draw_text(rng, one)
    elif kind == "jsonl":
        one.packed = rng.choice(["", "", ".gz", ".zst"])
    if kind != "text":
        one.native = {column: rng.choice(NATIVE[kind][column]) for column in ("user", "when", "amount")}
    if one.encoding in ("cp1252", "latin-1") and not one.header:
        one.declared["encoding"] = one.encoding
    if one.times in SLASHED and rng.random() < 0.1:
        one.early_days = True
    _declare(rng, one)
    return one


NATIVE = {
    "jsonl": {"user": ["text", "number"], "when": ["text", "number"], "amount": ["text", "number"]},
    "excel": {"user": ["text", "number"], "when": ["text", "time"], "amount": ["text", "number"]},
    "parquet": {"user": ["text", "Int32", "Int64", "Float64", "UInt32", "Categorical"], "when": ["text", "ms", "us", "ns", "zoned", "Date", "number"],
                "amount": ["text", "Float32", "Float64", "Int32", "Decimal"]},
}  # fmt: skip


def _draw_amounts(rng: random.Random, one: Dialect) -> None:
    one.decimal = rng.choice([".", ".", ","])
    one.groups = rng.choice([g for g in GROUPS if GROUPS[g] != one.decimal])
    one.digits = rng.choices([2, 1, 0], [16, 2, 1])[0]
    one.money = rng.choice(["{}", "{}", "{}", "${}", "{} $", "£{}", "USD {}", "{} EUR", "{}kr"])
    one.minus = rng.choice(["-{}", "-{}", "({})", "{}-"])


def _draw_text(rng: random.Random, one: Dialect) -> None:
    one.encoding = rng.choice([*ENCODINGS, "utf-8"])
    one.delimiter = rng.choice(",,;\t|")
    one.quoting = rng.choice(["minimal", "minimal", "all", "words", "none"])
    one.line_end, one.last_end = rng.choice(["\n", "\r\n"]), rng.random() < 0.8
    one.packed = rng.choice(["", "", "", ".gz", ".zst"])
    one.header = rng.random() < 0.85
    one.blank, one.comments = rng.choice([0, 0, 0, 0.1]), rng.choice([0, 0, 0, 0.1])
    one.padded = rng.random() < 0.1
    if one.packed == ".zst" and not one.encoding.startswith("utf-8"):
        one.packed = ".gz"  # of zstd only UTF-8 is read, and the message says so
    if "€" in "".join(one.names) and one.encoding == "latin-1":
        one.names = ("user", "when", "amount", "item", "note")


def _declare(rng: random.Random, one: Dialect) -> None:
    if one.kind == "text":
        if rng.random() < 0.3:
            one.declared |= {"delimiter": one.delimiter, "encoding": one.encoding}
        if one.comments:
            one.declared["comment"] = rng.choice(["#", "%"])
        if not one.header:
            one.declared["header"] = False
    if rng.random() < 0.2 and one.native.get("amount") != "number":  # a number's own mark is a point
        one.declared["decimal"] = one.decimal
    if one.times == "declared zone" and one.native.get("when") not in ("Date", "zoned", "number"):
        one.declared["timezone"] = "America/New_York"
    if one.times in SLASHED and rng.random() < 0.5:
        one.declared["day_first"] = one.times.startswith("dmy")
    if one.groups == "point" and one.digits == 0 and one.native.get("amount") != "number":
        one.declared["decimal"] = ","  # 1.101 alone is a plain number
    if one.word_null == "" and rng.random() < 0.1:
        one.word_null, one.declared["null_values"] = "missing", ["missing"]


def truth_of(one: Dialect) -> list[Row]:
    """The rows, as they should read."""
    rng = random.Random(f"rows {one.seed}")
    texts = PLAIN + (QUOTED if one.kind != "text" or one.quoting != "none" else ['5" pipe']) + ENCODINGS[one.encoding]
    texts = [text for text in texts if one.kind != "text" or one.quoting != "none" or one.delimiter not in text]
    rows: list[Row] = []
    for i in range(60):
        amount = round(
            (-1 if rng.random() < 0.15 else 1) * rng.choice([9, 300, 5000, 2_000_000]) * rng.random(), one.digits
        )
        row = [_id(rng, one), _time(rng, one, late=i >= 45), amount + 0.0, texts[i % len(texts)]]
        for column in range(4):
            if i % 4 and rng.random() < 0.06:
                row[column] = None
        rows.append(tuple(row))  # type: ignore[arg-type]
    return rows


def _id(rng: random.Random, one: Dialect) -> str:
    number = rng.randint(1, 99_999)
    return {"plain": f"{number}", "zeros": f"{number:08d}", "long": f"9007199254740{number:05d}", "text": f"u-{number} b",
            "decimal": f"{number}"}[one.ids]  # fmt: skip


def _time(rng: random.Random, one: Dialect, *, late: bool) -> datetime:
    start, end = (TRAIN_UNTIL + DAY, LAST) if late else (FIRST, TRAIN_UNTIL - DAY)
    time = start + (end - start) * rng.random()
    while one.early_days and time.day > 12 or time.hour < 7 or (start == FIRST and time >= TRAIN_UNTIL - DAY):
        time = start + (end - start) * rng.random()
    return time.replace(microsecond=time.microsecond // 1000 * 1000 + rng.randint(1, 999))


def cut(time: datetime, one: Dialect) -> datetime:
    """A time to the unit in which a dialect keeps it."""
    native = one.native.get("when", "text")
    if native in ("ms", "Date") or one.kind == "excel" and native == "time":
        unit = {"ms": timedelta(milliseconds=1), "Date": DAY}.get(native, SECOND)
    elif native in ("us", "ns", "zoned"):
        unit = timedelta(microseconds=1)
    elif one.times in EPOCHS or native == "number":
        unit = timedelta(microseconds=max(EPOCHS.get(one.times, 10**6), 1))
    else:
        unit = TIMES[one.times][1] if one.times in TIMES else SECOND
    return datetime.min + (time - datetime.min) // unit * unit


def written_time(time: datetime, one: Dialect, rng: random.Random) -> str:
    """A time as text."""
    if one.times in EPOCHS:
        micros = (time - datetime(1970, 1, 1)) // timedelta(microseconds=1)
        return str(micros // EPOCHS[one.times]) if EPOCHS[one.times] else f"{micros}000"
    if one.times in TIMES:
        return time.strftime(TIMES[one.times][0].replace("{ms}", f"{time.microsecond // 1000:03d}"))
    if one.times.startswith("offset"):
        hours = rng.choice([-7, -3, 0, 2, 5])
        shift = f"{hours:+03d}:00" if one.times == "offset" else f" {hours:+03d}00"
        return (time + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S") + shift
    zones = {
        "zone words": {"EST": -5, "CEST": 2, "UTC": 0, "JST": 9},
        "zone names": {"Europe/Berlin": 0, "Asia/Tokyo": 0},
    }
    if one.times == "declared zone":
        return local(time).strftime("%Y-%m-%d %H:%M:%S")
    name = rng.choice(list(zones[one.times]))
    moved = (
        time.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(name))
        if "/" in name
        else time + timedelta(hours=zones[one.times][name])
    )
    return moved.strftime("%Y-%m-%d %H:%M:%S") + f" {name}"


def local(time: datetime) -> datetime:
    """A time as the clocks of the declared zone show it."""
    return time.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo("America/New_York")).replace(tzinfo=None)


def written_amount(amount: float, one: Dialect) -> str:
    """An amount as text."""
    body = f"{abs(amount):,.{one.digits}f}".replace(",", "_").replace(".", one.decimal).replace("_", GROUPS[one.groups])
    body = one.money.format(body)
    return one.minus.format(body) if amount < 0 else body


def written_rows(one: Dialect, rows: list[Row]) -> list[list[str | None]]:
    """Rows as text, in the order of the columns; None is missing."""
    rng = random.Random(f"times {one.seed}")
    return [
        [
            None if user is None else f"{user}.0" if one.ids == "decimal" else user,
            None if time is None else written_time(time, one, rng),
            None if amount is None else written_amount(amount, one),
            item,
            f"{i % 3}",
        ]
        for i, (user, time, amount, item) in enumerate(rows)
    ]


def has_two_readings(one: Dialect, rows: list[Row]) -> bool:
    """Whether the rows before `train_until` read in two ways, and nothing is declared that decides."""
    two_days = one.times in SLASHED and one.early_days and "day_first" not in one.declared
    two_days = two_days and one.native.get("when", "text") == "text"
    early = [row for row in rows if row[1] is None or row[1] < TRAIN_UNTIL]
    texts = [written_amount(amount, one) for _, _, amount, _ in early if amount is not None]
    grouped = GROUPS[one.groups] in (",", ".") and one.digits == 0 and any(GROUPS[one.groups] in text for text in texts)
    many = any(text.count(GROUPS[one.groups]) > 1 for text in texts) if grouped else False
    two_marks = grouped and not many and "decimal" not in one.declared and one.native.get("amount", "text") == "text"
    return two_days or two_marks


# -- files ----------------------------------------------------------------------------------------------------------


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
        WRITERS[one.kind](one, some, order, folder / f"part-{part}{suffix}")
    names = one.names if one.header else tuple(f"column_{i}" for i in range(1, 6))
    return rows, f"part-*{suffix}", names


def write_text(one: Dialect, rows: list[Row], order: list[int], path: Path) -> None:
    rng = random.Random(f"lines {one.seed}")
    lines = []
    if one.comments:
        lines += [f'{one.declared["comment"]} exported "today, by me']
    if one.header:
        lines.append(one.delimiter.join(field_text(one.names[i], one, word=True) for i in order))
    for row in written_rows(one, rows):
        cells = [
            field_text(cell if cell is not None else one.word_null if i == 3 else one.data_null, one, word=i == 3)
            for i, cell in enumerate(row)
        ]
        if one.header or lines:
            lines += [""] * (rng.random() < one.blank)
            lines += [f'{one.declared.get("comment")} 1;2,3 "'] * (rng.random() < one.comments)
        lines.append(one.delimiter.join(cells[i] for i in order))
    text = one.line_end.join(lines) + (one.line_end if one.last_end else "")
    pack(text.encode(one.encoding), path)


def field_text(text: str, one: Dialect, *, word: bool) -> str:
    """A field, in quotes where it has to be or the dialect wants it so."""
    comment = one.declared.get("comment")
    needs = any(mark in text for mark in (one.delimiter, '"', "\n", "\r")) or (comment and text.startswith(comment))
    quoted = one.quoting == "all" or (one.quoting == "words" and word) or (needs and text != '5" pipe')
    pad = " " if one.padded and not quoted and one.delimiter != "\t" else ""
    return '"' + text.replace('"', '""') + '"' if quoted else pad + text + pad


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
