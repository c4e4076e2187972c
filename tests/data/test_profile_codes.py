"""Profile values as codes."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from findcli.data.profile_codes import FIRST_VALUE, MISSING, ProfileCodes
from findcli.data.profiles import Column

NUMBERS = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=40)


@given(NUMBERS, NUMBERS, st.integers(2, 8))
def test_a_number_lies_between_its_knot_and_the_next(
    fitted: list[float | None], values: list[float | None], bins: int
) -> None:
    codes = ProfileCodes.fit(
        pl.DataFrame({"x": pl.Series(fitted, dtype=pl.Float64)}), [Column("x", "numeric")], bins=bins
    )
    found, fractions = codes.encode(pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)}))
    knots = np.array(codes.columns[0].knots)
    assert ((fractions >= 0) & (fractions < 1)).all()
    for value, code in zip(values, found[:, 0], strict=True):
        if value is None or not len(knots):
            assert code == MISSING
        else:
            inside = np.clip(value, knots[0], knots[-1])
            assert code == FIRST_VALUE + (knots <= inside).sum() - 1
            assert code < codes.cardinalities[0]


def test_a_value_never_seen_is_missing_and_codes_survive_json() -> None:
    train = pl.DataFrame({"city": ["b", "a", "b", None], "tier": ["low", None, "low", "low"]})
    fitted = ProfileCodes.fit(
        train, [Column("city", "categorical"), Column("tier", "ordered", ("low", "high"))], bins=2
    )
    codes = ProfileCodes.from_json(fitted.to_json())
    assert codes == fitted
    new = pl.DataFrame({"city": ["a", "b", "z", None], "tier": ["high", "low", "middle", None]})
    assert codes.encode(new)[0].T.tolist() == [[3, 2, 0, 0], [3, 2, 0, 0]]
    assert codes.encode(new.drop("tier"))[0][:, 1].tolist() == [MISSING] * 4
