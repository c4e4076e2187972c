"""Reads and writes findcli.toml: values -> settings, with all mistakes at once, and values -> a commented file.

Tested in tests/workspace/test_folder.py.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, get_type_hints

from annotated_doc import Doc

from findcli.errors import FindCLIError
from findcli.workspace import settings
from findcli.workspace.durations import in_calendar
from findcli.workspace.privacy_settings import withheld
from findcli.workspace.settings import FORMAT, PAPER_SIZES, Aggregate, Profile, Settings, Source, Task
from findcli.workspace.settings_checks import Parts, cross_problems
from findcli.workspace.table_form import TableForm

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

TABLES: dict[str, type] = {
    name: kind
    for name, kind in get_type_hints(settings.Settings).items()
    if is_dataclass(kind) and isinstance(kind, type)
}
FIXES = {
    "string_type": "write text in quotes",
    "int_type": "write a whole number, without quotes or a decimal point",
    "float_type": "write a number, without quotes",
    "bool_type": "write true or false",
    "datetime_type": "write a date without quotes, such as 2017-10-30",
    "predicate_failed": "write a length of time such as '26w', '63d' or '12h'",
    "tuple_type": "write a list in square brackets",
    "dict_type": "write a table",
    "dataclass_type": "write a table",
}
Problems = dict[str, str]
Remarks = Mapping[str, Sequence[str]]


def to_utc(value: date) -> datetime:
    """Convert an instant to naive UTC: a date means its midnight, a time without a zone is in UTC."""
    if not isinstance(value, datetime):
        return datetime.combine(value, time())
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def parse_settings(raw: Mapping[str, Any], *, name: str) -> Settings:
    """Turn the plain values of a workspace file into settings.

    Args:
        raw: nested mappings and lists, as parsed from TOML.
        name: the file's name in error messages.

    Raises:
        FindCLIError: the file has mistakes; the error lists them all, each with its key, its value and the fix.
    """
    version = raw.get("format", FORMAT)
    if version != FORMAT:
        hint = "use the findcli version that wrote it, or make a new workspace with: findcli init"
        raise FindCLIError(f"{name} has format {version!r}; this findcli reads format {FORMAT}", hint=hint)
    problems: Problems = {}
    parts = _with_origin(_read_parts(_with_paper_sizes(raw), problems))
    for path, problem in cross_problems(parts):
        problems.setdefault(path, problem)
    if problems:
        listed = "".join(f"\n  {path}: {problem}" for path, problem in problems.items())
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        raise FindCLIError(f"{name} has {count}:{listed}", hint="correct the file, then run: findcli check")
    profile = replace(parts.tables["profile"], aggregates=tuple(parts.aggregates.values()))
    return Settings(
        **{**parts.tables, "profile": withheld(profile, parts.tables["sensitive"])},
        sources=tuple(parts.sources.values()),
        tasks={path.removeprefix("tasks."): task for path, task in parts.tasks.items()},
        size=raw.get("size", "small"),
    )


def _with_paper_sizes(raw: Mapping[str, Any]) -> dict[str, Any]:
    if raw.get("size") != "paper":
        return dict(raw)
    tables = {table: raw.get(table, {}) for table in PAPER_SIZES}
    return {
        **raw,
        **{table: PAPER_SIZES[table] | values for table, values in tables.items() if isinstance(values, dict)},
    }


def _read_parts(raw: dict[str, Any], problems: Problems) -> Parts:
    """Read every table that is valid by itself; `problems` gets the mistakes of the others."""
    problems |= dict(_top_level_problems(raw))
    tables = {key: raw.get(key, {}) for key in TABLES if isinstance(raw.get(key, {}), dict)}
    aggregates = tables.get("profile", {}).get("aggregates", [])
    tables = {
        key: {k: v for k, v in table.items() if (key, k) != ("profile", "aggregates")} for key, table in tables.items()
    }
    read = {key: _read_table(TABLES[key], key, table, problems) for key, table in tables.items()}
    sources = _entries(raw.get("sources", []), "sources", problems)
    tasks = raw["tasks"] if isinstance(raw.get("tasks"), dict) else {}
    return Parts(
        tables={key: table for key, table in read.items() if table is not None},
        sources=_read_tables(Source, sources, problems),
        aggregates=_read_tables(Aggregate, _entries(aggregates, "profile.aggregates", problems), problems),
        tasks=_read_tables(Task, {f"tasks.{name}": task for name, task in tasks.items()}, problems),
        source_names=[entry.get("name") for entry in sources.values() if isinstance(entry, dict)],
    )


def _with_origin(parts: Parts) -> Parts:
    """The same, where tables of relative days without an origin of their own have that of [workspace]."""
    general = parts.tables.get("workspace")
    if general is None or general.origin is None:
        return parts

    def dated(table: Any) -> Any:
        relative = isinstance(table, TableForm) and table.time_format == "days" and table.origin is None
        return replace(table, origin=general.origin) if relative else table

    return replace(
        parts,
        tables={name: dated(table) for name, table in parts.tables.items()},
        sources={path: dated(source) for path, source in parts.sources.items()},
        tasks={path: dated(task) for path, task in parts.tasks.items()},
    )


def _top_level_problems(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    keys = [field.name for field in fields(Settings)]
    for key, value in raw.items():
        if key not in keys:
            yield key, _unknown(key, keys)
        elif key in (*TABLES, "tasks") and not isinstance(value, dict):
            yield key, f"{value!r} should be a table"
    if raw.get("size", "small") not in ("small", "paper"):
        yield "size", f"{raw['size']!r} should be 'small' or 'paper'"
    if not raw.get("sources"):
        yield "sources", "missing; name at least one table of events in [[sources]]"


def _entries(value: Any, path: str, problems: Problems) -> dict[str, Any]:
    """The entries of an array of tables, by path."""
    if isinstance(value, list | tuple):
        return {f"{path}[{i}]": entry for i, entry in enumerate(value)}
    problems[path] = f"should be a list of tables: write [[{path}]] in double brackets"
    return {}


def _read_tables(kind: type, entries: dict[str, Any], problems: Problems) -> dict[str, Any]:
    tables = {path: _read_table(kind, path, entry, problems) for path, entry in entries.items()}
    return {path: table for path, table in tables.items() if table is not None}


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    """What reads tables of a kind; building one takes milliseconds, and a workspace file has dozens of tables."""
    from pydantic import ConfigDict, TypeAdapter

    # A dataclass takes no configuration from outside; a tuple around it does and passes it on.
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return TypeAdapter(tuple[kind], config=config)  # type: ignore[valid-type]


def _read_table(kind: type, path: str, value: Any, problems: Problems) -> Any:
    """Read one table into its dataclass; None if it has mistakes."""
    from pydantic import ValidationError

    if not isinstance(value, dict):
        problems[path] = f"{value!r} should be a table"
        return None
    quoted = {
        f"{path}.{key}": f"{value[key]!r} is text; {FIXES['datetime_type']}"
        for key, hint in get_type_hints(kind).items()
        if hint in (datetime, datetime | None) and isinstance(value.get(key), str)
    }
    beyond = {f"{path}.{key}": problem for key, instant in value.items() if (problem := _beyond_calendar(instant))}
    if beyond:
        problems |= beyond
        return None
    try:
        # Strict JSON takes lists for tuples and tables for dataclasses, as TOML has them, and converts nothing else.
        (table,) = _adapter(kind).validate_json(json.dumps([value], default=_plain))
    except ValidationError as error:
        problems |= _explain(kind, path, error.errors(include_url=False)) | quoted
        return None
    problems |= quoted
    return None if quoted else table


def _beyond_calendar(value: Any) -> str | None:
    """The problem of an instant outside findcli's calendar; None for any other value."""
    try:
        if isinstance(value, date):
            in_calendar(datetime.combine(value, time()) if not isinstance(value, datetime) else value)
    except ValueError as error:
        return str(error)
    return None


def _plain(value: Any) -> str:
    return to_utc(value).isoformat() if isinstance(value, date) else str(value)


def _explain(kind: type, path: str, errors: list[ErrorDetails]) -> Problems:
    """What pydantic says of a table, by the key's path."""
    problems = {}
    for error in errors:
        keys = error["loc"][1:]
        if error["type"] == "too_short" and error["input"]:  # it follows from a mistake inside
            continue
        problems[path + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)] = _say(kind, error)
    return problems


def _say(kind: type, error: ErrorDetails) -> str:
    key, value, code = str(error["loc"][-1]), error["input"], error["type"]
    if code == "unexpected_keyword_argument":
        return _unknown(key, [field.name for field in fields(kind)])
    if code == "missing":
        return f"missing; {_docs(kind)[key]}"
    reason = error["msg"].removeprefix("Input ").replace("Tuple", "the list")
    reason = reason.replace(" after validation, not 0", "") if code != "predicate_failed" else "is not a duration"
    fix = f"; {FIXES[code]}" if code in FIXES else ""
    return f"{value!r} {reason}{fix}"


def _unknown(key: str, keys: list[str]) -> str:
    near = get_close_matches(key, keys, n=1)
    return f"unknown key; did you mean {near[0]!r}?" if near else f"unknown key; the keys here are {', '.join(keys)}"


def _docs(kind: type) -> dict[str, str]:
    """The meaning of each key of a table."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        key: doc.documentation
        for key, hint in hints.items()
        for doc in getattr(hint, "__metadata__", ())
        if isinstance(doc, Doc)
    }


def render_settings(values: Mapping[str, Any], *, header: str, remarks: Remarks | None = None) -> str:
    """Write values as a commented findcli.toml.

    Args:
        values: valid nested tables of the file, where they differ from the defaults; None values are skipped.
        header: the comment at the top, one or more lines.
        remarks: comments below a key or table, by its path, such as "sources[0].time" or "profile"; "" is the end.
    """
    explained: set[str] = set()
    remarks = remarks or {}
    scalars = {"format": FORMAT, **({"size": values["size"]} if "size" in values else {})}
    blocks = [_comment(header), "\n".join(_lines(Settings, scalars, explained))]
    for key in [field.name for field in fields(Settings) if field.name in values and field.name not in scalars]:
        blocks += list(_blocks(key, values[key], explained, remarks))
    blocks += map(_comment, remarks.get("", ()))
    untouched = [_defaults(key, kind) for key, kind in TABLES.items() if key not in values]
    blocks += ["# Tables left at their defaults:", *untouched] if untouched else []
    return "\n\n".join(blocks) + "\n"


def _blocks(key: str, value: Any, explained: set[str], remarks: Remarks) -> Iterator[str]:
    """The blocks of lines that write one top-level key."""
    if key == "sources":
        for i, entry in enumerate(value):
            lines = _lines(Source, entry, explained, path=f"sources[{i}]", remarks=remarks)
            yield "\n".join(["[[sources]]", *lines])
    elif key == "tasks":
        yield from (
            "\n".join([f"[tasks.{_toml_key(name)}]", *_lines(Task, entry, explained)]) for name, entry in value.items()
        )
    else:
        plain = {k: v for k, v in value.items() if k not in ("aggregates", "ordered")}
        if plain or key != "profile":
            yield "\n".join([f"[{key}]", *_lines(TABLES[key], plain, explained, path=key, remarks=remarks)])
        if ordered := value.get("ordered"):
            title = f"[profile.ordered]  # {_docs(Profile)['ordered']}"
            yield "\n".join([title, *(f"{_toml_key(column)} = {_toml(levels)}" for column, levels in ordered.items())])
        yield from (
            "\n".join(["[[profile.aggregates]]", *_lines(Aggregate, a, explained)]) for a in value.get("aggregates", ())
        )


def _lines(
    kind: type, values: Mapping[str, Any], explained: set[str], *, path: str = "", remarks: Remarks | None = None
) -> list[str]:
    """`key = value` lines; a comment explains each key the first time it occurs, and remarks stand below it."""
    docs, lines = _docs(kind), []
    below = {key: list(map(_comment, lines)) for key, lines in (remarks or {}).items() if path}
    for key, value in values.items():
        if value is None:
            continue
        name = f"{kind.__name__}.{key}"
        lines.append(f"{key} = {_toml(value)}" + ("" if name in explained else f"  # {docs[key]}"))
        lines += below.pop(f"{path}.{key}", [])
        explained.add(name)
    for other in [key for key in below if key == path or key.startswith(f"{path}.")]:
        lines += below[other]
    return lines


def _defaults(key: str, kind: type) -> str:
    defaults = [
        f"{field.name} = {_toml(field.default)}" for field in fields(kind) if field.default not in (MISSING, None, ())
    ]
    return _comment(
        textwrap.fill(f"[{key}] {', '.join(defaults)}", 110, break_on_hyphens=False, subsequent_indent="  ")
    )


def _comment(text: str) -> str:
    plain = "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)
    return "\n".join(f"# {line}".rstrip() for line in plain.split("\n"))


def _toml(value: Any) -> str:
    import tomlkit

    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return str(table.as_string())
    return str(tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string())


def _toml_key(name: str) -> str:
    import tomlkit

    return tomlkit.key(name).as_string()
