"""`findcli export`: an audience as a file of one's own, or of hashed contacts for an advertising platform.

Whoever is in a control group or was forgotten is in no file. A value that a platform would not take is left out and
counted, and so is a row without any identifier; neither stops the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from findcli.audiences.eligible.consent import agreed_and_objecting, require_purpose
from findcli.audiences.eligible.size import require_size
from findcli.audiences.experiment.assign import running
from findcli.audiences.export import WRITERS, require_writable
from findcli.audiences.handoff.contacts import read_contacts
from findcli.audiences.handoff.normalise import country_code, hashed
from findcli.audiences.handoff.platforms import PLATFORMS, Column, Identifier, Platform
from findcli.audiences.lists import UserList, open_list
from findcli.audiences.log import add_entry
from findcli.audiences.saved import FORGOTTEN, Drop
from findcli.data.forgotten import known
from findcli.errors import FindCLIError
from findcli.workspace.disk import hash_file, replacing
from findcli.workspace.folder import Workspace
from findcli.workspace.objects import shown

PLAIN = tuple(ending.removeprefix(".") for ending in WRITERS)
FORMATS = (*PLATFORMS, *PLAIN)
PLATFORM_ENDINGS = (".csv", ".txt")
OBJECTS, NO_CONSENT = "object to marketing", "did not agree to {}"
CONTROL = "are in the control group"
NO_ROW, NO_IDENTIFIER = "have no row in the table of contacts", "have no identifier that can be used"


@dataclass(frozen=True, kw_only=True)
class HandedOn:
    """What an export wrote.

    Attributes:
        audience: the audience's name, or the file.
        format: the platform, or csv, parquet or jsonl.
        listed: users of the audience.
        drops: who was left out, in order, with the reason.
        users: users in the file: `listed` without the drops.
        rows: rows of the file, header aside; a user with several contacts may have several.
        values: how many values of each field the file holds.
        bad: how many values of each field were left out because the platform would not take them.
        warnings: what to know before the file is handed on.
    """

    audience: str
    format: str
    listed: int
    drops: list[Drop]
    users: int
    rows: int
    values: dict[str, int] = field(default_factory=dict)
    bad: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def format_of(path: Path, name: str | None) -> str:
    """The format of an export: the one that is named, or that of the file's extension.

    Raises:
        FindCLIError: there is no such format, none can be told, or the extension says another.
    """
    ending = path.suffix.lower().removeprefix(".")
    if name is None and ending in PLAIN:
        return ending
    if name is None or name not in FORMATS:
        what = f"{path} does not say which format it is of" if name is None else f"there is no format {name!r}"
        raise FindCLIError(what, hint=f"use --format with one of {', '.join(FORMATS)}")
    if name in PLAIN and ending != name:
        raise FindCLIError(f"{path} is not named as a {name} file", hint=f"name a file that ends in .{name}")
    return name


def export(
    workspace: Workspace,
    audience: str,
    output: Path,
    *,
    name: str | None = None,
    by: Identifier = "email",
    force: bool = False,
    dry_run: bool = False,
    least: int | None = None,
    purpose: str | None = None,
) -> HandedOn:
    """Write an audience to a file, whole or not at all, and add a line to the log.

    Args:
        workspace: of the audience and of [contacts].
        audience: a saved audience, or a file with a column `user_id`.
        output: the file.
        name: a platform, or "csv", "parquet" or "jsonl"; default: by the file's extension.
        by: which identifier a file of X holds.
        force: overwrite even a file that the workspace reads.
        dry_run: count, and write nothing.
        least: how many users there have to be in the file; default: any number.
        purpose: what the file is for, where [consent] has purposes; default: what the audience was chosen for.

    Raises:
        FindCLIError: there is no such audience or format, the file cannot be written or would hold fewer users than
            asked for, no purpose is known where [consent] has some, or [contacts] lacks what the platform needs.
    """
    form = format_of(output, name)
    endings = (f".{form}",) if form in PLAIN else PLATFORM_ENDINGS
    require_writable(output, workspace=workspace, force=force, endings=endings)
    opened = open_list(workspace, audience)
    users, drops = _admitted(workspace, opened, purpose)
    if form in PLAIN:
        table = users.drop("group", strict=False)
        done = _result(opened, form, drops, users=len(table), rows=len(table))
    else:
        platform = _narrowed(PLATFORMS[form], by) if form == "x" else PLATFORMS[form]
        table, done = _for_platform(workspace, opened, platform, form, users, drops)
    if least is not None:
        require_size(done.users, least)
    others = held_out_elsewhere(workspace, opened, users["user_id"])
    done = replace(done, warnings=[*done.warnings, *others])
    if not dry_run:
        digest = _write(table, output, form)
        add_entry(
            workspace, "exported", opened.name, done.users, format=form, file=shown(output), rows=done.rows,
            digest=digest, audience_digest=opened.digest, drops={d.reason: d.users for d in done.drops},
        )  # fmt: skip
    return done


def _admitted(workspace: Workspace, opened: UserList, purpose: str | None) -> tuple[pl.DataFrame, list[Drop]]:
    """The users who may be in a file, and how many may not."""
    users, drops = opened.users, []
    if "group" in users.columns:
        kept = users.filter(pl.col("group").ne_missing("control"))
        drops.append(Drop(reason=CONTROL, users=len(users) - len(kept)))
        users = kept
    if purpose is None and opened.record is not None:
        purpose = opened.record.details.get("purpose")
    require_purpose(workspace.settings.consent, purpose)
    # As of now, not of when the audience was saved.
    agreed, objecting = agreed_and_objecting(workspace, users["user_id"], purpose)
    for reason, admitted in ((OBJECTS, ~objecting), (NO_CONSENT.format(purpose), agreed | objecting)):
        drops.append(Drop(reason=reason, users=int((~admitted).sum())))
    users = users.filter(pl.Series(agreed & ~objecting))
    remembered = users.filter(known(workspace, users["user_id"]))
    drops.append(Drop(reason=FORGOTTEN, users=len(users) - len(remembered)))
    return remembered, drops


def held_out_elsewhere(workspace: Workspace, opened: UserList, users: pl.Series) -> list[str]:
    """Warnings of users whom other experiments hold out: reaching them blurs what those will show."""
    chosen_for = {} if opened.record is None else opened.record.details.get("experiment", {})
    warnings = []
    for experiment in running(workspace):
        held = int(experiment.held_out(workspace, users).sum())
        if held and experiment.name != chosen_for.get("name"):
            warnings.append(
                f"{held:,} of these users are held out of the experiment {experiment.name}: "
                "reaching them for the same thing blurs what it will show"
            )
    return warnings


def _for_platform(
    workspace: Workspace, opened: UserList, platform: Platform, form: str, users: pl.DataFrame, drops: Sequence[Drop]
) -> tuple[pl.DataFrame, HandedOn]:
    ids = users["user_id"].cast(pl.String)
    contacts = pl.DataFrame({"user_id": ids}).join(
        read_contacts(workspace, ids), on="user_id", how="inner", maintain_order="left"
    )
    chosen = _columns(platform, contacts, workspace.settings.contacts.path)
    prepared = _prepared(contacts, chosen, platform, workspace.settings.contacts.region)
    bad = _count(chosen, contacts, prepared)
    usable = prepared.filter(_identified(chosen, platform)).unique(maintain_order=True)
    with_row, written = contacts["user_id"].n_unique(), usable["user_id"].n_unique()
    drops = [
        *drops,
        Drop(reason=NO_ROW, users=len(ids) - with_row),
        Drop(reason=NO_IDENTIFIER, users=with_row - written),
    ]
    table = usable.drop("user_id").unique(maintain_order=True)
    if form == "x":
        stacked = [table[key] for key in chosen]
        table = pl.concat(stacked).drop_nulls().unique(maintain_order=True).to_frame()
    values = {key: len(table) - table[key].null_count() for key in table.columns}
    done = _result(opened, form, drops, users=written, rows=len(table), values=_by_field(values), bad=bad)
    return table, _with_warnings(done, platform)


def _narrowed(platform: Platform, by: Identifier) -> Platform:
    columns = tuple(column for column in platform.columns if column.field == by)
    return Platform(title=platform.title, columns=columns, identifiers=(by,), header=False, note=platform.note)


def _columns(platform: Platform, contacts: pl.DataFrame, path: str | None) -> dict[str, Column]:
    """The columns of the file by the contacts' columns that they are made of.

    Raises:
        FindCLIError: [contacts] names none of the platform's identifiers.
    """
    keys = {
        column: [k for k in contacts.columns if k.rpartition(" ")[0] == column.field] for column in platform.columns
    }
    chosen = {key: column for column, several in keys.items() for key in several}
    present = {column.field for column in chosen.values()}
    if not present & set(platform.identifiers) and not (platform.address and present >= set(platform.address)):
        wanted = " or ".join(platform.identifiers)
        hint = f"name the column of {path} that holds one: {platform.identifiers[0]} = [...] in [contacts]"
        raise FindCLIError(f"{platform.title} needs {wanted}, and [contacts] names no column of it", hint=hint)
    return chosen


def _prepared(
    contacts: pl.DataFrame, chosen: dict[str, Column], platform: Platform, region: str | None
) -> pl.DataFrame:
    """user_id and the values of the file, null where a value cannot be used; half an address is none."""
    country = pl.lit(region, pl.String)
    if "country 1" in contacts.columns:
        country = pl.coalesce(country_code(pl.col("country 1"), country), country)
    values = {
        key: hashed(pl.col(key), column.rule, country) if column.hashed else column.rule(pl.col(key), country)
        for key, column in chosen.items()
    }
    prepared = contacts.select("user_id", **values)
    address = [key for key, column in chosen.items() if column.field in platform.address]
    if not address:
        return prepared
    whole = _is_whole(address, platform)
    return prepared.with_columns(pl.when(whole).then(pl.col(key)).alias(key) for key in address)


def _is_whole(address: Sequence[str], platform: Platform) -> pl.Expr:
    complete = len({key.rpartition(" ")[0] for key in address}) == len(platform.address)
    return pl.all_horizontal(pl.col(key).is_not_null() for key in address) & complete


def _identified(chosen: dict[str, Column], platform: Platform) -> pl.Expr:
    """Rows with an identifier, or with a whole address: half of one was taken out before."""
    wanted = {*platform.identifiers, *platform.address[:1]}
    return pl.any_horizontal(pl.col(key).is_not_null() for key, column in chosen.items() if column.field in wanted)


def _count(chosen: dict[str, Column], contacts: pl.DataFrame, prepared: pl.DataFrame) -> dict[str, int]:
    """Values that are there and not in the file, by field."""
    return _by_field({key: int((contacts[key].is_not_null() & prepared[key].is_null()).sum()) for key in chosen})


def _by_field(counts: dict[str, int]) -> dict[str, int]:
    fields: dict[str, int] = {}
    for key, count in counts.items():
        name = key.rpartition(" ")[0]
        fields[name] = fields.get(name, 0) + count
    return fields


def _result(
    opened: UserList,
    form: str,
    drops: Sequence[Drop],
    *,
    users: int,
    rows: int,
    values: dict[str, int] | None = None,
    bad: dict[str, int] | None = None,
) -> HandedOn:
    return HandedOn(
        audience=opened.name, format=form, listed=len(opened.users), drops=[d for d in drops if d.users], users=users,
        rows=rows, values=values or {}, bad={name: n for name, n in (bad or {}).items() if n},
    )  # fmt: skip


def _with_warnings(done: HandedOn, platform: Platform) -> HandedOn:
    warnings = []
    if done.users < platform.least:
        warnings.append(
            f"{platform.title} wants at least {platform.least:,} users who match; {done.users:,} are in the file, "
            "and only some of them will"
        )
    if platform.most is not None and done.rows > platform.most:
        warnings.append(f"{platform.title} takes at most {platform.most:,} rows; the file has {done.rows:,}")
    warnings += [platform.note] if platform.note else []
    return HandedOn(**{**vars(done), "warnings": warnings})


def _write(table: pl.DataFrame, output: Path, form: str) -> str:
    """Write the file, and say the digest of its bytes."""
    if form in PLAIN:
        with replacing(output) as draft:
            WRITERS[f".{form}"](table, draft)
            return hash_file(draft)
    platform = PLATFORMS[form]
    headers = {column.field: column.header for column in platform.columns}
    first = ",".join(headers[key.rpartition(" ")[0]] for key in table.columns) + "\n" if platform.header else ""
    with replacing(output) as draft, draft.open("wb") as stream:
        stream.write(first.encode())
        table.write_csv(stream, include_header=False)  # never escaped: a plain phone number begins with a plus
        stream.flush()
        return hash_file(draft)
