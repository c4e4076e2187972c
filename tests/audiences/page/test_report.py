"""The page of an audience: one small file with the manifest's numbers, each chart a table too, and nothing to load."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from findcli.audiences.eligible.who import WhoNot
from findcli.audiences.experiment.assign import Experiment
from findcli.audiences.page.figures import Corrected, corrected, points, tenths
from findcli.audiences.page.render import depth, percent, render
from findcli.audiences.page.report import Page, page_of_saved, report
from findcli.audiences.saved import Drop, Record, Saved, Sizes, open_audience, save_audience, save_target
from findcli.audiences.select import Selection
from findcli.audiences.sets import combine
from findcli.audiences.sizes import Size
from findcli.audiences.target import target
from findcli.cli.main import main
from findcli.scoring.reliability import Reliability
from findcli.workspace.folder import Workspace

TEA = "The user purchased tea."
LARGEST = 100 * 1024
JARGON = re.compile(
    r"\b(?:auc|recall|logit|log odds|embedding|vector|cosine|epoch|calibrat\w*|precision)\b", re.IGNORECASE
)


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and the text outside the closed part for data scientists."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._hidden = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden += tag in ("details", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("details", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def saved(workspace: Workspace, demand: str = TEA, *, top: int = 20, **options: str) -> Saved:
    (audience,) = target(workspace, [demand], selection=Selection(top_k=top), **options)  # type: ignore[arg-type]
    return save_target(workspace, "tea", audience, overwrite=True).saved


def exit_code(*words: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return int(end.value.code or 0)


def test_the_page_is_one_small_file_that_loads_nothing(trained_workspace: Workspace) -> None:
    text = report(trained_workspace, saved(trained_workspace))
    page = Elements(text)
    assert len(text.encode()) <= LARGEST
    assert not page.count("script")
    loaded = [value for _, each in page.tags for key, value in each.items() if key in ("src", "href", "action")]
    assert all(value is not None and value.startswith(("data:,", "#")) for value in loaded)
    assert "http" not in "".join(value or "" for tag, each in page.tags if tag != "meta" for value in each.values())
    (policy,) = [each["content"] for tag, each in page.tags if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_each_chart_is_a_table_too(trained_workspace: Workspace) -> None:
    page = Elements(report(trained_workspace, saved(trained_workspace)))
    assert page.count("svg") >= 2
    assert page.count("table") > page.count("svg")
    assert page.count("caption") == page.count("table")
    assert all(each.get("role") == "img" and each.get("aria-label") for tag, each in page.tags if tag == "svg")


def test_the_page_has_the_sizes_of_manifest_and_list(trained_workspace: Workspace) -> None:
    audience = saved(trained_workspace)
    page = page_of_saved(trained_workspace, audience)
    assert page.users == audience.record.sizes.selected == len(audience.users()) == 20
    assert page.ranked == audience.record.sizes.passed
    assert sum(each.chosen for each in page.tenths) == page.users
    assert sum(each.users for each in page.tenths) == page.ranked
    assert page.points[-1].users == page.ranked
    assert adds_up(page)
    assert not [each for each in page.warnings if "ranked again" in each or "changed" in each]


def adds_up(page: Page) -> bool:
    """Whether the first step and what is left out come to the audience."""
    first, *drops, last = [int(users.replace(",", "")) for _, users in page.steps]
    return first + sum(drops) == last == page.users


def test_who_is_held_out_is_not_on_the_page(trained_workspace: Workspace) -> None:
    experiment = Experiment("may", 0.5)
    (audience,) = target(trained_workspace, [TEA], selection=Selection(top_k=20), experiment=experiment)
    page = page_of_saved(trained_workspace, save_target(trained_workspace, "tea", audience).saved)
    assert page.users == len(audience.selected) < 20
    assert adds_up(page)
    assert {each.user for each in page.examples} <= set(map(str, audience.selected["user_id"]))


def test_the_size_is_what_was_promised_though_some_are_held_out(trained_workspace: Workspace) -> None:
    experiment = Experiment("june", 0.3)
    (audience,) = target(trained_workspace, [TEA], selection=Selection(top_k=20), experiment=experiment)
    promised = Size(users=len(audience.selected), share=0.2, responders=8.0, low=5.0, high=11.0, surely=6.0)
    change = save_target(trained_workspace, "tea", replace(audience, size=promised))
    page = page_of_saved(trained_workspace, change.saved)
    assert page.examples
    assert page.size == promised
    assert "5 to 11" in report(trained_workspace, open_audience(trained_workspace, "tea"))


def test_who_was_excluded_is_left_out_again(trained_workspace: Workspace, tmp_path: Path) -> None:
    pl.DataFrame({"user_id": range(20)}).write_csv(tmp_path / "served.csv")
    who_not = WhoNot(exclude=(tmp_path / "served.csv",))
    (audience,) = target(trained_workspace, [TEA], selection=Selection(top_k=10), who_not=who_not)
    before = save_target(trained_workspace, "tea", audience).saved
    page = page_of_saved(trained_workspace, before)
    assert page.ranked == before.record.sizes.passed == 40
    assert sum(each.users for each in page.tenths) == 40
    assert page.examples
    pl.DataFrame({"user_id": range(10)}).write_csv(tmp_path / "served.csv")
    page = page_of_saved(trained_workspace, before)
    assert any("served.csv changed" in each for each in page.warnings)
    assert (page.ranked, page.expected, page.examples) == (40, before.record.expected, [])


def test_a_list_that_no_manifest_names_is_said_to_be_unknown(trained_workspace: Workspace, tmp_path: Path) -> None:
    pl.DataFrame({"user_id": range(20)}).write_csv(tmp_path / "served.csv")
    who_not = WhoNot(exclude=(tmp_path / "served.csv",))
    (audience,) = target(trained_workspace, [TEA], selection=Selection(top_k=10), who_not=who_not)
    details = {"exclude": []}  # as it was saved before lists were noted
    page = page_of_saved(trained_workspace, save_target(trained_workspace, "tea", audience, details=details).saved)
    assert any("does not name the lists" in each for each in page.warnings)
    assert not page.examples


def test_the_numbers_of_a_page_are_those_of_the_command(trained_workspace: Workspace) -> None:
    audience = saved(trained_workspace)
    page = page_of_saved(trained_workspace, audience)
    expected = page.size.responders if page.size is not None else page.expected
    assert expected == pytest.approx(audience.record.expected)


def test_a_marketer_reads_no_term_of_machine_learning(trained_workspace: Workspace) -> None:
    page = Elements(report(trained_workspace, saved(trained_workspace)))
    assert not JARGON.findall(" ".join(page.words))
    assert page.count("details") == 1
    assert [each for tag, each in page.tags if tag == "details"] == [{}]  # closed


def test_the_page_names_no_user(trained_workspace: Workspace) -> None:
    audience = saved(trained_workspace)
    users = audience.users().with_columns(pl.col("user_id").cast(pl.String) + "@id")
    page = page_of_saved(trained_workspace, audience)
    assert page.examples
    assert not any(user in report(trained_workspace, audience) for user in users["user_id"])
    shown = report(trained_workspace, audience)
    assert all(f"({each.user})" not in shown for each in page.examples)


def test_a_filter_and_a_reading_by_hand_rank_the_same_users_again(trained_workspace: Workspace) -> None:
    by_hand = {"where": "city == 'north'", "rewrite": f"{TEA} and not The user purchased bread."}
    audience = saved(trained_workspace, "tea", top=5, **by_hand)
    page = page_of_saved(trained_workspace, audience)
    assert page.examples
    assert not [each for each in page.warnings if "changed" in each]
    assert page.ranked < 60


def test_a_list_whose_scores_cannot_be_had_again_says_so(trained_workspace: Workspace) -> None:
    audience = saved(trained_workspace)
    users = audience.users().with_columns(pl.col("score") + 1)
    changed = save_audience(trained_workspace, "tea", users, audience.record).saved
    page = page_of_saved(trained_workspace, changed)
    assert any("changed since it was saved" in each for each in page.warnings)
    assert (page.users, page.points, page.examples) == (20, [], [])
    assert page.expected == audience.record.expected
    assert page.read


def test_drops_and_control_group_stand_between_everyone_and_the_list(trained_workspace: Workspace) -> None:
    audience = saved(trained_workspace)
    record = replace(
        audience.record,
        sizes=Sizes(embedded=60, passed=60, selected=20),
        drops=[Drop(reason="have objected", users=3)],
        details={"warnings": ["group rates differ"]},
    )
    users = audience.users().with_columns(group=pl.Series(["control"] * 2 + ["target"] * 18))
    page = page_of_saved(trained_workspace, save_audience(trained_workspace, "tea", users, record).saved)
    assert ("left out: have objected", "-3") in page.steps
    assert ("left out: below the size that was chosen", "-37") in page.steps
    assert page.steps[-2:] == [("left out: kept back to compare with", "-2"), ("in the audience", "18")]
    assert page.users == 18
    assert "group rates differ" in page.warnings


def test_combined_audiences_have_a_page_of_what_is_known(trained_workspace: Workspace) -> None:
    for name, sentence in (("tea", TEA), ("bread", "The user purchased bread.")):
        (audience,) = target(trained_workspace, [sentence], selection=Selection(top_k=9))
        save_target(trained_workspace, name, audience)
    combined = combine(trained_workspace, "union", ["tea", "bread"], save="both").saved
    text = report(trained_workspace, combined)
    assert f"{combined.record.sizes.selected}" in text
    assert "tea" in unescape(text)


def test_what_a_sentence_holds_stays_text(tiny_workspace: Workspace) -> None:
    evil = "<script>alert(1)</script>"
    record = Record(demands=[evil], made_by="target", sizes=Sizes(selected=1), reading=[evil])
    change = save_audience(tiny_workspace, "evil", pl.DataFrame({"user_id": [1]}), record)
    assert "<script" not in report(tiny_workspace, change.saved)


def test_the_command_writes_whole_or_refuses(
    trained_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(trained_workspace)
    place = ("--workspace", trained_workspace.folder)
    assert exit_code("report", "tea", "-o", tmp_path / "tea.html", *place) == 0
    assert (tmp_path / "tea.html").read_text(encoding="utf-8").endswith("</html>\n")
    assert exit_code("report", "tea", "-o", tmp_path / "tea.pdf", *place) == 1
    assert exit_code("report", "nothing", "-o", tmp_path / "x.html", *place) == 1
    assert "there is no audience 'nothing'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.suffix in (".html", ".pdf")] == ["tea.html"]


def test_without_probabilities_there_are_no_points(trained_workspace: Workspace) -> None:
    (audience,) = target(trained_workspace, [TEA], rewrite="off", selection=Selection(top_k=3))
    ranked = audience.ranking.with_columns(probability=pl.lit(None, pl.Float64))
    silent = replace(audience, ranking=ranked, reliability=None)
    assert points(silent) == tenths(silent) == []


def test_corrections_are_of_a_hundred_expected() -> None:
    flat, ranking = np.zeros(2), pl.DataFrame({"probability": np.full(100, 0.5)})
    measured = Reliability(np.array([0.1, 1.0]), np.array([0.0, -np.log(3)]), flat, flat - 1, flat - 1, flat + 1)
    assert [(each.depth, round(each.to, 6)) for each in corrected(measured, ranking)] == [(0.1, 100), (1.0, 50)]
    assert corrected(None, ranking) == []


def test_a_correction_is_not_shown_as_a_count(trained_workspace: Workspace) -> None:
    page = replace(page_of_saved(trained_workspace, saved(trained_workspace)), corrected=[Corrected(0.1, 93.0)])
    words = " ".join(Elements(render("report.html", page=page, name="tea")).words)
    assert "How numbers are corrected" in words
    assert "drawn towards 100" in words
    assert not JARGON.findall(words)


def test_shares_are_said_shortly() -> None:
    assert [percent(share) for share in (0.0, 0.004, 0.099, 0.5, 1.0)] == ["0%", "0.4%", "9.9%", "50%", "100%"]
    assert [depth(share) for share in (0.01, 0.2, 1.0)] == ["best 1%", "best 20%", "everyone"]


def test_an_opened_audience_is_the_one_that_was_saved(trained_workspace: Workspace) -> None:
    audience = saved(trained_workspace)
    assert open_audience(trained_workspace, "tea").record == audience.record
