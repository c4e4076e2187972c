"""A rewriter for the users of a folder of embeddings: their vocabulary as of its date, with its vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from findcli.demands.retrieval import Encode, LetterLikeness, Retriever, VectorLikeness, Views, build_views
from findcli.demands.rewriter import Reranker, Rewriter
from findcli.models.text.space import Space, TextSpace
from findcli.models.trained import TrainedModel
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run

FLOOR = 0.38  # tuned, as `retrieval.Weights` is: a demand less close to what it would be read as is unanswerable


def write_vocabulary(vocabulary: pl.DataFrame, space: Space, draft: Draft) -> None:
    """Fill a draft of embeddings with what `open_rewriter` reads.

    Args:
        vocabulary: of the users, `data/vocabulary.py`.
        space: the model's text space.
        draft: of the embeddings.
    """
    draft.table("vocabulary.parquet", vocabulary)
    if isinstance(space, TextSpace) and _is_pretrained(space) and len(vocabulary):
        draft.tensors("vocabulary.safetensors", build_views(vocabulary, space.raw).tensors())


def open_rewriter(workspace: Workspace, model: TrainedModel, run: Run, *, reranker: Reranker | None = None) -> Rewriter:
    """Load the rewriter of a workspace's users.

    Args:
        workspace: whose users.
        model: that ranks them; its text encoder reads demands.
        run: their embeddings.
        reranker: a language model's say; none for likeness alone.
    """
    vocabulary = run.table("vocabulary.parquet")
    likeness: VectorLikeness | LetterLikeness
    if run.files("vocabulary.safetensors"):
        likeness = VectorLikeness(Views.from_tensors(run.tensors("vocabulary.safetensors")), _encoder(model.space))
    else:
        likeness = LetterLikeness(vocabulary)
    return Rewriter(
        Retriever(vocabulary, likeness),
        future=parse_duration(model.aligned.manifest.settings["future"]),
        currency=workspace.settings.workspace.currency,
        reranker=reranker,
        floor=FLOOR if isinstance(likeness, VectorLikeness) else None,
    )


def _encoder(space: TextSpace) -> Encode:
    """Vectors of a few texts by the model itself, which is loaded when the first is asked for."""

    def encode(texts: Sequence[str]) -> np.ndarray:
        return space.encoder().few(texts).numpy()

    return encode


def _is_pretrained(space: TextSpace) -> bool:
    return str(space.run.manifest.settings["model"]) != "scratch"
