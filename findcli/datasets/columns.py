"""What a column of an unknown table may be, from its name, its type and a sample of its values.

Tested in tests/datasets/test_tables.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from findcli.data.reader.tables import Table
from findcli.data.reader.time_formats import UNITS
from findcli.data.reader.times import TimeColumn, TimeReading, settle_times, time_candidates, time_probes
from findcli.errors import FindCLIError
from findcli.workspace.table_form import TableForm

USER_WORDS = (
    "user", "customer", "client", "household", "member", "person", "account", "shopper", "buyer", "visitor",
    "subscriber", "consumer", "patient", "guest", "player", "cust", "u", "cardholder", "people", "profile",
)  # fmt: skip
TIME_WORDS = ("timestamp", "datetime", "time", "date", "when", "day", "at", "ts", "on", "created", "occurred", "epoch")
OTHER_TIMES = (
    "birth", "dob", "end", "until", "expires", "expiry", "updated", "modified", "due", "signup", "joined",
    "registered",
)  # fmt: skip
LABEL_WORDS = ("label", "target", "churn", "churned", "outcome", "y", "truth")
SLOT_WORDS = {
    "text": ("query", "search", "keyword", "keywords", "term", "phrase", "text"),
    "department": ("department", "dept", "division", "section"),
    "category": ("category", "cat", "subcategory", "genre", "kind", "class", "type", "topic"),
    "merchant": ("merchant", "store", "shop", "seller", "vendor", "provider", "retailer", "brand"),
    "status": ("status", "state", "result", "outcome"),
    "channel": ("channel", "method", "medium", "device", "platform"),
    "item": ("item", "product", "sku", "article", "goods", "page", "url", "app", "program", "title", "coupon", "name"),
}
AMOUNT_WORDS = (
    "amount", "value", "total", "price", "spend", "sales", "revenue", "cost", "paid", "fare", "quantity", "qty",
)  # fmt: skip
FAMILY_WORDS = {
    "search": ("search", "query", "queries"),
    "exposure": ("campaign", "impression", "exposure", "sent", "message", "mail", "push", "notification"),
    "click": ("click", "redemption", "redeem", "open", "tap", "response"),
    "browse": ("visit", "view", "browse", "session", "mini", "program", "pageview", "page"),
    "purchase": ("transaction", "order", "purchase", "sale", "basket", "receipt", "bill", "payment", "invoice"),
}
_USER_NAME = re.compile(rf"^({'|'.join(USER_WORDS)})s?(id|no|nr|num|number|key|code|hash|ref|name)?$")
_LOWEST = re.compile(r"^\s*(under|below|less|up to|<)", re.IGNORECASE)
MOST_VALUES, FEW_VALUES = 100, 20


@dataclass(frozen=True)
class Reading:
    """How a column reads as times.

    Attributes:
        format: the `time_format` that has to be given; None when the times read by themselves.
        other: a second format that fits and reads differently.
        example: a time that fits both.
    """

    format: str | None = None
    other: str | None = None
    example: str | None = None


def words(name: str) -> list[str]:
    """The words of a name such as "transactionDate" or "sales_value", in lower case, plurals in the singular."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [re.sub(r"(?<=\w\w)s$", "", word) for word in re.split(r"[\W_]+", split.lower()) if word]


def names(name: str, vocabulary: Iterable[str]) -> int:
    """How well a name fits a vocabulary: 2 when a word of it is there, 1 when one is hidden in it, 0 otherwise."""
    own_words = words(name)
    flat = "".join(own_words)
    known = [words(word)[0] for word in vocabulary]
    if any(word in own_words for word in known):
        return 2
    return int(any(len(word) > 3 and word in flat for word in known))


def is_user_name(name: str, *, table: str) -> bool:
    """Whether a column's name says that it holds the users' ids; "id" does in a table that is named after users."""
    flat = "".join(words(name))
    return bool(_USER_NAME.match(flat)) or (flat == "id" and bool(_USER_NAME.match("".join(words(table)))))


def is_other_name(name: str) -> bool:
    """Whether a name says that the column holds something else than users, such as "store_id", "week" or "price"."""
    own_words = words(name)
    others = (*TIME_WORDS, *OTHER_TIMES, "week", "month", "year", *AMOUNT_WORDS, *LABEL_WORDS)
    return (len(own_words) > 1 and own_words[-1] == "id") or bool(names(name, others))


def is_id_type(kind: pl.DataType) -> bool:
    """Whether a column may hold ids: whole numbers or text."""
    return kind.is_integer() or kind in (pl.String, pl.Categorical)


def read_times(sample: pl.DataFrame, column: str) -> Reading | None:
    """How a column reads as times; None when it does not."""
    kind, values = sample.schema[column], sample[column].drop_nulls()
    if kind == pl.Date or isinstance(kind, pl.Datetime):
        return Reading()
    if values.is_empty() or not (kind.is_integer() or kind == pl.String):
        return None
    readings = _fitting_times(sample, column)
    if not readings:
        return None
    first, *others = readings
    # Digits may as well be a number of something.
    if first.family in ("%Y%m%d", *UNITS) and values.cast(pl.String).str.contains(r"^\d+$").all():
        return Reading(format=first.formats[0]) if names(column, TIME_WORDS) else None
    return Reading(first.formats[0], others[0].formats[0], values[0]) if others else Reading()


def _fitting_times(sample: pl.DataFrame, column: str) -> list[TimeReading]:
    """The readings that fit every value of a column and read some of them differently."""
    table = Table("the sample", (), sample.lazy(), sample.schema, frozenset(sample.columns))
    times = TimeColumn(table, TableForm(), column)
    try:
        candidates = time_candidates(times)
    except FindCLIError:
        return []
    seen = sample.select(**time_probes(times, candidates)).row(0, named=True)
    try:
        return [settle_times(times, candidates, seen)]
    except FindCLIError:
        return [reading for i, reading in enumerate(candidates) if not seen[f"time {i}"]]


def time_rank(sample: pl.DataFrame, column: str) -> tuple[bool, int, int]:
    """How likely a column of times is that of the event, beside others such as its end or a birthday."""
    return not names(column, OTHER_TIMES), names(column, TIME_WORDS), sample[column].n_unique()


def best_named(sample: pl.DataFrame, vocabulary: tuple[str, ...], *, text_only: bool = False) -> str | None:
    """The column whose name fits a vocabulary best: text before numbers, whole words and early words before others."""
    fitting = [
        name
        for name in sample.columns
        if names(name, vocabulary) and not (text_only and sample.schema[name] != pl.String)
    ]
    return max(fitting, key=lambda name: _name_rank(sample, name, vocabulary), default=None)


def _name_rank(sample: pl.DataFrame, name: str, vocabulary: tuple[str, ...]) -> tuple[bool, int, int]:
    first = next(
        (i for i, word in enumerate(vocabulary) if names(name, (word,)) == names(name, vocabulary)), len(vocabulary)
    )
    return sample.schema[name] == pl.String, names(name, vocabulary), -first


def attribute_kind(values: pl.Series, *, is_time: bool) -> tuple[str, tuple[str, ...]]:
    """What kind of attribute a column of the profile is: categorical, ordered (with its values in order) or numeric.

    Returns:
        The kind, or the reason why it is none; and the values in order.
    """
    distinct = values.drop_nulls().unique()
    if is_time:
        return "it holds dates", ()
    if names(values.name, LABEL_WORDS) == 2:
        return "its name is that of a label; make it a task, or it would leak", ()
    if len(distinct) < 2:
        return "it has one value", ()
    if values.dtype.is_numeric():
        return ("it holds ids", ()) if words(values.name)[-1:] == ["id"] else ("numeric", ())
    if values.dtype == pl.Boolean:
        return "categorical", ()
    if values.dtype not in (pl.String, pl.Categorical):
        return f"it is of type {values.dtype}", ()
    if len(distinct) > MOST_VALUES or 2 * len(distinct) > max(len(values), 2 * FEW_VALUES):
        return f"it has {len(distinct):,} different values", ()
    levels = ordered_levels(distinct.cast(pl.String).to_list())
    return ("categorical", ()) if levels is None else ("ordered", levels)


def ordered_levels(values: list[str]) -> tuple[str, ...] | None:
    """The values of a column such as "Under 15K", "15-24K", "25K+" in their order; None where they have none."""
    numbers = {value: re.search(r"\d+(\.\d+)?", value) for value in values}
    if not 2 < len(values) <= 20 or not all(numbers.values()):
        return None
    rank = {value: float(bound[0]) - bool(_LOWEST.match(value)) / 2 for value, bound in numbers.items() if bound}
    return tuple(sorted(values, key=rank.__getitem__)) if len(set(rank.values())) == len(values) else None
