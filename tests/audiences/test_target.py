"""Sentences as audiences: order, policies, demands from files, and what is written."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.audiences.conditions import Passed
from findcli.audiences.export import one_table, require_writable, write_audience
from findcli.audiences.select import Selection, rank
from findcli.audiences.target import target
from findcli.cli.main import main
from findcli.demands.files import read_demands
from findcli.errors import FindCLIError
from findcli.scoring.embed import embed
from findcli.workspace.folder import Workspace
from findcli.workspace.objects import below, download

SCORES = st.lists(st.sampled_from([-0.5, 0.0, 0.25, 0.5]), min_size=1, max_size=40)
DEMANDS = ["The user purchased tea.", "soap, please"]


def ranking(scores: list[float]) -> pl.DataFrame:
    return rank(pl.Series(range(len(scores))), np.array(scores, np.float32))


@given(SCORES)
def test_the_best_come_first_and_ties_by_id(scores: list[float]) -> None:
    found = ranking(scores)
    assert found.columns == ["user_id", "score", "probability", "rank"]
    expected = sorted(enumerate(scores), key=lambda user: (-user[1], user[0]))
    assert list(found.select("user_id", "score").iter_rows()) == expected
    assert found["rank"].to_list() == list(range(1, len(scores) + 1))
    assert found["probability"].null_count() == len(scores)


@given(
    SCORES,
    st.none() | st.integers(1, 50),
    st.none() | st.floats(0.5, 100),
    st.none() | st.sampled_from([-1, 0.0, 0.25, 1]),
)
def test_every_policy_keeps_the_head_of_the_ranking(
    scores: list[float], k: int | None, percent: float | None, low: float | None
) -> None:
    whole = ranking(scores)
    kept = Selection(top_k=k, top_percent=percent, min_score=low).keep(whole)
    assert kept.equals(whole.head(len(kept)))
    limits = [
        len(scores),
        *([] if k is None else [k]),
        *([] if percent is None else [max(1, int(len(scores) * percent / 100))]),
    ]
    enough = len(scores) if low is None else sum(score >= low for score in scores)
    assert len(kept) == min(*limits, enough)


def test_a_probability_that_nobody_calibrated_is_refused() -> None:
    with pytest.raises(FindCLIError, match=r"at least 0\.5") as error:
        Selection(min_probability=0.5).keep(ranking([1.0]))
    assert "--top-k" in error.value.hint


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.txt", "tea buyers\n\n  soap, please  \n"),
        ("d.txt", "\ufefftea buyers\r\nsoap, please\r\n"),
        ("d.csv", 'id,demand\n1,tea buyers\n2,"soap, please"\n3,\n'),
        ("d.tsv", "demand\tid\ntea buyers\t1\nsoap, please\t2\n"),
        ("d.csv", "tea buyers\nsoap, please\n"),
        ("d.csv", "demand;note\ntea buyers;x\nsoap, please;y\n"),
        ("d.csv", 'Demand\ntea buyers\n"soap, please"\n'),
        ("d", "tea buyers\nsoap, please"),
    ],
)
def test_demands_are_read_from_every_form_of_file(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_demands(tmp_path / name) == ["tea buyers", "soap, please"]


def test_demands_are_read_from_parquet(tmp_path: Path) -> None:
    pl.DataFrame({"demand": ["tea buyers", None, "", "soap, please"]}).write_parquet(tmp_path / "d.parquet")
    assert read_demands(tmp_path / "d.parquet") == ["tea buyers", "soap, please"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.txt", None),
        ("d.txt", b"\n \n"),
        ("d.txt", b"\xff\xfe\xff"),
        ("d.parquet", b"PAR1 torn"),
        ("d.csv", b"demand\n"),
        ("d.csv", b""),
    ],
)
def test_a_file_without_a_demand_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FindCLIError, match=name) as error:
        read_demands(tmp_path / name)
    assert error.value.hint


def test_a_table_of_other_columns_holds_no_demand(tmp_path: Path) -> None:
    pl.DataFrame({"sentence": ["tea"]}).write_parquet(tmp_path / "d.parquet")
    with pytest.raises(FindCLIError, match="demand"):
        read_demands(tmp_path / "d.parquet")


@pytest.mark.parametrize(
    ("suffix", "read"), [(".parquet", pl.read_parquet), (".csv", pl.read_csv), (".JSONL", pl.read_ndjson)]
)
def test_an_audience_is_written_by_its_extension(tmp_path: Path, suffix: str, read: object) -> None:
    path = tmp_path / f"audience{suffix}"
    write_audience(ranking([0.5, 0.25]), path)
    assert read(path).select("user_id", "score", "rank").rows() == [(0, 0.5, 1), (1, 0.25, 2)]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_an_object_has_the_bytes_of_a_file(bucket: str, tmp_path: Path, suffix: str) -> None:
    file, back = tmp_path / f"a{suffix}", tmp_path / "back"
    for path in (file, Path(f"{bucket}/out/a{suffix}")):
        write_audience(ranking([0.5, 0.25]), path)
    download(f"{bucket}/out/a{suffix}", back)
    assert back.read_bytes() == file.read_bytes()
    assert not Path("s3:").exists()


def test_an_error_leaves_the_object_that_was_there(bucket: str) -> None:
    path = Path(f"{bucket}/a.csv")
    write_audience(ranking([0.5]), path)
    before = below(bucket)
    with pytest.raises(pl.exceptions.ComputeError):
        write_audience(pl.DataFrame({"nested": [[1]]}), path)
    assert below(bucket) == before


def test_an_object_that_cannot_or_should_not_be_written_is_refused_first(
    bucket: str, tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source, *others) = tiny_workspace.settings.sources
    table = replace(source, path=f"{bucket}/orders/*.csv")
    workspace = replace(tiny_workspace, settings=replace(tiny_workspace.settings, sources=(table, *others)))
    with pytest.raises(FindCLIError, match=r"s3://shop/a\.xlsx has the extension \.xlsx"):
        require_writable(Path(f"{bucket}/a.xlsx"))
    with pytest.raises(FindCLIError, match="is one that the workspace reads"):
        require_writable(Path(f"{bucket}/orders/1.csv"), workspace=workspace)
    require_writable(Path(f"{bucket}/orders/1.csv"), workspace=workspace, force=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(FindCLIError, match=r"s3://shop/a\.csv cannot be written"):
        require_writable(Path(f"{bucket}/a.csv"))


def test_an_unknown_extension_is_refused_and_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    for action in (require_writable, lambda path: write_audience(ranking([1.0]), path)):
        with pytest.raises(FindCLIError, match=r"has the extension \.xlsx"):
            action(tmp_path / "a.xlsx")
    path = tmp_path / "a.csv"
    path.write_text("what was there")
    with pytest.raises(pl.exceptions.ComputeError):
        write_audience(pl.DataFrame({"nested": [[1]]}), path)
    assert path.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [path]


def test_each_demand_ranks_every_user_the_same_alone_or_beside_others(trained_workspace: Workspace) -> None:
    both = target(trained_workspace, DEMANDS, selection=Selection(top_k=5), device="cpu")
    assert [audience.demand for audience in both] == DEMANDS
    for demand, audience in zip(DEMANDS, both, strict=True):
        assert audience.as_of == trained_workspace.train_until
        assert set(audience.ranking["user_id"]) == set(range(60))
        assert audience.selected.equals(audience.ranking.head(5))
        (alone,) = target(trained_workspace, [demand], device="cpu")
        np.testing.assert_allclose(
            alone.ranking.sort("user_id")["score"], audience.ranking.sort("user_id")["score"], atol=1e-5
        )
    text, cosine = both[0].nearest[0]
    assert text == DEMANDS[0]
    assert cosine == pytest.approx(1, abs=1e-4)
    table = one_table(both, named=True)
    assert table.group_by("demand", maintain_order=True).len().rows() == [(demand, 5) for demand in DEMANDS]
    assert "demand" not in one_table(both, named=False).columns


def test_the_newest_embeddings_answer_unless_a_date_is_named(trained_workspace: Workspace) -> None:
    until = trained_workspace.train_until
    embed(trained_workspace, as_of=until - timedelta(weeks=8), device="cpu")
    assert target(trained_workspace, DEMANDS[:1], device="cpu")[0].as_of == until
    later = until + timedelta(weeks=1)
    assert target(trained_workspace, DEMANDS[:1], as_of=later, device="cpu")[0].as_of == later
    assert target(trained_workspace, DEMANDS[:1], device="cpu")[0].as_of == later


@pytest.mark.parametrize(("demands", "told"), [([], "no demand"), (["tea", " "], "demand 2 is empty")])
def test_an_empty_demand_is_refused(trained_workspace: Workspace, demands: list[str], told: str) -> None:
    with pytest.raises(FindCLIError, match=told):
        target(trained_workspace, demands)


def test_a_filter_comes_before_the_ranking_and_the_policy(trained_workspace: Workspace) -> None:
    until = trained_workspace.train_until - timedelta(weeks=8)
    orders = pl.read_parquet(trained_workspace.path("data/orders.parquet"))
    recent = orders.filter(pl.col("time").is_between(until - timedelta(weeks=12), until, closed="left"))
    spent = dict(recent.group_by("user_id").agg(pl.col("amount").sum()).iter_rows())
    tiers = dict(
        pl.read_parquet(trained_workspace.path("data/profile.parquet"), columns=["user_id", "tier"]).iter_rows()
    )
    passing = {user for user in range(60) if tiers.get(user) in ("silver", "gold") and spent.get(user, 0) > 200}
    assert 5 < len(passing) < 25
    where = "tier >= 'silver' and spend > 200"
    found = target(trained_workspace, DEMANDS, where=where, selection=Selection(top_k=5), as_of=until, device="cpu")
    everyone = target(trained_workspace, DEMANDS, as_of=until, device="cpu")
    for audience, whole in zip(found, everyone, strict=True):
        among = whole.ranking.filter(pl.col("user_id").is_in(passing))
        assert audience.ranking.drop("rank").equals(among.drop("rank"))
        assert audience.ranking["rank"].to_list() == list(range(1, len(passing) + 1))
        assert audience.selected.equals(audience.ranking.head(5))
        assert (audience.embedded, audience.where) == (60, Passed(where, len(passing), ()))
        assert (whole.embedded, whole.where) == (60, None)


def test_a_filter_that_nobody_passes_leaves_an_empty_audience(trained_workspace: Workspace) -> None:
    (audience,) = target(trained_workspace, DEMANDS[:1], where="age > 200", selection=Selection(top_percent=5))
    assert len(audience.ranking) == len(audience.selected) == 0


def test_profile_values_that_a_demand_names_are_a_filter(
    trained_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    demands = ["gold tier users with age under 30 from the north who buy tea", "users with spend over 20"]
    written = "tier == 'gold' and age < 30 and city == 'north'"
    named, plain = target(trained_workspace, demands, device="cpu")
    assert [passed.expression for passed in named.conditions] == [written]
    assert plain.conditions == ()
    (by_hand,) = target(trained_workspace, ["users who buy tea"], where=written, device="cpu")
    assert named.ranking["user_id"].equals(by_hand.ranking["user_id"])
    assert 0 < len(named.ranking) == named.conditions[0].users < 60
    with pytest.raises(SystemExit):
        main(["target", demands[0], "-w", str(trained_workspace.folder)])
    assert f"by the demand's own words: {written}: {len(named.ranking)} of 60 users" in capsys.readouterr().out


def test_what_a_demand_says_of_the_past_chooses_who_is_ranked(trained_workspace: Workspace) -> None:
    until = trained_workspace.train_until
    orders = pl.read_parquet(trained_workspace.path("data/orders.parquet")).filter(pl.col("time") < until)
    recent = orders.filter(pl.col("category") == "tea", pl.col("time") >= until - timedelta(days=14))
    (audience,) = target(trained_workspace, ["users who have not bought tea in the last 2 weeks"], device="cpu")
    assert set(audience.ranking["user_id"]) == set(range(60)) - set(recent["user_id"])
    assert audience.rewriting is not None
    assert audience.rewriting.sentences == ["The user purchased anything."]
    assert any("nothing of the future" in note for note in audience.rewriting.notes)


def test_a_filter_is_read_before_a_model_is_looked_for(tiny_workspace: Workspace) -> None:
    with pytest.raises(FindCLIError, match="'agee' at character 1"):
        target(tiny_workspace, DEMANDS, where="agee > 3")


def test_the_command_says_how_many_pass_and_writes_them(
    trained_workspace: Workspace, tmp_path: Path, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed(*words: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(["target", "tea", "-w", str(trained_workspace.folder), *words])
        assert end.value.code == 0
        return capsys.readouterr().out

    missing = "city is None and tier != 'gold'"
    lines = printed("--where", missing, "--top-k", "2").splitlines()
    (answer,) = json.loads(printed("--where", missing, "--all", "--json"))
    passing = answer["where"]["users"]
    assert answer["users"] == 60
    assert answer["where"] == {"expression": missing, "users": passing, "notes": []}
    assert len(answer["audience"]) == answer["selected"] == passing > 2
    assert lines[0] == f"{passing} of 60 users ({passing / 60:.1%}) pass {missing}"
    assert lines[2].startswith(f"2 of {passing} users who pass")
    assert (
        printed("--where", missing, "--all", "-o", f"{bucket}/a.csv").splitlines()[-1].endswith(" to s3://shop/a.csv")
    )
    printed("--where", missing, "--all", "-o", str(tmp_path / "a.csv"))
    download(f"{bucket}/a.csv", tmp_path / "back.csv")
    assert (tmp_path / "back.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
    assert pl.read_csv(tmp_path / "a.csv")["rank"].to_list() == list(range(1, passing + 1))
    assert "0 of 60 users (0.0%) pass age > 200" in printed("--where", "age > 200")
    assert json.loads(printed("--json"))[0]["where"] is None
    with pytest.raises(SystemExit) as end:
        main(["target", "tea", "-w", str(trained_workspace.folder), "--where", "city == 'norht'"])
    assert end.value.code == 1
    assert "did you mean 'north'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [("",), (" ",), ("tea", "--where", "nope > 3"), ("tea", "--where", "("), ("tea", "-o", "/no/such/folder/a.csv")],
)
def test_what_is_wrong_with_a_request_is_said_before_torch_is_loaded(
    words: tuple[str, ...], tiny_workspace: Workspace
) -> None:
    code = (
        "import sys\nfrom findcli.cli.main import main\n"
        f"try: main(['target', *{words!r}])\n"
        "except SystemExit as end: assert end.code == 1\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tiny_workspace.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "hint: " in done.stderr


def test_data_that_changed_since_it_was_read_is_a_warning_with_the_date_and_the_command(
    finished_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["target", "users who will buy tea", "--workspace", str(finished_workspace.folder)]
    with pytest.raises(SystemExit):
        main(words)
    assert "changed since" not in capsys.readouterr().err
    path = finished_workspace.folder / "data/orders.parquet"
    pl.read_parquet(path).head(-1).write_parquet(path)
    with pytest.raises(SystemExit) as done:
        main(words)
    assert not done.value.code
    warning = capsys.readouterr().err
    assert "orders changed since 20" in warning
    assert "findcli embed" in warning
