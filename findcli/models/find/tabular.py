"""The profile encoder: turns a table's columns into one vector; and its corruptions (FIND section 1.4, Eqs 8-9)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from findcli.data.profile_codes import FIRST_VALUE


class TabularEncoder(nn.Module):
    """Transformer over all columns, categorical, ordered and numeric alike (after TabTransformer, arXiv 2012.06678).

    Every column is one token. Code 0 means missing, 1 masked, and 2 onwards a value or a numeric bin. A number's
    fraction, its position within the bin, interpolates towards the next bin's embedding, so numbers are encoded
    piecewise linearly (arXiv 2203.05556).

    Args:
        cardinalities: number of codes of each column, missing and mask included.
        d_token: width of a column's token.
        layers: Transformer layers.
        heads: attention heads.
        dropout: share dropped.

    Shape:
        codes (B, F), fractions (B, F) -> tokens (B, F, d_token), vector (B, F * d_token)
    """

    offsets: Tensor
    last: Tensor
    is_value: Tensor

    def __init__(self, *, cardinalities: Sequence[int], d_token: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        sizes = torch.tensor(cardinalities)  # (F,)
        columns, most = len(sizes), max(cardinalities)
        code = torch.arange(most)
        self.register_buffer("offsets", sizes.cumsum(0) - sizes, persistent=False)
        self.register_buffer("last", sizes - 1, persistent=False)
        self.register_buffer("is_value", (code >= FIRST_VALUE) & (code < sizes[:, None]), persistent=False)
        self.embedding = nn.Embedding(sum(cardinalities), d_token)
        self.column = nn.Parameter(torch.randn(columns, d_token))
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    d_token, heads, 4 * d_token, dropout, activation="gelu", batch_first=True, norm_first=True
                )
                for _ in range(layers)
            ),
            nn.LayerNorm(d_token),
        )
        self.value_weight = nn.Parameter(torch.randn(columns, d_token, most) / d_token**0.5)
        self.value_bias = nn.Parameter(torch.zeros(columns, most))
        self.replaced_weight = nn.Parameter(torch.randn(columns, d_token) / d_token**0.5)
        self.replaced_bias = nn.Parameter(torch.zeros(columns))

    def forward(self, codes: Tensor, fractions: Tensor) -> tuple[Tensor, Tensor]:
        """Encode profiles.

        Args:
            codes: int64 (B, F), below each column's cardinality.
            fractions: position within the bin, in [0, 1), (B, F); 0 in columns that are not numeric. Ignored if the
                code is missing, masked or the column's last.

        Returns:
            Column tokens (B, F, d_token) and the profile's vector (B, F * d_token): flattened, since a mean over
            columns would lose which column held what.
        """
        following = torch.minimum(codes + 1, self.last)
        share = fractions.masked_fill(codes < FIRST_VALUE, 0).unsqueeze(-1)  # (B, F, 1)
        start, end = self.embedding(codes + self.offsets), self.embedding(following + self.offsets)
        tokens = self.layers(torch.lerp(start, end, share) + self.column)  # (B, F, d_token)
        return tokens, tokens.flatten(1)

    def value_logits(self, tokens: Tensor) -> Tensor:
        """Score each column's values, with one multi-class head per column (MLM, Eq 8).

        Args:
            tokens: (B, F, d_token).

        Returns:
            (B, F, C), C the largest cardinality; -inf at missing, mask and codes that the column lacks.
        """
        logits = torch.einsum("bfd,fdc->bfc", tokens, self.value_weight) + self.value_bias
        return logits.masked_fill(~self.is_value, float("-inf"))

    def replaced_logits(self, tokens: Tensor) -> Tensor:
        """Score whether each value was replaced, one binary head per column (RTD): (B, F, d_token) -> (B, F)."""
        return (tokens * self.replaced_weight).sum(-1) + self.replaced_bias


def choose_values(codes: Tensor, share: float, *, generator: torch.Generator) -> Tensor:
    """Choose the values to mask or replace; never a missing one, whose true value is unknown.

    Args:
        codes: (B, F).
        share: probability of each value.
        generator: source of randomness, on the device of `codes`.

    Returns:
        bool (B, F); `codes.masked_fill(chosen, MASK)` masks them.
    """
    chance = torch.rand(codes.shape, generator=generator, device=codes.device)
    return (chance < share) & (codes >= FIRST_VALUE)


def replace_values(
    codes: Tensor,
    fractions: Tensor,
    chosen: Tensor,
    value_logits: Tensor,
    *,
    how: Literal["mlm", "marginal", "uniform"],
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Replace the chosen values by others of the same column (RTD).

    A value stays, and does not count as replaced, if the draw is missing or its own code. Nothing becomes missing. A
    drawn bin keeps the fraction of the value it replaces, since a fraction of 0 would give it away; "marginal" takes
    code and fraction from the same other row.

    Args:
        codes: (B, F).
        fractions: (B, F).
        chosen: bool (B, F), from `choose_values`.
        value_logits: (B, F, C), from `TabularEncoder.value_logits` on the masked profiles.
        how: what to draw from: "mlm" the model's value logits, "marginal" the batch's column, "uniform" all values.
        generator: source of randomness, on the device of `codes`.

    Returns:
        Codes (B, F), fractions (B, F) and which values were replaced, bool (B, F).
    """
    drawn, drawn_fractions = codes, fractions
    if how == "marginal":
        rows = torch.randint(len(codes), codes.shape, generator=generator, device=codes.device)
        drawn, drawn_fractions = codes.gather(0, rows), fractions.gather(0, rows)
    else:
        logits = value_logits.detach()
        drawn = _draw(logits if how == "mlm" else logits.masked_fill(logits.isfinite(), 0), generator)
    replaced = chosen & (drawn >= FIRST_VALUE) & (drawn != codes)
    return torch.where(replaced, drawn, codes), torch.where(replaced, drawn_fractions, fractions), replaced


def _draw(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Sample codes (B, F) from logits (B, F, C) by the Gumbel-max trick, which tolerates columns without any value."""
    noise = torch.empty_like(logits, dtype=torch.float32).exponential_(generator=generator)
    return (logits - noise.log()).argmax(-1)
