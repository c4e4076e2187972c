"""Read demands as users and sentences: what they say of people becomes filters, the rest becomes a rewriting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from findcli.audiences.where.profile_words import ProfileWords, offered_filter, read_profile
from findcli.data.profiles import Column, profile_columns
from findcli.demands.rewriter import Rewriting
from findcli.scoring.as_read import AUTO
from findcli.scoring.engine import Engine

ANYONE = "customers who will buy anything"


@dataclass(frozen=True)
class Understood:
    """A demand as it was read.

    Attributes:
        rewriting: the sentences, and what must have been so before.
        where: the filter that its words write exactly; None without one.
        offer: a filter that its words suggest; None without one.
    """

    rewriting: Rewriting
    where: str | None = None
    offer: str | None = None


def read(engine: Engine, demands: Sequence[str], rewrite: str = AUTO) -> list[Understood]:
    """Read demands; filters are read from them only where their words are rewritten, and else offered.

    Args:
        engine: of the users.
        demands: the sentences.
        rewrite: as for `Engine.read`.

    Raises:
        FindCLIError: sentences are given for several demands, or cannot be parsed.
    """
    words = _ProfileReader.of(engine)
    exact = [words.exact(demand) if rewrite == AUTO else ProfileWords(None, demand) for demand in demands]
    rewritings = engine.read([each.rest for each in exact], rewrite)
    return [
        Understood(_completed(engine, demand, each, rewriting), each.filter, words.offer(each.rest))
        for demand, each, rewriting in zip(demands, exact, rewritings, strict=True)
    ]


def _completed(engine: Engine, demand: str, words: ProfileWords, rewriting: Rewriting) -> Rewriting:
    """The rewriting of the whole demand: one that asks only who people are is about anything they may buy."""
    if words.filter is not None and rewriting.answerable is False and not (rewriting.nearest or rewriting.why):
        (rewriting,) = engine.read([ANYONE])
        note = "it asks nothing of the future: users are ranked by the chance of buying anything"
        rewriting = replace(rewriting, notes=(note, *rewriting.notes))
    return replace(rewriting, demand=demand)


@dataclass(frozen=True)
class _ProfileReader:
    """Reads the profile's own words.

    Attributes:
        columns: of the profile; aggregates that count are about events, as demands are: "will spend over 500" says not
            who did.
        values: the known values of each categorical column.
        spoken: the training sentences.
    """

    columns: Sequence[Column]
    values: dict[str, Sequence[str]]
    spoken: Sequence[str]

    @classmethod
    def of(cls, engine: Engine) -> _ProfileReader:
        """Of the workspace's profile, in the values that the model was trained on."""
        profile = engine.workspace.settings.profile
        columns = profile_columns(replace(profile, aggregates=tuple(a for a in profile.aggregates if a.is_attribute)))
        if not columns:
            return cls((), {}, ())
        values: dict[str, Sequence[str]] = {codes.name: codes.values for codes in engine.model.columns.columns}
        return cls(columns, values, engine.model.aligned.table("sentences.parquet")["text"].to_list())

    def exact(self, demand: str) -> ProfileWords:
        """What a demand says exactly of people."""
        if not self.columns:
            return ProfileWords(None, demand)
        return read_profile(demand, self.columns, values=self.values, spoken=self.spoken)

    def offer(self, demand: str) -> str | None:
        """The filter that a demand's words suggest."""
        if not self.columns:
            return None
        return offered_filter(demand, self.columns, values=self.values, spoken=self.spoken)
