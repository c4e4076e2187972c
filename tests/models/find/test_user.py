"""The user encoder: one unit vector per user, whatever is missing and whoever else is in the batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from findcli.models.find.assemble import assemble
from findcli.models.find.user import UserEncoder
from findcli.training.batches import Steps, UserBatch

B, T, F, D = 5, 4, 3, 6
SEQUENCE = {
    "d_input": D, "d_model": 8, "layers": 1, "heads": 2, "max_steps": T, "kind": "transformer", "dropout": 0.0,
    "positives": 1,
}  # fmt: skip
TABULAR = {"cardinalities": [4, 5, 3], "d_token": 4, "layers": 1, "heads": 2, "dropout": 0.0}


def encoder(*modalities: str, kind: str = "attention") -> UserEncoder:
    torch.manual_seed(0)
    encoders = {name: sizes for name, sizes in (("sequence", SEQUENCE), ("tabular", TABULAR)) if name in modalities}
    fusion = {"kind": kind, "layers": 1, "heads": 2, "dropout": 0.0}
    d_search = D if "search" in modalities else 0
    return assemble(encoders=encoders, d_search=d_search, fusion=fusion, d_embedding=8).eval()


@pytest.fixture
def batch() -> UserBatch:
    """Five users: the first has everything, the others lack steps, profile, searches and all three."""
    torch.manual_seed(1)
    valid = torch.ones(B, T, dtype=torch.bool)
    valid[[1, 4]] = False
    codes = torch.full((B, F), 2)
    codes[[2, 4]] = 0
    searched = torch.tensor([True, True, True, False, False])
    return UserBatch(Steps(torch.randn(B, T, D), valid, valid), codes, torch.zeros(B, F), torch.randn(B, D), searched)


@pytest.mark.parametrize("kind", ["attention", "concat"])
@pytest.mark.parametrize("modalities", [("sequence",), ("tabular", "search"), ("sequence", "tabular", "search")])
def test_everyone_has_a_unit_vector(batch: UserBatch, modalities: tuple[str, ...], kind: str) -> None:
    model = encoder(*modalities, kind=kind)
    vectors = model(batch)
    assert tuple(model.modalities(batch)) == modalities
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(B))


@pytest.mark.parametrize("kind", ["attention", "concat"])
def test_what_a_user_lacks_has_no_influence(batch: UserBatch, kind: str) -> None:
    model = encoder("sequence", "tabular", "search", kind=kind)
    noisy = replace(batch, search=batch.search.masked_fill(~batch.searched.unsqueeze(1), float("nan")))
    torch.testing.assert_close(model(noisy), model(batch))


def test_a_user_is_encoded_alike_in_any_order(batch: UserBatch) -> None:
    model, order = encoder("sequence", "tabular", "search"), torch.tensor([3, 0, 4, 2, 1])
    steps = Steps(batch.steps.vectors[order], batch.steps.valid[order], batch.steps.observed[order])
    shuffled = UserBatch(steps, batch.codes[order], batch.fractions[order], batch.search[order], batch.searched[order])
    torch.testing.assert_close(model(shuffled), model(batch)[order])
