"""A workspace of sixty users whose whole pipeline runs in seconds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import settings

from findcli.workspace.folder import Workspace, load_workspace

if "PYTEST_XDIST_WORKER" in os.environ:  # several workers share the cores: threads would only get in each other's way
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("findcli", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("findcli")

USERS, WEEKS = 60, 40
TRAIN_UNTIL_WEEK, FUTURE_WEEKS = 36, 4
START = datetime(2024, 1, 1)
SHELVES = {"tea": "food", "bread": "food", "cheese": "food", "soap": "home", "candles": "home", "towels": "home"}
TOML = """
[windows]
train_until = 2024-09-09
history = "12w"
future = "4w"
every = "4w"
min_history = "8w"

[[sources]]
name = "orders"
path = "data/orders.parquet"
families = ["purchase", "payment"]
user = "user_id"
time = "time"
item = "item"
category = "category"
department = "department"
amount = "amount"
status = "status"

[[sources]]
name = "searches"
path = "data/searches.parquet"
families = ["search"]
user = "user_id"
time = "time"
text = "query"

[profile]
path = "data/profile.parquet"
user = "user_id"
categorical = ["city"]
numeric = ["age"]

[profile.ordered]
tier = ["basic", "silver", "gold"]

[[profile.aggregates]]
name = "spend"
source = "orders"
measure = "sum"
column = "amount"

[split]
held_out_users = 6
validation_users = 4

[sentences]
min_support = 5
amounts = [0.5]

[text]
model = "scratch"
vocabulary = 400
d_model = 16
layers = 1
heads = 2
max_tokens = 24
whiten = 12
steps = 5
batch_size = 16

[sequence]
d_model = 16
layers = 1
heads = 2
steps = 6
batch_size = 16
positives = 2
checkpoint_every = 2

[tabular]
d_token = 8
layers = 1
heads = 2
bins = 4
steps = 6
batch_size = 32

[align]
d_embedding = 16
layers = 1
heads = 2
steps = 6
batch_size = 16
sentences = 8
validate_every = 3
lora_rank = 2

[ranker]
candidate = "all four"
steps = 40
trees = 10
batch_size = 32
width = 16

[tasks.tea]
title = "buys tea"
path = "data/tea.parquet"
as_of = 2024-09-09
demand = "people who will buy tea"
"""


@pytest.fixture(scope="session")
def tiny_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `tiny_workspace` is a copy of; tests leave it alone."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "data").mkdir()
    (folder / "findcli.toml").write_text(TOML)
    rng = np.random.default_rng(0)
    orders = tiny_orders(rng)
    orders.write_parquet(folder / "data/orders.parquet")
    tiny_searches(rng).write_parquet(folder / "data/searches.parquet")
    tiny_profile(rng).write_parquet(folder / "data/profile.parquet")
    tiny_labels(orders).write_parquet(folder / "data/tea.parquet")
    return folder


@pytest.fixture
def tiny_workspace(tiny_template: Path, tmp_path: Path) -> Workspace:
    """A workspace of one's own, with data and settings and no run."""
    return load_workspace(shutil.copytree(tiny_template, tmp_path / "workspace"))


def tiny_orders(rng: np.random.Generator) -> pl.DataFrame:
    """About two orders a user and week; each user has a favourite category that makes up half of them."""
    n = USERS * WEEKS * 2
    users = rng.integers(0, USERS, n)
    names = np.array(list(SHELVES))
    category = np.where(rng.random(n) < 0.5, names[users % len(names)], rng.choice(names, n))
    return pl.DataFrame(
        {
            "user_id": users,
            "time": tiny_times(rng, n),
            "item": [f"{word} {name}" for word, name in zip(rng.choice(["plain", "fine"], n), category, strict=True)],
            "category": category,
            "department": [SHELVES[name] for name in category],
            "amount": rng.gamma(2, 5, n).round(2) + 1,
            "status": rng.choice(["coupon", "full price"], n),
        }
    )


def tiny_searches(rng: np.random.Generator) -> pl.DataFrame:
    """A search every other week, by two users in three."""
    n = USERS * WEEKS // 3
    users = rng.integers(0, USERS * 2 // 3, n)
    names = np.array(list(SHELVES))
    queries = [f"cheap {name}" for name in names[users % len(names)]]
    return pl.DataFrame({"user_id": users, "time": tiny_times(rng, n), "query": queries})


def tiny_profile(rng: np.random.Generator) -> pl.DataFrame:
    """An attribute of each type, with values missing; ten users have none."""
    n = USERS - 10
    return pl.DataFrame(
        {
            "user_id": np.arange(n),
            "city": [None if i % 9 == 0 else ("north", "south", "west")[i % 3] for i in range(n)],
            "tier": [("basic", "silver", "gold", None)[i % 4] for i in range(n)],
            "age": [None if i % 7 == 0 else age for i, age in enumerate(rng.integers(18, 80, n).tolist())],
        }
    )


def tiny_labels(orders: pl.DataFrame) -> pl.DataFrame:
    """Whether each user orders tea in the four weeks from `train_until` on."""
    later = pl.col("time") >= START + timedelta(weeks=TRAIN_UNTIL_WEEK)
    buyers = orders.filter(later, pl.col("category") == "tea")["user_id"].unique()
    users = orders.select("user_id").unique().sort("user_id")
    return users.with_columns(label=pl.col("user_id").is_in(buyers.implode()))


def tiny_times(rng: np.random.Generator, n: int) -> list[datetime]:
    """Distinct instants within the forty weeks, ascending."""
    minutes = np.sort(rng.choice(WEEKS * 7 * 24 * 60, n, replace=False))
    return [START + timedelta(minutes=int(minute)) for minute in minutes]


@pytest.fixture(scope="session")
def trained_template(tiny_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `trained_workspace` is a copy of; tests leave it alone."""
    folder = shutil.copytree(tiny_template, tmp_path_factory.mktemp("trained") / "workspace")
    train(load_workspace(folder))
    return folder


@pytest.fixture
def trained_workspace(trained_template: Path, tmp_path: Path) -> Workspace:
    """A workspace of one's own whose model is trained and whose users are embedded as of `train_until`."""
    return load_workspace(shutil.copytree(trained_template, tmp_path / "workspace"))


def train(workspace: Workspace) -> None:
    """Every stage, and the embeddings as of `train_until`."""
    from findcli.data.pairs import build_pairs
    from findcli.models.align import align
    from findcli.models.find.pretrain_sequence import pretrain_sequence
    from findcli.models.find.pretrain_tabular import pretrain_tabular
    from findcli.models.text.pretrain import pretrain_text
    from findcli.scoring.embed import embed
    from findcli.training.loop import set_determinism

    set_determinism(1)
    build_pairs(workspace)
    for stage in (pretrain_text, pretrain_sequence, pretrain_tabular, align):
        stage(workspace, device="cpu")
    embed(workspace, as_of=workspace.train_until, device="cpu")


@pytest.fixture(scope="session")
def finished_template(tiny_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `finished_workspace` is a copy of; tests leave it alone."""
    from findcli import pipeline
    from findcli.training.loop import set_determinism

    set_determinism(1)
    folder = shutil.copytree(tiny_template, tmp_path_factory.mktemp("finished") / "workspace")
    pipeline.run(load_workspace(folder))
    return folder


@pytest.fixture
def finished_workspace(finished_template: Path, tmp_path: Path) -> Workspace:
    """A workspace of one's own with every stage run."""
    return load_workspace(shutil.copytree(finished_template, tmp_path / "finished"))


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a decoder-only model of random weights, two layers deep."""
    import torch
    from transformers import LlamaConfig, LlamaModel

    from findcli.models.text.pretrain import train_tokenizer

    folder = tmp_path_factory.mktemp("models") / "llama"
    tokenizer = train_tokenizer(["The user purchased tea.", "The user searched for bread."], vocabulary=300)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    LlamaModel(LlamaConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def _s3_server() -> Iterator[str]:
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(_s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty bucket of an S3 server on loopback, which the environment names."""
    import obstore
    from obstore.store import S3Store

    for name, value in {
        "AWS_ENDPOINT_URL": _s3_server, "AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    boto3 = pytest.importorskip("boto3")
    boto3.client("s3", endpoint_url=_s3_server).create_bucket(Bucket="shop")
    store = S3Store("shop", client_options={"allow_http": True})
    yield "s3://shop"
    obstore.delete(store, [each["path"] for batch in store.list() for each in batch])
