"""The vocabulary of a workspace: every sentence of a single event, with the names that demands are matched against.

A sentence's words say little about what it covers ("The user purchased hispanic."); the items sold under a category's
name say more. So each sentence keeps the names in its events: the category above it, and the items below.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

import polars as pl

from findcli.data import events
from findcli.data.templates import Template, sentence_text, workspace_templates
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run
from findcli.workspace.settings import SLOTS

MOST_ITEMS = 40
NAMES = ("department", "category", "item")
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "text": pl.String, "family": pl.String, "level": pl.String, "name": pl.String, "names": pl.List(pl.String),
    "events": pl.Int64, "category": pl.String, "items": pl.List(pl.String),
}  # fmt: skip


def build_vocabulary(workspace: Workspace, log: Run, as_of: datetime, history: timedelta) -> pl.DataFrame:
    """Build the vocabulary of the events in [as_of - history, as_of); see `vocabulary_of`."""
    parts = (events.read_part(log, part, before=as_of) for part in events.parts(log))
    return vocabulary_of(workspace, [count_named(part, as_of, history) for part in parts])


def count_named(log: pl.DataFrame, as_of: datetime, history: timedelta) -> pl.DataFrame:
    """Count each combination of names in [as_of - history, as_of): source, slots, events.

    Args:
        log: events before `as_of`.
        as_of: the cutoff.
        history: length of the window.
    """
    slots = [name for name in SLOTS if name in log.columns]
    recent = log.filter(pl.col("time") >= as_of - history)
    return recent.group_by("source", *slots).agg(events=pl.len().cast(pl.Int64))


def vocabulary_of(workspace: Workspace, counts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The sentences that counted events make true, sorted by text.

    Args:
        workspace: gives the templates.
        counts: of `count_named`, one table per partition.

    Returns:
        text; family; level (the slot it names, "" for none); name (the value of that slot, or the sentence without its
        subject); names (of all slots through which events make this text true); events (how many); category (the one
        above an item, null otherwise); items (the most frequent below a category or department). Sentences with
        several slots, such as a category and a payment status, are left out, since simpler sentences cover their parts.
    """
    slots = [name for name in SLOTS if name in counts[0].columns]
    named = pl.concat(counts).group_by("source", *slots).agg(pl.col("events").sum())
    frames = []
    for source, templates in groupby(workspace_templates(workspace.settings), key=lambda template: template.source):
        of_source = named.filter(pl.col("source") == source)
        for template in templates if len(of_source) else ():
            if template.measure == "any" and len(template.slots) <= 1:
                frames.append(_sentences(of_source, template, subject=workspace.settings.workspace.subject))
    return _merged(pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMA))


def _sentences(named: pl.DataFrame, template: Template, *, subject: str) -> pl.DataFrame:
    """The sentences of one template, one row each."""
    level = template.slots[0] if template.slots else ""
    plain = template.text.removeprefix(f"The {subject} ").removesuffix(".")
    lower = {name: pl.col(name).str.to_lowercase() for name in NAMES if name in named.columns}
    rows = named.select(
        "events",
        text=sentence_text(template),
        name=pl.col(level).str.to_lowercase() if level else pl.lit(plain),
        category=lower.get("category", pl.lit(None, pl.String)),
        item=lower.get("item", pl.lit(None, pl.String)),
    ).drop_nulls("text")
    below = (
        rows.drop_nulls("item").group_by("text", "item").agg(pl.col("events").sum())
        .sort("text", "events", "item", descending=[False, True, False])
        .group_by("text", maintain_order=True).agg(items=pl.col("item").head(MOST_ITEMS))
    )  # fmt: skip
    above = (
        rows.drop_nulls("category").group_by("text", "category").agg(pl.col("events").sum())
        .sort("text", "events", "category", descending=[False, True, False])
        .group_by("text", maintain_order=True).agg(pl.col("category").first())
    )  # fmt: skip
    each = rows.group_by("text").agg(pl.col("name").first(), pl.col("events").sum())
    wide, particular = level in ("department", "category"), level == "item"
    each = each.join(below, on="text", how="left").join(above, on="text", how="left")
    return each.select(
        "text", pl.lit(template.family).alias("family"), pl.lit(level).alias("level"), "name",
        pl.concat_list("name").alias("names"), "events",
        (pl.col("category") if particular else pl.lit(None, pl.String)).alias("category"),
        (pl.col("items") if wide else pl.lit(None, pl.List(pl.String))).fill_null([]).alias("items"),
    )  # fmt: skip


def _merged(sentences: pl.DataFrame) -> pl.DataFrame:
    """One row per text; if an item and a category share a name, the category wins."""
    order = {level: i for i, level in enumerate(("category", "", "channel", "status", "merchant", "item", "text"))}
    rank = pl.col("level").replace_strict(order, default=len(order), return_dtype=pl.Int64)
    return (
        sentences.with_columns(_order=rank)
        .sort("text", "_order", "family")
        .group_by("text", maintain_order=True)
        .agg(
            pl.col("family", "level", "name").first(), pl.col("names").explode().unique().sort(),
            pl.col("events").max(), pl.col("category").first(), pl.col("items").list.explode().unique().sort(),
        )
        .with_columns(pl.col("items").list.drop_nulls().list.head(MOST_ITEMS))
        .select(list(SCHEMA))
    )  # fmt: skip
