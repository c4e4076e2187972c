"""Scores of users for demands, by query or by FIND's single vector, whichever the model was trained for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import load_file
from scipy.special import expit

from findcli.models.ranker.co_occurrence import CoOccurrence
from findcli.models.ranker.features import NAMED, Company, company, pick_concepts, score, score_slopes
from findcli.models.ranker.module import Ranker
from findcli.models.ranker.snapshot import Snapshot, read_snapshot
from findcli.models.text.encoder import load_text_encoder
from findcli.models.text.sentence import SentenceEncoder
from findcli.models.text.space import TextSpace
from findcli.scoring.embed import scores_by_query
from findcli.training.loop import select_device
from findcli.training.module_files import load_module
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run, open_run


@dataclass(frozen=True)
class Scored:
    """N users for Q demands.

    Attributes:
        scores: (N, Q), higher is likelier.
        probabilities: (N, Q), NaN where a demand is ranked only.
        nearest: for each demand the sentences that it was read as, with their cosine where they were looked for.
    """

    scores: np.ndarray
    probabilities: np.ndarray
    nearest: list[list[tuple[str, float | None]]]


def score_demands(
    workspace: Workspace, trained: Workspace, run: Run, demands: Sequence[str], *, device: str = "auto"
) -> Scored:
    """Score the users of a folder of embeddings in the model's own way.

    Args:
        workspace: whose users.
        trained: the workspace whose model scores; another's odds are not calibrated for these users.
        run: the embeddings.
        demands: Q sentences.
        device: "auto", "cpu", "cuda" or "mps".
    """
    if not scores_by_query(trained):
        aligned = open_run(trained.run("aligned"), "aligned")
        return score_by_vector(aligned, run.tensors("users.safetensors")["embeddings"], demands, device=device)
    scored = score_by_query(trained, read_snapshot(run), demands, device=device)
    own = trained.folder == workspace.folder
    return scored if own else Scored(scored.scores, np.full_like(scored.scores, np.nan), scored.nearest)


def score_by_vector(aligned: Run, embeddings: np.ndarray, demands: Sequence[str], *, device: str = "auto") -> Scored:
    """The cosine of sentences with FIND's single vector of users (FIND Eq 2).

    Args:
        aligned: the trained model.
        embeddings: unit vectors of users, (N, D).
        demands: Q sentences.
        device: "auto", "cpu", "cuda" or "mps".
    """
    vectors = load_sentence_encoder(aligned, device=device).vectors(demands)  # (Q, D)
    scores = (torch.from_numpy(embeddings) @ vectors.T).numpy()  # (N, Q)
    return Scored(scores, np.full_like(scores, np.nan), nearest_sentences(aligned, vectors))


def score_by_query(trained: Workspace, snapshot: Snapshot, demands: Sequence[str], *, device: str = "auto") -> Scored:
    """The log odds of sentences by what they pick from histories; see `query_scoring`.

    Args:
        trained: the workspace whose model reads them.
        snapshot: N users and their concepts as of a date.
        demands: Q sentences.
        device: "auto", "cpu", "cuda" or "mps".
    """
    aligned = open_run(trained.run("aligned"), "aligned")
    space = TextSpace(open_run(trained.run("text"), "text"), device=str(select_device(device)))
    vectors = _vectors(space, snapshot, demands)  # (Q, d_text)
    odds = QueryScorer.open(aligned, snapshot).odds(vectors)  # (N, Q)
    probabilities = np.full(odds.shape, np.nan)
    if aligned.files("calibration.json"):
        line = aligned.json("calibration.json")
        calibrated = expit(line["slope"] * odds.astype(np.float64) + line["intercept"])
        nearest = (snapshot.concepts.vectors @ vectors.T).max(0)
        probabilities = np.where(nearest >= NAMED, calibrated, np.nan)
    return Scored(odds, probabilities, picked_concepts(snapshot, vectors))


def _vectors(space: TextSpace, snapshot: Snapshot, demands: Sequence[str]) -> np.ndarray:
    """Unit vectors of demands, (Q, d_text): a concept's own sentence has one already, the others are encoded."""
    known = {text: i for i, text in enumerate(snapshot.texts)}
    strange = [demand for demand in demands if demand not in known]
    vectors = np.empty((len(demands), space.width), np.float32)
    if strange:
        vectors[[demand not in known for demand in demands]] = space.encode(strange)
    own = [i for i, demand in enumerate(demands) if demand in known]
    vectors[own] = snapshot.concepts.vectors[[known[demands[i]] for i in own]]
    return vectors


@dataclass(frozen=True)
class QueryScorer:
    """What query-aware scoring needs beside a demand's vector."""

    snapshot: Snapshot
    among: Company
    learned: CoOccurrence
    ranker: Ranker

    @classmethod
    def open(cls, aligned: Run, snapshot: Snapshot) -> QueryScorer:
        """Read a model's part of it."""
        learned = CoOccurrence.from_tensors(aligned.tensors("concepts.safetensors"))
        among = company(snapshot.habits, snapshot.concepts, learned, factors=snapshot.factors)
        return cls(snapshot, among, learned, load_module(aligned, "ranker", Ranker).requires_grad_(requires_grad=False))

    def odds(self, vectors: np.ndarray) -> np.ndarray:
        """The log odds of whitened unit vectors (Q, d_text) for all users: float32 (N, Q)."""
        query = pick_concepts(vectors, self.snapshot.concepts)
        return score(self.snapshot.habits, self.among, query, self.learned, self.ranker)

    def slopes(self, vector: np.ndarray, moves: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """How the log odds of all users, or of some, change as a vector (d_text,) moves (K, d_text): (N, K)."""
        habits, among = self.snapshot.habits, self.among
        if rows is not None:
            habits, among = habits.rows(rows), among.rows(rows)
        return score_slopes(habits, self.snapshot.concepts, among, vector, moves, self.learned, self.ranker)


def picked_concepts(snapshot: Snapshot, vectors: np.ndarray, *, most: int = 3) -> list[list[tuple[str, float | None]]]:
    """For each demand the concepts that it is nearest to."""
    cosine = vectors @ snapshot.concepts.vectors.T  # (Q, n_concepts)
    best = np.argsort(-cosine, axis=1, kind="stable")[:, :most]
    return [[(snapshot.texts[int(i)], float(row[i])) for i in chosen] for row, chosen in zip(cosine, best, strict=True)]


def load_sentence_encoder(aligned: Run, *, device: str) -> SentenceEncoder:
    """The sentence's side, LoRA merged, in eval mode."""
    max_tokens = aligned.manifest.settings["max_tokens"]
    tower = load_text_encoder(str(aligned.folder / "tower"), max_tokens=max_tokens)
    with aligned.reading("sentence.safetensors"):
        weights = load_file(aligned.folder / "sentence.safetensors")
    encoder = SentenceEncoder(tower=tower, d_embedding=len(weights["bias"]))
    encoder.project.load_state_dict(weights)
    return encoder.to(select_device(device)).eval()


def nearest_sentences(aligned: Run, vectors: torch.Tensor, *, most: int = 3) -> list[list[tuple[str, float | None]]]:
    """For each vector (n, D) the training sentences with the highest cosine."""
    known = torch.from_numpy(aligned.tensors("sentences.safetensors")["vectors"])  # (S, D)
    words = aligned.table("sentences.parquet")["text"]
    best = (vectors @ known.T).topk(min(most, len(known)), dim=1)
    return [
        [(words[int(i)], float(v)) for i, v in zip(row, value, strict=True)]
        for row, value in zip(best.indices, best.values, strict=True)
    ]
