"""What a demand says exactly of people becomes a filter and leaves the demand."""

from __future__ import annotations

import pytest

from findcli.audiences.where.filter import parse_filter
from findcli.audiences.where.profile_words import read_profile
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
