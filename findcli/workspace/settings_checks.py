"""Checks across the tables of a workspace file, once each table is valid by itself.

Tested in tests/workspace/test_folder.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from findcli.workspace.durations import parse_duration
from findcli.workspace.settings import SLOTS, Aggregate, Contacts, Profile, Source, Task
from findcli.workspace.table_form import TableForm, TablePlace

Problem = tuple[str, str]
RESERVED = {"user_id", "time", "source", "pair", "cutoff"}
TIME_WORDS = ("iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "days")
WORDS = ("subject", "verb", "unit", "currency", "amount", "count", "distinct")  # of sentences, beside slots
MOST_CONTACTS = 3  # columns of e-mail addresses, and of phone numbers
VARIABLE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
DATABASES = (".duckdb", ".ddb")
NEED_COLUMN = ("sum", "mean", "min", "max", "distinct", "last")


@dataclass(frozen=True)
class Parts:
    """The tables of a workspace file that are valid by themselves.

    Attributes:
        tables: the single tables by name, such as windows or align.
        sources: by path, such as "sources[0]"; likewise aggregates and tasks.
        aggregates: the [[profile.aggregates]].
        tasks: the [tasks.NAME].
        source_names: the names of all sources, even of those with mistakes.
    """

    tables: dict[str, Any]
    sources: dict[str, Source]
    aggregates: dict[str, Aggregate]
    tasks: dict[str, Task]
    source_names: list[Any]


def cross_problems(parts: Parts) -> Iterator[Problem]:
    """Find what does not fit together: pairs of a key and what is wrong with it."""
    yield from _source_name_problems(parts)
    for path, source in parts.sources.items():
        yield from _source_problems(path, source)
    if "profile" in parts.tables:
        yield from _profile_problems(parts.tables["profile"], parts.aggregates)
        yield from _form_problems("profile", parts.tables["profile"])
        yield from _place_problems("profile", parts.tables["profile"], needed=False)
    for path, aggregate in parts.aggregates.items():
        yield from _aggregate_problems(path, aggregate, parts.source_names)
    for path, task in parts.tasks.items():
        yield from _form_problems(path, task)
        yield from _place_problems(path, task, needed=True)
        for name in task.without_sources:
            yield from _unknown_source(f"{path}.without_sources", name, parts.source_names)
    yield from _privacy_problems(parts)
    if "contacts" in parts.tables:
        yield from _form_problems("contacts", parts.tables["contacts"])
        yield from _contact_problems(parts.tables["contacts"])
    yield from _group_problems(parts.tables)
    if "workspace" in parts.tables and "://" in (runs := parts.tables["workspace"].runs):
        hint = "run folders are renamed into place, which no object store can; name a folder of this machine"
        yield "workspace.runs", f"{runs!r} is no folder: {hint}"
    yield from _size_problems(parts.tables)


def _source_name_problems(parts: Parts) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for path, source in parts.sources.items():
        if first.setdefault(source.name, path) != path:
            yield (
                f"{path}.name",
                f"{source.name!r} is already the name of {first[source.name]}; give each source its own name",
            )


def _source_problems(path: str, source: Source) -> Iterator[Problem]:
    if source.event is not None:
        yield from _slot_problems(f"{path}.event", source.event, source, SLOTS)
    if source.sentences and set(source.families) == {"exposure"}:
        yield f"{path}.sentences", "exposures are inputs only; give another family, or remove the sentences"
    for i, sentence in enumerate(source.sentences or ()):
        yield from _slot_problems(f"{path}.sentences[{i}]", sentence, source, (*SLOTS, *WORDS))
    if source.price is not None and source.quantity is None and source.amount is None:
        yield f"{path}.price", "needs quantity = ... beside it; or name it as the amount"
    if source.price is not None and source.amount is not None:
        yield f"{path}.price", "amount is given too: take one of the two out"
    yield from _form_problems(path, source)
    yield from _place_problems(path, source, needed=True)


def _place_problems(path: str, place: TablePlace, *, needed: bool) -> Iterator[Problem]:
    """What cannot be in how a table says where it lies; no value of `connection` is repeated, it may be a secret."""
    if place.connection is not None and not VARIABLE.fullmatch(place.connection):
        yield f"{path}.connection", "write 'env:NAME', and the URL in that environment variable: it may hold a secret"
    if needed and not place.is_named:
        yield f"{path}.path", "missing; name the table's file, folder or glob, or a query and its connection"
    if place.query is not None and place.path is None and place.connection is None:
        yield f"{path}.connection", "missing; say which database the query asks: connection = 'env:NAME'"
    if place.connection is not None and place.path is not None:
        yield f"{path}.path", "connection is given too: take one of the two out"
    if place.connection is not None and (place.query is None) == (place.table is None):
        yield f"{path}.query", "a connection needs a query of a database, or a table of an Iceberg catalog: give one"
    if place.table is not None and place.connection is None:
        yield f"{path}.table", "needs connection = 'env:NAME', whose variable holds the catalog's URI"
    if place.version_query is not None and place.query is None:
        yield f"{path}.version_query", "needs a query: it says whether that has to be read again"
    if place.path is not None:
        yield from _path_problems(path, place, place.path)


def _path_problems(path: str, place: TablePlace, name: str) -> Iterator[Problem]:
    """What cannot be in a table's path and a query beside it."""
    is_database = name.lower().endswith(DATABASES)
    if is_database != (place.query is not None):
        wrong = (
            "missing; a database file needs one" if is_database else f"asks a database file ({', '.join(DATABASES)})"
        )
        yield f"{path}.query", wrong
    if is_database and "://" in name:
        yield f"{path}.path", f"{name!r} is a database file; copy it to this machine, and name the copy"
    elif "://" in name and not name.startswith("s3://"):
        yield f"{path}.path", f"{name!r} cannot be read; s3:// can, and files of this machine"


def _form_problems(path: str, form: TableForm) -> Iterator[Problem]:
    """What of how a table is written cannot be."""
    if form.time_format is not None and form.time_format not in TIME_WORDS and "%" not in form.time_format:
        yield (
            f"{path}.time_format",
            f"{form.time_format!r} is not a time format; write one such as '%d/%m/%Y', 'epoch_s' or 'days'",
        )
    if form.time_format == "days" and form.origin is None:
        yield f"{path}.origin", "missing; write the date of day 0, such as 2020-01-01, here or in [workspace]"
    if form.time_format != "days" and form.origin is not None:
        yield f"{path}.origin", "is the date of day 0; set time_format = 'days' too, or take it out"
    if form.timezone is not None and not _is_timezone(form.timezone):
        yield f"{path}.timezone", f"{form.timezone!r} is not a time zone; write one such as 'Europe/Berlin' or 'UTC'"
    if form.delimiter is not None and (len(form.delimiter) != 1 or not form.delimiter.isascii()):
        yield f"{path}.delimiter", f"{form.delimiter!r} should be one character, such as ';' or a tab"
    if form.comment == "":
        yield f"{path}.comment", "should be what begins a comment, such as '#'; or leave it out"


def _slot_problems(path: str, text: str, source: Source, slots: tuple[str, ...]) -> Iterator[Problem]:
    try:
        parts = [part for part in Formatter().parse(text) if part[1] is not None]
    except ValueError as error:
        yield path, f"{text!r} cannot be read: {error}"
        return
    if "{{" in text or "}}" in text or any(spec or conversion for _, _, spec, conversion in parts):
        yield path, f"{text!r} has more in braces than a slot's name; write slots as {{category}}"
        return
    listed = ", ".join(f"{{{slot}}}" for slot in slots)
    for slot in [str(slot) for _, slot, _, _ in parts]:
        if slot not in slots:
            yield path, f"{{{slot}}} in {text!r} is not a slot; the slots are {listed}"
        elif (slot in SLOTS and getattr(source, slot) is None) or (slot == "amount" and not source.has_amount):
            yield path, f"{text!r} needs a column for {slot}; set {slot} = ... in source {source.name!r}"


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _profile_problems(profile: Profile, aggregates: dict[str, Aggregate]) -> Iterator[Problem]:
    if profile.is_named and profile.user is None:
        yield "profile.user", "missing; name the column with the user id"
    if not profile.is_named:
        for key in ("user", "time", "categorical", "ordered", "numeric"):
            if value := getattr(profile, key):
                yield f"profile.{key}", f"{value!r} needs a table; set path = ... in [profile]"
    for column, values in profile.ordered.items():
        if len(set(values)) < max(len(values), 2):
            yield f"profile.ordered.{column}", f"{list(values)!r} should be at least two different values, in order"
    yield from _column_name_problems(profile, aggregates)


def _local_problems(path: str, table: Any) -> Iterator[Problem]:
    """A table that is read where it lies, since it has to be as of now."""
    if table is not None and table.path is not None and "://" in table.path:
        yield f"{path}.path", f"{table.path!r} is not on this machine; copy the table here, and name the copy"


def _contact_problems(contacts: Contacts) -> Iterator[Problem]:
    yield from _local_problems("contacts", contacts)
    for key in ("email", "phone"):
        columns = getattr(contacts, key)
        if len(columns) > MOST_CONTACTS:
            yield f"contacts.{key}", f"names {len(columns)} columns; platforms take at most {MOST_CONTACTS}: name fewer"
    if contacts.region is not None and not (len(contacts.region) == 2 and contacts.region.isupper()):
        yield "contacts.region", f"is {contacts.region!r}; write a country of two capital letters, such as 'US'"
    if contacts.path is None and any(getattr(contacts, key) for key in ("email", "phone", "madid", "handle")):
        yield "contacts.path", "is missing; name the table that holds these columns"


def _column_name_problems(profile: Profile, aggregates: dict[str, Aggregate]) -> Iterator[Problem]:
    columns = [*profile.categorical, *profile.ordered, *profile.numeric]
    names = Counter(chain(columns, (aggregate.name for aggregate in aggregates.values())))
    for name, count in names.items():
        if count > 1:
            yield (
                "profile",
                f"the column {name!r} occurs {count} times in categorical, ordered, numeric and aggregates; keep one",
            )
    for name in sorted(RESERVED & set(names)):
        yield "profile", f"the column name {name!r} is reserved by findcli; rename the column"
    for name in sorted({str(profile.user), str(profile.time)} & set(columns)):
        yield "profile", f"the column {name!r} is the user or the time; remove it from the attributes"


def _privacy_problems(parts: Parts) -> Iterator[Problem]:
    """What cannot be in [consent] and [sensitive]."""
    consent, sensitive, profile = (parts.tables.get(name) for name in ("consent", "sensitive", "profile"))
    if consent is not None and consent.path is None and (consent.purposes or consent.objection or consent.time):
        yield "consent.path", "missing; name the table of who agreed to what"
    yield from _local_problems("consent", consent)
    if consent is not None and consent.path is not None:
        if not consent.purposes and consent.objection is None:
            yield "consent.purposes", "missing; write such as { ads = 'consent_ads' }, or objection = 'column'"
        yield from _form_problems("consent", consent)
    if sensitive is not None and sensitive.columns and profile is not None and not profile.is_named:
        yield "sensitive.columns", "are columns of the profile's table; set path = ... in [profile]"
    for name in sorted({each.name for each in parts.aggregates.values()} & set(sensitive.columns if sensitive else ())):
        yield "sensitive.columns", f"{name!r} is computed from events; take it out of [[profile.aggregates]] instead"


def _group_problems(tables: dict[str, Any]) -> Iterator[Problem]:
    """What cannot be in how [split] says which users are one person."""
    split, profile = tables.get("split"), tables.get("profile")
    if split is None:
        return
    if split.group is not None and split.group_pattern is not None:
        yield "split.group", "group_pattern is given too: take one of the two out"
    if split.group is not None and profile is not None and not profile.is_named:
        yield "split.group", f"{split.group!r} needs a table; set path = ... in [profile], or use group_pattern"
    if split.group_pattern is not None and not _has_group(split.group_pattern):
        problem = f"{split.group_pattern!r} should be a regular expression with one part in round brackets"
        yield "split.group_pattern", f"{problem}, such as '-(\\d+)$'"


def _has_group(pattern: str) -> bool:
    try:
        return re.compile(pattern).groups == 1
    except re.error:
        return False


def _aggregate_problems(path: str, aggregate: Aggregate, source_names: list[Any]) -> Iterator[Problem]:
    yield from _unknown_source(f"{path}.source", aggregate.source, source_names)
    if aggregate.measure in NEED_COLUMN and aggregate.column is None:
        yield f"{path}.column", f"missing; {aggregate.measure!r} needs a column of {aggregate.source!r}"
    if aggregate.measure not in NEED_COLUMN and aggregate.column is not None:
        yield f"{path}.column", f"{aggregate.measure!r} does not read a column; remove {aggregate.column!r}"


def _unknown_source(path: str, name: str, source_names: list[Any]) -> Iterator[Problem]:
    if name not in source_names:
        yield (
            path,
            f"{name!r} is not a source; the sources are {', '.join(map(repr, source_names)) or 'none'}",
        )


def _size_problems(tables: dict[str, Any]) -> Iterator[Problem]:
    for table, width in (
        ("text", "d_model"),
        ("sequence", "d_model"),
        ("tabular", "d_token"),
        ("align", "d_embedding"),
    ):
        if table in tables and getattr(tables[table], width) % tables[table].heads:
            problem = f"{getattr(tables[table], width)} is not a multiple of heads = {tables[table].heads}"
            yield f"{table}.{width}", problem
    sequence = tables.get("sequence")
    if sequence is not None and parse_duration(sequence.cycle) % parse_duration(sequence.step):
        yield "sequence.cycle", f"{sequence.cycle!r} is not a whole number of steps of {sequence.step!r}"
