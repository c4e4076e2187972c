"""Query-as-Anchor as a user tower: users are read once, and each question is answered from what is kept of them.

Source: arXiv 2602.14492 and its released code (Apache-2.0). The neutral question gives the static vector.

Legend: B users, Q questions, T prefix tokens, D width of a text vector, e of a vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor

from findcli.models.anchor.decoder import Kept, attention_shares
from findcli.models.anchor.encoder import AnchorEncoder
from findcli.models.anchor.tokens import MODALITIES
from findcli.models.tower import Said, Unit
from findcli.progress import Progress
from findcli.training.batches import UserBatch
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run


@dataclass(frozen=True)
class ReadUsers:
    """What is kept of B users.

    Attributes:
        kept: keys and values of their prefix.
        kinds: of the prefix's tokens, int64 (B, T).
        modalities: the mean state of each modality's tokens, (B, d), and which users have it, bool (B,).
    """

    kept: Kept
    kinds: Tensor
    modalities: Mapping[str, tuple[Tensor, Tensor]]

    def tensors(self) -> Mapping[str, Tensor]:
        """Each modality's mean state (B, d), zero for users without it, and `has_NAME`, uint8 (B,), 0 or 1."""
        named = {}
        for name, (vector, present) in self.modalities.items():
            named[name] = vector.masked_fill(~present.unsqueeze(1), 0)
            named[f"has_{name}"] = present.to(torch.uint8)
        return named

    def to_keep(self) -> Mapping[str, Tensor]:
        """`kept`, keys and values in half precision, (B, layers, 2, H, T, d_h); `valid` and `kinds`, uint8 (B, T)."""
        layers = [torch.stack(pair, 1) for pair in zip(self.kept.keys, self.kept.values, strict=True)]
        whole = {"kept": torch.stack(layers, 1).half()}
        return whole | {
            name: each.to(torch.uint8) for name, each in (("valid", self.kept.valid), ("kinds", self.kinds))
        }


class AnchorTower:
    """The trained tower.

    Args:
        encoder: in eval mode.
    """

    name: ClassVar[str] = "qanchor"
    scorers: ClassVar[tuple[str, ...]] = ("anchor", "vector", "query_aware")
    unit: ClassVar[Unit] = "log odds"

    def __init__(self, encoder: AnchorEncoder) -> None:
        self.encoder = encoder.requires_grad_(requires_grad=False)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities it was trained on."""
        return self.encoder.tokenizer.modalities

    @torch.no_grad()
    def prefix(self, batch: UserBatch, *, without: Sequence[str] = ()) -> ReadUsers:
        """Read B users; modalities in `without` count as absent."""
        tokens = self.encoder.tokens(batch, without=without)
        states, kept = self.encoder.read(tokens)
        modalities = {}
        for name in self.modalities:
            first = 1 + MODALITIES.index(name)
            of = tokens.valid & ((tokens.kinds == first) | (tokens.kinds == first + len(MODALITIES)))
            mean = (states * of[..., None]).sum(1) / of.sum(1, keepdim=True).clamp(min=1)
            modalities[name] = mean, tokens.has(name)
        return ReadUsers(kept, tokens.kinds, modalities)

    @torch.no_grad()
    def embed(self, prefix: ReadUsers) -> Tensor:
        """The vectors of users for the neutral question: unit vectors (B, e)."""
        return self.encoder.vectors(self.encoder.answer(prefix.kept, self.encoder.neutral[None, :1]))[:, 0]

    @torch.no_grad()
    def score(self, prefix: ReadUsers, queries: Tensor) -> Tensor:
        """The log odds of questions, unit text vectors (Q, D), for the users: (B, Q)."""
        return self.encoder.odds(self.encoder.answer(prefix.kept, queries[None]), queries[None])

    @torch.no_grad()
    def anchored(self, prefix: ReadUsers, queries: Tensor) -> Tensor:
        """The vectors of users for questions (Q, D): unit vectors (B, Q, e)."""
        return self.encoder.vectors(self.encoder.answer(prefix.kept, queries[None]))

    def prompted(self, prefix: ReadUsers, query: Tensor, soft: Tensor) -> Tensor:
        """The vectors of users for a question (D,) behind a soft prompt (n, d), with gradients: unit vectors (B, e)."""
        return self.encoder.vectors(self.encoder.answer(prefix.kept, query[None, None], soft))[:, 0]

    def soft_tokens(self, n: int) -> Tensor:
        """Where a soft prompt of n tokens starts: small, and the same each time, (n, d)."""
        generator = torch.Generator().manual_seed(0)
        return (0.02 * torch.randn(n, len(self.encoder.last), generator=generator)).to(self.encoder.last.device)

    @torch.no_grad()
    def attention(self, prefix: ReadUsers, query: Tensor, soft: Tensor | None = None) -> dict[str, float]:
        """The share of attention that a question pays to each modality of a user, to the user's token, and to itself.

        Args:
            prefix: of B users, over whom shares are averaged, as over layers and heads.
            query: its text vector, (D,).
            soft: a soft prompt before it, (n, d).
        """
        of = attention_shares(self.encoder.decoder, prefix.kept, self.encoder.suffixes(query[None, None], soft))
        length = prefix.kinds.shape[1]
        shares = {"user": float(of[:, :length][prefix.kinds == 0].sum() / len(of))}
        for i, name in enumerate(MODALITIES):
            here = (prefix.kinds == 1 + i) | (prefix.kinds == 1 + i + len(MODALITIES))
            if name in self.modalities:
                shares[name] = float(of[:, :length][here].sum() / len(of))
        return shares | {"question": float(of[:, length:].sum(1).mean())}

    def slopes(self, prefix: ReadUsers, query: Tensor) -> Tensor:
        """How the log odds of each user change with a question's text vector (D,): (B, D)."""
        each = query.expand(len(prefix.kept.valid), 1, -1).clone().requires_grad_()  # (B, 1, D)
        with torch.enable_grad():
            total = self.encoder.odds(self.encoder.answer(prefix.kept, each), each).sum()
            return torch.autograd.grad(total, each)[0][:, 0]

    def texts(self, vectors: Tensor) -> Tensor:
        """Unit vectors of sentences by their text vectors, with gradients: (S, D) -> (S, e)."""
        return self.encoder.texts(vectors)

    def restored(self, kept: Mapping[str, Tensor]) -> ReadUsers:
        """What was kept of users, from what `to_keep` gave."""
        layers = kept["kept"].to(self.encoder.last.device).float()  # (B, layers, 2, H, T, d_h)
        keys, values = ([layers[:, i, j] for i in range(layers.shape[1])] for j in (0, 1))
        valid, kinds = (kept[name].to(layers.device) for name in ("valid", "kinds"))
        return ReadUsers(Kept(keys, values, valid.bool()), kinds.long(), {})

    @classmethod
    def fit(
        cls, workspace: Workspace, draft: Draft, checkpoints: Path, *, device: str, progress: Progress | None
    ) -> list[Said]:
        """Train on the pairs; see `fit.py`."""
        from findcli.models.anchor.fit import AnchorTraining  # what trains takes seconds to import

        return AnchorTraining(workspace, device).run(draft, checkpoints, progress)

    @classmethod
    def load(cls, aligned: Run, *, device: str, trained: bool = True) -> Self:
        """Load the encoder of a finished run, or the exact weights its training started from."""
        from findcli.models.anchor.named import load_encoder

        return cls(load_encoder(aligned, trained=trained).to(device))
