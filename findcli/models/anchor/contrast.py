"""The contrast of Query-as-Anchor, with the negatives of a question among its own users.

A batch of mixed questions is solved by topic: the user's vector copies the question's topic, the answer's vector has it
too, and the user is never read. So users are told apart under the same question.

Legend: B users, Q questions, D width.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor


def question_contrast(
    users: Tensor, texts: Tensor, true: Tensor, *, negatives: Collection[str], temperature: float, margin: float
) -> Tensor:
    """InfoNCE of each user and the answer that is true of it, with a margin mask (arXiv 2602.14492, Eq of L_con).

    Args:
        users: unit vectors of each user for each question, (B, Q, D).
        texts: unit vectors of the questions' own answers, (Q, D).
        true: whether the answer holds of the user, bool (B, Q); a true one is never a negative.
        negatives: "user-text" (the user and other answers), "user-user" (the user and others under this question),
            "text-user" (the answer and those others), "text-text" (the answer and other answers).
        temperature: by which cosines are divided.
        margin: a negative that is more alike than the positive by this much is likely a false one, and left out.

    Returns:
        The mean over true pairs of a question, over questions; zero when nothing is true.
    """
    u, truth = users.transpose(0, 1), true.T  # (Q, B, D), (Q, B)
    positive = (u @ texts[:, :, None]).squeeze(-1)  # (Q, B)
    others = ~truth[:, None, :]  # (Q, 1, B): of whom the answer is not true
    answers = ~truth.T[None] & ~torch.eye(len(texts), dtype=torch.bool, device=users.device)[:, None]  # (Q, B, Q)
    similar = {
        "user-text": (lambda: u @ texts.T, answers),  # (Q, B, Q)
        "user-user": (lambda: u @ u.transpose(1, 2), others),  # (Q, B, B)
        "text-user": (lambda: positive[:, None, :].expand(-1, u.shape[1], -1), others),
        "text-text": (lambda: (texts @ texts.T)[:, None].expand(-1, u.shape[1], -1), answers),
    }
    terms = [positive[..., None]]
    for name in negatives:
        similarity, allowed = similar[name][0](), similar[name][1]
        counts = allowed & (similarity <= positive[..., None] + margin)
        terms.append(similarity.masked_fill(~counts, -torch.inf))
    logits = torch.cat(terms, -1) / temperature
    loss = (logits.logsumexp(-1) - positive / temperature) * truth  # (Q, B)
    of_question = loss.sum(1) / truth.sum(1).clamp(min=1)
    return of_question.sum() / truth.any(1).sum().clamp(min=1)
