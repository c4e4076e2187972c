"""Which sentences come true after each cutoff: facts of future windows, and the predicates with enough support.

A fact is, for one pair and one value of a template's slots, how much of the template's measure the window holds.

Tested in tests/data/test_pairs.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from findcli.data.splits import Names
from findcli.data.templates import Template, round_bound, sentence_text, workspace_templates
from findcli.errors import FindCLIError
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft
from findcli.workspace.settings import SLOTS, Sentences

SAYABLE = "may be named: "


def write_facts(
    workspace: Workspace, draft: Draft, part: str, user_events: pl.DataFrame, pairs: pl.DataFrame, names: Names
) -> None:
    """For each template, write the facts of one partition: pair, slots and total.

    Args:
        workspace: gives templates and windows.
        draft: of the pairs.
        part: the partition's name.
        user_events: all events of its training users before `train_until`, with the users' rows.
        pairs: its pairs.
        names: what no sentence may be about.
    """
    future = parse_duration(workspace.settings.windows.future)
    read = {"user", "source", "time", "amount", *SLOTS}
    rows = user_events.select(name for name in user_events.columns if name in read)
    if "category" in rows.columns:
        rows = rows.filter(~pl.col("category").is_in(names.categories).fill_null(value=False))
    slots = [name for name in rows.columns if name in SLOTS]
    rows = rows.with_columns(_sayable(slot, names).alias(f"{SAYABLE}{slot}") for slot in slots)
    windows = [
        rows.filter((pl.col("time") >= cutoff) & (pl.col("time") < cutoff + future)).join(
            pairs.filter(pl.col("cutoff") == cutoff).select("user", "pair", "cutoff"), on="user", maintain_order="left"
        )
        for cutoff in pairs["cutoff"].unique().sort()
    ]
    window = _Window(rows, pl.concat(windows), pairs)
    for i, template in enumerate(workspace_templates(workspace.settings)):
        window.facts(template).write_parquet(draft.path(f"facts/{i}/{part}"), compression="lz4")


def _sayable(slot: str, names: Names) -> pl.Expr:
    """Whether a sentence may name a slot's value; worked out once for all templates."""
    return pl.col(slot).is_not_null() & ~pl.col(slot).str.to_lowercase().is_in(names.blocked)


@dataclass(frozen=True)
class _Window:
    """The events of one partition.

    Attributes:
        rows: all events that sentences may be about, with whether each slot's value may be named.
        ahead: those in a future window, once for each pair whose window it is.
        pairs: the pairs.
    """

    rows: pl.DataFrame
    ahead: pl.DataFrame
    pairs: pl.DataFrame

    def facts(self, template: Template) -> pl.DataFrame:
        """The facts of one template, sorted: pair, slots, and `total`, null where the measure has none."""
        slots = list(template.slots)
        keys, of_source = ["pair", *slots], pl.col("source") == template.source
        for slot in slots:
            of_source = of_source & pl.col(f"{SAYABLE}{slot}")
        # Lazily, so that only the columns that it needs are gathered.
        measured = {"amount": ["amount"], "distinct": [str(template.counted)]}.get(template.measure, ["time"])
        needed = dict.fromkeys([*keys, "user", "cutoff", *measured])
        matching = self.ahead.lazy().filter(of_source).select(*needed).collect()
        if template.bounded:
            return matching.group_by(keys).agg(total=_total(template)).sort(keys)
        if template.measure == "first":
            met = self.rows.lazy().filter(of_source).group_by("user", *slots).agg(met=pl.col("time").min()).collect()
            matching = matching.join(met, on=["user", *slots]).filter(pl.col("met") >= pl.col("cutoff"))
        if template.measure == "none":
            matching = self.pairs.join(matching, on="pair", how="anti")
        return matching.select(keys).unique().with_columns(total=pl.lit(None, pl.Float64)).sort(keys)


def _total(template: Template) -> pl.Expr:
    """The measure of the events of one pair and slot value."""
    if template.measure == "amount":
        return pl.col("amount").sum()
    counted = pl.col("time") if template.measure == "count" else pl.col(str(template.counted)).str.to_lowercase()
    return counted.drop_nulls().n_unique().cast(pl.Float64)


def choose_sentences(workspace: Workspace, draft: Draft, *, n_pairs: int) -> pl.DataFrame:
    """Choose the predicates to keep: sentence (row), rendered, family, template, source, slots, bound, support.

    Raises:
        FindCLIError: no sentence has enough support.
    """
    settings = workspace.settings.sentences
    frames = []
    for i, template in enumerate(workspace_templates(workspace.settings)):
        facts = pl.scan_parquet(sorted((draft.folder / f"facts/{i}").glob("*.parquet")), glob=False)
        values = _bounds(facts, template, settings) if template.bounded else _supports(facts, template)
        enough = values.filter(pl.col("support").is_between(settings.min_support, settings.max_share * n_pairs))
        best = enough.sort("support", *template.slots, descending=[True] + [False] * len(template.slots)).head(
            settings.max_per_template
        )
        frames.append(
            best.with_columns(
                rendered=sentence_text(template),
                family=pl.lit(template.family),
                template=pl.lit(i, pl.Int32),
                source=pl.lit(template.source),
            )
        )
    predicates = pl.concat(frames, how="diagonal_relaxed")
    if predicates.is_empty():
        hint = "lower min_support in [sentences], or check that the sources have events after the first cutoff"
        raise FindCLIError(f"no sentence is true of at least {settings.min_support} (user, cutoff) pairs", hint=hint)
    sentences = predicates.select("rendered").unique().sort("rendered").with_row_index("sentence")
    missing = [pl.lit(None, pl.String).alias(slot) for slot in SLOTS if slot not in predicates.columns]
    order = ["sentence", "rendered", "family", "template", "source", *SLOTS, "bound", "support"]
    return (
        predicates.with_columns(missing)
        .join(sentences, on="rendered")
        .select(order)
        .sort("sentence", "template", *SLOTS, "bound")
    )


def _supports(facts: pl.LazyFrame, template: Template) -> pl.DataFrame:
    keys = list(template.slots)
    counted = facts.group_by(keys).agg(support=pl.len()) if keys else facts.select(support=pl.len())
    return counted.with_columns(bound=pl.lit(None, pl.Float64)).collect()


def _bounds(facts: pl.LazyFrame, template: Template, settings: Sentences) -> pl.DataFrame:
    """The lower bounds of each slot value: quantiles of its totals as round numbers, or numbers of times."""
    keys = list(template.slots)
    totals = facts.filter(pl.col("total") > 0).with_columns(pl.lit(0).alias("all"))
    if template.measure == "count":
        least = [pl.lit(float(count)) for count in settings.counts]
    else:
        least = [round_bound(pl.col("total").quantile(q)) for q in settings.amounts]
    if template.measure == "distinct":
        least = [bound.round(0).clip(lower_bound=2) for bound in least]
    bounds = [totals.group_by([*keys, "all"]).agg(bound=bound, totals=pl.col("total")) for bound in least]
    frame = pl.concat(bounds).filter(pl.col("bound") > 0).unique([*keys, "bound"], keep="first")
    counted = frame.explode("totals").filter(_reaches(template, "totals")).group_by([*keys, "bound"])
    return counted.agg(support=pl.len()).collect()


def _reaches(template: Template, total: str) -> pl.Expr:
    """Whether a total reaches the bound: a sum is above it, a number at least it."""
    return pl.col(total) > pl.col("bound") if template.measure == "amount" else pl.col(total) >= pl.col("bound")


def incidence(workspace: Workspace, draft: Draft, predicates: pl.DataFrame, parts: list[str]) -> pl.DataFrame:
    """Every true (pair, sentence), once, in order."""
    frames = []
    for part in parts:
        true = []
        for i, template in enumerate(workspace_templates(workspace.settings)):
            kept = predicates.filter(pl.col("template") == i).select("sentence", "bound", *template.slots).lazy()
            facts = pl.scan_parquet(draft.folder / f"facts/{i}/{part}", glob=False)
            keys = list(template.slots)
            joined = facts.join(kept, on=keys) if keys else facts.join(kept, how="cross")
            holds = _reaches(template, "total") if template.bounded else pl.lit(value=True)
            true.append(joined.filter(holds).select("pair", "sentence"))
        frames.append(pl.concat(true).unique().sort("pair", "sentence").collect())
    return pl.concat(frames)
