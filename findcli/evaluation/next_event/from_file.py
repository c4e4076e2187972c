"""Any table of user, order and item as a world: leave-one-out with full ranking, every item in the vocabulary.

Of each user the last instant is asked, the one before it tunes, and all before that train; the history of a question is
everything before it. So other users' later items may train, as in the published tables of this protocol.

Tested in tests/evaluation/next_event/test_run.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from findcli.data.reader.tables import open_table, reading
from findcli.errors import FindCLIError
from findcli.evaluation.next_event.baselines.encoder import EncoderScorer
from findcli.evaluation.next_event.baselines.teaching import Teaching
from findcli.evaluation.next_event.protocol import PANTHER, World
from findcli.evaluation.next_event.questions import Questions
from findcli.models.next_event.tokens import Vocabulary
from findcli.models.next_event.train import Asked, Lessons
from findcli.progress import Progress
from findcli.training.token_histories import TokenHistories, in_chunks, next_pairs
from findcli.workspace.next_event_settings import NextEvent
from findcli.workspace.toml_file import parse_settings

FEWEST, VALIDATED = 3, 2000
WHAT = "the table of user, order and item"
# For histories of few items among many: more dropout and passes than behaviour of every day needs.
SMALL = NextEvent(
    fields=("item",), d_field=0, layers=1, heads=2, dilations=(1, 2), max_events=50, dropout=0.5, gaps=False,
    profile="none", repeat="mixed", negatives=512, batch_size=256, epochs=5, lr=2e-3,
    validate_by="ranking", validate_every=44, patience=9,
)  # fmt: skip


def open_world(
    file: Path,
    columns: Sequence[str],
    settings: NextEvent = SMALL,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> World:
    """Read a table and split it.

    Args:
        file: Parquet, CSV, JSONL or Excel.
        columns: of user, order and item.
        settings: of the encoder.
        seed: of the trainings.
        device: where torch computes.
        progress: told of trainings.

    Raises:
        FindCLIError: a column is missing, or no user has three instants.
    """
    events = _read(file, columns)
    whole_vocabulary = pl.Series(events["item"].unique().sort())
    last, before_last = pl.col("ahead") == 0, pl.col("ahead") == 1
    counted = (
        pl.DataFrame({"item": whole_vocabulary})
        .join(events.filter(~(last | before_last)).group_by("item").len("count"), on="item", how="left")
        .with_columns(pl.col("count").fill_null(0).cast(pl.UInt32))
    )
    vocabulary = Vocabulary.fit(counted, None, most=len(counted))
    numbers, orders = (events[name].to_numpy().astype(np.int64) for name in ("user", "order"))
    inputs = vocabulary.read(events.select("item"))
    users = events["user"].n_unique()
    learned = ~(events.select(last | before_last).to_series().to_numpy())
    whole, train = (
        TokenHistories(
            user=numbers[rows], seconds=orders[rows], inputs=inputs[rows], users=users, tokens=vocabulary.size
        )
        for rows in (np.ones(len(events), bool), learned)
    )
    asked, tuning = (_questions(whole, events, ahead, settings.max_events) for ahead in (0, 1))
    lessons = Lessons(train, np.arange(users), _validation(tuning, settings))
    teaching = Teaching(
        lessons=lessons, tuning=tuning, vocabulary=vocabulary, settings=settings, cardinalities=(),
        ordered_alone=True, seed=seed, device=device, progress=progress,
    )  # fmt: skip
    return World(file.name, {"last": asked}, teaching, lambda: EncoderScorer.train(teaching, PANTHER, {}))


def _read(file: Path, columns: Sequence[str]) -> pl.DataFrame:
    """User (row), order, item (text) and `ahead`: how many instants of the user follow; users of three or more."""
    table = open_table([file], what=WHAT)
    missing = [name for name in columns if name not in table.schema]
    if missing or len(columns) != 3:
        hint = f"its columns are {', '.join(table.schema.names())}; name three with --columns USER,ORDER,ITEM"
        named = ", ".join(missing) or "for each of user, order and item"
        raise FindCLIError(f"{file} has no column {named}", hint=hint)
    user, order, item = (pl.col(name) for name in columns)
    with reading(WHAT, [file]):
        frame = (
            table.frame.select(user=user.cast(pl.String), order=order, item=item.cast(pl.String)).drop_nulls().collect()
        )
    if frame["order"].dtype == pl.String:
        numbers = frame["order"].cast(pl.Float64, strict=False)
        frame = frame if numbers.null_count() else frame.with_columns(order=numbers)
    frame = frame.with_columns(
        user=pl.col("user").rank("dense") - 1,
        order=pl.col("order").rank("dense").cast(pl.Int64),
    )
    frame = frame.with_columns(ahead=pl.col("order").rank("dense", descending=True).over("user") - 1)
    frame = frame.filter(pl.col("ahead").max().over("user") >= FEWEST - 1)
    if frame.is_empty():
        hint = "leave-one-out asks the last, tunes on the one before and trains on the rest"
        raise FindCLIError(f"no user in {file} has {FEWEST} items of different order", hint=hint)
    return frame.with_columns(user=pl.col("user").rank("dense") - 1)


def _questions(whole: TokenHistories, events: pl.DataFrame, ahead: int, longest: int) -> Questions:
    """What comes at the last instant of each user (ahead 0), or at the one before it (1)."""
    instants = events.filter(pl.col("ahead") == ahead).group_by("user").agg(pl.col("order").first()).sort("user")
    windows = whole.last_before(instants["order"].to_numpy(), longest)
    return Questions.after(whole, windows)


def _validation(tuning: Questions, settings: NextEvent) -> Asked:
    """The tuning questions as batches, some of them."""
    chosen = tuning.rows(np.arange(len(tuning))[:: max(1, len(tuning) // VALIDATED)])
    batches = []
    for rows in in_chunks(chosen.windows, settings.batch_size):
        windows = chosen.windows[rows]
        places = windows[:, 1] - windows[:, 0] - 1
        following = next_pairs(chosen.histories, np.arange(len(rows)), places, windows[:, 1] - 1)
        batches.append((chosen.histories.batch(windows)[0], following))
    return [(batch, following) for batch, following in batches if len(following.row)]


def parse_small(changes: Mapping[str, Any]) -> NextEvent:
    """The settings for a file, with some values of [next_event] changed.

    Args:
        changes: such as {"next_event": {"lr": 0.002}}.

    Raises:
        FindCLIError: a value or a name is wrong.
    """
    if others := [name for name in changes if name != "next_event"]:
        hint = "with --from there is no workspace: write --set next_event.KEY=VALUE"
        raise FindCLIError(f"a file has no setting of {', '.join(others)}", hint=hint)
    source = {"name": "file", "path": "file", "families": ["purchase"], "user": "user", "time": "order"}
    given = {"next_event": asdict(SMALL) | dict(changes.get("next_event", {}))}
    raw = {"windows": {"train_until": datetime(2000, 1, 1)}, "sources": [source]} | given
    return parse_settings(raw, name="--set").next_event
