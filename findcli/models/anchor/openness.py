"""Where a mask opens first: what gradients say of each kind and age of token (the guidance of GG-SM).

The paper takes the norm of the gradient at the decoder's last hidden states. With mean pooling that is the same vector
at every position, so it guides nothing; with last-token pooling it is zero everywhere but at the last. Here it is the
gradient at the decoder's inputs, which varies. And histories have different lengths and end at the cutoff, so that
absolute positions mean nothing: shares are kept by kind and age of token. `paper=True` is the paper's form, defects
and all: positions, last hidden states, a sigmoid of the norm, no smoothing.

Legend: B users, T positions, K kinds of tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from findcli.models.anchor.masks import Schedule

AGES = 8
EMA = 0.9


class Openness(nn.Module):
    """The shares of the way that gradients ask for, learned in the warm-up and then frozen.

    Args:
        kinds: number of kinds of tokens, K.
        positions: longest sequence, T; the paper's form alone needs it.
        paper: the paper's form.

    Attributes:
        shares: of each bucket, from 0 to 1, float32 (K * AGES,); of each position in the paper's form, (T,). A buffer.
        seen: whether a bucket was ever seen, likewise.
    """

    shares: Tensor
    seen: Tensor

    def __init__(self, *, kinds: int, positions: int, paper: bool = False) -> None:
        super().__init__()
        self.paper = paper
        size = positions if paper else kinds * AGES
        self.register_buffer("shares", torch.zeros(size))
        self.register_buffer("seen", torch.zeros(size))

    def buckets(self, kinds: Tensor, ages: Tensor) -> Tensor:
        """The bucket of each token: int64 (B, T).

        Args:
            kinds: of the tokens, int64 (B, T).
            ages: steps of time before the cutoff, float (B, T); put into log bins.
        """
        if self.paper:
            return torch.arange(kinds.shape[1], device=kinds.device).expand_as(kinds)
        bins = torch.log2(ages.clamp(min=0) + 1).long().clamp(max=AGES - 1)
        return kinds * AGES + bins

    def forward(self, buckets: Tensor) -> Tensor:
        """The share of each token, (B, T); 0 for buckets never seen."""
        shares: Tensor = self.shares[buckets]
        return shares

    @torch.no_grad()
    def observe(self, norms: Tensor, valid: Tensor, buckets: Tensor) -> None:
        """Learn from one backward pass.

        Args:
            norms: of the gradients at the tokens, (B, T).
            valid: tokens that are no padding, bool (B, T).
            buckets: of the tokens, int64 (B, T).
        """
        if self.paper:
            total = (norms * valid).sum(0)
            self.shares[: len(total)] = total.sigmoid()
            self.seen[: len(total)] = 1
            return
        ranked = norms.masked_fill(~valid, torch.inf).argsort(1).argsort(1).float()  # (B, T)
        ranks = ranked / (valid.sum(1, keepdim=True) - 1).clamp(min=1)
        flat, weights = buckets[valid], ranks[valid]
        total = torch.zeros_like(self.shares).index_add_(0, flat, weights.to(self.shares))
        count = torch.zeros_like(self.shares).index_add_(0, flat, torch.ones_like(weights).to(self.shares))
        here = count > 0
        mean = total[here] / count[here]
        first = self.seen[here] == 0
        self.shares[here] = torch.where(first, mean, EMA * self.shares[here] + (1 - EMA) * mean)
        self.seen[here] = 1

    def asked(self, step: int, schedule: Schedule, buckets: Tensor) -> Tensor:
        """The openness of each token at a step, (B, T)."""
        shares: Tensor = self(buckets)
        if not self.paper:
            return schedule.guided(step, shares)
        a = schedule.opened(step, after_warmup=True)
        return ((1 - a) * shares + a).clamp(0, 1)

    def spread(self) -> tuple[float, float]:
        """Mean and standard deviation of the shares of buckets that were seen; a flat openness guides nothing."""
        shares = self.shares[self.seen > 0]
        if not len(shares):
            return 0.0, 0.0
        return float(shares.mean()), float(shares.std(correction=0))
