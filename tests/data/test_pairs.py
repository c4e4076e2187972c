"""Pairs: the truth of every sentence against a loop over raw rows, and what training must not see."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import polars as pl
import pytest

from findcli.data import events, pairs
from findcli.data.templates import Template, workspace_templates
from findcli.errors import FindCLIError
from findcli.training.examples import TrainingData
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import MANIFEST, Run
from findcli.workspace.settings import SLOTS, Sentences, Settings, Source, Split, Windows

UNTIL = datetime(2024, 3, 4)
WEEK = timedelta(weeks=1)
# Names that differ in case alone, and an item that is named like a category.
CATEGORIES = ["Tea", "tea", "Soap", "Books", None]
ITEMS = ["tea", "green tea", "SOAP", "novel", None]
SCHEMA = {
    "u": pl.Int64,
    "back": pl.Int64,
    "c": pl.String,
    "i": pl.String,
    "d": pl.String,
    "a": pl.Float64,
    "s": pl.String,
}


def random_rows(seed: int) -> list[tuple[object, ...]]:
    """Rows of eight users in the half-weeks around the last cutoffs, so that many lie exactly at a boundary."""
    draw = random.Random(seed)
    kinds = [CATEGORIES, ITEMS, ["Food", "Books"], [None, *range(-2, 10)], ["coupon", "cash"]]
    return [
        (draw.randrange(8), draw.randrange(-1, 17), *map(draw.choice, kinds)) for _ in range(draw.randrange(40, 120))
    ]


def in_bucket_0(kind: str, name: object, salt: str, one_in: int) -> bool:
    key = f"{kind}:{salt}:{name}" if salt else f"{kind}:{name}"
    return int(blake2b(key.encode(), digest_size=8).hexdigest(), 16) % one_in == 0


def two_sources(folder: Path, rows: list[tuple[object, ...]], salt: str) -> Workspace:
    """Purchases in half-weeks before `train_until`, every boundary among them, and visits of the same words."""
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(t=pl.lit(UNTIL) - pl.col("back") * WEEK / 2)
    first = pl.DataFrame(
        {"u": [3], "t": [UNTIL - 9 * WEEK], "c": ["Books"], "d": ["Books"], "i": ["novel"], "s": ["cash"]}
    )
    pl.concat([table, first], how="diagonal_relaxed").write_parquet(folder / "bought.parquet")
    table.filter(pl.col("u") % 2 == 0).write_parquet(folder / "seen.parquet")
    shared = {"user": "u", "time": "t", "category": "c", "duplicates": "keep"}
    bought = Source(
        name="bought",
        path="bought.parquet",
        families=("purchase", "payment"),
        item="i",
        department="d",
        amount="a",
        status="s",
        **shared,
    )
    seen = Source(
        name="seen", path="seen.parquet", families=("browse",), sentences=("The user purchased {category}.",), **shared
    )
    return Workspace(
        folder,
        Settings(
            windows=Windows(train_until=UNTIL, history="4w", future="1w", every="1w", min_history="3w"),
            sources=(bought, seen),
            split=Split(salt=salt, held_out_users=4, held_out_categories=3),
            sentences=Sentences(min_support=1, max_share=1.0, amounts=(0.25, 0.75), counts=(2,)),
        ),
    )


def holds(
    predicate: dict[str, object], template: Template, before: list[dict[str, object]], window: list[dict[str, object]]
) -> bool:
    """Whether a predicate holds of the events of one user in one window, row by row."""
    slots = {slot: predicate[slot] for slot in SLOTS if predicate[slot] is not None}

    def about(rows: list[dict[str, object]]) -> list[dict[str, object]]:
        of_source = [row for row in rows if row["source"] == predicate["source"]]
        return [row for row in of_source if all(row.get(s) == v for s, v in slots.items())]

    mine, bound = about(window), predicate["bound"]
    return {
        "any": bool(mine),
        "none": not mine,
        "first": bool(mine) and not about(before),
        "count": bound is not None and len({row["time"] for row in mine}) >= bound,
        "distinct": bound is not None and len({row["item"].lower() for row in mine if row["item"]}) >= bound,
        "amount": bound is not None and bool(mine) and sum(row["amount"] or 0 for row in mine) > bound,
    }[template.measure]


@pytest.mark.parametrize("seed", range(12))
def test_truth_is_what_a_loop_over_raw_rows_finds(tmp_path: Path, seed: int) -> None:
    salt = ("", "1", "2")[seed % 3]
    space = two_sources(tmp_path, random_rows(seed), salt)
    run = pairs.build_pairs(space)
    log = events.read_part(events.build_events(space), "part-000.parquet")
    check_truth(space, run, log.to_dicts(), salt)


def check_truth(space: Workspace, run: Run, log: list[dict[str, object]], salt: str) -> None:
    data = TrainingData(run)
    templates = workspace_templates(space.settings)
    held = {row["category"] for row in log if row["category"] and in_bucket_0("category", row["category"], salt, 3)}
    blocked = {
        str(row[slot]).lower() for row in log if row["category"] in held for slot in ("category", "item") if row[slot]
    }
    predicates = run.table("predicates.parquet").to_dicts()
    texts = run.table("sentences.parquet")
    users = data.users["user_id"]
    assert set(users) == {row["user_id"] for row in log if not in_bucket_0("user", row["user_id"], salt, 4)}
    windows = []
    for pair in data.pairs.iter_rows(named=True):
        start = pair["cutoff"]
        mine = [row for row in log if row["user_id"] == users[pair["user"]] and row["category"] not in held]
        before = [row for row in mine if row["time"] < start]
        windows.append((before, [row for row in mine if start <= row["time"] < start + WEEK]))
    truth = data.truth.dense(data.pairs["pair"].to_numpy())
    for sentence in range(len(texts)):
        alike = [p for p in predicates if p["sentence"] == sentence]
        expected = [any(holds(p, templates[p["template"]], *window) for p in alike) for window in windows]
        assert truth[:, sentence].tolist() == expected, texts["text"][sentence]
    assert texts["support"].to_list() == truth.sum(0).tolist()
    named = {str(p[slot]).lower() for p in predicates for slot in SLOTS if p[slot] is not None}
    assert not named & blocked
    bought = {
        row["item"].lower() for _, window in windows for row in window if row["source"] == "bought" and row["item"]
    }
    assert {f"The user purchased {item}." for item in bought - blocked} <= set(texts["text"])


def stand(workspace: Workspace, change: pl.Expr | None = None, **columns: pl.Expr) -> None:
    """Rewrite the orders, with some rows left out or columns changed."""
    path = workspace.folder / "data/orders.parquet"
    orders = pl.read_parquet(path)
    (orders if change is None else orders.filter(change)).with_columns(**columns).write_parquet(path)


def content(run: Run) -> dict[str, bytes]:
    names = (path for path in run.folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(run.folder).as_posix(): path.read_bytes() for path in names}


def plain_truth(run: Run) -> dict[str, list[bool]]:
    """The truth of all sentences except those on the first time, which are about the past too."""
    data, texts = TrainingData(run), run.table("sentences.parquet")["text"]
    truth = data.truth.dense(data.pairs["pair"].to_numpy())
    return {text: truth[:, i].tolist() for i, text in enumerate(texts) if "for the first time" not in text}


def test_what_happened_before_the_first_cutoff_changes_no_sentence_and_no_truth(tiny_workspace: Workspace) -> None:
    run = pairs.build_pairs(tiny_workspace)
    before, truth, first = content(run), plain_truth(run), run.table("pairs.parquet")["cutoff"].min()
    past = pl.col("time") < first
    changed = {"item": pl.lit("a past thing"), "category": pl.lit("soap"), "amount": pl.col("amount") * 7}
    stand(
        tiny_workspace, **{name: pl.when(past).then(value).otherwise(pl.col(name)) for name, value in changed.items()}
    )
    run = pairs.build_pairs(tiny_workspace)
    after, by_first = content(run), {"sentences.parquet", "predicates.parquet", "incidence.safetensors"}
    differing = {name for name in before if before[name] != after[name]}
    assert differing - by_first == {"texts.parquet", "profiles.parquet", "histories/part-000.safetensors"}
    assert plain_truth(run) == truth


def test_what_happens_from_the_last_cutoff_on_changes_no_profile(tiny_workspace: Workspace) -> None:
    run = pairs.build_pairs(tiny_workspace)
    last = run.table("pairs.parquet")["cutoff"].max()
    late = pl.col("time") >= last
    stand(tiny_workspace, amount=pl.when(late).then(pl.col("amount") + 1000).otherwise(pl.col("amount")))
    after = pairs.build_pairs(tiny_workspace)
    assert after.table("profiles.parquet").equals(run.table("profiles.parquet"))


def test_held_out_users_leave_no_trace_in_what_is_trained_on(tiny_workspace: Workspace) -> None:
    before = content(pairs.build_pairs(tiny_workspace))
    held = [user for user in range(60) if in_bucket_0("user", user, "", 6)]
    assert held
    stand(tiny_workspace, ~pl.col("user_id").is_in(held))
    searches = tiny_workspace.folder / "data/searches.parquet"
    pl.read_parquet(searches).filter(~pl.col("user_id").is_in(held)).write_parquet(searches)
    assert content(pairs.build_pairs(tiny_workspace)) == before


def split(workspace: Workspace, **changes: object) -> Workspace:
    return Workspace(workspace.folder, replace(workspace.settings, split=Split(**changes)))


def test_files_hold_out_instead_of_the_hash(tiny_workspace: Workspace) -> None:
    (tiny_workspace.folder / "users.txt").write_text("3\n4\n")
    (tiny_workspace.folder / "categories.txt").write_text("tea\n")
    space = split(tiny_workspace, users_file="users.txt", categories_file="categories.txt")
    run = pairs.build_pairs(space)
    assert set(run.table("users.parquet")["user_id"]) == set(range(60)) - {3, 4}
    sentences = run.table("sentences.parquet")["text"]
    assert not sentences.str.contains("purchased.* tea").any()
    assert sentences.str.contains("purchased.* bread").any()
    assert run.table("texts.parquet")["text"].str.contains("tea").any()
    (tiny_workspace.folder / "users.txt").write_text("3\n")
    assert 4 in pairs.build_pairs(space).table("users.parquet")["user_id"]


def test_a_split_file_that_is_not_there_is_named(tiny_workspace: Workspace) -> None:
    with pytest.raises(FindCLIError, match="no-such-file") as error:
        pairs.build_pairs(split(tiny_workspace, users_file="no-such-file"))
    assert error.value.hint


def test_cutoffs_are_counted_back_from_the_last_whole_future(tiny_workspace: Workspace) -> None:
    until, first = tiny_workspace.train_until, datetime(2024, 1, 1)
    cutoffs = pairs.training_cutoffs(tiny_workspace, first)
    assert cutoffs[-1] == until - timedelta(weeks=4)
    assert {later - earlier for earlier, later in itertools.pairwise(cutoffs)} == {timedelta(weeks=4)}
    assert first + timedelta(weeks=8) <= cutoffs[0] < first + timedelta(weeks=12)
    exact = cutoffs[0] - timedelta(weeks=8)
    assert pairs.training_cutoffs(tiny_workspace, exact)[0] == cutoffs[0]
    assert pairs.training_cutoffs(tiny_workspace, exact + timedelta(microseconds=1))[0] == cutoffs[1]
    with pytest.raises(FindCLIError, match="no training cutoff fits"):
        pairs.training_cutoffs(tiny_workspace, until - timedelta(weeks=9))


def test_a_text_that_is_a_search_here_and_a_visit_there_counts_once_each(tiny_workspace: Workspace) -> None:
    file = tiny_workspace.folder / "findcli.toml"
    file.write_text(file.read_text().replace('status = "status"', 'status = "status"\nevent = "cheap {category}"'))
    space = load_workspace(tiny_workspace.folder)
    run = pairs.build_pairs(space)
    texts, users = run.table("texts.parquet"), run.table("users.parquet")["user_id"]
    assert texts["text"].is_duplicated().any()
    log = events.read_part(events.build_events(space), "part-000.parquet")
    log = log.filter(pl.col("user_id").is_in(users.implode()))
    history = run.tensors("histories/part-000.safetensors")
    assert len(history["text"]) == len(log)
    assert texts["search"].gather(history["text"]).sum() == (log["source"] == "searches").sum()


def test_without_enough_support_there_is_no_sentence_to_train_on(tiny_workspace: Workspace) -> None:
    space = Workspace(tiny_workspace.folder, replace(tiny_workspace.settings, sentences=Sentences(min_support=10**6)))
    with pytest.raises(FindCLIError, match="no sentence is true of at least 1000000"):
        pairs.build_pairs(space)
    assert not space.run("pairs").exists()
