"""A language model's say on which sentence a demand means: likelihoods of the demand itself, never free text.

A model of 135 M parameters writes badly, but it can tell that "travellers who need a bed" is likelier said of "hotel
night" than of "bird seed". So it works as a noisy channel: of each thing that retrieval has found it tells how likely
the demand is, and writes nothing. The common beginning of all texts goes through the model once.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

# What the form of the text is, for a model that was not tuned for it; of no workspace.
EXAMPLES = (
    ("bicycle tools: wrenches, chain oil, tyre levers", "people who mend their own bicycle"),
    ("wedding dresses: veil, bridal gown", "brides to be"),
    ("dinosaur figures: t-rex, triceratops", "kids that are mad about dinosaurs"),
    ("mattresses & pillows: foam mattress, duvet", "those who sleep badly and want a softer bed"),
    ("musical instruments: guitar, piano", "who plays the guitar?"),
)
GIVEN = "Shelf:"


def shelf(thing: str) -> str:
    """How a thing is put to the model, after `GIVEN`."""
    return f" {thing}\nFor:"


def asked_for(demand: str) -> str:
    """How a demand goes on from a thing."""
    return f" {demand}\n"


@dataclass(frozen=True)
class Prefix:
    """A text that went through the model once: its cache, and how many tokens it has."""

    cache: DynamicCache
    length: int


class LanguageModel:
    """Weighs things for a demand.

    Args:
        name: what reports call it.
        model: a decoder, in eval mode.
        tokenizer: its own.
        weight: what a nat of its log likelihood counts, in log odds.
        examples: things with a demand each, which show it the form of the text.
    """

    def __init__(
        self, name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, weight: float,
        examples: Sequence[tuple[str, str]] = EXAMPLES,
    ) -> None:  # fmt: skip
        self.name, self.model, self.tokenizer, self.weight = name, model, tokenizer, weight
        self._body: Any = model.model
        known = inspect.signature(self._body.forward).parameters
        self._cache_name = (
            "cache" if "cache" in known else "past_key_values"
        )  # the older name warns where both are known
        self._shown = self._read("".join(f"{GIVEN}{shelf(t)}{asked_for(d)}\n" for t, d in examples) + GIVEN)

    def adjustments(self, demand: str, things: Sequence[str]) -> np.ndarray:
        """Log odds to be added to those of each thing, up to a constant: weight * log P(demand | thing), float64 (n,).

        Args:
            demand: what customers are like.
            things: n of the workspace, each as `retrieval.described` gives it.
        """
        return self.weight * np.array(self.log_likelihoods(demand, things))

    @torch.inference_mode()
    def log_likelihoods(self, demand: str, things: Sequence[str]) -> list[float]:
        """Log P(demand | thing) for n things, in nats."""
        before, end = [self._ids(shelf(thing)) for thing in things], self._ids(asked_for(demand))
        longest = max(map(len, before)) + len(end)
        ids = torch.full((len(things), longest), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros(len(things), self._shown.length + longest, dtype=torch.int64)
        for i, start in enumerate(before):
            row = [*start, *end]
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : self._shown.length + len(row)] = 1
        cache = copy.deepcopy(self._shown.cache)
        cache.batch_repeat_interleave(len(things))
        states = self._run(ids, cache, mask)
        told = torch.stack([states[i, len(start) - 1 : len(start) + len(end) - 1] for i, start in enumerate(before)])
        log_p = self.model.lm_head(told).log_softmax(-1)  # (n, tokens of the demand, V)
        found: list[float] = log_p.gather(-1, torch.tensor(end).expand(len(things), -1)[..., None]).sum((1, 2)).tolist()
        return found

    @torch.inference_mode()
    def _read(self, text: str) -> Prefix:
        """Put a text through the model once, for all that follow it."""
        ids = self._ids(text)
        cache = DynamicCache(config=self.model.config)
        self._run(torch.tensor([ids]), cache, torch.ones(1, len(ids), dtype=torch.int64))
        return Prefix(cache, len(ids))

    def _run(self, ids: torch.Tensor, cache: DynamicCache, mask: torch.Tensor) -> torch.Tensor:
        past = {self._cache_name: cache}
        states: torch.Tensor = self._body(input_ids=ids, attention_mask=mask, use_cache=True, **past).last_hidden_state
        return states

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids
