"""The behaviour encoder: turns a history's time steps into one vector (FIND section 1.3, Eqs 5-7)."""

from typing import Literal

import torch
from torch import Tensor, nn


class SequenceEncoder(nn.Module):
    """Causal, time-aware model over the time steps before a cutoff.

    The last step is the one just before the cutoff, and positions count back from it: a step's position does not
    depend on how much history precedes it.

    Args:
        d_input: width of a step's vector z_t.
        d_model: width of contexts, targets and the user's vector.
        layers: layers of the time-aware model.
        heads: attention heads of the Transformer; the GRU has none.
        max_steps: longest history, in steps.
        kind: "transformer" (the paper's experiments) or "gru" (the paper's text).
        dropout: share dropped.
        positives: how many steps ahead are predicted (k of Eq 6).

    Shape:
        steps (B, T, d_input), valid (B, T) -> context (B, T, d_model)
    """

    def __init__(
        self,
        *,
        d_input: int,
        d_model: int,
        layers: int,
        heads: int,
        max_steps: int,
        kind: Literal["transformer", "gru"],
        dropout: float,
        positives: int,
    ) -> None:
        super().__init__()
        self.project = nn.Linear(d_input, d_model)
        self.position = nn.Embedding(max_steps, d_model)
        nn.init.normal_(self.position.weight, std=0.02)
        self.time: _CausalTransformer | _ValidGRU = (
            _CausalTransformer(d_model=d_model, layers=layers, heads=heads, dropout=dropout)
            if kind == "transformer"
            else _ValidGRU(d_model=d_model, layers=layers, dropout=dropout)
        )
        self.norm = nn.LayerNorm(d_model)
        # Separate from `project`, which must keep information about the past; targets need only what can be forecast.
        self.target = nn.Linear(d_input, d_model)
        self.ahead = nn.Linear(d_model, positives * d_model)

    def forward(self, steps: Tensor, valid: Tensor) -> Tensor:
        """Summarise each step's past.

        Args:
            steps: vectors z_t, (B, T, d_input); invalid steps are ignored, even NaN.
            valid: which steps lie within the user's history, bool (B, T).

        Returns:
            Contexts c_t, (B, T, d_model); zeros at invalid steps.

        Raises:
            ValueError: T is longer than `max_steps`.
        """
        length, longest = steps.shape[1], self.position.num_embeddings
        if length > longest:
            raise ValueError(f"the encoder takes at most {longest} steps, not {length}")
        invalid = ~valid.unsqueeze(-1)  # (B, T, 1)
        hidden = self.project(steps.masked_fill(invalid, 0))  # (B, T, d_model)
        hidden = hidden + self.position.weight[:length].flip(0)
        context: Tensor = self.norm(self.time(hidden, valid))
        return context.masked_fill(invalid, 0)

    def pool(self, context: Tensor, valid: Tensor) -> Tensor:
        """Average the contexts of valid steps to the user's vector (Eq 5).

        Args:
            context: (B, T, d_model).
            valid: bool (B, T).

        Returns:
            (B, d_model); zeros for a user without a valid step.
        """
        total = context.masked_fill(~valid.unsqueeze(-1), 0).sum(1)  # (B, d_model)
        return total / valid.sum(1, keepdim=True).clamp(min=1)

    def targets(self, steps: Tensor) -> Tensor:
        """Map z_t into the space of contexts: (B, T, d_input) -> (B, T, d_model)."""
        targets: Tensor = self.target(steps)
        return targets

    def predictions(self, context: Tensor) -> Tensor:
        """Predict the next `positives` targets, one linear map per step ahead as in CPC (arXiv 1807.03748).

        Args:
            context: (B, T, d_model).

        Returns:
            (B, T, positives, d_model); [:, t, i - 1] predicts step t + i.
        """
        predictions: Tensor = self.ahead(context)  # (B, T, positives * d_model)
        return predictions.view(*context.shape[:2], -1, context.shape[-1])


class _CausalTransformer(nn.Module):
    def __init__(self, *, d_model: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        # Not nn.TransformerEncoder: it copies one layer, initial weights included.
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                d_model, heads, 4 * d_model, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )

    def forward(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """(B, T, D), (B, T) -> (B, T, D)."""
        length = hidden.shape[1]
        past = torch.ones(length, length, dtype=torch.bool, device=hidden.device).tril()
        # A step always sees itself: an attention row without any key would be NaN.
        seen = (past & valid.unsqueeze(1)) | past.diag().diag()  # (B, T, T)
        unseen = (~seen).repeat_interleave(self.heads, 0)  # (B * heads, T, T)
        for layer in self.layers:
            hidden = layer(hidden, src_mask=unseen)
        return hidden


class _ValidGRU(nn.Module):
    def __init__(self, *, d_model: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.gru = nn.GRU(d_model, d_model, layers, batch_first=True, dropout=dropout if layers > 1 else 0)

    def forward(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """(B, T, D), (B, T) -> (B, T, D)."""
        # Valid steps come first, in order, so the recurrence never passes through an invalid one.
        order = (~valid).byte().argsort(dim=1, stable=True).unsqueeze(-1).expand_as(hidden)
        states, _ = self.gru(hidden.gather(1, order))
        return torch.empty_like(states).scatter(1, order, states)
