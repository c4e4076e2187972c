"""Amounts: numbers with a decimal point or comma, grouped digits, currencies and signs; and products of columns.

Tested in tests/data/reader/test_cells.py.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from operator import add, mul, sub, truediv
from typing import Any, Literal

import polars as pl

from findcli.errors import FindCLIError

Mark = Literal[".", ","]
_CURRENCY = r"(?:[A-Z]{0,3}\p{Sc}|[A-Z]{3}|(?i:kr\.?|rs\.?|zł|kč|ft|fr\.|lei))"
_SIGN = r"[-+\x{2212}]"
_SPACES = r"\s\x{00A0}\x{202F}\x{2009}"
_SPACE = rf"[{_SPACES}]"
_APOSTROPHES = r"'\x{2019}"
_BODY = rf"(?:\d[\d.,{_APOSTROPHES}{_SPACES}]*|[.,]\d+)(?:[eE][-+]?\d+)?"
_MONEY = rf"{_SPACE}*{_CURRENCY}?{_SPACE}*"
_WHOLE = rf"^(\()?({_SIGN})?{_MONEY}({_SIGN})?{_SPACE}*({_BODY}){_MONEY}({_SIGN})?(\))?$"
_GROUPS = {".": rf",{_APOSTROPHES}{_SPACES}", ",": rf".{_APOSTROPHES}{_SPACES}"}


@dataclass(frozen=True)
class NumberReading:
    """How a column of text reads as numbers.

    Attributes:
        mark: the decimal mark.
        plain: whether every value is as a program writes it, without groups, currency or comma.
    """

    mark: Mark = "."
    plain: bool = True


def read_numbers(text: pl.Expr, reading: NumberReading) -> pl.Expr:
    """A column of text as Float64; null where it does not fit. NaN counts as missing."""
    if reading.plain:
        return text.cast(pl.Float64, strict=False).fill_nan(None)
    body = text.str.extract(_WHOLE, 4).str.strip_chars()
    groups, mark = _GROUPS[reading.mark], "\\" + reading.mark
    whole = rf"(?:\d{{1,3}}(?:[{groups}]\d{{2,3}})*[{groups}]\d{{3}}|\d*)"
    fits = body.str.contains(rf"^{whole}(?:{mark}\d*)?(?:[eE][-+]?\d+)?$")
    digits = body.str.replace_all(rf"[{groups}]", "").str.replace(reading.mark, ".", literal=True)
    minus = text.str.contains(r"^\(.*\)$|[-\x{2212}]$") | text.str.contains(r"^[^\d.,]*[-\x{2212}]")
    number = pl.when(fits).then(digits).cast(pl.Float64, strict=False)
    return pl.when(minus).then(-number).otherwise(number)


def number_probes(text: pl.Expr, name: str) -> dict[str, pl.Expr]:
    """What one pass over a column has to count, so that `settle_numbers` can tell whether it is plain."""
    number = text.cast(pl.Float64, strict=False)
    return {
        f"{name} odd": (text.is_not_null() & number.is_null()).sum(),
        f"{name} infinite": number.is_infinite().sum(),
    }


def settle_numbers(
    frame: pl.LazyFrame, text: pl.Expr, *, what: str, column: str, declared: Mark | None, early: pl.Expr | None
) -> NumberReading:
    """How a column reads whose values are not all plain.

    Where both marks fit the rows before `train_until` and read them differently, it is refused, unless all of these
    are plain; what comes later has to fit what they have decided.

    Args:
        frame: the table.
        text: the column, missing values null.
        what: how errors call the table.
        column: how they call the column.
        declared: the decimal mark that is declared.
        early: which rows lie before `train_until`; None takes all.

    Raises:
        FindCLIError: the values fit neither mark, or both and differently.
    """
    marks: tuple[Mark, ...] = (".", ",") if declared is None else (declared,)
    readings = {mark: NumberReading(mark, plain=False) for mark in marks}
    first = pl.lit(value=True) if early is None else early
    values: dict[Mark, pl.Expr] = {mark: read_numbers(text, reading) for mark, reading in readings.items()}
    odd = text.is_not_null() & text.cast(pl.Float64, strict=False).is_null()
    counts: dict[str, pl.Expr] = {
        "odd": (first & odd).sum(),
        "odd at all": odd.sum(),
        "rows": (first & text.is_not_null()).sum(),
    }
    for mark, value in values.items():
        wrong = text.is_not_null() & value.is_null()
        counts |= {f"early {mark}": (first & wrong).sum(), f"all {mark}": wrong.sum()}
    if len(values) == 2:
        counts["differ"] = (first & (values["."] != values[","])).sum()
    seen = frame.select(**counts).collect(engine="streaming").row(0, named=True)
    if not seen["odd at all"] and declared != ",":
        return NumberReading()
    if early is not None and not seen["rows"]:
        return settle_numbers(frame, text, what=what, column=column, declared=declared, early=None)
    fitting = [mark for mark in readings if not seen[f"early {mark}"]]
    if len(fitting) == 2 and seen["differ"]:
        if seen["odd"]:
            _refuse_two(frame, text, values, what, column)
        fitting = list(marks[:1])
    best = min(fitting or readings, key=lambda mark: seen[f"all {mark}"])
    if seen[f"all {best}"]:
        _refuse(frame, text, values[best], what, column)
    return readings[best]


def _refuse(frame: pl.LazyFrame, text: pl.Expr, value: pl.Expr, what: str, column: str) -> None:
    strange = frame.filter(text.is_not_null() & value.is_null()).select(text.alias("x")).head(3).collect()["x"]
    hint = "write numbers, name the spellings of missing ones in `null_values`, or say decimal = ',' or '.'"
    raise FindCLIError(f"{what}: column {column!r} holds {_listed(strange)}, which are no numbers", hint=hint)


def _refuse_two(frame: pl.LazyFrame, text: pl.Expr, values: dict[Mark, pl.Expr], what: str, column: str) -> None:
    both = frame.filter(values["."] != values[","]).select(text.alias("x"), *(v.alias(m) for m, v in values.items()))
    row = both.head(1).collect().row(0, named=True)
    hint = "say which with decimal = '.' or decimal = ','"
    raise FindCLIError(f"{what}: {row['x']!r} in column {column!r} may be {row['.']:g} or {row[',']:g}", hint=hint)


def refuse_infinite(what: str, column: str, count: int) -> None:
    """Refuse a column that holds infinite numbers.

    Raises:
        FindCLIError: there is one.
    """
    if count:
        hint = "correct these rows, or empty the field: what is missing is left out of sums"
        raise FindCLIError(f"{what}: column {column!r} holds {count:,} infinite values", hint=hint)


def _listed(values: pl.Series) -> str:
    return ", ".join(repr(value) for value in values)


_OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Div: truediv,
}  # fmt: skip


def formula_columns(text: str, names: list[str]) -> list[str]:
    """The columns that an amount is computed from: the one of that name, or those of an expression.

    Args:
        text: a column, or sums and products of columns and numbers, such as `quantity * price`; a name that is no
            plain word stands in quotes.
        names: the columns there are.

    Raises:
        ValueError: it is neither.
    """
    if text in names:
        return [text]
    return sorted({name for node in ast.walk(_parsed(text)) if (name := _name(node)) is not None})


def formula(text: str, columns: dict[str, pl.Expr]) -> pl.Expr:
    """The amount that an expression stands for.

    Args:
        text: as `formula_columns` takes it.
        columns: numbers by the names of the columns.

    Raises:
        ValueError: it cannot be read.
    """
    return columns[text] if text in columns else _compute(_parsed(text), columns)


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{text!r} is neither a column nor an expression such as 'quantity * price'") from None


def _name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _compute(node: ast.expr, columns: dict[str, pl.Expr]) -> pl.Expr:
    name = _name(node)
    if name is not None:
        return columns[name]
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return pl.lit(float(node.value))  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_compute(node.operand, columns)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_compute(node.left, columns), _compute(node.right, columns))  # type: ignore[no-any-return]
    raise ValueError("only columns, numbers, + - * / and brackets may stand in an expression")
