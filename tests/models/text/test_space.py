"""Whitening: equal variance along the leading directions, fewer of them where texts are few."""

from __future__ import annotations

import numpy as np
import pytest

from findcli.models.text.space import TextSpace, UntrainedSpace, fit_whitening, whiten
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import open_run

SPREAD = np.array([9, 5, 2, 1, 1, 1], np.float32)


def texts(n: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n, 6)) * SPREAD + 3).astype(np.float32)


def test_leading_directions_get_unit_variance_and_nothing_stays_of_the_mean() -> None:
    vectors = texts()
    mean, matrix = fit_whitening(vectors, width=3)
    projected = (vectors - mean) @ matrix
    np.testing.assert_allclose(projected.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(projected.T), np.eye(3), atol=1e-3)


def test_directions_that_hardly_vary_are_not_blown_up() -> None:
    vectors = texts() * np.array([1, 1, 1, 1, 1, 1e-4], np.float32)
    mean, matrix = fit_whitening(vectors, width=6)
    assert ((vectors - mean) @ matrix).var(0).min() < 1e-3


def test_whitened_vectors_have_unit_length_and_a_text_at_the_mean_is_no_nan() -> None:
    vectors = texts(50)
    mean, matrix = fit_whitening(vectors, width=4)
    np.testing.assert_allclose(np.linalg.norm(whiten(vectors, mean, matrix), axis=1), 1, atol=1e-5)
    assert not whiten(mean[None], mean, matrix).any()


@pytest.mark.parametrize(("n", "width", "kept"), [(50, 0, 6), (2, 4, 6), (4, 6, 3), (50, 9, 6)])
def test_few_texts_or_width_0_keep_what_there_is(n: int, width: int, kept: int) -> None:
    mean, matrix = fit_whitening(texts(n), width=width)
    assert matrix.shape == (6, kept)
    if width == 0:
        np.testing.assert_array_equal((mean, matrix.sum(0)), (np.zeros(6), np.ones(6)))


def test_the_space_of_a_run_gives_the_vectors_it_stored(trained_workspace: Workspace) -> None:
    run = open_run(trained_workspace.run("text"), "text")
    space = TextSpace(run, device="cpu")
    words = open_run(trained_workspace.run("pairs"), "pairs").table("texts.parquet")["text"].to_list()
    stored = run.tensors("texts.safetensors")["vectors"]
    np.testing.assert_array_equal(space.vectors(words), stored)
    np.testing.assert_allclose(space.encode(words[:3]), stored[:3], atol=1e-5)
    assert space.vectors([]).shape == (0, space.width)
    untrained = UntrainedSpace(run, device="cpu").vectors(words)
    assert untrained.shape == stored.shape
    assert not np.allclose(untrained, stored, atol=0.1)
