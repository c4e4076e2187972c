"""The demo world's distributions: prevalence, cycles, gaps, rivals that look alike; one seed, one world."""

import tomllib
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from findcli.data.pairs import training_cutoffs
from findcli.datasets import demo
from findcli.datasets.creation import Summary
from findcli.datasets.demo import simulation
from findcli.datasets.demo.labels import RULES
from findcli.datasets.demo.population import NEVER, draw_population, flares
from findcli.datasets.demo.queries import build_pool, misspell
from findcli.errors import FindCLIError
from findcli.workspace.folder import load_workspace

USERS = 6_000
BEHAVIOUR = ("bills", "clicks", "visits")
SOURCES = (*BEHAVIOUR, "searches")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return demo.create(tmp_path_factory.mktemp("demo"), users=USERS)


@pytest.fixture(scope="module")
def events(made: Summary) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(made.folder / "data" / name / "*.parquet") for name in SOURCES}


@pytest.fixture(scope="module")
def tasks(made: Summary) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(made.folder / "data" / "tasks" / f"{name}.parquet") for name in RULES}


def settings(folder: Path) -> dict:
    return tomllib.loads((folder / "findcli.toml").read_text())


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def category_counts(events: dict[str, pl.DataFrame], as_of: object) -> pl.DataFrame:
    """Events a user and category before the tasks' instant: a row a user, a column a category."""
    seen = pl.concat([events[name].select("user_id", "time", "category") for name in BEHAVIOUR])
    table = (
        seen.filter(pl.col("time") < as_of)
        .group_by("user_id", "category")
        .len()
        .pivot(on="category", index="user_id", values="len", sort_columns=True)
    )
    users = pl.DataFrame({"user_id": range(1, USERS + 1)})
    return users.join(table, on="user_id", how="left", maintain_order="left").fill_null(0)


def expected_auc(truth: np.ndarray) -> float:
    """The AUC of the truth itself over all labels it may draw, each user being positive by the truth's weight."""
    labels = np.repeat([1, 0], len(truth))
    return float(roc_auc_score(labels, np.tile(truth, 2), sample_weight=np.concatenate([truth, 1 - truth])))


def as_of(made: Summary) -> object:
    return load_workspace(made.folder).train_until


def test_prevalence_is_natural_and_labels_follow_the_truth(tasks: dict[str, pl.DataFrame]) -> None:
    for table in tasks.values():
        truth = table["truth"]
        assert table["user_id"].to_list() == list(range(1, USERS + 1))
        assert 0.005 < truth.mean() < 0.32
        spread = (truth * (1 - truth)).sum() ** 0.5
        assert abs(table["label"].sum() - truth.sum()) < 4 * spread


def test_no_single_category_gives_a_label_away(
    made: Summary, events: dict[str, pl.DataFrame], tasks: dict[str, pl.DataFrame]
) -> None:
    counts = category_counts(events, as_of(made)).drop("user_id")
    for table in tasks.values():
        ceiling = expected_auc(table["truth"].to_numpy())
        best = max(roc_auc_score(table["label"], column) for column in counts)
        assert 0.8 < ceiling < 0.96
        assert 0.5 < best < 0.5 + 0.8 * (ceiling - 0.5)


@pytest.mark.parametrize("name", ["d1", "d2", "d4", "d5"])
def test_hard_negatives_behave_more_like_positives_than_others_do(
    made: Summary, events: dict[str, pl.DataFrame], tasks: dict[str, pl.DataFrame], name: str
) -> None:
    counts = category_counts(events, as_of(made)).drop("user_id").to_numpy().astype(float)
    shares = counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)
    table = tasks[name]
    # Positives by their wish, not by chance: those of the highest truth.
    positive = table["truth"].rank(descending=True).to_numpy() <= 100
    rival = table["hard_negative"].to_numpy() & ~positive
    other = ~rival & ~positive
    # What everybody does is taken out, so that the nearness is that of what sets people apart.
    apart = shares - shares.mean(axis=0)
    nearness = apart @ apart[positive].mean(axis=0)
    assert rival.sum() > 50
    assert table.filter("hard_negative")["label"].sum() == 0
    assert nearness[rival].mean() > nearness[other].mean() + nearness[other].std() / 4


def test_behaviour_cycles_by_week_and_by_month(events: dict[str, pl.DataFrame]) -> None:
    bills = events["bills"]
    weekend = bills.filter(pl.col("time").dt.weekday() >= 6)
    share = {
        name: weekend.filter(pl.col("category") == name).height / bills.filter(pl.col("category") == name).height
        for name in ("transport", "meal delivery", "groceries", "mobile games")
    }
    assert share["transport"] < share["meal delivery"] < 2 / 7 < share["groceries"]
    after_payday = bills.filter((pl.col("time") - simulation.START).dt.total_days() % 30 < 4)["category"]
    for name, more in (("transport", 0.9), ("clothing", 1.12), ("groceries", 1.12)):
        usual = 4 / 30 * bills.filter(pl.col("category") == name).height
        assert more < (after_payday == name).sum() / usual < more + 0.3


def test_intents_grow_fade_and_recur() -> None:
    people = draw_population(np.random.default_rng(0), users=300, days=120, regions=2)
    at = [flares(people, np.array([day], dtype=np.float32))[:, :, 0] for day in range(-10, 200)]
    peak = np.max(at, axis=0)
    held = people.strength > 0
    assert np.allclose(peak[held], people.strength[held], rtol=0.02)
    once = held & (people.period == NEVER)
    days = np.array(at)[:, once] > 0.9 * people.strength[once]
    rises = (np.diff(days.astype(int), axis=0) > 0).sum(axis=0) + days[0]
    assert rises.max() == 1
    again = held & (people.period < 60)
    days = np.array(at)[:, again] > 0.9 * people.strength[again]
    assert ((np.diff(days.astype(int), axis=0) > 0).sum(axis=0) + days[0]).min() >= 3


def test_activity_is_heavy_tailed_and_some_are_new_or_dormant(events: dict[str, pl.DataFrame]) -> None:
    everything = pl.concat([table.select("user_id", "time") for table in events.values()])
    people = everything.group_by("user_id").agg(pl.len(), pl.col("time").min().alias("first"), pl.col("time").max())
    counts = people["len"].sort(descending=True)
    assert counts[: USERS // 10].sum() > 0.3 * counts.sum()
    often = people.filter(pl.col("len") >= 40)
    late = (often["first"] - simulation.START).dt.total_days() > 30
    gone = (often["time"] - simulation.START).dt.total_days() < 90
    assert 0.02 < late.mean() < 0.2
    assert 0.02 < gone.mean() < 0.2


def test_modalities_and_values_are_missing(made: Summary, events: dict[str, pl.DataFrame]) -> None:
    for name, table in events.items():
        assert 0.02 < 1 - table["user_id"].n_unique() / USERS < 0.45, name
    profile = pl.read_parquet(made.folder / "data" / "profile.parquet")
    assert 0.08 < 1 - profile["user_id"].n_unique() / USERS < 0.25
    for name in profile.columns[2:]:
        assert 0.05 < profile[name].null_count() / profile.height < 0.11, name


def test_searches_are_typed_as_people_type(events: dict[str, pl.DataFrame]) -> None:
    words = tomllib.loads((Path(simulation.__file__).parent / "city.toml").read_text())
    pool = build_pool(words)
    understood = {text for text, topic in zip(pool.texts, pool.topics, strict=True) if topic is not None}
    vague = {text for texts in words["vague"].values() for text in texts}
    searches = events["searches"]
    garbled = ~searches["query"].is_in(list(understood | vague))
    assert 0.25 < garbled.mean() < 0.45
    assert searches.filter(garbled)["category"].null_count() == garbled.sum()


@given(text=st.text(alphabet="abcde ", min_size=4), seed=st.integers(0, 100))
def test_a_slip_changes_one_letter_at_most(text: str, seed: int) -> None:
    slipped = misspell(np.random.default_rng(seed), text)
    assert abs(len(slipped) - len(text)) <= 1
    if len(slipped) == len(text):
        assert sorted(slipped) == sorted(text)


def test_the_same_seed_makes_the_same_files_and_another_another_world(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        demo.create(tmp_path / name, users=300, seed=seed)
    one, same, other = (files(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert one.keys() == other.keys()
    of_the_scenario = {"data/demands.tsv", "data/tasks/next_event_amounts.parquet"}
    assert {name for name in one if one[name] == other[name]} == of_the_scenario


def test_parts_number_their_users_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "PART", 100)
    demo.create(tmp_path, users=250)
    task = pl.read_parquet(tmp_path / "data" / "tasks" / "d1.parquet")
    assert task["user_id"].to_list() == list(range(1, 251))
    bills = [pl.read_parquet(path) for path in sorted((tmp_path / "data" / "bills").iterdir())]
    assert len(bills) == 3
    for number, part in enumerate(bills):
        assert part["user_id"].is_between(100 * number + 1, 100 * number + 100).all()
    assert not pl.concat(bills).is_duplicated().any()


def test_scenarios_share_their_form_and_not_their_words(tmp_path: Path, made: Summary) -> None:
    harbour = demo.create(tmp_path, users=3_000, scenario="harbour")
    one, two = settings(made.folder), settings(tmp_path)
    assert one["sources"] == two["sources"]
    assert one["profile"] == two["profile"]
    assert one["windows"] == two["windows"]
    for name, columns in (("bills", ["item", "category", "department", "merchant", "status", "channel"]),):
        here, there = (pl.read_parquet(folder / "data" / name / "*.parquet") for folder in (made.folder, tmp_path))
        for column in columns:
            assert not set(here[column]) & set(there[column])
    for name, (users, positives) in harbour.tasks.items():
        ours = made.tasks[name][1] / made.tasks[name][0]
        assert abs(positives / users - ours) < 4 * (ours * (1 - ours) * (1 / users + 1 / USERS)) ** 0.5


def test_settings_name_what_is_there_and_leave_the_outcome_out_of_training(
    made: Summary, events: dict[str, pl.DataFrame], tasks: dict[str, pl.DataFrame]
) -> None:
    written = settings(made.folder)
    for source in written["sources"]:
        named = {value for key, value in source.items() if key not in ("name", "path", "families")}
        assert named <= set(events[source["name"]].columns)
        assert events[source["name"]]["time"].max() > as_of(made)
    assert {(task["truth"], task["hard_negative"]) for task in written["tasks"].values()} == {
        ("truth", "hard_negative")
    }
    assert {task["as_of"] for task in written["tasks"].values()} == {written["windows"]["train_until"]}
    assert all(table.columns == ["user_id", "label", "truth", "hard_negative"] for table in tasks.values())


def test_every_demand_has_three_paraphrases(made: Summary) -> None:
    table = pl.read_csv(made.folder / "data" / "demands.tsv", separator="\t")
    for name, task in settings(made.folder)["tasks"].items():
        demands = table.filter(pl.col("task") == name)["demand"]
        assert demands.to_list() == [task["demand"], *task["paraphrases"]]
        assert demands.n_unique() == 4


def test_a_workspace_is_never_overwritten(made: Summary) -> None:
    before = files(made.folder)
    with pytest.raises(FindCLIError, match="already exists"):
        demo.create(made.folder, users=10)
    assert files(made.folder) == before


@pytest.mark.parametrize("wrong", [{"users": 0}, {"days": 30}, {"scenario": "moon"}])
def test_an_impossible_world_is_refused(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(ValueError, match="the demo needs"):
        demo.create(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


def test_the_shortest_world_has_a_training_cutoff(tmp_path: Path) -> None:
    demo.create(tmp_path, users=50, days=simulation.SHORTEST)
    assert training_cutoffs(load_workspace(tmp_path), simulation.START + timedelta(days=1))
