"""OULAD: students' clicks, submissions and marks at the Open University, from a folder of the published files.

A user is an enrolment: one student in one presentation of one module. Days since the course began are written as they
are, and `origin` in findcli.toml puts day 0 of every course on one date. `date_unregistration` and `final_result` are
labels: they are read for the tasks alone.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from findcli.datasets.creation import Summary, installed_text_model, new_workspace
from findcli.errors import FindCLIError
from findcli.workspace.folder import write_settings

ORIGIN = date(2018, 1, 1)  # a Monday; any date would do
AS_OF_DAY = 60
MARKING_DAYS = 14  # a tutor's marks come back within ten working days of the deadline
WHOLE_UP_TO = 21  # clicks that stop longer before a course's end were cut off
EARLY_DAYS = 3

HEADER = """\
OULAD, the Open University Learning Analytics Dataset: real, anonymised students. Licence CC BY 4.0.
Cite: Kuzilek, Hlosta, Zdrahal (2017), Open University Learning Analytics dataset, Scientific Data 4:170171.
Day 0 of every course is 2018-01-01, so day 60 is 2018-03-02. A user is an enrolment: module-presentation-student.
Labels of the tasks live in data/tasks alone; no training stage reads them."""

ENROLMENT = ("code_module", "code_presentation", "id_student")
FILES = {
    "clicks": ("studentVle", "clicks"),
    "assessments": ("assessments",),
    "submissions": ("studentAssessment", "student_assessments"),
    "info": ("studentInfo", "student_info"),
    "registration": ("studentRegistration", "registration"),
    "courses": ("courses",),
    "vle": ("vle",),
}
KINDS = {"TMA": "tutor-marked", "CMA": "computer-marked", "Exam": "exam"}
WORK = {"early": "early work", "on time": "work on time", "late": "late work", "in an earlier attempt": "banked work"}
ACTIVITIES = {
    "dataplus": "database", "dualpane": "dual pane", "externalquiz": "external quiz", "forumng": "forum",
    "homepage": "home page", "htmlactivity": "web activity", "oucollaborate": "online meeting",
    "oucontent": "course content", "ouelluminate": "online classroom", "ouwiki": "wiki",
    "repeatactivity": "repeat activity", "sharedsubpage": "shared subpage", "url": "link",
}  # fmt: skip

TASKS: dict[str, tuple[str, str]] = {
    "fails": ("fails or withdraws", "students who will fail or withdraw"),
    "distinction": ("passes with distinction", "students who will pass with distinction"),
    "withdraws": ("withdraws", "students who will withdraw"),
}
ORDERED = {
    "education": (
        "No Formal quals", "Lower Than A Level", "A Level or Equivalent", "HE Qualification",
        "Post Graduate Qualification",
    ),
    "deprivation": tuple(f"{i}-{i + 10}%" for i in range(0, 100, 10)),
    "age": ("0-35", "35-55", "55<="),
}  # fmt: skip

AGGREGATES: tuple[dict[str, str], ...] = (
    {"name": "clicks", "source": "clicks", "measure": "sum", "column": "clicks"},
    {"name": "clicks_14_days", "source": "clicks", "measure": "sum", "column": "clicks", "within": "14d"},
    {"name": "clicks_28_days", "source": "clicks", "measure": "sum", "column": "clicks", "within": "28d"},
    {"name": "active_days", "source": "clicks", "measure": "distinct", "column": "day"},
    {"name": "active_days_14_days", "source": "clicks", "measure": "distinct", "column": "day", "within": "14d"},
    {"name": "active_weeks", "source": "clicks", "measure": "active_weeks"},
    {"name": "kinds_of_activity", "source": "clicks", "measure": "distinct", "column": "activity"},
    {"name": "days_since_click", "source": "clicks", "measure": "days_since_last"},
    {"name": "submissions", "source": "submissions", "measure": "count"},
    {"name": "days_early", "source": "submissions", "measure": "mean", "column": "days_early"},
    {"name": "late", "source": "submissions", "measure": "sum", "column": "late"},
    {"name": "deadlines_missed", "source": "deadlines", "measure": "sum", "column": "missed"},
    {"name": "marks", "source": "marks", "measure": "count"},
    {"name": "mean_score", "source": "marks", "measure": "mean", "column": "score"},
    {"name": "lowest_score", "source": "marks", "measure": "min", "column": "score"},
    {"name": "best_score", "source": "marks", "measure": "max", "column": "score"},
    {"name": "weighted_scores", "source": "marks", "measure": "sum", "column": "weighted_score"},
)

SOURCES: tuple[dict[str, Any], ...] = (
    {
        "name": "clicks",
        "families": ["click"],
        "category": "activity",
        "amount": "clicks",
        "unit": "clicks",
    },
    {
        "name": "submissions",
        "families": ["browse"],
        "item": "assessment",
        "category": "kind",
        "department": "work",
        "status": "timing",
        "verb": "submitted",
        "event": "The student submitted {item} {status}.",
    },
    {
        "name": "marks",
        "families": ["browse"],
        "item": "assessment",
        "category": "kind",
        "status": "grade",
        "event": "The student got {status} for {item}.",
        "sentences": ["The student got {status} for {category}.", "The student got {status} for {item}."],
    },
    {
        "name": "deadlines",
        "families": ["browse"],
        "item": "assessment",
        "category": "kind",
        "status": "outcome",
        "event": "The student {status} the deadline of {item}.",
        "sentences": ["The student {status} a deadline.", "The student {status} the deadline of {item}."],
    },
    {
        "name": "registrations",
        "families": ["exposure"],
        "category": "module",
        "event": "The student registered for module {category}.",
    },
)


def create(folder: Path, tables: Path, *, text_model: str | None = None) -> Summary:
    """Make a workspace from a folder of the dataset's files, CSV as published or Parquet.

    Args:
        folder: the new workspace, made if missing.
        tables: holds studentVle, vle, assessments, studentAssessment, studentInfo, studentRegistration and courses.
        text_model: the text model for [text]; when None, the packaged MiniLM if it is installed, else "scratch".

    Raises:
        FindCLIError: a file is missing or lacks a column, or `folder` already holds a workspace.
    """
    clicks = _clicks(tables)
    enrolled = clicks.select("code_module", "code_presentation").unique()
    info = _read(tables, "info", *ENROLMENT, "final_result", *WORDS, *HISTORY).join(enrolled, on=ENROLMENT[:2])
    registration = _read(tables, "registration", *ENROLMENT, "date_registration", "date_unregistration")
    registration = registration.join(enrolled, on=ENROLMENT[:2])
    assessments, submitted = _assessments(tables), _read(tables, "submissions", *SUBMISSION)
    submitted = submitted.join(assessments.join(enrolled, on=ENROLMENT[:2]), on="id_assessment")
    end = _end_of_clicks(clicks, _read(tables, "courses", *ENROLMENT[:2], "module_presentation_length"))
    events = {
        "clicks": clicks,
        "submissions": _submissions(submitted),
        "marks": _marks(submitted),
        "deadlines": _deadlines(info, assessments, submitted),
        "registrations": registration.with_columns(day="date_registration", module="code_module"),
    }
    events = {name: _as_events(table, name, end) for name, table in events.items()}
    model, labels = text_model or installed_text_model(), _labels(info, registration)
    with new_workspace(folder) as scratch:
        (scratch / "data" / "tasks").mkdir(parents=True)
        for name, table in (events | {"enrolments": _enrolments(info, registration)}).items():
            table.write_parquet(scratch / "data" / f"{name}.parquet")
        for name, table in labels.items():
            table.write_parquet(scratch / "data" / "tasks" / f"{name}.parquet")
        write_settings(scratch, _settings(text_model=model), header=HEADER)
    return Summary(
        folder=folder,
        users=len(info),
        rows={f"data/{name}.parquet": table.height for name, table in events.items()},
        tasks={name: (table.height, int(table["label"].sum())) for name, table in labels.items()},
        text_model=model,
        notes=_notes(end, text_model=model),
    )


WORDS = ("gender", "region", "highest_education", "imd_band", "age_band", "disability")
HISTORY = ("num_of_prev_attempts", "studied_credits")
SUBMISSION = ("id_assessment", "id_student", "date_submitted", "is_banked", "score")
TEXTS = {"code_module", "code_presentation", "assessment_type", "activity_type", "final_result", *WORDS}
COLUMNS = {
    "clicks": ("activity", "clicks", "pages"),
    "submissions": ("assessment", "kind", "work", "timing", "days_early", "late"),
    "marks": ("assessment", "kind", "grade", "score", "weighted_score"),
    "deadlines": ("assessment", "kind", "outcome", "missed"),
    "registrations": ("module",),
}


def _scan(tables: Path, name: str) -> pl.LazyFrame:
    """One of the dataset's files, whatever its form.

    Raises:
        FindCLIError: there is none.
    """
    for stem in FILES[name]:
        if (tables / f"{stem}.csv").is_file():
            return pl.scan_csv(tables / f"{stem}.csv", infer_schema=False, null_values=["", "?"])
        if (tables / f"{stem}.parquet").is_file():
            return pl.scan_parquet(tables / f"{stem}.parquet", glob=False)
    raise FindCLIError(
        f"{tables} holds no {FILES[name][0]}.csv",
        hint="name the folder of the files of https://analyse.kmi.open.ac.uk/open_dataset, unpacked",
    )


def _read(tables: Path, name: str, *columns: str) -> pl.DataFrame:
    """Columns of one of the files: words as text, all others as numbers."""
    frame = _scan(tables, name)
    if missing := [column for column in columns if column not in frame.collect_schema()]:
        hint = "use the files as they are published; findcli init --from tables reads other tables"
        raise FindCLIError(f"{FILES[name][0]} in {tables} has no column {', '.join(missing)}", hint=hint)
    return _typed(frame, columns).collect()


def _typed(frame: pl.LazyFrame, columns: tuple[str, ...]) -> pl.LazyFrame:
    words = [pl.col(column).cast(pl.String) for column in columns if column in TEXTS]
    numbers = [pl.col(column).cast(pl.Float64, strict=False) for column in columns if column not in TEXTS]
    return frame.select(*words, *numbers).with_columns(pl.col("^(id_.*|.*date.*|sum_click)$").cast(pl.Int64))


def _clicks(tables: Path) -> pl.DataFrame:
    """Clicks and distinct pages of each enrolment, day and kind of activity; the files repeat some rows of a page."""
    frame = _scan(tables, "clicks")
    columns = (*ENROLMENT, "id_site", "date", "sum_click")
    if "activity_type" in frame.collect_schema():
        rows = _typed(frame, (*columns, "activity_type"))
    else:
        sites = _read(tables, "vle", "id_site", "code_module", "code_presentation", "activity_type")
        rows = _typed(frame, columns).join(sites.lazy(), on=["id_site", *ENROLMENT[:2]])
    return (
        rows.with_columns(activity=pl.col("activity_type").replace(ACTIVITIES))
        .group_by(*ENROLMENT, day="date", activity="activity")
        .agg(clicks=pl.col("sum_click").sum(), pages=pl.col("id_site").n_unique())
        .collect(engine="streaming")
    )


def _assessments(tables: Path) -> pl.DataFrame:
    """Each assessment with its kind, its name (numbered by deadline within a presentation) and its deadline."""
    columns = ("id_assessment", *ENROLMENT[:2], "assessment_type", "date", "weight")
    order = pl.col("id_assessment").cum_count().over(*ENROLMENT[:2], "assessment_type")
    name = pl.col("assessment_type").replace(KINDS)
    kind = pl.when(name == "exam").then(name).otherwise(name + " work")
    return (
        _read(tables, "assessments", *columns)
        .sort("date", "id_assessment", nulls_last=True)
        .with_columns(
            kind=kind, assessment=pl.format("{} {}", kind.str.replace("work", "assignment"), order), deadline="date"
        )
        .drop("date", "assessment_type")
    )


def _end_of_clicks(clicks: pl.DataFrame, courses: pl.DataFrame) -> int | None:
    """The first day on which the clicks of a presentation are not whole, for a copy that was cut; None if all are."""
    last = clicks.group_by(*ENROLMENT[:2]).agg(pl.col("day").max()).join(courses, on=ENROLMENT[:2])
    cut = last.filter(pl.col("day") < pl.col("module_presentation_length") - WHOLE_UP_TO)
    return None if cut.is_empty() else int(cut.select(pl.col("day").min()).item())


def _submissions(submitted: pl.DataFrame) -> pl.DataFrame:
    """Submissions, early, on time or late; a banked one was made in an earlier attempt, before the course began."""
    early = pl.col("deadline") - pl.col("date_submitted")
    banked = pl.col("is_banked") == 1
    known = pl.when(banked).then(pl.lit("in an earlier attempt")).when(early >= EARLY_DAYS).then(pl.lit("early"))
    timing = known.when(early < 0).then(pl.lit("late")).otherwise(pl.lit("on time"))
    days_early = pl.when(~banked).then(early)
    late = (days_early < 0).cast(pl.Int8)
    work = timing.replace(WORK)
    return submitted.with_columns(day="date_submitted", timing=timing, work=work, days_early=days_early, late=late)


def _marks(submitted: pl.DataFrame) -> pl.DataFrame:
    """Scores, from the day they are known: a banked one at once, a computer's at the deadline, a tutor's later."""
    closed = pl.max_horizontal("date_submitted", "deadline")
    tutor = pl.col("kind") == "tutor-marked work"
    day = pl.when(pl.col("is_banked") == 1).then(pl.col("date_submitted")).otherwise(closed + tutor * MARKING_DAYS)
    grade = pl.lit(GRADES[0])
    for least, name in zip(range(40, 100, 15), GRADES[1:], strict=True):  # 40 of 100 is a pass
        grade = pl.when(pl.col("score") >= least).then(pl.lit(name)).otherwise(grade)
    return submitted.filter(pl.col("score").is_not_null()).with_columns(
        day=day, grade=grade, weighted_score=pl.col("score") * pl.col("weight") / 100
    )


GRADES = ("a failing mark", "a bare pass", "a fair mark", "a good mark", "an excellent mark")


def _deadlines(info: pl.DataFrame, assessments: pl.DataFrame, submitted: pl.DataFrame) -> pl.DataFrame:
    """Every enrolment's deadlines, on the day after: met or missed by then, whatever is submitted later."""
    due = info.select(ENROLMENT).join(assessments.filter(pl.col("deadline").is_not_null()), on=ENROLMENT[:2])
    by_then = submitted.filter(pl.col("date_submitted") <= pl.col("deadline"))
    met = by_then.select("id_assessment", "id_student", met=pl.lit(value=True)).unique()
    missed = ~pl.col("met").fill_null(value=False)
    return due.join(met, on=["id_assessment", "id_student"], how="left").with_columns(
        day=pl.col("deadline") + 1,
        outcome=pl.when(missed).then(pl.lit("missed")).otherwise(pl.lit("met")),
        missed=missed.cast(pl.Int8),
    )


def _as_events(table: pl.DataFrame, name: str, end: int | None) -> pl.DataFrame:
    """The columns of a source, in order of time, before the day from which clicks are missing."""
    whole = table.filter(pl.col("day").is_not_null() & (pl.lit(end is None) | (pl.col("day") < (end or 0))))
    columns = COLUMNS[name]
    return whole.select(_user(), "day", *columns).sort("day", "user_id", *columns)


def _user() -> pl.Expr:
    return pl.format("{}-{}-{}", *ENROLMENT).alias("user_id")


def _enrolments(info: pl.DataFrame, registration: pl.DataFrame) -> pl.DataFrame:
    """The profile: what is known of an enrolment when it begins, and whose it is."""
    band = pl.col("imd_band").str.replace("^10-20$", "10-20%")  # one band lacks its sign as published
    return (
        info.join(registration, on=ENROLMENT, how="left")
        .select(
            _user(),
            pl.col("id_student").alias("student"),
            pl.col("code_module").alias("module"),
            pl.col("code_presentation").alias("presentation"),
            "gender",
            "region",
            "disability",
            pl.col("highest_education").alias("education"),
            band.alias("deprivation"),
            pl.col("age_band").alias("age"),
            pl.col("num_of_prev_attempts").alias("earlier_attempts"),
            pl.col("studied_credits").alias("credits"),
            pl.col("date_registration").alias("registered_on_day"),
        )
        .sort("user_id")
    )


def _labels(info: pl.DataFrame, registration: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Label those who are still registered on day 60 by how the course ended for them."""
    left = pl.col("date_unregistration")
    staying = registration.filter(left.is_null() | (left >= AS_OF_DAY))
    result = pl.col("final_result")
    labels = {
        "fails": result.is_in(["Fail", "Withdrawn"]),
        "distinction": result == "Distinction",
        "withdraws": result == "Withdrawn",
    }
    population = info.join(staying, on=ENROLMENT, how="semi").with_columns(_user()).sort("user_id")
    return {name: population.select("user_id", label=label.cast(pl.Int8)) for name, label in labels.items()}


def _settings(*, text_model: str) -> dict[str, Any]:
    as_of = ORIGIN + timedelta(days=AS_OF_DAY)
    return {
        "workspace": {"name": "oulad", "subject": "student", "origin": ORIGIN},
        "windows": {"train_until": as_of, "history": "13w", "future": "2w", "every": "1w", "min_history": "4w"},
        "split": {"group": "student", "held_out_users": 5},
        "text": {"model": text_model},
        "tabular": {"steps": 200},
        "align": {"steps": 150},
        "sources": [_source(source) for source in SOURCES],
        "profile": {
            "path": "data/enrolments.parquet",
            "user": "user_id",
            "categorical": ["module", "presentation", "gender", "region", "disability"],
            "ordered": {name: list(values) for name, values in ORDERED.items()},
            "numeric": ["earlier_attempts", "credits", "registered_on_day"],
            "aggregates": [dict(column) for column in AGGREGATES],
        },
        "tasks": {
            name: {"title": title, "demand": demand, "path": f"data/tasks/{name}.parquet", "as_of": as_of}
            for name, (title, demand) in TASKS.items()
        },
    }


def _source(source: dict[str, Any]) -> dict[str, Any]:
    """A source of the settings: its table, whose times are days of the course."""
    name, families, rest = source["name"], source["families"], dict(list(source.items())[2:])
    where = {"path": f"data/{name}.parquet", "families": families, "user": "user_id", "time": "day"}
    return {"name": name} | where | {"time_format": "days"} | rest


def _notes(end: int | None, *, text_model: str) -> tuple[str, ...]:
    notes = [
        "CC BY 4.0: cite Kuzilek, Hlosta, Zdrahal (2017), Scientific Data 4:170171",
        f"day 0 of every course is {ORIGIN}; tasks are about day {AS_OF_DAY}",
        f"when marks were released is not in the data: a tutor's count from {MARKING_DAYS} days after the deadline",
    ]
    if end is not None:
        notes.append(f"this copy's clicks are cut: nothing from day {end} on is kept")
    if text_model == "scratch":
        notes.append('no pretrained text model is installed, so [text] model = "scratch" trains a small one here')
    return tuple(notes)
