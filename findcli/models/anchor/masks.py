"""Attention masks of a decoder, from causal to fully open, as a bias that is added to attention scores (GG-SM).

A bias of log w multiplies the odds of attending by w; w is the openness of a later position. "Later" is later in the
history, all of it before the cutoff: opening a mask shows nothing of the outcome. Source: arXiv 2602.10622 and its
released code; where both open the mask by most of the way at the first step, our form asks for a share of the way
(`Schedule.curve`), see `openness.py`.

Legend: B users, T positions of a prefix, L of a suffix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

MaskKind = Literal["causal", "hybrid", "bidirectional", "scheduler", "ggsm"]
SCHEDULED = ("scheduler", "ggsm")  # kinds that open step by step
OPEN_AT_LAST = ("bidirectional", *SCHEDULED)


def attention_bias(
    kind: MaskKind,
    valid: Tensor,
    *,
    behaviour: Tensor | None = None,
    openness: Tensor | float = 1.0,
    floor: float = 1e-4,
    dtype: torch.dtype = torch.float32,
) -> Tensor | None:
    """The bias of a sequence on itself; padding is attended to by itself alone, so that no row is empty.

    Args:
        kind: which later positions a position sees: none ("causal"), those of the behaviour if it is behaviour too
            ("hybrid", a prefix language model), all ("bidirectional"), or all by their openness.
        valid: positions that are no padding, on either side or anywhere, bool (B, T).
        behaviour: positions of the history, bool (B, T); default: all.
        openness: of later positions, from 0 to 1, (B, T) or one for all; read by the kinds that open step by step.
        floor: the smallest openness: log 0 has no gradient.
        dtype: of the attention's queries.

    Returns:
        (B, 1, T, T), or None where the model's own causal mask is the same: a mask turns fast kernels off.
    """
    if kind == "causal" and bool(valid.all()):
        return None
    length, device = valid.shape[1], valid.device
    at = torch.arange(length, device=device)
    later = at > at[:, None]  # (T, T), [i, j]: j comes after i
    bias = torch.zeros(len(valid), length, length, dtype=dtype, device=device)
    if kind == "causal":
        bias = bias.masked_fill(later, -torch.inf)
    elif kind == "hybrid":
        within = valid if behaviour is None else behaviour
        both = within[:, :, None] & within[:, None, :]
        bias = bias.masked_fill(later & ~both, -torch.inf)
    elif kind in SCHEDULED:
        asked = torch.as_tensor(openness, dtype=dtype, device=device)
        logs = asked.clamp(min=floor, max=1).log()
        logs = logs[:, None, :] if logs.ndim == 2 else logs
        bias = torch.where(later, logs, bias)
    bias = bias.masked_fill(~valid[:, None, :] & ~torch.eye(length, dtype=torch.bool, device=device), -torch.inf)
    return bias[:, None]


def suffix_bias(valid: Tensor, blocks: int, length: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """The bias of packed suffixes on a prefix and themselves: each sees the prefix and, causally, its own tokens alone.

    Args:
        valid: positions of the prefix that are no padding, bool (B, T).
        blocks: suffixes packed behind each other, Q.
        length: tokens of each, L.
        dtype: of the attention's queries.

    Returns:
        (B, 1, Q * L, T + Q * L).
    """
    device = valid.device
    at = torch.arange(blocks * length, device=device)
    own = (at[:, None] // length == at // length) & (at <= at[:, None])  # (QL, QL)
    on_prefix = valid[:, None, :].expand(-1, len(at), -1)  # (B, QL, T)
    seen = torch.cat([on_prefix, own.expand(len(valid), -1, -1)], 2)
    return torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill(~seen, -torch.inf)[:, None]


def positions_of(valid: Tensor) -> Tensor:
    """Positions that count what is no padding, wherever the padding lies: int64 (B, T)."""
    return (valid.long().cumsum(1) - 1).clamp(min=0)


@dataclass(frozen=True)
class Schedule:
    """How far a mask is open at an update; updates are counted, not micro-batches.

    Attributes:
        steps: of the training.
        warmup: share of the steps in which gradients say where it opens (GG-SM).
        settled: share of the steps, the last ones, that train as inference reads: fully open.
        curve: openness is the share of the way to the power of this. Attention to a position of openness .1 already
            goes 44 % of the way to the open mask, and .5 82 %; with 3 it goes about as far as is asked. The paper's
            is 1.
    """

    steps: int
    warmup: float = 0.1
    settled: float = 0.1
    curve: float = 3.0

    def warmed(self, step: int) -> float:
        """How much of the warm-up is done at a step, from 0 to 1."""
        return min(1.0, step / max(1.0, self.warmup * self.steps))

    def opened(self, step: int, *, after_warmup: bool) -> float:
        """How far it is open at a step, from 0 to 1; 1 in the settled steps."""
        start = self.warmup * self.steps if after_warmup else 0.0
        end = (1 - self.settled) * self.steps
        return min(1.0, max(0.0, (step - start) / max(1.0, end - start)))

    def scheduler(self, step: int) -> float:
        """The openness of every later position in a plain schedule."""
        return float(self.opened(step, after_warmup=False) ** self.curve)

    def guided(self, step: int, shares: Tensor) -> Tensor:
        """The openness of positions whose gradients gave them shares from 0 to 1, in the shape of the shares."""
        a = self.opened(step, after_warmup=True)
        asked = (1 - a) * self.warmed(step) * shares / 2 + a
        return asked.clamp(0, 1) ** self.curve
