from __future__ import annotations

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from findcli.models.ranker.co_occurrence import CONFIDENCE, PENALTY, CoOccurrence, choose_concepts, fit_co_occurrence


def companions(users: int = 300) -> sparse.csr_matrix:
    """Concepts 0 and 1 go together, 2 and 3 go together, 4 is by chance."""
    rng = np.random.default_rng(0)
    kind = rng.random(users) < 0.5
    columns = [kind, kind, ~kind, ~kind, rng.random(users) < 0.5]
    noisy = np.stack([np.where(rng.random(users) < 0.9, column, ~column) for column in columns], 1)
    return sparse.csr_matrix(noisy.astype(np.float32))


def test_companions_speak_for_each_other_and_never_for_themselves() -> None:
    learned = fit_co_occurrence([companions()], ridge=0.1, factors=2, seed=0)
    assert np.all(np.diag(learned.weights) == 0)
    assert learned.weights[0, 1] > max(learned.weights[2, 1], learned.weights[4, 1])
    assert learned.weights[3, 2] > max(learned.weights[0, 2], learned.weights[4, 2])


def test_one_who_met_the_companion_ranks_first() -> None:
    levels = companions()
    learned = fit_co_occurrence([levels], ridge=0.1, factors=2, seed=0)
    newcomers = sparse.csr_matrix(np.array([[1, 0, 0, 0, 0], [0, 0, 1, 0, 0]], np.float32))
    added = np.asarray(learned.scale(newcomers) @ learned.weights)
    assert added[0, 1] > added[1, 1]
    assert added[1, 3] > added[0, 3]


def test_newcomers_stand_near_what_they_would_do() -> None:
    learned = fit_co_occurrence([companions(2000)], ridge=0.1, factors=2, seed=0)
    newcomers = sparse.csr_matrix(np.array([[1, 0, 0, 0, 0], [0, 0, 1, 0, 0]], np.float32))
    liked = learned.user_factors(newcomers) @ learned.factors.T
    assert liked[0, 1] > liked[1, 1]
    assert liked[1, 3] > liked[0, 3]


def test_places_are_those_of_a_kept_library() -> None:
    from implicit.als import AlternatingLeastSquares

    levels, learned = companions(), fit_co_occurrence([companions()], ridge=0.1, factors=3, seed=0)
    # Its confidence of a cell is what is given, ours 1 and so many times the level.
    trusted = sparse.csr_matrix((1 + CONFIDENCE * levels.data, levels.indices, levels.indptr), levels.shape)
    with threadpool_limits(1, "blas"):  # it warns otherwise
        theirs = AlternatingLeastSquares(
            factors=3, regularization=PENALTY, alpha=1.0, use_cg=False, num_threads=1, dtype=np.float32
        )
        theirs.item_factors = learned.factors
        expected = theirs.recalculate_user(np.arange(levels.shape[0]), trusted)
    assert np.allclose(learned.user_factors(levels), expected, atol=1e-3)


def test_earlier_histories_teach_the_autoencoder_too() -> None:
    now = companions()
    alone, together = (fit_co_occurrence(seen, ridge=0.1, factors=2, seed=0) for seen in ([now], [now[:, ::-1], now]))
    assert not np.allclose(alone.weights, together.weights)
    assert np.array_equal(alone.factors, together.factors)


def test_it_comes_back_from_its_tensors() -> None:
    learned = fit_co_occurrence([companions()], ridge=1.0, factors=2, seed=0)
    again = CoOccurrence.from_tensors(learned.tensors())
    assert np.array_equal(again.weights, learned.weights)
    assert again.factors.shape == (5, 2)


def test_the_same_histories_give_the_same_bytes() -> None:
    first, second = (fit_co_occurrence([companions()], ridge=1.0, factors=2, seed=0) for _ in range(2))
    assert first.factors.tobytes() == second.factors.tobytes()


def test_rare_concepts_are_left_out_and_the_most_met_are_kept() -> None:
    levels = sparse.csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1]] * 30, np.float32)[:, [0, 1, 2]])
    assert choose_concepts(levels, most=2).tolist() == [0, 1]
    rare = sparse.csr_matrix(np.pad(np.ones((1, 1), np.float32), ((0, 199), (1, 0))))
    assert choose_concepts(rare, most=5).tolist() == [0, 1]
