"""The contrast of users under one question."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from findcli.models.anchor.contrast import question_contrast

B, Q, D = 5, 3, 4
ALL = ("user-text", "user-user", "text-user", "text-text")
TRUE = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]]).bool()


def vectors() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return functional.normalize(torch.randn(B, Q, D), dim=-1), functional.normalize(torch.randn(Q, D), dim=-1)


def by_hand(users: torch.Tensor, texts: torch.Tensor, negatives: tuple[str, ...], margin: float) -> float:
    losses = []
    for q in range(Q):
        of_question = []
        for i in range(B):
            if not TRUE[i, q]:
                continue
            s = float(users[i, q] @ texts[q])
            others = [j for j in range(B) if not TRUE[j, q]]
            answers = [a for a in range(Q) if a != q and not TRUE[i, a]]
            against = {
                "user-text": [float(users[i, q] @ texts[a]) for a in answers],
                "user-user": [float(users[i, q] @ users[j, q]) for j in others],
                "text-user": [float(texts[q] @ users[j, q]) for j in others],
                "text-text": [float(texts[q] @ texts[a]) for a in answers],
            }
            kept = [x for name in negatives for x in against[name] if x <= s + margin]
            of_question.append(math.log(sum(math.exp(x / 0.07) for x in [s, *kept])) - s / 0.07)
        if of_question:
            losses.append(sum(of_question) / len(of_question))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("negatives", [ALL, *((name,) for name in ALL)])
@pytest.mark.parametrize("margin", [0.1, 10.0])
def test_it_is_the_papers_with_negatives_of_whom_the_answer_is_not_true(
    negatives: tuple[str, ...], margin: float
) -> None:
    users, texts = vectors()
    loss = question_contrast(users, texts, TRUE, negatives=negatives, temperature=0.07, margin=margin)
    assert float(loss) == pytest.approx(by_hand(users, texts, negatives, margin), rel=1e-4)


def test_a_user_of_whom_it_is_true_is_never_a_negative_and_nothing_true_is_no_loss() -> None:
    users, texts = vectors()
    options = {"negatives": ALL, "temperature": 0.07, "margin": 0.1}
    every = torch.ones(B, Q, dtype=torch.bool)
    assert float(question_contrast(users, texts, every, **options)) == pytest.approx(0, abs=1e-6)
    assert float(question_contrast(users, texts, ~every, **options)) == 0


def test_vectors_that_copy_the_question_pay_for_it() -> None:
    """A user's vector that is the answer's own, whoever the user is, is no solution."""
    texts = torch.eye(D)[:Q]
    copied = texts.expand(B, -1, -1)
    loss = question_contrast(copied, texts, TRUE, negatives=("text-user",), temperature=0.07, margin=0.1)
    assert float(loss) > 1
