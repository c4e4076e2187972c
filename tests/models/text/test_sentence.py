"""The sentence encoder: unit vectors, a frozen tower, and the same vectors with and without gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from findcli.models.text.encoder import load_text_encoder
from findcli.models.text.sentence import SentenceEncoder

SENTENCES = ["The user purchased tea.", "The user searched for bread.", "The user paid."]


@pytest.fixture
def encoder(tiny_llama: Path) -> SentenceEncoder:
    torch.manual_seed(0)
    return SentenceEncoder(tower=load_text_encoder(str(tiny_llama), max_tokens=16), d_embedding=8).eval()


def test_sentences_become_unit_vectors_alike_with_and_without_gradients(encoder: SentenceEncoder) -> None:
    vectors = encoder.vectors(SENTENCES)
    assert vectors.shape == (3, 8)
    assert not vectors.requires_grad
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(encoder(SENTENCES), vectors, atol=1e-5, rtol=0)


def test_only_the_projection_is_trained(encoder: SentenceEncoder) -> None:
    encoder(SENTENCES)[:, 0].sum().backward()
    with_gradient = {name for name, weight in encoder.named_parameters() if weight.grad is not None}
    assert with_gradient == {"project.weight", "project.bias"}
