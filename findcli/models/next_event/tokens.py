"""A closed vocabulary of behaviour tokens: one number per combination of an event's fields (PANTHER, "Tokens").

A token is such as (source, channel, status, amount bin, category). The most frequent combinations of training users
before `train_until` are kept. Any other event is read as its (source, category), or its source, or as unknown: such
stand-ins are inputs only, never what is predicted. Amounts are cut at quantiles of each source.

Legend: V tokens that can be predicted, W all that can be read: unknown, the V, and the stand-ins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from findcli.errors import FindCLIError
from findcli.workspace.runs import Draft, Run

UNKNOWN = 0  # the input of an event without a token or a stand-in; tokens begin at 1
STAND_INS = (("source", "category"), ("source",))
SILENT = 3
BIN = "amount"


@dataclass(frozen=True)
class AmountBins:
    """Inner edges of the amount bins of each source; an amount is in the bin whose number of edges it reaches."""

    edges: dict[str, list[float]]

    @classmethod
    def fit(cls, amounts: pl.DataFrame, *, bins: int) -> AmountBins:
        """Cut the amounts of each source at quantiles.

        Args:
            amounts: `source` and `amount`, of training users before `train_until`.
            bins: at most; fewer where quantiles coincide.
        """
        edges = {}
        for (source,), group in amounts.drop_nulls().group_by("source"):
            values = group["amount"].to_numpy()
            values = values[np.isfinite(values)]
            if len(values):
                cuts = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
                edges[str(source)] = [float(cut) for cut in cuts if cut > values.min()]
        return cls(dict(sorted(edges.items())))

    def number(self, events: pl.DataFrame) -> pl.Series:
        """The bin of each event, as text from "0"; null without an amount or without bins of its source."""
        bins = np.full(len(events), -1)
        amounts = events["amount"].cast(pl.Float64).to_numpy()
        sources = events["source"].cast(pl.String).to_numpy()
        for source, cuts in self.edges.items():
            rows = (sources == source) & np.isfinite(amounts)
            bins[rows] = np.searchsorted(cuts, amounts[rows], side="right")
        numbers = pl.Series(BIN, bins)
        return numbers.replace(-1, None).cast(pl.String)


@dataclass(frozen=True)
class Vocabulary:
    """The tokens.

    Attributes:
        table: a row per token and stand-in: the fields as text (null: none), `count` among training events, and
            `level`, 0 for a token, 1 for a (source, category), 2 for a source, 3 for a combination that is only
            read. Tokens come first, the most frequent first. Row r is input r + 1.
        bins: of amounts; None where no field is an amount.
        events: how many training events there were.
    """

    table: pl.DataFrame
    bins: AmountBins | None
    events: int

    @property
    def fields(self) -> list[str]:
        """What makes a token."""
        return [name for name in self.table.columns if name not in ("count", "level")]

    @cached_property
    def size(self) -> int:
        """V."""
        return int((self.table["level"] == 0).sum())

    @property
    def inputs(self) -> int:
        """W, the unknown included."""
        return len(self.table) + 1

    @property
    def counts(self) -> np.ndarray:
        """How often training users did each token: int64 (V,)."""
        return self.table["count"].head(self.size).to_numpy().astype(np.int64)

    @property
    def coverage(self) -> float:
        """The share of training events that are tokens of their own."""
        return float(self.counts.sum() / max(1, self.events))

    @classmethod
    def fit(
        cls, counted: pl.DataFrame, bins: AmountBins | None, *, most: int, silent: Collection[str] = ()
    ) -> Vocabulary:
        """Keep the most frequent combinations.

        Args:
            counted: a column per field, as `combinations` names them, and `count`.
            bins: of amounts.
            most: tokens kept at most.
            silent: sources whose events are read and never predicted, such as messages that were sent.

        Raises:
            FindCLIError: there is no event.
        """
        quiet = pl.col("source").is_in(list(silent)) if silent and "source" in counted.columns else pl.lit(False)
        unpredicted = counted.filter(quiet).sort(pl.all())
        counted = counted.filter(~quiet)
        if counted.is_empty():
            hint = "name fields that your sources have, in [next_event]"
            raise FindCLIError("no training event has a token", hint=hint)
        fields = [name for name in counted.columns if name != "count"]
        ordered = counted.sort("count", *fields, descending=[True, *[False] * len(fields)], nulls_last=True)
        tables = [ordered.head(most).with_columns(level=pl.lit(0, pl.Int8))]
        for level, kept in enumerate(STAND_INS, 1):
            present = [name for name in kept if name in fields]
            if present == list(kept) and present != fields:
                sums = ordered.group_by(present).agg(pl.col("count").sum()).drop_nulls()
                sums = sums.sort("count", *present, descending=[True, *[False] * len(present)])
                blank = [pl.lit(None, pl.String).alias(name) for name in fields if name not in present]
                tables.append(sums.with_columns(*blank, level=pl.lit(level, pl.Int8)).select(tables[0].columns))
        tables.append(unpredicted.head(most).with_columns(level=pl.lit(SILENT, pl.Int8)).select(tables[0].columns))
        return cls(pl.concat(tables), bins, int(counted["count"].sum()))

    def read(self, events: pl.DataFrame) -> np.ndarray:
        """The input of each event: int32 (E,), `UNKNOWN` where there is neither token nor stand-in."""
        keys = combinations(events, self.fields, self.bins)
        numbered = self.table.with_row_index("input", offset=UNKNOWN + 1)
        columns = []
        for level in (0, SILENT, 1, 2):
            of_level = numbered.filter(pl.col("level") == level)
            whole = level in (0, SILENT)
            on = self.fields if whole else list(STAND_INS[level - 1])
            if len(of_level):
                kept = of_level.select(*on, "input")
                joined = keys.join(kept, on=on, how="left", nulls_equal=whole, maintain_order="left")
                columns.append(joined["input"].alias(str(level)))
        best = pl.DataFrame(columns).select(pl.coalesce(pl.all()).fill_null(UNKNOWN)).to_series()
        return best.cast(pl.Int32).to_numpy()

    def field_codes(self) -> tuple[np.ndarray, list[int]]:
        """Each input's fields as numbers, 0 for none: int64 (W, F), and how many numbers each field has."""
        codes, sizes = [], []
        for name in self.fields:
            values = self.table[name].drop_nulls().unique().sort()
            code = self.table[name].replace_strict(values, range(1, len(values) + 1), default=0, return_dtype=pl.Int64)
            codes.append(np.concatenate([[0], code.fill_null(0).to_numpy()]))
            sizes.append(len(values) + 1)
        return np.stack(codes, 1).astype(np.int64), sizes

    def words(self) -> list[str]:
        """Each token in words, such as "bills, app, paid, 10-25, phones": (V,)."""
        rows = self.table.head(self.size).select(self.fields).iter_rows(named=True)
        return [", ".join(self._word(row, name) for name in self.fields if row[name] is not None) for row in rows]

    def _word(self, row: dict[str, Any], name: str) -> str:
        if name != BIN or self.bins is None:
            return str(row[name])
        cuts, place = self.bins.edges.get(str(row.get("source")), []), int(row[name])
        if not cuts:
            return "any amount"
        if place == 0:
            return f"below {cuts[0]:.4g}"
        return f"{cuts[place - 1]:.4g} or more" if place == len(cuts) else f"{cuts[place - 1]:.4g}-{cuts[place]:.4g}"

    def save(self, draft: Draft, under: str = "") -> None:
        """Write `tokens.parquet` and `bins.json`, in a folder such as "next_event/"."""
        draft.table(f"{under}tokens.parquet", self.table)
        draft.json(
            f"{under}bins.json", {"edges": None if self.bins is None else self.bins.edges, "events": self.events}
        )

    @classmethod
    def load(cls, run: Run, under: str = "") -> Vocabulary:
        """Read what `save` wrote."""
        plain = run.json(f"{under}bins.json")
        bins = None if plain["edges"] is None else AmountBins(plain["edges"])
        return cls(run.table(f"{under}tokens.parquet"), bins, plain["events"])


def combinations(events: pl.DataFrame, fields: Sequence[str], bins: AmountBins | None) -> pl.DataFrame:
    """The fields of each event as text, in the order of the events; null where its source has none."""
    columns = []
    for name in fields:
        if name == BIN and bins is not None and "amount" in events.columns:
            columns.append(bins.number(events))
        elif name == BIN or name not in events.columns:
            columns.append(pl.Series(name, [None], pl.String).new_from_index(0, len(events)))
        else:
            columns.append(events[name].cast(pl.String))
    return pl.DataFrame(columns)


def fit_vocabulary(
    parts: Iterable[pl.DataFrame], fields: Sequence[str], *, amount_bins: int, most: int, silent: Collection[str] = ()
) -> Vocabulary:
    """Learn bins and tokens from events, read twice, a part at a time.

    Args:
        parts: training users' events before `train_until`; can be iterated twice.
        fields: what makes a token.
        amount_bins: quantile bins of amounts.
        most: tokens kept at most.
        silent: sources whose events are never predicted.

    Raises:
        FindCLIError: there is no event.
    """
    bins = None
    if BIN in fields:
        amounts = [part.select("source", "amount") for part in parts if "amount" in part.columns]
        bins = AmountBins.fit(pl.concat(amounts), bins=amount_bins) if amounts else None
    counts = [combinations(part, fields, bins).group_by(fields).len("count") for part in parts]
    counted = pl.concat(counts).group_by(fields).agg(pl.col("count").sum())
    named = counted.filter(pl.any_horizontal(pl.all().exclude("count").is_not_null()))
    return Vocabulary.fit(named, bins, most=most, silent=silent)
