"""What sets an audience apart from the others who were ranked: what more or fewer of its users did, and who they are.

An audience was chosen by what its users did, so this describes it and tests nothing about them: it is no cause of
anything. Shares are compared as a ratio with an interval (Katz), false discoveries are controlled within what users did
and within who they are (Benjamini and Hochberg 1995), and a difference is left out that few users or little make.

Legend: N users, C things that are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.stats import chi2_contingency, false_discovery_control
from scipy.stats.contingency import relative_risk

from findcli.data.profiles import profile_columns, profiles_as_of
from findcli.scoring.engine import Engine
from findcli.scoring.scores import QueryScorer

FEWEST = 20  # users in the audience, and among the others, of whom it must be so
LEAST = 1.2  # times as often, or as rarely, as the others
DISCOVERY = 0.05  # share of what is shown that chance may have made
CONFIDENCE = 0.9
SHOWN = 5
DID, ARE = "did", "are"


@dataclass(frozen=True)
class Mark:
    """Something that is so of more, or of fewer, of an audience's users than of the others.

    Attributes:
        kind: "did", of the history window, or "are", by the profile.
        what: the sentence of an event, or a column and its value.
        users: how many of the audience.
        share: of the audience.
        others: share of the others.
        ratio: of the two shares.
        low: the ratio's 90 % interval.
        high: the ratio's 90 % interval.
    """

    kind: str
    what: str
    users: int
    share: float
    others: float
    ratio: float
    low: float
    high: float


def sets_apart(engine: Engine, ranked: pl.Series, chosen: pl.Series, *, shown: int = SHOWN) -> list[Mark]:
    """What sets some of the ranked users apart from the others.

    Args:
        engine: of the users.
        ranked: the ids of all who were ranked.
        chosen: the ids of the audience.
        shown: at most so many of each kind, those first that chance explains least.

    Returns:
        Nothing if there are no others, or too few.
    """
    among = engine.users.is_in(ranked.implode()).to_numpy()
    inside = engine.users.is_in(chosen.implode()).to_numpy()
    outside = among & ~inside
    marks = []
    for kind, names, holds in (_did(engine), _are(engine)):
        marks += compare(kind, names, holds[inside], holds[outside])[:shown]
    return marks


def compare(kind: str, names: Sequence[str], inside: np.ndarray, outside: np.ndarray) -> list[Mark]:
    """The marks of one family of things, those first that chance explains least.

    Args:
        kind: of the marks.
        names: of the C things.
        inside: of whom in the audience each is so, bool (n, C).
        outside: of whom of the others, bool (m, C).
    """
    users, others = inside.sum(0), outside.sum(0)
    n, m = len(inside), len(outside)
    tested = np.flatnonzero((np.minimum(users, others) >= FEWEST) & ((users < n) | (others < m)))
    if not len(tested):
        return []
    tables = [[[users[i], n - users[i]], [others[i], m - others[i]]] for i in tested]
    tests = [chi2_contingency(table) for table in tables]
    chances = false_discovery_control([test.pvalue for test in tests])
    marks = []
    for i, chance, _ in sorted(zip(tested.tolist(), chances, tests, strict=True), key=lambda each: -each[2].statistic):
        ratio = (users[i] / n) / (others[i] / m)
        if chance <= DISCOVERY and abs(np.log(ratio)) >= np.log(LEAST):
            risk = relative_risk(int(users[i]), n, int(others[i]), m)
            low, high = risk.confidence_interval(CONFIDENCE)
            shares = float(users[i] / n), float(others[i] / m)
            marks.append(Mark(kind, names[i], int(users[i]), *shares, float(ratio), float(low), float(high)))
    return marks


def _did(engine: Engine) -> tuple[str, list[str], np.ndarray]:
    """Who met each concept in the history window."""
    if not isinstance(engine.scorer, QueryScorer):
        return DID, [], np.zeros((len(engine.users), 0), bool)
    snapshot = engine.scorer.snapshot
    latest = snapshot.habits.sums["latest"]
    often = np.flatnonzero(np.bincount(latest.indices, minlength=latest.shape[1]) >= 2 * FEWEST)
    return DID, snapshot.texts.gather(often).to_list(), latest[:, often].toarray() > 0


def _are(engine: Engine) -> tuple[str, list[str], np.ndarray]:
    """Who has each value of the profile's columns of words."""
    workspace = engine.workspace
    profile = replace(workspace.settings.profile, aggregates=())
    reduced = replace(workspace, settings=replace(workspace.settings, profile=profile))
    columns = [column.name for column in profile_columns(profile) if column.kind != "numeric"]
    if not columns:
        return ARE, [], np.zeros((len(engine.users), 0), bool)
    none = pl.DataFrame(schema={"user_id": engine.users.dtype, "time": pl.Datetime("us"), "source": pl.String})
    profiles = profiles_as_of(reduced, none, engine.users, engine.as_of)
    names, holds = [], []
    for column in columns:
        for value in profiles[column].drop_nulls().unique().sort():
            names.append(f"{column}: {value}")
            holds.append((profiles[column] == value).fill_null(value=False).to_numpy())
    return ARE, names, np.stack(holds, 1) if holds else np.zeros((len(engine.users), 0), bool)
