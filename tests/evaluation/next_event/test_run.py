"""Next-event predictions beside baselines: of a workspace's held-out users, of any table, and by the commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from findcli import pipeline
from findcli.cli.main import main
from findcli.data.pairs import build_pairs
from findcli.errors import FindCLIError
from findcli.evaluation.next_event import from_file
from findcli.evaluation.next_event.protocol import measure
from findcli.evaluation.next_event.workspace import EVERY, FIRST, open_world
from findcli.models.next_event.pretrain import pretrain_next_event
from findcli.training.examples import seconds
from findcli.training.loop import set_determinism
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.next_event_settings import NextEvent
from tests.models.next_event.test_pretrain import TINY

QUICK = "popularity,frequent,markov-own"


def run(words: list[str]) -> None:
    """A command that ends well."""
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0


@pytest.fixture
def pretrained(tiny_workspace: Workspace) -> Workspace:
    set_determinism(1)
    workspace = load_workspace(tiny_workspace.folder, overrides={"next_event": TINY})
    build_pairs(workspace)
    pretrain_next_event(workspace, device="cpu")
    return workspace


def test_held_out_users_are_asked_from_train_until_on(pretrained: Workspace) -> None:
    world = open_world(pretrained, every=True, device="cpu")
    training = build_pairs(pretrained).table("users.parquet")
    assert world.asked[FIRST].histories.users + len(training) == 60
    until = int(seconds([pretrained.train_until])[0])
    first = world.asked[FIRST]
    assert (first.histories.seconds[first.windows[:, 1] - 1] < until).all()
    assert (world.teaching.histories.seconds < until).all()
    assert len(world.asked[EVERY]) > len(first)
    measured = measure(world, QUICK.split(","))
    table = measured.table()
    assert set(table["method"]) == {"PANTHER", "popularity", "most frequent own token", "Markov + own counts"}
    assert set(table["column"]) == {"all", "repeat", "new", "new among unmet"}
    assert table.filter(pl.col("method") == "PANTHER")["panther_less"].abs().max() == 0


def test_the_command_prints_the_columns(pretrained: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--next-event", "--baselines", QUICK, "-w", str(pretrained.folder), "--threads", "1"]
    run(["evaluate", *words, "--json"])
    figures = json.loads(capsys.readouterr().out)["figures"][FIRST]
    assert {row["column"] for row in figures} == {"all", "repeat", "new", "new among unmet"}
    run(["evaluate", *words])
    assert "first instant, new among unmet" in capsys.readouterr().out


def ratings(folder: Path) -> Path:
    """Item a is followed by a + 1; users begin anywhere."""
    rng = np.random.default_rng(0)
    items = (rng.integers(0, 15, 90)[:, None] + np.arange(6)) % 15
    table = pl.DataFrame(
        {"who": np.repeat(np.arange(90), 6), "n": np.tile(np.arange(6), 90), "what": [f"i{i}" for i in items.ravel()]}
    )
    table.write_csv(folder / "ratings.csv")
    return folder / "ratings.csv"


def test_any_table_is_asked_for_its_last_items(tmp_path: Path) -> None:
    settings = NextEvent(
        fields=("item",), d_field=0, d_model=16, heads=2, layers=1, prototypes=4, steps=150, epochs=100, lr=5e-3,
        batch_size=32, gaps=False, validate_every=50, profile="none", dropout=0.0,
    )  # fmt: skip
    world = from_file.open_world(ratings(tmp_path), ("who", "n", "what"), settings)
    assert world.teaching.tokens == 15
    last = world.asked["last"]
    assert len(last) == 90
    assert (last.windows[:, 1] - last.windows[:, 0] == 5).all()
    assert world.teaching.histories.user.tolist() == np.repeat(np.arange(90), 4).tolist()
    measured = measure(world, ["popularity", "markov"])
    hits = {row.method: row.values["HR@1"].value for row in measured.figures["last"] if row.column == "all"}
    assert hits["PANTHER"] > 0.9
    assert hits["Markov"] > 0.9
    assert hits["popularity"] < 0.3


@pytest.mark.parametrize(
    ("columns", "said"), [("who,n,item", "no column item"), ("who,n", "no column for each of user, order and item")]
)
def test_a_table_without_the_columns_is_refused(tmp_path: Path, columns: str, said: str) -> None:
    with pytest.raises(FindCLIError, match=said) as error:
        from_file.open_world(ratings(tmp_path), columns.split(","))
    assert "who, n, what" in error.value.hint


def test_settings_of_a_file_are_checked() -> None:
    assert from_file.parse_small({"next_event": {"lr": 0.5}}).lr == 0.5
    assert from_file.parse_small({}) == from_file.SMALL
    with pytest.raises(FindCLIError, match=r"next_event.layers"):
        from_file.parse_small({"next_event": {"layers": 0}})
    with pytest.raises(FindCLIError, match="no setting of align"):
        from_file.parse_small({"align": {"steps": 3}})


def test_the_benchmark_trains_what_is_missing_and_writes_its_figures(
    tiny_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = [f"--set=next_event.{name}={json.dumps(value)}" for name, value in TINY.items()]
    words = ["--baselines", "last", "-w", str(tiny_workspace.folder), "--threads", "1", "-q"]
    run(["benchmark", "next-event", *words, *changes, "-o", str(tmp_path / "figures.parquet")])
    assert "PANTHER" in capsys.readouterr().out
    assert pl.read_parquet(tmp_path / "figures.parquet").height == 2 * 4 * 4
    assert pipeline.bind(load_workspace(tiny_workspace.folder), "pairs").why_stale() is None
