"""Dialects of one table: how a seed writes it, what it should read as, and whether it reads in two ways."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

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
QUOTED = [
    'he said "hi"', "two\nlines", "a\n#b\nc", "a\n#b", "a,b;c|d\te", '"', '""', '","', "one, two", 'end"', "\\",
    'a\\"b', "line\r\nend", "#1, #2",
]  # fmt: skip
LATIN = ["café", "Größe", "naïve", "Señor £5", "½ l"]
WIDE = ["日本茶", "чай", "☕ mug", "e\u0301", "ﬁne"]
ENCODINGS = {
    "utf-8": LATIN + WIDE, "utf-8-sig": LATIN + WIDE, "utf-16": LATIN + WIDE, "utf-16-le": LATIN + WIDE,
    "utf-16-be": LATIN + WIDE, "cp1252": [*LATIN, "5 € … “tea”"], "latin-1": LATIN,
}  # fmt: skip
DATA_NULLS = ["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "null", "None", "nan", "NaN", "NaT", "-", "\\N"]
# A format as the strftime of Python writes it, and the unit to which it cuts times off.
MINUTE, SECOND, DAY = timedelta(minutes=1), timedelta(seconds=1), timedelta(days=1)
TIMES: dict[str, tuple[str, timedelta]] = {
    "iso": ("%Y-%m-%d %H:%M:%S", SECOND), "iso T": ("%Y-%m-%dT%H:%M:%S", SECOND),
    "iso minutes": ("%Y-%m-%d %H:%M", MINUTE), "iso day": ("%Y-%m-%d", DAY),
    "iso ms": ("%Y-%m-%dT%H:%M:%S.{ms}", timedelta(milliseconds=1)),
    "iso us": ("%Y-%m-%d %H:%M:%S.%f", timedelta(microseconds=1)), "iso Z": ("%Y-%m-%dT%H:%M:%SZ", SECOND),
    "iso ms Z": ("%Y-%m-%dT%H:%M:%S.{ms}Z", timedelta(milliseconds=1)), "slashed ymd": ("%Y/%m/%d %H:%M:%S", SECOND),
    "dmy": ("%d/%m/%Y %H:%M:%S", SECOND), "dmy day": ("%d/%m/%Y", DAY), "dmy dots": ("%d.%m.%Y %H:%M", MINUTE),
    "dmy dashes": ("%d-%m-%Y %H:%M:%S", SECOND), "mdy": ("%m/%d/%Y %H:%M", MINUTE), "mdy day": ("%m/%d/%Y", DAY),
    "mdy noon": ("%m/%d/%Y %I:%M:%S %p", SECOND), "dmy noon": ("%d/%m/%Y %I:%M %p", MINUTE),
    "month name": ("%d-%b-%Y %H:%M:%S", SECOND), "month first": ("%b %d, %Y", DAY), "basic": ("%Y%m%d", DAY),
    "basic T": ("%Y%m%dT%H%M%SZ", SECOND), "basic clock": ("%Y%m%d%H%M%S", SECOND),
    "day of week": ("%a, %d %b %Y %H:%M:%S", SECOND), "dmy short": ("%d/%m/%y %H:%M", MINUTE),
    "unix": ("%a %b %d %H:%M:%S UTC %Y", SECOND),
}  # fmt: skip
EPOCHS = {"epoch s": 10**6, "epoch ms": 10**3, "epoch us": 1, "epoch ns": 0}
ZONED = ["offset", "offset short", "zone words", "zone names", "declared zone"]
SLASHED = [name for name, (form, _) in TIMES.items() if form.startswith(("%d/%m", "%m/%d", "%d-%m", "{m}/"))]
GROUPS = {"none": "", "comma": ",", "point": ".", "space": " ", "hard space": "\xa0", "apostrophe": "'", "lakh": ","}


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
    cut: bool = False
    nulls: str = "one"
    data_null: str = ""
    word_null: str = ""
    early_days: bool = False
    rows: int = 60
    strange_from: int = 0
    titles: int = 0
    varied: bool = False
    native: dict[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ("user", "when", "amount", "item", "note")
    declared: dict[str, Any] = field(default_factory=dict)


Row = tuple[str | None, datetime | None, float | None, str | None]


def dialect_of(seed: int) -> Dialect:
    """The dialect of a seed."""
    rng = random.Random(seed)
    kind = rng.choices(["text", "jsonl", "parquet", "excel"], [70, 10, 13, 7])[0]
    one = Dialect(seed, kind, names=rng.choice(NAMES))
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
    one.early_days = one.times in SLASHED and rng.random() < 0.25
    if rng.random() < 0.1:
        one.rows, one.strange_from = 1400, 1050
    _declare(rng, one)
    return one


NATIVE = {
    "jsonl": {"user": ["text", "number"], "when": ["text", "number"], "amount": ["text", "number"]},
    "excel": {"user": ["text", "number"], "when": ["text", "time"], "amount": ["text", "number"]},
    "parquet": {
        "user": ["text", "Int32", "Int64", "Float64", "UInt32", "Categorical"],
        "when": ["text", "ms", "us", "ns", "zoned", "Date", "number"],
        "amount": ["text", "Float32", "Float64", "Int32", "Decimal"],
    },
}
NAMES = [
    ("user", "when", "amount", "item", "note"), ("User ID", "Date/Time", "Price €", "Größe", "#"),
    ("customer_id", "ts", "total", "sku", "qty"),
]  # fmt: skip


def _draw_amounts(rng: random.Random, one: Dialect) -> None:
    one.decimal = rng.choice([".", ".", ","])
    one.groups = rng.choice([g for g in GROUPS if GROUPS[g] != one.decimal])
    one.digits = rng.choices([2, 1, 0], [12, 2, 2])[0]
    one.money = rng.choice(
        ["{}", "{}", "{}", "${}", "{} $", "£{}", "USD {}", "{} EUR", "{}kr", "CHF {}", "US${}", "Rs. {}"]
    )
    one.minus = rng.choice(["-{}", "-{}", "({})", "{}-"])
    one.cut = one.digits == 2 and rng.random() < 0.2
    one.nulls = rng.choice(["one", "one", "several"])


def _draw_text(rng: random.Random, one: Dialect) -> None:
    one.encoding = rng.choice([*ENCODINGS, "utf-8"])
    one.delimiter = rng.choice(",,;\t|")
    one.quoting = rng.choice(["minimal", "minimal", "all", "words", "none", "escaped"])
    one.line_end, one.last_end = rng.choice(["\n", "\r\n"]), rng.random() < 0.8
    one.packed = rng.choice(["", "", "", ".gz", ".zst"])
    one.header = rng.random() < 0.85
    one.blank, one.comments = rng.choice([0, 0, 0, 0.1]), rng.choice([0, 0, 0, 0.1])
    one.padded = rng.random() < 0.1
    one.titles = rng.choice([1, 2]) if one.header and not one.comments and rng.random() < 0.07 else 0
    if one.packed == ".zst" and not one.encoding.startswith("utf-8"):
        one.packed = ".gz"  # of zstd only UTF-8 is read, and the message says so
    if "€" in "".join(one.names) and one.encoding == "latin-1":
        one.names = ("user", "when", "amount", "item", "note")


def of_part(one: Dialect, part: int) -> Dialect:
    """The dialect of one file of a table, of which some parts may be written differently."""
    if not one.varied or part == 0:
        return one
    rng = random.Random(f"part {one.seed} {part}")
    changed = replace(
        one, delimiter=rng.choice(",;\t|"), line_end=rng.choice(["\n", "\r\n"]), quoting=rng.choice(["minimal", "all"])
    )
    return replace(
        changed, encoding=rng.choice(["utf-8-sig", "utf-16"]) if one.encoding.startswith("utf") else one.encoding
    )


def _declare(rng: random.Random, one: Dialect) -> None:
    if one.kind == "text":
        one.varied = one.parts > 1 and one.packed != ".zst" and rng.random() < 0.4
        if rng.random() < 0.3 and not one.varied:
            one.declared |= {"delimiter": one.delimiter, "encoding": one.encoding}
        if one.comments:
            one.declared["comment"] = rng.choice(["#", "%"])
        if not one.header:
            one.declared["header"] = False
    if rng.random() < 0.2:
        one.declared["decimal"] = one.decimal
    if one.times == "declared zone" and one.native.get("when") not in ("Date", "zoned", "number"):
        one.declared["timezone"] = "America/New_York"
    if one.times in SLASHED and rng.random() < 0.5:
        one.declared["day_first"] = one.times.startswith("dmy")
    if one.groups == "point" and one.digits == 0:
        one.declared["decimal"] = ","  # 1.101 alone is a plain number
    if one.word_null == "" and rng.random() < 0.1:
        one.word_null, one.declared["null_values"] = "missing", ["missing"]


def truth_of(one: Dialect) -> list[Row]:
    """The rows, as they should read."""
    rng = random.Random(f"rows {one.seed}")
    texts = PLAIN + (QUOTED if one.kind != "text" or one.quoting != "none" else ['5" pipe']) + ENCODINGS[one.encoding]
    texts = [text for text in texts if one.kind != "text" or one.quoting != "none" or one.delimiter not in text]
    texts = [text for text in texts if one.quoting != "escaped" or "\\" not in text]
    plain = [text for text in texts if text in PLAIN[:8]]
    rows: list[Row] = []
    for i in range(one.rows):
        strange = i >= one.strange_from
        scale = rng.choice([9, 300, 5000, 2_000_000])
        amount = round((-1 if rng.random() < 0.15 else 1) * scale * rng.random(), one.digits)
        time = _time(rng, one, late=i >= one.rows * 3 // 4 or (strange and i % 2), low=not strange)
        row = [_id(rng, one), time, amount + 0.0, (texts if strange else plain)[i % len(texts if strange else plain)]]
        for column in range(4):
            if i % 4 and strange and rng.random() < 0.06:
                row[column] = None
        rows.append(tuple(row))  # type: ignore[arg-type]
    return rows


def _id(rng: random.Random, one: Dialect) -> str:
    number = rng.randint(1, 99_999)
    prefix = {"long": "9007199254740", "text": "u-"}.get(one.ids, "")
    return f"{prefix}{number:08d}" if one.ids == "zeros" else f"{prefix}{number:05d}" if prefix else f"{number}"


def _time(rng: random.Random, one: Dialect, *, late: bool, low: bool) -> datetime:
    """A time of the training period or after it, at an hour that no zone skips; with a low day where it has to."""
    start, end = (TRAIN_UNTIL + DAY, LAST) if late else (FIRST, TRAIN_UNTIL - DAY)
    while True:
        time = start + (end - start) * rng.random()
        if time.hour >= 7 and time < end - DAY and (time.day <= 12 or not (one.early_days or low)):
            return time.replace(microsecond=time.microsecond // 1000 * 1000 + rng.randint(1, 999))


def cut(time: datetime, one: Dialect) -> datetime:
    """A time to the unit in which a dialect keeps it."""
    native = one.native.get("when", "text")
    if native in ("ms", "Date") or (one.kind == "excel" and native == "time"):
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
    if one.times == "iso mixed":
        return time.strftime(rng.choice(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.000", "%Y-%m-%dT%H:%M:%SZ"]))
    if one.times == "epoch float":
        return f"{(time - datetime(1970, 1, 1)) // SECOND}.0"
    if one.times in TIMES:
        parts = {"ms": f"{time.microsecond // 1000:03d}", "m": time.month, "d": time.day, "h": time.hour % 12 or 12}
        return time.strftime(TIMES[one.times][0]).format(**parts)
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
    whole, _, part = f"{abs(amount):.{one.digits}f}".partition(".")
    part = part.rstrip("0") if one.cut else part
    size, head = (2, whole[:-3]) if one.groups == "lakh" else (3, whole[:-3])
    groups = [head[max(0, end - size) : end] for end in range(len(head), 0, -size)][::-1]
    body = GROUPS[one.groups].join([*groups, whole[-3:]]) + (one.decimal + part if part else "")
    body = body if one.seed % 3 == 0 and amount % 2 < 1 else one.money.format(body)
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
    early = [row for row in rows if row[1] is None or row[1] < TRAIN_UNTIL]
    two_days = one.times in SLASHED and "day_first" not in one.declared and one.native.get("when", "text") == "text"
    two_days = two_days and all(time.day <= 12 for _, time, _, _ in early if time is not None)
    texts = [written_amount(amount, one) for _, _, amount, _ in early if amount is not None]
    grouped = GROUPS[one.groups] in (",", ".") and one.digits == 0 and any(GROUPS[one.groups] in text for text in texts)
    many = any(text.count(GROUPS[one.groups]) > 1 for text in texts) if grouped else False
    two_marks = grouped and not many and "decimal" not in one.declared and one.native.get("amount", "text") == "text"
    return two_days or two_marks
