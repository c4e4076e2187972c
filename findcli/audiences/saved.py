"""Saved audiences: `audiences/NAME/`, the users and a manifest that says how they were chosen, whole or not at all.

`users.parquet` holds user_id, score, probability, rank and group: null, or "target" or "control" of an experiment.
`manifest.json` is a `Record`. Saving the same demand again refreshes the audience; the log counts who entered and left.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from findcli import __version__
from findcli.audiences.conditions import Passed
from findcli.audiences.experiment.assign import grouped
from findcli.audiences.log import Action, add_entry, now
from findcli.audiences.manifest_details import answer_details, details_without, require_same_terms
from findcli.audiences.target import Audience
from findcli.errors import FindCLIError, first_line
from findcli.workspace.disk import bring_back, hash_file, locked, replacing_folder
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import as_json, read_manifest

FORMAT = 1
USERS, MANIFEST = "users.parquet", "manifest.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
GROUPS = ("target", "control")
FORGOTTEN = "were forgotten"


@dataclass(frozen=True, kw_only=True)
class Drop:
    """How many users were left out, and why, in words that a sentence can end with, such as "have objected"."""

    reason: str
    users: int


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many users there were at each step; None where the step is not known.

    Attributes:
        embedded: users with a history.
        passed: those who pass the filters, and so were ranked.
        selected: those in the list, a control group included.
    """

    embedded: int | None = None
    passed: int | None = None
    selected: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """The manifest of a saved audience.

    Attributes:
        demands: the sentences that were asked, one unless audiences were combined.
        made_by: "target", "union", "intersect" or "minus".
        sizes: how many users.
        reading: the sentences that the demand was read as.
        filters: the filters of the command and of the demand's own words, with how many users pass each.
        as_of: histories end before this instant, ISO 8601, UTC.
        model: the trained model: `folder`, and the digests of its runs by name.
        prompt: the learned prompt that ranked; None without one.
        drops: who was left out after ranking, in order.
        expected: for how many of the users the demand is expected to come true; None where that is not known.
        made_of: the audiences or files that were combined, in order.
        details: what other parts of findcli add, such as an experiment.
        created: when, ISO 8601 with zone.
        users_digest: of `users.parquet`.
        findcli: version that wrote it.
        format: version of the folder's form.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    demands: list[str]
    made_by: str
    sizes: Sizes
    reading: list[str] = field(default_factory=list)
    filters: list[dict[str, Any]] = field(default_factory=list)
    as_of: str | None = None
    model: dict[str, str] = field(default_factory=dict)
    prompt: str | None = None
    drops: list[Drop] = field(default_factory=list)
    expected: float | None = None
    made_of: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    users_digest: str = ""
    findcli: str = __version__
    format: int = FORMAT


@dataclass(frozen=True)
class Saved:
    """A saved audience, opened."""

    name: str
    folder: Path
    record: Record

    def users(self) -> pl.DataFrame:
        """user_id, score, probability, rank, group; best first.

        Raises:
            FindCLIError: the list cannot be read, or is not the one that the manifest speaks of.
        """
        path = self.folder / USERS
        hint = "save the audience again"
        if hash_file(path) != self.record.users_digest:
            raise FindCLIError(f"{path} is not the list that its manifest speaks of", hint=hint)
        try:
            return pl.read_parquet(path, glob=False)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise FindCLIError(f"{path} cannot be read: {first_line(error)}", hint=hint) from error


@dataclass(frozen=True)
class Change:
    """What saving an audience changed.

    Attributes:
        saved: the audience as it is now.
        entered: users who were not in it before; all of a new one.
        left: users who were.
    """

    saved: Saved
    entered: int
    left: int


def audience_folder(workspace: Workspace, name: str) -> Path:
    """The folder of an audience.

    Raises:
        FindCLIError: the name is not valid.
    """
    if not NAME.fullmatch(name):
        hint = "use letters, digits, - and _, such as phone-renters"
        raise FindCLIError(f"{name!r} is not a valid audience name", hint=hint)
    return workspace.audiences / name


def list_audiences(workspace: Workspace) -> list[Saved]:
    """The saved audiences, sorted by name.

    Raises:
        FindCLIError: one of them cannot be read.
    """
    return list(_all(workspace))


def _all(workspace: Workspace) -> Iterator[Saved]:
    names = {path.name.removeprefix(".").removesuffix(".old") for path in workspace.audiences.glob("*")}
    for name in sorted(name for name in names if NAME.fullmatch(name)):
        bring_back(workspace.audiences / name, holding=MANIFEST)
        if (workspace.audiences / name / MANIFEST).is_file():
            yield open_audience(workspace, name)


def open_audience(workspace: Workspace, name: str) -> Saved:
    """Open a saved audience; its users are read when they are asked for.

    Raises:
        FindCLIError: there is none of this name, or its manifest cannot be read.
    """
    from pydantic import TypeAdapter, ValidationError

    folder = audience_folder(workspace, name)
    bring_back(folder, holding=MANIFEST)
    path = folder / MANIFEST
    if not path.is_file():
        names = ", ".join(saved.name for saved in _all(workspace)) or "none"
        hint = f'audiences here: {names}; save one with: findcli target "SENTENCE" --save {name}'
        raise FindCLIError(f"there is no audience {name!r} in this workspace", hint=hint)
    try:
        record = TypeAdapter(Record).validate_json(path.read_bytes(), strict=True)
    except (ValidationError, OSError) as error:
        hint = f"remove the folder {folder} and save the audience again"
        raise FindCLIError(f"{path} cannot be read: {first_line(error)}", hint=hint) from error
    if record.format != FORMAT:
        hint = "save the audience again"
        raise FindCLIError(f"{folder} is of format {record.format}; this findcli reads {FORMAT}", hint=hint)
    return Saved(name, folder, record)


def save_audience(
    workspace: Workspace, name: str, users: pl.DataFrame, record: Record, *, overwrite: bool = False
) -> Change:
    """Save users under a name, with a manifest, and add a line to the log.

    Args:
        workspace: where.
        name: letters, digits, - and _.
        users: user_id, and score, probability, rank and group where they are known.
        record: how they were chosen; `sizes.selected` has to be their number.
        overwrite: replace an audience of this name even if it answers another demand.

    Raises:
        FindCLIError: the name is not valid, or it is the name of an audience that answers another demand.
        ValueError: the record speaks of another number of users, or a user occurs twice.
    """
    folder, table = audience_folder(workspace, name), _shaped(users)
    if record.sizes.selected != len(table):
        raise ValueError(f"the record says {record.sizes.selected} users, the list has {len(table)}")
    if not table["user_id"].is_unique().all():
        raise ValueError("a user occurs twice in the list")
    before = _before(workspace, name, record, overwrite=overwrite)
    written = _write(folder, table, replace(record, created=now(), findcli=__version__))
    entered, left = _difference(table["user_id"], before)
    action: Action = "combined" if record.made_by != "target" else "saved" if before is None else "refreshed"
    add_entry(
        workspace, action, name, len(table), entered=entered, left=left, digest=written.users_digest,
        as_of=written.as_of, demands=written.demands, **({"made_of": record.made_of} if record.made_of else {}),
    )  # fmt: skip
    return Change(open_audience(workspace, name), entered, left)


def save_target(
    workspace: Workspace,
    name: str,
    audience: Audience,
    *,
    model: Workspace | None = None,
    drops: Sequence[Drop] = (),
    details: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Change:
    """Save the answer of `findcli target`; other arguments and errors as for `save_audience`.

    Args:
        workspace: where.
        name: its name.
        audience: the answer; users whom an experiment holds out are saved as its control group.
        model: the workspace whose model ranked; default: `workspace`.
        drops: who was left out after ranking, in order.
        details: what else the manifest should say.
        overwrite: replace an audience that answers another demand.
    """
    users = grouped(audience.selected, audience.held_out)
    both = {**answer_details(workspace, audience), **(details or {})}
    record = record_of(workspace, audience, model=model, drops=drops, details=both)
    record = replace(record, sizes=replace(record.sizes, selected=len(users)))
    return save_audience(workspace, name, users, record, overwrite=overwrite)


def require_saveable(
    workspace: Workspace, name: str, demand: str, *, details: dict[str, Any], overwrite: bool = False
) -> None:
    """Refuse, before any work is done, a name that is not valid or belongs to an audience of another demand or purpose.

    Raises:
        FindCLIError: it is one of these.
    """
    record = Record(demands=[demand], made_by="target", sizes=Sizes(selected=0), details=details)
    _before(workspace, name, record, overwrite=overwrite)


def record_of(
    workspace: Workspace,
    audience: Audience,
    *,
    model: Workspace | None = None,
    drops: Sequence[Drop] = (),
    details: Mapping[str, Any] | None = None,
) -> Record:
    """What the manifest says of an answer of `findcli target`; arguments as for `save_target`."""
    how, selected = audience.rewriting, audience.selected
    gross = audience.embedded if audience.counts is None else audience.counts.gross
    filters: list[Passed] = [*([] if audience.where is None else [audience.where]), *audience.conditions]
    probabilities = selected["probability"]
    return Record(
        demands=[audience.demand],
        made_by="target",
        sizes=Sizes(
            embedded=gross,
            passed=len(audience.ranking),
            selected=len(selected),
        ),
        reading=[text for text, _ in audience.nearest] if how is None or not how.clauses else [how.expression],
        filters=as_json([asdict(each) for each in filters]),
        as_of=f"{audience.as_of.isoformat()}+00:00",
        model=_model(model or workspace),
        prompt=audience.prompt,
        drops=list(drops),
        expected=None if probabilities.null_count() else _expected(audience),
        details=as_json({"asked": audience.asked, **(details or {})}),
    )


def _expected(audience: Audience) -> float:
    """As `findcli target` says it: corrected where that was measured."""
    return float(audience.selected["probability"].sum()) if audience.size is None else audience.size.responders


def remove_audience(workspace: Workspace, name: str) -> None:
    """Remove an audience; the log keeps that it was there.

    Raises:
        FindCLIError: there is none of this name.
    """
    saved = open_audience(workspace, name)
    with locked(saved.folder):
        shutil.rmtree(saved.folder)
    add_entry(workspace, "removed", name, saved.record.sizes.selected, digest=saved.record.users_digest)


def without_users(workspace: Workspace, saved: Saved, users: Collection[str]) -> int:
    """Take users who were forgotten, ids as text, out of a saved audience; how many there were.

    The manifest counts them among those left out, so that its sizes still add up.
    """
    table = saved.users()
    kept = table.filter(~pl.col("user_id").cast(pl.String).is_in(list(users)))
    gone = len(table) - len(kept)
    if gone:
        record, known = saved.record, saved.record.expected is not None
        reached = (each.filter(pl.col("group").ne_missing("control")) for each in (table, kept))
        before, after = (float(each["probability"].sum()) for each in reached)
        drop = Drop(reason=FORGOTTEN, users=gone + sum(d.users for d in record.drops if d.reason == FORGOTTEN))
        changed = replace(
            record,
            sizes=replace(record.sizes, selected=len(kept)),
            drops=[*(d for d in record.drops if d.reason != FORGOTTEN), drop],
            expected=float(record.expected or 0) * after / max(before, 1e-9) if known else None,
            details=details_without(record.details, table.filter(~pl.col("user_id").is_in(kept["user_id"].implode()))),
        )
        digest = _write(saved.folder, kept, changed).users_digest
        add_entry(workspace, "forgotten", saved.name, len(kept), entered=0, left=gone, digest=digest)
    return gone


def _write(folder: Path, table: pl.DataFrame, record: Record) -> Record:
    """Write a list and its manifest, whole or not at all; the manifest as it was written."""
    with replacing_folder(folder, holding=MANIFEST) as draft:
        table.write_parquet(draft / USERS)
        written = replace(record, users_digest=hash_file(draft / USERS))
        plain = json.dumps(as_json(asdict(written)), indent=1, sort_keys=True, ensure_ascii=False)
        (draft / MANIFEST).write_text(plain, encoding="utf-8")
    return written


def _model(trained: Workspace) -> dict[str, str]:
    manifests = {name: read_manifest(trained.run(name)) for name in ("aligned", "text")}
    digests = {name: manifest.digest() for name, manifest in manifests.items() if manifest is not None}
    return {"folder": str(trained.folder), **digests}


def _shaped(users: pl.DataFrame) -> pl.DataFrame:
    """The columns of `users.parquet`, null where they are not known.

    Raises:
        ValueError: a group is neither "target" nor "control".
    """
    kinds = {"score": pl.Float64, "probability": pl.Float64, "rank": pl.Int64, "group": pl.String}
    columns = [pl.col(name) if name in users.columns else pl.lit(None).alias(name) for name in kinds]
    table = users.select("user_id", *(column.cast(kinds[name]) for name, column in zip(kinds, columns, strict=True)))
    if strange := set(table["group"].drop_nulls()) - set(GROUPS):
        raise ValueError(f"groups are {GROUPS}, not {sorted(strange)}")
    return table


def _before(workspace: Workspace, name: str, record: Record, *, overwrite: bool) -> pl.Series | None:
    """The users of the audience that is replaced; None where there is none.

    Raises:
        FindCLIError: it answers another demand.
    """
    folder = audience_folder(workspace, name)
    bring_back(folder, holding=MANIFEST)
    if not (folder / MANIFEST).is_file():
        return None
    saved = open_audience(workspace, name)
    same = (saved.record.demands, saved.record.made_by) == (record.demands, record.made_by)
    if not same and not overwrite:
        asked = "; ".join(saved.record.demands) or saved.record.made_by
        hint = "choose another name, or replace it with --overwrite"
        raise FindCLIError(f"the audience {name!r} is saved already, for another demand: {asked}", hint=hint)
    if same and not overwrite:
        require_same_terms(name, saved.record.details, record.details)
    return saved.users()["user_id"]


def _difference(users: pl.Series, before: pl.Series | None) -> tuple[int, int]:
    """How many entered and left; ids of another type are compared as text."""
    if before is None:
        return len(users), 0
    here, there = users.cast(pl.String), before.cast(pl.String)
    stayed = int(here.is_in(there.implode()).sum())
    return len(here) - stayed, len(there) - stayed
