"""Every loss, as a pure function of tensors. Legend: B users, T steps, F columns, D width, S sentences."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

INITIAL_LOGIT_SCALE = math.log(1 / 0.07)
MAX_LOGIT_SCALE = math.log(100)


def contrastive_loss(users: Tensor, texts: Tensor, true: Tensor, logit_scale: Tensor) -> Tensor:
    """Multi-positive InfoNCE in both directions (FIND Eq 13, with every sentence that holds of a user as its positive).

    Args:
        users: unit vectors, (B, D).
        texts: unit vectors, (S, D).
        true: whether sentence s holds of user b, bool (B, S); users and sentences without a positive are left out.
        logit_scale: log of the inverse temperature, ().

    Returns:
        The mean over both directions, (); zero when nothing is true.
    """
    logits = logit_scale.exp() * users @ texts.T  # (B, S)
    return (_multi_positive(logits, true) + _multi_positive(logits.T, true.T)) / 2


def _multi_positive(logits: Tensor, true: Tensor) -> Tensor:
    positives = true.sum(1)  # (B,)
    log_p = (logits.log_softmax(1) * true).sum(1) / positives.clamp(min=1)  # (B,)
    return -log_p.sum() / positives.count_nonzero().clamp(min=1)


def ranking_loss(odds: Tensor, true: Tensor) -> Tensor:
    """Listwise ranking of users within each sentence: the sentence's side of multi-positive InfoNCE.

    Args:
        odds: score of user b for sentence s, (B, S).
        true: whether it holds, bool (B, S); sentences that hold of nobody are left out.

    Returns:
        The mean over sentences, (); zero when nothing is true.
    """
    return _multi_positive(odds.T, true.T)


def infonce_loss(users: Tensor, texts: Tensor, positive: Tensor, true: Tensor, logit_scale: Tensor) -> Tensor:
    """Symmetric InfoNCE over one positive sentence per user; no other true pair serves as a negative.

    Args:
        users: unit vectors, (B, D).
        texts: unit vectors, (S, D).
        positive: index of each user's positive sentence, int64 (B,).
        true: whether sentence s holds of user b, bool (B, S).
        logit_scale: log of the inverse temperature, ().

    Returns:
        The mean over both directions, ().
    """
    logits = logit_scale.exp() * users @ texts.T  # (B, S)
    is_positive = functional.one_hot(positive, len(texts)).bool()  # (B, S)
    to_texts = logits.masked_fill(true & ~is_positive, -math.inf)  # (B, S)
    # Row b now asks which user b's positive sentence is about.
    same_user = torch.eye(len(users), dtype=torch.bool, device=users.device)  # (B, B)
    to_users = logits.T[positive].masked_fill(true.T[positive] & ~same_user, -math.inf)  # (B, B)
    labels = torch.arange(len(users), device=users.device)
    return (functional.cross_entropy(to_texts, positive) + functional.cross_entropy(to_users, labels)) / 2


def sigmoid_loss(users: Tensor, texts: Tensor, true: Tensor, logit_scale: Tensor, logit_bias: Tensor) -> Tensor:
    """Pairwise sigmoid loss (SigLIP, arXiv 2303.15343), averaged over all pairs; its logits are log odds of `true`.

    Args:
        users: unit vectors, (B, D).
        texts: unit vectors, (S, D).
        true: whether sentence s holds of user b, bool (B, S).
        logit_scale: log of the inverse temperature, ().
        logit_bias: added to every logit, ().

    Returns:
        ().
    """
    logits = logit_scale.exp() * users @ texts.T + logit_bias  # (B, S)
    return functional.binary_cross_entropy_with_logits(logits, true.to(logits.dtype))


def paper_infonce(users: Tensor, texts: Tensor) -> Tensor:
    """FIND Eq 13 as written: one direction, cosine without temperature, every other row's text a negative.

    Args:
        users: (B, D).
        texts: (B, D), row i is user i's.

    Returns:
        ().
    """
    similarity = functional.normalize(users, dim=1) @ functional.normalize(texts, dim=1).T  # (B, B)
    return functional.cross_entropy(similarity, torch.arange(len(users), device=users.device))


def forecast_contrast(
    predictions: Tensor,
    targets: Tensor,
    observed: Tensor,
    valid: Tensor,
    logit_scale: Tensor,
    *,
    anchors: int,
    negatives: int,
    generator: torch.Generator,
) -> Tensor:
    """Contrast the forecast of a later step with the batch's other steps (FIND Eq 6, clipped at the sequence's end).

    Negatives are steps of all users. Both (user, step, ahead) triples and negatives are sampled, since the full
    comparison grows with the square of the batch.

    Args:
        predictions: (B, T, k, D); [b, t, i - 1] predicts step t + i.
        targets: (B, T, D).
        observed: steps with something to predict, bool (B, T).
        valid: steps within the user's history, bool (B, T).
        logit_scale: log of the inverse temperature, ().
        anchors: triples at most.
        negatives: negative targets at most.
        generator: source of the sampling, on the CPU.

    Returns:
        The mean over triples, (); zero when there is none.
    """
    length, ahead = predictions.shape[1:3]
    later = _later(observed, ahead) & valid.unsqueeze(-1)  # (B, T, k)
    user, step, i = _sample(later.nonzero(), anchors, generator).unbind(1)  # (A,) each
    positive = user * length + step + i + 1  # (A,)
    others = _sample(observed.flatten().nonzero(), negatives, generator).squeeze(1)  # (N,)
    unit = functional.normalize(targets.flatten(0, 1), dim=-1)  # (B * T, D)
    queries = functional.normalize(predictions[user, step, i], dim=-1) * logit_scale.exp()  # (A, D)
    against = (queries @ unit[others].T).masked_fill(others == positive.unsqueeze(1), -math.inf)
    logits = torch.cat([(queries * unit[positive]).sum(1, keepdim=True), against], 1)  # (A, 1 + N)
    loss = functional.cross_entropy(logits, torch.zeros_like(positive), reduction="sum")
    return loss / max(len(positive), 1)


def _later(observed: Tensor, ahead: int) -> Tensor:
    """Whether step t + i is observed, for i = 1..ahead; False past the end: (B, T) -> (B, T, ahead)."""
    return functional.pad(observed, (0, ahead), value=False).unfold(1, ahead + 1, 1)[..., 1:]


def _sample(rows: Tensor, most: int, generator: torch.Generator) -> Tensor:
    if len(rows) <= most:
        return rows
    return rows[torch.randperm(len(rows), generator=generator)[:most].to(rows.device)]


def paper_forecast_contrast(context: Tensor, targets: Tensor, valid: Tensor, positives: int) -> Tensor:
    """FIND Eq 6 as written, clipped at the end: cosine without temperature, negatives of the same sequence.

    Args:
        context: c_t, (B, T, D).
        targets: z_t, (B, T, D).
        valid: bool (B, T).
        positives: k, how many steps ahead are positives.

    Returns:
        The sum over a user's pairs divided by K k, K the valid steps; averaged over users with any, ().
    """
    similarity = functional.normalize(context, dim=-1) @ functional.normalize(targets, dim=-1).mT  # (B, T, T)
    # Finite, not -inf: a user without a valid step would turn the gradient into NaN.
    log_p = similarity.masked_fill(~valid.unsqueeze(1), -1e4).log_softmax(-1)
    span = torch.arange(valid.shape[1], device=valid.device)
    ahead = span - span.unsqueeze(1)  # (T, T), j - t
    pairs = (ahead >= 1) & (ahead <= positives) & valid.unsqueeze(1) & valid.unsqueeze(2)
    steps = valid.sum(1)  # (B,)
    users = (log_p * pairs).sum((1, 2)) / (steps.clamp(min=1) * positives)
    return -users.sum() / steps.count_nonzero().clamp(min=1)


def cyclic_regulariser(context: Tensor, valid: Tensor, period: int) -> Tensor:
    """KL(c_t || c_{t + T}) of FIND Eq 7 over softmaxed contexts, without gradient to the later one.

    Args:
        context: c_t, (B, T, D).
        valid: bool (B, T).
        period: length of the cycle, in steps.

    Returns:
        The mean over pairs of valid steps, in nats, (); zero when the histories are shorter than a cycle.
    """
    return _cyclic_divergence(context, context.detach(), valid, period)


def paper_cyclic_regulariser(context: Tensor, valid: Tensor, period: int) -> Tensor:
    """FIND Eq 7's KL(c_t || c_{t + T}) with gradient to both sides.

    The paper applies it to raw vectors, for which a divergence is undefined; a softmax over the width is our reading.
    Arguments and result as for `cyclic_regulariser`.
    """
    return _cyclic_divergence(context, context, valid, period)


def _cyclic_divergence(now: Tensor, then: Tensor, valid: Tensor, period: int) -> Tensor:
    now, then = now[:, :-period].log_softmax(-1), then[:, period:].log_softmax(-1)  # (B, T - period, D)
    divergence = functional.kl_div(then, now, reduction="none", log_target=True).sum(-1)
    both = valid[:, :-period] & valid[:, period:]  # (B, T - period)
    return (divergence * both).sum() / both.sum().clamp(min=1)


def masked_value_loss(
    logits: Tensor, codes: Tensor, masked: Tensor, *, reduction: Literal["mean", "sum"] = "mean"
) -> Tensor:
    """Cross-entropy of the masked values (MLM, FIND Eq 8).

    Args:
        logits: (B, F, C); -inf at codes that a column lacks.
        codes: the true codes, int64 (B, F).
        masked: which values were masked, bool (B, F).
        reduction: "mean" over masked values, or the paper's "sum" over a profile's, averaged over profiles.

    Returns:
        ().
    """
    loss = functional.cross_entropy(logits[masked], codes[masked], reduction="sum")
    return loss / _count(masked, reduction)


def replaced_value_loss(
    logits: Tensor, replaced: Tensor, present: Tensor, *, reduction: Literal["mean", "sum"] = "mean"
) -> Tensor:
    """Binary cross-entropy of "was this value replaced?" (RTD, FIND section 1.4).

    Args:
        logits: (B, F).
        replaced: which values were replaced, bool (B, F).
        present: which values are not missing, bool (B, F); only these count.
        reduction: "mean" over present values, or the paper's "sum" over a profile's, averaged over profiles.

    Returns:
        ().
    """
    truth = replaced[present].to(logits.dtype)
    loss = functional.binary_cross_entropy_with_logits(logits[present], truth, reduction="sum")
    return loss / _count(present, reduction)


def _count(chosen: Tensor, reduction: Literal["mean", "sum"]) -> int:
    return max(int(chosen.sum()), 1) if reduction == "mean" else len(chosen)


def effective_rank(vectors: Tensor) -> float:
    """Effective number of directions of centred vectors (N, D) (Roy and Vetterli, 2007); 1 if all are equal."""
    vectors = vectors.float()
    spectrum = torch.linalg.svdvals(vectors - vectors.mean(0))
    # Rounding errors of equal vectors would otherwise look like noise in every direction.
    spectrum = spectrum[spectrum > torch.finfo(spectrum.dtype).eps * vectors.norm()]
    return float(torch.special.entr(spectrum / spectrum.sum()).sum().exp())
