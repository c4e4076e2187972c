"""Bad input: one clear error with its hint, exit code 1, and everything that stood before untouched."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from findcli.cli.main import main
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import MANIFEST

Spoil = Callable[[Path], object]
TIME = pl.col("time")


def orders(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / "data/orders.parquet"
        change(pl.read_parquet(path)).write_parquet(path)

    return spoil


def text_times(*formats: str) -> Spoil:
    """Times as text, the rows taking turns with the formats."""
    turn = pl.int_range(pl.len()) % len(formats)
    written = pl.coalesce(pl.when(turn == i).then(TIME.dt.strftime(f)) for i, f in enumerate(formats))
    early = pl.col("time").dt.day() <= 12
    return orders(lambda frame: frame.filter(early).with_columns(time=written))


def csv(change: Callable[[str], str]) -> Spoil:
    """The orders as a CSV file of other content."""

    def spoil(folder: Path) -> None:
        content = pl.read_parquet(folder / "data/orders.parquet").write_csv()
        (folder / "data/orders.csv").write_text(change(content))
        edit("orders.parquet", "orders.csv")(folder)

    return spoil


def edit(old: str, new: str) -> Spoil:
    def spoil(folder: Path) -> None:
        file = folder / "findcli.toml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    return spoil


def torn(pattern: str, *, kept: float = 0.5) -> Spoil:
    """Cut a file off."""

    def spoil(folder: Path) -> None:
        path = next(iter(sorted(folder.glob(pattern))))
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])

    return spoil


def overwritten(name: str) -> Spoil:
    """A file whose end is whole, as after a copy that lost its beginning."""

    def spoil(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:4] + bytes(len(content) // 2) + content[4 + len(content) // 2 :])

    return spoil


def other_version(stage: str) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / "runs" / stage / MANIFEST
        path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))

    return spoil


def labels(change: pl.Expr) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / "data/tea.parquet"
        pl.read_parquet(path).with_columns(change).write_parquet(path)

    return spoil


PAIRS, ALIGN, PROBE, TARGET = (
    ("build-pairs", "--quiet"),
    ("align", "--quiet"),
    ("probe", "--dataset", "tea"),
    ("target", "tea buyers"),
)
EVALUATE = ("evaluate", "-d", "tea")
EARLIER = ("--as-of", "2024-09-01")
SOURCES = {
    "missing column": (orders(lambda o: o.drop("category")), "no column for category = 'category'"),
    "an amount in words": (
        orders(lambda o: o.with_columns(pl.lit("three apples").alias("amount"))),
        "column 'amount' holds 'three apples'",
    ),
    "dates in two formats": (text_times("%Y-%m-%d", "%d.%m.%Y"), "do not read in any known format"),
    "ambiguous dates": (text_times("%d/%m/%Y"), "fit both"),
    "no rows": (orders(lambda o: o.clear()), "has no usable row"),
    "a header alone": (csv(lambda text: text.splitlines()[0] + "\n"), "orders"),
    "an empty file": (csv(lambda _: ""), "cannot be read"),
    "a longer row in a CSV": (csv(lambda text: text + text.splitlines()[-1] + ",more,still more\n"), "columns"),
    "decimal ids": (
        orders(lambda o: o.with_columns(pl.col("user_id") + 0.5)),
        "the user column 'user_id' holds decimals that are no exact whole numbers",
    ),
    "duplicate events": (orders(lambda o: pl.concat([o, o.tail(2)])), "duplicate"),
    "torn Parquet": (torn("data/orders.parquet"), "orders.parquet"),
    "torn inside": (overwritten("data/orders.parquet"), "orders.parquet"),
    "no file": (lambda folder: (folder / "data/orders.parquet").unlink(), "no file matches"),
}
OTHERS = {
    "unknown key": (edit("[windows]", "[windows]\nhistroy = '1w'"), PAIRS, "histroy"),
    "torn settings": (edit("[windows]", "[windows"), PAIRS, "findcli.toml cannot be read"),
    "profile without its column": (edit('["city"]', '["town"]'), PAIRS, "no column town"),
    "torn profile": (torn("data/profile.parquet"), PAIRS, "profile"),
    "task without positives": (labels(pl.lit(0).alias("label")), PROBE, "no positives"),
    "task of unknown ids": (labels(pl.format("u{}", "user_id").alias("user_id")), PROBE, "no user id"),
    "torn labels": (torn("data/tea.parquet"), PROBE, "tea.parquet"),
    "pairs of another version": (other_version("pairs"), ALIGN, "format"),
    "model of another version": (other_version("aligned"), TARGET, "format"),
    "torn manifest": (torn(f"runs/aligned/{MANIFEST}"), TARGET, "not a manifest"),
    "torn event log": (torn("runs/events/train/*.parquet"), (*TARGET, *EARLIER), "part-000.parquet cannot be read"),
    "torn event log, one user": (torn("runs/events/train/*.parquet"), ("describe", "3"), "cannot be read"),
    "torn event log, all users": (torn("runs/events/later/*.parquet"), ("describe",), "cannot be read"),
    "torn event log, stale pairs": (torn("runs/events/train/*.parquet"), (*PAIRS, "--set", "sentences.min_support=6"),
                                    "cannot be read"),
    "torn pairs": (torn("runs/pairs/incidence.safetensors"), (*ALIGN, "--force"), "incidence.safetensors cannot"),
    "torn vectors": (torn("runs/embeddings/*/users.safetensors"), TARGET, "users.safetensors cannot be read"),
    "torn habits": (torn("runs/embeddings/*/habits.safetensors"), TARGET, "habits.safetensors cannot be read"),
    "torn ranker": (torn("runs/aligned/ranker.safetensors"), TARGET, "ranker.safetensors cannot be read"),
    "torn text model": (torn("runs/text/model/model.safetensors"), (*TARGET, "--rewrite", "off"), "model"),
    "torn tower": (torn("runs/aligned/tower/model.safetensors"), EVALUATE, "model"),
    "torn head": (torn("runs/aligned/sentence.safetensors"), EVALUATE, "sentence.safetensors"),
    "torn user encoder": (torn("runs/aligned/user.safetensors"), (*TARGET, *EARLIER), "cannot be read"),
    "torn text cache": (torn("runs/cache/*/*.parquet"), (*TARGET, *EARLIER), "cached text vectors"),
    "no file of demands": (lambda _: None, ("target", "--demands", "no-such-file.txt"), "no-such-file.txt"),
}  # fmt: skip


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def refused(workspace: Workspace, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends with 1 after one error and its hint, and no file is changed or left over."""
    before = contents(workspace.folder)
    with pytest.raises(SystemExit) as end:
        main([*words, "--workspace", str(workspace.folder)])
    out, err = capsys.readouterr()
    assert end.value.code == 1
    assert out == ""
    problems = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(problems) == 1
    assert told in err
    assert [line for line in err.splitlines() if line.startswith("hint: ")] == [err.splitlines()[-1]]
    assert contents(workspace.folder) == before


@pytest.mark.parametrize("case", SOURCES)
def test_a_source_that_cannot_be_used(
    trained_workspace: Workspace, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, told = SOURCES[case]
    spoil(trained_workspace.folder)
    refused(trained_workspace, PAIRS, told, capsys)
    with pytest.raises(SystemExit) as end:
        main(["check", "--quiet", "--json", "--workspace", str(trained_workspace.folder)])
    assert end.value.code == 1


@pytest.mark.parametrize("case", OTHERS)
def test_anything_else_that_cannot_be_used(
    trained_workspace: Workspace, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, words, told = OTHERS[case]
    spoil(trained_workspace.folder)
    refused(trained_workspace, words, told, capsys)


@pytest.mark.parametrize("stage", ["build-pairs", "align", "embed"])
def test_a_full_disk(trained_workspace: Workspace, stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, limits[1]))
    date = ("--as-of", "2024-09-09") if stage == "embed" else ()
    try:
        refused(trained_workspace, (stage, "--force", "--quiet", *date), "cannot be written: File too large", capsys)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
