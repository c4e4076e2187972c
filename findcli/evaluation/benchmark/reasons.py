"""Whether reasons of users are right: what deleting the named events costs, beside as many others of the same user.

Of every sentence some users of its best tenth are explained. The events that are named, as many drawn at random and as
many of the most recent are deleted in turn, and the log odds that each deletion costs are compared, user by user.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findcli.audiences.why.deletion import open_histories
from findcli.audiences.why.user import Explainer
from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.protocol import build_case
from findcli.metrics import Interval, interval
from findcli.progress import Progress, no_progress
from findcli.scoring.engine import Engine, open_engine
from findcli.workspace.folder import Workspace

TENTH = 0.1
REPLICATES = 2000
SENTENCES = 20


@dataclass(frozen=True)
class Named:
    """What the reasons of users are worth.

    Attributes:
        users: how many were explained, each by one sentence.
        sentences: by how many.
        events: mean number of events named.
        out: share of the users who would not be in the audience without them.
        named: log odds that deleting the named events costs, on average.
        more_than_random: by how much that is more than deleting as many random events of the same user.
        more_than_recent: than the most recent.
        others: share of the users for whom another sentence names other events.
    """

    users: int
    sentences: int
    events: float
    out: float
    named: float
    more_than_random: Interval
    more_than_recent: Interval
    others: float


def measure_reasons(
    workspace: Workspace,
    *,
    users: int = 10,
    sentences: int = SENTENCES,
    device: str = "auto",
    progress: Progress | None = None,
) -> Named:
    """Explain users by common categories, as of `train_until`.

    Args:
        workspace: a trained workspace of purchases with categories.
        users: of each sentence.
        sentences: evenly spread over the common categories.
        device: "auto", "cpu", "cuda" or "mps".
        progress: told after each sentence.

    Raises:
        FindCLIError: no category is common, or nobody did anything before.
    """
    engine = open_engine(workspace, as_of=workspace.train_until, device=device)
    demands = build_case(workspace).inputs.demands
    chosen = [demands[i] for i in np.unique(np.linspace(0, len(demands) - 1, sentences).astype(int))]
    rng, rows = np.random.default_rng(0), []
    for i, demand in enumerate(chosen):
        other = chosen[(i + 1) % len(chosen)]
        rows += _of_sentence(engine, demand, other, users, rng)
        (progress or no_progress)(i + 1, len(chosen), {})
    if not rows:
        raise FindCLIError("nobody has an event to name", hint="is there a history before train_until?")
    events, out, named, by_chance, recent, differs = np.array(rows, float).T
    return Named(
        len(rows), len(chosen), float(events.mean()), float(out.mean()), float(named.mean()),
        _mean(named - by_chance), _mean(named - recent), float(differs.mean()),
    )  # fmt: skip


def _of_sentence(
    engine: Engine, demand: str, other: str, users: int, rng: np.random.Generator
) -> list[tuple[float, ...]]:
    """A row a user: events named, whether he is out without them, and the cost of the three deletions."""
    explainer, another = (Explainer(engine, engine.read([each])[0]) for each in (demand, other))
    scores = engine.score_read([explainer.rewriting]).scores[:, 0]
    best = np.argsort(-scores, kind="stable")[: max(1, round(TENTH * len(scores)))]
    bar, picked = float(scores[best[-1]]), rng.choice(best, min(users, len(best)), replace=False)
    rows = []
    for history in open_histories(engine, engine.users.gather(picked).to_list()):
        gone, after = explainer.smallest_set(history, bar)
        if gone:
            latest = list(range(len(history) - len(gone), len(history)))
            drawn = rng.choice(len(history), len(gone), replace=False).tolist()
            before, *left = explainer.scores_without(history, [[], gone, drawn, latest])
            costs = [float(before - score) for score in left]
            costliest = [each.smallest_set(history, np.inf)[0] for each in (explainer, another)]
            rows.append((len(gone), after[-1] < bar, *costs, costliest[0] != costliest[1]))
    return rows


def _mean(values: np.ndarray) -> Interval:
    drawn = np.random.default_rng(1).integers(len(values), size=(REPLICATES, len(values)))
    return interval(np.concatenate([[values.mean()], values[drawn].mean(1)]))
