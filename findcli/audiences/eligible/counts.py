"""Counts from everybody down to the audience: each user who is not in it is counted once, by the first reason.

Tested in tests/audiences/eligible/test_who.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Kind = Literal["forgotten", "objection", "consent", "excluded", "seeds", "filter", "selection", "holdout"]


@dataclass(frozen=True)
class Drop:
    """Users who are left out for one reason.

    Attributes:
        kind: the kind of the reason.
        reason: the reason in words, after "left out: ".
        users: how many, of those whom no reason before left out.
    """

    kind: Kind
    reason: str
    users: int


@dataclass(frozen=True)
class Counts:
    """From everybody to the audience.

    Attributes:
        at: when it was counted, with its zone.
        gross: users with a history before the date.
        drops: who was left out and why, in order.
    """

    at: datetime
    gross: int
    drops: tuple[Drop, ...] = ()

    @property
    def net(self) -> int:
        """Users in the audience."""
        return self.gross - sum(drop.users for drop in self.drops)

    def then(self, *drops: Drop) -> Counts:
        """The same with further drops; those of nobody are left out, unless they were asked for by name."""
        asked = ("objection", "consent", "excluded", "seeds", "holdout")
        kept: Iterable[Drop] = (drop for drop in drops if drop.users or drop.kind in asked)
        return Counts(self.at, self.gross, (*self.drops, *kept))

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "at": self.at.isoformat(timespec="seconds"),
            "gross": self.gross,
            "drops": [{"kind": drop.kind, "reason": drop.reason, "users": drop.users} for drop in self.drops],
            "net": self.net,
        }
