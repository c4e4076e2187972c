"""Verbs of getting and using a thing are told from others, by what stands before them."""

from __future__ import annotations

import pytest

from findcli.audiences.deeds import OTHERS, USES, verbs_of


def test_the_lists_share_no_verb() -> None:
    assert not USES & OTHERS


@pytest.mark.parametrize(
    ("demand", "sure", "perhaps"),
    [
        ("customers who will complain about cheese", ["complain"], ["will"]),
        ("people likely to buy cheese", ["buy"], []),
        ("people who cycled to work", [], ["cycle"]),
        ("who'll throw away the bread", ["throw-away"], []),
        ("users about to take out a loan", ["take"], []),
        ("cheese", [], []),
    ],
)
def test_verbs_stand_after_modals_and_at_the_head_of_clauses(demand: str, sure: list[str], perhaps: list[str]) -> None:
    assert verbs_of(demand) == (sure, perhaps)
