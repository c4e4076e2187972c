"""Learned prompts on disk, and what they rank.

`runs/prompts/NAME/` holds `prompt.safetensors` (`tokens`, in place of the sentence's own, `began`, those, and
`reading`, what a user's stored summary adds) and a manifest with the sentence, its weight, the gain, the settings and
what cross-validation over the seeds found. Of the seeds only a digest is kept. A prompt speaks to the model that it
was tuned for, and to no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch

from findcli.audiences.prompts.learned import Learned, prompt_queries, score_learned
from findcli.errors import FindCLIError
from findcli.models.trained import TrainedModel
from findcli.scoring.engine import Engine
from findcli.scoring.scores import Scored, moves_from, open_sentences
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Manifest, Run, open_run, read_manifest
from findcli.workspace.stages import STAGES

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Prompt:
    """A learned prompt.

    Attributes:
        name: its folder's.
        sentence: where it began.
        gain: of the first order, see `scoring/scores.py`.
        model: the folder of the workspace whose model it was tuned for; None for its own.
        current: whether that is the model that stands; not looked at where it is another workspace's.
        finished: when, UTC.
        metrics: what cross-validation over the seeds found.
        settings: of the tuning.
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
    """One token of a prompt: the word where it began, how far it went, and the words nearest to where it is.

    Attributes:
        word: of the sentence.
        moved: its distance from there, in lengths of the word's embedding.
        nearest: words of the vocabulary with their cosine.
    """

    word: str
    moved: float
    nearest: list[tuple[str, float]]


def prompt_folder(workspace: Workspace, name: str) -> Path:
    """Where a prompt lies.

    Raises:
        FindCLIError: the name is none.
    """
    if not NAME.fullmatch(name):
        hint = "use letters, digits, - and _, such as phone-renters"
        raise FindCLIError(f"{name!r} is no name for a prompt", hint=hint)
    return workspace.prompts / name


def model_inputs(trained: Workspace) -> dict[str, str]:
    """The digests of the model that a prompt is tuned for."""
    return {name: open_run(trained.run(name), name).manifest.digest() for name in ("aligned", "text")}


def list_prompts(workspace: Workspace) -> list[Prompt]:
    """The prompts of a workspace, by name."""
    aligned = read_manifest(workspace.run("aligned"))
    manifests = [(folder.name, read_manifest(folder)) for folder in STAGES["prompt"].folders(workspace.runs)]
    return [_described(name, manifest, aligned) for name, manifest in manifests if manifest is not None]


def leanings(
    workspace: Workspace, name: str, *, trained: Workspace | None = None, most: int = 3
) -> tuple[list[str], list[str]]:
    """What a prompt reads more of than its sentence, and what less: the training sentences its move goes along most.

    Raises:
        FindCLIError: there is no such prompt, or it is another model's.
    """
    prompt, folder = open_prompt(workspace, name, trained=trained)
    sentences = open_sentences(TrainedModel(trained or workspace, device="cpu"))
    began, tuned = prompt_queries(sentences, prompt.sentence, folder.tensors("prompt.safetensors"))
    if np.array_equal(began, tuned):
        return [], []
    words, vectors = sentences.landmarks()
    order = np.argsort(-(vectors @ moves_from(began, tuned[None])[0]), kind="stable")
    return words.gather(order[:most]).to_list(), words.gather(order[::-1][:most]).to_list()


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
        workspace: whose prompt.
        name: its name.
        trained: the workspace whose model reads it; the same when not given.

    Raises:
        FindCLIError: there is none of this name, or the model has been trained again since.
    """
    folder = prompt_folder(workspace, name)
    if read_manifest(folder) is None:
        known = ", ".join(prompt.name for prompt in list_prompts(workspace)) or "none"
        hint = f'those here are: {known}; make one with: findcli tune-prompt "SENTENCE" --seeds FILE --name {name}'
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


def score_prompt(engine: Engine, name: str) -> Scored:
    """Score an engine's users by a prompt; its scores are no calibrated odds.

    Args:
        engine: of the users; the prompt is one of its workspace's.
        name: of the prompt.

    Raises:
        FindCLIError: there is no such prompt, or it is another model's.
    """
    prompt, folder = open_prompt(engine.workspace, name, trained=engine.model.workspace)
    scorer, tensors = engine.scorer, folder.tensors("prompt.safetensors")
    queries = prompt_queries(scorer.sentences, prompt.sentence, tensors)  # (2, D)
    learned = Learned(queries[1:], np.array([prompt.metrics["weight"]]), tensors["reading"][None])
    scores = score_learned(scorer, queries[0], learned, gain=prompt.gain)  # (N, 1)
    return Scored(scores, np.full_like(scores, np.nan), scorer.nearest(queries[1:]))


def learned_tokens(workspace: Workspace, name: str, *, trained: Workspace | None = None) -> list[LearnedToken]:
    """What a prompt has learned, token by token.

    Raises:
        FindCLIError: there is no such prompt, or it is another model's.
    """
    prompt, folder = open_prompt(workspace, name, trained=trained)
    encoder = open_sentences(TrainedModel(trained or workspace, device="cpu")).encoder
    tensors = folder.tensors("prompt.safetensors")
    began, tokens = (torch.from_numpy(tensors[part]) for part in ("began", "tokens"))
    words = [str(encoder.tokenizer.decode([token])).strip() for token in encoder.soft_tokens(prompt.sentence)[0]]
    moved = ((tokens - began).norm(dim=1) / began.norm(dim=1)).tolist()
    return [LearnedToken(*each) for each in zip(words, moved, encoder.nearest_words(tokens), strict=True)]
