"""Proof of no leak: without what happens at or after `train_until`, artifacts and scores are the same to the byte."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from findcli.audiences.target import target
from findcli.data.pairs import build_pairs
from findcli.errors import FindCLIError
from findcli.models.align import align
from findcli.models.find.pretrain_sequence import pretrain_sequence
from findcli.models.find.pretrain_tabular import pretrain_tabular
from findcli.models.next_event.pretrain import pretrain_next_event
from findcli.models.text.pretrain import pretrain_text
from findcli.scoring.embed import embed
from findcli.training.loop import set_determinism
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import MANIFEST

STAGES = ("pairs", "text", "sequence", "tabular", "next_event", "aligned")
NEXT_EVENT = {"d_model": 16, "d_field": 2, "layers": 1, "heads": 2, "steps": 4, "batch_size": 16, "prototypes": 4}
TIMES = ("started", "seconds", "cpu_seconds", "peak_bytes")
DEMANDS = ["The user purchased tea.", "those who will look for soap"]
Change = Callable[[pl.DataFrame, pl.Expr], pl.DataFrame]


def run_all(folder: Path) -> Workspace:
    """The whole pipeline, the users embedded as of the last day first, as `findcli run` does it."""
    workspace = load_workspace(folder, overrides={"next_event": NEXT_EVENT})
    set_determinism(1)
    build_pairs(workspace)
    for stage in (pretrain_text, pretrain_sequence, pretrain_tabular, pretrain_next_event, align):
        stage(workspace, device="cpu")
    for date in (None, workspace.train_until):
        embed(workspace, as_of=date, device="cpu")
    return workspace


def artifacts_of(workspace: Workspace) -> dict[str, object]:
    """Every byte that training or an embedding as of `train_until` wrote, manifests without their times."""
    folders = [workspace.run(name) for name in STAGES] + [
        workspace.run("events") / "train",
        workspace.embeddings(workspace.train_until),
    ]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    found = {path.relative_to(workspace.runs).as_posix(): path.read_bytes() for path in files}
    manifests = {name: json.loads(content) for name, content in found.items() if name.endswith(MANIFEST)}
    assert len(manifests) == len(STAGES) + 1
    return found | {name: {k: v for k, v in manifest.items() if k not in TIMES} for name, manifest in manifests.items()}


def scores_of(workspace: Workspace) -> list[object]:
    audiences = target(workspace, DEMANDS, as_of=workspace.train_until, device="cpu")
    return [(audience.ranking.to_dict(as_series=False), audience.nearest) for audience in audiences]


def without_later(frame: pl.DataFrame, later: pl.Expr) -> pl.DataFrame:
    return frame.filter(~later)


def with_other_later(frame: pl.DataFrame, later: pl.Expr) -> pl.DataFrame:
    """What comes later, of other users, with other words and other amounts."""
    words = [
        pl.when(later).then(pl.lit("from the future")).otherwise(pl.col(name)).alias(name)
        for name in ("item", "category", "query", "city")
    ]
    numbers = [
        pl.when(later).then(pl.col(name) * 3 + 100).otherwise(pl.col(name)).alias(name)
        for name in ("user_id", "amount", "age")
    ]
    return frame.with_columns(change for change in (*words, *numbers) if change.meta.output_name() in frame.columns)


def change_later(folder: Path, change: Change) -> None:
    for name in ("orders", "searches", "profile"):
        path = folder / f"data/{name}.parquet"
        later = pl.col("time") >= load_workspace(folder).train_until
        change(pl.read_parquet(path), later).write_parquet(path)


@pytest.fixture(scope="module")
def dated_template(tiny_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny workspace with a dated profile, an event exactly at `train_until` and held-out categories."""
    folder = shutil.copytree(tiny_template, tmp_path_factory.mktemp("dated") / "workspace")
    file = folder / "findcli.toml"
    dated = file.read_text().replace('categorical = ["city"]', 'categorical = ["city"]\ntime = "time"')
    file.write_text(dated.replace("held_out_users = 6", "held_out_users = 6\nheld_out_categories = 3"))
    until = load_workspace(folder).train_until
    profile = pl.read_parquet(folder / "data/profile.parquet")
    versions = [profile.with_columns(time=pl.lit(until + timedelta(days=days))) for days in (-200, 0)]
    pl.concat(versions).with_columns(age=pl.col("age") + pl.col("time").dt.month()).write_parquet(
        folder / "data/profile.parquet"
    )
    orders = pl.read_parquet(folder / "data/orders.parquet")
    at_the_instant = orders.head(1).with_columns(time=pl.lit(until), item=pl.lit("plain secret"))
    pl.concat([orders, at_the_instant], how="vertical_relaxed").write_parquet(folder / "data/orders.parquet")
    return folder


@pytest.fixture(scope="module")
def whole(dated_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], list[object]]:
    workspace = run_all(shutil.copytree(dated_template, tmp_path_factory.mktemp("whole") / "workspace"))
    return artifacts_of(workspace), scores_of(workspace)


@pytest.mark.parametrize(
    "change", [without_later, with_other_later, lambda frame, _: frame], ids=["deleted", "changed", "again"]
)
def test_the_future_leaves_no_trace(
    dated_template: Path, whole: tuple[dict[str, object], list[object]], tmp_path: Path, change: Change
) -> None:
    folder = shutil.copytree(dated_template, tmp_path / "workspace")
    change_later(folder, change)
    workspace = run_all(folder)
    found = artifacts_of(workspace)
    assert found.keys() == whole[0].keys()
    assert [name for name in found if found[name] != whole[0][name]] == []
    assert scores_of(workspace) == whole[1]


def test_changing_later_events_makes_no_training_stage_stale(dated_template: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(dated_template, tmp_path / "workspace")
    workspace = run_all(folder)
    made = {name: workspace.run(name).stat().st_ino for name in (*STAGES, "events")}
    change_later(folder, with_other_later)
    run_all(folder)
    assert {name for name in made if workspace.run(name).stat().st_ino != made[name]} == {"events"}


def as_csv(frame: pl.DataFrame, path: Path) -> str:
    frame.write_csv(path.with_suffix(".csv"), datetime_format="%Y-%m-%d %H:%M:%S")
    return f"{path.stem}.csv"


def as_gzip(frame: pl.DataFrame, path: Path) -> str:
    text = frame.write_csv(datetime_format="%Y-%m-%d %H:%M:%S")
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    return f"{path.stem}.csv.gz"


def as_parquet(frame: pl.DataFrame, path: Path) -> str:
    frame.write_parquet(path)
    return path.name


LATER_ROWS: dict[str, dict[str, object]] = {
    "a decimal among whole amounts": {"amount": "5.5"},
    "a grouped amount": {"amount": "1,101.00"},
    "an id that is text": {"user_id": "guest-17"},
    "an id of a float export": {"user_id": "17.0"},
    "an id with zeros before it": {"user_id": "007"},
    "a day that tells the order of another": {"time": "2025-01-31 00:00:00"},
    "words of a missing value": {"item": "None", "category": "NA"},
    "no user": {"user_id": "NA"},
    "an amount that is none": {"amount": "apples"},
    "another form of time": {"time": "31.01.2025"},
    "a mark of no order at all": {"item": '5" pipe, steel; or "not"'},
}


@pytest.mark.parametrize("write", [as_csv, as_gzip, as_parquet], ids=lambda write: write.__name__)
def test_a_later_row_is_refused_or_changes_no_training_byte(
    write: Callable[[pl.DataFrame, Path], str], tiny_template: Path, tmp_path: Path
) -> None:
    orders = pl.read_parquet(tiny_template / "data/orders.parquet")
    text = orders.with_columns(
        pl.col("time").dt.strftime("%Y-%m-%d %H:%M:%S"), pl.col("amount").round().cast(pl.Int64)
    ).select(pl.all().cast(pl.String))
    whole = None
    refused = []
    for i, (kind, later) in enumerate({"nothing": {}, **LATER_ROWS}.items()):
        folder = shutil.copytree(tiny_template, tmp_path / f"w{i}")
        row = text.tail(1).with_columns(pl.lit("2025-01-30 00:00:00").alias("time"))
        row = row.with_columns(pl.lit(value).alias(name) for name, value in later.items())
        name = write(pl.concat([text, *([row] if later else [])]), folder / "data/orders.parquet")
        file = folder / "findcli.toml"
        file.write_text(file.read_text().replace("data/orders.parquet", f"data/{name}"))
        workspace = load_workspace(folder)
        try:
            build_pairs(workspace)
        except FindCLIError as error:
            refused.append(kind if error.hint else f"{kind}, without a hint")
            continue
        bytes_of = {
            path.relative_to(workspace.runs).as_posix(): path.read_bytes()
            for stage in ("events/train", "pairs")
            for path in sorted((workspace.runs / stage).rglob("*"))
            if path.is_file() and path.name != MANIFEST
        }
        whole = whole or bytes_of
        assert bytes_of == whole, kind
    assert set(refused) <= {
        "a grouped amount",
        "an amount that is none",
        "another form of time",
        "an id of a float export",
    }
    assert "an amount that is none" in refused


def test_the_future_leaves_no_trace_in_a_tower_that_reads_questions(dated_template: Path, tmp_path: Path) -> None:
    tower = {
        "align": {"user_tower": "qanchor"},
        "qanchor": {"d_model": 16, "heads": 2, "events": 12, "questions": 8, "batch_size": 16, "steps": 6},
    }
    left = []
    for name, change in (("whole", lambda frame, _: frame), ("changed", with_other_later)):
        folder = shutil.copytree(dated_template, tmp_path / name)
        change_later(folder, change)
        workspace = load_workspace(folder, overrides=tower)
        set_determinism(1)
        build_pairs(workspace)
        for stage in (pretrain_text, align):
            stage(workspace, device="cpu")
        users = embed(workspace, as_of=workspace.train_until, device="cpu")
        files = [path for run in (workspace.run("aligned"), users.folder) for path in sorted(run.rglob("*.*"))]
        left.append(({path.name: path.read_bytes() for path in files if path.name != MANIFEST}, scores_of(workspace)))
    assert "prefix.safetensors" in left[0][0]
    assert [name for name, content in left[0][0].items() if left[1][0].get(name) != content] == []
    assert left[0][1] == left[1][1]
