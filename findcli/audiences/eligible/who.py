"""Who may be ranked at all: first those who object or did not agree are left out, then those who are named.

All of it is decided before scoring: whom this leaves out is not scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from findcli.audiences.eligible.consent import agreed_and_objecting, require_purpose
from findcli.audiences.eligible.counts import Drop, Kind
from findcli.audiences.eligible.listed import Listed, read_listed
from findcli.audiences.prompts.store import prompt_seeds
from findcli.data.forgotten import known
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

Out = tuple[Kind, str, np.ndarray]  # the kind and words of a reason, and whom it leaves out, bool (N,)


@dataclass(frozen=True, kw_only=True)
class WhoNot:
    """Whom to leave out.

    Attributes:
        purpose: what the audience is for, one of those in [consent]; needed where there are any.
        exclude: files whose users are left out.
        keep_seeds: rank the seeds of a learned prompt too.
    """

    purpose: str | None = None
    exclude: tuple[Path, ...] = ()
    keep_seeds: bool = False


@dataclass(frozen=True)
class Eligible:
    """Who may be ranked.

    Attributes:
        kept: bool (N,).
        drops: who may not, and why.
        warnings: what to know before trusting a list.
    """

    kept: np.ndarray
    drops: tuple[Drop, ...] = ()
    warnings: tuple[str, ...] = ()


def who_may_be_ranked(
    workspace: Workspace, users: pl.Series, who_not: WhoNot | None = None, *, prompt: str | None = None
) -> Eligible:
    """Decide who may be ranked.

    Args:
        workspace: has the table of consent and the prompt.
        users: N ids.
        who_not: whom to leave out; default: who did not agree, and the prompt's seeds.
        prompt: the name of a learned prompt that ranks; None without one.

    Raises:
        FindCLIError: the purpose is missing or unknown, a table cannot be read, or nobody is left.
    """
    asked, warnings = who_not or WhoNot(), list[str]()
    out: list[Out] = [*_forgotten(workspace, users), *_by_consent(workspace, users, asked.purpose)]
    lists = [read_listed(path, users, workspace) for path in asked.exclude]
    out += [("excluded", _named(each), each.names) for each in lists]
    warnings += [each.warning for each in lists if each.warning is not None]
    if prompt is not None and not asked.keep_seeds:
        seeds = prompt_seeds(workspace, prompt, users)
        if seeds is None:
            warnings.append(f"the prompt {prompt} does not remember its seeds; tune it again to leave them out")
        else:
            out.append(("seeds", f"are seeds of the prompt {prompt}", seeds))
    kept, drops = np.ones(len(users), bool), []
    for kind, reason, left_out in out:
        drops.append(Drop(kind, reason, int((kept & left_out).sum())))
        kept &= ~left_out
    if not kept.any():
        listed = "; ".join(f"{drop.users:,} {drop.reason}" for drop in drops if drop.users)
        raise FindCLIError(f"nobody may be ranked: {listed}", hint="exclude fewer users, or name another purpose")
    return Eligible(kept, tuple(drops), tuple(warnings))


def _forgotten(workspace: Workspace, users: pl.Series) -> Iterator[Out]:
    forgotten = ~known(workspace, users).to_numpy()
    if forgotten.any():
        yield "forgotten", "were forgotten", forgotten


def _by_consent(workspace: Workspace, users: pl.Series, purpose: str | None) -> Iterator[Out]:
    consent = workspace.settings.consent
    if consent.path is None and purpose is None:
        return
    require_purpose(consent, purpose)
    agreed, objecting = agreed_and_objecting(workspace, users, purpose)
    if consent.objection is not None:
        yield "objection", "object to marketing", objecting
    if purpose is not None:
        yield "consent", f"did not agree to {purpose}", ~agreed


def _named(listed: Listed) -> str:
    strangers = f" ({listed.strangers:,} of its {listed.ids:,} ids are no users here)" if listed.strangers else ""
    return f"are named in {listed.name}{strangers}"
