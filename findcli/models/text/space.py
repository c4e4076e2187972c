"""The space of history texts: a frozen encoder, whitened on training texts, with every distinct text embedded once.

Sentence embeddings are strongly anisotropic; whitening (Su et al. 2021, arXiv 2103.15316) makes their cosine
informative.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from findcli.models.text.cache import cached_vectors
from findcli.models.text.light import LightBert, is_plain_bert
from findcli.progress import Progress
from findcli.workspace.runs import Run

if TYPE_CHECKING:
    from findcli.models.text.encoder import TextEncoder


class Space(Protocol):
    """A space of text vectors."""

    def vectors(self, texts: Sequence[str], *, progress: Progress | None = None) -> np.ndarray:
        """Unit vectors of distinct texts, float32 (len(texts), width)."""


class TextSpace:
    """The space that `pretrain text` made: a model and the whitening of its vectors.

    Args:
        run: the run folder of kind "text".
        device: the device that encodes texts.
    """

    def __init__(self, run: Run, *, device: str) -> None:
        self.run = run
        self.device = device
        self._encoder: TextEncoder | None = None
        self._light: LightBert | None = None
        tensors = run.tensors("whitening.safetensors")
        self.mean, self.matrix = tensors["mean"], tensors["matrix"]

    @property
    def width(self) -> int:
        """Dimensions of the space."""
        return int(self.matrix.shape[1])

    def encoder(self) -> TextEncoder:
        """The text model, frozen and in eval mode; loaded on first use."""
        from findcli.models.text.encoder import load_text_encoder

        if self._encoder is None:
            max_tokens = self.run.manifest.settings["max_tokens"]
            encoder = load_text_encoder(str(self.run.folder / "model"), max_tokens=max_tokens)
            self._encoder = encoder.to(self.device).eval().requires_grad_(requires_grad=False)
        return self._encoder

    def vectors(self, texts: Sequence[str], *, progress: Progress | None = None) -> np.ndarray:
        """Unit vectors of distinct texts, float32 (len(texts), width), from the cache where possible."""
        if not len(texts):
            return np.zeros((0, self.width), np.float32)
        return whiten(self.raw(texts, progress=progress), self.mean, self.matrix)

    def raw(self, texts: Sequence[str], *, progress: Progress | None = None) -> np.ndarray:
        """The model's vectors before whitening, float32 (len(texts), d_text), from the cache where possible."""
        folder = cache_folder(self.run.folder.parent, self.run.manifest.digest("model/"))
        return cached_vectors(folder, texts, self.encoder, progress=progress)

    def few(self, texts: Sequence[str]) -> np.ndarray:
        """The model's vectors of a few texts before whitening, float32 (len(texts), d_text); the cache is not used.

        A text's neighbours may change its last bits. A plain BERT is read without transformers, unless it is loaded.
        """
        folder = self.run.folder / "model"
        if self._encoder is not None or self.device != "cpu" or not is_plain_bert(folder):
            return self.encoder().few(texts).numpy()
        if self._light is None:
            self._light = LightBert(folder, max_tokens=self.run.manifest.settings["max_tokens"])
        return self._light.few(texts).numpy()

    def whitened(self, raw: Tensor) -> Tensor:
        """Whiten and normalise the model's vectors, (n, d_text) -> unit vectors (n, width), with gradients."""
        mean, matrix = (torch.from_numpy(part.copy()).to(raw.device) for part in (self.mean, self.matrix))
        return functional.normalize((raw - mean) @ matrix, dim=-1)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of one-off texts, float32 (len(texts), width); the cache is not used."""
        raw = np.empty((len(texts), len(self.mean)), np.float32)
        for rows, vectors in self.encoder().vectors(texts):
            raw[rows] = vectors.numpy()
        return whiten(raw, self.mean, self.matrix)


class UntrainedSpace:
    """The same space with an untrained model of the same architecture, whitened on the texts to encode.

    Args:
        run: the run folder of kind "text".
        device: the device that encodes texts.
    """

    def __init__(self, run: Run, *, device: str) -> None:
        self.run, self.device = run, device

    def vectors(self, texts: Sequence[str], *, progress: Progress | None = None) -> np.ndarray:
        """Unit vectors of distinct texts, float32 (len(texts), width)."""
        from findcli.models.text.encoder import new_text_encoder

        max_tokens, whitened = (self.run.manifest.settings[key] for key in ("max_tokens", "whiten"))
        encoder = new_text_encoder(self.run.folder / "model", max_tokens=max_tokens, seed=self.run.manifest.seed)
        raw = np.empty((len(texts), encoder.width), np.float32)
        done = 0
        for rows, vectors in encoder.to(self.device).eval().vectors(texts):
            raw[rows] = vectors.numpy()
            done += len(rows)
            if progress:
                progress(done, len(texts), {})
        return whiten(raw, *fit_whitening(raw, width=whitened))


def cache_folder(runs: Path, model_digest: str) -> Path:
    """The cache folder of one model's vectors."""
    return runs / "cache" / f"text-{model_digest}"


def fit_whitening(vectors: np.ndarray, *, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit the mean and the matrix that give the leading principal directions of texts equal variance.

    Args:
        vectors: (n_texts, d_text).
        width: directions to keep at most; 0 leaves the vectors unchanged.

    Returns:
        mean (d_text,) and matrix (d_text, width'), float32; width' is below `width` if there are few texts.
    """
    d_text = vectors.shape[1]
    if width == 0 or len(vectors) < 3:
        return np.zeros(d_text, np.float32), np.eye(d_text, dtype=np.float32)
    mean = vectors.mean(0, dtype=np.float64)
    centred = vectors - mean
    values, directions = np.linalg.eigh(centred.T @ centred / len(vectors))
    kept = min(width, d_text, len(vectors) - 1)
    values, directions = values[::-1][:kept], directions[:, ::-1][:, :kept]
    # Directions that hardly vary are noise: their variance counts as at least a tenth of the mean.
    scale = 1 / np.sqrt(np.maximum(values, 0.1 * values.mean()))
    return mean.astype(np.float32), (directions * scale).astype(np.float32)


def whiten(vectors: np.ndarray, mean: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Whiten and normalise: (n, d_text) -> unit vectors (n, width)."""
    projected = (vectors - mean) @ matrix
    norms = np.linalg.norm(projected, axis=1, keepdims=True)
    unit: np.ndarray = projected / np.maximum(norms, 1e-12)
    return unit
