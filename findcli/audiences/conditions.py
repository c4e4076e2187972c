"""Who is ranked at all: a filter over the profile, and what a demand itself says of people and of the past.

The past is computed from the event log: "has not bought for 3 months".

Legend: N users.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from findcli.audiences.read import Understood
from findcli.audiences.where.filter import Filter, parse_filter
from findcli.data import events
from findcli.data.profiles import profile_columns, profiles_as_of
from findcli.data.templates import sentence_text, workspace_templates
from findcli.demands.reading import Past
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace


@dataclass(frozen=True)
class Passed:
    """The outcome of a filter.

    Attributes:
        expression: the filter.
        users: how many of the embedded users pass it.
        notes: how it was read, if that is not obvious, such as a band that straddles a number.
    """

    expression: str
    users: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Among:
    """Chooses which of the embedded users are ranked.

    Attributes:
        workspace: whose users they are.
        users: their ids, N of them.
        as_of: the date of the embeddings.
    """

    workspace: Workspace
    users: pl.Series
    as_of: datetime

    def filtered(self, chosen: Filter) -> np.ndarray:
        """Who passes a filter over the profile, bool (N,)."""
        profiles = _profiles(self.workspace, self.users, self.as_of, chosen.columns)
        return np.asarray(chosen.passes(profiles).to_numpy())

    def conditions(self, understood: Understood, everyone: np.ndarray) -> tuple[tuple[Passed, ...], np.ndarray]:
        """The outcome of each filter that a demand writes, and who of some users passes all of them, bool (N,)."""
        outcomes, kept, rewriting = [], everyone.copy(), understood.rewriting
        if understood.where is not None:
            written = parse_filter(understood.where, profile_columns(self.workspace.settings.profile))
            passes, notes = np.zeros(len(self.users), bool), written.notes
            try:
                passes = self.filtered(written)
            except FindCLIError as error:  # nobody who is ranked has the value, though others had
                notes = (*notes, str(error))
            kept &= passes
            outcomes.append(Passed(written.text, int(passes.sum()), notes))
        history = passes_history(self.workspace, self.users, self.as_of, rewriting.past)
        for past, passes in zip(rewriting.past, history.T, strict=True):
            kept &= passes
            outcomes.append(Passed(said(past, self.as_of), int(passes.sum()), ()))
        return tuple(outcomes), kept


def _profiles(workspace: Workspace, users: pl.Series, as_of: datetime, names: frozenset[str]) -> pl.DataFrame:
    """The users' profiles, a row per user in order; of the aggregates, which need the events, only those named."""
    profile = workspace.settings.profile
    aggregates = tuple(aggregate for aggregate in profile.aggregates if aggregate.name in names)
    settings = replace(workspace.settings, profile=replace(profile, aggregates=aggregates))
    reduced = replace(workspace, settings=settings)
    if not aggregates:
        none = pl.DataFrame(schema={"user_id": users.dtype, "time": pl.Datetime("us"), "source": pl.String})
        return profiles_as_of(reduced, none, users, as_of)
    log = events.build_events(workspace)
    frames = []
    for part in events.parts(log):
        rows = events.read_part(log, part, before=as_of)
        part_users = users.filter(users.is_in(rows["user_id"].unique().implode()))
        frames.append(profiles_as_of(reduced, rows, part_users, as_of))
    return pl.DataFrame({"user_id": users}).join(pl.concat(frames), on="user_id", how="left", maintain_order="left")


def passes_history(workspace: Workspace, users: pl.Series, as_of: datetime, past: Sequence[Past]) -> np.ndarray:
    """Whether each condition was so of each user before a date, bool (N, C).

    Args:
        workspace: whose event log it is.
        users: N ids.
        as_of: events from this instant on are not looked at.
        past: C conditions.
    """
    passes = np.zeros((len(users), len(past)), bool)
    if not past:
        return passes
    rows = pl.DataFrame({"user_id": users}).with_row_index("row")
    sentences = {meant.sentence for each in past for meant in each.clause.any_of}
    # First times need all that was before.
    starts = [each.since for each in past if each.clause.measure != "first"]
    since = min(starts) if len(starts) == len(past) and None not in starts else None  # type: ignore[type-var]
    log = events.build_events(workspace)
    for part in events.parts(log):
        part_events = events.read_part(log, part, before=as_of)
        if since is not None:
            part_events = part_events.filter(pl.col("time") >= since)
        met = _met(workspace, part_events, sentences).join(rows, on="user_id")
        for i, each in enumerate(past):
            passes[_reached(met, each), i] = True
    negated = np.array([each.clause.negated for each in past])
    return np.asarray(passes ^ negated)


def _met(workspace: Workspace, log: pl.DataFrame, sentences: Collection[str]) -> pl.DataFrame:
    """The events that make a sentence true: event (row of the log), user_id, time, concept, amount, thing.

    Sentences are written of each distinct combination of slots, not of each event; the thing is the most particular
    that an event names.
    """
    things = [pl.col(slot) for slot in ("item", "category", "department") if slot in log.columns]
    measured = log.with_row_index("event_row").with_columns(
        amount=pl.col("amount") if "amount" in log.columns else pl.lit(None, pl.Float64),
        thing=pl.coalesce(things) if things else pl.lit(None, pl.String),
    )
    columns = [pl.col("event_row").alias("event"), "user_id", "time", "concept", "amount", "thing"]
    frames = [measured.clear().with_columns(concept=pl.lit(None, pl.String)).select(columns)]
    for template in workspace_templates(workspace.settings):
        if template.measure != "any":
            continue
        of_source, slots = measured.filter(pl.col("source") == template.source), list(template.slots)
        if not slots:
            asked = of_source if template.text in sentences else of_source.clear()
            frames.append(asked.with_columns(concept=pl.lit(template.text)).select(columns))
            continue
        values = of_source.select(slots).unique().with_columns(concept=sentence_text(template))
        frames.append(of_source.join(values.filter(pl.col("concept").is_in(sentences)), on=slots).select(columns))
    return pl.concat(frames)


def _reached(met: pl.DataFrame, past: Past) -> np.ndarray:
    """The rows of the users of whom a condition, its sign aside, was so."""
    clause = past.clause
    chosen = met.filter(pl.col("concept").is_in([meant.sentence for meant in clause.any_of])).unique("event")
    if clause.measure == "first":
        chosen = chosen.sort("time").unique("row", keep="first", maintain_order=True)
    if past.since is not None:
        chosen = chosen.filter(pl.col("time") >= past.since)
    if past.before is not None:
        chosen = chosen.filter(pl.col("time") < past.before)
    measures = {
        "count": pl.col("time").n_unique() >= clause.least,
        "distinct": pl.col("thing").drop_nulls().str.to_lowercase().n_unique() >= clause.least,
        "amount": pl.col("amount").sum() > clause.least,
    }
    if clause.measure in measures:
        chosen = chosen.group_by("row").agg(reached=measures[clause.measure]).filter("reached")
    return chosen["row"].unique().to_numpy()


def said(past: Past, as_of: datetime) -> str:
    """A condition in words: "bought any of 24 things from 2011-10-01 to 2011-10-31"."""
    clause = past.clause
    things = [meant.sentence.removesuffix(".") for meant in clause.any_of]
    what = f'"{things[0]}."' if len(things) == 1 else f'any of {len(things)} sentences, such as "{things[0]}."'
    level = {
        "count": f", at least {clause.least:g} times",
        "distinct": f", at least {clause.least:g} different things",
        "amount": f", more than {clause.least:g} in all",
        "first": ", for the first time",
    }.get(clause.measure, "")
    if past.since is None and past.before is None:
        when = f"before {as_of:%Y-%m-%d}"
    else:
        begin = "" if past.since is None else f"from {past.since:%Y-%m-%d} "
        when = f"{begin}until {min(past.before or as_of, as_of):%Y-%m-%d}"
    return f"{'not ' if clause.negated else ''}{what}{level}, {when}"
