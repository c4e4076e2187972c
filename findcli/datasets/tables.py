"""A workspace from a user's own tables: what each table and column may be is guessed, written down and explained."""

from __future__ import annotations

import os
import re
import textwrap
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from findcli.data.reader.tables import open_table as read_table
from findcli.data.sources import scan_source
from findcli.datasets.amounts import find_currency
from findcli.datasets.attributes import aggregates_of
from findcli.datasets.columns import best_slot
from findcli.datasets.creation import installed_text_model
from findcli.datasets.decisions import quoted
from findcli.datasets.elsewhere import is_elsewhere, tables_of
from findcli.datasets.overrides import Overrides
from findcli.datasets.roles import describe_profile, describe_source, event_times, find_role
from findcli.datasets.unknown_tables import Guess, UnknownTable, open_table
from findcli.datasets.users import find_users, id_columns
from findcli.errors import FindCLIError
from findcli.workspace.durations import LAST_YEAR, parse_duration
from findcli.workspace.folder import Workspace, files_of, require_no_workspace, write_draft, write_settings
from findcli.workspace.objects import SCHEME
from findcli.workspace.settings import Windows
from findcli.workspace.toml_file import parse_settings

YEAR = timedelta(weeks=52)
LENGTHS = ("history", "future", "every", "min_history")
MANY_USERS = 1000
SHOWN = 5
MOST_FILES = 50
WIDTH = 110
HEADER = """Guessed by `findcli init --from tables` from names, types and values: read it before you trust it.
A commented key is the alternative to the one above it. The tables stay where they are."""
ORDER = (
    "name", "path", "query", "families", "user", "time", "time_format", "day_first", "item", "category", "department",
    "merchant", "amount", "quantity", "price", "returned", "status", "channel", "text", "event", "sentences",
    "categorical", "ordered", "numeric", "encoding", "delimiter", "header", "comment", "decimal", "null_values",
    "types", "duplicates",
)  # fmt: skip


@dataclass(frozen=True)
class Guesses:
    """What `create` guessed: a workspace folder, its tables, and what concerns them all."""

    folder: Path
    tables: tuple[Guess, ...]
    notes: tuple[str, ...]


def create(folder: Path, files: list[str], *, overrides: Overrides | None = None) -> Guesses:
    """Guess what the tables are, and write a commented findcli.toml that reads them where they lie.

    Where no table has all that events need, the file has what could be guessed, and asks for the rest in comments.

    Args:
        folder: the new workspace; made where it is missing.
        files: CSV, Parquet, JSONL or Excel files, here or at s3://; a glob or a folder stands for the parts of one
            table; DuckDB files, and the folders of Delta and Iceberg tables.
        overrides: what is not to be guessed.

    Raises:
        FindCLIError: no file can be read, one is missing, a column that is named is in none, or the folder is a
            workspace already.
    """
    overrides = overrides or Overrides()
    require_no_workspace(folder)
    tables, unread = _open_all(list(dict.fromkeys(files)))
    overrides.require_known(tables)
    find_users(tables, overrides.user)
    for table in tables:
        find_role(table, overrides)
    _require_source(tables, overrides)
    _choose_profile(tables, overrides)
    _name_sources([table for table in tables if table.source])
    _suggest_joins(tables)
    notes = _write(folder, tables)
    return Guesses(folder, (*(table.guess() for table in tables), *unread), tuple(notes))


def _open_all(files: list[str]) -> tuple[list[UnknownTable], list[Guess]]:
    """The tables that can be read, and what is wrong with the others.

    Raises:
        FindCLIError: none can be read, or one is not there.
    """
    tables, unread, failure = [], [], None
    for name in chain.from_iterable(map(_parts, files)):
        try:
            tables.append(open_table(name))
        except FindCLIError as error:
            if not Path(name).exists() and "*" not in name:
                raise
            failure = failure or error
            unread.append(Guess(name, "not used", (), (f"{error.message} ({error.hint})",)))
    if not any(table.rows and table.columns for table in tables):
        raise failure or FindCLIError(
            f"no table has a row with a value: {', '.join(files)}", hint="give tables with some rows"
        )
    return tables, unread


def _parts(name: str) -> list[str]:
    """The tables of a folder: the folder itself where its files have the same columns, else each file."""
    if is_elsewhere(name):
        return tables_of(name)
    files = files_of(Path(name)) if Path(name).is_dir() else []
    if not 1 < len(files) <= MOST_FILES:
        return [name]
    try:
        names = {tuple(sorted(read_table([file], what=f"the table {file}").schema)) for file in files}
    except FindCLIError:
        return list(map(str, files))
    if len(names) > 1:
        return list(map(str, files))
    # A workspace may be made in the folder itself, and its own files are no tables.
    flat = {(file.parent, file.suffix) for file in files} == {(Path(name), files[0].suffix)}
    return [f"{name}/*{files[0].suffix}" if flat else name]


def _require_source(tables: list[UnknownTable], overrides: Overrides) -> None:
    """Where no table is a source, take one whose users have a row each, or one that lacks what only a person knows."""
    if any(table.source for table in tables):
        return
    timed = [
        table for table in tables if table.user and event_times(table, overrides) and table.path != overrides.profile
    ]
    if timed:
        best = max(timed, key=lambda table: table.rows)
        best.profile, best.why, best.unsure, best.unused = {}, best.why[:1], [], {}
        describe_source(best, overrides)
        return
    usable = [table for table in tables if table.rows and table.columns]
    best = max(usable, key=lambda table: (table.user is not None, not table.profile, table.rows))
    best.profile, best.unsure, best.unused = {}, [], {}
    describe_source(best, overrides)
    if best.user is None:
        for name in [name for name in id_columns(best) if name not in (*best.times, *best.source.values())]:
            best.remark("user", f"user = {quoted(name)}  # {best.distinct[name]:,} values, about")
        best.remark("user", 'user = "COLUMN"  # who it was; no column looks like it')
        best.unsure.append("no column reads as the user: name it with user = ...")


def _choose_profile(tables: list[UnknownTable], overrides: Overrides) -> None:
    """Keep the profile with the most columns, since a workspace has one."""
    profiles = sorted(
        (table for table in tables if table.profile),
        key=lambda table: (table.path != overrides.profile, -len(table.sample.columns)),
    )
    for table in profiles[1:]:
        table.profile = {}
        table.unsure.append(f"a workspace has one profile, and {profiles[0].path} has more columns; join the two")
    if overrides.profile and not profiles:
        table = next(table for table in tables if table.path == overrides.profile)
        if table.user is not None and not table.source:
            describe_profile(table)


def _suggest_joins(tables: list[UnknownTable]) -> None:
    """Say of codes which other table has their names."""
    for table in (table for table in tables if table.source):
        code = table.source.get("item")
        others = [other for other in tables if code in other.sample.columns and not other.source and not other.profile]
        for other in others:
            if best_slot(other.sample, "item", [name for name in other.columns if name != code]):
                table.unsure.append(
                    f"{other.path} may name {code!r}: join it to {table.path}, and set item to the name"
                )


def _name_sources(sources: list[UnknownTable]) -> None:
    """Give every source a name of its own, from its file's."""
    taken: set[str] = set()
    for table in sources:
        stem = re.sub(r"\W+", "_", table.stem).strip("_") or "events"
        names = [stem, *(f"{stem}_{i}" for i in range(2, len(sources) + 2))]
        table.source["name"] = next(name for name in names if name not in taken)
        taken.add(table.source["name"])


def _write(folder: Path, tables: list[UnknownTable]) -> list[str]:
    """Write the workspace file, and say what concerns all tables."""
    used = [table for table in tables if table.source]
    complete = [table for table in used if {"user", "time"} <= table.source.keys()]
    model = installed_text_model()
    notes = [f"[text] model = {model!r}" + (": no pretrained one is installed" if model == "scratch" else "")]
    currency, why = find_currency(used)
    notes += [f"currency = {currency!r}: {why}"] if currency else [why] if why else []
    sources = [table.source for table in used]
    profile = next((table.profile for table in tables if table.profile), {})
    values: dict[str, Any] = {
        "workspace": {"name": folder.resolve().name} | ({"currency": currency} if currency else {}),
        "windows": {"train_until": datetime(LAST_YEAR, 12, 31)},
        "sources": sources,
        "profile": {**profile, "aggregates": _aggregates(used, profile)},
        "text": {"model": model},
    }
    remarks = {"windows": ["train_until = 2024-01-01  # training reads no event from then on"]}
    if complete:
        notes += _set_windows(values, _measure(values, complete))
        remarks = {}
    else:
        values["windows"] = {}
        notes.append("findcli.toml is not complete: it asks for what no column says")
    sold = [table for table in used if "purchase" in table.source["families"]]
    if not currency and any(table.source.keys() & {"amount", "price"} for table in sold):
        remarks["workspace"] = [
            why or 'currency = "euros"  # no table says which money it is; "dollars" is the default'
        ]
    _place(folder, values)
    write = write_settings if complete and len(complete) == len(used) else write_draft
    write(folder, values, header=HEADER, remarks=remarks | _remarks(tables))
    return notes


def _place(folder: Path, values: dict[str, Any]) -> None:
    """Make paths relative to the workspace, and put keys in the order in which a person looks for them."""
    for entry in (*values["sources"], values["profile"]):
        if "path" in entry and not entry["path"].startswith(SCHEME) and not Path(entry["path"]).is_absolute():
            entry["path"] = Path(os.path.relpath(entry["path"], folder)).as_posix()
        ordered = {key: entry[key] for key in sorted(entry, key=lambda key: ORDER.index(key) if key in ORDER else 99)}
        entry.clear()
        entry |= ordered


def _remarks(tables: list[UnknownTable]) -> dict[str, list[str]]:
    """The comments of the file: alternatives, doubts, and the columns and tables left unused."""
    remarks: dict[str, list[str]] = {"": []}
    places = {id(table): f"sources[{i}]" for i, table in enumerate(table for table in tables if table.source)}
    for table in tables:
        place = "profile" if table.profile else places.get(id(table))
        doubts = [f"Unsure: {doubt}" for doubt in table.unsure if "is left out" not in doubt]
        unused = [f"Unused: {name}: {why}" for name, why in table.unused.items()]
        if place is None:
            names = f"its columns: {', '.join(table.sample.columns)}"
            remarks[""].append("\n".join(_wrapped([f"Not used: {table.path}", *doubts, names])))
            continue
        remarks |= {f"{place}.{key}": list(dict.fromkeys(lines)) for key, lines in table.remarks.items()}
        remarks[place] = _wrapped(doubts + unused)
    return remarks


def _wrapped(lines: list[str]) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, WIDTH, subsequent_indent="  ") or [line]]


def _aggregates(tables: list[UnknownTable], profile: dict[str, Any]) -> list[dict[str, Any]]:
    """Count, recency and sum of every source and what its events say of users, as columns of the profile."""
    aggregates: list[dict[str, Any]] = []
    for table in tables:
        source, name = table.source, table.source["name"]
        aggregates.append({"name": f"{name}_count", "source": name, "measure": "count"})
        aggregates.append({"name": f"{name}_days_since_last", "source": name, "measure": "days_since_last"})
        column = source.get("amount")
        if column is not None and not re.search(r"[-+*/]", column):
            aggregates.append({"name": f"{name}_{column}_sum", "source": name, "measure": "sum", "column": column})
    taken = {*profile.get("categorical", ()), *profile.get("ordered", ()), *profile.get("numeric", ())}
    attributes = {each["name"]: each for table in reversed(tables) for each in aggregates_of(table)}
    aggregates += reversed(attributes.values())
    return [aggregate for aggregate in aggregates if aggregate["name"] not in taken]


def _measure(values: dict[str, Any], tables: list[UnknownTable]) -> tuple[datetime, datetime, int] | None:
    """First and last event, a few stray ones aside, and the number of users of the largest source; None of none."""
    complete = [_looked_at(table) for table in tables]
    workspace = Workspace(Path.cwd(), parse_settings(values | {"sources": complete, "profile": {}}, name="the guess"))
    entries = {entry.name: entry for entry in workspace.settings.sources}
    spans = []
    for table in tables:
        source = entries[table.source["name"]]
        try:
            spans.append(_measure_one(scan_source(workspace, source, raw=True), table))
            events = scan_source(workspace, source).drop("copies", "source", strict=False)
            table.first = events.head(SHOWN).collect().to_dicts()
        except FindCLIError as error:
            table.unsure.append(f"{error.message} ({error.hint})")
    spans = [span for span in spans if span[0] is not None]
    if not spans:
        return None
    return min(span[0] for span in spans), max(span[1] for span in spans), max(span[2] for span in spans)


def _looked_at(table: UnknownTable) -> dict[str, Any]:
    """The source as it is read here: of a table that lies elsewhere, the copy that was made to look at it."""
    if table.fetched is None:
        return table.source
    return {key: value for key, value in table.source.items() if key != "query"} | {"path": str(table.fetched.copy)}


def _measure_one(events: pl.LazyFrame, table: UnknownTable) -> tuple[datetime, datetime, int]:
    """The span and the users of a source; rows that repeat another are counted, and what to do with them is said."""
    schema = events.collect_schema()
    returned = pl.col("returned") if "returned" in schema else pl.lit(value=False)
    usable = pl.col("user_id").is_not_null() & pl.col("time").is_not_null() & ~returned
    time = pl.col("time").filter(usable)
    first, last, users, rows, copies, seconds, back = (
        events.select(
            first=time.quantile(0.001, "nearest"),
            last=time.quantile(0.999, "nearest"),
            users=pl.col("user_id").filter(usable).n_unique(),
            rows=usable.sum(),
            copies=usable.sum() - pl.col("copies").filter(usable).n_unique(),
            seconds=(time.dt.second() != 0).any(),
            back=returned.sum() if "returned" in schema else pl.lit(0),
        )
        .collect(engine="streaming")
        .row(0)
    )
    if back:
        table.why.append(f"{back:,} rows are returns: no purchases")
    if copies:
        keep, other = ("drop", "keep") if seconds else ("keep", "drop")
        how = "as one event logged twice" if seconds else "as events of their own, since times have no seconds"
        table.source["duplicates"] = keep
        table.remark("duplicates", f'duplicates = "{other}"')
        table.unsure.append(f"{copies:,} of {rows:,} rows repeat another in every column: they count {how}")
    return first, last, users


def _set_windows(values: dict[str, Any], span: tuple[datetime, datetime, int] | None) -> list[str]:
    """Set the windows, and the least support of a sentence; and say so."""
    if span is None:
        values["windows"] = {"train_until": datetime(2024, 1, 1)}
        return ["no event could be read: train_until stands for nothing yet"]
    first, last, users = span
    values["windows"] = _windows(first, last)
    until, future = values["windows"]["train_until"], values["windows"].get("future", Windows.future)
    notes = [
        f"train_until = {until:%Y-%m-%d %H:%M}: events reach from {first:%Y-%m-%d} to {last:%Y-%m-%d}, "
        f"and the last future window ({future}) is kept back to evaluate on"
    ]
    if users < MANY_USERS:
        values["sentences"] = {"min_support": max(2, users // 50)}
        notes.append(f"min_support is {max(2, users // 50)}, since there are only {users:,} users")
    return notes


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
