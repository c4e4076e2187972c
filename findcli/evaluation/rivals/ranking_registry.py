"""The rankers by name, run within a time limit; scores are kept on disk until the rankers or their inputs change."""

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
    """The scores of one ranker.

    Attributes:
        name: its name in tables.
        scores: float32 (U, C); None if it did not finish.
        seconds: the time it took when it was computed.
        note: why it did not finish; "" if it did.
        probabilities: float64 (U, C), NaN where it gives none; None if it gives none at all.
    """

    name: str
    scores: np.ndarray | None
    seconds: float
    note: str = ""
    probabilities: np.ndarray | None = None


def chosen_rivals(wanted: str) -> tuple[RankingRival, ...]:
    """The rankers that "all", "none" or comma-separated names stand for.

    Raises:
        FindCLIError: a name is unknown.
    """
    names = chosen_names(wanted, RANKING_RIVALS, what="rival")
    return tuple(ranker for name in names for ranker in RANKING_RIVALS[name])


def score_rival(
    ranker: RankingRival, inputs: RankingInputs, folder: Path, *, seconds: float, digest: str
) -> RankerScores:
    """A rival's scores, read from disk if they are there.

    Args:
        ranker: the rival.
        inputs: everything that it may see.
        folder: the folder of kept scores.
        seconds: the time limit, checked between its steps and at its end.
        digest: digest of the inputs.

    Returns:
        Its scores; or None, with the reason, if it took too long or lacks a package.
    """
    path = folder / f"{hash_json([settings_digest(ranker), digest])}.safetensors"
    kept = computed_or_kept(
        path, "scores", lambda keep_time: ranker.scores(replace(inputs, keep_time=keep_time)), seconds=seconds
    )
    return RankerScores(ranker.name, kept.array, kept.seconds, kept.note)


def lacking(scored: Sequence[RankerScores]) -> list[str]:
    """Notes on the rivals that did not finish, one each."""
    return [f"{one.name}: {one.note}" for one in scored if one.note]
