"""`findcli plot`: a map of users by t-SNE (or UMAP), as in FIND's Figures 3 and 4, as PNG or an interactive page.

Users who are alike lie near each other. They are coloured by a task's outcome or by the score of a demand or prompt;
a prompt's seeds are marked where they are given, and so are the users nearest to the sentence before and after it was
tuned: a sentence has no history and so no place of its own, and stands at the middle of the users that it ranks first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from findcli.audiences.prompts.seeds import Seeds, read_seeds
from findcli.audiences.prompts.store import open_prompt, score_prompt
from findcli.data.tasks import find_task, read_labels
from findcli.errors import FindCLIError
from findcli.evaluation.map_files import BLACK, BLUE, ORANGE, PURPLE, VERMILION, WHITE, YELLOW, Marks, UserMap, writer
from findcli.scoring.engine import Engine, open_engine
from findcli.workspace.disk import replacing
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run

Method = Literal["tsne", "umap"]
NEAREST = 0.01  # a sentence stands at the middle of this share of users, whom it ranks first
METHODS = {"tsne": "t-SNE", "umap": "UMAP"}


def plot_users(
    workspace: Workspace,
    output: Path,
    *,
    task: str | None = None,
    demand: str | None = None,
    prompt: str | None = None,
    seeds: Path | None = None,
    users: int = 3000,
    method: Method = "tsne",
    as_of: datetime | None = None,
    model: Workspace | None = None,
    seed: int = 0,
    device: str = "auto",
) -> UserMap:
    """Draw a map of users.

    Args:
        workspace: whose users.
        output: a .png or .html file.
        task: whose outcome colours them; its date is that of the map.
        demand: whose score colours them, a sentence.
        prompt: a learned prompt whose score colours them, its sentence marked beside it.
        seeds: a file of seed users, marked.
        users: at most so many are drawn, at random; positives of a task, and seeds, are kept.
        method: "tsne" (scikit-learn) or "umap" (umap-learn, where it is installed).
        as_of: the date of the map; the task's, or the newest embeddings, when not given.
        model: the workspace whose trained model is used; the same when not given.
        seed: of the sample and the map.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: a library is missing, the file cannot be named so, or the task, prompt or seeds cannot be used.
    """
    draw = writer(output)
    place = _projection(method)
    when = find_task(workspace, task).as_of if task is not None and as_of is None else as_of
    engine = open_engine(workspace, as_of=when, model=model, device=device)
    marked = None if seeds is None else read_seeds(seeds, engine.users)
    labels = None if task is None else _labels(workspace, task, engine.users)
    scores = _scores(engine, demand, prompt)
    rows = _sample(len(engine.users), users, seed=seed, seeds=marked, labels=labels, scores=scores)
    places = place(engine.population.tensors["embeddings"][rows], seed)
    shown = _Shown(engine.users, rows, places, labels, scores)
    user_map = UserMap(
        title=_title(workspace, task, demand, prompt),
        note=_note(shown, engine.run, method),
        places=places,
        values=None if shown.colouring is None else shown.colouring[rows],
        values_name="score" if prompt is None else "prompt's score",
        hover=shown.hover,
        marks=[*_outcome_marks(shown), *_seed_marks(shown, marked), *_sentence_marks(shown, prompt)],
        moved=np.stack([shown.middle("before"), shown.middle("after")]) if len(scores) == 2 else None,
    )
    with replacing(output) as temporary:
        draw(user_map, temporary)
    return user_map


@dataclass(frozen=True)
class _Shown:
    """The users that are drawn, and what is known of them and of all others (N embedded users, n drawn).

    Attributes:
        ids: of all users, (N,).
        rows: of those drawn, ascending, int (n,).
        places: of those drawn, (n, 2).
        labels: of all users, as `_labels` gives them; None without a task.
        scores: of all users, as `_scores` gives them.
    """

    ids: pl.Series
    rows: np.ndarray
    places: np.ndarray
    labels: pl.DataFrame | None
    scores: dict[str, np.ndarray]

    @property
    def colouring(self) -> np.ndarray | None:
        """The scores that colour users: the prompt's, else the sentence's, (N,)."""
        return self.scores.get("after", self.scores.get("before"))

    @cached_property
    def hover(self) -> list[str]:
        """What the page says of each drawn user: the id, the score and the outcome, as far as they are known."""
        lines = [[f"user {self.ids[int(row)]}"] for row in self.rows]
        for i, row in enumerate(self.rows):
            lines[i] += [] if self.colouring is None else [f"score {self.colouring[row]:.2f}"]
            label, hard = (None, None) if self.labels is None else self.labels.row(int(row))
            lines[i] += [] if label is None else ["positive" if label else "hard negative" if hard else "negative"]
        return ["<br>".join(words) for words in lines]

    def marks(self, name: str, rows: np.ndarray, colour: str, symbol: str, size: float, edge: str = WHITE) -> Marks:
        """A group of users, as far as they are drawn."""
        index = self._drawn(rows)
        hover = [self.hover[i] for i in index]
        return Marks(f"{name} ({len(index):,})", self.places[index], colour, symbol, size, hover, edge)

    def middle(self, when: str) -> np.ndarray:
        """The middle of the users whom the sentence or the prompt ranks first, (2,)."""
        middle: np.ndarray = np.median(self.places[self._drawn(_ranked_first(self.scores[when]))], axis=0)
        return middle

    def _drawn(self, rows: np.ndarray) -> np.ndarray:
        """Where some users are among those drawn; those not drawn are left out."""
        index = {int(row): i for i, row in enumerate(self.rows)}
        return np.array([index[int(row)] for row in rows if int(row) in index], np.int64)


def _outcome_marks(shown: _Shown) -> list[Marks]:
    """Positives of the task, and its hard negatives where no score colours the users."""
    if shown.labels is None:
        return []
    positive, hard = (
        np.flatnonzero(shown.labels[name].fill_null(value=False).to_numpy()) for name in ("label", "hard_negative")
    )
    plain = shown.colouring is None
    groups = [shown.marks("hard negatives", hard, ORANGE, "o", 4)] if len(hard) and plain else []
    return [*groups, shown.marks("positives", positive, BLUE if plain else VERMILION, "o", 5)]


def _seed_marks(shown: _Shown, seeds: Seeds | None) -> list[Marks]:
    if seeds is None:
        return []
    return [
        shown.marks("seeds", seeds.positives, YELLOW, "*", 17, BLACK),
        shown.marks("hard negative seeds", seeds.negatives, PURPLE, "X", 11, BLACK),
    ]


def _sentence_marks(shown: _Shown, prompt: str | None) -> list[Marks]:
    """Where the sentence stands, or the prompt before and after it was tuned."""
    marks = []
    for when, colour, edge in (("before", WHITE, BLACK), ("after", BLACK, WHITE)):
        if when in shown.scores:
            name = "the sentence" if prompt is None else f"the prompt {when} tuning"
            hover = [f"{name}: the middle of the users it ranks first"]
            marks.append(Marks(name, shown.middle(when)[None], colour, "D", 11, hover, edge))
    return marks


def _title(workspace: Workspace, task: str | None, demand: str | None, prompt: str | None) -> str:
    about = [] if task is None else [find_task(workspace, task).title or task]
    about += [] if prompt is None else [f"prompt {prompt}"]
    about += [f'"{demand}"'] if demand is not None else []
    return f"{workspace.settings.workspace.name}: " + (", ".join(about) or "users by what they do")


def _note(shown: _Shown, run: Run, method: Method) -> str:
    day = str(run.manifest.settings["as_of"])[:10]
    drawn, everyone = len(shown.rows), len(shown.ids)
    note = f"{drawn:,} of {everyone:,} users, histories before {day}, {METHODS[method]} of their vectors"
    return note + ("; positives are drawn more often" if shown.labels is not None and drawn < everyone else "")


def _labels(workspace: Workspace, task: str, ids: pl.Series) -> pl.DataFrame:
    """Every user's label, and whether a hard negative, null without one: a row a user."""
    labels = read_labels(workspace, task, find_task(workspace, task))
    rows = pl.DataFrame({"user_id": ids}).join(labels, on="user_id", how="left", maintain_order="left")
    hard = pl.col("hard_negative") if "hard_negative" in labels.columns else pl.lit(None, pl.Boolean)
    return rows.select("label", hard_negative=hard)


def _scores(engine: Engine, demand: str | None, prompt: str | None) -> dict[str, np.ndarray]:
    """All users' scores, "before" by the sentence and "after" by the prompt, as far as they are asked for."""
    scores = {}
    sentence = demand
    if prompt is not None:
        sentence = open_prompt(engine.workspace, prompt, trained=engine.model.workspace)[0].sentence
    if sentence is not None:
        scores["before"] = engine.score([sentence]).scores[:, 0]
    if prompt is not None:
        scores["after"] = score_prompt(engine, prompt).scores[:, 0]
    return scores


def _sample(
    n: int, most: int, *, seed: int, seeds: Seeds | None, labels: pl.DataFrame | None, scores: dict[str, np.ndarray]
) -> np.ndarray:
    """Rows that are drawn: seeds, those that a sentence ranks first, and others at random; ascending."""
    rng = np.random.default_rng(seed)
    kept = [rng.permutation(n)[: min(n, most)]]
    kept += [] if seeds is None else [seeds.rows]
    kept += [_ranked_first(each) for each in scores.values()]
    if labels is not None:
        positive = np.flatnonzero(labels["label"].fill_null(value=False).to_numpy())
        kept.append(rng.permutation(positive)[: max(1, most // 5)])
    return np.unique(np.concatenate(kept))


def _ranked_first(scores: np.ndarray) -> np.ndarray:
    """The rows that a sentence ranks first."""
    first: np.ndarray = np.argsort(-scores, kind="stable")[: max(10, int(NEAREST * len(scores)))]
    return first


def _projection(method: Method) -> Callable[[np.ndarray, int], np.ndarray]:
    """What places vectors (n, D) on a plane (n, 2).

    Raises:
        FindCLIError: the library is not installed.
    """
    if method == "umap":
        try:
            from umap import UMAP
        except ImportError as error:
            raise FindCLIError("UMAP needs the package umap-learn", hint="pip install umap-learn") from error
        return lambda vectors, seed: UMAP(metric="cosine", random_state=seed, n_jobs=1).fit_transform(vectors)

    def tsne(vectors: np.ndarray, seed: int) -> np.ndarray:
        from sklearn.manifold import TSNE

        if len(vectors) < 4:
            raise FindCLIError(f"{len(vectors)} users make no map", hint="draw at least 4, with --users")
        nearby = min(30.0, (len(vectors) - 1) / 3)
        model = TSNE(metric="cosine", init="random", perplexity=nearby, random_state=seed, n_jobs=1)
        places: np.ndarray = model.fit_transform(vectors)
        return places

    return tsne
