"""The benchmark on Complete Journey: one workspace per salt, made and trained if it is missing.

Tuning has splits of its own: an earlier test date, no user that the official split holds out, no row from the official
test date on, no held-out category of the official split in sentences or figures, and the same tasks as of that date.

Tested in tests/evaluation/benchmark/test_run.py.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from findcli import pipeline
from findcli.data.splits import held_out
from findcli.datasets import complete_journey
from findcli.datasets.complete_journey import AS_OF
from findcli.errors import FindCLIError
from findcli.progress import Progress, no_progress
from findcli.workspace.folder import FILE, Workspace, load_workspace, write_settings

TUNING_DATE = date(2017, 8, 28)
TUNING_CAMPAIGN = 13  # the one that runs at that date; d1 is about the redemptions still to come
TUNING_SALTS = ("tune-0", "tune-1", "tune-2")
OFFICIAL = ""
RESERVED = (OFFICIAL, "1", "2", "3", "4")
ONE_IN = 5
HELD_OUT_FILE = "held-out-categories.txt"
HEADER = """\
Complete Journey for tuning: an earlier test date, without the users and the outcomes of the official split.
Its held-out categories are those of this salt and of the official split, which may name no training sentence."""


def journey_workspace(root: Path, salt: str, *, tune: bool = False, users: int | None = None) -> Workspace:
    """The workspace of one salt, made if it is missing.

    Args:
        root: the folder of the workspaces.
        salt: of the split.
        tune: whether it is for tuning.
        users: number of households to keep; default: all.

    Raises:
        FindCLIError: the package with the data is not installed, or the salt is reserved for claims
            and cannot be tuned on.
    """
    if tune and salt in RESERVED:
        hint = f"tune on others, such as {', '.join(TUNING_SALTS)}"
        raise FindCLIError(f"the salt {salt!r} is one of those that claims are made on", hint=hint)
    folder = root / folder_name(salt, tune=tune, users=users)
    if not (folder / FILE).is_file():
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=root, prefix=".new-") as scratch:  # one without its cuts must never be found
            made = Path(scratch) / folder.name
            complete_journey.create(made, salt=salt, users=users)
            if tune:
                _make_tuning(made, salt)
            made.rename(folder)
    return load_workspace(folder)


def folder_name(salt: str, *, tune: bool, users: int | None) -> str:
    """The folder name of a salt's workspace, such as salt-none, salt-1 or tuning-tune-0-500-users."""
    kind = "tuning" if tune else "salt"
    return f"{kind}-{salt or 'none'}" + (f"-{users}-users" if users is not None else "")


def train(
    workspace: Workspace,
    *,
    device: str = "auto",
    progress_for: Callable[[str], AbstractContextManager[Progress]] = lambda _: nullcontext(no_progress),
) -> None:
    """Bring every stage up to date, and embed the users as of the test date."""
    pipeline.run(workspace, as_of=workspace.train_until, device=device, progress_for=progress_for)


def official_categories(workspace: Workspace) -> set[str]:
    """The categories that the official split holds out: tuning neither evaluates nor trains on them."""
    names = pl.read_parquet(workspace.path("data/transactions.parquet"), columns=["product_category"]).to_series()
    return _held_out(names)


def salts_of(wanted: str | None, *, tune: bool) -> Sequence[str]:
    """The salts of a comma-separated list such as ",1,2"; default: the official salt, or those for tuning."""
    if wanted is None:
        return TUNING_SALTS if tune else (OFFICIAL,)
    return tuple(dict.fromkeys(salt.strip().strip('"') for salt in wanted.split(",")))


def _held_out(names: pl.Series) -> set[str]:
    return {str(name) for name in held_out("category", names.unique(), salt=OFFICIAL, one_in=ONE_IN)}


def _make_tuning(folder: Path, salt: str) -> None:
    """Cut the official split out of a new workspace and set the earlier test date."""
    for path in sorted((folder / "data").glob("*.parquet")):
        table = pl.read_parquet(path)
        official = held_out("user", table["household_id"].unique(), salt=OFFICIAL, one_in=ONE_IN)
        kept = table.filter(~pl.col("household_id").is_in(list(official)), pl.col("time") < AS_OF)
        kept.write_parquet(path)
    names = pl.read_parquet(folder / "data" / "transactions.parquet")["product_category"].unique()
    held = _held_out(names) | {str(name) for name in held_out("category", names, salt=salt, one_in=ONE_IN)}
    (folder / HELD_OUT_FILE).write_text("\n".join(sorted(held)) + "\n", encoding="utf-8")
    raw: dict[str, Any] = tomllib.loads((folder / FILE).read_text(encoding="utf-8"))
    households = pl.read_parquet(folder / "data" / "transactions.parquet")["household_id"].unique()
    as_of = datetime.combine(TUNING_DATE, time())
    for name, labels in complete_journey.task_labels(as_of=as_of, until=AS_OF, campaign=TUNING_CAMPAIGN).items():
        labels.filter(pl.col("user_id").is_in(households.implode())).write_parquet(
            folder / "data" / "tasks" / f"{name}.parquet"
        )
        raw["tasks"][name]["as_of"] = TUNING_DATE
    raw["tasks"]["d1"]["title"] = f"redeems campaign {TUNING_CAMPAIGN}"
    raw["windows"]["train_until"] = TUNING_DATE
    raw["split"]["categories_file"] = HELD_OUT_FILE
    (folder / FILE).unlink()
    write_settings(folder, raw, header=HEADER)
