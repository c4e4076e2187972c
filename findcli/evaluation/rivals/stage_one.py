"""Encoders of stage 1 before any alignment: TabTransformer, the text model, and all concatenated.

They are the workspace's own pre-trained encoders, and so show what alignment and fusion add.

Tested in tests/evaluation/rivals/test_representations.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findcli.errors import FindCLIError
from findcli.evaluation.rivals.probe_inputs import Head, UserInputs, streams


@dataclass(frozen=True, kw_only=True)
class TabTransformer:
    """The profile's encoder alone (arXiv 2012.06678)."""

    head: Head = "linear"
    name = "tabtransformer"
    version = 1

    def vectors(self, inputs: UserInputs) -> np.ndarray:
        """Float32 (U, F * d_token).

        Raises:
            FindCLIError: the workspace has no profile.
        """
        vectors = _stage_one(inputs)
        if "tabular" not in vectors:
            hint = "name a table or aggregates in [profile], or leave tabtransformer out of --rivals"
            raise FindCLIError("this workspace has no profile columns", hint=hint)
        return vectors["tabular"]


@dataclass(frozen=True, kw_only=True)
class TextModel:
    """The text model alone: the mean vector of a history's events."""

    head: Head = "linear"
    name = "text model"
    version = 1

    def vectors(self, inputs: UserInputs) -> np.ndarray:
        """Float32 (U, d_text)."""
        if inputs.text_vectors is None:
            raise FindCLIError("there is no text encoder", hint="findcli pretrain text")
        flat = streams(inputs, inputs.window(), inputs.users)
        texts = inputs.text_vectors(flat.texts)
        owner = flat.frame["user"].to_numpy().astype(np.int64)
        total = np.zeros((len(inputs.users), texts.shape[1]))
        np.add.at(total, owner, texts[flat.frame["text_row"].to_numpy()])
        counts = np.bincount(owner, minlength=len(inputs.users))
        return (total / np.maximum(counts, 1)[:, None]).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Concatenated:
    """All encoders of stage 1, concatenated."""

    head: Head = "linear"
    name = "concatenation"
    version = 1

    def vectors(self, inputs: UserInputs) -> np.ndarray:
        """Float32 (U, D)."""
        return np.concatenate(list(_stage_one(inputs).values()), axis=1)


def _stage_one(inputs: UserInputs) -> dict[str, np.ndarray]:
    if inputs.stage_one is None:
        raise FindCLIError("the encoders of stage 1 are not trained", hint="findcli run")
    return dict(inputs.stage_one())
