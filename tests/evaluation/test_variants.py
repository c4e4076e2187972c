"""findcli in other forms, beside the model that stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import torch

from findcli import pipeline
from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.report import write_report
from findcli.evaluation.benchmark.run import rank_sentences
from findcli.evaluation.variants import PAPER, VARIANTS, Variant, chosen_variants
from findcli.models.ranker.candidates import Ranker
from findcli.models.ranker.features import FEATURES, GROUPS, columns_of
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.other_settings import link_stages
from findcli.workspace.settings import Ranker as RankerSettings


def every_file(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "benchmark" not in path.parts
    }


@pytest.fixture
def halved(trained_workspace: Workspace) -> Workspace:
    """Every other user held out, and a week ahead, so that columns have five of both kinds; trained again."""
    file = trained_workspace.folder / "findcli.toml"
    text = file.read_text().replace("held_out_users = 6", "held_out_users = 2\nheld_out_categories = 3")
    file.write_text(text.replace('future = "4w"', 'future = "1w"'))
    workspace = load_workspace(trained_workspace.folder)
    pipeline.run(workspace, as_of=workspace.train_until, device="cpu")
    return workspace


def test_variants_are_trained_apart_kept_and_compared(halved: Workspace, tmp_path: Path) -> None:
    before = every_file(halved.runs)
    variants = chosen_variants("find,without-factors")
    ranked = rank_sentences([halved], (), variants=variants, device="cpu")
    assert every_file(halved.runs) == before
    assert {row.by for row in ranked.rows} == {"findcli", "find", "without-factors"}
    own = halved.runs / "benchmark" / "variants"
    manifests = [own / variant.name / "aligned/manifest.json" for variant in variants]
    vector, ranker = (json.loads(path.read_text()) for path in manifests)
    assert vector["settings"]["scorer"] == "vector"
    assert ranker["settings"]["ranker"]["without"] == ["factors"]
    stamps = [path.stat().st_mtime_ns for path in manifests]
    rank_sentences([halved], (), variants=variants, device="cpu")
    assert [path.stat().st_mtime_ns for path in manifests] == stamps
    page = tmp_path / "report.md"
    write_report(ranked, variants, page, tune=True)
    text = page.read_text()
    assert "FIND's single vector, truth-labelled pairs" in text
    assert text.count("| the ranker without factors") == 1


def test_a_changed_stage_is_built_anew_and_the_others_are_shared(halved: Workspace) -> None:
    own = Variant("paper", "the paper's stage 1", PAPER).of(halved)
    link_stages(halved, own, but=PAPER)
    states = {status.name: status.state for status in pipeline.plan(own, as_of=own.train_until)}
    assert states["pairs"] == states["text"] == "current"
    assert states["sequence"] != "current"
    assert states["tabular"] != "current"


def test_an_unknown_variant_names_those_there_are() -> None:
    assert chosen_variants("all") == VARIANTS
    assert chosen_variants("none") == ()
    with pytest.raises(FindCLIError, match="no variant 'gpt'"):
        chosen_variants("find,gpt")


def test_what_a_ranker_does_without_changes_nothing() -> None:
    torch.manual_seed(0)
    examples = torch.randn(50, len(FEATURES))
    for group in GROUPS:
        ranker = Ranker(features=len(FEATURES), width=8)
        without = columns_of([group])
        ranker.set_scale(examples, without=without)
        other = examples.clone()
        other[:, without] += 5
        assert torch.equal(ranker(examples), ranker(other))
        other[:, 0] += 5
        assert not torch.equal(ranker(examples), ranker(other))


def test_the_setting_offers_every_group_of_features() -> None:
    (names, _ellipsis) = get_args(get_type_hints(RankerSettings)["without"])
    assert get_args(names) == tuple(GROUPS)
