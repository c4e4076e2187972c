"""Events as flat arrays: in order, with a row a distinct text, whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from findcli.data.histories import flatten_events

START = datetime(2024, 1, 1)
EPOCH = int(START.replace(tzinfo=UTC).timestamp())
ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 50), st.sampled_from(["orders", "searches"]), st.sampled_from("abc")),
    min_size=1,
    max_size=40,
)


def events(rows: list[tuple[int, int, str, str]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["user_id", "hours", "source", "event"], orient="row")
    return frame.with_columns(time=pl.lit(START) + pl.duration(hours="hours"))


@given(ROWS)
def test_every_event_keeps_its_user_time_text_and_kind(rows: list[tuple[int, int, str, str]]) -> None:
    users = pl.Series("user_id", range(5))
    flat = flatten_events(events(rows), users, ["searches"])
    arrays, texts = flat.arrays(), flat.texts["text"].to_list()
    told = [
        (int(user), START + timedelta(seconds=int(second) - EPOCH), flat.is_search[text], texts[text])
        for user, second, text in zip(arrays["user"], arrays["seconds"], arrays["text"], strict=True)
    ]
    wanted = [(user, START + timedelta(hours=hours), source == "searches", word) for user, hours, source, word in rows]
    assert sorted(told) == sorted(wanted)
    assert [each[:2] for each in told] == sorted(each[:2] for each in told)
    assert not arrays["amount"].any()


def test_texts_that_are_given_number_the_events_and_strangers_are_left_out() -> None:
    texts = pl.DataFrame({"text": ["b", "a"], "is_search": [False, False]}).with_row_index("text_row")
    rows = events([(1, 0, "orders", "a"), (2, 1, "orders", "b"), (9, 1, "orders", "a")])
    flat = flatten_events(rows, pl.Series("user_id", [1, 2]), [], texts=texts)
    assert flat.arrays()["text"].tolist() == [1, 0]
    assert np.array_equal(flat.arrays()["user"], [0, 1])
