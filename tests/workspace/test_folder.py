"""The workspace file: what is read, what is refused, and what is written."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findcli.cli.main import main
from findcli.data.places.copies import source_files
from findcli.errors import FindCLIError
from findcli.workspace.folder import FILE, find_workspace, load_workspace, write_settings
from findcli.workspace.settings import PAPER_SIZES, Align, Settings
from findcli.workspace.toml_file import parse_settings, render_settings, to_utc

BILLS = {
    "name": "bills",
    "path": "bills.csv",
    "families": ["purchase"],
    "user": "user_id",
    "time": "at",
    "item": "thing",
}
MINIMAL: dict[str, Any] = {"windows": {"train_until": date(2024, 3, 1)}, "sources": [BILLS]}


def read(**changes: Any) -> Settings:
    return parse_settings({**MINIMAL, **changes}, name=FILE)


def mistakes(**changes: Any) -> dict[str, str]:
    with pytest.raises(FindCLIError) as caught:
        read(**changes)
    assert caught.value.hint
    lines = caught.value.message.splitlines()[1:]
    return dict(line.strip().split(": ", 1) for line in lines)


def source(**changes: Any) -> list[dict[str, Any]]:
    return [{**BILLS, **changes}]


def write(folder: Path, text: str) -> Path:
    (folder / FILE).write_text(text, encoding="utf-8")
    return folder


def test_a_minimal_file_takes_every_default() -> None:
    settings = read()
    assert settings.windows.train_until == datetime(2024, 3, 1)
    assert settings.sources[0].families == ("purchase",)
    assert settings.align == Align()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (date(2024, 3, 1), datetime(2024, 3, 1)),
        (datetime(2024, 3, 1, 12), datetime(2024, 3, 1, 12)),
        (datetime(2024, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))), datetime(2024, 3, 1, 10)),
        (datetime(2024, 3, 1, 12, tzinfo=UTC), datetime(2024, 3, 1, 12)),
    ],
)
def test_instants_become_utc_without_a_zone(given: date, expected: datetime) -> None:
    task = {"path": "p.csv", "as_of": given, "demand": "who?"}
    settings = read(windows={"train_until": given}, tasks={"d1": task})
    assert settings.windows.train_until == settings.tasks["d1"].as_of == to_utc(given) == expected


def test_relative_days_begin_at_their_own_origin_or_the_workspace_s() -> None:
    days = BILLS | {"time_format": "days"}
    sources = [days, days | {"name": "late", "origin": date(2021, 1, 1)}, BILLS | {"name": "dated"}]
    read_in = read(sources=sources, workspace={"origin": date(2020, 1, 1)})
    assert [one.origin for one in read_in.sources] == [datetime(2020, 1, 1), datetime(2021, 1, 1), None]


@pytest.mark.parametrize(
    ("changes", "key", "told"),
    [
        ({"sources": source(time_format="days")}, "sources[0].origin", "the date of day 0"),
        ({"sources": source(origin=date(2020, 1, 1))}, "sources[0].origin", "set time_format = 'days' too"),
        ({"split": {"group_pattern": "-\\d+$"}}, "split.group_pattern", "one part in round brackets"),
        ({"split": {"group_pattern": "("}}, "split.group_pattern", "one part in round brackets"),
        ({"split": {"group": "person"}}, "split.group", "set path = ... in [profile]"),
        ({"split": {"group": "person", "group_pattern": "(a)"}}, "split.group", "take one of the two out"),
        ({"workspace": {"origin": "2020-01-01"}}, "workspace.origin", "without quotes"),
        ({"windows": {}}, "windows.train_until", "missing; no event at or after this instant"),
        ({"windows": {"train_until": "2024-03-01"}}, "windows.train_until", "without quotes"),
        ({"windows": {"train_until": date(2024, 3, 1), "history": "0w"}}, "windows.history", "'0w' is not a duration"),
        ({"windows": {"train_until": date(2024, 3, 1), "future": "99999999w"}}, "windows.future", "is not a duration"),
        ({"windows": {"train_until": date(2024, 3, 1), "evry": "4w"}}, "windows.evry", "did you mean 'every'?"),
        ({"tasks": {"d1": {"path": "p", "demand": "d", "as_of": 5}}}, "tasks.d1.as_of", "such as 2017-10-30"),
        ({"windoes": {}}, "windoes", "did you mean 'windows'?"),
        ({"size": "huge"}, "size", "'small' or 'paper'"),
        ({"split": {"salt": 3}}, "split.salt", "3 should be a valid string; write text in quotes"),
        ({"align": {"steps": "5"}}, "align.steps", "'5' should be a valid integer"),
        ({"align": {"steps": True}}, "align.steps", "True should be a valid integer"),
        ({"align": {"lr": float("inf")}}, "align.lr", "finite"),
        ({"align": {"d_embedding": 30}}, "align.d_embedding", "30 is not a multiple of heads = 4"),
        ({"align": {"modalities": []}}, "align.modalities", "at least 1 item"),
        (
            {"align": {"modalities": ["sound"]}},
            "align.modalities[0]",
            "'sequence', 'tabular', 'search' or 'next_event'",
        ),
        ({"sequence": {"step": "2w", "cycle": "3w"}}, "sequence.cycle", "not a whole number of steps of '2w'"),
        ({"profile": 3}, "profile", "3 should be a table"),
        ({"sources": []}, "sources", "[[sources]]"),
        ({"sources": BILLS}, "sources", "double brackets"),
        ({"sources": [3]}, "sources[0]", "should be a table"),
        ({"sources": [BILLS, BILLS]}, "sources[1].name", "'bills' is already the name of sources[0]"),
        ({"sources": source(item=5)}, "sources[0].item", "write text in quotes"),
        ({"sources": source(time_format="dd/mm")}, "sources[0].time_format", "'%d/%m/%Y'"),
        ({"sources": source(timezone="Mars/Olympus")}, "sources[0].timezone", "'Europe/Berlin'"),
        ({"sources": source(timezone="../etc/passwd")}, "sources[0].timezone", "is not a time zone"),
        ({"sources": source(event="bought {category}")}, "sources[0].event", "set category = ..."),
        (
            {"sources": source(event="bought {amount}")},
            "sources[0].event",
            "{amount} in 'bought {amount}' is not a slot",
        ),
        ({"sources": source(sentences=["buys {item} {"])}, "sources[0].sentences[0]", "cannot be read"),
        (
            {"sources": source(sentences=["{item}", "{itm}"])},
            "sources[0].sentences[1]",
            "{itm} in '{itm}' is not a slot",
        ),
        ({"sources": source(sentences=["over {amount}"])}, "sources[0].sentences[0]", "set amount = ..."),
        ({"sources": source(families=["exposure"], sentences=["{item}"])}, "sources[0].sentences", "inputs only"),
        ({"profile": {"path": "p.csv", "numeric": ["age"]}}, "profile.user", "missing"),
        ({"profile": {"numeric": ["age"]}}, "profile.numeric", "needs a table"),
        (
            {"profile": {"path": "p", "user": "u", "numeric": ["a"], "categorical": ["a"]}},
            "profile",
            "'a' occurs 2 times",
        ),
        ({"profile": {"path": "p", "user": "u", "numeric": ["u"]}}, "profile", "'u' is the user or the time"),
        ({"profile": {"path": "p", "user": "u", "ordered": {"a": ["x"]}}}, "profile.ordered.a", "at least two"),
        ({"profile": {"aggregates": {}}}, "profile.aggregates", "[[profile.aggregates]]"),
    ],
)
def test_a_mistake_is_named_with_its_key_and_the_fix(changes: dict[str, Any], key: str, told: str) -> None:
    found = mistakes(**changes)
    assert list(found) == [key]
    assert told in found[key]


@pytest.mark.parametrize(
    ("changes", "key", "told"),
    [
        ({"source": "bill"}, "source", "'bill' is not a source; the sources are 'bills'"),
        ({"measure": "sum"}, "column", "missing; 'sum' needs a column of 'bills'"),
        ({"column": "spend"}, "column", "'count' does not read a column; remove 'spend'"),
        ({"mesure": "sum"}, "mesure", "did you mean 'measure'?"),
    ],
)
def test_mistakes_of_aggregates(changes: dict[str, Any], key: str, told: str) -> None:
    aggregate = {"name": "n", "source": "bills", "measure": "count"}
    found = mistakes(profile={"aggregates": [aggregate, {**aggregate, "name": "m", **changes}]})
    assert list(found) == [f"profile.aggregates[1].{key}"]
    assert told in found[f"profile.aggregates[1].{key}"]


def test_all_mistakes_are_reported_at_once() -> None:
    found = mistakes(
        sources=[{**BILLS, "tiem": "at"}, {**BILLS, "name": "clicks", "event": "{category}"}],
        tasks={
            "d1": {"path": "p.csv", "as_of": date(2024, 1, 1), "demand": "who?", "without_sources": ["click", "bills"]}
        },
        align={"steps": -1, "lorarank": 4},
        split={"salt": 7},
    )
    assert set(found) == {
        "sources[0].tiem",
        "sources[1].event",
        "tasks.d1.without_sources",
        "align.steps",
        "align.lorarank",
        "split.salt",
    }


def test_a_later_format_is_refused_before_anything_else() -> None:
    with pytest.raises(FindCLIError, match=r"has format 2; this findcli reads format 1$"):
        read(format=2, news={"x": 1})


def test_the_papers_sizes_fill_in_what_the_file_leaves_open() -> None:
    settings = read(size="paper", align={"layers": 2})
    assert settings.align.d_embedding == PAPER_SIZES["align"]["d_embedding"] == 1024
    assert settings.align.layers == 2
    assert settings.sequence.d_model == 1024
    assert read().align.d_embedding == 256


def test_toml_syntax_is_reported_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(FindCLIError, match="line 2"):
        load_workspace(write(tmp_path, "format = 1\nwindows = \n"))


def test_a_file_that_is_not_utf8_is_an_error_to_mend(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'name = "\xff"')
    with pytest.raises(FindCLIError, match="cannot be read"):
        load_workspace(tmp_path)


def test_the_nearest_workspace_upwards_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings(tmp_path / "one", MINIMAL, header="one")
    deep = tmp_path / "one" / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert find_workspace() == load_workspace().folder == tmp_path / "one"
    with pytest.raises(FindCLIError, match=str(tmp_path)) as caught:
        find_workspace(tmp_path)
    assert "findcli init" in caught.value.hint


def test_a_named_folder_is_not_searched_upwards(tmp_path: Path) -> None:
    write_settings(tmp_path, MINIMAL, header="one")
    (tmp_path / "below").mkdir()
    with pytest.raises(FindCLIError, match="below"):
        load_workspace(tmp_path / "below")


def test_run_folders(tmp_path: Path) -> None:
    workspace = write_settings(tmp_path, {**MINIMAL, "workspace": {"runs": "out"}}, header="one")
    assert workspace.run("pairs") == tmp_path / "out" / "pairs"
    assert (
        workspace.embeddings(date(2024, 3, 1)).name == workspace.embeddings(datetime(2024, 3, 1)).name == "2024-03-01"
    )
    assert workspace.embeddings(datetime(2024, 3, 1, 9, 30)).name == "2024-03-01T093000"


def test_the_files_of_a_source(tmp_path: Path) -> None:
    workspace = write_settings(tmp_path, {**MINIMAL, "sources": source(path="data/*.csv")}, header="one")
    with pytest.raises(FindCLIError, match=r"no file matches 'data/\*.csv'"):
        source_files(workspace, workspace.settings.sources[0])
    (tmp_path / "data" / "folder.csv").mkdir(parents=True)
    for name in ("b.csv", "a.csv", "c.parquet"):
        (tmp_path / "data" / name).touch()
    assert [path.name for path in source_files(workspace, workspace.settings.sources[0])] == ["a.csv", "b.csv"]


def test_an_absolute_path_of_a_source_stands(tmp_path: Path) -> None:
    (tmp_path / "bills.csv").touch()
    workspace = write_settings(
        tmp_path / "w", {**MINIMAL, "sources": source(path=str(tmp_path / "bills.csv"))}, header="one"
    )
    assert source_files(workspace, workspace.settings.sources[0]) == [tmp_path / "bills.csv"]


FULL: dict[str, Any] = {
    **MINIMAL,
    "size": "paper",
    "sources": [
        BILLS,
        {**BILLS, "name": 'the "other"', "sentences": ["The user bought {item}."], "duplicates": "keep"},
    ],
    "workspace": {"name": "Läden", "seed": 3},
    "profile": {
        "path": "people.parquet",
        "user": "id",
        "ordered": {"age group": ["<20", "20+"]},
        "aggregates": [
            {"name": "n", "source": "bills", "measure": "count"},
            {"name": "m", "source": "bills", "measure": "count"},
        ],
    },
    "tasks": {"d 1": {"path": "d1.csv", "as_of": datetime(2024, 3, 1, 12, tzinfo=UTC), "demand": "who?"}},
}


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    assert write_settings(tmp_path, FULL, header="made by a test").settings == parse_settings(FULL, name=FILE)


def test_the_written_file_explains_itself_once_a_key() -> None:
    text = render_settings(FULL, header="made by\na test")
    assert text.startswith("# made by\n# a test\n\nformat = 1")
    assert text.count("# column of the user id") == 2  # of the sources and of the profile
    assert "[align]" in text
    assert "# [windows]" not in text


@settings(deadline=None, max_examples=50)
@given(
    st.text(max_size=20),
    st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=4, unique=True),
    st.text(min_size=1),
)
def test_any_text_survives_the_file(name: str, levels: list[str], key: str) -> None:
    values = {
        **MINIMAL,
        "workspace": {"name": name},
        "profile": {"path": "p", "user": "the user", "ordered": {key: levels}},
        "tasks": {key: {"path": "p", "as_of": date(2024, 3, 1), "demand": "d"}},
    }
    read_back = tomllib.loads(render_settings(values, header="h"))
    assert read_back["workspace"]["name"] == name
    assert read_back["profile"]["ordered"] == {key: levels}
    assert list(read_back["tasks"]) == [key]


def test_an_existing_workspace_is_not_overwritten(tmp_path: Path) -> None:
    write_settings(tmp_path, MINIMAL, header="mine")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(FindCLIError, match="is a workspace already"):
        write_settings(tmp_path, FULL, header="other")
    assert (tmp_path / FILE).read_bytes() == before


def test_invalid_values_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(FindCLIError, match="1 mistake"):
        write_settings(tmp_path / "w", {**MINIMAL, "split": {"salt": 3}}, header="one")
    assert not (tmp_path / "w").exists()


def test_remarks_stand_below_their_key_or_at_the_end_of_their_table() -> None:
    remarks = {
        "sources[0].time": ['time = "other"'],
        "sources[0].amount": ['amount = "x"'],
        "sources[0]": ["Unused: a\x00b"],
        "": ["Not used: c.csv"],
    }
    values = {"windows": {}, "sources": [{"name": "s", "time": "t", "user": "u"}]}
    text = render_settings(values, header="h", remarks=remarks)
    lines = [line.partition("  #")[0] for line in text.splitlines()]
    at = lines.index('time = "t"')
    assert lines[at : at + 6] == [
        'time = "t"', '# time = "other"', 'user = "u"', '# amount = "x"', "# Unused: a\\x00b", "",
    ]  # fmt: skip
    assert "# Not used: c.csv" in lines
    assert tomllib.loads(text)["sources"] == values["sources"]


@pytest.mark.parametrize("words", [["status"], ["check"], ["run"]])
def test_a_workspace_at_s3_is_refused_with_what_may_lie_there(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in ([*words, "--workspace", "s3://shop/w"], ["init", "s3://shop/w", "--from", "demo", "--users", "9"]):
        with pytest.raises(SystemExit, match="1"):
            main(line)
        said = capsys.readouterr().err
        assert "s3://shop/w is none" in said
        assert "--output may write there" in said
    assert not list(tmp_path.iterdir())


def test_runs_at_s3_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FindCLIError, match=r"workspace\.runs: 's3://shop/runs' is no folder"):
        write_settings(tmp_path, {**MINIMAL, "workspace": {"runs": "s3://shop/runs"}}, header="one")
