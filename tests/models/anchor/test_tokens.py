"""What of a history becomes tokens."""

from __future__ import annotations

import numpy as np
import torch

from findcli.models.anchor.events import DECAYS, WEEK, event_tokens
from findcli.models.anchor.tokens import KINDS, MODALITIES, Tokenizer
from findcli.training.batches import Histories, UserBatch, user_batch

END = 100 * WEEK
# user, weeks before the end, text, amount; texts 3 and 4 are searches, and the last user has nothing.
EVENTS = [
    (0, 1, 0, 2.0),
    (0, 2, 0, 3.0),
    (0, 9, 1, 0.0),
    (0, 3, 3, 0.0),
    (1, 5, 2, 1.0),
    (1, -1, 1, 9.0),
    (1, 60, 1, 9.0),
]


def batch_of(users: list[int], *, texts: int = 5) -> UserBatch:
    rows = sorted((user, END - weeks * WEEK, text, amount) for user, weeks, text, amount in EVENTS)
    user, seconds, text, amount = (np.array(column) for column in zip(*rows, strict=True))
    histories = Histories(user=user, seconds=seconds, text=text, amount=amount, is_search=np.arange(texts) >= 3)
    codes = np.array([[2, 3], [0, 2], [0, 0]])[users]
    return user_batch(
        histories, np.array(users), np.full(len(users), END), codes, np.zeros(codes.shape, np.float32),
        torch.eye(texts), length=26 * WEEK, step=WEEK,
    )  # fmt: skip


def test_distinct_texts_stand_oldest_first_with_searches_last_and_nothing_of_after_the_cutoff() -> None:
    batch = batch_of([0, 1, 2])
    assert batch.window is not None
    events = event_tokens(batch.window, most=8)
    rows = [events.vectors[i, events.valid[i]].argmax(-1).tolist() for i in range(3)]
    assert rows == [[1, 0, 3], [2], []]
    assert events.search.tolist() == [[False, False, True], [False] * 3, [False] * 3]
    counts = events.features[0, 1, : len(DECAYS)].expm1()
    torch.testing.assert_close(counts, torch.tensor([decay + decay**2 for decay in DECAYS]))
    torch.testing.assert_close(events.features[0, 1, -1].expm1(), torch.tensor(5.0))
    assert events.steps[0].tolist() == [9, 1, 3]
    assert events.activity[2, :-4].tolist() == [0] * len(DECAYS)
    assert events.activity[0, -1].expm1() == 2


def test_few_tokens_are_the_heaviest_by_count_and_recency() -> None:
    batch = batch_of([0])
    assert batch.window is not None
    events = event_tokens(batch.window, most=1)
    assert events.vectors[0].argmax(-1).tolist() == [0]


def tokenizer(**more: object) -> Tokenizer:
    torch.manual_seed(0)
    options = {"cardinalities": [4, 5], "modalities": MODALITIES, "events": 8} | more
    return Tokenizer(d_text=5, d_model=8, **options).eval()


def test_a_user_is_a_token_then_modalities_then_what_they_are_made_of_and_what_is_absent_is_padding() -> None:
    tokens = tokenizer()(batch_of([0, 1, 2]))
    assert tokens.kinds[0].tolist() == [0, 1, 2, 3, 5, 5, 4, 4, 6]
    assert int(tokens.kinds.max()) < KINDS
    assert tokens.valid.int().tolist() == [
        [1, 1, 1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 0, 0, 1, 1, 0, 0],
        [1, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    assert tokens.has("search").tolist() == [True, False, False]


def test_neighbours_change_no_token() -> None:
    both, alone = tokenizer()(batch_of([0, 1])), tokenizer()(batch_of([1]))
    torch.testing.assert_close(both.embeds[1, both.valid[1]], alone.embeds[0, alone.valid[0]])


def test_a_masked_modality_and_one_not_in_use_are_absent_down_to_the_users_own_token() -> None:
    masked = tokenizer()(batch_of([0]), without=["search", "tabular"])
    lacking = tokenizer(modalities=("sequence",))(batch_of([0]))
    assert masked.valid[0].tolist() == [True, True, False, False, False, False, True, True, False]
    torch.testing.assert_close(masked.embeds[0, 0], tokenizer()(batch_of([0]), without=["search"]).embeds[0, 0])
    assert not torch.allclose(masked.embeds[0, 0], tokenizer()(batch_of([0])).embeds[0, 0])
    assert lacking.valid.sum() == 4
