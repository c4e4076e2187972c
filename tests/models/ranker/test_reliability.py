"""What odds are worth: true shares within sentences and between them, and how far sentences stray from them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from findcli.models.ranker.queries import LEVEL, THING
from findcli.models.ranker.reliability import FEWEST_SENTENCES, SHARES, Tried, calibrate, measure, to_probabilities


def tried(*, spread: float = 0.0, users: int = 400, sentences: int = 60, seed: int = 0) -> Tried:
    """Odds half as steep as the truth within a sentence, and right between them; each sentence has its season."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(-1.5, 0.7, sentences)
    odds = mean + rng.normal(size=(users, sentences))
    season = spread * rng.normal(size=sentences)
    true = rng.random((users, sentences)) < expit(2 * (odds - mean) + mean + season)
    kinds = np.array([THING] * (sentences - 10) + [LEVEL] * 10)
    return Tried(odds.astype(np.float32), true, kinds)


def test_lines_tell_what_is_steeper_within_a_sentence_from_what_is_between_sentences() -> None:
    line = calibrate([tried(), tried(seed=1)])["all"]
    assert line["slope"] == pytest.approx(2, abs=0.15)
    assert line["between"] == pytest.approx(1, abs=0.2)
    assert line["intercept"] == pytest.approx(0, abs=0.3)


def test_a_kind_has_a_line_of_its_own_where_enough_came_true() -> None:
    assert set(calibrate([tried()])) == {"all", THING, LEVEL}


def test_where_all_truths_are_alike_there_is_no_line() -> None:
    one = tried()
    assert calibrate([Tried(one.odds, np.zeros_like(one.true), one.kinds)]) == {}


def test_a_line_never_turns_the_ranking_around() -> None:
    one = tried()
    lines = calibrate([Tried(-one.odds, one.true, one.kinds)])
    likely = to_probabilities(one.odds[:, 0], lines["all"])
    assert (np.diff(likely[np.argsort(one.odds[:, 0])]) >= 0).all()


def test_the_best_users_are_promised_what_comes_true_of_them() -> None:
    """Probabilities that are right at every depth have no bias and no spread beyond chance."""
    trials = [tried(seed=seed) for seed in range(4)]
    table = measure(trials, calibrate(trials))
    things = table.filter(table["kind"] == THING)
    assert things["share"].to_list() == list(SHARES)
    assert things["bias"].to_numpy() == pytest.approx(0, abs=0.2)
    assert things["spread"].max() < 0.12


def test_sentences_with_a_season_stray_further_than_chance() -> None:
    trials = [tried(spread=0.5, seed=seed) for seed in range(4)]
    table = measure(trials, calibrate(trials))
    assert table.filter(table["kind"] == THING)["spread"].to_list()[-1] > 0.15


def test_too_few_sentences_measure_nothing() -> None:
    few = tried(sentences=FEWEST_SENTENCES // 3)
    assert measure([few], calibrate([few])).is_empty()
