"""A rewriter for the users of a folder of embeddings: their vocabulary as of its date, with its vectors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from findcli.data.vocabulary import build_vocabulary
from findcli.demands.retrieval import Encode, LetterLikeness, Retriever, VectorLikeness, Views, build_views
from findcli.demands.rewriter import Reranker, Rewriter
from findcli.models.text.encoder import TextEncoder
from findcli.models.text.space import Space, TextSpace
from findcli.training.loop import select_device
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run, open_run

FLOOR = 0.38  # tuned, as `retrieval.Weights` is: a demand less close to what it would be read as is unanswerable


def write_vocabulary(workspace: Workspace, space: Space, log: Run, as_of: datetime, draft: Draft) -> None:
    """Fill a draft of embeddings with what `open_rewriter` reads.

    Args:
        workspace: whose users.
        space: the model's text space.
        log: the event log.
        as_of: the cutoff.
        draft: of the embeddings.
    """
    vocabulary = build_vocabulary(workspace, log, as_of, parse_duration(workspace.settings.windows.history))
    draft.table("vocabulary.parquet", vocabulary)
    if isinstance(space, TextSpace) and _is_pretrained(space) and len(vocabulary):
        draft.tensors("vocabulary.safetensors", build_views(vocabulary, space.raw).tensors())


def open_rewriter(
    workspace: Workspace, model: Workspace, run: Run, *, device: str = "auto", reranker: Reranker | None = None
) -> Rewriter:
    """Load the rewriter of a workspace's users.

    Args:
        workspace: whose users.
        model: the workspace whose trained model ranks them.
        run: their embeddings.
        device: where texts are encoded.
        reranker: a language model's say; none for likeness alone.
    """
    space = TextSpace(open_run(model.run("text"), "text"), device=str(select_device(device)))
    vocabulary = run.table("vocabulary.parquet")
    likeness: VectorLikeness | LetterLikeness
    if run.files("vocabulary.safetensors"):
        likeness = VectorLikeness(Views.from_tensors(run.tensors("vocabulary.safetensors")), _encoder(space))
    else:
        likeness = LetterLikeness(vocabulary)
    aligned = open_run(model.run("aligned"), "aligned")
    future = parse_duration(aligned.manifest.settings["future"])
    currency = workspace.settings.workspace.currency
    return Rewriter(
        Retriever(vocabulary, likeness), future=future, currency=currency, reranker=reranker,
        floor=FLOOR if isinstance(likeness, VectorLikeness) else None,
    )  # fmt: skip


def _encoder(space: TextSpace) -> Encode:
    """Vectors of a few texts by the model itself, which is loaded when the first is asked for."""
    loaded: list[TextEncoder] = []

    def encode(texts: Sequence[str]) -> np.ndarray:
        if not loaded:
            loaded.append(space.encoder())
        found: np.ndarray = loaded[0].few(texts).numpy()
        return found

    return encode


def _is_pretrained(space: TextSpace) -> bool:
    return str(space.run.manifest.settings["model"]) != "scratch"
