"""Ablations retrained: forms are trained apart, compared with the form they are a part of, on the same users."""

from __future__ import annotations

import json

import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from findcli.audiences.target import target
from findcli.cli.main import main
from findcli.data.tasks import read_labels
from findcli.errors import FindCLIError
from findcli.evaluation import few_shot
from findcli.evaluation.ablations import FIGURES, ablate
from findcli.evaluation.variants import OWN, VARIANTS, Variant, chosen_variants, plan_variants, train_variant
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import open_run

NAMES = "find,find-without-sequence,find-concat"


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(stop.value.code or 0)


def test_forms_are_trained_apart_and_compared_with_what_they_are_a_part_of(trained_workspace: Workspace) -> None:
    variants = chosen_variants(NAMES)
    planned = plan_variants(trained_workspace, variants)
    assert [variant.name for variant, _ in planned] == NAMES.split(",")
    assert not (trained_workspace.runs / "benchmark").exists()
    before = open_run(trained_workspace.run("aligned"), "aligned").manifest.digest()

    (result,) = ablate(trained_workspace, ["tea"], variants, device="cpu")
    assert plan_variants(trained_workspace, variants) == []
    assert open_run(trained_workspace.run("aligned"), "aligned").manifest.digest() == before
    own, whole, without, concat = result.forms
    assert [form.by for form in result.forms] == [OWN, *NAMES.split(",")]
    assert [form.beside for form in result.forms] == ["", OWN, "find", "find"]
    assert own.less == {}
    for form in (without, concat):
        for name in FIGURES:
            assert form.less[name].value == pytest.approx(form.figures[name].value - whole.figures[name].value)
    task = trained_workspace.settings.tasks["tea"]
    labels = read_labels(trained_workspace, "tea", task)
    for form, variant in ((own, None), (without, variants[1])):
        trained = trained_workspace if variant is None else train_variant(trained_workspace, variant, device="cpu")[0]
        (audience,) = target(trained, [task.demand], as_of=task.as_of, rewrite="off", device="cpu")
        rows = labels.join(audience.ranking, on="user_id")
        assert form.figures["auc"].value == pytest.approx(roc_auc_score(rows["label"], rows["score"]))
        assert form.figures["average_precision"].value == pytest.approx(
            average_precision_score(rows["label"], rows["score"]), abs=1e-6
        )
    assert (result.users, result.positives) == (len(rows), rows["label"].sum())


def test_a_form_without_a_modality_has_no_encoder_of_it(trained_workspace: Workspace) -> None:
    for name, missing in (("sequence", "sequence"), ("table", "tabular"), ("search", "search")):
        (variant,) = chosen_variants(f"find-without-{name}")
        run = open_run(train_variant(trained_workspace, variant, device="cpu")[0].run("aligned"), "aligned")
        made_of = run.json("user.json")
        known = {*made_of["encoders"], *(["search"] if made_of["d_search"] else [])}
        assert known == {"sequence", "tabular", "search"} - {missing}


def test_every_form_is_a_part_of_one_there_is() -> None:
    assert {variant.whole for variant in VARIANTS} <= {OWN, *(variant.name for variant in VARIANTS)}


def test_a_changed_stage_is_planned_by_its_own_name(trained_workspace: Workspace) -> None:
    variant = Variant("longer", "more steps", {"sequence": {"steps": 3}, "align": {"scorer": "vector"}})
    ((_, reason),) = plan_variants(trained_workspace, [variant])
    assert reason.startswith("sequence: ")
    train_variant(trained_workspace, variant, device="cpu")
    assert plan_variants(trained_workspace, [variant]) == []


def test_stages_that_are_out_of_date_are_refused(trained_workspace: Workspace) -> None:
    file = trained_workspace.folder / "findcli.toml"
    file.write_text(file.read_text().replace('every = "4w"', 'every = "5w"'))
    with pytest.raises(FindCLIError, match=r"pairs in .* is stale"):
        ablate(load_workspace(trained_workspace.folder), ["tea"], chosen_variants("find"), device="cpu")


def test_the_command_plans_measures_and_prints(
    trained_workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(few_shot, "LOOKALIKE_SHARE", 0.5)  # of sixty users the first six may all be positive
    words = [
        "ablate",
        "-w",
        str(trained_workspace.folder),
        "-d",
        "tea",
        "--variants",
        "find,find-without-table",
        "-q",
    ]
    assert exit_code(*words, "--dry-run") == 0
    assert "without the table: missing" in capsys.readouterr().out
    assert exit_code(*words, "--few-shot", "--draws", "2", "--seeds", "3", "--device", "cpu") == 0
    out = capsys.readouterr().out
    for told in ("less findcli", "less find ", "prompts tuned on", "find-without-table"):
        assert told in out
    assert exit_code(*words, "--json", "--device", "cpu") == 0
    ((found,),) = (json.loads(capsys.readouterr().out),)
    assert [form["by"] for form in found["forms"]] == [OWN, "find", "find-without-table"]


def test_an_unknown_form_is_named(trained_workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("ablate", "-w", str(trained_workspace.folder), "--variants", "gpt") == 1
    assert "there is no variant 'gpt'" in capsys.readouterr().err
