"""Who may be ranked, from the command to every file: nobody who is left out is scored, listed or written."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from findcli.audiences.eligible.counts import Counts, Drop
from findcli.audiences.eligible.size import require_size
from findcli.audiences.eligible.who import WhoNot
from findcli.audiences.experiment.assign import open_experiment
from findcli.audiences.saved import open_audience
from findcli.audiences.target import target
from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.scoring.engine import open_engine
from findcli.workspace.folder import Workspace, load_workspace

TEA = "The user purchased tea."
BROAD = "tea or bread or soap"


@dataclass
class Terminal:
    """Runs findcli on a workspace."""

    workspace: Workspace
    captured: pytest.CaptureFixture[str]
    error: str = ""

    def run(self, *words: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as end:
            main([words[0], *words[1:], "-w", str(self.workspace.folder)])
        out, self.error = self.captured.readouterr()
        assert (end.value.code or 0) == code, self.error
        return out

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json"))


@pytest.fixture
def terminal(trained_workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(trained_workspace, capsys)


def with_consent(workspace: Workspace, agreed: set[int], objecting: Collection[int] = ()) -> Workspace:
    rows = {"user_id": [*range(60)], "ads": [user in agreed for user in range(60)]}
    pl.DataFrame(rows | {"stop": [user in objecting for user in range(60)]}).write_csv(workspace.folder / "consent.csv")
    path = workspace.folder / "findcli.toml"
    text = path.read_text().partition("\n[consent]")[0]
    path.write_text(f'{text}\n[consent]\npath = "consent.csv"\npurposes = {{ ads = "ads" }}\nobjection = "stop"\n')
    return load_workspace(workspace.folder)


@pytest.mark.parametrize("demand", [TEA, BROAD])
def test_who_is_left_out_changes_nobody_elses_score(trained_workspace: Workspace, tmp_path: Path, demand: str) -> None:
    (tmp_path / "out.csv").write_text("user_id\n" + "".join(f"{user}\n" for user in range(0, 60, 3)))
    (whole,) = target(trained_workspace, [demand], device="cpu")
    (fewer,) = target(trained_workspace, [demand], who_not=WhoNot(exclude=(tmp_path / "out.csv",)), device="cpu")
    left = whole.ranking.filter(pl.col("user_id") % 3 != 0)
    assert fewer.ranking["user_id"].to_list() == left["user_id"].to_list()
    np.testing.assert_allclose(fewer.ranking["score"], left["score"], rtol=1e-5, atol=1e-6)
    assert fewer.ranking["rank"].to_list() == list(range(1, 41))


def test_objectors_are_not_even_scored(trained_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = with_consent(trained_workspace, agreed=set(range(10, 60)), objecting={5, 20, 21})
    scored: list[int] = []
    engine_type = type(open_engine(workspace, device="cpu"))
    plain = engine_type.score_read

    def watched(self: Any, rewritings: Any) -> Any:
        scored.extend(self.users.to_list())
        return plain(self, rewritings)

    monkeypatch.setattr(engine_type, "score_read", watched)
    (audience,) = target(workspace, [TEA], who_not=WhoNot(purpose="ads"), device="cpu")
    assert set(scored) == set(range(10, 60)) - {20, 21}
    assert [(drop.kind, drop.users) for drop in audience.counts.drops] == [("objection", 3), ("consent", 9)]  # type: ignore[union-attr]


def test_without_a_purpose_nobody_is_ranked(terminal: Terminal) -> None:
    with_consent(terminal.workspace, agreed={1, 2})
    terminal.run("target", TEA, code=1)
    assert "--purpose ads" in terminal.error
    terminal.run("target", TEA, "--explain-query")
    with_consent(terminal.workspace, agreed=set())
    terminal.run("target", TEA, "--purpose", "ads", code=1)
    assert "nobody may be ranked: 60 did not agree to ads" in terminal.error


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=12,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)  # fmt: skip
@given(
    st.sets(st.integers(0, 59), min_size=20),
    st.sets(st.integers(0, 59), max_size=15),
    st.sets(st.integers(0, 70), min_size=1, max_size=20),
    st.integers(1, 60),
)
def test_no_file_holds_an_excluded_objecting_or_held_out_user_and_sizes_agree(
    terminal: Terminal, agreed: set[int], objecting: set[int], listed: set[int], top: int
) -> None:
    workspace = with_consent(terminal.workspace, agreed, objecting)
    folder = workspace.folder
    allowed = (agreed - objecting) - listed
    (folder / "list.csv").write_text("user_id\n" + "".join(f"{user}\n" for user in listed))
    if not allowed:
        return
    files = [folder / f"out.{ending}" for ending in ("csv", "parquet", "jsonl")]
    words = ["target", TEA, "--purpose", "ads", "--exclude", str(folder / "list.csv"), "--top-k", str(top)]
    words += ["--holdout", "30%", "--experiment", "spring", "--save", "tea"]
    answers = [terminal.json(*words, "-o", str(file)) for file in files[:2]]
    terminal.run("export", "tea", "-o", str(files[2]))
    users = (
        [pl.read_csv(files[0]), pl.read_parquet(files[1]), pl.read_ndjson(files[2])] if files[2].stat().st_size else []
    )
    held = pl.Series([*range(60)]).filter(
        pl.Series(open_experiment(workspace, "spring").held_out(workspace, pl.Series([*range(60)])))
    )
    saved = open_audience(workspace, "tea")
    table = saved.users()
    assert set(table.filter(pl.col("group") == "control")["user_id"]) == set(held) & set(table["user_id"])
    assert set(table["user_id"]) <= allowed
    for frame in users:
        assert set(frame["user_id"]) == set(table.filter(pl.col("group") == "target")["user_id"])
        assert not set(frame["user_id"]) & (set(held) | objecting | listed)
    (answer,), (again,) = answers
    counts = answer["counts"]
    reached = int((table["group"] == "target").sum())
    assert counts["net"] == answer["selected"] == again["selected"] == reached
    assert counts["gross"] == 60 == counts["net"] + sum(drop["users"] for drop in counts["drops"])
    assert saved.record.details["counts"]["net"] == reached
    assert (
        saved.record.sizes.selected
        == len(table)
        == reached + answer["experiment"]["held_out"]
        == min(top, len(allowed))
    )


def test_a_refresh_keeps_everybody_on_their_side(terminal: Terminal) -> None:
    words = ["target", TEA, "--experiment", "spring", "--save", "tea"]
    terminal.run(*words, "--holdout", "40%", "--top-k", "20")
    first = open_audience(terminal.workspace, "tea").users()
    terminal.run(*words, "--all")
    second = open_audience(terminal.workspace, "tea").users()
    both = first.join(second, on="user_id", suffix="_later")
    assert len(both) == 20
    assert (both["group"] == both["group_later"]).all()
    terminal.run(*words, "--holdout", "10%", code=1)
    assert "holds out 0.4 of users, not 0.1" in terminal.error


def test_an_objection_after_saving_keeps_a_user_out_of_the_file(terminal: Terminal, tmp_path: Path) -> None:
    with_consent(terminal.workspace, agreed=set(range(60)))
    terminal.run("target", TEA, "--purpose", "ads", "--all", "--save", "tea")
    with_consent(terminal.workspace, agreed=set(range(60)) - {7, 9}, objecting={7, 8})
    shown = terminal.run("export", "tea", "-o", str(tmp_path / "tea.csv"))
    assert set(pl.read_csv(tmp_path / "tea.csv")["user_id"]) == set(range(60)) - {7, 8, 9}
    assert "object to marketing" in shown
    assert "did not agree to ads" in shown


def test_the_terminal_shows_the_way_from_everybody_to_the_audience(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("user_id\n1\n2\n999\n")
    words = ("--exclude", str(tmp_path / "list.csv"), "--where", "age >= 30", "--top-k", "5")
    lines = terminal.run("target", TEA, *words).splitlines()
    (first,) = [i for i, line in enumerate(lines) if line.startswith(" 60 users with a history before 2024-09-09")]
    assert "counted 20" in lines[first]
    assert lines[first + 1] == f" -2 are named in {tmp_path / 'list.csv'} (1 of its 3 ids are no users here)"
    assert lines[first + 2].endswith("do not pass age >= 30")
    assert lines[first + 4] == "  5 in the audience"
    dropped = [int(line.split()[0]) for line in lines[first + 1 : first + 4]]
    assert 60 + sum(dropped) == 5
    assert "users with a history" not in terminal.run("target", TEA)


def test_an_audience_is_not_written_over_the_lists_that_it_leaves_out(terminal: Terminal, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text("user_id\n1\n")
    terminal.run("target", TEA, "--exclude", str(listed), "-o", str(listed), code=1)
    with_consent(terminal.workspace, agreed={1})
    consent = terminal.workspace.folder / "consent.csv"
    before = consent.read_bytes()
    terminal.run("target", TEA, "--purpose", "ads", "-o", str(consent), code=1)
    assert "is a file that the workspace reads" in terminal.error
    assert (listed.read_text(), consent.read_bytes()) == ("user_id\n1\n", before)


def test_a_saved_audience_excludes_its_users_and_its_control_group(terminal: Terminal) -> None:
    terminal.run("target", TEA, "--top-k", "20", "--holdout", "30%", "--experiment", "spring", "--save", "tea")
    (answer,) = terminal.json("target", TEA, "--exclude", "tea", "--all")
    earlier = open_audience(terminal.workspace, "tea").users()
    assert not {row["user_id"] for row in answer["audience"]} & set(earlier["user_id"])
    assert answer["counts"]["drops"] == [{"kind": "excluded", "reason": "are named in tea", "users": 20}]


def test_too_small_an_audience_is_not_written_where_a_size_is_asked_for(terminal: Terminal, tmp_path: Path) -> None:
    output = tmp_path / "tea.csv"
    terminal.run("target", TEA, "--min-size", "30", "--top-k", "20", "-o", str(output), "--save", "tea", code=1)
    assert "has 20 users, fewer than 30" in terminal.error
    assert not output.exists()
    assert not (terminal.workspace.audiences / "tea").exists()
    terminal.run("target", TEA, "--top-k", "20", "-o", str(output))
    assert "fewer than 100" in terminal.error
    terminal.run("target", TEA, "--top-k", "20", "--min-size", "20", "-o", str(output))
    assert "fewer than" not in terminal.error
    assert "fewer than" not in terminal.run("target", TEA, "--top-k", "20") + terminal.error


@pytest.mark.parametrize(
    ("users", "least", "outcome"),
    [(100, None, None), (99, None, "warned"), (9, 9, None), (9, 10, "refused"), (0, 0, None)],
)
def test_the_size_that_is_needed(users: int, least: int | None, outcome: str | None) -> None:
    if outcome == "refused":
        with pytest.raises(FindCLIError, match=f"has {users} users, fewer than"):
            require_size(users, least)
    else:
        assert (require_size(users, least) is not None) == (outcome == "warned")


def test_a_holdout_without_a_name_is_wrong_usage(terminal: Terminal) -> None:
    terminal.run("target", TEA, "--holdout", "10%", code=2)
    terminal.run("target", TEA, "--holdout", "10", "--experiment", "spring", code=1)
    assert "--holdout 10%" in terminal.error


def test_an_experiment_is_not_started_by_a_demand_that_fails(terminal: Terminal) -> None:
    words = ["--holdout", "10%", "--experiment", "spring"]
    terminal.run("target", TEA, *words, "--min-size", "100", code=1)
    terminal.run("target", "tea", "--where", "age > ", *words, code=1)
    terminal.run("target", TEA, "--holdout", "20%", "--experiment", "spring")


def test_the_smallest_lift_is_said_in_plain_words(terminal: Terminal) -> None:
    shown = terminal.run("target", TEA, "--all", "--holdout", "50%", "--experiment", "spring")
    assert "users are held out, the same at every refresh" in shown
    assert "the smallest lift it can show is +" in shown
    (answer,) = terminal.json("target", TEA, "--all", "--experiment", "spring")
    assert answer["experiment"]["smallest_visible_rate"] > answer["experiment"]["expected_rate"]
    assert answer["experiment"]["reached"] == answer["selected"] == len(answer["audience"])


def test_sensitive_columns_are_reported_and_a_skewed_audience_is_warned_of(terminal: Terminal) -> None:
    path = terminal.workspace.folder / "findcli.toml"
    path.write_text(path.read_text() + '\n[sensitive]\ncolumns = ["tier"]\nuse = true\n')
    shown = terminal.run("target", TEA, "--where", "tier != 'gold'", "--all", "--save", "tea")
    assert "selected by tier:" in shown
    record = open_audience(terminal.workspace, "tea").record
    assert record.details["sensitive_columns_used"] == ["tier"]
    assert record.details["group_rates"][0]["column"] == "tier"


@given(st.integers(0, 10**6), st.lists(st.integers(0, 1000), max_size=8))
def test_counts_add_up(gross: int, users: list[int]) -> None:
    counts = Counts(datetime.now(UTC), gross).then(*(Drop("filter", "do not pass", n) for n in users))
    assert counts.gross == counts.net + sum(drop.users for drop in counts.drops)
    assert counts.plain()["at"].endswith("+00:00")


def test_a_model_that_saw_a_column_before_it_was_marked_is_warned_of(terminal: Terminal) -> None:
    path = terminal.workspace.folder / "findcli.toml"
    path.write_text(path.read_text() + '\n[sensitive]\ncolumns = ["tier"]\n')
    terminal.run("target", TEA)
    assert "the model was trained on tier, now sensitive" in terminal.error
    terminal.run("target", TEA, "--where", "tier == 'gold'", code=1)
    assert "'tier' is marked as sensitive" in terminal.error


def test_a_forgotten_user_is_not_scored_and_counts_still_add_up(terminal: Terminal) -> None:
    words = ["target", TEA, "--all", "--holdout", "40%", "--experiment", "spring"]
    terminal.run(*words, "--save", "tea")
    before = open_audience(terminal.workspace, "tea").users()
    leaves = [before.filter(pl.col("group") == group)["user_id"][0] for group in ("target", "control")]
    terminal.run("forget", *map(str, leaves))
    record, users = open_audience(terminal.workspace, "tea").record, open_audience(terminal.workspace, "tea").users()
    counts = record.details["counts"]
    assert counts["net"] == (users["group"] == "target").sum() == (before["group"] == "target").sum() - 1
    assert counts["gross"] == counts["net"] + sum(drop["users"] for drop in counts["drops"])
    assert record.details["experiment"]["held_out"] == (users["group"] == "control").sum()
    (answer,) = terminal.json(*words)
    assert not set(leaves) & {row["user_id"] for row in answer["audience"]}
