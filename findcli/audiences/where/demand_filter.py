"""Find the profile values that a demand names: "female users with age under 30" -> a filter to offer.

There is no list of synonyms. A value counts beside its column's name ("member tier gold", "gold member tier"); a number
or a band counts after it ("age under 30", "age 25-34"). On its own, a value counts only if it belongs to one
categorical column, has four letters or more, and occurs in no training sentence, since sentences are about events.
Nothing counts after a "not", because words alone do not tell its scope, nor does a bare number, because it may go on
as in "30 years or older". The filter is only offered: the user decides what the demand means by such words.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import takewhile

from findcli.audiences.where.filter import parse_filter, written
from findcli.audiences.where.number_ranges import Band, parse_band
from findcli.data.profiles import Column
from findcli.errors import FindCLIError

MOST_WORDS, FEW_LETTERS = 4, 4
LINKS = ("is", "of")  # between a column and its value: "age of 25-34"
NEGATIONS = ("no", "not", "without", "except", "never")


def offered_filter(
    demand: str, columns: Sequence[Column], *, values: Mapping[str, Sequence[str]], spoken: Collection[str]
) -> str | None:
    """The filter that a demand's words suggest; None if they name no profile value.

    Args:
        demand: the sentence.
        columns: the columns of the profile.
        values: the known values of each categorical column.
        spoken: the training sentences.
    """
    words = list(takewhile(lambda word: word not in NEGATIONS, words_of(demand)))
    conditions: dict[str, list[str]] = {}
    taken: set[int] = set()
    for column in columns:
        for condition, places in beside(column, column.values or values.get(column.name, ()), words):
            if taken.isdisjoint(places) and is_filter(condition, columns):
                taken |= places
                conditions.setdefault(column.name, []).append(condition)
    for column, value, places in _alone(columns, values, words):
        if taken.isdisjoint(places) and not is_spoken(value, spoken):
            taken |= places
            conditions.setdefault(column.name, []).append(f"{written(column.name)} == {value!r}")
    by_column = [" or ".join(dict.fromkeys(each)) for each in conditions.values()]
    return " and ".join(f"({one})" if " or " in one and len(by_column) > 1 else one for one in by_column) or None


def beside(column: Column, values: Sequence[str], words: list[str]) -> Iterator[tuple[str, set[int]]]:
    """The conditions next to a column's name, with the positions of their words."""
    named = list(_occurrences(words_of(column.name.replace("_", " ")), words))
    if not named:
        return
    forms = sorted(((words_of(value), value) for value in values), key=lambda each: -len(each[0]))
    for begin, end in named:
        after = end + (words[end : end + 1] != [] and words[end] in LINKS)
        for form, value in forms:
            for at in (after, begin - len(form)):
                if form and at >= 0 and words[at : at + len(form)] == form:
                    yield f"{written(column.name)} == {value!r}", {*range(begin, end), *range(at, at + len(form))}
        if column.kind != "categorical":
            for length in range(MOST_WORDS, 0, -1):
                band = parse_band(" ".join(words[after : after + length]))
                if band is not None and band.low < band.high and after + length <= len(words):
                    yield condition_of(written(column.name), band), set(range(begin, after + length))


def _alone(
    columns: Sequence[Column], values: Mapping[str, Sequence[str]], words: list[str]
) -> Iterator[tuple[Column, str, set[int]]]:
    every = [(column, value) for column in columns for value in column.values or values.get(column.name, ())]
    owners = Counter(value.casefold() for _, value in every)
    for column, value in sorted(every, key=lambda each: -len(each[1])):
        long_enough = sum(map(str.isalpha, value)) >= FEW_LETTERS
        if column.kind == "categorical" and owners[value.casefold()] == 1 and long_enough:
            for begin, end in _occurrences(words_of(value), words):
                yield column, value, set(range(begin, end))


def condition_of(name: str, band: Band) -> str:
    """The condition that a column lies in a band."""
    low, high = (f"{end:.15g}" for end in (band.low, band.high))
    if math.isinf(band.low):
        return f"{name} {'<' if band.below else '<='} {high}"
    if math.isinf(band.high):
        return f"{name} {'>' if band.above else '>='} {low}"
    return f"{low} <= {name} <= {high}"


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without the punctuation around them."""
    stripped = (each.lstrip("\"'([").rstrip(".,;:!?\"')]") for each in text.casefold().split())
    return [word for word in stripped if word]


def _occurrences(form: list[str], words: list[str]) -> Iterator[tuple[int, int]]:
    for begin in range(len(words) - len(form) + 1):
        if form and words[begin : begin + len(form)] == form:
            yield begin, begin + len(form)


def is_spoken(value: str, spoken: Collection[str]) -> bool:
    """Whether a training sentence has the words of a value."""
    form = words_of(value)
    return any(next(_occurrences(form, words_of(sentence)), None) is not None for sentence in spoken)


def is_filter(condition: str, columns: Sequence[Column]) -> bool:
    """Whether a text is a filter over columns."""
    try:
        parse_filter(condition, columns)
    except FindCLIError:
        return False
    return True
