"""Sentences in the space of users: by an encoder of their own, or through the tower that reads users too.

Tested in tests/models/anchor/test_tower.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from findcli.models.text.space import TextSpace
from findcli.models.tower import AnsweringTower

if TYPE_CHECKING:
    from findcli.models.text.encoder import TextEncoder


class SentenceSpace(Protocol):
    """Encodes sentences into the space of users."""

    @property
    def tower(self) -> TextEncoder:
        """The text encoder that tokens go into."""

    def head(self, vectors: Tensor) -> Tensor:
        """Turn the text encoder's vectors (S, d_text) into unit vectors (S, D), with gradients."""

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """Encode many sentences without gradients: unit vectors (len(texts), D) on the CPU."""


class ThroughTower:
    """Sentences read by the decoder that reads users.

    Args:
        space: the space of texts.
        reader: the tower.
    """

    def __init__(self, space: TextSpace, reader: AnsweringTower) -> None:
        self.space, self.reader = space, reader

    @property
    def tower(self) -> TextEncoder:
        """The text encoder of histories."""
        return self.space.encoder()

    def head(self, vectors: Tensor) -> Tensor:
        """Whiten, and read."""
        return self.reader.texts(self.space.whitened(vectors))

    @torch.no_grad()
    def vectors(self, texts: Sequence[str]) -> Tensor:
        """Encode many sentences."""
        return self.reader.texts(torch.from_numpy(self.space.encode(texts)).to(self.space.device)).cpu()
