"""[consent] and [sensitive]: what they may say, and that nothing reads a column that is withheld."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from findcli.audiences.where.filter import parse_filter
from findcli.data.pairs import build_pairs
from findcli.data.profiles import profile_columns
from findcli.errors import FindCLIError
from findcli.models.find.pretrain_tabular import stage_settings
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import open_run
from findcli.workspace.toml_file import parse_settings


def marked(workspace: Workspace, text: str) -> Workspace:
    path = workspace.folder / "findcli.toml"
    path.write_text(path.read_text() + text)
    return load_workspace(workspace.folder)


def test_a_sensitive_column_is_in_nothing_that_trains_or_filters(tiny_workspace: Workspace) -> None:
    before = {column.name for column in profile_columns(tiny_workspace.settings.profile)}
    workspace = marked(tiny_workspace, '\n[sensitive]\ncolumns = ["age", "tier", "city"]\n')
    columns = profile_columns(workspace.settings.profile)
    assert {column.name for column in columns} == before - {"age", "tier", "city"}
    build_pairs(workspace)
    stored = open_run(workspace.run("pairs"), "pairs").table("profiles.parquet").columns
    assert not {"age", "tier", "city"} & set(stored)
    assert "sensitive" not in stage_settings(workspace)
    with pytest.raises(FindCLIError, match="'age' is marked as sensitive"):
        parse_filter("spend > 3 and age > 30", columns, withheld=workspace.settings.sensitive.withheld)


def test_a_sensitive_column_that_is_switched_on_is_used_and_named(tiny_workspace: Workspace) -> None:
    plain = stage_settings(tiny_workspace)
    workspace = marked(tiny_workspace, '\n[sensitive]\ncolumns = ["age"]\nuse = true\n')
    assert workspace.settings.profile == tiny_workspace.settings.profile
    assert stage_settings(workspace) == plain | {"sensitive": ["age"]}
    parse_filter(
        "age > 30", profile_columns(workspace.settings.profile), withheld=workspace.settings.sensitive.withheld
    )


def test_a_misspelt_sensitive_column_is_refused_before_anything_trains(tiny_workspace: Workspace) -> None:
    workspace = marked(tiny_workspace, '\n[sensitive]\ncolumns = ["agee"]\n')
    with pytest.raises(FindCLIError, match="has no column agee") as refused:
        build_pairs(workspace)
    assert "[sensitive]" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"consent": {"purposes": {"ads": "ads"}}}, "consent.path: missing"),
        ({"consent": {"path": "c.csv"}}, "consent.purposes: missing"),
        ({"consent": {"path": "c.csv", "objection": "no", "delimiter": "--"}}, "consent.delimiter"),
        ({"consent": {"path": "c.csv", "purpose": {}}}, "did you mean 'purposes'"),
        ({"sensitive": {"columns": ["spend"]}}, "'spend' is computed from events"),
        ({"sensitive": {"columns": ["age"]}, "profile": {}}, "set path"),
    ],
)
def test_what_cannot_be_is_said_with_its_key(tiny_workspace: Workspace, table: dict[str, Any], problem: str) -> None:
    raw = tomllib.loads((tiny_workspace.folder / "findcli.toml").read_text())
    with pytest.raises(FindCLIError, match="1 mistake") as refused:
        parse_settings(raw | table, name="findcli.toml")
    assert problem in str(refused.value)
