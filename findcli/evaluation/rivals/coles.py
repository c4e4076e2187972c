"""CoLES (arXiv 2002.08232) by pytorch-lifestream: slices of one history attract, those of different users repel.

Its encoder of events, its recurrent encoder, its loss and its choice of hard negatives are the package's own; the loop
is findcli's. The package cannot be an extra of findcli: it pins a spaCy that pins an old Typer. CoLES needs neither, so
the package is installed without its dependencies, beside the extra `benchmark`.

Tested in tests/evaluation/rivals/test_representations.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from findcli.errors import FindCLIError
from findcli.evaluation.rivals.probe_inputs import DAY, Head, UserInputs, encode_values, levels, vocabulary
from findcli.models.weights import new_module
from findcli.training.loop import fit, step_seed

INSTALL = 'pip install "findcli[benchmark]" && pip install --no-deps pytorch-lifestream==0.7.0'
UNKNOWN = 1  # 0 is the padding
AMOUNT, GAP, TIME = "amount", "gap", "event_time"


@dataclass(frozen=True, kw_only=True)
class Coles:
    """Vectors of the trained encoder.

    Args:
        d_model: width of the recurrent encoder.
        d_level: width of a category level's embedding.
        most: number of values of a level with an embedding of their own.
        epochs: passes over the training users.
        batch_size: users per step.
        slices: slices per user.
        shortest: minimum number of events of a slice.
        longest: maximum number of events of a slice.
        lr: peak learning rate.
    """

    d_model: int = 192
    d_level: int = 32
    most: int = 2000
    epochs: int = 8
    batch_size: int = 64
    slices: int = 4
    shortest: int = 15
    longest: int = 120
    lr: float = 2e-3
    head: Head = "linear"
    name = "coles"
    version = 1

    def vectors(self, inputs: UserInputs) -> np.ndarray:
        """Train on training users, then encode all users: float32 (U, d_model).

        Raises:
            FindCLIError: pytorch-lifestream or what it imports is not installed, or no training user has an event.
        """
        with _quietly():
            ptls = _lifestream()
            return self._vectors(ptls, inputs)

    def _vectors(self, ptls: dict[str, Any], inputs: UserInputs) -> np.ndarray:
        training = inputs.for_training()
        if training.is_empty():
            raise FindCLIError("no training user has an event before train_until", hint="set a later train_until")
        words = {name: vocabulary(training[name], most=self.most) for name in levels(training)}
        encoder = new_module(partial(self._encoder, ptls), {"words": words}, seed=inputs.seed)
        self._train(ptls, inputs, encoder, _sequences(training, words))
        recent = inputs.window()
        vectors = np.zeros((len(inputs.users), self.d_model), np.float32)
        place = encode_values(recent["user_id"].unique(maintain_order=True), inputs.users, unknown=-1)
        vectors[place] = _encode(ptls, encoder, _sequences(recent, words))
        return vectors

    def untrained(self, inputs: UserInputs) -> Callable[[], np.ndarray]:
        """What encodes the users' histories with untrained weights, to see how long it takes: float32 (U, d_model).

        Raises:
            FindCLIError: pytorch-lifestream or what it imports is not installed.
        """
        with _quietly():
            ptls, recent = _lifestream(), inputs.window()
            words = {name: vocabulary(recent[name], most=self.most) for name in levels(recent)}
            encoder = new_module(partial(self._encoder, ptls), {"words": words}, seed=inputs.seed).eval()
            return partial(_encode, ptls, encoder, _sequences(recent, words))

    def _encoder(self, ptls: dict[str, Any], *, words: dict[str, pl.Series]) -> nn.Module:
        embeddings = {name: {"in": len(values) + UNKNOWN + 1, "out": self.d_level} for name, values in words.items()}
        events = ptls["TrxEncoder"](embeddings=embeddings, numeric_values={AMOUNT: "identity", GAP: "identity"})
        made: nn.Module = ptls["RnnSeqEncoder"](events, hidden_size=self.d_model, type="gru", is_reduce_sequence=True)
        return made

    def _train(
        self, ptls: dict[str, Any], inputs: UserInputs, encoder: nn.Module, sequences: list[dict[str, Tensor]]
    ) -> None:
        enough = [one for one in sequences if len(one[TIME]) > self.shortest] or sequences
        negatives = ptls["HardNegativePairSelector"](neg_count=5)
        contrast = ptls["ContrastiveLoss"](margin=0.5, sampling_strategy=negatives)
        unit = ptls["Head"](use_norm_encoder=True)

        def loss(step: int) -> dict[str, Tensor]:
            inputs.keep_time()
            rng = np.random.default_rng(step_seed(inputs.seed, step))
            chosen = rng.choice(len(enough), min(self.batch_size, len(enough)), replace=False)
            pieces = [self._slice(enough[i], rng) for i in chosen for _ in range(self.slices)]
            owners = torch.arange(len(chosen)).repeat_interleave(self.slices)
            return {"contrast": contrast(unit(encoder(_padded(ptls, pieces))), owners) / len(pieces)}

        steps = max(1, self.epochs * len(enough) // self.batch_size)
        fit(
            loss, {"encoder": encoder}, steps=steps, lr=self.lr, weight_decay=0.0, warmup=0.05, clip=1.0,
            seed=inputs.seed,
        )  # fmt: skip

    def _slice(self, one: dict[str, Tensor], rng: np.random.Generator) -> dict[str, Tensor]:
        """A slice of random length and position (the package's SampleSlices, with findcli's seeds)."""
        size = min(int(rng.integers(self.shortest, self.longest + 1)), len(one[TIME]))
        start = int(rng.integers(0, len(one[TIME]) - size + 1))
        return {name: values[start : start + size] for name, values in one.items()}


def _lifestream() -> dict[str, Any]:
    """The parts of the package that CoLES uses."""
    try:
        from ptls.data_load.padded_batch import PaddedBatch
        from ptls.frames.coles.losses import ContrastiveLoss
        from ptls.frames.coles.sampling_strategies import HardNegativePairSelector
        from ptls.nn import RnnSeqEncoder, TrxEncoder
        from ptls.nn.head import Head as Unit
    except ImportError as error:
        raise FindCLIError(f"the rival coles needs pytorch-lifestream ({error})", hint=INSTALL) from error
    return {
        "PaddedBatch": PaddedBatch, "ContrastiveLoss": ContrastiveLoss, "RnnSeqEncoder": RnnSeqEncoder,
        "HardNegativePairSelector": HardNegativePairSelector, "TrxEncoder": TrxEncoder, "Head": Unit,
    }  # fmt: skip


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence deprecation warnings of the package's dependencies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _sequences(events: pl.DataFrame, words: dict[str, pl.Series]) -> list[dict[str, Tensor]]:
    """Each user's events as the package's dictionary of features, in the order of the users."""
    amount = pl.col("amount").fill_null(0.0) if "amount" in events.columns else pl.lit(0.0)
    gap = (pl.col("time") - pl.col("time").shift(1).over("user_id")).dt.total_seconds().fill_null(0) / DAY
    numbers = events.select(
        amount.clip(0).log1p().cast(pl.Float32).alias(AMOUNT),
        gap.log1p().cast(pl.Float32).alias(GAP),
        pl.col("time").dt.epoch("s").alias(TIME),
    )
    features = {
        name: torch.from_numpy(encode_values(events[name], vocabulary, unknown=UNKNOWN))
        for name, vocabulary in words.items()
    }
    features |= {name: torch.from_numpy(numbers[name].to_numpy(writable=True)) for name in numbers.columns}
    sizes = events["user_id"].rle().struct.field("len").to_list()
    split = {name: torch.split(values, sizes) for name, values in features.items()}
    return [{name: parts[i] for name, parts in split.items()} for i in range(len(sizes))]


def _encode(ptls: dict[str, Any], encoder: nn.Module, sequences: list[dict[str, Tensor]]) -> np.ndarray:
    """The vectors of sequences, in batches of similar length: float32 (len(sequences), d_model)."""
    order = np.argsort([len(one[TIME]) for one in sequences], kind="stable")
    vectors: dict[int, np.ndarray] = {}
    with torch.no_grad():
        for rows in np.array_split(order, -(-len(order) // 64) or 1):
            batch = encoder(_padded(ptls, [sequences[i] for i in rows])).numpy()
            vectors.update(zip(rows.tolist(), batch, strict=True))
    return np.stack([vectors[i] for i in range(len(sequences))])


def _padded(ptls: dict[str, Any], sequences: list[dict[str, Tensor]]) -> Any:
    """The package's batch of sequences."""
    lengths = torch.tensor([len(one[TIME]) for one in sequences])
    names = sequences[0].keys()
    padded = {name: nn.utils.rnn.pad_sequence([one[name] for one in sequences], batch_first=True) for name in names}
    return ptls["PaddedBatch"](padded, lengths)
