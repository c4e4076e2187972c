"""A made-up folder in the form of OULAD becomes a workspace, and labels stay in its tasks."""

from __future__ import annotations

import tomllib
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from findcli.cli.main import main
from findcli.data import pairs
from findcli.data.people import groups_of
from findcli.datasets import oulad
from findcli.errors import FindCLIError
from findcli.workspace.folder import load_workspace

Tables = dict[str, pl.DataFrame]
STUDENTS, LENGTH = 40, 100
ASSESSMENTS = [("TMA", 19, 20.0), ("CMA", 40, 5.0), ("TMA", 50, 75.0), ("Exam", None, 100.0)]
COURSES = [("AAA", "2013J"), ("BBB", "2013J")]


@pytest.fixture
def tables() -> Tables:
    """Two courses of forty students each, twenty of whom take both; every fourth withdraws and still clicks once."""
    enrolled = [
        {"code_module": module, "code_presentation": presentation, "id_student": student + 20 * i}
        for i, (module, presentation) in enumerate(COURSES)
        for student in range(STUDENTS)
    ]
    sites = [
        {"id_site": 10 * i + j, "code_module": module, "code_presentation": presentation, "activity_type": kind}
        for i, (module, presentation) in enumerate(COURSES)
        for j, kind in enumerate(["forumng", "quiz", "quiz"])
    ]
    results = ["Pass", "Distinction", "Fail", "Withdrawn"]
    info = [
        row | {
            "gender": "F", "region": "Wales", "highest_education": "HE Qualification", "imd_band": "10-20",
            "age_band": "0-35", "num_of_prev_attempts": 0, "studied_credits": 60, "disability": "N",
            "final_result": results[row["id_student"] % 4],
        }
        for row in enrolled
    ]  # fmt: skip
    registration = [
        row
        | {"date_registration": -20, "date_unregistration": 30 + row["id_student"] if result == "Withdrawn" else None}
        for row, result in ((row, row["final_result"]) for row in info)
    ]
    assessments = [
        {
            "code_module": module, "code_presentation": presentation, "id_assessment": 100 * i + j,
            "assessment_type": kind, "date": due, "weight": weight,
        }
        for i, (module, presentation) in enumerate(COURSES)
        for j, (kind, due, weight) in enumerate(ASSESSMENTS)
    ]  # fmt: skip
    submitted = [
        {
            "id_assessment": 100 * i + j, "id_student": student + 20 * i, "date_submitted": day, "is_banked": 0,
            "score": 40 + student,
        }
        for i in range(2)
        for student in range(STUDENTS)
        for j, day in [(0, 14 + student % 8), (1, 40)]
        if student
    ]  # fmt: skip
    submitted.append({"id_assessment": 0, "id_student": 0, "date_submitted": -1, "is_banked": 1, "score": 70})
    clicks = [
        row | {"id_site": 10 * (row["code_module"] == "BBB") + site, "date": day, "sum_click": day % 5 + 1}
        for row in enrolled
        for day in range(-5, LENGTH, 3)
        for site in range(3)
        if (day + row["id_student"]) % (site + 2)
    ]  # fmt: skip
    return {
        "studentVle": pl.DataFrame(clicks + clicks[:1]),
        "vle": pl.DataFrame(sites).with_columns(week_from=pl.lit(None, pl.Int64)),
        "assessments": pl.DataFrame(assessments),
        "studentAssessment": pl.DataFrame(submitted),
        "studentInfo": pl.DataFrame(info),
        "studentRegistration": pl.DataFrame(registration, infer_schema_length=None),
        "courses": pl.DataFrame(COURSES, schema=oulad.ENROLMENT[:2], orient="row").with_columns(
            module_presentation_length=pl.lit(LENGTH)
        ),
    }


def as_published(tables: Tables, folder: Path) -> Path:
    folder.mkdir()
    for name, table in tables.items():
        table.write_csv(folder / f"{name}.csv", quote_style="always", null_value="?")
    return folder


def as_parquet(tables: Tables, folder: Path) -> Path:
    """The other form: clicks with their activity, submissions with their assessment, words as categories."""
    folder.mkdir()
    clicks = tables["studentVle"].join(tables["vle"].drop("week_from"), on=["id_site", *oulad.ENROLMENT[:2]])
    submitted = tables["studentAssessment"].join(tables["assessments"], on="id_assessment")
    files = {
        "clicks": clicks.with_columns(pl.col("activity_type", "code_module").cast(pl.Categorical)),
        "student_assessments": submitted,
        "student_info": tables["studentInfo"],
        "registration": tables["studentRegistration"].with_columns(pl.col("date_unregistration").cast(pl.Float64)),
    } | {name: tables[name] for name in ("assessments", "courses", "vle")}
    for name, table in files.items():
        table.write_parquet(folder / f"{name}.parquet")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_both_forms_become_the_same_workspace(tables: Tables, tmp_path: Path) -> None:
    published = oulad.create(tmp_path / "a", as_published(tables, tmp_path / "csv"), text_model="scratch")
    parquet = oulad.create(tmp_path / "b", as_parquet(tables, tmp_path / "parquet"), text_model="scratch")
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert published.users == parquet.users == 80
    assert published.rows["data/deadlines.parquet"] == 80 * 3


def test_init_makes_a_workspace_that_can_be_trained(
    tables: Tables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "w"
    with pytest.raises(SystemExit) as ended:
        main(["init", str(folder), "--from", "oulad", str(as_published(tables, tmp_path / "csv"))])
    assert ended.value.code == 0
    assert "CC BY 4.0" in capsys.readouterr().out
    workspace = load_workspace(folder)
    assert workspace.train_until == datetime(2018, 3, 2) == datetime(2018, 1, 1) + timedelta(days=60)
    run = pairs.build_pairs(workspace)
    assert "The student clicked quiz at least 5 times." in run.table("sentences.parquet")["text"].to_list()
    users = run.table("users.parquet")
    sides = users.with_columns(person=groups_of(workspace, users["user_id"])).group_by("person")
    assert (sides.agg(pl.col("split").n_unique())["split"] == 1).all()
    assert users["user_id"].str.contains("^(AAA|BBB)-2013J-").all()


def test_labels_occur_in_tasks_alone(tables: Tables, tmp_path: Path) -> None:
    oulad.create(tmp_path / "a", as_published(tables, tmp_path / "csv"), text_model="scratch")
    swapped = {"Pass": "Withdrawn", "Withdrawn": "Fail", "Fail": "Distinction", "Distinction": "Pass"}
    other = tables | {
        "studentInfo": tables["studentInfo"].with_columns(pl.col("final_result").replace(swapped)),
        "studentRegistration": tables["studentRegistration"].with_columns(date_unregistration=pl.lit(70)),
    }
    oulad.create(tmp_path / "b", as_published(other, tmp_path / "other"), text_model="scratch")
    one, two = content(tmp_path / "a"), content(tmp_path / "b")
    assert one.keys() == two.keys()
    differing = {name for name in one if one[name] != two[name]}
    assert differing == {f"data/tasks/{name}.parquet" for name in oulad.TASKS}
    columns = {c for path in (tmp_path / "a/data").glob("*.parquet") for c in pl.read_parquet_schema(path)}
    assert columns.isdisjoint({"final_result", "date_unregistration"})


def test_tasks_are_about_those_still_registered(tables: Tables, tmp_path: Path) -> None:
    made = oulad.create(tmp_path / "a", as_published(tables, tmp_path / "csv"), text_model="scratch")
    left = tables["studentRegistration"].filter(pl.col("date_unregistration") < 60)
    labels = {name: pl.read_parquet(made.folder / f"data/tasks/{name}.parquet") for name in oulad.TASKS}
    assert {len(frame) for frame in labels.values()} == {80 - len(left)}
    assert labels["distinction"]["label"].sum() == 20
    assert labels["fails"]["label"].sum() == 20 + labels["withdraws"]["label"].sum()
    settings = tomllib.loads((made.folder / "findcli.toml").read_text())
    assert {task["as_of"] for task in settings["tasks"].values()} == {date(2018, 3, 2)}


def test_clicks_after_withdrawal_stay_and_pages_of_a_day_are_added_up(tables: Tables, tmp_path: Path) -> None:
    made = oulad.create(tmp_path / "a", as_published(tables, tmp_path / "csv"), text_model="scratch")
    clicks = pl.read_parquet(made.folder / "data/clicks.parquet")
    assert clicks["clicks"].sum() == tables["studentVle"]["sum_click"].sum()
    assert len(clicks.unique(["user_id", "day", "activity"])) == len(clicks)
    assert clicks["activity"].unique().sort().to_list() == ["forum", "quiz"]
    assert clicks.filter(pl.col("user_id") == "AAA-2013J-3")["day"].max() > 33


def test_marks_wait_for_the_tutor_and_banked_work_is_neither_early_nor_late(tables: Tables, tmp_path: Path) -> None:
    made = oulad.create(tmp_path / "a", as_published(tables, tmp_path / "csv"), text_model="scratch")
    marks = pl.read_parquet(made.folder / "data/marks.parquet").filter(pl.col("user_id") == "AAA-2013J-7")
    days = dict(marks.select("assessment", "day").iter_rows())
    assert days == {"tutor-marked assignment 1": 21 + 14, "computer-marked assignment 1": 40}
    submissions = pl.read_parquet(made.folder / "data/submissions.parquet")
    banked = submissions.filter(pl.col("user_id") == "AAA-2013J-0").row(0, named=True)
    assert (banked["timing"], banked["days_early"], banked["late"], banked["day"]) == (
        "in an earlier attempt",
        None,
        None,
        -1,
    )
    timing = submissions.filter(pl.col("assessment").str.starts_with("tutor")).select("days_early", "timing").unique()
    assert dict(timing.drop_nulls().sort("days_early").iter_rows()) == {
        -2: "late", -1: "late", 0: "on time", 1: "on time", 2: "on time", 3: "early", 4: "early", 5: "early",
    }  # fmt: skip


def test_a_deadline_is_missed_on_the_day_after_whatever_follows(tables: Tables, tmp_path: Path) -> None:
    made = oulad.create(tmp_path / "a", as_published(tables, tmp_path / "csv"), text_model="scratch")
    deadlines = pl.read_parquet(made.folder / "data/deadlines.parquet").filter(pl.col("user_id") == "AAA-2013J-7")
    assert deadlines.select("day", "outcome").rows() == [(20, "missed"), (41, "met"), (51, "missed")]


def test_a_cut_copy_ends_for_all_where_its_clicks_do(tables: Tables, tmp_path: Path) -> None:
    cut = pl.col("code_module") == "BBB"
    tables["studentVle"] = tables["studentVle"].filter(~cut | (pl.col("date") <= 70))
    made = oulad.create(tmp_path / "a", as_published(tables, tmp_path / "csv"), text_model="scratch")
    assert any("nothing from day 70 on" in note for note in made.notes)
    for name in oulad.COLUMNS:
        assert pl.read_parquet(made.folder / f"data/{name}.parquet")["day"].max() < 70


def test_a_missing_file_and_a_missing_column_are_named(tables: Tables, tmp_path: Path) -> None:
    folder = as_published(tables, tmp_path / "csv")
    (folder / "vle.csv").unlink()
    with pytest.raises(FindCLIError, match=r"holds no vle\.csv") as error:
        oulad.create(tmp_path / "a", folder)
    assert "open_dataset" in error.value.hint
    tables["vle"].drop("activity_type").write_csv(folder / "vle.csv")
    with pytest.raises(FindCLIError, match="has no column activity_type"):
        oulad.create(tmp_path / "a", folder)
    assert not (tmp_path / "a" / "findcli.toml").exists()
