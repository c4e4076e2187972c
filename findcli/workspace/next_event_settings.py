"""The table [next_event]: a Transformer over behaviour tokens that predicts the next event (PANTHER, arXiv 2510.10102).

Tested in tests/workspace/test_folder.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_doc import Doc
from annotated_types import Ge, Gt, Le, MinLen

from findcli.workspace.training_settings import Share, Training

TokenField = Literal["source", "channel", "status", "amount", "category", "department", "item", "merchant"]


@dataclass(frozen=True, kw_only=True)
class NextEvent(Training):
    """The table [next_event]: tokens, encoder and training of `findcli pretrain next-event`."""

    fields: Annotated[
        tuple[TokenField, ...], MinLen(1), Doc("what makes a token; a source that lacks one has none of it")
    ] = ("source", "channel", "status", "amount", "category")
    amount_bins: Annotated[int, Ge(1), Le(1_000), Doc("quantile bins of amounts, a source at a time")] = 8
    vocabulary: Annotated[int, Ge(1), Le(1_000_000), Doc("tokens kept, the most frequent")] = 8000
    max_events: Annotated[int, Ge(2), Le(8_192), Doc("events of a user that are read, the last ones")] = 256
    d_model: Annotated[int, Ge(8), Le(16_384), Doc("width")] = 128
    d_field: Annotated[int, Ge(0), Le(1_024), Doc("width of each field's embedding; 0: tokens by number alone")] = 8
    layers: Annotated[int, Ge(1), Le(256), Doc("layers")] = 2
    heads: Annotated[int, Ge(1), Le(256), Doc("attention heads")] = 4
    dropout: Annotated[Share, Doc("dropout")] = 0.2
    sprm: Annotated[
        Literal["depthwise", "released", "none"],
        Doc("motifs beside attention: the paper's dilated convolutions, its code's dense one, or none"),
    ] = "depthwise"
    dilations: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1), Doc("dilations of those convolutions")] = (
        1,
        2,
        4,
        7,
    )
    prototypes: Annotated[int, Ge(1), Le(65_536), Doc("learned motifs that they are matched with")] = 64
    profile: Annotated[
        Literal["position", "first-token", "none"],
        Doc("the profile as of the window's start: added to every event, as a first token, or left out"),
    ] = "position"
    profile_share: Annotated[Share, Doc("its share of an event's vector, where it is added")] = 0.1
    like: Annotated[
        tuple[str, ...], Doc("profile columns in which users are alike, for the contrast between users; empty: none")
    ] = ()
    contrast_weight: Annotated[Share, Doc("weight of that contrast")] = 0.1
    start: Annotated[
        Literal["co-occurrence", "random"],
        Doc("where tokens' vectors begin: at factors of what the same users do, or at random as the paper's"),
    ] = "co-occurrence"
    gaps: Annotated[bool, Doc("whether it reads the time between events")] = True
    repeat: Annotated[
        Literal["apart", "mixed", "none"],
        Doc("events of one's own history: told apart from new ones, as by RepeatNet; mixed into the odds; or neither"),
    ] = "apart"
    negatives: Annotated[
        int, Ge(0), Le(1_000_000), Doc("sampled negatives a step; 0: all tokens up to 20,000, and 512 samples above")
    ] = 0
    epochs: Annotated[float, Gt(0), Le(100_000), Doc("passes over the training windows at most")] = 3.0
    validate_by: Annotated[
        Literal["likelihood", "ranking"],
        Doc("what stops the training: the likelihood of what came next, or NDCG@10, which peaks later"),
    ] = "likelihood"
    validate_every: Annotated[int, Ge(1), Le(10_000_000), Doc("steps between validations")] = 100
    patience: Annotated[int, Ge(1), Le(10_000_000), Doc("validations without progress before the stop")] = 3
    steps: Annotated[int, Ge(0), Le(10_000_000), Doc("optimiser steps at most")] = 5000
    batch_size: Annotated[int, Ge(2), Le(1_000_000), Doc("windows a step")] = 32
    lr: Annotated[float, Gt(0), Doc("peak learning rate")] = 1e-3
