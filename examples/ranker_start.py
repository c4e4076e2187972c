"""Make the weights that the ranker of every new workspace starts from: `python examples/ranker_start.py FOLDER`.

The worlds are Complete Journey, simulated demo worlds, and *views* of Complete Journey that look like other people's
tables: a boutique of its small departments, and tills that know only who, when and how much. Of what a shop sells the
ranker learns nothing by name; views teach it what counts, gaps and rates are worth where customers come rarely.

Writes FOLDER/{all,without-complete-journey,without-demo}.safetensors; copy them to findcli/models/ranker/shipped.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from findcli.data.pairs import build_pairs
from findcli.datasets import complete_journey
from findcli.datasets.creation import installed_text_model
from findcli.datasets.demo import simulation
from findcli.models.ranker.pretrain import pretrain_ranker
from findcli.models.text.pretrain import pretrain_text
from findcli.workspace.folder import Workspace, load_workspace, write_settings
from findcli.workspace.settings import Ranker

LARGE = ("GROCERY", "DRUG GM", "PRODUCE", "MEAT", "MEAT-PCKGD", "DELI", "FUEL", "MISCELLANEOUS")
TILLS = (("DELI",), ("PASTRY",), ("FUEL",), ("FLORAL", "SEAFOOD", "COSMETICS", "NUTRITION", "SALAD BAR"))
SEEDS = (101, 102, 103)
STEPS = 2000


def main(folder: Path, *, households: int | None = None, users: int = 1500, steps: int = STEPS) -> None:
    """Make the worlds and the three files.

    Args:
        folder: where they go; worlds that are there are used as they are.
        households: of Complete Journey; default: all.
        users: of each demo world.
        steps: of each training.
    """
    journey = folder / "journey"
    if not journey.exists():
        complete_journey.create(journey, users=households)
    views = [journey_view(folder, journey, LARGE, name="boutique", items=True, without=True)]
    views += [journey_view(folder, journey, each, name=f"till-{i}", items=False) for i, each in enumerate(TILLS)]
    views += [journey_view(folder, journey, (), name="till-week", items=False, without=True, future="1w")]
    of_journey = [whole(journey), *views]
    of_demo = [demo(folder / f"demo-{seed}", seed, users=users) for seed in SEEDS]
    for world in (*of_journey, *of_demo):
        build_pairs(world)
        pretrain_text(world)
    worlds = {
        "all": [*of_journey, *of_demo], "without-complete-journey": of_demo, "without-demo": of_journey,
    }  # fmt: skip
    for name, taught in worlds.items():
        print(name, pretrain_ranker(taught, folder / f"{name}.safetensors", settings=replace(Ranker(), steps=steps)))


def whole(folder: Path) -> Workspace:
    """Complete Journey with no category held out."""
    return load_workspace(folder, overrides={"split": {"held_out_categories": 0}})


def demo(folder: Path, seed: int, *, users: int) -> Workspace:
    """A simulated world."""
    if not folder.exists():
        simulation.create(folder, users=users, seed=seed)
    return load_workspace(folder)


def journey_view(
    folder: Path, journey: Path, departments: tuple[str, ...], *, name: str, items: bool, without: bool = False,
    future: str = "9w",
) -> Workspace:  # fmt: skip
    """A view of Complete Journey's purchases: some departments, or all but some, with items or without."""
    target = folder / name
    if not target.exists():
        rows = pl.read_parquet(journey / "data/transactions.parquet")
        chosen = pl.col("department").is_in(list(departments))
        columns = {"customer": "household_id", "time": "time", "paid": "sales_value"} | (
            {"product": "product_type"} if items else {}
        )
        shown = rows.filter(~chosen if without else chosen).select(**columns)
        if not items:
            shown = shown.group_by("customer", "time").agg(pl.col("paid").sum())
        target.mkdir(parents=True)
        shown.sort("time", "customer").write_parquet(target / "purchases.parquet")
        source = {
            "name": "purchases", "path": "purchases.parquet", "families": ["purchase"], "user": "customer",
            "time": "time", "amount": "paid", "duplicates": "keep",
        } | ({"item": "product"} if items else {})  # fmt: skip
        windows = {"train_until": datetime(2017, 10, 30), "history": "26w", "future": future}
        settings = {"windows": windows, "sources": [source], "text": {"model": installed_text_model()}}
        write_settings(target, settings, header=f"A view of Complete Journey: {name}.")
    return load_workspace(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
