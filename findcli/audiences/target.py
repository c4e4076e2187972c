"""`findcli target`: a sentence -> a ranked audience (FIND Eq 2).

A demand is first rewritten into sentences of the workspace's vocabulary (`demands/rewriter.py`), unless that is turned
off. If the model scores by query (the default), a score is the log odds that the demand, as understood, comes true of
the user. The log odds of a concept's own sentence, and so of a rewritten demand, are calibrated into a probability; a
demand that stands as it is is ranked only, and `probability` is null. If the model scores by FIND's single vector, a
score is the cosine of the sentence's vector and the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import polars as pl

from findcli.audiences.prompts.store import open_prompt, score_prompt
from findcli.audiences.select import Selection, rank
from findcli.audiences.where.demand_filter import offered_filter
from findcli.audiences.where.filter import parse_filter
from findcli.data import events
from findcli.data.profiles import profile_columns, profiles_as_of
from findcli.demands.grammar import require_demands
from findcli.demands.rewriter import Rewriting
from findcli.scoring.as_read import AUTO
from findcli.scoring.engine import Engine, open_engine
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
class Audience:
    """The answer to one demand.

    Attributes:
        demand: the sentence.
        as_of: the users' histories end before this instant.
        ranking: user_id, score, probability, rank of all users who pass the filter, best first.
        selected: the rows of the users in the audience.
        nearest: the sentences that the demand was read as, with their cosine if they were searched for.
        embedded: how many users are embedded, whether they pass or not.
        where: the outcome of the filter; None without one.
        rewriting: how the demand was understood; a demand that the vocabulary cannot answer selects nobody.
        prompt: the name of the learned prompt that ranks instead of the sentence; None without one.
        engine: the engine that scored it.
    """

    demand: str
    as_of: datetime
    ranking: pl.DataFrame
    selected: pl.DataFrame
    nearest: list[tuple[str, float | None]]
    embedded: int
    where: Passed | None = None
    rewriting: Rewriting | None = None
    prompt: str | None = None
    engine: Engine | None = field(default=None, repr=False, compare=False)

    @cached_property
    def offer(self) -> str | None:
        """A filter suggested by the demand's own words; None if they name no profile value, or a filter is given."""
        return None if self.engine is None or self.where is not None else _offer(self.engine, self.demand)


def target(
    workspace: Workspace,
    demands: Sequence[str] = (),
    *,
    prompt: str | None = None,
    selection: Selection | None = None,
    where: str | None = None,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    rewrite: str = AUTO,
    device: str = "auto",
) -> list[Audience]:
    """Rank every embedded user, or every user who passes a filter, for each demand.

    Args:
        workspace: the workspace of the users.
        demands: sentences.
        prompt: the name of a learned prompt that ranks instead of sentences; its scores are ranked only.
        selection: which of the ranked users make the audience; default: all.
        where: which users are ranked at all: an expression over the columns of the profile as of the same date, such
            as "age >= 25 and region in ('north', 'east')"; see `where/filter.py`. Default: all.
        as_of: the date of the embeddings, which are made if missing; default: the newest.
        model: the workspace whose trained model ranks; default: `workspace`.
        rewrite: "auto", "off", or the sentences to read a single demand as; see `scoring.engine.Engine.read`.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: a demand is empty, there is no such prompt or it was tuned for another model, the filter or the
            rewriting cannot be parsed, the filter names a value that no user has, no user is embedded, or no model is
            trained.
    """
    if prompt is not None:
        demands = [open_prompt(workspace, prompt, trained=model)[0].sentence]
    require_demands(demands)
    chosen = None if where is None else parse_filter(where, profile_columns(workspace.settings.profile))
    engine = open_engine(workspace, as_of=as_of, model=model, device=device)
    rewritings: Sequence[Rewriting | None] = [None]
    if prompt is None:
        rewritings = engine.read(demands, rewrite)
        scored = engine.score_read(rewritings)
    else:
        scored = score_prompt(engine, prompt)
    ids, instant = engine.users, engine.as_of
    passed, embedded = None, len(ids)
    if chosen is not None:
        passes = chosen.passes(_profiles(workspace, ids, instant, chosen.columns))
        ids, kept = ids.filter(passes), passes.to_numpy()
        scored = replace(scored, scores=scored.scores[kept], probabilities=scored.probabilities[kept])
        passed = Passed(chosen.text, len(ids), chosen.notes)
    rankings = [rank(ids, scored.scores[:, i], scored.probabilities[:, i]) for i in range(len(demands))]
    policy = selection or Selection()
    return [
        Audience(demand, instant, ranking, _selected(policy, ranking, how), near, embedded, passed, how, prompt, engine)
        for demand, ranking, near, how in zip(demands, rankings, scored.nearest, rewritings, strict=True)
    ]


def explain(
    workspace: Workspace,
    demands: Sequence[str],
    *,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    rewrite: str = AUTO,
    device: str = "auto",
) -> list[Rewriting]:
    """Read demands without ranking anyone; arguments and errors as for `target`."""
    require_demands(demands)
    return open_engine(workspace, as_of=as_of, model=model, device=device).read(demands, rewrite)


def _selected(policy: Selection, ranking: pl.DataFrame, how: Rewriting | None) -> pl.DataFrame:
    return ranking.clear() if how is not None and how.answerable is False else policy.keep(ranking)


def _offer(engine: Engine, demand: str) -> str | None:
    """The filter that a demand's own words suggest, in the values that the model was trained on."""
    # Aggregates are about events, as demands are: "will spend over 500" does not say who did.
    columns = profile_columns(replace(engine.workspace.settings.profile, aggregates=()))
    if not columns:
        return None
    values = {codes.name: codes.values for codes in engine.model.columns.columns}
    spoken = engine.model.aligned.table("sentences.parquet")["text"].to_list()
    return offered_filter(demand, columns, values=values, spoken=spoken)


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
