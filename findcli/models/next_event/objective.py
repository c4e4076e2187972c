"""What the next-event encoder learns from: the set at the next instant, and the contrast between users.

Legend: B users, P positions, M pairs of a position and one of its tokens, V tokens, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from findcli.models.next_event.encoder import NO_LOG_ODDS, NextEventEncoder, Pointer
from findcli.training.token_histories import NextTokens, TokenBatch

SAMPLED_ABOVE, SAMPLES = 20_000, 512
CONTRAST_TEMPERATURE = 0.1
LEAST = 1e-20


def next_set_loss(
    encoder: NextEventEncoder,
    batch: TokenBatch,
    states: Tensor,
    following: NextTokens,
    *,
    sampled: Tensor | None = None,
) -> Tensor:
    """Mean negative log likelihood of the tokens at the next instant, each position weighing the same, ().

    Args:
        encoder: gives the odds.
        batch: B windows.
        states: of the encoder, (B, T, D).
        following: positions and what came next.
        sampled: log of how often each of n tokens is expected among the negatives, with the tokens, (2, n); exact over
            all tokens when None.
    """
    chosen = states[following.row, following.place]  # (P, D)
    position, token = following.position, following.token
    pointer = encoder.point_back(batch, states, following.row, following.place)
    if sampled is None:
        logits = encoder.logits(chosen).float()  # (P, V)
        if pointer is not None:
            logits = encoder.beside_history(logits, pointer, pointer.met(encoder.tokens))
        log_odds = logits[position, token] - logits.logsumexp(1)[position]
    else:
        log_odds = _sampled_log_odds(encoder, chosen, following, sampled, pointer)
    if pointer is not None:
        share = pointer.share.clamp(1e-6, 1 - 1e-6)[position]
        again = pointer.odds(position, token).clamp(min=LEAST)
        log_odds = torch.logaddexp((1 - share).log() + log_odds, share.log() + again.log())
    sizes = torch.bincount(position, minlength=len(chosen)).clamp(min=1)
    return -(log_odds / sizes[position]).sum() / max(1, len(chosen))


def _sampled_log_odds(
    encoder: NextEventEncoder, chosen: Tensor, following: NextTokens, sampled: Tensor, pointer: Pointer | None
) -> Tensor:
    """Log odds of each pair's token against sampled negatives, corrected by how often they are drawn (logQ): (M,)."""
    position, token = following.position, following.token
    log_expected, negatives = sampled[0].float(), sampled[1].long()
    scores = encoder.logits(chosen, negatives).float() - log_expected  # (P, n)
    vectors = encoder.embed_inputs(token + 1)
    true = ((encoder.out(chosen)[position] * vectors).sum(1) + encoder.bias[token]).float()  # (M,)
    if pointer is not None:
        met = pointer.met(encoder.tokens)
        scores = encoder.beside_history(scores, pointer, met[:, negatives])
        shifted = true + pointer.shift[position] * met[position, token]
        true = true.masked_fill(met[position, token], NO_LOG_ODDS) if encoder.apart else shifted
    others = scores[position].masked_fill(negatives == token[:, None], float("-inf"))  # (M, n)
    log_odds: Tensor = true - torch.logaddexp(true, others.logsumexp(1))
    return log_odds


def draw_negatives(counts: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draw n tokens in proportion to their counts, and the log of how often each is expected: (2, n), double."""
    shares = (counts.double() + 1) / (counts.double() + 1).sum()
    drawn = torch.multinomial(shares, n, replacement=True, generator=generator)
    return torch.stack([(n * shares[drawn]).log(), drawn.double()])


def likeness_contrast(users: Tensor, alike: Tensor, *, temperature: float = CONTRAST_TEMPERATURE) -> Tensor:
    """Contrast between users of like demographics and others (PANTHER's L_CL), averaged over pairs that are alike, ().

    Args:
        users: unit vectors e_u, (B, D).
        alike: codes of the columns in which users are compared, int64 (B, C); two users are alike if all are equal.
        temperature: tau.
    """
    distances = (2 - 2 * users @ users.T) / temperature
    same = (alike[:, None] == alike[None]).all(-1)
    itself = torch.eye(len(users), dtype=torch.bool, device=users.device)
    log_odds = (-distances).masked_fill(itself, float("-inf")).log_softmax(1)
    pairs = same & ~itself
    if not pairs.any():
        return users.sum() * 0
    return -log_odds[pairs].mean()
