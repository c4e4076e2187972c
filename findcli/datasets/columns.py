"""What a column of an unknown table may be, from its name, its type and a sample of its values.

Tested in tests/datasets/test_tables.py.
"""

from __future__ import annotations

import re

import polars as pl

from findcli.data.reader.numbers import read_numbers
from findcli.data.reader.typed import READINGS
from findcli.datasets import words
from findcli.workspace.settings_checks import RESERVED

_LOWEST = re.compile(r"^\s*(under|below|less|up to|unter|bis|moins|<)", re.IGNORECASE)
_PIECES = re.compile(
    r"^(n|num|nb|no|number|count|total)_?(of_?)?(items?|products?|articles?|pieces|units|cds|books)$"
    r"|^(items|products|pieces|articles|cds|books)$|(item|product|article)s?_?(count|qty)$"
)
MOST_VALUES, FEW_VALUES = 100, 20
NUMBERS = 0.8
MONEY = r"^[-+(]?[^\d\s]{0,4}\s?\d{1,3}(?:[ .,'\x{00A0}\x{202F}]?\d{3})*[.,]\d{1,2}\s?[^\d\s]{0,4}\)?$"
NAMES = ("name", "nom", "nome", "naam")


def is_id_type(kind: pl.DataType) -> bool:
    """Whether a column may hold ids or words: whole numbers or text."""
    return kind.is_integer() or kind in (pl.String, pl.Categorical)


def is_number_like(values: pl.Series) -> bool:
    """Whether a column is of numbers, or of text that mostly reads as numbers, such as "12,50 €" or "n/a"."""
    if values.dtype.is_numeric():
        return True
    present = values.drop_nulls().head(500).alias("x") if values.dtype == pl.String else values.clear()
    if present.is_empty():
        return False
    numbers = [read_numbers(pl.col("x").str.strip_chars(), reading).count() for reading in READINGS]
    counts = present.to_frame().select(number.alias(str(i)) for i, number in enumerate(numbers)).row(0)
    return bool(max(counts) >= NUMBERS * len(present)) or is_money_like(values)


def is_money_like(values: pl.Series) -> bool:
    """Whether most values of a column of text are written as amounts are, in whatever unit, such as "1 890,19 zł"."""
    present = values.drop_nulls().head(500) if values.dtype == pl.String else values.clear()
    if present.is_empty() or present.str.contains(r"^\d+\.0+$").all():  # whole numbers of a decimal export
        return False
    return int(present.str.contains(MONEY).sum()) >= NUMBERS * len(present)


def is_quantity(values: pl.Series) -> bool:
    """Whether a column counts the pieces of an event."""
    named = words.is_quantity(values.name) or bool(_PIECES.search(values.name.lower()))
    return named and is_number_like(values)


def best_total(sample: pl.DataFrame, free: list[str]) -> str | None:
    """The column of amounts, such as "sales_value" or "Betrag"."""
    others = [
        name
        for name in free
        if not words.names(name, words.RETURN_WORDS) and not words.is_code(name) and not is_quantity(sample[name])
    ]
    return _best_number(sample, others, words.TOTAL_WORDS)


def best_price(sample: pl.DataFrame, free: list[str]) -> str | None:
    """The column of prices."""
    return _best_number(sample, free, words.PRICE_WORDS)


def _best_number(sample: pl.DataFrame, free: list[str], vocabulary: tuple[str, ...]) -> str | None:
    numbers = [
        name
        for name in free
        if words.names(name, vocabulary) and not words.names(name, words.NO_AMOUNT) and is_number_like(sample[name])
    ]
    return max(numbers, key=lambda name: words.rank_in(name, vocabulary), default=None)


def best_slot(sample: pl.DataFrame, slot: str, free: list[str]) -> str | None:
    """The column whose name fits a slot best: text before numbers, descriptions before codes, whole words first."""
    vocabulary = words.SLOT_WORDS[slot]
    fitting = [
        name
        for name in free
        if words.names(name, vocabulary) and is_id_type(sample.schema[name]) and not words.is_person_name(name)
    ]
    if slot == "text":
        fitting = [name for name in fitting if sample.schema[name] == pl.String]
    if slot == "item" and not fitting:
        named = [name for name in free if words.names(name, NAMES) == 2 and not words.is_person_name(name)]
        fitting = [name for name in named if is_id_type(sample.schema[name])]
    return max(fitting, key=lambda name: _slot_rank(sample, name, vocabulary), default=None)


def _slot_rank(sample: pl.DataFrame, name: str, vocabulary: tuple[str, ...]) -> tuple[bool, bool, bool, int, int]:
    repeats = sample[name].n_unique() <= 0.9 * len(sample)
    return not sample.schema[name].is_integer(), repeats, not words.is_code(name), *words.rank_in(name, vocabulary)


def attribute_kind(values: pl.Series, *, is_time: bool) -> tuple[str, tuple[str, ...]]:
    """What kind of attribute a column of the profile is: categorical, ordered (with its values in order) or numeric.

    Returns:
        The kind, or the reason why it is none; and the values in order.
    """
    distinct = values.drop_nulls().unique()
    if is_time:
        return "it holds dates", ()
    if values.name in RESERVED:
        return "findcli uses its name for something else; rename the column", ()
    if words.names(values.name, words.LABEL_WORDS) == 2:
        return "its name is that of a label; make it a task, or it would leak", ()
    if len(distinct) < 2:
        return "it has one value" if len(distinct) else "it is empty", ()
    if values.dtype.is_numeric():
        return ("it holds ids", ()) if words.words(values.name)[-1:] == ["id"] else ("numeric", ())
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
