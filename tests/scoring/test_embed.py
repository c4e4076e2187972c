"""Users as vectors: of any date, new users included, whatever else is in the batch."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from findcli.data import events
from findcli.data.splits import held_out_users
from findcli.errors import FindCLIError
from findcli.models.trained import TrainedModel
from findcli.scoring import user_vectors as embedding
from findcli.scoring.embed import embed
from findcli.scoring.population import embed_users
from findcli.scoring.user_vectors import Embedder
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import Run

TICK = timedelta(microseconds=1)


def vectors(run: Run) -> dict[int, np.ndarray]:
    return dict(zip(run.table("users.parquet")["user_id"], run.tensors("users.safetensors")["embeddings"], strict=True))


def change(workspace: Workspace, name: str, frame: pl.DataFrame) -> None:
    frame.write_parquet(workspace.folder / f"data/{name}.parquet")


def orders(workspace: Workspace) -> pl.DataFrame:
    return pl.read_parquet(workspace.folder / "data/orders.parquet")


def test_batch_size_partition_and_company_change_no_vector(
    trained_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder, log = Embedder.of(TrainedModel(trained_workspace, device="cpu")), events.build_events(trained_workspace)
    at = trained_workspace.train_until
    ids, whole = embed_users(trained_workspace, embedder, log, at)
    monkeypatch.setattr(embedding, "BATCH", 7)
    assert embed_users(trained_workspace, embedder, log, at)[0].equals(ids)
    few = embed_users(trained_workspace, embedder, log, at)[1]
    monkeypatch.setattr(events, "ROWS_PER_PART", 500)
    parted = events.build_events(trained_workspace, force=True)
    assert len(events.parts(parted)) > 3
    others, in_parts = embed_users(trained_workspace, embedder, parted, at)
    assert others.equals(ids)
    for name in whole:
        np.testing.assert_allclose(few[name], whole[name], atol=1e-5, rtol=0)
        np.testing.assert_allclose(in_parts[name], whole[name], atol=1e-5, rtol=0)


def test_each_partition_is_read_once(trained_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "ROWS_PER_PART", 500)
    log = events.build_events(trained_workspace, force=True)
    read: list[str] = []
    real = events.read_part

    def counted(run: Run, part: str, **options: object) -> pl.DataFrame:
        read.append(part)
        return real(run, part, **options)

    monkeypatch.setattr(events, "read_part", counted)
    embed(trained_workspace, as_of=trained_workspace.train_until + timedelta(weeks=1), device="cpu")
    assert read == events.parts(log)


def test_every_user_has_a_unit_vector_held_out_ones_too_and_zeros_for_what_is_missing(
    trained_workspace: Workspace,
) -> None:
    run = embed(trained_workspace, as_of=trained_workspace.train_until, device="cpu")
    ids, found = run.table("users.parquet")["user_id"], run.tensors("users.safetensors")
    assert ids.to_list() == list(range(60))
    assert held_out_users(trained_workspace, ids)
    np.testing.assert_allclose(np.linalg.norm(found["embeddings"], axis=1), 1, atol=1e-5)
    # Two users in three search, ten have no row in the profile's table but all have its aggregate.
    assert found["has_search"].tolist() == [1] * 40 + [0] * 20
    for name in ("sequence", "tabular", "search"):
        assert (np.abs(found[name]).sum(1) > 0).tolist() == found[f"has_{name}"].astype(bool).tolist()


def test_nothing_at_or_after_the_date_changes_a_vector_and_the_last_instant_before_it_does(
    trained_workspace: Workspace,
) -> None:
    at = trained_workspace.train_until + timedelta(weeks=1)
    before = vectors(embed(trained_workspace, as_of=at, device="cpu"))
    new = (
        orders(trained_workspace)
        .head(1)
        .with_columns(user_id=pl.lit(5, pl.Int64), amount=pl.lit(500.0), item=pl.lit("unheard of"))
    )

    def with_event(time: pl.Expr) -> dict[int, np.ndarray]:
        change(trained_workspace, "orders", pl.concat([kept, new.with_columns(time=time.cast(pl.Datetime("us")))]))
        return vectors(embed(trained_workspace, as_of=at, device="cpu"))

    kept = orders(trained_workspace)
    after = with_event(pl.lit(at))
    assert all(np.array_equal(before[user], after[user]) for user in before)
    last = with_event(pl.lit(at - TICK))
    assert np.abs(last[5] - before[5]).max() > 1e-4
    np.testing.assert_allclose(last[6], before[6], atol=1e-5)


def test_a_new_user_is_embedded_without_training(trained_workspace: Workspace) -> None:
    frame = orders(trained_workspace)
    stranger = frame.filter(pl.col("user_id") == 7).with_columns(user_id=pl.lit(1000, pl.Int64))
    change(trained_workspace, "orders", pl.concat([frame, stranger]))
    trained = trained_workspace.run("aligned").stat().st_ino
    found = vectors(embed(trained_workspace, device="cpu"))
    assert found.keys() == {*range(60), 1000}
    assert trained_workspace.run("aligned").stat().st_ino == trained


def test_embeddings_stand_until_what_they_read_changes(trained_workspace: Workspace) -> None:
    at = trained_workspace.train_until + timedelta(weeks=2)

    def folder() -> int:
        return embed(trained_workspace, as_of=at, device="cpu").folder.stat().st_ino

    first = folder()
    assert folder() == first
    frame = orders(trained_workspace)
    change(trained_workspace, "orders", frame.head(len(frame) - 1))
    assert folder() != first


def test_a_profile_row_known_between_training_and_the_date_makes_them_anew(trained_workspace: Workspace) -> None:
    until = trained_workspace.train_until
    file = trained_workspace.folder / "findcli.toml"
    file.write_text(file.read_text().replace('categorical = ["city"]', 'categorical = ["city"]\ntime = "since"'))
    profile = pl.read_parquet(trained_workspace.folder / "data/profile.parquet").with_columns(
        since=pl.lit(until - TICK)
    )
    change(trained_workspace, "profile", profile)
    space = load_workspace(trained_workspace.folder)
    before = vectors(embed(space, as_of=until + timedelta(weeks=1), device="cpu"))
    moved = profile.filter(pl.col("user_id") == 4).with_columns(
        since=pl.lit(until), city=pl.lit("west"), age=pl.lit(79, pl.Int64)
    )
    change(space, "profile", pl.concat([profile, moved]))
    after = vectors(embed(space, as_of=until + timedelta(weeks=1), device="cpu"))
    assert np.abs(after[4] - before[4]).max() > 1e-5


def test_a_date_before_the_first_event_is_refused(trained_workspace: Workspace) -> None:
    with pytest.raises(FindCLIError, match="no user has an event before") as error:
        embed(trained_workspace, as_of=events.first_and_last(events.build_events(trained_workspace))[0], device="cpu")
    assert "--as-of" in error.value.hint


def test_without_a_model_the_command_that_trains_it_is_named(tiny_workspace: Workspace) -> None:
    with pytest.raises(FindCLIError, match="there is no aligned run") as error:
        embed(tiny_workspace, device="cpu")
    assert "findcli align" in error.value.hint
