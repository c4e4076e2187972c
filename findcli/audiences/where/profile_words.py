"""Read what a demand says of people in the words of their profile: "women from France under 30 who buy tea".

A value is exact where it and its column are unambiguous: beside its column's name; or beside a word for people or after
"from" and the like, if only one column has it; or alone, if no training sentence has it either. An age and the words
for men and women are exact where one column holds ages, or the two genders. What is exact is a filter and no longer
part of what the demand asks for.

The rest is only offered as a filter, for the user to decide what the demand means by such words: a value or a number
beside its column's name ("member tier gold", "age under 30"), and a value of four letters or more that belongs to one
categorical column and occurs in no training sentence, since sentences are about events. Nothing is offered after a
"not", because words alone do not tell its scope, nor for a bare number, because it may go on as in "30 years or older".
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from findcli.audiences.where.filter import parse_filter, written
from findcli.audiences.where.number_ranges import Band, parse_band
from findcli.data.profiles import Column
from findcli.errors import FindCLIError

MOST_WORDS, FEW_LETTERS = 4, 4
LINKS = ("is", "of")  # between a column and its value: "age of 25-34"
NEGATIONS = ("no", "not", "without", "except", "never")
_PEOPLE_WORDS = (
    "customer customers client clients shopper shoppers user users people person "
    "persons buyer buyers household households "
    "consumer consumers member members families family guest guests adult adults "
    "subscriber subscribers student students "
    "women men woman man couple couples ladies everyone anyone those residents"
)
PEOPLE = frozenset(_PEOPLE_WORDS.split())
_PLACED_WORDS = "from in of based living located outside near across within"
PLACED = frozenset(_PLACED_WORDS.split())
_AFTER_WORDS = "who that which whose with from aged in living likely"
AFTER = frozenset(_AFTER_WORDS.split())
_DENIED_WORDS = "not non except excluding outside without"
DENIED = frozenset(_DENIED_WORDS.split())
_FEMALE_WORDS = "female f w woman women weiblich femme mujer donna"
FEMALE = frozenset(_FEMALE_WORDS.split())
_MALE_WORDS = "male m man men männlich homme hombre uomo"
MALE = frozenset(_MALE_WORDS.split())
GENDERS = {
    "women": FEMALE, "woman": FEMALE, "female": FEMALE, "females": FEMALE, "ladies": FEMALE, "girls": FEMALE,
    "men": MALE, "man": MALE, "male": MALE, "males": MALE, "gentlemen": MALE, "boys": MALE,
}  # fmt: skip
# Of countries whose people are not called by the first letters of their name.
PEOPLES = {
    "american": "united states", "belgian": "belgium", "british": "united kingdom", "chinese": "china",
    "czech": "czech republic", "danish": "denmark", "dutch": "netherlands", "english": "united kingdom",
    "finnish": "finland", "french": "france", "greek": "greece", "hungarian": "hungary", "irish": "ireland",
    "italian": "italy", "norwegian": "norway", "polish": "poland", "portuguese": "portugal", "scottish": "scotland",
    "spanish": "spain", "swedish": "sweden", "swiss": "switzerland", "turkish": "turkey", "uk": "united kingdom",
    "us": "united states", "usa": "united states", "welsh": "wales",
}  # fmt: skip
_AGE = re.compile(
    r"(?:(?P<word>age|aged|ages)\s+)?(?:of\s+)?(?P<sign>over|under|above|below|older "
    r"than|younger than|more than|less than|at least)?\s*"
    r"(?P<low>\d{2})(?P<plus>\+| (?:years )?(?:or older|and over|or over|and older))?(?:\s*(?:-|"
    r"\u2013|to|and)\s*(?P<high>\d{2}))?(?P<years>\s+years?(?: old| of age)?)?$"
)
_SIGNS = {"older than": "over", "younger than": "under", "above": "over", "below": "under"}
MOST_AGE_WORDS = 6


@dataclass(frozen=True)
class ProfileWords:
    """What a demand says of people.

    Attributes:
        filter: the filter that its words write; None if nothing is exact.
        rest: the demand without these words.
    """

    filter: str | None
    rest: str


@dataclass(frozen=True)
class _Value:
    column: str
    condition: str
    begin: int
    end: int
    denied: bool = False


def read_profile(
    demand: str, columns: Sequence[Column], *, values: Mapping[str, Sequence[str]], spoken: Collection[str]
) -> ProfileWords:
    """Read the exact profile values of a demand.

    Args:
        demand: the sentence.
        columns: the columns of the profile, without aggregates.
        values: the known values of each categorical column.
        spoken: the training sentences.
    """
    raw = demand.split()
    words = [" ".join(words_of(token)) for token in raw]
    taken: list[_Value] = []

    def free(begin: int, end: int) -> bool:
        return all(end <= each.begin or begin >= each.end for each in taken)

    for column in columns:
        for condition, places in beside(column, column.values or values.get(column.name, ()), words):
            begin, end = min(places), max(places) + 1
            asked = words[begin] in ("spend", "order", "orders", "purchases", "visits")  # of the future, not of people
            if free(begin, end) and not asked and not _denied(words, begin, taken) and is_filter(condition, columns):
                taken.append(_Value(column.name, condition, begin, end))
    candidates = [*_ages(columns, words), *_genders(columns, values, words), *_alone(columns, values, words, spoken)]
    for value in sorted(candidates, key=lambda each: each.begin - each.end):
        if free(value.begin, value.end) and is_filter(value.condition, columns):
            denied = _denied(words, value.begin, taken)
            condition = value.condition.replace(" == ", " != ") if denied else value.condition
            if not denied or " == " in value.condition:
                taken.append(_Value(value.column, condition, value.begin, value.end, denied))
    return ProfileWords(_together(taken), _without(raw, words, taken)) if taken else ProfileWords(None, demand)


def _together(taken: Sequence[_Value]) -> str:
    """One filter: values of a column are alternatives, columns must hold together."""
    by_column: dict[str, list[_Value]] = {}
    for value in sorted(taken, key=lambda each: each.begin):
        by_column.setdefault(value.column, []).append(value)
    joined = []
    for its in by_column.values():
        conditions = dict.fromkeys(each.condition for each in its)
        text = (" and " if any(each.denied for each in its) else " or ").join(conditions)
        joined.append(f"({text})" if len(conditions) > 1 and len(by_column) > 1 else text)
    return " and ".join(joined)


def _without(raw: Sequence[str], words: Sequence[str], taken: Sequence[_Value]) -> str:
    """The demand without the values, and without what only led to them; people who are named by a value stay people."""
    gone = {place for value in taken for place in range(value.begin, value.end)}
    for value in taken:
        before = value.begin - 1
        while before >= 0 and words[before] in PLACED | DENIED | {"the", "aged", "with", "an", "a"}:
            gone.add(before)
            before -= 1
    for i in range(1, len(raw) - 1):
        if words[i] in ("and", "or") and i - 1 in gone and i + 1 in gone:
            gone.add(i)
    rest = " ".join(token for i, token in enumerate(raw) if i not in gone)
    return rest if set(words_of(rest)) & PEOPLE else f"customers {rest}"


def _denied(words: Sequence[str], begin: int, taken: Sequence[_Value]) -> bool:
    if DENIED & set(words[max(0, begin - 3) : begin]):
        return True
    joined = begin >= 2 and words[begin - 1] in ("or", "and", "nor")
    return joined and any(each.denied and each.end == begin - 1 for each in taken)


def _alone(
    columns: Sequence[Column], values: Mapping[str, Sequence[str]], words: Sequence[str], spoken: Collection[str]
) -> list[_Value]:
    every = [(column, value) for column in columns for value in column.values or values.get(column.name, ())]
    owners = Counter(value.casefold() for _, value in every)
    found = []
    for column, value in every:
        form = words_of(value)
        if not form or owners[value.casefold()] > 1 or column.kind == "numeric":
            continue
        for begin, end in _places(form, words):
            counts = column.kind == "ordered" and _counts(words, end, column)
            near = counts or _is_of_people(words, begin, end)
            alone = column.kind == "categorical" and sum(map(str.isalpha, value)) >= FEW_LETTERS
            if near or (alone and not is_spoken(value, spoken)):
                found.append(_Value(column.name, f"{written(column.name)} == {value!r}", begin, end + counts))
    return found


def _counts(words: Sequence[str], end: int, column: Column) -> bool:
    """Whether a value counts what its column is named after: "3+ kids" of the column kids_count."""
    counted = re.split(r"[\W_]+", column.name.lower())[0]
    return len(counted) > 3 and end < len(words) and _one(words[end]) == _one(counted)


def _places(form: Sequence[str], words: Sequence[str]) -> list[tuple[int, int]]:
    """Where a value stands: as it is, in the plural, or as the people of a country."""
    n = len(form)
    places = []
    for begin in range(len(words) - n + 1):
        said = list(words[begin : begin + n])
        if said == list(form) or [*said[:-1], _one(said[-1])] == [*form[:-1], _one(form[-1])]:
            places.append((begin, begin + n))
    country = " ".join(form)
    for i, word in enumerate(words):
        stem = len(word) >= 5 and country.startswith(word[:-1]) and len(word) >= len(country) - 2 and word != country
        if (
            (PEOPLES.get(word) == country or (stem and n == 1))
            and (i, i + 1) not in places
            and _is_of_people(words, i, i + 1)
        ):
            places.append((i, i + 1))
    return places


def _one(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _is_of_people(words: Sequence[str], begin: int, end: int) -> bool:
    before = words[begin - 1] if begin else ""
    earlier = words[begin - 2] if begin > 1 else ""
    after = words[end] if end < len(words) else ""
    placed = before in PLACED and (
        earlier in PEOPLE or earlier in AFTER or earlier in DENIED or earlier in ("living", "based", "")
    )
    placed = placed or (before == "the" and earlier in PLACED)
    named = begin == 0 and (after in AFTER or not after)
    return placed or named or _beside_people(words, begin, end)


def _beside_people(words: Sequence[str], begin: int, end: int) -> bool:
    after = words[end] if end < len(words) else ""
    return after in PEOPLE or (begin > 0 and words[begin - 1] in PEOPLE and (after in AFTER or not after))


def _ages(columns: Sequence[Column], words: Sequence[str]) -> list[_Value]:
    """Ages without their column's name, where one column holds ages."""
    aged = [
        column
        for column in columns
        if "age" in re.split(r"[\W_]+", column.name.lower()) and column.kind != "categorical"
    ]
    found: list[_Value] = []
    for begin in range(len(words) if len(aged) == 1 else 0):
        for end in range(min(len(words), begin + MOST_AGE_WORDS), begin, -1):
            match = _AGE.match(" ".join(words[begin:end]))
            if match is None or not _is_age(match, words, begin):
                continue
            found.append(_Value(aged[0].name, _age(match, aged[0]), begin, end))
            break
    return found


def _is_age(match: re.Match[str], words: Sequence[str], begin: int) -> bool:
    people = begin > 0 and (words[begin - 1] in PEOPLE or words[begin - 1] in ("are", "who", "is"))
    return bool(match["word"] or match["years"] or (people and (match["sign"] or match["plus"] or match["high"])))


def _age(match: re.Match[str], column: Column) -> str:
    name, low = written(column.name), match["low"]
    exact = (
        f"{low}-{match['high']}" if match["high"] else f"{low}+" if match["plus"] or match["sign"] == "at least" else ""
    )
    if exact in column.values:
        return f"{name} == {exact!r}"
    if match["sign"] in ("over", "older than", "above") and f"{low}+" in column.values:
        return f"{name} == {low + '+'!r}"
    sign = _SIGNS.get(match["sign"] or "", match["sign"] or "")
    band = parse_band(exact or f"{sign} {low}".strip()) or Band(float(low), float(low))
    return condition_of(name, band) if band.low < band.high else f"{name} == {low}"


def _genders(columns: Sequence[Column], values: Mapping[str, Sequence[str]], words: Sequence[str]) -> list[_Value]:
    owners = []
    for column in columns:
        forms = {value.casefold(): value for value in column.values or values.get(column.name, ())}
        if forms.keys() & FEMALE and forms.keys() & MALE:
            owners.append((column, forms))
    found = []
    for i, word in enumerate(words if len(owners) == 1 else ()):
        column, forms = owners[0]
        value = next((forms[form] for form in forms if form in GENDERS.get(word, ())), None)
        # "Men's shoes" and "for women" speak of things.
        if value is not None and not (i and words[i - 1] in ("for", "of")):
            found.append(_Value(column.name, f"{written(column.name)} == {value!r}", i, i + 1))
    return found


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
    for column, value, places in _own_values(columns, values, words):
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


def _own_values(
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
