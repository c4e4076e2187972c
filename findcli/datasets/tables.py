"""A workspace from a user's own tables: what each table and column may be is guessed, written down and explained."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from findcli.data.sources import scan_source
from findcli.datasets import columns
from findcli.datasets.unknown_tables import Guess, Table, find_users, open_table
from findcli.errors import FindCLIError
from findcli.workspace.durations import LAST_YEAR, parse_duration
from findcli.workspace.folder import Workspace, require_no_workspace, write_settings
from findcli.workspace.settings import Windows
from findcli.workspace.toml_file import parse_settings

YEAR = timedelta(weeks=52)
LENGTHS = ("history", "future", "every", "min_history")
MANY_USERS = 1000
NO_USER = "no column of user ids; join it to a table that has one if its columns matter"
HEADER = """Guessed by `findcli init --from tables` from names, types and values: read it before you trust it.
The tables stay where they are."""


@dataclass(frozen=True)
class Guesses:
    """What `create` guessed: a workspace folder, its tables, and what concerns them all."""

    folder: Path
    tables: tuple[Guess, ...]
    notes: tuple[str, ...]


def create(folder: Path, files: list[str]) -> Guesses:
    """Guess what the tables are, and write a commented findcli.toml that reads them where they lie.

    Args:
        folder: the new workspace; made where it is missing.
        files: CSV or Parquet files; a glob stands for the parts of one table.

    Raises:
        FindCLIError: a file cannot be read, no table holds events of users, or the folder is a workspace already.
    """
    require_no_workspace(folder)
    tables = [open_table(name) for name in dict.fromkeys(files)]
    find_users(tables)
    for table in tables:
        _find_role(table)
    _choose_profile(tables)
    sources = [table for table in tables if table.source]
    if not sources:
        reasons = "; ".join(f"{table.path}: {' '.join(table.unsure)}" for table in tables)
        hint = "give a table with a row an event: a column of user ids, a column of times, and what happened"
        raise FindCLIError(f"no table holds events of users ({reasons})", hint=hint)
    _name_sources(sources)
    values, notes = _assemble(folder, tables)
    write_settings(folder, values, header=HEADER)
    return Guesses(folder, tuple(table.guess() for table in tables), tuple(notes))


def _find_role(table: Table) -> None:
    """Make a table with users a source when it has times too, and a profile when it has one row a user."""
    if table.user is None:
        decimals = [name for name, kind in table.sample.schema.items() if kind.is_float()]
        gaps = [name for name in decimals if columns.is_user_name(name, table=table.stem)]
        doubt = f"user ids in {gaps[0]!r} read as decimals; write them as whole numbers or text" if gaps else NO_USER
        table.unsure.append(doubt)
        return
    table.times = {
        name: reading
        for name in table.sample.columns
        if name != table.user and (reading := columns.read_times(table.sample, name)) is not None
    }
    repeats = (
        table.frame.select(pl.col(table.user).drop_nulls().is_duplicated().any()).collect(engine="streaming").item()
    )
    if not repeats:
        table.why.append("every user has one row: attributes, not events")
        _describe_profile(table)
    elif any(not columns.names(name, columns.OTHER_TIMES) for name in table.times):
        _describe_source(table)
    else:
        table.unsure.append(
            "users occur more than once but no column reads as the time of an event; join it to the table"
        )


def _describe_source(table: Table) -> None:
    time = max(table.times, key=lambda name: columns.time_rank(table.sample, name))
    slots = _find_slots(table)
    if not slots:
        _describe_profile(table, time=time)
        return
    reading = table.times[time]
    others = [name for name in table.times if name != time]
    table.why.append(f"time = {time!r}: it reads as times" + (f"; so do {', '.join(others)}" if others else ""))
    table.why += [f"{slot} = {name!r}: {why}" for slot, (name, why) in slots.items()]
    table.source = {"name": table.stem, "path": table.path, "families": (), "user": table.user, "time": time}
    table.source |= {slot: name for slot, (name, _) in slots.items()}
    table.source |= {"time_format": reading.format} if reading.format else {}
    if reading.other is not None:
        table.unsure.append(
            f"times such as {reading.example!r} fit {reading.format} and {reading.other}: set time_format"
        )
    if "item" in slots and table.sample[slots["item"][0]].dtype.is_integer():
        table.unsure.append(
            f"sentences will name {slots['item'][0]!r} by number; join the names to the table if you have them"
        )
    _find_families(table)


def _find_slots(table: Table) -> dict[str, tuple[str, str]]:
    """The columns of slots and amount, with the reason; where names say nothing, the most varied column."""
    schema, others = table.sample.schema, (table.user, *table.times)
    filled = [name for name in table.sample.columns if table.sample[name].count() and name not in others]
    ids = [name for name in filled if columns.is_id_type(schema[name])]
    slots: dict[str, tuple[str, str]] = {}
    for slot, vocabulary in columns.SLOT_WORDS.items():
        free = [name for name in ids if name not in {taken for taken, _ in slots.values()}]
        chosen = columns.best_named(table.sample.select(free), vocabulary, text_only=slot == "text")
        if chosen is not None:
            slots[slot] = (chosen, "its name says so")
    numbers = [name for name in filled if schema[name].is_numeric()]
    amount = columns.best_named(table.sample.select(numbers), columns.AMOUNT_WORDS)
    if not slots:
        texts = [name for name in ids if not schema[name].is_integer()]
        if free := [name for name in texts or ids if name != amount]:
            slots["item"] = (
                max(free, key=lambda name: table.sample[name].n_unique()),
                "no name says what happened; it varies most",
            )
    if slots and amount is not None:
        slots["amount"] = (amount, "a number whose name says so")
    return slots


def _find_families(table: Table) -> None:
    """Which families a source feeds, from the file's name, or from its columns."""
    vocabulary = columns.FAMILY_WORDS.items()
    by_stem = [family for family, known in vocabulary if columns.names(table.stem, known)]
    by_column = [
        family for family, known in vocabulary for name in table.sample.columns if columns.names(name, known) == 2
    ]
    if "text" in table.source:
        family, why = "search", "it holds what was searched for"
    elif by_stem:
        family, why = by_stem[0], "the file's name says so"
    elif "amount" in table.source:
        family, why = "purchase", "its events have an amount"
    elif by_column:
        family, why = by_column[0], "its columns' names say so"
    else:
        family, why = "browse", "nothing says more"
        table.unsure.append("families = browse is the plainest guess")
    paid = family == "purchase" and table.source.keys() & {"status", "channel"}
    table.source["families"] = [family, "payment"] if paid else [family]
    table.why.append(f"families = {', '.join(table.source['families'])}: {why}")


def _describe_profile(table: Table, *, time: str | None = None) -> None:
    """Sort the attributes of a row a user (or a row a user and date) into kinds."""
    profile: dict[str, Any] = {"path": table.path, "user": table.user} | ({"time": time} if time is not None else {})
    kinds: dict[str, Any] = {"categorical": [], "ordered": {}, "numeric": []}
    for name in table.sample.columns:
        if name == table.user or name == time:
            continue
        kind, levels = columns.attribute_kind(table.sample[name], is_time=name in table.times)
        if kind == "ordered":
            kinds["ordered"][name] = levels
        elif kind in kinds:
            kinds[kind].append(name)
        else:
            table.unsure.append(f"{name!r} is left out: {kind}")
    table.profile = (
        {**profile, **{kind: columns for kind, columns in kinds.items() if columns}} if any(kinds.values()) else {}
    )
    table.why += [f"{kind}: {', '.join(columns)}" for kind, columns in kinds.items() if columns]


def _choose_profile(tables: list[Table]) -> None:
    """Keep the profile with the most columns, since a workspace has one."""
    profiles = sorted((table for table in tables if table.profile), key=lambda table: -len(table.sample.columns))
    for table in profiles[1:]:
        table.profile = {}
        table.unsure.append(f"a workspace has one profile, and {profiles[0].path} has more columns; join the two")


def _name_sources(sources: list[Table]) -> None:
    """Give every source a name of its own, from its file's."""
    taken: set[str] = set()
    for table in sources:
        stem = re.sub(r"\W+", "_", table.stem).strip("_") or "events"
        names = [stem, *(f"{stem}_{i}" for i in range(2, len(sources) + 2))]
        table.source["name"] = next(name for name in names if name not in taken)
        taken.add(table.source["name"])


def _assemble(folder: Path, tables: list[Table]) -> tuple[dict[str, Any], list[str]]:
    """The values of the workspace file, and what is to be said of them."""
    sources = [table.source for table in tables if table.source]
    profile = next((table.profile for table in tables if table.profile), {})
    values: dict[str, Any] = {
        "workspace": {"name": folder.resolve().name},
        "windows": {"train_until": datetime(LAST_YEAR, 12, 31)},
        "sources": sources,
        "profile": {**profile, "aggregates": _aggregates(sources, profile)},
    }
    notes = _match_user_types(values, tables)
    first, last, users = _measure(values, tables)
    for entry in (*sources, values["profile"]):
        if "path" in entry and not Path(entry["path"]).is_absolute():
            entry["path"] = Path(os.path.relpath(entry["path"], folder)).as_posix()
    values["windows"] = _windows(first, last)
    until, future = values["windows"]["train_until"], values["windows"].get("future", Windows.future)
    notes.append(
        f"train_until = {until:%Y-%m-%d %H:%M}: events reach from {first:%Y-%m-%d} to {last:%Y-%m-%d}, "
        f"and the last future window ({future}) is kept back to evaluate on"
    )
    if users < MANY_USERS:
        values["sentences"] = {"min_support": max(2, users // 50)}
        notes.append(f"min_support is {max(2, users // 50)}, since there are only {users:,} users")
    return values, notes


def _aggregates(sources: list[dict[str, Any]], profile: dict[str, Any]) -> list[dict[str, Any]]:
    """Count, recency and sum of every source, as columns of the profile."""
    aggregates = []
    for source in sources:
        name = source["name"]
        aggregates.append({"name": f"{name}_count", "source": name, "measure": "count"})
        aggregates.append({"name": f"{name}_days_since_last", "source": name, "measure": "days_since_last"})
        if "amount" in source:
            column = source["amount"]
            aggregates.append({"name": f"{name}_{column}_sum", "source": name, "measure": "sum", "column": column})
    taken = {*profile.get("categorical", ()), *profile.get("ordered", ()), *profile.get("numeric", ())}
    return [aggregate for aggregate in aggregates if aggregate["name"] not in taken]


def _match_user_types(values: dict[str, Any], tables: list[Table]) -> list[str]:
    used = [table for table in tables if table.user and (table.source or table.profile)]
    texts = [table.path for table in used if not table.sample[str(table.user)].dtype.is_integer()]
    if not texts or len(texts) == len(used):
        return []
    values["workspace"]["user_id"] = "text"
    return [
        f"user ids are text in {', '.join(texts)} and numbers elsewhere: all are compared as text, so '007' is not 7"
    ]


def _measure(values: dict[str, Any], tables: list[Table]) -> tuple[datetime, datetime, int]:
    """First and last event, a few stray ones aside, and the number of users of the largest source.

    Raises:
        FindCLIError: no source can be read.
    """
    workspace = Workspace(Path.cwd(), parse_settings(values, name="the guess"))
    spans, failure = [], None
    entries = {entry.name: entry for entry in workspace.settings.sources}
    for table in (table for table in tables if table.source):
        time = pl.col("time")
        span = (time.quantile(0.001, "nearest"), time.quantile(0.999, "nearest"), pl.col("user_id").n_unique())
        try:
            events = scan_source(workspace, entries[table.source["name"]])
            spans.append(events.select(first=span[0], last=span[1], users=span[2]).collect(engine="streaming").row(0))
        except FindCLIError as error:
            failure = error
            table.unsure.append(f"{error.message} ({error.hint})")
    spans = [span for span in spans if span[0] is not None]
    if not spans:
        raise failure or FindCLIError(
            "no source has an event with a user and a time", hint="give tables with some rows"
        )
    return min(span[0] for span in spans), max(span[1] for span in spans), max(span[2] for span in spans)


def _windows(first: datetime, last: datetime) -> dict[str, Any]:
    """The windows: the defaults fit a year of events, and shrink with a shorter span."""
    share = (last - first) / YEAR
    lengths = {} if share >= 1 else {key: _scaled(getattr(Windows, key), share) for key in LENGTHS}
    future = parse_duration(lengths.get("future", Windows.future))
    unit = timedelta(hours=1) if future % timedelta(days=1) else timedelta(days=1)
    end = last - (last - datetime.min) % unit + unit
    return {"train_until": end - future, **lengths}


def _scaled(length: str, share: float) -> str:
    """A length of time, shortened, in the largest unit that still tells it well."""
    hours = parse_duration(length) * share / timedelta(hours=1)
    if hours >= 14 * 24:
        return f"{round(hours / 168)}w"
    return f"{round(hours / 24)}d" if hours >= 48 else f"{max(1, round(hours))}h"
