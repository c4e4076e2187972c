"""What users will do next: the likeliest tokens of each, and how surprising an event that was observed is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import torch

from findcli.data import events
from findcli.data.profile_codes import ProfileCodes
from findcli.data.reader.tables import open_table, reading
from findcli.errors import FindCLIError
from findcli.models.next_event.encoder import NextEventEncoder
from findcli.models.next_event.read import profile_dates, read_histories, read_profiles, silent_sources
from findcli.models.next_event.tokens import BIN, Vocabulary
from findcli.models.weights import load_module, select_device
from findcli.training.examples import seconds
from findcli.training.token_histories import TokenHistories, in_chunks
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run, open_run

BATCH = 256
WHAT = "the file of observed events"


@dataclass(frozen=True)
class NextEventModel:
    """A trained next-event encoder with its vocabulary.

    Attributes:
        workspace: which trained it.
        encoder: in eval mode.
        vocabulary: of the tokens.
        columns: the profile's codes.
        device: where it computes.
    """

    workspace: Workspace
    encoder: NextEventEncoder
    vocabulary: Vocabulary
    columns: ProfileCodes
    device: torch.device

    @classmethod
    def load(cls, workspace: Workspace, *, device: str = "auto") -> NextEventModel:
        """Open `runs/next_event`.

        Raises:
            FindCLIError: it is missing.
        """
        run, place = open_run(workspace.run("next_event"), "next_event"), select_device(device)
        encoder = load_module(run, "encoder", NextEventEncoder).to(place).requires_grad_(requires_grad=False)
        return cls(workspace, encoder, Vocabulary.load(run), ProfileCodes.from_json(run.json("columns.json")), place)


@dataclass(frozen=True)
class Read:
    """Some users as of a date.

    Attributes:
        users: ids.
        histories: their tokens before the date.
        windows: the last events of each, (U, 2).
    """

    users: pl.Series
    histories: TokenHistories
    windows: np.ndarray


def read_users(
    model: NextEventModel, workspace: Workspace, log: Run, as_of: datetime, users: Sequence[str] | None = None
) -> Iterator[Read]:
    """The users with an event before a date, a partition of the log at a time.

    Args:
        model: gives vocabulary and profile codes.
        workspace: of the users.
        log: their event log.
        as_of: histories end before it.
        users: ids as text; all when None.
    """
    first = events.first_and_last(log)[0]
    for part in events.parts(log):
        early = events.read_part(log, part, before=as_of)
        if users is not None:
            early = early.filter(pl.col("user_id").cast(pl.String).is_in(list(users)))
        if early.is_empty():
            continue
        ids = early["user_id"].unique().sort()
        profile = None
        if model.columns.columns:
            dates = profile_dates(workspace, first, as_of)
            profile = read_profiles(workspace, [early], ids, model.columns, dates)
        histories = read_histories([early], ids, model.vocabulary, silent_sources(workspace), profile)
        ends = np.full(len(ids), int(seconds([as_of])[0]))
        yield Read(ids, histories, histories.last_before(ends, model.encoder.max_events))


@torch.no_grad()
def log_odds(model: NextEventModel, histories: TokenHistories, windows: np.ndarray) -> np.ndarray:
    """Log probabilities of every token at the instant after each window, (Q, V)."""
    batch = histories.batch(windows)[0].to(model.device)
    rows = torch.arange(len(windows), device=model.device)
    odds: np.ndarray = model.encoder.log_odds(batch, model.encoder(batch), rows, batch.lengths - 1).cpu().numpy()
    return odds


def predict_next(
    workspace: Workspace,
    *,
    users: Sequence[str] | None = None,
    as_of: datetime | None = None,
    top: int = 10,
    new_only: bool = False,
    device: str = "auto",
) -> pl.DataFrame:
    """The likeliest tokens at each user's next instant.

    Args:
        workspace: with `runs/next_event`.
        users: ids as text; everybody when None.
        as_of: histories end before it; the day after the last event when None.
        top: tokens a user.
        new_only: rank what the user never did before among what is read of the history.
        device: where torch computes.

    Returns:
        user_id, rank, token (in words), the fields, probability and `repeat`: whether the history has it.

    Raises:
        FindCLIError: the encoder is not trained, or a user has no event before the date.
    """
    model, log, at = _opened(workspace, as_of, device)
    frames = []
    for read in read_users(model, workspace, log, at, users):
        for rows in in_chunks(read.windows, BATCH):
            frames.append(_best(model, read, rows, top=top, new_only=new_only))
    _require_users(users, frames, at)
    words = pl.Series("words", model.vocabulary.words())
    fields = model.vocabulary.table.head(model.vocabulary.size).select(model.vocabulary.fields)
    best = pl.concat(frames)
    named = fields[best["token"].to_numpy()].insert_column(0, words.gather(best["token"]).alias("token"))
    return pl.concat([best.select("user_id", "rank"), named, best.select("probability", "repeat")], how="horizontal")


def _best(model: NextEventModel, read: Read, rows: np.ndarray, *, top: int, new_only: bool) -> pl.DataFrame:
    odds = log_odds(model, read.histories, read.windows[rows])
    met = np.zeros(odds.shape, bool)
    for i, (start, end) in enumerate(read.windows[rows]):
        tokens = read.histories.token[start:end]
        met[i, tokens[tokens >= 0]] = True
    scores = np.where(met & new_only, -np.inf, odds)
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    width = ranked.shape[1]
    frame = pl.DataFrame(
        {
            "user_id": read.users.gather(np.repeat(rows, width)),
            "rank": np.tile(np.arange(1, width + 1), len(rows)),
            "token": ranked.ravel(),
            "probability": np.exp(np.take_along_axis(odds, ranked, 1)).ravel(),
            "repeat": np.take_along_axis(met, ranked, 1).ravel(),
        }
    )
    return frame.filter(~pl.col("repeat")) if new_only else frame


def surprise(workspace: Workspace, file: Path, *, as_of: datetime | None = None, device: str = "auto") -> pl.DataFrame:
    """How far observed events are from what was predicted of their users (PANTHER's delta).

    The log odds of the event, less the mean and over the standard deviation of the log odds that the model gave to the
    user's own past events, each before it happened.

    Args:
        workspace: with `runs/next_event`.
        file: a row an event: `user_id` and the fields of a token; with an amount, `source` and `amount`.
        as_of: histories end before it; the day after the last event when None.
        device: where torch computes.

    Returns:
        user_id, token (in words; null where it is not in the vocabulary), probability and delta; null where the user
        has fewer than three events or the token is not in the vocabulary.

    Raises:
        FindCLIError: the file lacks a column, or the encoder is not trained.
    """
    model, log, at = _opened(workspace, as_of, device)
    observed = _read_observed(model.vocabulary, file)
    inputs = model.vocabulary.read(observed)
    token = np.where((inputs >= 1) & (inputs <= model.vocabulary.size), inputs - 1, -1)
    observed = observed.select("user_id").with_columns(token=token).with_row_index("row")
    frames = []
    for read in read_users(model, workspace, log, at, observed["user_id"].unique().to_list()):
        for rows in in_chunks(read.windows, BATCH):
            frames.append(_deltas(model, read, rows, observed))
    words = pl.Series("words", model.vocabulary.words())
    made = pl.concat(frames) if frames else pl.DataFrame(schema={"row": pl.UInt32, "probability": pl.Float64,
                                                                 "delta": pl.Float64})  # fmt: skip
    table = observed.join(made, on="row", how="left").sort("row")
    known = pl.when(pl.col("token") >= 0).then(pl.col("token"))
    return table.select("user_id", words.gather(table.select(known).to_series()).alias("token"), "probability", "delta")


@torch.no_grad()
def _deltas(model: NextEventModel, read: Read, rows: np.ndarray, observed: pl.DataFrame) -> pl.DataFrame:
    """row, probability and delta of the observed events of some users."""
    batch, index = read.histories.batch(read.windows[rows])
    following = read.histories.next_tokens(index).to(model.device)
    batch = batch.to(model.device)
    states = model.encoder(batch)
    past = model.encoder.log_odds(batch, states, following.row, following.place)
    own = past[following.position, following.token].cpu().numpy()
    user = following.row[following.position].cpu().numpy()
    last = torch.arange(len(rows), device=model.device)
    odds = model.encoder.log_odds(batch, states, last, batch.lengths - 1).cpu().numpy()
    places = pl.DataFrame({"user_id": read.users.gather(rows).cast(pl.String), "place": np.arange(len(rows))})
    here = observed.filter(pl.col("token") >= 0).join(places, on="user_id")
    means = np.array([own[user == i].mean() if (user == i).sum() > 1 else np.nan for i in range(len(rows))])
    spreads = np.array([own[user == i].std() if (user == i).sum() > 1 else np.nan for i in range(len(rows))])
    place, token = here["place"].to_numpy(), here["token"].to_numpy()
    delta = (odds[place, token] - means[place]) / np.maximum(spreads[place], 1e-6)
    return pl.DataFrame(
        {"row": here["row"], "probability": np.exp(odds[place, token]).astype(float),
         "delta": pl.Series(delta.astype(float)).fill_nan(None)}
    )  # fmt: skip


def _opened(workspace: Workspace, as_of: datetime | None, device: str) -> tuple[NextEventModel, Run, datetime]:
    from findcli.scoring.embed import latest_date

    log = events.build_events(workspace)
    return NextEventModel.load(workspace, device=device), log, as_of or latest_date(log)


def _require_users(users: Sequence[str] | None, frames: Sequence[pl.DataFrame], at: datetime) -> None:
    known = {str(user) for frame in frames for user in frame["user_id"].unique()}
    missing = [user for user in users or () if user not in known]
    if missing or not frames:
        hint = "findcli describe USER shows a user's events; name a later date with --as-of"
        raise FindCLIError(f"no event before {at} is known of {', '.join(missing[:5]) or 'any user'}", hint=hint)


def _read_observed(vocabulary: Vocabulary, file: Path) -> pl.DataFrame:
    wanted = ["user_id", *vocabulary.fields]
    if not file.is_file():
        raise FindCLIError(f"{file} is not a file", hint="name a table with user_id and the fields of a token")
    table = open_table([file], what=WHAT)
    if "user_id" not in table.schema or not set(vocabulary.fields) & set(table.schema.names()):
        hint = f"it needs user_id and some of {', '.join(vocabulary.fields)}"
        raise FindCLIError(f"{file} has the columns {', '.join(table.schema.names())}", hint=hint)
    with reading(WHAT, [file]):
        frame = table.frame.select(name for name in wanted if name in table.schema).collect()
    texts = [pl.col(name).cast(pl.String) for name in frame.columns if name != BIN]
    amount = [pl.col(BIN).cast(pl.Float64)] if BIN in frame.columns else [pl.lit(None, pl.Float64).alias(BIN)]
    source = [] if "source" in frame.columns else [pl.lit(None, pl.String).alias("source")]
    return frame.select(*texts, *amount, *source)
