"""`findcli plot`: a map of users by t-SNE (or UMAP), as in FIND's Figures 3 and 4, as PNG or an interactive page.

Similar users lie near each other. They are coloured by a task's outcome or by the score of a demand or prompt. Seeds
are marked, and so is the sentence, before and after it was tuned: it has no history and thus no position of its own, so
it stands in the middle of the users that it ranks first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from findcli.evaluation.map_drawing import (
    BLACK,
    BLUE,
    ORANGE,
    PURPLE,
    VERMILION,
    WHITE,
    YELLOW,
    Marks,
    UserMap,
    writer,
)
from findcli.scoring.engine import Engine, open_engine
from findcli.workspace.disk import replacing
from findcli.workspace.folder import Workspace

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
        workspace: the workspace of the users.
        output: a .png or .html file.
        task: the task whose outcome colours the users; its date is that of the map.
        demand: the sentence whose score colours the users.
        prompt: the learned prompt whose score colours the users; its sentence is marked too.
        seeds: a file of seed users to mark.
        users: number of users drawn at random, at most; seeds, first-ranked users and positives are added.
        method: "tsne" (scikit-learn) or "umap" (umap-learn, if it is installed).
        as_of: the date of the map; default: that of the task, or of the newest embeddings.
        model: the workspace whose trained model is used; default: `workspace`.
        seed: of the sample and the map.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: a library is missing, the file extension is not supported, or the task, prompt or seeds cannot be
            used.
    """
    draw = writer(output)
    place = _projection(method)
    when = find_task(workspace, task).as_of if task is not None and as_of is None else as_of
    engine = open_engine(workspace, as_of=when, model=model, device=device)
    ids = engine.users
    chosen = None if seeds is None else read_seeds(seeds, ids)
    labels = None if task is None else _labels(workspace, task, ids)
    scores = _scores(engine, demand, prompt)
    shown = _sample(len(ids), users, seed=seed, seeds=chosen, labels=labels, scores=scores)
    places = place(engine.population.tensors["embeddings"][shown], seed)
    drawing = _Drawing(engine, task, demand, prompt, chosen, labels, scores, shown, places)
    user_map = drawing.compose(method)
    with replacing(output) as temporary:
        draw(user_map, temporary)
    return user_map


def _labels(workspace: Workspace, task: str, ids: pl.Series) -> pl.DataFrame:
    """Every user's label and whether it is a hard negative, null without a label: one row per user."""
    labels = read_labels(workspace, task, find_task(workspace, task))
    rows = pl.DataFrame({"user_id": ids}).join(labels, on="user_id", how="left", maintain_order="left")
    hard = pl.col("hard_negative") if "hard_negative" in labels.columns else pl.lit(None, pl.Boolean)
    return rows.select("label", hard_negative=hard)


def _scores(engine: Engine, demand: str | None, prompt: str | None) -> dict[str, np.ndarray]:
    """All users' scores, "before" by the sentence and "after" by the prompt, whichever are requested."""
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
    """The rows to draw, ascending: seeds, users ranked first, and others at random."""
    rng = np.random.default_rng(seed)
    kept = [rng.permutation(n)[: min(n, most)]]
    kept += [] if seeds is None else [seeds.rows]
    kept += [_first(each) for each in scores.values()]
    if labels is not None:
        positive = np.flatnonzero(labels["label"].fill_null(value=False).to_numpy())
        kept.append(rng.permutation(positive)[: max(1, most // 5)])
    return np.unique(np.concatenate(kept))


def _first(scores: np.ndarray) -> np.ndarray:
    """The rows that a sentence ranks first."""
    best: np.ndarray = np.argsort(-scores, kind="stable")[: max(10, int(NEAREST * len(scores)))]
    return best


@dataclass(frozen=True)
class _Drawing:
    """The ingredients of a map.

    Attributes:
        engine: scores all N users.
        task, demand, prompt: what colours the users, whichever are requested.
        seeds: users to mark.
        labels: every user's, (N,) rows.
        scores: every user's, (N,), "before" and "after" tuning, whichever are requested.
        shown: rows of the drawn users, (n,).
        places: their positions, (n, 2).
    """

    engine: Engine
    task: str | None
    demand: str | None
    prompt: str | None
    seeds: Seeds | None
    labels: pl.DataFrame | None
    scores: dict[str, np.ndarray]
    shown: np.ndarray
    places: np.ndarray

    def compose(self, method: Method) -> UserMap:
        """The whole map; `method` is named in its note."""
        middles = {when: np.median(self._places_of(_first(each)), axis=0) for when, each in self.scores.items()}
        return UserMap(
            self._title(),
            self._note(method),
            self.places,
            None if self._final is None else self._final[self.shown],
            "score" if self.prompt is None else "prompt's score",
            self._hover,
            [*self._labelled(), *self._seeded(), *self._sentences(middles)],
            np.stack([middles["before"], middles["after"]]) if len(middles) == 2 else None,
        )

    @property
    def _final(self) -> np.ndarray | None:
        return self.scores.get("after", self.scores.get("before"))

    @cached_property
    def _hover(self) -> list[str]:
        return _hover(self.engine.users, self.shown, self.labels, self._final)

    @cached_property
    def _row(self) -> dict[int, int]:
        return {int(user): i for i, user in enumerate(self.shown)}

    def _places_of(self, users: np.ndarray) -> np.ndarray:
        places: np.ndarray = self.places[[self._row[int(user)] for user in users]]
        return places

    def _marks(self, name: str, users: np.ndarray, colour: str, symbol: str, size: float, edge: str = WHITE) -> Marks:
        index = np.array([self._row[int(user)] for user in users if int(user) in self._row], np.int64)
        hover = [self._hover[i] for i in index]
        return Marks(f"{name} ({len(index):,})", self.places[index], colour, symbol, size, hover, edge)

    def _labelled(self) -> list[Marks]:
        """The positives, and the hard negatives if no score colours the users."""
        if self.labels is None:
            return []
        positive, hard = (
            np.flatnonzero(self.labels[name].fill_null(value=False).to_numpy()) for name in ("label", "hard_negative")
        )
        scored = self._final is not None
        marks = [] if scored or not len(hard) else [self._marks("hard negatives", hard, ORANGE, "o", 4)]
        return [*marks, self._marks("positives", positive, VERMILION if scored else BLUE, "o", 5)]

    def _seeded(self) -> list[Marks]:
        if self.seeds is None:
            return []
        return [
            self._marks("seeds", self.seeds.positives, YELLOW, "*", 17, BLACK),
            self._marks("hard negative seeds", self.seeds.negatives, PURPLE, "X", 11, BLACK),
        ]

    def _sentences(self, middles: Mapping[str, np.ndarray]) -> Iterator[Marks]:
        """The sentence and the prompt, each in the middle of the users that it ranks first."""
        for when, colour, edge in (("before", WHITE, BLACK), ("after", BLACK, WHITE)):
            if when in middles:
                name = "the sentence" if self.prompt is None else f"the prompt {when} tuning"
                hover = [f"{name}: the middle of the users it ranks first"]
                yield Marks(name, middles[when][None], colour, "D", 11, hover, edge)

    def _title(self) -> str:
        workspace = self.engine.workspace
        about = [] if self.task is None else [find_task(workspace, self.task).title or self.task]
        about += [] if self.prompt is None else [f"prompt {self.prompt}"]
        about += [f'"{self.demand}"'] if self.demand is not None else []
        return f"{workspace.settings.workspace.name}: " + (", ".join(about) or "users by what they do")

    def _note(self, method: Method) -> str:
        n, users = len(self.shown), len(self.engine.users)
        day = self.engine.as_of.date().isoformat()
        note = f"{n:,} of {users:,} users, histories before {day}, {METHODS[method]} of their vectors"
        return note + ("; positives are drawn more often" if self.labels is not None and n < users else "")


def _hover(ids: pl.Series, shown: np.ndarray, labels: pl.DataFrame | None, scores: np.ndarray | None) -> list[str]:
    """The page's text for each user: id, and score and outcome if known."""
    lines = [[f"user {ids[int(user)]}"] for user in shown]
    for i, user in enumerate(shown):
        lines[i] += [] if scores is None else [f"score {scores[user]:.2f}"]
        label, hard = (None, None) if labels is None else labels.row(int(user))
        lines[i] += [] if label is None else ["positive" if label else "hard negative" if hard else "negative"]
    return ["<br>".join(words) for words in lines]


def _projection(method: Method) -> Callable[[np.ndarray, int], np.ndarray]:
    """The function that projects vectors (n, D) onto a plane (n, 2).

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
