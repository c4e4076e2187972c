"""The baselines by the name that options use.

Tested in tests/evaluation/next_event/test_baselines.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from findcli.errors import FindCLIError
from findcli.evaluation.next_event.baselines.boosted import Boosted
from findcli.evaluation.next_event.baselines.encoder import EncoderScorer
from findcli.evaluation.next_event.baselines.fpmc import FPMC
from findcli.evaluation.next_event.baselines.item_knn import ItemKNN
from findcli.evaluation.next_event.baselines.markov import Markov, MarkovAndOwn
from findcli.evaluation.next_event.baselines.own import OwnCounts
from findcli.evaluation.next_event.baselines.popularity import Popularity
from findcli.evaluation.next_event.baselines.teaching import Scorer, Teaching

BASELINES: dict[str, Callable[[Teaching], Scorer]] = {
    "popularity": Popularity.ever,
    "recent-popularity": Popularity.lately,
    "last": OwnCounts.last,
    "frequent": OwnCounts.frequent,
    "recent": OwnCounts.recent,
    "markov": Markov.fit,
    "markov-own": MarkovAndOwn.fit,
    "item-knn": ItemKNN.fit,
    "fpmc": FPMC.fit,
    "sasrec": EncoderScorer.like_sasrec,
}
TREES = "lambdarank"
NAMES = (*BASELINES, TREES)


def chosen_names(text: str) -> list[str]:
    """The names in "all", "none" or a list with commas, in their order.

    Raises:
        FindCLIError: one of them is no baseline.
    """
    if text in ("all", "none"):
        return list(NAMES) if text == "all" else []
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in NAMES:
            raise FindCLIError(f"there is no baseline {name!r}", hint=f"name some of {', '.join(NAMES)}, all or none")
    return [name for name in NAMES if name in names]


def fit_baselines(teaching: Teaching, names: Sequence[str]) -> list[Scorer]:
    """Fit baselines; the trees rank what the others chosen, but for the network, rank best."""
    fitted = {name: BASELINES[name](teaching) for name in names if name != TREES}
    if TREES not in names:
        return list(fitted.values())
    below = {name: fitted.get(name) or BASELINES[name](teaching) for name in BASELINES if name != "sasrec"}
    return [*fitted.values(), Boosted.fit(teaching, list(below.values()))]
