"""The table [qanchor] of findcli.toml: the user tower of Query-as-Anchor.

Tested in tests/models/anchor/test_tower.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_doc import Doc
from annotated_types import Ge, Gt, Le, MinLen

from findcli.workspace.training_settings import Share, Training

MaskChoice = Literal["causal", "hybrid", "bidirectional", "scheduler", "ggsm"]
CONTINUING = ("causal", "hybrid")  # masks under which a next token cannot be seen before it is predicted
Negatives = Literal["user-text", "user-user", "text-user", "text-text"]


@dataclass(frozen=True, kw_only=True)
class Qanchor(Training):
    """The table [qanchor]: a decoder that reads a user and answers a question that stands last."""

    decoder: Annotated[str, MinLen(1), Doc("'scratch', or a decoder-only model by folder, package or hub id")] = (
        "scratch"
    )
    layers: Annotated[
        int, Ge(0), Le(256), Doc("layers of the scratch decoder, or the first so many of a named one; 0: all")
    ] = 2
    d_model: Annotated[int, Ge(8), Le(16_384), Doc("scratch: width")] = 128
    heads: Annotated[int, Ge(1), Le(256), Doc("scratch: attention heads")] = 4
    key_value_heads: Annotated[int, Ge(1), Le(256), Doc("scratch: heads of keys and values; few keep caches small")] = 1
    d_embedding: Annotated[int, Ge(8), Le(16_384), Doc("width of users' and sentences' vectors")] = 128
    events: Annotated[int, Ge(1), Le(4_096), Doc("event tokens a user: distinct texts by recency-weighted count")] = 48
    mask: Annotated[MaskChoice, Doc("which later events an event sees: none ('causal'), all, or more step by step")] = (
        "causal"
    )
    mask_warmup: Annotated[Share, Doc("ggsm: share of the steps in which gradients say where the mask opens")] = 0.1
    mask_settled: Annotated[Share, Doc("scheduler, ggsm: share of the steps, the last, that train fully open")] = 0.1
    mask_floor: Annotated[float, Gt(0), Le(1), Doc("scheduler, ggsm: the smallest openness")] = 1e-4
    mask_curve: Annotated[float, Gt(0), Doc("scheduler, ggsm: openness is the share of the way to this power")] = 3.0
    paper_exact: Annotated[bool, Doc("ggsm: the paper's own form, in which gradients guide nothing")] = False
    negatives: Annotated[tuple[Negatives, ...], MinLen(1), Doc("whom a user and an answer are told apart from")] = (
        "user-text",
        "user-user",
        "text-user",
    )
    margin: Annotated[float, Ge(0), Doc("negatives more alike than the positive by this much do not count")] = 0.1
    temperature: Annotated[float, Gt(0), Doc("of the contrast")] = 0.07
    contrast_weight: Annotated[float, Ge(0), Doc("weight of the contrast")] = 1.0
    head_weight: Annotated[float, Ge(0), Doc("weight of log loss and of ranking users within a question")] = 1.0
    ntp_weight: Annotated[float, Ge(0), Doc("weight of predicting an answer's words; needs a named decoder")] = 0.0
    lora_rank: Annotated[int, Ge(0), Le(1_024), Doc("rank of a named decoder's LoRA; 0 freezes it")] = 16
    lora_alpha: Annotated[int, Ge(1), Le(65_536), Doc("LoRA's alpha")] = 32
    questions: Annotated[int, Ge(1), Le(1_000_000), Doc("questions a step")] = 24
    patience: Annotated[int, Ge(1), Le(10_000_000), Doc("validations without progress before the stop")] = 4
    validate_every: Annotated[int, Ge(1), Le(10_000_000), Doc("steps between validations")] = 50
    steps: Annotated[int, Ge(0), Le(10_000_000), Doc("optimiser steps at most")] = 300
    batch_size: Annotated[int, Ge(2), Le(1_000_000), Doc("users a step")] = 96
    lr: Annotated[float, Gt(0), Doc("peak learning rate")] = 2e-3
