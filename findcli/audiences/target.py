"""`findcli target`: a sentence -> a ranked audience (FIND Eq 2).

A demand is first rewritten into sentences of the workspace's vocabulary (`demands/rewriter.py`), unless that is turned
off; what it says of people and of the past says which users are ranked at all (`read.py`, `conditions.py`). If the
model scores by query (the default), a score is the log odds that the demand, as understood, comes true of the user. The
log odds of a concept's own sentence, and so of a rewritten demand, are calibrated into a probability; a demand that
stands as it is is ranked only, and `probability` is null. If the model scores by FIND's single vector, a score is the
cosine of the sentence's vector and the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from findcli.audiences.answered import why_no_number
from findcli.audiences.conditions import Among, Passed
from findcli.audiences.prompts.store import open_prompt, score_prompt
from findcli.audiences.read import Understood, read
from findcli.audiences.select import Selection, rank
from findcli.audiences.sizes import Goal, Size, size_of
from findcli.audiences.where.filter import parse_filter
from findcli.data.forgotten import known
from findcli.data.profiles import profile_columns
from findcli.demands.grammar import require_demands
from findcli.demands.rewriter import Rewriting
from findcli.scoring.as_read import AUTO
from findcli.scoring.engine import open_engine
from findcli.scoring.reliability import Reliability
from findcli.workspace.folder import Workspace


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
        conditions: the outcome of each filter that the demand itself writes: of the profile, then of the past.
        offer: a filter suggested by the demand's own words; None if they name no profile value, or a filter is given.
        rewriting: how the demand was understood; a demand that the vocabulary cannot answer selects nobody.
        prompt: the name of the learned prompt that ranks instead of the sentence; None without one.
        size: what the selected users are expected to bring; None where no number answers the demand.
        unanswered: why no number does, where one would answer another question; empty if there is one.
        reliability: of the probabilities; None where there is none.
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
    conditions: tuple[Passed, ...] = ()
    offer: str | None = None
    size: Size | None = None
    unanswered: str = ""
    reliability: Reliability | None = None


def target(
    workspace: Workspace,
    demands: Sequence[str] = (),
    *,
    prompt: str | None = None,
    selection: Selection | None = None,
    goal: Goal | None = None,
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
        goal: what the audience is to reach; it holds no more users than that allows.
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
    understood: list[Understood | None] = [None]
    if prompt is None:
        understood = [*read(engine, demands, rewrite)]
        scored = engine.score_read([each.rewriting for each in understood if each is not None])
    else:
        scored = score_prompt(engine, prompt)
    among = Among(workspace, engine.users, engine.as_of)
    passed, everyone = None, known(workspace, engine.users).to_numpy()
    if chosen is not None:
        everyone = everyone & among.filtered(chosen)
        passed = Passed(chosen.text, int(everyone.sum()), chosen.notes)
    policy, audiences = selection or Selection(), []
    for i, (demand, each) in enumerate(zip(demands, understood, strict=True)):
        conditions, kept = ((), everyone) if each is None else among.conditions(each, everyone)
        how = None if each is None else each.rewriting
        unanswered = "" if each is None else why_no_number(engine, each.rewriting, where=each.where)
        likely = scored.probabilities[kept, i]
        ranked = engine.users.filter(pl.Series(kept))
        ranking = rank(ranked, scored.scores[kept, i], None if unanswered else likely)
        offer = each.offer if each is not None and passed is None else None
        kind = scored.kinds[i] if scored.kinds and not unanswered else ""
        reliability = Reliability.of(engine.model, kind)
        selected = _selected(policy, ranking, how)
        selected = selected if goal is None else selected.head(goal.most(ranking, reliability))
        audiences.append(
            Audience(
                demand, engine.as_of, ranking, selected, scored.nearest[i], len(engine.users), passed, how, prompt,
                conditions, offer, size_of(ranking, len(selected), reliability), unanswered, reliability,
            )
        )  # fmt: skip
    return audiences


def explain(
    workspace: Workspace,
    demands: Sequence[str],
    *,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    rewrite: str = AUTO,
    device: str = "auto",
) -> list[Understood]:
    """Read demands without ranking anyone; arguments and errors as for `target`."""
    require_demands(demands)
    return read(open_engine(workspace, as_of=as_of, model=model, device=device), demands, rewrite)


def _selected(policy: Selection, ranking: pl.DataFrame, how: Rewriting | None) -> pl.DataFrame:
    return ranking.clear() if how is not None and how.answerable is False else policy.keep(ranking)
