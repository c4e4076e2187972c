"""The rivals by name, run within a bound of time, their scores kept on disk until they or their inputs change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from findcli.evaluation.name_selection import chosen_names
from findcli.evaluation.rivals.activity import Activity
from findcli.evaluation.rivals.als import Als
from findcli.evaluation.rivals.boosted import Boosted
from findcli.evaluation.rivals.cache import computed_or_kept
from findcli.evaluation.rivals.counts import Counts
from findcli.evaluation.rivals.ranking_inputs import RankingInputs, RankingRival, settings_digest
from findcli.evaluation.rivals.rules import Rules
from findcli.evaluation.rivals.svd import Svd
from findcli.evaluation.rivals.text_similarity import MeanText, NearestText
from findcli.workspace.runs import hash_json

RANKING_RIVALS: dict[str, tuple[RankingRival, ...]] = {
    "activity": (Activity(),),
    "counts": (Counts(),),
    "text_similarity": (MeanText(), NearestText()),
    "als": (Als(),),
    "svd": (Svd(),),
    "boosted": (Boosted(),),
    "rules": (Rules(),),
}
SECONDS = 600.0


@dataclass(frozen=True)
class RankerScores:
    """What one ranker came to.

    Attributes:
        name: what tables call it.
        scores: float32 (U, C); None where it did not finish.
        seconds: what it took when it was computed.
        note: why it did not finish, "" where it did.
        probabilities: where it gives any, float64 (U, C), NaN where it gives none.
    """

    name: str
    scores: np.ndarray | None
    seconds: float
    note: str = ""
    probabilities: np.ndarray | None = None


def chosen_rivals(wanted: str) -> tuple[RankingRival, ...]:
    """The rankers that "all", "none" or names with commas between them stand for.

    Raises:
        FindCLIError: a name is unknown.
    """
    names = chosen_names(wanted, RANKING_RIVALS, what="rival")
    return tuple(ranker for name in names for ranker in RANKING_RIVALS[name])


def score_rival(
    ranker: RankingRival, inputs: RankingInputs, folder: Path, *, seconds: float, digest: str
) -> RankerScores:
    """A rival's scores, from the disk where they stand.

    Args:
        ranker: the rival.
        inputs: what it sees.
        folder: where scores are kept.
        seconds: the bound; looked at between its steps and at its end.
        digest: that of the inputs.

    Returns:
        Its scores; or none, with the reason, where it took too long or lacks a package.
    """
    path = folder / f"{hash_json([settings_digest(ranker), digest])}.safetensors"
    kept = computed_or_kept(
        path, "scores", lambda keep_time: ranker.scores(replace(inputs, keep_time=keep_time)), seconds=seconds
    )
    return RankerScores(ranker.name, kept.array, kept.seconds, kept.note)


def lacking(scored: Sequence[RankerScores]) -> list[str]:
    """What to say of rivals that did not finish."""
    return [f"{one.name}: {one.note}" for one in scored if one.note]
