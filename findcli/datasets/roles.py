"""What an unknown table is: a source of events, or the profile; and what each of its columns is for.

Tested in tests/datasets/test_tables.py.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from findcli.data.reader import nulls
from findcli.data.reader.numbers import formula_columns
from findcli.data.reader.time_formats import UNITS, has_clock
from findcli.data.templates import VERBS
from findcli.datasets import columns, words
from findcli.datasets.amounts import describe_amounts
from findcli.datasets.attributes import find_attributes
from findcli.datasets.decisions import (
    Choice,
    decide_ids,
    decide_numbers,
    decide_times,
    merge,
    quoted,
    spellings_of_missing,
)
from findcli.datasets.overrides import Overrides
from findcli.datasets.unknown_tables import UnknownTable
from findcli.datasets.users import question_user
from findcli.workspace.settings import SLOTS

NEARLY_ALL = 0.95
FEW_CODES = 50
NO_USER = "no column of user ids; join it to a table that has one if its columns matter"
NO_TIME = "users occur more than once but no column reads as the time of an event; join it to the table"


def find_role(table: UnknownTable, overrides: Overrides) -> None:
    """Make a table with users a source when it has times too, and a profile when it has one row a user."""
    if table.user is None:
        table.unsure.append(NO_USER if table.rows else "it has no rows")
        return
    if overrides.profile == table.path:
        table.why.append("profile: as you say")
        describe_profile(table)
        return
    repeats = pl.col(table.user).drop_nulls().is_duplicated()
    twice = table.table.frame.select(repeats.sum()).collect(engine="streaming").item()
    timed = event_times(table, overrides)
    if not twice:
        table.why.append("every user has one row: attributes, not events")
        describe_profile(table)
    elif timed:
        describe_source(table, overrides)
    elif table.distinct[table.user] >= NEARLY_ALL * table.filled[table.user]:
        table.unsure.append(f"{twice:,} rows share their user with another; the last of each counts")
        describe_profile(table)
    else:
        table.unsure.append(NO_TIME)


def event_times(table: UnknownTable, overrides: Overrides) -> list[str]:
    """The columns that may be the time of an event, the likeliest first."""
    if overrides.time in table.sample.columns:
        return [str(overrides.time)]
    likely = [name for name in table.times if name != table.user and not words.names(name, words.OTHER_TIMES)]
    return sorted(
        likely,
        key=lambda name: (words.names(name, words.TIME_WORDS), table.filled[name], table.distinct[name]),
        reverse=True,
    )


def describe_source(table: UnknownTable, overrides: Overrides) -> None:
    """Say which column of a table of events is for which key, and how they read; a time may be missing."""
    times, time = event_times(table, overrides), None
    read: Choice | None = None
    for name in times:
        read = decide_times(table.table, table.form, name)
        if read is not None:
            time = name
            break
    _question_times(table, times, time, read)
    time = time or next(iter(times), None)
    slots = _find_slots(table, time, overrides)
    source: dict[str, Any] = {"name": table.stem, **table.named, "families": ()}
    source |= {"user": table.user} if table.user else {}
    source |= {"time": time} if time else {}
    table.source = source | slots
    numbers = decide_numbers(table.table, table.form, describe_amounts(table, overrides))
    _drop_unread(table, numbers.unread)
    _find_families(table)
    _explain_plain_events(table)
    ids = decide_ids(table.table, table.form, table.user, kind=table.id_kind) if table.user else Choice()
    _settle(table, table.source, merge(read or Choice(), numbers, ids))
    if table.user:
        question_user(table)
    _explain_unused(table)
    find_attributes(table)


def _drop_unread(table: UnknownTable, unread: tuple[str, ...]) -> None:
    """Leave out an amount whose columns do not read as numbers."""
    keys = [key for key in ("amount", "quantity", "price") if key in table.source]
    broken = [key for key in keys if {*unread} & {*formula_columns(table.source[key], table.sample.columns)}]
    for key in keys if broken else []:
        table.remark("user", f"{key} = {quoted(table.source.pop(key))}  # left out: not all of its values are numbers")


def _question_times(table: UnknownTable, times: list[str], time: str | None, read: Choice | None) -> None:
    """Say which column is the time and which others might be."""
    others = [name for name in (*times, *table.times) if name not in (time, table.user)]
    for name in dict.fromkeys(others):
        table.remark("time", f"time = {quoted(name)}  # it may hold times too")
    if time is not None and read is not None:
        also = f"; so may {', '.join(dict.fromkeys(others))}" if others else ""
        table.why.append(f"time = {time!r}: it reads as times{also}")
        _question_zone(table, time, read)
    elif times:
        table.unsure.append(f"no one way reads all times in {times[0]!r}: findcli check shows some that do not fit")
    else:
        table.unsure.append("no column reads as the time of an event: name it with time = ..., and how it is written")
        named = [
            n for n in table.columns if words.names(n, (*words.TIME_WORDS, *words.PERIODS)) and n not in table.times
        ]
        for name in named:
            table.remark("time", f"time = {quoted(name)}  # such as {str(table.sample[name].drop_nulls()[0])!r}")
        if not named and not table.times:
            table.remark("time", 'time = "COLUMN"  # when it happened; no column looks like it')


def _question_zone(table: UnknownTable, time: str, read: Choice) -> None:
    """Show how to say that clock times are local, where nothing says their zone."""
    kind, reading = table.table.schema[time], read.reading
    local = isinstance(kind, pl.Datetime) and kind.time_zone is None
    if reading is not None and reading.formats:
        clocks = [form for form in reading.formats if form not in UNITS and has_clock(form)]
        local = bool(clocks) and not reading.has_zones
    if local:
        table.remark("time", 'timezone = "Europe/Berlin"  # where these are local times; they are taken as UTC')


def _settle(table: UnknownTable, entry: dict[str, Any], choice: Choice) -> None:
    """Write what was decided into the entry of the file."""
    form = {key: getattr(table.form, key) for key in ("encoding", "delimiter", "header", "comment")}
    entry |= choice.settings | {key: value for key, value in form.items() if value is not None}
    for key, lines in choice.remarks.items():
        for line in lines:
            table.remark(key, line)
    table.unsure += choice.doubts
    told = {key: entry[key] for key in ("time_format", "day_first", "decimal", "null_values", "types") if key in entry}
    table.why += [f"{key} = {_shown(value)}" for key, value in told.items()]
    for name in dict.fromkeys(entry[key] for key in ("user", "time", "quantity", "price") if key in entry):
        for spelling, rows in spellings_of_missing(table.table, table.form, name).items():
            table.remark("null_values", f"{name!r} is missing where it is {spelling!r}: {rows:,} rows")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key!r} {kind}" for key, kind in value.items())
    return str(value).lower() if isinstance(value, bool) else repr(list(value) if isinstance(value, tuple) else value)


def _find_slots(table: UnknownTable, time: str | None, overrides: Overrides) -> dict[str, str]:
    """The columns of slots; where names say nothing, the most varied column of words."""
    taken = [table.user, time, *table.times]
    free = [name for name in table.columns if name not in taken]
    slots: dict[str, str] = {}
    if overrides.item in table.sample.columns:
        slots["item"] = str(overrides.item)
        table.why.append(f"item = {slots['item']!r}: as you say")
    for slot in words.SLOT_WORDS:
        left = [name for name in free if name not in slots.values() and not columns.is_quantity(table.sample[name])]
        chosen = None if slot in slots else columns.best_slot(table.sample, slot, left)
        if slot == "status" and chosen is not None and _is_place(table, chosen):
            continue
        if chosen is not None and not _is_money(table, chosen) and not words.names(chosen, words.CURRENCY_WORDS):
            slots[slot] = chosen
            table.why.append(f"{slot} = {chosen!r}: its name says so")
    if not slots and (varied := _most_varied(table, free)):
        slots["item"] = varied
        table.why.append(f"item = {varied!r}: no name says what happened; it varies most")
    for name in [name for name in free if words.is_code(name) and "item" in slots and name not in slots.values()]:
        if words.names(name, words.SLOT_WORDS["item"]):
            table.remark("item", f"item = {quoted(name)}  # the code in place of the words")
    if "item" in slots and table.sample[slots["item"]].dtype.is_integer():
        table.unsure.append(
            f"sentences will name {slots['item']!r} by number; join the names to the table if you have them"
        )
    return {slot: slots[slot] for slot in SLOTS if slot in slots}


def _is_place(table: UnknownTable, name: str) -> bool:
    """Whether "state" is one of the United States, which stands beside a city or a country."""
    named = words.names(name, ("state", "estado", "stato"))
    return named > 0 and any(words.names(other, words.PLACES) for other in table.columns)


def _is_money(table: UnknownTable, name: str) -> bool:
    money = (*words.TOTAL_WORDS, *words.PRICE_WORDS, *words.NO_AMOUNT)
    return words.names(name, money) == 2 and columns.is_number_like(table.sample[name])


def _most_varied(table: UnknownTable, free: list[str]) -> str | None:
    def may_be_item(name: str) -> bool:
        other = (
            *words.INVOICE_WORDS,
            *words.CURRENCY_WORDS,
            *words.RETURN_WORDS,
            *words.PERIODS,
            *words.LIKE_USERS,
            *words.TIME_WORDS,
        )
        unique = table.distinct[name] > 0.9 * table.filled[name]
        return (
            columns.is_id_type(table.sample.schema[name])
            and not columns.is_money_like(table.sample[name])
            and table.distinct[name] > 1
            and not columns.is_quantity(table.sample[name])
            and words.names(name, (*other, *words.TOTAL_WORDS, *words.PRICE_WORDS, *words.NO_AMOUNT)) != 2
            and not words.is_person_name(name)
            and not words.is_user_name(name, table=table.stem)
            and not (unique and table.rows > 20)
        )

    fitting = [name for name in free if may_be_item(name)]
    texts = [name for name in fitting if not table.sample.schema[name].is_integer()]
    numbers = [name for name in fitting if table.distinct[name] > FEW_CODES]
    return max(texts or numbers, key=lambda name: table.distinct[name], default=None)


def _find_families(table: UnknownTable) -> None:
    """Which families a source feeds, from the file's name, or from its columns."""
    vocabulary = words.FAMILY_WORDS.items()
    by_stem = [family for family, known in vocabulary if words.names(table.stem, known)]
    by_column = [family for family, known in vocabulary for name in table.columns if words.names(name, known) == 2]
    priced = table.source.keys() & {"amount", "price"}
    kinds = _event_kinds(table)
    if kinds:
        family, why = kinds, "most of its events are of that kind"
        table.unsure.append(
            f"{table.source['status']!r} mixes kinds of events: write a table a kind, so that sentences tell them apart"
        )
    elif "text" in table.source:
        family, why = "search", "it holds what was searched for"
    elif by_stem and not (priced and by_stem[0] == "browse"):
        family, why = by_stem[0], "the file's name says so"
    elif priced or "quantity" in table.source:
        family, why = "purchase", "its events have an amount" if priced else "its events have a quantity"
    elif by_column:
        family, why = by_column[0], "its columns' names say so"
    else:
        family, why = "browse", "nothing says more"
        table.unsure.append("families = browse is the plainest guess")
        table.remark("families", 'families = ["purchase"]  # if its events are purchases')
    if family == "browse" and kinds and priced:
        _drop_prices(table)
    paid = family == "purchase" and table.source.keys() & {"status", "channel"}
    table.source["families"] = [family, "payment"] if paid else [family]
    table.why.append(f"families = {', '.join(table.source['families'])}: {why}")


def _event_kinds(table: UnknownTable) -> str | None:
    """The family of most events, where a column such as "event_type" tells purchases from views."""
    status = table.source.get("status")
    if status is None or not words.names(status, words.EVENT_KINDS):
        return None
    counts = table.sample[status].drop_nulls().value_counts(sort=True)
    kinds = {
        str(value): family
        for value in counts[status]
        for family, known in words.FAMILY_WORDS.items()
        if words.names(str(value), known)
    }
    return kinds.get(str(counts[status][0]), "browse") if len(kinds) and len(counts) > 1 else None


def _drop_prices(table: UnknownTable) -> None:
    """Take prices of what was looked at for no amounts."""
    table.why = [line for line in table.why if not line.startswith("amount = ")]
    for key in ("amount", "price"):
        if key in table.source:
            table.remark(
                "status", f"{key} = {quoted(table.source.pop(key))}  # the price of what was looked at, not money spent"
            )


def _explain_plain_events(table: UnknownTable) -> None:
    """Say what events without any slot are called."""
    if not any(slot in table.source for slot in SLOTS):
        event = f"The user {VERBS[table.source['families'][0]]} something"
        table.why.append(f"no column says what happened: every event reads {event!r}")


def _explain_unused(table: UnknownTable) -> None:
    """Say of every column that no key takes why."""
    used = {value for value in table.source.values() if isinstance(value, str)}
    used |= set(formula_columns(table.source["amount"], table.sample.columns)) if "amount" in table.source else set()
    for name in table.sample.columns:
        if name not in used and name not in table.unused:
            table.unused[name] = _reason(table, name)


def _reason(table: UnknownTable, name: str) -> str:
    priced = words.names(name, words.PRICE_WORDS) == 2
    kind = table.table.schema[name]
    reasons = {
        f"it is of type {kind}": kind.is_nested() or kind in (pl.Binary, pl.Duration, pl.Time),
        "it is empty": not table.filled[name],
        "it names the kind of money": words.names(name, words.CURRENCY_WORDS) == 2,
        "it has one value": table.distinct[name] == 1,
        "it holds other times": name in table.times,
        "it may hold times, and findcli reads one column of them": words.names(name, words.TIME_WORDS) == 2,
        "its numbers are prices of what was looked at": table.source["families"] == ["browse"] and priced,
        "it tells visits apart, not people": words.names(name, ("session", "visit")) == 2,
        "it may be users too": words.is_user_name(name, table=table.stem),
        "it numbers documents": words.names(name, words.INVOICE_WORDS) > 0 and words.is_code(name),
        "it is a code, and its words are in the item": words.is_code(name)
        and words.names(name, words.SLOT_WORDS["item"]),
        "it is a number that no key takes": columns.is_number_like(table.sample[name]),
    }
    return next((reason for reason, holds in reasons.items() if holds), "no key fits its name")


def describe_profile(table: UnknownTable, *, time: str | None = None) -> None:
    """Sort the attributes of a row a user (or a row a user and date) into kinds."""
    profile: dict[str, Any] = {**table.named, "user": table.user} | ({"time": time} if time is not None else {})
    kinds: dict[str, Any] = {"categorical": [], "ordered": {}, "numeric": []}
    for name in table.sample.columns:
        if name in (table.user, time):
            continue
        is_time = table.times.get(name) == "times"
        kind, levels = columns.attribute_kind(table.sample[name], is_time=is_time)
        if kind == "ordered" and (all_levels := _all_levels(table, name, levels)):
            kinds["ordered"][name] = all_levels
        elif kind == "ordered":
            kinds["categorical"].append(name)
        elif kind in kinds:
            kinds[kind].append(name)
        else:
            table.unused[name] = kind
            table.unsure.append(f"{name!r} is left out: {kind}")
    if not any(kinds.values()):
        table.unsure.append("no column of it tells users apart")
        return
    table.profile = {**profile, **{kind: names for kind, names in kinds.items() if names}}
    table.why += [f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names]
    numbers = decide_numbers(table.table, table.form, kinds["numeric"])
    _settle(
        table, table.profile, merge(numbers, decide_ids(table.table, table.form, str(table.user), kind=table.id_kind))
    )


def _all_levels(table: UnknownTable, name: str, levels: tuple[str, ...]) -> tuple[str, ...] | None:
    """The values of an ordered column, of later rows too."""
    if table.rows <= len(table.sample):
        return levels
    values = table.table.frame.select(nulls.words(table.table, table.form, name).alias("x")).unique()
    return columns.ordered_levels(values.collect(engine="streaming")["x"].drop_nulls().to_list())
