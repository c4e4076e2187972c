"""The modules of the tower: prefix, decoder, and the heads that read the last token of a question.

    prefix = [user] [modalities] [columns] [events] [searches]      once a user
    suffix = [soft prompt, optional] [question + <USER_EMB>]        once a question
    answer = the true text, after <USER_EMB>, in training alone: no vector and no score reads it

NOTE[paper]: a question is one vector here, and <USER_EMB> is added to it instead of following it: the hop from one to
the other would take one of few layers, and twice the tokens.

Legend: B users, T prefix tokens, Q questions, S sentences, D width of a text vector, d of a token, e of a vector.

Tested in tests/models/anchor/test_tower.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from findcli.models.anchor.decoder import Kept, new_decoder, read_prefix, read_suffixes
from findcli.models.anchor.masks import OPEN_AT_LAST, MaskKind, Schedule, attention_bias
from findcli.models.anchor.openness import Openness
from findcli.models.anchor.tokens import KINDS, MODALITIES, Tokenizer, Tokens
from findcli.training.batches import UserBatch

HIDDEN = 512


class AnchorEncoder(nn.Module):
    """Reads users, then answers questions about them.

    Args:
        decoder: reads token embeddings.
        d_text: width of text vectors.
        cardinalities: codes of each profile column.
        modalities: those in use.
        events: event tokens a user, at most.
        d_embedding: width of vectors, e.
        questions: of `neutral`: the neutral one first, then one for each family of sentences.
        mask: which later positions of the prefix a position sees.
        floor: the smallest openness while it opens.
        paper: whether openness is learned in the paper's own form.
    """

    neutral: Tensor

    def __init__(
        self,
        *,
        decoder: nn.Module,
        d_text: int,
        cardinalities: Sequence[int],
        modalities: Sequence[str],
        events: int,
        d_embedding: int,
        questions: int,
        mask: MaskKind,
        floor: float = 1e-4,
        paper: bool = False,
    ) -> None:
        super().__init__()
        width = int(decoder.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.decoder = decoder
        self.tokenizer = Tokenizer(
            d_text=d_text, d_model=width, cardinalities=cardinalities, modalities=modalities, events=events
        )
        self.mask, self.floor = mask, floor
        self.last = nn.Parameter(torch.randn(width) * 0.02)  # <USER_EMB>
        self.project = nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, d_embedding))
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        self.base = nn.Sequential(nn.Linear(d_text, width), nn.GELU(), nn.Linear(width, 1))
        self.register_buffer("neutral", torch.zeros(questions, d_text))
        positions = 1 + len(MODALITIES) + self.tokenizer.columns + events
        self.openness = Openness(kinds=KINDS, positions=positions, paper=paper)

    def tokens(self, batch: UserBatch, *, without: Sequence[str] = ()) -> Tokens:
        """The prefix of B users before the decoder."""
        tokens: Tokens = self.tokenizer(batch, without=without)
        return tokens

    def read(self, tokens: Tokens, *, openness: Tensor | float = 1.0) -> tuple[Tensor, Kept]:
        """Read prefixes: the states (B, T, d), and what to keep.

        Args:
            tokens: of B users.
            openness: of later positions while the mask opens; by default as inference reads.
        """
        bias = attention_bias(
            self.mask, tokens.valid, behaviour=tokens.kinds > len(MODALITIES), openness=openness, floor=self.floor,
            dtype=tokens.embeds.dtype,
        )  # fmt: skip
        return read_prefix(self.decoder, tokens.embeds, tokens.valid, bias)

    def openness_at(self, step: int, tokens: Tokens, schedule: Schedule) -> Tensor | float:
        """How open the mask is at a step of the training."""
        if self.mask == "scheduler":
            return schedule.scheduler(step)
        if self.mask == "ggsm":
            return self.openness.asked(step, schedule, self.openness.buckets(tokens.kinds, tokens.steps))
        return 1.0

    def suffixes(self, queries: Tensor, soft: Tensor | None = None) -> Tensor:
        """The tokens of questions.

        Args:
            queries: text vectors, (B, Q, D), or (1, Q, D) for the same questions of everyone.
            soft: a soft prompt that stands before each question, (n, d).

        Returns:
            (B or 1, Q, n + 1, d).
        """
        question: Tensor = (self.tokenizer.text(queries) + self.last)[:, :, None]
        if soft is None:
            return question
        return torch.cat([soft.expand(*question.shape[:2], -1, -1), question], 2)

    def answer(self, kept: Kept, queries: Tensor, soft: Tensor | None = None) -> Tensor:
        """The states at <USER_EMB>, (B, Q, d); arguments as `suffixes`."""
        return read_suffixes(self.decoder, kept, self.suffixes(queries, soft))[:, :, -1]

    def vectors(self, states: Tensor) -> Tensor:
        """Unit vectors of states: (..., d) -> (..., e)."""
        return functional.normalize(self.project(states), dim=-1)

    def odds(self, states: Tensor, queries: Tensor) -> Tensor:
        """Log odds that answers are yes: states (B, Q, d) and text vectors (B or 1, Q, D) -> (B, Q)."""
        odds: Tensor = self.head(states) + self.base(queries * queries.shape[-1] ** 0.5)
        return odds.squeeze(-1)

    def texts(self, vectors: Tensor) -> Tensor:
        """Unit vectors of sentences, each read by the same decoder alone: (S, D) -> (S, e)."""
        alone = self.tokenizer.text(vectors)[:, None]  # (S, 1, d)
        return self.vectors(self.decoder(inputs_embeds=alone, use_cache=False).last_hidden_state[:, -1])

    @property
    def opens(self) -> bool:
        """Whether the mask opens step by step in training."""
        return self.mask in OPEN_AT_LAST and self.mask != "bidirectional"


def assemble(*, decoder: Mapping[str, Any], **options: Any) -> AnchorEncoder:
    """Build an encoder with a decoder from scratch, from plain values; see `new_decoder` and `AnchorEncoder`."""
    return AnchorEncoder(decoder=new_decoder(**decoder), **options)
