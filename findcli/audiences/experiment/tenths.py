"""The audience by tenths of its score: what was expected of each, and what happened.

Tested in tests/audiences/experiment/test_lift.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.audiences.experiment.proportions import Arm

TENTHS = 10


@dataclass(frozen=True)
class Tenth:
    """A tenth of the users who were assigned, best first.

    Attributes:
        tenth: from 1, the best.
        reached, held_out: its users of each group, and who of them did it.
        expected: the mean probability of its users; None where they have none.
    """

    tenth: int
    reached: Arm
    held_out: Arm
    expected: float | None


@dataclass(frozen=True)
class Calibration:
    """How many were expected to do it, and how many did.

    Attributes:
        users: of which group, "reached" or "held out".
        count: how many users there are.
        expected: the sum of their probabilities.
        came: how many did it.
    """

    users: str
    count: int
    expected: float
    came: int

    @property
    def ratio(self) -> float | None:
        """Came over expected; None where nobody was."""
        return self.came / self.expected if self.expected else None


def by_tenths(table: pl.DataFrame) -> list[Tenth]:
    """Tenths of both groups together, by rank; fewer where there are fewer than ten users.

    Args:
        table: rank, probability, group and converted, a row an assigned user.
    """
    ordered = table.sort("rank")
    tenths = []
    for i, rows in enumerate(np.array_split(np.arange(len(ordered)), min(TENTHS, len(ordered))), 1):
        part = ordered[rows]
        expected = None if part["probability"].null_count() else float(part["probability"].to_numpy().mean())
        tenths.append(Tenth(i, arm_of(part, "target"), arm_of(part, "control"), expected))
    return tenths


def arm_of(table: pl.DataFrame, group: str) -> Arm:
    """The users of one group, and how many of them did it."""
    part = table.filter(pl.col("group") == group)
    return Arm(len(part), int(part["converted"].sum()))


def calibrations(table: pl.DataFrame) -> list[Calibration]:
    """Expected and came, of those held out (who were left alone, as at forecasting) and of those reached."""
    if table["probability"].null_count():
        return []
    groups = {"held out": "control", "reached": "target"}
    parts = {words: table.filter(pl.col("group") == group) for words, group in groups.items()}
    return [
        Calibration(words, len(part), float(part["probability"].sum()), int(part["converted"].sum()))
        for words, part in parts.items()
    ]
