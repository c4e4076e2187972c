"""The short vector for linear models: its directions, its numbers of a profile, its rhythms."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from findcli.data import events
from findcli.data.profile_codes import ProfileCodes
from findcli.data.profiles import Column
from findcli.models.ranker.behaviour_kinds import common_kinds, kind_events, rhythm
from findcli.models.user_summary import DIRECTIONS, Directions, profile_numbers, summarise
from findcli.scoring.embed import embed
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import open_run


def test_directions_are_the_leading_ones_and_of_unit_variance() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(500, 6)) * [9, 5, 1, 0.1, 0.1, 0.1]).astype(np.float32) + 3
    found = Directions.fit(vectors, most=2)
    along = found.apply(vectors)
    assert along.shape == (500, 2)
    np.testing.assert_allclose(along.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(along.T, bias=True), np.eye(2), atol=1e-3)
    assert abs(np.corrcoef(along[:, 0], vectors[:, 0])[0, 1]) > 0.99
    same = Directions.from_tensors(found.tensors())
    np.testing.assert_array_equal(same.apply(vectors), along)


def test_vectors_that_are_all_equal_have_no_direction() -> None:
    assert Directions.fit(np.ones((5, 4), np.float32)).apply(np.ones((2, 4), np.float32)).shape == (2, 0)


def test_a_profile_becomes_numbers_between_0_and_1() -> None:
    frame = pl.DataFrame({"age": [0.0, 10.0, 20.0, 30.0, None], "city": ["n", "s", "s", "w", None]})
    columns = ProfileCodes.fit(frame, [Column("age", "numeric"), Column("city", "categorical")], bins=3)
    found = profile_numbers(columns, *columns.encode(frame))
    np.testing.assert_allclose(found[:, 0], [0, 1 / 3, 2 / 3, 1, 0.5], atol=1e-6)
    assert found[:, 1:].tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]


def test_rhythms_tell_how_regularly_and_how_lately(tiny_workspace: Workspace) -> None:
    cutoff = datetime(2024, 3, 1)
    log = pl.DataFrame(
        {
            "user_id": [1, 1, 1, 2], "source": ["orders", "orders", "searches", "orders"],
            "time": [cutoff - timedelta(days=days) for days in (1, 9, 3, 40)],
            "status": ["coupon", "coupon", None, "full price"],
        }
    )  # fmt: skip
    kinds = common_kinds(tiny_workspace, [log, log])
    assert kinds == ["orders: coupon", "orders: full price", "searches"]
    found = rhythm(tiny_workspace, log, pl.Series([1, 2, 3]), kinds, cutoff, timedelta(weeks=12))
    assert found.shape == (3, 6)
    np.testing.assert_allclose(found[0, :3], np.log1p([2, 0, 1]), atol=1e-6)
    assert found[0, 3] > found[0, 5] > found[1, 4] > 0 == found[0, 4]
    assert not found[2].any()


def test_what_is_sent_to_a_user_has_no_rhythm(tiny_workspace: Workspace) -> None:
    from dataclasses import replace

    orders, *others = tiny_workspace.settings.sources
    sent = replace(orders, families=("exposure",))
    space = Workspace(tiny_workspace.folder, replace(tiny_workspace.settings, sources=(sent, *others)))
    log = events.read_part(events.build_events(tiny_workspace), "part-000.parquet")
    assert set(kind_events(space, log)["concept"]) == {"searches"}


def test_the_summary_is_stored_and_of_the_same_form_for_every_date(trained_workspace: Workspace) -> None:
    late, early = (
        embed(trained_workspace, as_of=trained_workspace.train_until - timedelta(weeks=back), device="cpu")
        for back in (0, 8)
    )
    tensors = late.tensors("users.safetensors")
    aligned = open_run(trained_workspace.run("aligned"), "aligned")
    directions = Directions.from_tensors(aligned.tensors("summary.safetensors"))
    assert 1 <= directions.matrix.shape[1] <= DIRECTIONS
    places = aligned.tensors("concepts.safetensors")["factors"]
    np.testing.assert_array_equal(tensors["summary"], summarise(tensors, directions, places))
    assert early.tensors("users.safetensors")["summary"].shape[1] == tensors["summary"].shape[1]
    without = {name: array for name, array in tensors.items() if name not in ("activity", "factors", "rhythm")}
    width = tensors["profile"].shape[1] + directions.matrix.shape[1]
    assert summarise(without, directions).shape[1] == width
