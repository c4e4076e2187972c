"""The card says what the manifests say, and no more."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from findcli.audiences.card import card
from findcli.audiences.eligible.who import WhoNot
from findcli.audiences.experiment.assign import Experiment
from findcli.audiences.forgetting.forget import forget
from findcli.audiences.saved import open_audience, save_target
from findcli.audiences.select import Selection
from findcli.audiences.target import target
from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace
from findcli.workspace.privacy_settings import Consent
from findcli.workspace.runs import open_run


def test_a_card_gives_data_dates_sizes_use_and_limits(trained_workspace: Workspace) -> None:
    text = card(trained_workspace)
    events = open_run(trained_workspace.run("events"), "events").manifest.metrics
    assert f"{events['rows']:,} of 60 users, 2024-01-01 to 2024-10-06" in text
    assert "events before 2024-09-09 alone" in text
    assert "one user in 6" in text
    assert "credit, employment, insurance or housing" in text
    for heading in ("Use", "Data sheet", "Groups", "Training", "How good", "Limits"):
        assert f"\n## {heading}\n" in text
    assert "None" not in text
    assert "nan" not in text.lower().split()


def test_its_quality_is_that_of_the_run(trained_workspace: Workspace) -> None:
    ranking = open_run(trained_workspace.run("aligned"), "aligned").json("ranking.json")
    assert f"| all sentences | {ranking['auc'][ranking['kept']]:.3f} |" in card(trained_workspace)


def test_small_groups_are_put_together(trained_workspace: Workspace) -> None:
    pairs = open_run(trained_workspace.run("pairs"), "pairs")
    table = pl.concat([pairs.table("pairs.parquet"), pairs.table("profiles.parquet")], how="horizontal")
    last = table.filter(pl.col("cutoff") == table["cutoff"].max())
    counts = dict(last["tier"].value_counts().rows())
    (line,) = [line for line in card(trained_workspace).splitlines() if line.startswith("- **tier:**")]
    for value, count in counts.items():
        if value is not None:
            assert (f"{value} " in line) == (count >= 20)
    assert "fewer than 20" in line


def test_an_audience_has_a_section_of_its_own(trained_workspace: Workspace) -> None:
    (audience,) = target(
        trained_workspace, ["The user purchased tea."], where="age >= 30", selection=Selection(top_k=5)
    )
    details = {
        "purpose": "ads", "experiment": {"name": "spring", "held_out": 1, "reached": 4},
        "group_rates": [{"column": "city", "groups": [{"value": "north", "users": 20, "selected": 3}],
                         "ratio": 0.7, "interval": [0.5, 0.9]}],
    }  # fmt: skip
    save_target(trained_workspace, "tea", audience, details=details)
    text = card(trained_workspace, open_audience(trained_workspace, "tea"))
    assert "## Audience: tea" in text
    assert "5 selected" in text
    assert "**Filter:** age >= 30" in text
    assert "**Purpose** that users agreed to: ads" in text
    assert "spring: 1 users held out, 4 reached" in text
    assert "north 3 of 20; lowest over highest rate 0.70 (0.50 to 0.90)" in text


def test_it_claims_no_consent_where_none_is_read(trained_workspace: Workspace) -> None:
    assert "**Left out before anyone is scored:** nobody for an objection" in card(trained_workspace)
    consent = Consent(path="consent.csv", purposes={"ads": "ads"}, objection="stop")
    settings = replace(trained_workspace.settings, consent=consent)
    text = card(replace(trained_workspace, settings=settings))
    assert "scored:** those who object to direct marketing and those who did not agree to the purpose (ads)." in text
    assert "stays until `findcli forget`" in text


def test_an_audience_says_who_was_left_out_and_expects_nothing_of_its_control_group(
    trained_workspace: Workspace, tmp_path: Path
) -> None:
    pl.DataFrame({"user_id": range(20)}).write_csv(tmp_path / "served.csv")
    (audience,) = target(
        trained_workspace, ["The user purchased tea."], selection=Selection(top_k=20),
        who_not=WhoNot(exclude=(tmp_path / "served.csv",)), experiment=Experiment("may", 0.5),
    )  # fmt: skip
    save_target(trained_workspace, "tea", audience)
    text = card(trained_workspace, open_audience(trained_workspace, "tea"))
    assert f"**Left out:** 20 who are named in {tmp_path / 'served.csv'}." in text
    assert audience.held_out is not None
    held_out, reached = len(audience.held_out), len(audience.selected)
    assert f"**Left out:** {held_out} who are held out for the experiment may." in text
    assert f" of {reached} users without the {held_out} of the control group." in text


def test_it_counts_who_was_forgotten(trained_workspace: Workspace) -> None:
    forget(trained_workspace, ["3", "4"])
    assert "**Users forgotten on request:** 2." in card(trained_workspace)


def test_without_a_model_there_is_no_card(tiny_workspace: Workspace) -> None:
    with pytest.raises(FindCLIError, match="no model is trained"):
        card(tiny_workspace)


def test_what_is_not_stored_is_said_to_be_unknown(trained_workspace: Workspace) -> None:
    shutil.rmtree(trained_workspace.run("events"))
    shutil.rmtree(trained_workspace.run("pairs"))
    text = card(trained_workspace)
    assert "**Events:** not known" in text
    assert "**Training pairs:** not known" in text
    assert "## Groups" not in text


def test_the_command_prints_or_writes_it(
    trained_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["card"], ["card", "-o", str(tmp_path / "card.md")]):
        with pytest.raises(SystemExit) as end:
            main([*words, "-w", str(trained_workspace.folder)])
        assert not end.value.code
    assert (tmp_path / "card.md").read_text() == card(trained_workspace)
    assert capsys.readouterr().out.startswith("# Model card: workspace")
