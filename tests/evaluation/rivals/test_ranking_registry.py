"""Rivals by name, their cached scores and their bound of time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from findcli.errors import FindCLIError
from findcli.evaluation.rivals.ranking_inputs import RankingInputs
from findcli.evaluation.rivals.ranking_registry import RANKING_RIVALS, RankerScores, chosen_rivals, lacking, score_rival

INPUTS = RankingInputs(
    purchases=pl.DataFrame(schema={"user_id": pl.Int64, "time": pl.Datetime, "category": pl.String}),
    users=pl.Series([1, 2]), training_users=pl.Series([3]), categories=["A"], demands=["a"], seen=np.array([True]),
    all_seen=frozenset("A"), test_date=datetime(2024, 1, 1), history=timedelta(weeks=8), future=timedelta(weeks=4),
)  # fmt: skip


@dataclass
class Told:
    """A rival that counts how often it is asked."""

    weight: float = 1.0
    seconds: float = 0.0
    error: str = ""
    asked: list[int] = field(default_factory=list)
    name = "told"
    version = 1

    def __getattribute__(self, key: str) -> object:
        found = object.__getattribute__(self, key)
        return {k: v for k, v in found.items() if k == "weight"} if key == "__dict__" else found

    def scores(self, given: RankingInputs) -> np.ndarray:
        self.asked.append(1)
        time.sleep(self.seconds)
        given.keep_time()
        if self.error:
            raise FindCLIError(self.error, hint="mend it")
        return np.full((len(given.users), 1), self.weight)


def ask(rival: Told, folder: Path, *, digest: str = "d", seconds: float = 10) -> RankerScores:
    return score_rival(rival, INPUTS, folder, seconds=seconds, digest=digest)


def test_scores_are_reused_until_settings_or_inputs_change(tmp_path: Path) -> None:
    rival = Told()
    first, again = ask(rival, tmp_path), ask(rival, tmp_path)
    assert len(rival.asked) == 1
    assert first.scores is not None
    assert first.scores.dtype == np.float32
    np.testing.assert_array_equal(first.scores, again.scores)
    assert again.seconds == first.seconds > 0
    ask(rival, tmp_path, digest="other")
    rival.weight = 2.0
    ask(rival, tmp_path)
    assert len(rival.asked) == 3


def test_torn_scores_are_made_again(tmp_path: Path) -> None:
    rival = Told()
    ask(rival, tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(b"torn")
    assert ask(rival, tmp_path).scores is not None
    assert len(rival.asked) == 2


def test_a_rival_over_its_time_is_reported(tmp_path: Path) -> None:
    found = ask(Told(seconds=0.05), tmp_path, seconds=0.01)
    assert found.scores is None
    assert lacking([found]) == ["told: over time"]
    assert not list(tmp_path.glob("*.safetensors"))
    ask(Told(seconds=0.05), tmp_path)
    assert ask(Told(), tmp_path, seconds=0.01).note == "over time"  # the scores stand, and took longer than allowed


def test_a_rival_that_lacks_something_is_reported(tmp_path: Path) -> None:
    found = ask(Told(error="it needs the package x"), tmp_path)
    assert lacking([found]) == ["told: it needs the package x (mend it)"]


def test_rivals_are_chosen_by_name() -> None:
    assert len(chosen_rivals("all")) == sum(map(len, RANKING_RIVALS.values()))
    assert chosen_rivals("none") == ()
    assert [ranker.name for ranker in chosen_rivals("svd, counts")] == ["svd", "counts"]
    with pytest.raises(FindCLIError, match="there is no rival 'coles'"):
        chosen_rivals("counts,coles")


def test_the_digest_of_the_inputs_tells_them_apart() -> None:
    from dataclasses import replace

    others = [
        replace(INPUTS, seed=1), replace(INPUTS, text_model="m"), replace(INPUTS, demands=["b"]),
        replace(INPUTS, seen=np.array([False])), replace(INPUTS, training_users=pl.Series([4])),
    ]  # fmt: skip
    assert len({INPUTS.digest(), *(other.digest() for other in others)}) == 6
    assert replace(INPUTS, keep_time=lambda: None).digest() == INPUTS.digest()
