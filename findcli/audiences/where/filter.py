"""`--where`: an expression over the profile's columns -> one polars expression that says who passes.

The language is a subset of Python, parsed by `ast` and accepted only if every node is one of these:

- a column, by its name, in backquotes (`marital status`) if the name is not a Python name;
- `==`, `!=`, `<`, `<=`, `>`, `>=` between a column and a number or a text in quotes, or between two numeric columns;
  they chain (`25 <= age < 35`);
- `in` and `not in` with a list or tuple of numbers and texts; `is None` and `is not None`;
- `and`, `or`, `not` and parentheses.

Logic has three values, as in SQL: a comparison with a missing value (null, NaN, in an ordered column also a value that
the settings do not list) is unknown, `not` of it is unknown too, and a user passes only if the whole is true. Values of
an ordered column compare by their order in the settings. If all of them are bands such as '25-34', the column also
compares with numbers: true if the comparison holds for the whole band, false if for none of it, unknown if the band
straddles.
"""

from __future__ import annotations

import ast
import keyword
import math
import operator
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import polars as pl

from findcli.audiences.where.number_ranges import Band, parse_band
from findcli.audiences.where.text import FilterText
from findcli.data.profiles import Column, profile_columns
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

MOST_NESTED, LISTED = 50, 20
SYMBOLS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
REFUSED: dict[type[ast.AST], str] = {
    ast.Call: "a call", ast.Attribute: "an attribute", ast.BinOp: "arithmetic", ast.Subscript: "a subscript",
    ast.JoinedStr: "a formatted text", ast.Dict: "a dictionary", ast.Set: "a set", ast.IfExp: "an if",
    ast.Lambda: "a function", ast.NamedExpr: "an assignment", ast.List: "a list", ast.Tuple: "a tuple",
}  # fmt: skip


@dataclass(frozen=True)
class Mention:
    """A text that the expression compares with a categorical column; only the profiles tell whether it occurs."""

    column: str
    value: str
    place: int


@dataclass(frozen=True)
class Filter:
    """A parsed expression.

    Attributes:
        text: the filter as the user wrote it.
        expression: Boolean over the columns of the profile; null is unknown.
        columns: the names of the columns it reads.
        mentions: the texts that must occur among the values of categorical columns.
        notes: what the user should know about its reading, such as a band that straddles a number.
    """

    text: str
    expression: pl.Expr
    columns: frozenset[str]
    mentions: tuple[Mention, ...]
    notes: tuple[str, ...]

    def passes(self, profiles: pl.DataFrame) -> pl.Series:
        """Which users pass: Boolean, one value per row of the profiles, never null.

        Args:
            profiles: the columns it reads, or more, as `profiles.profiles_as_of` returns them.

        Raises:
            FindCLIError: the expression names a value that no user has.
        """
        for mention in self.mentions:
            values = profiles[mention.column].drop_nulls().unique().sort().to_list()
            if mention.value not in values:
                raise _unknown_value(mention, values, "among these users")
        return profiles.select(passes=self.expression.fill_null(False))["passes"]


def parse_filter(text: str, columns: Sequence[Column], *, withheld: Collection[str] = ()) -> Filter:
    """Parse an expression over the columns of a profile.

    Args:
        text: such as "age >= 25 and region in ('north', 'east')".
        columns: as `profiles.profile_columns` returns them.
        withheld: sensitive columns, which filter nobody.

    Raises:
        FindCLIError: the language does not allow it, or it does not fit the columns; the error names the piece and its
            place.
    """
    if not columns and not withheld:
        raise FindCLIError(
            f"the filter {text!r} needs a profile, and this workspace has none", hint="add [profile] to findcli.toml"
        )
    source = FilterText(text, _example(columns))
    reader = _Reader(source, {column.name: column for column in columns}, withheld)
    expression = reader.condition(source.parse(), nested=0)
    return Filter(text, expression, frozenset(reader.used), tuple(reader.mentions), tuple(dict.fromkeys(reader.notes)))


def workspace_filter(workspace: Workspace, text: str) -> Filter:
    """Parse an expression over a workspace's profile, whose sensitive columns filter nobody; see `parse_filter`."""
    settings = workspace.settings
    return parse_filter(text, profile_columns(settings.profile), withheld=settings.sensitive.withheld)


@dataclass
class _Reader:
    """Compiles the nodes of one expression and collects what it says about columns."""

    source: FilterText
    columns: dict[str, Column]
    withheld: Collection[str] = ()
    used: set[str] = field(default_factory=set)
    mentions: list[Mention] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def condition(self, node: ast.expr, *, nested: int) -> pl.Expr:
        if nested > MOST_NESTED:
            raise self.source.problem(
                node, f"is nested deeper than {MOST_NESTED} times", hint="write a flatter expression"
            )
        match node:
            case ast.BoolOp(op=op, values=values):
                parts = [self.condition(value, nested=nested + 1) for value in values]
                return pl.all_horizontal(parts) if isinstance(op, ast.And) else pl.any_horizontal(parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return ~self.condition(operand, nested=nested + 1)
            case ast.Compare(left=left, ops=ops, comparators=rights):
                sides = [left, *rights]
                pairs = zip(sides, ops, rights, strict=False)
                return pl.all_horizontal([self.comparison(one, op, other) for one, op, other in pairs])
            case ast.Name():
                value = {"numeric": "1", "ordered": "'{}'"}.get(self.column(node).kind, "'...'")
                first = next(iter(self.column(node).values), "")
                hint = f"compare it, as in {self.source.piece(node)} == {value.format(first)}"
                raise self.source.problem(node, "is not a condition", hint=hint)
            case ast.Constant():
                raise self.source.problem(node, "is not a condition")
        raise self.misplaced(node)

    def comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pl.Expr:
        if isinstance(op, ast.Is | ast.IsNot):
            return self.missing(left, op, right)
        if isinstance(op, ast.In | ast.NotIn):
            return self.membership(left, op, right)
        symbol = SYMBOLS[type(op)]
        if isinstance(left, ast.Name) and isinstance(right, ast.Name):
            return self.two_columns(left, symbol, right)
        if isinstance(right, ast.Name):
            left, symbol, right = right, MIRRORED[symbol], left
        if not isinstance(left, ast.Name):
            self.literal(left)
            self.literal(right)
            raise self.source.problem(left, f"is compared with {self.source.piece(right)}, and neither is a column")
        return self.compare(self.column(left), symbol, right)

    def two_columns(self, left: ast.Name, symbol: str, right: ast.Name) -> pl.Expr:
        columns = [self.column(node) for node in (left, right)]
        for node, column in zip((left, right), columns, strict=True):
            if column.kind != "numeric":
                hint = f"compare {column.name} with a value; put a text in quotes"
                raise self.source.problem(node, "is not numeric, and only numeric columns compare", hint=hint)
        return _related(_number(columns[0]), symbol, _number(columns[1]))

    def missing(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pl.Expr:
        if not (isinstance(right, ast.Constant) and right.value is None):
            raise self.source.problem(right, "follows `is`, which takes only None", hint="write == to compare")
        if not isinstance(left, ast.Name):
            raise self.source.problem(left, "is not a column", hint="write a column before `is None`")
        column = self.column(left)
        if column.kind == "numeric":
            absent = _number(column).is_null()
        elif column.kind == "ordered":
            absent = ~pl.col(column.name).is_in(list(column.values)).fill_null(False)
        else:
            absent = pl.col(column.name).is_null()
        return absent if isinstance(op, ast.Is) else ~absent

    def membership(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pl.Expr:
        symbol = "in" if isinstance(op, ast.In) else "not in"
        if not isinstance(left, ast.Name):
            raise self.source.problem(left, f"is not a column, and `{symbol}` needs one before it")
        column = self.column(left)
        if not isinstance(right, ast.List | ast.Tuple):
            one = self.source.piece(right)
            hint = (
                f"write {written(column.name)} {symbol} [{one}]"
                if isinstance(right, ast.Constant)
                else self.source.example
            )
            raise self.source.problem(right, f"is not a list, and `{symbol}` needs one after it", hint=hint)
        if not right.elts:
            raise self.source.problem(
                right, "is an empty list", hint=f"list the values; or write {written(column.name)} is None"
            )
        member = pl.any_horizontal([self.compare(column, "==", value) for value in right.elts])
        return member if isinstance(op, ast.In) else ~member

    def compare(self, column: Column, symbol: str, node: ast.expr) -> pl.Expr:
        """Compare a column with the number or text of a node."""
        value = self.literal(node)
        if column.kind == "ordered":
            return self.compare_ordered(column, symbol, node, value)
        if column.kind == "numeric":
            if isinstance(value, str):
                hint = f"write the number without quotes: {written(column.name)} {symbol} {value}"
                raise self.source.problem(
                    node, f"is a text, but {column.name} holds numbers", hint=hint if _is_number(value) else ""
                )
            return _related(_number(column), symbol, value)
        if not isinstance(value, str):
            hint = f"write it in quotes: {written(column.name)} {symbol} '{self.source.piece(node)}'"
            raise self.source.problem(node, f"is a number, but {column.name} holds texts", hint=hint)
        if symbol not in ("==", "!="):
            hint = f"use ==, != or in; or list its values in order under [profile.ordered] {column.name} = [...]"
            problem = f"is compared by {symbol} with {column.name}, whose values have no order"
            raise self.source.problem(node, problem, hint=hint)
        self.mentions.append(Mention(column.name, value, self.source.place(node)))
        return _related(pl.col(column.name), symbol, value)

    def compare_ordered(self, column: Column, symbol: str, node: ast.expr, value: float | str) -> pl.Expr:
        if isinstance(value, str):
            if value not in column.values:
                advice = f"; write a number without quotes: {written(column.name)} {symbol} {value}"
                mention = Mention(column.name, value, self.source.place(node))
                raise _unknown_value(mention, column.values, "in order", advice if _is_number(value) else "")
            order = {level: i for i, level in enumerate(column.values)}
            answers = {level: bool(RELATIONS[symbol](order[level], order[value])) for level in column.values}
            return _table(column, answers)
        bands = {level: self.band(column, level, node) for level in column.values}
        sides = {level: band.compare(symbol, value) for level, band in bands.items()}
        if straddling := [repr(level) for level, side in sides.items() if side is None]:
            comparison = f"{written(column.name)} {symbol} {self.source.piece(node)}"
            self.notes.append(
                f"{comparison} holds for only a part of {', '.join(straddling)}: users there do not pass by it, "
                "because a band counts only as a whole"
            )
        return _table(column, {level: side for level, side in sides.items() if side is not None})

    def band(self, column: Column, value: str, node: ast.expr) -> Band:
        band = parse_band(value)
        if band is None:
            hint = f"compare {column.name} with one of its values, in order: {_listed(column.values)}"
            raise self.source.problem(
                node, f"is a number, but the value {value!r} of {column.name} is not a band of numbers", hint=hint
            )
        return band

    def column(self, node: ast.Name) -> Column:
        piece = self.source.piece(node)
        name = piece[1:-1] if piece.startswith("`") else piece
        if name in self.withheld:
            hint = "filter by another column; or let sensitive columns train and filter with use = true in [sensitive]"
            raise FindCLIError(f"{name!r} is marked as sensitive, and so filters nobody", hint=hint)
        if name not in self.columns:
            raise FindCLIError(
                f"{name!r} at character {self.source.place(node)} of the filter is not a column of the profile",
                hint=self.unknown_column(name),
            )
        self.used.add(name)
        return self.columns[name]

    def unknown_column(self, name: str) -> str:
        owners = [column.name for column in self.columns.values() if name in column.values]
        if owners:
            return f"it is a value of {owners[0]}; put a text in quotes: {name!r}"
        near = _nearest(name, list(self.columns))
        columns = f"the columns are {_listed(list(self.columns), written)}"
        return f"did you mean {written(near)}? {columns}" if near else f"{columns}; put a text in quotes: {name!r}"

    def literal(self, node: ast.expr) -> float | str:
        sign = -1 if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else 1
        inner = node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd) else node
        value = inner.value if isinstance(inner, ast.Constant) else inner
        if isinstance(value, bool):
            hint = f"write '{str(value).lower()}' for a categorical column, {int(value)} for a numeric one"
            raise self.source.problem(node, "is neither a number nor a text", hint=hint)
        if value is None:
            raise self.source.problem(
                node, "cannot be compared: a missing value satisfies no comparison", hint="write: COLUMN is None"
            )
        if isinstance(value, str) and inner is node:
            return value
        if isinstance(value, int | float):
            return sign * self.finite(node, value)
        raise self.misplaced(node)

    def finite(self, node: ast.expr, value: float) -> float:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.source.problem(node, "is too large a number", hint="write a smaller one")
        return number

    def misplaced(self, node: ast.expr) -> FindCLIError:
        name = next((name for kind, name in REFUSED.items() if isinstance(node, kind)), "not allowed")
        return self.source.problem(node, f"is {name}; a filter only compares columns, numbers and texts")


def _related(left: pl.Expr, symbol: str, right: pl.Expr | float | str) -> pl.Expr:
    related: pl.Expr = RELATIONS[symbol](left, right)
    return related


def _number(column: Column) -> pl.Expr:
    return pl.col(column.name).fill_nan(None)


def _table(column: Column, answers: dict[str, bool]) -> pl.Expr:
    """Look up the answer for each value of an ordered column; other values, and null, are unknown."""
    value = pl.col(column.name)
    sides = [value.is_in([level for level, answer in answers.items() if answer is side]) for side in (True, False)]
    return pl.when(sides[0]).then(True).when(sides[1]).then(False).otherwise(None)


def _unknown_value(mention: Mention, values: Sequence[str], which: str, more: str = "") -> FindCLIError:
    near = _nearest(mention.value, values)
    first = f"did you mean {near!r}? " if near is not None else ""
    listed = f"its values {which} are {_listed(values)}" if values else "none of these users has a value there"
    return FindCLIError(
        f"{mention.value!r} at character {mention.place} of the filter is not a value of {mention.column}",
        hint=f"{first}{listed}{more}",
    )


def _nearest(word: str, candidates: Sequence[str]) -> str | None:
    """The candidate spelt most like a word, or that contains it; whatever the case."""
    folded = {each.casefold(): each for each in candidates}
    near = get_close_matches(word.casefold(), folded, n=1)
    near += [each for each in folded if len(word) > 2 and word.casefold() in each]
    return folded[near[0]] if near else None


def _listed(words: Sequence[str], show: Callable[[str], str] = repr) -> str:
    more = f" and {len(words) - LISTED} more" if len(words) > LISTED else ""
    return ", ".join(map(show, words[:LISTED])) + more


def _example(columns: Sequence[Column]) -> str:
    """An example of a filter, in the first columns at hand."""
    forms = {"categorical": "{} in ('...', '...')", "ordered": "{} >= {!r}", "numeric": "{} >= 1"}
    firsts = {column.kind: column for column in reversed(columns)}
    parts = [forms[kind].format(written(c.name), next(iter(c.values), "")) for kind, c in firsts.items()]
    return f"for example: {' and '.join(parts)}"


def written(name: str) -> str:
    """A column as an expression writes it."""
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"`{name}`"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(\.\d+)?", text, re.ASCII) is not None
