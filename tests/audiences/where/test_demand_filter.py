"""Demands in the profile's own words: what is offered, and what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findcli.audiences.where.demand_filter import offered_filter
from findcli.audiences.where.filter import parse_filter
from findcli.data.profiles import Column

COLUMNS = [
    Column("gender", "categorical"),
    Column("region", "categorical"),
    Column("two_factor", "categorical"),
    Column("member_tier", "ordered", ("none", "silver", "gold")),
    Column("age", "ordered", ("19-24", "25-34", "65+")),
    Column("spend", "numeric"),
    Column("days since login", "numeric"),
]
VALUES = {"gender": ("female", "male"), "region": ("Old Town", "north side", "o'side"), "two_factor": ("on", "off")}
SPOKEN = ["The user purchased gold jewellery in the old town.", "The user bought tea."]


def offered(demand: str) -> str | None:
    return offered_filter(demand, COLUMNS, values=VALUES, spoken=SPOKEN)


@pytest.mark.parametrize(
    ("demand", "expected"),
    [
        ("Female users with age under 30, who will buy tea", "age < 30 and gender == 'female'"),
        ("people of age 65+ from the North Side.", "age == '65+' and region == 'north side'"),
        ("users of age 25-34", "age == '25-34'"),
        ("users with an age of 20 to 34", "20 <= age <= 34"),
        ("gold member tier users", "member_tier == 'gold'"),
        ("member tier is gold and spend over 1,500", "member_tier == 'gold' and spend > 1500"),
        ("female users who will not buy tea", "gender == 'female'"),
        ("spend 500 or more", "spend >= 500"),
        ("spend up to $1.5k", "spend <= 1500"),
        ("users with two factor on", "two_factor == 'on'"),
        ("region old town", "region == 'Old Town'"),
        ("users from the o'side", 'region == "o\'side"'),
        (
            "male and female users, days since login < 5",
            "`days since login` < 5 and (gender == 'female' or gender == 'male')",
        ),
    ],
)
def test_the_profiles_own_words_become_a_filter(demand: str, expected: str) -> None:
    assert offered(demand) == expected
    parse_filter(expected, COLUMNS)


@pytest.mark.parametrize(
    "demand",
    [
        "users who will buy tea",
        "women under 30",  # neither the column nor the value is named
        "males",
        "users who spend on gold",  # a short value and one of an ordered column need their column's name
        "users who shop in the old town",  # a training sentence says it
        "spend",
        "member tier 3",
        "users with age 30 years or older",
        "users who are not female, age under 30",
        "",
    ],
)
def test_what_the_profile_does_not_say_offers_nothing(demand: str) -> None:
    assert offered(demand) is None


WORDS = (
    "age spend member tier two factor on off gold female male north side days since login old town region under over "
    "30 25-34 65+ 19-24 of is to 5k < > >= $ ' ` , . or more at least not"
)


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS.split(" ")), max_size=12).map(" ".join) | st.text())
def test_what_is_offered_is_a_filter(demand: str) -> None:
    if (filter_text := offered(demand)) is not None:
        assert parse_filter(filter_text, COLUMNS).columns
