"""A distinct text is encoded once, and its vector kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from findcli.errors import FindCLIError
from findcli.models.text.cache import cached_vectors, without_texts


class Encoder:
    """Stands for a TextEncoder: a vector is a text's length and first letter, two texts a batch, longest first."""

    width = 2

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def eval(self) -> Encoder:
        return self

    def vectors(self, texts: Sequence[str]) -> Iterator[tuple[list[int], torch.Tensor]]:
        self.encoded += texts
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        for start in range(0, len(order), 2):
            rows = order[start : start + 2]
            yield rows, torch.tensor([vector(texts[i]) for i in rows])


def vector(text: str) -> list[float]:
    return [float(len(text)), float(ord(text[0])) if text else 0.0]


def test_each_text_is_encoded_once_and_vectors_come_in_the_order_of_the_texts(tmp_path: Path) -> None:
    encoder = Encoder()
    for texts in (["b", "aaa", ""], ["aaa", "new", "b"], ["new", "", "aaa", "b"]):
        found = cached_vectors(tmp_path, texts, lambda: encoder)
        assert found.dtype == np.float32
        assert found.tolist() == [vector(text) for text in texts]
    assert sorted(encoder.encoded) == ["", "aaa", "b", "new"]


def test_a_text_asked_for_twice_has_two_rows(tmp_path: Path) -> None:
    encoder = Encoder()
    for _ in range(2):
        assert cached_vectors(tmp_path, ["b", "aaa", "b"], lambda: encoder).tolist() == [[1, 98], [3, 97], [1, 98]]
    assert sorted(encoder.encoded) == ["aaa", "b"]


def test_no_model_is_loaded_for_cached_texts(tmp_path: Path) -> None:
    cached_vectors(tmp_path, ["a"], Encoder)
    cached_vectors(tmp_path, ["a"], lambda: pytest.fail("loaded"))


def test_a_torn_cache_says_what_to_delete(tmp_path: Path) -> None:
    cached_vectors(tmp_path, ["a"], Encoder)
    (shard,) = tmp_path.glob("*.parquet")
    shard.write_bytes(shard.read_bytes()[:20])
    with pytest.raises(FindCLIError, match=str(tmp_path)) as error:
        cached_vectors(tmp_path, ["a"], Encoder)
    assert "delete" in error.value.hint


def test_a_text_is_taken_out_with_all_that_quote_it(tmp_path: Path) -> None:
    cached_vectors(tmp_path, ["zebra", 'The user searched for "Zebra".', "tea"], Encoder)
    cached_vectors(tmp_path, ["a zebra"], Encoder)
    assert without_texts(tmp_path, []) == 0
    assert without_texts(tmp_path, ["zebra"]) == 3
    encoder = Encoder()
    assert cached_vectors(tmp_path, ["tea", "zebra"], lambda: encoder).tolist() == [vector("tea"), vector("zebra")]
    assert encoder.encoded == ["zebra"]
