"""The closed vocabulary: what is kept, how the rest is read, and how amounts are cut."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from findcli.errors import FindCLIError
from findcli.models.next_event.tokens import UNKNOWN, AmountBins, Vocabulary, fit_vocabulary

FIELDS = ["source", "amount", "category"]


def events(*rows: tuple[str, float | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"source": pl.String, "amount": pl.Float64, "category": pl.String}, orient="row")


SHOP = events(
    *[("bills", float(i), "tea") for i in range(1, 9)], ("bills", 100.0, "soap"), *[("clicks", None, "tea")] * 3
)


def test_the_most_frequent_are_tokens_and_coverage_counts_their_events() -> None:
    vocabulary = fit_vocabulary([SHOP], FIELDS, amount_bins=2, most=2)
    assert vocabulary.size == 2
    assert vocabulary.counts.tolist() == [4, 4]
    assert vocabulary.coverage == pytest.approx(8 / 12)


def test_another_event_is_read_as_its_category_then_as_its_source_then_as_unknown() -> None:
    vocabulary = fit_vocabulary([SHOP], FIELDS, amount_bins=2, most=100)
    known, other_bin, no_category, elsewhere = vocabulary.read(
        events(("bills", 1.0, "tea"), ("bills", 1.0, "soap"), ("bills", 1.0, "bread"), ("visits", None, "tea"))
    )
    assert 1 <= known <= vocabulary.size
    assert vocabulary.table["level"][int(other_bin) - 1] == 1
    assert vocabulary.table["level"][int(no_category) - 1] == 2
    assert elsewhere == UNKNOWN


def test_messages_that_were_sent_are_read_and_are_no_tokens() -> None:
    vocabulary = fit_vocabulary([SHOP], FIELDS, amount_bins=2, most=100, silent=["clicks"])
    (sent,) = vocabulary.read(events(("clicks", None, "tea")))
    assert sent > vocabulary.size
    assert vocabulary.coverage == 1


def test_amounts_are_cut_at_quantiles_of_their_own_source() -> None:
    amounts = pl.DataFrame({"source": ["a"] * 4 + ["b"] * 4, "amount": [1.0, 2, 3, 4, 100, 200, 300, 400]})
    bins = AmountBins.fit(amounts, bins=2)
    asked = pl.DataFrame({"source": ["a", "a", "b", "b", "c", "a"], "amount": [1.0, 4, 100, 400, 1, None]})
    assert bins.number(asked).to_list() == ["0", "1", "0", "1", None, None]


def test_words_name_the_fields_and_the_bounds_of_the_amount() -> None:
    vocabulary = fit_vocabulary([SHOP], FIELDS, amount_bins=2, most=100)
    words = vocabulary.words()
    assert "bills, below 5, tea" in words
    assert "clicks, tea" in words


def test_field_codes_tell_fields_apart_and_stand_ins_lack_some() -> None:
    vocabulary = fit_vocabulary([SHOP], FIELDS, amount_bins=2, most=100)
    codes, sizes = vocabulary.field_codes()
    assert codes.shape == (vocabulary.inputs, 3)
    assert (codes[0] == 0).all()
    assert (codes.max(0) < np.array(sizes)).all()


def test_no_event_is_refused() -> None:
    with pytest.raises(FindCLIError, match="no training event"):
        Vocabulary.fit(pl.DataFrame(schema={"source": pl.String, "count": pl.UInt32}), None, most=5)
