"""`findcli pretrain next-event`: from the event log to a run folder, the same bytes each time, resumed or not."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from findcli import pipeline
from findcli.data.pairs import build_pairs
from findcli.errors import FindCLIError
from findcli.models.next_event import train
from findcli.models.next_event.pretrain import pretrain_next_event
from findcli.models.next_event.tokens import Vocabulary
from findcli.models.next_event.train import Lessons, train_encoder, validation_batches
from findcli.training.loop import set_determinism
from findcli.training.token_histories import TokenHistories
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.next_event_settings import NextEvent
from findcli.workspace.runs import Run

TINY = {
    "d_model": 32, "d_field": 4, "layers": 1, "heads": 2, "steps": 6, "epochs": 50, "batch_size": 8, "max_events": 32,
    "validate_every": 3, "checkpoint_every": 2, "prototypes": 4, "dilations": [1, 2],
}  # fmt: skip


def with_tiny(folder: Path, **changes: object) -> Workspace:
    return load_workspace(folder, overrides={"next_event": TINY | changes})


def pretrain(workspace: Workspace) -> Run:
    set_determinism(1)
    build_pairs(workspace)
    return pretrain_next_event(workspace, device="cpu")


def test_the_run_holds_tokens_encoder_and_figures(tiny_workspace: Workspace) -> None:
    run = pretrain(with_tiny(tiny_workspace.folder, like=["city"]))
    vocabulary = Vocabulary.load(run)
    assert run.manifest.metrics["tokens"] == vocabulary.size
    assert 0.9 < run.manifest.metrics["coverage"] <= 1
    assert vocabulary.fields == ["source", "channel", "status", "amount", "category"]
    assert set(run.table("history.parquet").columns) >= {"next", "contrast", "validation"}


def test_other_stages_do_not_know_of_it(tiny_workspace: Workspace) -> None:
    before = {stage.name: stage.settings for stage in pipeline.stages(tiny_workspace)}
    assert "next_event" not in before
    changed = with_tiny(tiny_workspace.folder)
    assert {stage.name: stage.settings for stage in pipeline.stages(changed)} == before


def test_held_out_users_change_no_byte(tiny_workspace: Workspace, tmp_path: Path) -> None:
    other = shutil.copytree(tiny_workspace.folder, tmp_path / "other")
    whole = pretrain(with_tiny(tiny_workspace.folder))
    training = build_pairs(tiny_workspace).table("users.parquet")["user_id"]
    orders = pl.read_parquet(other / "data/orders.parquet")
    of_others = ~pl.col("user_id").is_in(training.implode())
    changed = pl.when(of_others).then(pl.col("amount") * 7).otherwise(pl.col("amount")).alias("amount")
    renamed = pl.when(of_others).then(pl.lit("unheard")).otherwise(pl.col("category")).alias("category")
    orders.with_columns(changed, renamed).write_parquet(other / "data/orders.parquet")
    again = pretrain(with_tiny(other))
    assert whole.manifest.files == again.manifest.files


def test_an_interrupted_training_ends_in_the_same_bytes(
    tiny_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pretrain(with_tiny(shutil.copytree(tiny_workspace.folder, tmp_path / "whole")))
    workspace, steps = with_tiny(tiny_workspace.folder), []
    draw = train._Passes.draw

    def stop_at_four(self: object, step: int) -> object:
        steps.append(step)
        if steps == [0, 1, 2, 3]:
            raise KeyboardInterrupt
        return draw(self, step)  # type: ignore[arg-type]

    monkeypatch.setattr(train._Passes, "draw", stop_at_four)
    with pytest.raises(KeyboardInterrupt):
        pretrain(workspace)
    assert not workspace.run("next_event").exists()
    assert pretrain(workspace).manifest.files == whole.manifest.files
    assert steps == [0, 1, 2, 3, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"like": ["shoe_size"]}, "'shoe_size', which is no profile column"), ({"d_model": 20}, "d_model = 20")],
)
def test_settings_that_cannot_be_are_refused(tiny_workspace: Workspace, changes: dict[str, object], said: str) -> None:
    with pytest.raises(FindCLIError, match=said) as error:
        pretrain(with_tiny(tiny_workspace.folder, **changes))
    assert error.value.hint


def test_it_learns_what_follows_what() -> None:
    rng, n = np.random.default_rng(0), 200
    after = np.array([2, 3, 4, 5, 1])  # 1 -> 2 -> 3 -> 4 -> 5 -> 1, from any start
    inputs = np.stack([np.concatenate([[s := rng.integers(1, 6)], [s := after[s - 1] for _ in range(9)]])
                       for _ in range(n)])  # fmt: skip
    histories = TokenHistories(
        user=np.repeat(np.arange(n), 10), seconds=np.tile(np.arange(10), n), inputs=inputs.ravel(), users=n, tokens=5
    )
    counts = pl.DataFrame({"source": list("abcde"), "count": [1] * 5}, schema_overrides={"count": pl.UInt32})
    changes = {"steps": 60, "lr": 5e-3, "fields": ("source",), "dilations": (1, 2), "repeat": "mixed"}
    settings = NextEvent(**(TINY | changes))  # type: ignore[arg-type]
    asked = validation_batches(histories, np.arange(150, 200), settings)
    encoder, _, history = train_encoder(
        settings, Vocabulary.fit(counts, None, most=9), Lessons(histories, np.arange(150), asked), (), seed=0,
        device="cpu",
    )  # fmt: skip
    assert history.best < 0.2 < np.log(5)
    with torch.no_grad():
        assert train.measure(encoder, asked, "cpu") == pytest.approx(history.best, abs=1e-5)
        assert train.measure_ranking(encoder, asked, "cpu") == pytest.approx(-1, abs=0.02)
