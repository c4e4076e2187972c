"""What a demand says exactly of people becomes a filter and leaves the demand; what it may say is offered."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findcli.audiences.where.filter import parse_filter
from findcli.audiences.where.profile_words import offered_filter, read_profile
from findcli.data.profiles import Column

COLUMNS = [
    Column("gender", "categorical"),
    Column("country", "categorical"),
    Column("age", "ordered", ("19-24", "25-34", "65+")),
    Column("tier", "ordered", ("basic", "silver", "gold")),
    Column("home", "categorical"),
]
VALUES = {
    "gender": ("female", "male"),
    "country": ("United Kingdom", "France", "Germany", "Spain"),
    "home": ("Homeowner", "Renter"),
}
SPOKEN = ["The user purchased wall clock french blue.", "The user purchased gold jewellery."]


@pytest.mark.parametrize(
    ("demand", "expected", "rest"),
    [
        ("customers from France", "country == 'France'", "customers"),
        ("women under 30 who buy tea", "gender == 'female' and age < 30", "customers who buy tea"),
        ("German customers who will buy tea", "country == 'Germany'", "customers who will buy tea"),
        ("british shoppers", "country == 'United Kingdom'", "shoppers"),
        ("will buy tea, from the United Kingdom", "country == 'United Kingdom'", "customers will buy tea,"),
        ("customers in Spain or France", "country == 'Spain' or country == 'France'", "customers"),
        (
            "customers not from France or Spain who buy tea",
            "country != 'France' and country != 'Spain'",
            "customers who buy tea",
        ),
        ("gold members who buy wine", "tier == 'gold'", "members who buy wine"),
        ("renters who buy wine", "home == 'Renter'", "customers who buy wine"),
        ("shoppers aged 65+ who buy tea", "age == '65+'", "shoppers who buy tea"),
        ("adults over 40", "age > 40", "adults"),
    ],
)
def test_what_is_exact_is_taken_out(demand: str, expected: str, rest: str) -> None:
    read = read_profile(demand, COLUMNS, values=VALUES, spoken=SPOKEN)
    assert (read.filter, " ".join(read.rest.split())) == (expected, rest)
    parse_filter(expected, COLUMNS)


@pytest.mark.parametrize(
    "demand",
    ["gold jewellery", "french wall clock", "men's shoes", "shoes for women", "spend over 50 dollars", "tea", ""],
)
def test_what_may_be_said_of_things_stays(demand: str) -> None:
    read = read_profile(demand, COLUMNS, values=VALUES, spoken=SPOKEN)
    assert (read.filter, read.rest) == (None, demand)


ATTRIBUTES = [
    Column("gender", "categorical"),
    Column("region", "categorical"),
    Column("two_factor", "categorical"),
    Column("member_tier", "ordered", ("none", "silver", "gold")),
    Column("age", "ordered", ("19-24", "25-34", "65+")),
    Column("spend", "numeric"),
    Column("days since login", "numeric"),
]
KNOWN = {"gender": ("female", "male"), "region": ("Old Town", "north side", "o'side"), "two_factor": ("on", "off")}
SENTENCES = ["The user purchased gold jewellery in the old town.", "The user bought tea."]


def offered(demand: str) -> str | None:
    return offered_filter(demand, ATTRIBUTES, values=KNOWN, spoken=SENTENCES)


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
    parse_filter(expected, ATTRIBUTES)


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
        assert parse_filter(filter_text, ATTRIBUTES).columns
