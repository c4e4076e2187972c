"""Learned prompts on disk, and how they rank users.

`runs/prompts/NAME/` holds `prompt.safetensors` (`began`, the sentence's own tokens, `tokens`, which replace them, and
`reading`, what a user's stored summary adds) and a manifest with the sentence, its weight, the gain, the settings and
the results of cross-validation over the seeds. Of the seeds a keyed hash of each id is stored (`seeds.json`), by
which `target` leaves them out, never the id. A prompt works only with the model
that it was tuned for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from findcli.audiences.prompts.clusters import METHOD, score_clusters, tower_scorer
from findcli.audiences.prompts.learned import Learned, prompt_queries, score_learned
from findcli.audiences.prompts.seeds import is_seed
from findcli.errors import FindCLIError
from findcli.models.trained import TrainedModel
from findcli.scoring.engine import Engine, open_sentences
from findcli.scoring.prompt_moves import moves_from
from findcli.scoring.scores import Scored
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Manifest, Run, open_run, read_manifest
from findcli.workspace.stages import STAGES

SEEDS = "seeds.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Prompt:
    """A learned prompt.

    Attributes:
        name: the name of its folder.
        sentence: the sentence it started from.
        gain: the gain of its first-order move, see `scoring/scores.py`.
        model: the folder of the workspace whose model it was tuned for; None for its own workspace.
        current: whether that model is the current one; not checked for another workspace's model.
        finished: when it was finished, UTC.
        metrics: the results of cross-validation over the seeds.
        settings: the settings of the tuning.
    """

    name: str
    sentence: str
    gain: float
    model: str | None
    current: bool
    finished: datetime
    metrics: dict[str, Any]
    settings: dict[str, Any]


@dataclass(frozen=True)
class LearnedToken:
    """One token of a prompt: the word it started from, how far it moved, and the words nearest to where it is now.

    Attributes:
        word: the word of the sentence.
        moved: its distance from there, in lengths of the word's embedding.
        nearest: words of the vocabulary with their cosine.
    """

    word: str
    moved: float
    nearest: list[tuple[str, float]]


def prompt_folder(workspace: Workspace, name: str) -> Path:
    """The folder of a prompt.

    Raises:
        FindCLIError: the name is not valid.
    """
    if not NAME.fullmatch(name):
        hint = "use letters, digits, - and _, such as phone-renters"
        raise FindCLIError(f"{name!r} is not a valid prompt name", hint=hint)
    return workspace.prompts / name


def model_inputs(trained: Workspace) -> dict[str, str]:
    """The digests of the model that a prompt is tuned for."""
    return {name: open_run(trained.run(name), name).manifest.digest() for name in ("aligned", "text")}


def list_prompts(workspace: Workspace) -> list[Prompt]:
    """The prompts of a workspace, sorted by name."""
    aligned = read_manifest(workspace.run("aligned"))
    manifests = [(folder.name, read_manifest(folder)) for folder in STAGES["prompt"].folders(workspace.runs)]
    return [_described(name, manifest, aligned) for name, manifest in manifests if manifest is not None]


def leanings(
    workspace: Workspace, name: str, *, trained: Workspace | None = None, most: int = 3
) -> tuple[list[str], list[str]]:
    """The training sentences that a prompt leans towards and away from, compared with its own sentence.

    Raises:
        FindCLIError: there is no such prompt, or it was tuned for another model.
    """
    prompt, folder = open_prompt(workspace, name, trained=trained)
    if prompt.settings.get("method") == METHOD:
        return [], []
    sentences = open_sentences(TrainedModel(trained or workspace, device="cpu"))
    start, tuned = prompt_queries(sentences, prompt.sentence, folder.tensors("prompt.safetensors"))
    if np.array_equal(start, tuned):
        return [], []
    texts, vectors = sentences.landmarks()
    order = np.argsort(-(vectors @ moves_from(start, tuned[None])[0]), kind="stable")
    return texts.gather(order[:most]).to_list(), texts.gather(order[::-1][:most]).to_list()


def _described(name: str, manifest: Manifest, aligned: Manifest | None) -> Prompt:
    return Prompt(
        name,
        manifest.settings["sentence"],
        manifest.metrics["gain"],
        manifest.settings["model"],
        manifest.settings["model"] is not None
        or (aligned is not None and manifest.inputs.get("aligned") == aligned.digest()),
        datetime.fromisoformat(manifest.started) + timedelta(seconds=manifest.seconds),
        manifest.metrics,
        manifest.settings,
    )


def open_prompt(workspace: Workspace, name: str, *, trained: Workspace | None = None) -> tuple[Prompt, Run]:
    """Open a prompt for use.

    Args:
        workspace: the workspace of the prompt.
        name: its name.
        trained: the workspace whose model uses it; default: `workspace`.

    Raises:
        FindCLIError: there is no prompt of this name, or the model has been trained again since.
    """
    folder = prompt_folder(workspace, name)
    if read_manifest(folder) is None:
        names = ", ".join(prompt.name for prompt in list_prompts(workspace)) or "none"
        hint = f'prompts here: {names}; make one with: findcli tune-prompt "SENTENCE" --seeds FILE --name {name}'
        raise FindCLIError(f"there is no prompt {name!r} in this workspace", hint=hint)
    run = open_run(folder, "prompt")
    inputs = model_inputs(trained or workspace)
    changed = [part for part, digest in inputs.items() if run.manifest.inputs.get(part) != digest]
    if changed:
        raise FindCLIError(
            f"the prompt {name!r} was tuned for another model: {' and '.join(changed)} changed since",
            hint="tune it again with its seeds: "
            f'findcli tune-prompt "{run.manifest.settings["sentence"]}" --seeds FILE --name {name}',
        )
    return _described(name, run.manifest, read_manifest(workspace.run("aligned"))), run


def prompt_seeds(workspace: Workspace, name: str, users: pl.Series) -> np.ndarray | None:
    """Which users are seeds of a prompt, bool (N,); None of a prompt of an older version, which remembers none.

    Raises:
        FindCLIError: there is no such prompt.
    """
    run = open_run(prompt_folder(workspace, name), "prompt")
    return is_seed(users, run.json(SEEDS)) if run.files(SEEDS) else None


def score_prompt(engine: Engine, name: str) -> Scored:
    """Score an engine's users by a prompt; the scores are not calibrated odds.

    Args:
        engine: the engine of the users; its workspace has the prompt.
        name: the name of the prompt.

    Raises:
        FindCLIError: there is no such prompt, or it was tuned for another model.
    """
    prompt, folder = open_prompt(engine.workspace, name, trained=engine.model.workspace)
    scorer, tensors = engine.scorer, folder.tensors("prompt.safetensors")
    if prompt.settings.get("method") == METHOD:
        reader = tower_scorer(engine)
        scores = score_clusters(reader, prompt.sentence, tensors)
        nearest = scorer.nearest(reader.query_of(prompt.sentence).cpu().numpy()[None])
        return Scored(scores, np.full_like(scores, np.nan), nearest)
    queries = prompt_queries(scorer.sentences, prompt.sentence, tensors)  # (2, D)
    learned = Learned(queries[1:], np.array([prompt.metrics["weight"]]), tensors["reading"][None])
    scores = score_learned(scorer, queries[0], learned, gain=prompt.gain)  # (N, 1)
    return Scored(scores, np.full_like(scores, np.nan), scorer.nearest(queries[1:]))


def learned_tokens(workspace: Workspace, name: str, *, trained: Workspace | None = None) -> list[LearnedToken]:
    """What a prompt has learned, token by token.

    Raises:
        FindCLIError: there is no such prompt, or it was tuned for another model.
    """
    prompt, folder = open_prompt(workspace, name, trained=trained)
    if prompt.settings.get("method") == METHOD:
        return []  # its tokens stand before the sentence, and began as no word
    encoder = open_sentences(TrainedModel(trained or workspace, device="cpu")).encoder
    tensors = folder.tensors("prompt.safetensors")
    start, tokens = (torch.from_numpy(tensors[part]) for part in ("began", "tokens"))
    words = [str(encoder.tokenizer.decode([token])).strip() for token in encoder.soft_tokens(prompt.sentence)[0]]
    moved = ((tokens - start).norm(dim=1) / start.norm(dim=1)).tolist()
    return [LearnedToken(*each) for each in zip(words, moved, encoder.nearest_words(tokens), strict=True)]
