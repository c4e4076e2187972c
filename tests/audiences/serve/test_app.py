"""The application: what it answers is what the commands answer, and nothing that is asked makes it fail."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from fastapi.testclient import TestClient

from findcli.audiences.eligible.who import WhoNot
from findcli.audiences.serve import answers as module
from findcli.audiences.serve.answers import Answers
from findcli.cli.main import main
from findcli.data.forgotten import remember_forgotten
from findcli.workspace.folder import Workspace
from findcli.workspace.privacy_settings import Consent

TEA = "The user purchased tea."
ANY = {"demand": TEA, "users": 7}


def written(workspace: Workspace, demand: str, users: int, path: Path) -> bytes:
    """What the command writes."""
    with pytest.raises(SystemExit) as end:
        main(["target", demand, "--top-k", str(users), "-o", str(path), "--workspace", str(workspace.folder)])
    assert not end.value.code
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_a_list_has_the_bytes_that_the_command_writes(
    client: TestClient, served: Workspace, tmp_path: Path, kind: str
) -> None:
    expected = written(served, TEA, 7, tmp_path / f"tea.{kind}")
    assert client.post("/api/list", json={**ANY, "format": kind}).content == expected
    by_page = client.get("/download", params={"q": TEA, "users": 7, "format": kind})
    assert by_page.content == expected
    assert f'filename="the-user-purchased-tea.{kind}"' in by_page.headers["content-disposition"]


def test_counts_agree_in_page_answer_and_file(client: TestClient) -> None:
    answer = client.post("/api/audience", json=ANY).json()
    page = client.get("/answer", params={"q": TEA, "users": 7}).text
    rows = pl.read_csv(io.BytesIO(client.post("/api/list", json=ANY).content))
    assert answer["users"] == len(rows) == 7
    assert "<h2>7 users" in page
    assert answer["examples"][0]["user"] == str(rows["user_id"][0])
    assert [each["meaning"] for each in answer["read"]] == ["purchased tea"]


def test_more_users_than_there_are_is_everyone(client: TestClient) -> None:
    answer = client.post("/api/audience", json={"demand": TEA, "users": 10**9}).json()
    assert answer["users"] == answer["ranked"] == 60


def test_a_filter_ranks_fewer(client: TestClient) -> None:
    answer = client.post("/api/audience", json={**ANY, "where": "city == 'north'"}).json()
    assert 0 < answer["ranked"] < 60


@pytest.mark.parametrize(
    "asked",
    [
        {"demand": ""},
        {"demand": "   "},
        {"demand": "x" * 1001},
        {"demand": TEA, "users": 0},
        {"demand": TEA, "users": "many"},
        {"demand": TEA, "where": "city ="},
        {"demand": TEA, "where": "wealth > 3"},
        {"demand": TEA, "path": "/etc/passwd"},
        {"demand": TEA, "format": "exe"},
        {},
    ],
)
def test_what_cannot_be_answered_is_refused_with_words(client: TestClient, asked: dict[str, object]) -> None:
    answer = client.post("/api/list", json=asked)
    assert answer.status_code == 422
    assert answer.json().get("error") or answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    ["/../findcli.toml", "/%2e%2e/findcli.toml", "/findcli.toml", "/style.css/../../render.py", "/runs", "/docs"],
)
def test_no_path_leads_to_a_file(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_large_body_is_refused(client: TestClient) -> None:
    assert client.post("/api/audience", content=b"x" * 70_000).status_code == 413
    assert client.post("/api/audience", content=b"{" + b" " * 60_000).status_code == 422


def test_a_sentence_stays_text_on_the_page(client: TestClient) -> None:
    page = client.get("/", params={"q": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page


def test_the_page_asks_nobody_else(client: TestClient) -> None:
    page = client.get("/", params={"q": TEA}).text
    assert "http://" not in page
    assert "https://" not in page
    for path in ("/style.css", "/app.js"):
        assert client.get(path).status_code == 200
        assert path in page


def test_a_ranking_is_made_once_for_every_size(answers: Answers) -> None:
    answers.answer("The user purchased soap.", 3)
    with mock.patch.object(module, "target", side_effect=AssertionError("ranked again")):
        assert len(answers.answer("The user purchased soap.", 9).audience.selected) == 9


def test_many_who_ask_at_once_get_one_answer(answers: Answers) -> None:
    asked = ["The user purchased bread.", "The user purchased towels."] * 8
    with ThreadPoolExecutor(8) as pool:
        lists = list(pool.map(lambda demand: answers.answer(demand, 5).audience.selected["user_id"].to_list(), asked))
    assert lists[::2] == [lists[0]] * 8
    assert lists[1::2] == [lists[1]] * 8


def test_who_is_forgotten_is_in_no_later_answer(trained_workspace: Workspace) -> None:
    answers = Answers(trained_workspace, device="cpu")
    first = answers.answer(TEA, 5).audience.selected["user_id"]
    remember_forgotten(trained_workspace, [first[0]])
    assert first[0] not in answers.answer(TEA, 5).audience.selected["user_id"]
    assert str(first[0]) not in [row["user"] for row in _examples(answers)]


@pytest.mark.parametrize("kind", ["exclude", "consent"])
def test_who_objects_or_is_excluded_meanwhile_is_in_no_later_answer(
    trained_workspace: Workspace, tmp_path: Path, kind: str
) -> None:
    listed = tmp_path / "list.csv"
    pl.DataFrame({"user_id": [59], "stop": ["yes"]}).write_csv(listed)
    who_not, workspace = None, trained_workspace
    if kind == "exclude":
        who_not = WhoNot(exclude=(listed,))
    else:
        consent = Consent(path=str(listed), objection="stop")
        workspace = replace(workspace, settings=replace(workspace.settings, consent=consent))
    answers = Answers(workspace, who_not=who_not, device="cpu")
    first = answers.answer(TEA, 5)
    best = first.audience.selected["user_id"][0]
    pl.DataFrame({"user_id": [59, best], "stop": ["yes", "yes"]}).write_csv(listed)
    later = answers.answer(TEA, 5)
    assert best not in later.audience.selected["user_id"]
    assert later.page.ranked == first.page.ranked - 1
    downloaded = pl.read_csv(io.BytesIO(answers.file(TEA, 5, None, ".csv")))
    assert downloaded["user_id"].to_list() == later.audience.selected["user_id"].to_list()


def _examples(answers: Answers) -> list[dict[str, str]]:
    return [{"user": each.user} for each in answers.answer(TEA, 5).page.examples]


def test_openapi_describes_the_api_alone(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/api/workspace", "/api/audience", "/api/list"}
    here = client.get("/api/workspace").json()
    assert here["users"] == 60
