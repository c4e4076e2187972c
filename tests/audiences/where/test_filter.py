"""The language of --where: what it means, what it refuses, and that nothing else can be said in it."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findcli.audiences.where.filter import Filter, parse_filter
from findcli.data.profiles import Column
from findcli.errors import FindCLIError

TIERS, AGES = ("basic", "silver", "gold"), ("19-24", "25-34", "35-44", "65+")
YEARS = {"19-24": range(19, 25), "25-34": range(25, 35), "35-44": range(35, 45), "65+": range(65, 200)}
COLUMNS = [
    Column("city", "categorical"),
    Column("marital status", "categorical"),
    Column("tier", "ordered", TIERS),
    Column("age", "ordered", AGES),
    Column("spend", "numeric"),
    Column("visits", "numeric"),
]
CITIES, STATES = ("north", "south", "o'side"), ("one", "two")
RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}

Row = dict[str, Any]
Known = bool | None
Meaning = Callable[[Row], Known]
Said = tuple[str, Meaning]  # an expression's text, and what a plain evaluation of it says of a row

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "city": st.none() | st.sampled_from(CITIES),
            "marital status": st.none() | st.sampled_from(STATES),
            "tier": st.none() | st.sampled_from((*TIERS, "unlisted")),
            "age": st.none() | st.sampled_from((*AGES, "unlisted")),
            "spend": st.none() | st.just(math.nan) | st.integers(-3, 3).map(float),
            "visits": st.none() | st.integers(-3, 3).map(float),
        }
    ),
    max_size=12,
)
SCHEMA = {column.name: pl.Float64 if column.kind == "numeric" else pl.String for column in COLUMNS}


def negated(value: Known) -> Known:
    return None if value is None else not value


def all_of(values: list[Known]) -> Known:
    return False if False in values else (None if None in values else True)


def any_of(values: list[Known]) -> Known:
    return negated(all_of([negated(value) for value in values]))


def value_of(row: Row, name: str) -> Any:
    value = row[name]
    return None if value == "unlisted" or (isinstance(value, float) and math.isnan(value)) else value


def relate(name: str, symbol: str, value: Any) -> Meaning:
    def meaning(row: Row) -> Known:
        found = value_of(row, name)
        if found is None:
            return None
        if name == "age" and not isinstance(value, str):
            held = {RELATIONS[symbol](year, value) for year in YEARS[found]}
            return held.pop() if len(held) == 1 else None
        order: Callable[[Any], Any] = {"tier": TIERS.index, "age": AGES.index}.get(name, lambda each: each)
        return RELATIONS[symbol](order(found), order(value))

    return meaning


def written(name: str) -> str:
    return f"`{name}`" if " " in name else name


@st.composite
def values(draw: st.DrawFn, name: str) -> Any:
    texts = {"city": CITIES, "marital status": STATES, "tier": TIERS, "age": AGES}
    if name in ("spend", "visits"):
        return draw(st.integers(-3, 3) | st.sampled_from([0.5, -1.5]))
    known = st.sampled_from(texts[name])
    return draw(known | st.integers(15, 100) if name == "age" else known)


@st.composite
def comparisons(draw: st.DrawFn) -> Said:
    name = draw(st.sampled_from([column.name for column in COLUMNS]))
    symbols = st.sampled_from(["==", "!="] if name in ("city", "marital status") else sorted(RELATIONS))
    symbol, value, word = draw(symbols), draw(values(name)), written(name)
    form = draw(st.sampled_from(["plain", "mirrored", "chained", "in", "not in", "is", "is not", "two"]))
    if form == "plain":
        return f"{word} {symbol} {value!r}", relate(name, symbol, value)
    if form == "mirrored":
        return f"{value!r} {MIRRORED[symbol]} {word}", relate(name, symbol, value)
    if form == "chained":
        other, first = draw(symbols), draw(values(name))
        chain = [relate(name, MIRRORED[other], first), relate(name, symbol, value)]
        return f"{first!r} {other} {word} {symbol} {value!r}", lambda row: all_of([each(row) for each in chain])
    if form in ("in", "not in"):
        several = draw(st.lists(values(name), min_size=1, max_size=4))
        listed = draw(st.sampled_from([several, (*several,)]))
        equals = [relate(name, "==", each) for each in several]

        def found(row: Row) -> Known:
            return any_of([each(row) for each in equals])

        return f"{word} {form} {listed!r}", found if form == "in" else lambda row: negated(found(row))
    if form in ("is", "is not"):
        return f"{word} {form} None", lambda row: (value_of(row, name) is None) is (form == "is")
    sides = draw(st.sampled_from([("spend", "visits"), ("visits", "spend"), ("spend", "spend")]))

    def meaning(row: Row) -> Known:
        one, other = (value_of(row, side) for side in sides)
        return None if None in (one, other) else RELATIONS[symbol](one, other)

    return f"{sides[0]} {symbol} {sides[1]}", meaning


def combined(parts: st.SearchStrategy[Said]) -> st.SearchStrategy[Said]:
    several = st.lists(parts, min_size=2, max_size=3)

    def joined(said: list[Said], word: str, rule: Callable[[list[Known]], Known]) -> Said:
        return f" {word} ".join(f"({text})" for text, _ in said), lambda row: rule([each(row) for _, each in said])

    return (
        several.map(lambda said: joined(said, "and", all_of))
        | several.map(lambda said: joined(said, "or", any_of))
        | parts.map(lambda said: (f"not ({said[0]})", lambda row: negated(said[1](row))))
    )


def passing(chosen: Filter, rows: list[Row]) -> list[bool]:
    """Who of the rows passes, with a row of each categorical value beside them, so that each is known."""
    known = [dict.fromkeys(SCHEMA) | {"city": city} for city in CITIES]
    known += [dict.fromkeys(SCHEMA) | {"marital status": state} for state in STATES]
    return chosen.passes(pl.DataFrame([*rows, *known], schema=SCHEMA)).to_list()[: len(rows)]


@settings(deadline=None)  # polars starts its threads in one of the examples
@given(st.recursive(comparisons(), combined, max_leaves=6), ROWS)
def test_the_expression_says_what_a_plain_evaluation_says(said: Said, rows: list[Row]) -> None:
    text, meaning = said
    assert passing(parse_filter(text, COLUMNS), rows) == [meaning(row) is True for row in rows]


@settings(deadline=None)
@given(comparisons(), ROWS)
def test_a_comparison_its_negation_and_what_neither_knows_are_everyone(said: Said, rows: list[Row]) -> None:
    either = passing(parse_filter(f"({said[0]}) or not ({said[0]})", COLUMNS), rows)
    assert either == [said[1](row) is not None for row in rows]


PLAIN = (
    "age tier spend city visits nobody and or not in is None True ( ) [ ] , == != < >= = 25 -1 1e999 2j 'north' 'gold' "
    "'25-34' ' ` # \\ .x () lambda: if else { } := * + f'{age}' b'a' ; @ ~ await yield for ... é \ud800 \x00"
)
WORDS = ("`marital status`", "\n", "\u00a0", *PLAIN.split(" "))
SOUP = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join) | st.lists(st.sampled_from(WORDS)).map("".join)


@settings(deadline=None)
@given(SOUP | st.text() | comparisons().flatmap(lambda said: st.sampled_from(WORDS).map(lambda word: said[0] + word)))
def test_any_text_is_a_filter_over_the_columns_or_a_problem_to_mend(text: str) -> None:
    problem = None
    try:
        chosen = parse_filter(text, COLUMNS)
        passing(chosen, [dict.fromkeys(SCHEMA)])
    except FindCLIError as error:
        problem = error
    if problem is None:
        assert chosen.columns <= SCHEMA.keys()
        assert set(chosen.expression.meta.root_names()) == chosen.columns
    else:
        assert f"{problem.message}{problem.hint}".encode()
        assert problem.hint


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("", "is empty", "city in"),
        (
            "spend > 1 and agee > 3",
            "'agee' at character 15 of the filter is not a column",
            "did you mean age? the columns are city, `marital status`",
        ),
        ("  Tier == 'gold'", "'Tier' at character 3", "did you mean tier?"),
        ("`é é` == 'é' and x > 3", "'é é' at character 1 ", "`marital status`"),
        ("`marital status` == 'é' and x > 3", "'x' at character 29 ", "the columns are city"),
        ("marital == 'one'", "'marital' at character 1", "did you mean `marital status`?"),
        ("tier >= gold", "'gold' at character 9", "it is a value of tier; put a text in quotes: 'gold'"),
        ("tier == 'gld'", "'gld' at character 9 of the filter is not a value of tier", "did you mean 'gold'?"),
        ("age >= '30'", "'30' at character 8", "without quotes: age >= 30"),
        ("tier > 3", "3 at character 8 .* 'basic' of tier is not a band", "'basic', 'silver', 'gold'"),
        ("`marital status` == 3", "3 at character 21", "`marital status` == '3'"),
        ("spend > '3'", "'3' at character 9 .* is a text, but spend holds numbers", "spend > 3"),
        ("spend > 'much'", "is a text, but spend holds numbers", "spend >= 1"),
        ("city == 3", "3 at character 9 .* is a number, but city holds texts", "city == '3'"),
        ("city > 'north'", "compared by > with city, whose values have no order", "[profile.ordered]"),
        ("city == `marital status`", "city at character 1 .* is not numeric", "in quotes"),
        ("spend == None", "a missing value satisfies no comparison", "is None"),
        ("spend in [1, None]", "None at character 14", "is None"),
        ("spend is 3", "follows `is`", "=="),
        ("3 is None", "3 at character 1 of the filter is not a column", "is None"),
        ("spend == True", "True at character 10", "1 for a numeric one"),
        ("city in ('north')", "'north' at character 10 .* is not a list", "city in ['north']"),
        ("city in ()", "is an empty list", "city is None"),
        ("'north' in city", "'north' at character 1 .* is not a column", "city in"),
        ("1 < 2", "1 at character 1 .* neither is a column", "spend >= 1"),
        ("spend", "is not a condition", "spend == 1"),
        ("spend = 3", "character 7, from '= 3'", "write == to compare"),
        ("spend > 3 && visits > 3", "character 12", "write the words and, or"),
        ("spend > 3 AND visits > 3", "character 11", "lower case"),
        ("!spend", "character 1", "write the word not"),
        ("spend > 3 and", "ends too early", "city in"),
        ("(spend > 3", "was never closed", "city in"),
        ("spend > 3 # visits > 3", "a # at character 11", "leave it out"),
        ("spend > 1e999", "1e999 at character 9 .* too large", "smaller"),
        ("spend > 1j", "1j at character 9 .* not allowed", "city in"),
        ("not " * 60 + "spend > 1", "nested deeper than 50", "flatter"),
        ("spend > " + "1" * 10_000, "10,008 characters", "at most 10,000"),
        ("len(city) > 3", r"len\(city\) at character 1 .* is a call", "city in"),
        ("__import__('os').system('ls')", "is a call", "city in"),
        ("city.x == 'a'", r"city\.x at character 1 .* is an attribute", "city in"),
        ("spend + 1 > 3", r"spend \+ 1 at character 1 .* is arithmetic", "city in"),
        ("city[0] == 'n'", "is a subscript", "city in"),
        ("f'{city}' == 'n'", "is a formatted text", "city in"),
        ("(x := 3) > spend", "is an assignment", "city in"),
        ("lambda: spend > 3", "is a function", "city in"),
        ("city in {'north'}", "{'north'} at character 9 .* is not a list", "city in"),
        ("[c for c in city] == spend", "not allowed", "city in"),
    ],
)
def test_what_is_no_filter_is_told_with_its_place_and_what_to_write(text: str, told: str, hint: str) -> None:
    with pytest.raises(FindCLIError, match=told) as error:
        parse_filter(text, COLUMNS)
    assert hint in error.value.hint


def test_a_value_that_nobody_has_is_told_with_those_that_are_there() -> None:
    chosen = parse_filter("spend > 1 or city in ('north', 'Suoth')", COLUMNS)
    profiles = pl.DataFrame({"city": ["south", "north", None], "spend": [1.0, 2.0, 3.0]})
    with pytest.raises(FindCLIError, match="'Suoth' at character 32 of the filter is not a value of city") as error:
        chosen.passes(profiles)
    assert error.value.hint == "did you mean 'south'? its values among these users are 'north', 'south'"
    with pytest.raises(FindCLIError) as error:
        chosen.passes(profiles.with_columns(city=pl.lit(None, pl.String)))
    assert "none of these users has a value there" in error.value.hint


@pytest.mark.parametrize(
    ("text", "straddling"),
    [
        ("age >= 30", "'25-34'"),
        ("age < 70 and spend > 1", "'65+'"),
        ("20 < age == 40", "'19-24'"),
        ("age in [24.5, 40]", "'35-44'"),
    ],
)
def test_a_note_names_the_bands_that_a_number_parts(text: str, straddling: str) -> None:
    assert straddling in parse_filter(text, COLUMNS).notes[0]


@pytest.mark.parametrize(
    "text", ["age >= 25", "25 <= age < 35", "age <= 44", "age >= '25-34'", "age > 24 and spend > 1"]
)
def test_a_number_between_bands_needs_no_note(text: str) -> None:
    assert parse_filter(text, COLUMNS).notes == ()


def test_without_a_profile_there_is_nothing_to_filter_by() -> None:
    with pytest.raises(FindCLIError, match="needs a profile") as error:
        parse_filter("age > 3", [])
    assert "[profile]" in error.value.hint
