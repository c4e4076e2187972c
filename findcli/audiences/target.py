"""`findcli target`: a sentence -> a ranked audience (FIND Eq 2).

A demand is first rewritten into sentences of the workspace's vocabulary (`demands/rewriter.py`), unless that is turned
off; what it says of people and of the past says which users are ranked at all (`read.py`, `conditions.py`). If the
model scores by query (the default), a score is the log odds that the demand, as understood, comes true of the user. The
log odds of a concept's own sentence, and so of a rewritten demand, are calibrated into a probability; a demand that
stands as it is is ranked only, and `probability` is null. If the model scores by FIND's single vector, a score is the
cosine of the sentence's vector and the user's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from findcli.audiences.answered import why_no_number
from findcli.audiences.conditions import Among, Passed
from findcli.audiences.eligible.counts import Counts, Drop
from findcli.audiences.eligible.who import WhoNot, who_may_be_ranked
from findcli.audiences.experiment.assign import Experiment, held_apart
from findcli.audiences.group_rates import GroupRates, group_rates
from findcli.audiences.prompts.store import open_prompt, score_prompt
from findcli.audiences.read import Understood, read
from findcli.audiences.select import Selection, rank
from findcli.audiences.sizes import Goal, Size, size_of
from findcli.audiences.where.filter import workspace_filter
from findcli.demands.grammar import require_demands
from findcli.demands.reading import AS_IT_STANDS, BY_YOU, Rewriting
from findcli.scoring.as_read import AUTO, OFF
from findcli.scoring.engine import Engine, open_engine
from findcli.scoring.reliability import Reliability
from findcli.workspace.durations import parse_duration
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
        embedded: how many users may be ranked, whether they pass or not.
        where: the outcome of the filter; None without one.
        conditions: the outcome of each filter that the demand itself writes: of the profile, then of the past.
        counts: from everybody down to the users of the audience, and why the others are not in it.
        held_out: the rows of selected users whom an experiment holds out; they are not among `selected`.
        experiment: the experiment; None without one.
        group_rates: how often the groups of each sensitive column are selected.
        warnings: what to know before using it.
        who_not: whom it was asked to leave out.
        offer: a filter suggested by the demand's own words; None if they name no profile value, or a filter is given.
        rewriting: how the demand was understood; a demand that the vocabulary cannot answer selects nobody.
        prompt: the name of the learned prompt that ranks instead of the sentence; None without one.
        size: what the selected users are expected to bring; None where no number answers the demand.
        unanswered: why no number does, where one would answer another question; empty if there is one.
        reliability: of the probabilities; None where there is none.
        future: how far ahead they look.
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
    counts: Counts | None = None
    held_out: pl.DataFrame | None = None
    experiment: Experiment | None = None
    group_rates: tuple[GroupRates, ...] = ()
    warnings: tuple[str, ...] = ()
    who_not: WhoNot | None = None
    size: Size | None = None
    unanswered: str = ""
    reliability: Reliability | None = None
    future: timedelta | None = None

    @property
    def asked(self) -> dict[str, str]:
        """The arguments of `target` that rank the same users again, beside the demand."""
        how, asked = self.rewriting, {}
        if self.where is not None:
            asked["where"] = self.where.expression
        if how is not None and how.by in (BY_YOU, AS_IT_STANDS):
            asked["rewrite"] = how.expression if how.by == BY_YOU else OFF
        return asked


def target(
    workspace: Workspace,
    demands: Sequence[str] = (),
    *,
    prompt: str | None = None,
    selection: Selection | None = None,
    goal: Goal | None = None,
    where: str | None = None,
    who_not: WhoNot | None = None,
    experiment: Experiment | None = None,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    rewrite: str = AUTO,
    device: str = "auto",
) -> list[Audience]:
    """Rank every embedded user who may be ranked, or of these every one who passes a filter, for each demand.

    Args:
        workspace: the workspace of the users.
        demands: sentences.
        prompt: the name of a learned prompt that ranks instead of sentences; its scores are ranked only.
        selection: which of the ranked users make the audience; default: all.
        goal: what the audience is to reach; it holds no more users than that allows.
        where: which users are ranked at all: an expression over the columns of the profile as of the same date, such
            as "age >= 25 and region in ('north', 'east')"; see `where/filter.py`. Default: all.
        who_not: who is not even scored: see `eligible/who.py`. Default: who did not consent, and a prompt's seeds.
        experiment: holds out a part of the selected users; see `experiment/assign.py`. Default: none.
        as_of: the date of the embeddings, which are made if missing; default: the newest.
        model: the workspace whose trained model ranks; default: `workspace`.
        rewrite: "auto", "off", or the sentences to read a single demand as; see `scoring.engine.Engine.read`.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: a demand is empty, there is no such prompt or it was tuned for another model, the filter or the
            rewriting cannot be parsed, the filter names a value that no user has, no user is embedded or may be
            ranked, a purpose is missing, or no model is trained.
    """
    if prompt is not None:
        demands = [open_prompt(workspace, prompt, trained=model)[0].sentence]
    require_demands(demands)
    chosen = None if where is None else workspace_filter(workspace, where)
    engine = open_engine(workspace, as_of=as_of, model=model, device=device)
    counts = Counts(datetime.now().astimezone(), len(engine.users))
    eligible = who_may_be_ranked(workspace, engine.users, who_not, prompt=prompt)
    if not eligible.kept.all():
        engine = engine.among(np.flatnonzero(eligible.kept))
    counts, marked = counts.then(*eligible.drops), workspace.settings.sensitive.columns
    warnings = (*eligible.warnings, *(_trained_on_sensitive(engine) if marked else []))
    understood: list[Understood | None] = [None]
    if prompt is None:
        understood = [*read(engine, demands, rewrite)]
        scored = engine.score_read([each.rewriting for each in understood if each is not None])
    else:
        scored = score_prompt(engine, prompt)
    among = Among(workspace, engine.users, engine.as_of)
    passed, everyone = None, np.ones(len(engine.users), bool)
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
        reached, held_out = (selected, None) if experiment is None else held_apart(workspace, experiment, selected)
        rates = group_rates(workspace, engine.users, selected["user_id"], engine.as_of) if marked else ()
        audiences.append(
            Audience(
                demand, engine.as_of, ranking, reached, scored.nearest[i], len(engine.users), passed, how, prompt,
                conditions, offer,
                counts.then(*_drops(passed, conditions, everyone, ranking, selected, held_out, experiment)), held_out,
                experiment, rates, warnings, who_not, _size(ranking, selected, reached, reliability), unanswered,
                reliability, parse_duration(engine.model.aligned.manifest.settings["future"]),
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


def _size(
    ranking: pl.DataFrame, selected: pl.DataFrame, reached: pl.DataFrame, reliability: Reliability | None
) -> Size | None:
    """What the users who are reached are expected to bring: a part of the selected ones, drawn by chance."""
    size, part = size_of(ranking, len(selected), reliability), len(reached) / max(len(selected), 1)
    if size is None or part == 1:
        return size
    if not len(reached):
        return None
    brought = (part * each for each in (size.responders, size.low, size.high, size.surely))
    return Size(len(reached), part * size.share, *brought)


def _drops(
    passed: Passed | None,
    conditions: Sequence[Passed],
    everyone: np.ndarray,
    ranking: pl.DataFrame,
    selected: pl.DataFrame,
    held_out: pl.DataFrame | None,
    experiment: Experiment | None,
) -> Iterator[Drop]:
    """Why users who may be ranked are not in the audience, in order."""
    if passed is not None:
        yield Drop("filter", f"do not pass {passed.expression}", len(everyone) - passed.users)
    written = "; ".join(condition.expression for condition in conditions)
    yield Drop("filter", f"do not pass, by the demand's own words: {written}", int(everyone.sum()) - len(ranking))
    yield Drop("selection", "were not selected", len(ranking) - len(selected))
    if experiment is not None and held_out is not None:
        yield Drop("holdout", f"are held out for the experiment {experiment.name}", len(held_out))


def _trained_on_sensitive(engine: Engine) -> list[str]:
    """A warning that the model saw columns before they were marked as sensitive."""
    withheld = engine.workspace.settings.sensitive.withheld
    seen = [codes.name for codes in engine.model.columns.columns if codes.name in withheld]
    return (
        [f"the model was trained on {', '.join(seen)}, now sensitive; train one without: findcli run"] if seen else []
    )
