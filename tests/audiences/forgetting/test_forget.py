"""Forgetting: no file of findcli's holds the id or its hash, others are as they were, and nobody comes back."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findcli import pipeline
from findcli.audiences.forgetting.forget import forget
from findcli.audiences.handoff.export import export
from findcli.audiences.log import read_log
from findcli.audiences.saved import open_audience, save_target
from findcli.audiences.select import Selection
from findcli.audiences.serve.answers import DOWNLOADED, Answers
from findcli.audiences.target import target
from findcli.cli.main import main
from findcli.data.events import build_events
from findcli.data.forgotten import known
from findcli.errors import FindCLIError
from findcli.scoring.embed import embed, rows_of_csr
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import open_run

DEMAND, RARE = "The user purchased tea.", "zebra blankets"
TABLES = ("orders", "searches", "profile", "tea")


@pytest.fixture(scope="module")
def template(tiny_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose ids cannot be taken for anything else, with every stage run, dates, audiences and exports."""
    folder = shutil.copytree(tiny_template, tmp_path_factory.mktemp("forget") / "workspace")
    for name in TABLES:
        path = folder / f"data/{name}.parquet"
        table = pl.read_parquet(path).with_columns(user_id=pl.format("customer-{}-x", "user_id"))
        if name == "searches":
            rare = pl.when(pl.col("user_id") == "customer-7-x").then(pl.lit(RARE)).otherwise("query")
            table = table.with_columns(query=rare)
        table.write_parquet(path)
    workspace = load_workspace(folder)
    pipeline.run(workspace)
    embed(workspace, as_of=workspace.train_until)
    for name, selection in {"tea": Selection(top_k=20), "all": Selection()}.items():
        (audience,) = target(workspace, [DEMAND], selection=selection)
        save_target(workspace, name, audience)
    export(workspace, "tea", folder.parent / "handed-on.csv")
    return folder


@pytest.fixture
def workspace(template: Path, tmp_path: Path) -> Workspace:
    """A copy with what interrupted commands and evaluation leave behind."""
    folder = shutil.copytree(template, tmp_path / "workspace")
    opened = load_workspace(folder)
    for left in ("benchmark", ".events.draft", "embeddings/.2024-01-01.old"):
        (opened.runs / left).mkdir(parents=True)
        pl.DataFrame({"user_id": [f"customer-{i}-x" for i in range(60)]}).write_parquet(
            opened.runs / left / "u.parquet"
        )
    return opened


def hashes(user: str) -> set[str]:
    names = ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s")
    return {hashlib.new(name, user.encode()).hexdigest() for name in names} | {
        hashlib.blake2b(user.encode(), digest_size=size).hexdigest() for size in (8, 16, 32)
    }


def texts_in(path: Path) -> Iterator[str]:
    """All that a file says: its name, its bytes, and the cells of a Parquet file."""
    yield path.name
    yield path.read_bytes().decode("latin-1")
    if path.suffix == ".parquet":
        yield json.dumps(pl.read_parquet(path, glob=False).rows(), default=str, ensure_ascii=False)


def holding(workspace: Workspace, wanted: set[str], *, but: tuple[str, ...] = ("data",)) -> set[str]:
    """The files under the workspace, the user's own aside, in which one of some texts stands."""
    return {
        path.relative_to(workspace.folder).as_posix()
        for path in workspace.folder.rglob("*")
        if path.is_file() and path.relative_to(workspace.folder).parts[0] not in but
        if any(word in text for text in texts_in(path) for word in wanted)
    }


def run(*words: object, code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert (end.value.code or 0) == code


def test_no_file_holds_who_was_forgotten(workspace: Workspace) -> None:
    user = "customer-7-x"
    wanted = {user, RARE, *hashes(user)}
    before = holding(workspace, wanted)
    assert {"runs/events/train/part-000.parquet", "audiences/all/users.parquet", "runs/benchmark/u.parquet"} <= before
    forget(workspace, [user])
    after = holding(workspace, {user, *hashes(user)})
    assert not after
    assert not {path for path in holding(workspace, {RARE}) if path.startswith(("runs/events", "runs/cache"))}
    assert holding(workspace, {"customer-8-x"}), "the search is able to find an id"


@settings(max_examples=5, deadline=None)
@given(users=st.sets(st.integers(0, 59), min_size=1, max_size=4))
def test_whoever_is_forgotten_is_in_no_file(
    template: Path, users: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = shutil.copytree(template, tmp_path_factory.mktemp("any") / "workspace")
    opened, names = load_workspace(folder), [f"customer-{user}-x" for user in users]
    forget(opened, names)
    assert not holding(opened, {text for name in names for text in (name, *hashes(name))})
    assert not known(opened, pl.Series(names)).any()
    everyone = open_audience(opened, "all")
    assert everyone.record.sizes.selected == len(everyone.users()) == 60 - len(users)
    shutil.rmtree(folder)


def test_others_keep_their_rows_and_their_scores(workspace: Workspace) -> None:
    """Scores may differ in the last bit of a float32: a product of matrices rounds by how many rows there are."""
    gone = ["customer-7-x", "customer-8-x"]
    (before,) = target(workspace, [DEMAND])
    folder = workspace.embeddings(before.as_of)
    stored, ids = open_run(folder, "embeddings").tensors("users.safetensors"), pl.read_parquet(folder / "users.parquet")
    kept = (~ids["user_id"].is_in(gone)).to_numpy()
    forget(workspace, gone)
    left = open_run(folder, "embeddings").tensors("users.safetensors")
    assert all(np.array_equal(left[name], values[kept]) for name, values in stored.items())
    (after,) = target(load_workspace(workspace.folder), [DEMAND])
    assert after.embedded == before.embedded - 2
    both = before.ranking.join(after.ranking, on="user_id", how="left")
    assert set(both.filter(pl.col("score_right").is_null())["user_id"]) == set(gone)
    assert (both["score"] - both["score_right"]).drop_nulls().abs().max() < 1e-6  # type: ignore[operator]


def test_the_log_is_the_one_that_a_new_reading_would_give(workspace: Workspace) -> None:
    forget(workspace, ["customer-7-x"])
    stood = open_run(workspace.run("events"), "events")
    frames = [pl.read_parquet(path) for path in stood.files("*/part-*.parquet")]
    again = build_events(workspace, force=True)
    fresh = [pl.read_parquet(path) for path in again.files("*/part-*.parquet")]
    assert all(one.equals(other) for one, other in zip(frames, fresh, strict=True))
    assert again.manifest.metrics == stood.manifest.metrics


def test_a_refresh_brings_nobody_back(workspace: Workspace) -> None:
    forget(workspace, ["customer-7-x"])
    opened = load_workspace(workspace.folder)
    pipeline.run(opened, force_from="events")
    assert not holding(opened, {"customer-7-x"})
    (audience,) = target(opened, [DEMAND])
    save_target(opened, "all", audience)
    assert "customer-7-x" not in open_audience(opened, "all").users()["user_id"]
    pipeline.clean(opened)
    assert not holding(opened, {"customer-7-x", RARE})


def test_models_are_out_of_date_and_embeddings_are_not(workspace: Workspace) -> None:
    training = workspace.run("pairs") / "users.parquet"
    user = pl.read_parquet(training)["user_id"][0]
    done = forget(workspace, [user])
    assert {folder.name for folder in done.held.models} == {"text", "sequence", "tabular", "aligned"}
    states = {status.name: status.state for status in pipeline.plan(load_workspace(workspace.folder))}
    assert states["events"] == states["pairs"] == "current"
    assert states["text"] == "stale"
    assert pipeline.why_stale(load_workspace(workspace.folder), "embeddings") is None


def test_who_was_held_out_of_training_leaves_the_models_as_they_are(workspace: Workspace) -> None:
    trained = set(pl.read_parquet(workspace.run("pairs") / "users.parquet")["user_id"])
    held_out = next(f"customer-{i}-x" for i in range(60) if f"customer-{i}-x" not in trained)
    done = forget(workspace, [held_out])
    assert not done.held.models
    assert {status.state for status in pipeline.plan(load_workspace(workspace.folder))} == {"current"}


def test_an_audience_still_adds_up(workspace: Workspace) -> None:
    before = open_audience(workspace, "tea")
    user, likely = before.users()["user_id"][0], before.users()["probability"]
    done = forget(workspace, [user])
    assert done.audiences == {"tea": 1, "all": 1}
    saved = open_audience(workspace, "tea")
    users = saved.users()
    assert saved.record.sizes.selected == len(users) == 19
    assert {drop.reason: drop.users for drop in saved.record.drops} == {"were forgotten": 1}
    assert saved.record.expected == pytest.approx(before.record.expected * likely[1:].sum() / likely.sum())
    assert [entry.action for entry in read_log(workspace, "tea")][-1] == "forgotten"
    assert [Path(path).name for path in done.handed_on] == ["handed-on.csv"]


def test_a_file_of_a_list_that_has_changed_since_is_named(workspace: Workspace) -> None:
    user = open_audience(workspace, "tea").users()["user_id"][0]
    (audience,) = target(workspace, [DEMAND], selection=Selection(top_k=20))
    save_target(workspace, "tea", replace(audience, selected=audience.selected.filter(pl.col("user_id") != user)))
    done = forget(workspace, [user], dry_run=True)
    assert "tea" not in done.audiences
    assert [Path(path).name for path in done.handed_on] == ["handed-on.csv"]


def test_files_of_no_saved_audience_are_named(workspace: Workspace, tmp_path: Path) -> None:
    wrote, changes = tmp_path / "wrote.csv", tmp_path / "changes.csv"
    save_target(workspace, "before", target(workspace, ["tea"], selection=Selection(top_k=4), device="cpu")[0])
    save_target(workspace, "after", target(workspace, ["tea"], selection=Selection(top_k=2), device="cpu")[0])
    here = ("--workspace", workspace.folder)
    run("target", "tea", "--top-k", 3, "-o", wrote, "--device", "cpu", *here)
    run("audience", "diff", "before", "after", "-o", changes, *here)
    Answers(workspace, device="cpu").file("tea", 2, None, ".csv")
    gone = str(target(workspace, ["tea"], device="cpu")[0].ranking["user_id"][0])
    named = forget(workspace, [gone]).handed_on
    assert {str(wrote), str(changes)} <= set(named)
    assert any(name.startswith(DOWNLOADED) for name in named)


def test_a_dry_run_changes_nothing(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in workspace.folder.rglob("*") if path.is_file()}
    run("forget", "customer-7-x", "--dry-run", "-w", workspace.folder)
    printed = capsys.readouterr().out
    assert "would take out" in printed
    assert "1 user would be forgotten" in printed
    after = {path: path.read_bytes() for path in workspace.folder.rglob("*") if path.is_file()}
    locks = {path for path in after.keys() - before.keys() if path.suffix == ".lock"}
    assert {path: content for path, content in after.items() if path not in locks} == before


def test_the_users_own_tables_are_named_and_rewritten_only_on_request(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run("forget", "customer-7-x", "-w", workspace.folder)
    printed = " ".join(capsys.readouterr().out.split())
    assert "source 'orders':" in printed
    assert "[profile]: 1 rows" in printed
    assert "task 'tea': 1 rows" in printed
    assert "your tables still name them" in printed
    assert "forgotten: no refresh brings them back" in printed
    assert "customer-7-x" in pl.read_parquet(workspace.folder / "data/orders.parquet")["user_id"]
    run("forget", "customer-7-x", "--sources", "--json", "-w", workspace.folder)
    assert len(json.loads(capsys.readouterr().out)["rewritten"]) == len(TABLES)
    assert not holding(workspace, {"customer-7-x"}, but=())


def test_an_interrupted_forget_lets_nobody_back_and_is_completed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("findcli.audiences.forgetting.forget.forget_in_runs", stop)
        with pytest.raises(KeyboardInterrupt):
            forget(workspace, ["customer-7-x"])
    (audience,) = target(workspace, [DEMAND])
    assert "customer-7-x" not in audience.ranking["user_id"]
    forget(workspace, ["customer-7-x"])
    assert not holding(workspace, {"customer-7-x"})


def test_an_unknown_id_is_forgotten_with_a_warning(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run("forget", "nobody-at-all", "-w", workspace.folder)
    assert "check how the ids are spelled" in capsys.readouterr().err
    with pytest.raises(FindCLIError, match="empty"):
        forget(workspace, [" "])


def test_everyone_can_be_forgotten(workspace: Workspace) -> None:
    forget(workspace, [f"customer-{i}-x" for i in range(60)])
    assert not holding(workspace, {"customer-"})
    assert open_audience(workspace, "all").record.sizes.selected == 0


def test_it_works_before_anything_was_run(tiny_workspace: Workspace) -> None:
    done = forget(tiny_workspace, ["7"])
    assert done.held.events == 0
    assert {listed.what for listed in done.sources} == {
        "source 'orders'", "source 'searches'", "[profile]", "task 'tea'",
    }  # fmt: skip
    assert 7 not in build_events(tiny_workspace).table("train/part-000.parquet")["user_id"]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=8))
def test_rows_of_a_sparse_matrix_are_kept_whole(rows: list[tuple[bool, int]]) -> None:
    counts = np.array([count for _, count in rows], np.int64)
    kept = np.array([each for each, _ in rows], bool)
    owner = np.repeat(np.arange(len(rows)), counts)
    left = rows_of_csr({"indptr": np.concatenate([[0], counts.cumsum()]), "owner": owner}, kept)
    assert np.diff(left["indptr"]).tolist() == counts[kept].tolist()
    assert left["owner"].tolist() == [row for row in owner if kept[row]]
