"""Questions: histories before an instant, the set after it, and what of it was met before."""

from __future__ import annotations

import numpy as np

from findcli.evaluation.next_event.questions import Questions, every_instant, first_after, last_instants
from findcli.training.token_histories import TokenHistories


def histories() -> TokenHistories:
    """User 0: token 0 at 0, {0, 1} at 10, {1, 2} at 20, unknown at 30; user 1: token 2 at 25."""
    return TokenHistories(
        user=np.array([0, 0, 0, 0, 0, 0, 1]), seconds=np.array([0, 10, 10, 20, 20, 30, 25]),
        inputs=np.array([1, 1, 2, 2, 3, 0, 3]), users=2, tokens=3,
    )  # fmt: skip


def test_the_first_instant_from_a_date_on_is_asked_of_users_with_a_history() -> None:
    asked = first_after(histories(), 20, 10)
    assert asked.windows.tolist() == [[0, 3]]
    assert (asked.question.tolist(), asked.token.tolist(), asked.met.tolist()) == ([0, 0], [1, 2], [True, False])


def test_every_instant_is_asked_with_all_before_it_and_an_unknown_token_is_kept_as_such() -> None:
    asked = every_instant(histories(), 10, 31, 2)
    assert asked.windows.tolist() == [[0, 1], [1, 3], [3, 5]]
    assert asked.token.tolist() == [0, 1, 1, 2, -1]
    assert asked.met.tolist() == [True, False, True, False, False]


def test_own_counts_fade_by_instants_and_may_be_of_the_last_alone() -> None:
    asked = first_after(histories(), 20, 10)
    np.testing.assert_allclose(asked.own(decay=0.5).toarray(), [[1.5, 1, 0]])
    np.testing.assert_allclose(asked.own(last_only=True).toarray(), [[1, 1, 0]])


def test_the_last_instants_tune() -> None:
    asked = last_instants(histories(), np.array([0, 1]), 10, most=2)
    assert asked.windows.tolist() == [[0, 3], [0, 5]]


def test_some_of_the_questions_keep_their_tokens() -> None:
    asked = every_instant(histories(), 10, 31, 9)
    part = asked.rows(np.array([1]))
    assert isinstance(part, Questions)
    assert (part.question.tolist(), part.token.tolist()) == ([0, 0], [1, 2])
