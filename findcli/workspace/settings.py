"""Every setting of a workspace with its default: plain dataclasses, one a table of findcli.toml.

The annotations are the validation (`annotated_types`) and the documentation (`Doc`); `workspace.py` reads both.
This module imports nothing heavy, so that the command line takes its defaults from here.

Tested in tests/workspace/test_folder.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from annotated_doc import Doc
from annotated_types import Ge, Gt, Le, Lt, MinLen

from findcli.workspace.anchor_settings import Qanchor as Qanchor
from findcli.workspace.next_event_settings import NextEvent as NextEvent
from findcli.workspace.privacy_settings import Consent as Consent
from findcli.workspace.privacy_settings import Sensitive as Sensitive
from findcli.workspace.table_form import TableForm, TablePlace
from findcli.workspace.training_settings import SHIPPED as SHIPPED
from findcli.workspace.training_settings import Align as Align
from findcli.workspace.training_settings import Duration as Duration
from findcli.workspace.training_settings import PoolingChoice as PoolingChoice
from findcli.workspace.training_settings import Prompt as Prompt
from findcli.workspace.training_settings import Ranker as Ranker
from findcli.workspace.training_settings import Rewriter as Rewriter
from findcli.workspace.training_settings import Sequence as Sequence
from findcli.workspace.training_settings import Share as Share
from findcli.workspace.training_settings import Tabular as Tabular
from findcli.workspace.training_settings import Text as Text
from findcli.workspace.training_settings import Training as Training

FORMAT = 1
SLOTS = ("department", "category", "item", "merchant", "status", "channel", "text")

Family = Literal["purchase", "browse", "search", "click", "payment", "exposure"]
Instant = datetime  # naive UTC; findcli.toml may also give a date (its midnight) or a time with a zone


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
class Source(TablePlace):
    """One table of events, a [[sources]] entry; the column keys name columns of the table."""

    name: Annotated[str, MinLen(1), Doc("how tasks, aggregates and reports call it")]
    path: Annotated[
        Annotated[str, MinLen(1)] | None,
        Doc("a table's file, a folder or a glob of its parts, relative to this file or at s3://"),
    ] = None
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


Measure = Literal["count", "sum", "mean", "min", "max", "distinct", "active_weeks", "days_since_last", "last"]


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """One dated column computed from a source as of each cutoff, a [[profile.aggregates]] entry."""

    name: Annotated[str, MinLen(1), Doc("the column's name")]
    source: Annotated[str, Doc("the source it is computed from")]
    measure: Annotated[
        Measure, Doc("what is computed over the history window; 'last' is the latest value ever, such as of a country")
    ]
    column: Annotated[str | None, Doc("raw column for sum, mean, min, max, distinct, last")] = None
    within: Annotated[Duration | None, Doc("only the last ... before the cutoff; the whole history when not given")] = (
        None
    )

    @property
    def is_attribute(self) -> bool:
        """Whether it says who a user is, in words, and not how much the user did."""
        return self.measure == "last"


@dataclass(frozen=True, kw_only=True)
class Profile(TablePlace):
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
class Task(TablePlace):
    """Labels for evaluation, a [tasks.NAME] table; never read by training."""

    path: Annotated[Annotated[str, MinLen(1)] | None, Doc("table with a row a user")] = None
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
class Contacts(TableForm):
    """The table [contacts]: how users are reached; read by `findcli export` alone, never by training."""

    path: Annotated[str | None, Doc("a table's file, a folder or a glob of its parts, relative to this file")] = None
    user: Annotated[str, Doc("column of the user id")] = "user_id"
    region: Annotated[
        str | None, Doc("country of phone numbers without a country code, such as 'US', where the row names none")
    ] = None
    email: Annotated[tuple[str, ...], Doc("columns of e-mail addresses, plain or SHA-256; at most three")] = ()
    phone: Annotated[tuple[str, ...], Doc("columns of phone numbers, plain or SHA-256; at most three")] = ()
    first_name: Annotated[str | None, Doc("column of the first name")] = None
    last_name: Annotated[str | None, Doc("column of the last name")] = None
    city: Annotated[str | None, Doc("column of the city")] = None
    state: Annotated[str | None, Doc("column of the state or province")] = None
    zip: Annotated[str | None, Doc("column of the postal code")] = None
    country: Annotated[str | None, Doc("column of the country, two letters such as 'US'")] = None
    madid: Annotated[str | None, Doc("column of the mobile advertising id (GAID or IDFA)")] = None
    handle: Annotated[str | None, Doc("column of the name on X, with or without @")] = None


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
    consent: Consent = field(default_factory=Consent)
    sensitive: Sensitive = field(default_factory=Sensitive)
    split: Split = field(default_factory=Split)
    sentences: Sentences = field(default_factory=Sentences)
    text: Text = field(default_factory=Text)
    sequence: Sequence = field(default_factory=Sequence)
    tabular: Tabular = field(default_factory=Tabular)
    next_event: NextEvent = field(default_factory=NextEvent)
    align: Align = field(default_factory=Align)
    qanchor: Qanchor = field(default_factory=Qanchor)
    ranker: Ranker = field(default_factory=Ranker)
    rewriter: Rewriter = field(default_factory=Rewriter)
    prompt: Prompt = field(default_factory=Prompt)
    contacts: Contacts = field(default_factory=Contacts)
    tasks: dict[str, Task] = field(default_factory=dict)


# What FIND states of its sizes (its section on the implementation); ALBERT's 1024-d form and TabTransformer's own
# depth, heads and width fill in what it leaves to its references.
PAPER_SIZES: dict[str, dict[str, int | float]] = {
    "text": {"d_model": 1024, "layers": 24, "heads": 16},
    "sequence": {"d_model": 1024, "layers": 6, "heads": 16, "lr": 4e-4},
    "tabular": {"d_token": 32, "layers": 6, "heads": 8, "lr": 4e-4},
    "align": {"d_embedding": 1024, "layers": 5, "heads": 16, "lr": 4e-4, "lora_rank": 8},
}
