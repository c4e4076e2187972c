"""A language model's say on which sentence a demand means: likelihoods of what retrieval has found, never free text.

A model of 135 M parameters writes badly, but it can tell whether "aspirin" goes on from "people with a headache buy".
So its output is checked by construction: it only weighs names of the workspace. Two directions are read, what such
customers buy and who buys such a thing; the common beginning of all texts goes through the model once.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

EXAMPLES = (
    ("people who mend their own bicycle", "bicycle tools"),
    ("brides to be", "wedding dresses"),
    ("kids that are mad about dinosaurs", "dinosaur figures"),
    ("those who sleep badly and want a softer bed", "mattresses & pillows"),
    ("who plays the guitar?", "musical instruments"),
)
ANYONE = "customers"


@dataclass(frozen=True)
class Prefix:
    """A text that went through the model once: its cache, and how many tokens it has."""

    cache: DynamicCache
    length: int


class NameScorer:
    """Weighs names by a language model.

    Args:
        model: a decoder, in eval mode.
        tokenizer: its own.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model, self.tokenizer = model, tokenizer
        wanted = "".join(f"Customers: {demand}\nThey want: {name}\n\n" for demand, name in EXAMPLES)
        asked = "".join(f"Product: {name}\nWho wants it: {demand}\n\n" for demand, name in EXAMPLES)
        self._wanted, self._asked = self.read(wanted + "Customers:"), self.read(asked + "Product:")
        self._blank: dict[str, float] = {}

    @torch.no_grad()
    def read(self, text: str) -> Prefix:
        """Put a text through the model once, for all that follow it."""
        ids = self._ids(text)
        cache = DynamicCache(config=self.model.config)
        self.model.model(input_ids=torch.tensor([ids]), past_key_values=cache, use_cache=True)
        return Prefix(cache, len(ids))

    def log_likelihoods(self, demand: str, names: Sequence[str]) -> np.ndarray:
        """What the model says of each name, float64 (n, 2).

        Args:
            demand: what customers are like.
            names: n names of the workspace.

        Returns:
            log P(name | demand) - log P(name | anyone), and log P(demand | name).
        """
        missing = [name for name in dict.fromkeys(names) if name not in self._blank]
        if missing:
            self._blank |= dict(zip(missing, self._names_after(ANYONE, missing), strict=True))
        given = np.array(self._names_after(demand, names))
        blank = np.array([self._blank[name] for name in names])
        asked = self.continued(
            self._asked, [f" {name}\nWho wants it:" for name in names], [f" {demand}\n"] * len(names)
        )
        return np.stack([given - blank, np.array(asked)], axis=1)

    def _names_after(self, demand: str, names: Sequence[str]) -> list[float]:
        longer = self.extended(self._wanted, f" {demand}")
        return self.continued(longer, ["\nThey want:"] * len(names), [f" {name}\n" for name in names])

    @torch.no_grad()
    def extended(self, prefix: Prefix, text: str) -> Prefix:
        """A prefix with more text after it; the first stays as it is."""
        ids = self._ids(text)
        cache = copy.deepcopy(prefix.cache)
        self.model.model(input_ids=torch.tensor([ids]), past_key_values=cache, use_cache=True)
        return Prefix(cache, prefix.length + len(ids))

    @torch.no_grad()
    def continued(self, prefix: Prefix, contexts: Sequence[str], ends: Sequence[str]) -> list[float]:
        """Log P(end | prefix, context) of n pairs, in nats."""
        before, after = [self._ids(text) for text in contexts], [self._ids(text) for text in ends]
        # The token before the first of an end predicts it, so no context may be empty.
        rows = [context + end for context, end in zip(before, after, strict=True)]
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros(len(rows), prefix.length + longest, dtype=torch.int64)
        mask[:, : prefix.length] = 1
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, prefix.length : prefix.length + len(row)] = 1
        cache = copy.deepcopy(prefix.cache)
        cache.batch_repeat_interleave(len(rows))
        hidden = self.model.model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True)
        found = []
        for i, (context, end) in enumerate(zip(before, after, strict=True)):
            states = hidden.last_hidden_state[i, len(context) - 1 : len(context) + len(end) - 1]
            log_p = self.model.lm_head(states).log_softmax(-1)
            found.append(float(log_p[torch.arange(len(end)), torch.tensor(end)].sum()))
        return found

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids
