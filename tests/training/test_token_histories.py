"""Token histories: instants, what comes next, windows, and an order within an instant that says nothing."""

from __future__ import annotations

import numpy as np

from findcli.training.token_histories import ProfileTable, TokenHistories, batches_by_length


def histories(**changes: object) -> TokenHistories:
    """User 0: {3, 1} at 0, {2} at 10, unknown at 20, {4} at 30; user 1: {1} at 5, {5} at 15."""
    made: dict[str, object] = {
        "user": np.array([0, 0, 0, 0, 0, 1, 1]), "seconds": np.array([0, 0, 10, 20, 30, 5, 15]),
        "inputs": np.array([3, 1, 2, 0, 4, 1, 5]), "users": 2, "tokens": 5,
    }  # fmt: skip
    return TokenHistories(**(made | changes))  # type: ignore[arg-type]


def test_the_order_of_the_file_within_an_instant_is_forgotten() -> None:
    swapped = np.array([1, 0, 2, 3, 4, 5, 6])
    one, other = histories(), histories(inputs=np.array([3, 1, 2, 0, 4, 1, 5])[swapped])
    np.testing.assert_array_equal(one.inputs, other.inputs)


def test_shuffling_moves_events_within_their_instant_alone() -> None:
    seen = set()
    for seed in range(8):
        batch, _ = histories().batch(np.array([[0, 5]]), np.random.default_rng(seed))
        assert batch.inputs[0, 2:].tolist() == [2, 0, 4]
        seen.add(tuple(batch.inputs[0, :2].tolist()))
    assert seen == {(1, 3), (3, 1)}


def test_what_comes_next_is_the_set_at_the_next_instant_of_the_same_user() -> None:
    read = histories()
    _, index = read.batch(np.array([[0, 5], [5, 7]]))
    following = read.next_tokens(index)
    places = [(int(following.row[p]), int(following.place[p])) for p in following.position]
    # after {1, 3} comes token 1; after token 1 an unknown event, which teaches nothing; after that token 3
    assert list(zip(places, following.token.tolist(), strict=True)) == [((0, 1), 1), ((0, 3), 3), ((1, 0), 4)]


def test_messages_that_were_sent_are_no_next_event() -> None:
    sent = histories(unpredicted=np.array([0, 0, 1, 0, 0, 0, 0], bool))
    question, token = sent.after(np.array([1]))
    assert (question.tolist(), token.tolist()) == ([0], [-1])  # the unknown event, past the message


def test_windows_before_an_instant_hold_the_last_events() -> None:
    assert histories().last_before(np.array([30, 15]), 2).tolist() == [[2, 4], [5, 6]]
    assert histories().last_before(np.array([0, 100]), 2).tolist() == [[0, 0], [5, 7]]


def test_windows_cover_every_event_once_or_more() -> None:
    n = 23
    read = TokenHistories(user=np.zeros(n, int), seconds=np.arange(n), inputs=np.ones(n, int), users=1, tokens=1)
    cuts = read.windows(np.array([0]), 5, np.random.default_rng(0))
    assert set(np.concatenate([np.arange(*cut) for cut in cuts])) >= set(range(1, n))
    assert (cuts[:, 1] - cuts[:, 0] <= 5).all()


def test_a_pass_takes_every_window_once() -> None:
    windows = np.stack([np.zeros(50, int), np.arange(2, 52)], 1)
    batches = batches_by_length(windows, 8, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == list(range(50))


def test_a_profile_is_that_of_the_latest_date_at_or_before_the_start() -> None:
    table = ProfileTable(np.array([0, 10]), np.array([[[1]], [[2]]]))
    assert table.at(np.zeros(3, int), np.array([0, 9, 10])).ravel().tolist() == [1, 1, 2]
