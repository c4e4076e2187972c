"""Which column of each unknown table holds the users: by its name, or by values that other tables share.

Tested in tests/datasets/test_unknown_tables.py.
"""

from __future__ import annotations

import polars as pl

from findcli.data.reader import nulls
from findcli.datasets import words
from findcli.datasets.columns import is_id_type, is_money_like
from findcli.datasets.decisions import quoted
from findcli.datasets.unknown_tables import SAMPLE, UnknownTable

OVERLAP, FEWEST = 0.5, 0.05
ENOUGH = 10  # users; a column of fewer values is rather one of kinds
MOST_IDS = 20_000
NEARLY_ALL, MOST_OF_ONE, COUNTER = 0.9, 0.3, 0.2


class Ids:
    """The ids in columns of tables: of many, the same share of ids everywhere, so that tables can be compared."""

    def __init__(self, tables: list[UnknownTable]) -> None:
        most = max((count for table in tables for count in table.distinct.values()), default=0)
        self.one_in = max(1, most // MOST_IDS)
        self.known: dict[tuple[str, str], set[str]] = {}

    def __call__(self, table: UnknownTable, column: str) -> set[str]:
        """Ids as text; of a decimal export, the whole numbers."""
        key = (table.path, column)
        if key not in self.known:
            text = nulls.data(table.table, table.form, column).str.replace(r"^(\d+)\.0*$", "$1")
            ids = table.table.frame.select(text.alias("x")).filter(pl.col("x").is_not_null())
            chosen = ids.filter(pl.col("x").hash(0) % self.one_in == 0) if self.one_in > 1 else ids
            self.known[key] = set(chosen.unique().collect(engine="streaming")["x"])
        return self.known[key]


def find_users(tables: list[UnknownTable], declared: str | None = None) -> None:
    """Find every table's column of user ids: as declared, by its name, or by sharing its values with other tables.

    Args:
        tables: all tables; `user` is set where there is one.
        declared: the column's name, in tables that have it.
    """
    ids = Ids(tables)
    named = {table.path: _named(table) for table in tables}
    for table in tables:
        if declared in table.sample.columns:
            table.user = declared
            table.why.append(f"user = {declared!r}: as you say")
        elif named[table.path]:
            _choose_named(table, tables, named, ids)
    if all(table.user is None for table in tables):
        _find_nameless_user(tables, ids)
    known = {value for table in tables if table.user for value in ids(table, table.user)}
    names = {table.user for table in tables}
    for table in (table for table in tables if table.user is None):
        _find_shared_user(table, known, names, ids)
    if all(table.user is None for table in tables):
        for table in tables:
            _find_likely_user(table)
    _report_strangers(tables, ids)


def _named(table: UnknownTable) -> list[str]:
    """Columns whose names are those of users; ids such as 1234.5678 read as decimals and are none."""
    named = [name for name in table.columns if words.is_user_name(name, table=table.stem)]
    return [
        name
        for name in named
        if table.distinct[name] > 1 and (name in table.table.written or may_be_ids(table.sample[name]))
    ]


def _choose_named(table: UnknownTable, tables: list[UnknownTable], named: dict[str, list[str]], ids: Ids) -> None:
    """Of the columns whose names are those of users, the one that the most other tables share."""
    columns = named[table.path]
    others = [(other, name) for other in tables if other is not table for name in named[other.path]]
    shared = {
        name: len(
            {
                o.path
                for o, column in others
                if len(columns) > 1 and _overlap(ids(table, name), ids(o, column)) >= OVERLAP
            }
        )
        for name in columns
    }
    ranked = sorted(
        columns,
        key=lambda name: (shared[name], not words.is_person_name(name), table.distinct[name]),
        reverse=True,
    )
    table.user = ranked[0]
    table.why.append(f"user = {table.user!r}: its name says so")
    for name in ranked[1:]:
        table.remark("user", f"user = {quoted(name)}  # its name is that of users too")


def id_columns(table: UnknownTable) -> list[str]:
    """Columns of whole numbers or text that hold more than one value."""
    return [name for name in table.columns if may_be_ids(table.sample[name]) and table.sample[name].n_unique() > 1]


def may_be_ids(values: pl.Series) -> bool:
    """Whether a column may hold ids: text, or numbers that are all whole."""
    if values.dtype.is_float():
        present = values.fill_nan(None).drop_nulls()
        return len(present) > 0 and bool((present == present.floor()).all())
    return is_id_type(values.dtype) and not is_money_like(values)


def _nameless(table: UnknownTable) -> list[str]:
    """Columns that may hold user ids although nothing in their names says so."""
    return [
        name
        for name in id_columns(table)
        if not words.is_other_name(name)
        and name not in table.times
        and not (table.sample[name].dtype.is_float() and words.names(name, ("lat", "lon", "weight")))
    ]


def _find_nameless_user(tables: list[UnknownTable], ids: Ids) -> None:
    """Start from the column whose values recur in the most tables, or else from the one that looks most like ids."""
    names = {table.path: _nameless(table) for table in tables}
    for table in tables:
        names[table.path] += [name for name in id_columns(table) if words.is_bare_id(name) and name not in table.times]
    candidates = [(table, name, ids(table, name)) for table in tables for name in names[table.path]]
    ranked = []
    for table, name, values in candidates:
        elsewhere = {
            other.path for other, _, others in candidates if other is not table and _overlap(values, others) >= OVERLAP
        }
        unique = table.distinct[name] > NEARLY_ALL * table.filled[name]
        # Rows are counted, and steps numbered, in the order of the rows.
        counter = table.sample[name].dtype.is_integer() and table.sample[name].is_sorted()
        enough, weight = table.distinct[name] >= ENOUGH, COUNTER if counter else 1
        # A table without names begins with who it is about.
        leading = enough and "column_1" in table.columns and name == names[table.path][0]
        likely = (len(elsewhere), not unique, enough, leading or words.is_bare_id(name), len(values) * weight)
        ranked.append((likely, table, name))
    if not ranked:
        return
    (shared, *_), table, name = max(ranked, key=lambda entry: entry[0])
    if not shared and any(_like_user(table) for table in tables):
        return
    table.user = name
    recur = f" and recur in {shared} other tables" if shared else ""
    table.why.append(f"user = {name!r}: its values look like ids{recur}")
    table.unsure.append(f"nothing in the name {name!r} says that it is the user; else give --user COLUMN")
    for other, column, _ in candidates:
        if other is table and column != name:
            table.remark("user", f"user = {quoted(column)}  # its values may be ids too")


def _find_shared_user(table: UnknownTable, known: set[str], names: set[str | None], ids: Ids) -> None:
    if not known:
        return
    shared = {name: ids(table, name) for name in _nameless(table)}
    # A handful of small numbers is found among the ids of any large table.
    telling = {name: values for name, values in shared.items() if name in names or len(values) >= FEWEST * len(known)}
    best = max(telling, key=lambda name: (name in names, _overlap(telling[name], known)), default=None)
    if best is not None and (best in names or _overlap(telling[best], known) >= OVERLAP):
        table.user = best
        share = len(telling[best] & known) / max(len(telling[best]), 1)
        table.why.append(f"user = {best!r}: {share:.0%} of its values are user ids of the other tables")


def _like_user(table: UnknownTable) -> str | None:
    """A column that stands for a person, such as an address or a session, the better the earlier its word comes."""
    fitting = [
        name
        for name in id_columns(table)
        if name not in table.times and words.names(name, words.LIKE_USERS) == 2 and table.distinct[name] > 1
    ]
    return max(fitting, key=lambda name: words.rank_in(name, words.LIKE_USERS), default=None)


def _find_likely_user(table: UnknownTable) -> None:
    name = _like_user(table)
    if name is not None:
        table.user = name
        table.why.append(f"user = {name!r}: nothing else stands for a person")
        table.unsure.append(f"{name!r} is no person's id: people who come back under another one count as new ones")


def _overlap(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(min(len(one), len(other)), 1)


def _report_strangers(tables: list[UnknownTable], ids: Ids) -> None:
    """Doubt the users of a table that no other table knows, unless zeros before them are all that differs."""
    used = [table for table in tables if table.user]
    strangers = []
    for table in used:
        others = {value for other in used if other is not table for value in ids(other, str(other.user))}
        if others and not ids(table, str(table.user)) & others:
            strangers.append(table)
    if strangers and _pad(used, ids):
        return
    for table in strangers:
        table.unsure.append(f"no user in {table.user!r} occurs in another table; are the ids of one kind?")


def question_user(table: UnknownTable) -> None:
    """Doubt a user whom nearly every row has, and users that are as many as the rows."""
    user = str(table.user)
    rows, users = table.filled[user], table.distinct[user]
    if rows > 20 and users > NEARLY_ALL * rows:
        table.unsure.append(
            f"{user!r} has about {users:,} values in {rows:,} rows: is it a person, or an order or a session? "
            "A history needs people who come back"
        )
        for name in id_columns(table):
            if name != user and name not in table.times and 1 < table.distinct[name] <= NEARLY_ALL * table.filled[name]:
                table.remark("user", f"user = {quoted(name)}  # {table.distinct[name]:,} values, about")
    first = table.table.frame.select(nulls.data(table.table, table.form, user).alias(user)).head(SAMPLE).collect()
    counts = first[user].drop_nulls().value_counts(sort=True)
    share = counts["count"][0] / int(counts["count"].sum()) if len(counts) else 0
    if rows > 20 and share > MOST_OF_ONE:
        value = counts[user][0]
        table.unsure.append(
            f"{share:.0%} of the first rows have the user {value!r}: is that one person? "
            f"Where it stands for nobody set null_values = [{value!r}]"
        )
        table.remark("null_values", f"null_values = [{quoted(value)}]  # where this user stands for nobody")


def _pad(used: list[UnknownTable], ids: Ids) -> bool:
    """Read ids as numbers where some tables write zeros before them and only so they meet; whether that is so."""
    known = [ids(table, str(table.user)) for table in used]
    if ids.one_in > 1 or not all(
        value.isascii() and value.isdigit() and len(value) < 19 for of in known for value in of
    ):
        return False
    bare = [{value.lstrip("0") or "0" for value in of} for of in known]
    padded = any(len(one) != len(other) for one, other in zip(known, bare, strict=True))
    if padded or not all(_overlap(bare[0], other) >= OVERLAP for other in bare[1:]):
        return False
    for table in used:
        table.id_kind = "integer"
        table.unsure.append("ids have zeros before them in some tables and none in others: 007 is taken for 7")
    return True
