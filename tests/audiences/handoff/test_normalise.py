"""Contacts as platforms match them: their own published vectors, nothing hashed twice, and rules that are stable."""

from __future__ import annotations

import hashlib

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.audiences.handoff import normalise
from findcli.audiences.handoff.normalise import Rule
from findcli.audiences.handoff.platforms import PLATFORMS

RULES = {(c.rule.__name__): c.rule for platform in PLATFORMS.values() for c in platform.columns}
TEXTS = st.text(max_size=20) | st.text(alphabet="aB.+@gmail com-ÉéΑΣς'!()0123456789", max_size=24)
COUNTRIES = st.sampled_from(["US", "DE", "GB", None])


def rule_of(platform: str, field: str) -> Rule:
    (rule,) = [column.rule for column in PLATFORMS[platform].columns if column.field == field]
    return rule


def apply(rule: Rule, value: str | None, country: str | None = "US") -> str | None:
    frame = pl.DataFrame({"x": [value]}, schema={"x": pl.String})
    return frame.select(rule(pl.col("x"), pl.lit(country, pl.String)).alias("x")).item()


def digest(rule: Rule, value: str, country: str | None = "US") -> str | None:
    frame = pl.DataFrame({"x": [value]})
    return frame.select(normalise.hashed(pl.col("x"), rule, pl.lit(country, pl.String)).alias("x")).item()


@pytest.mark.parametrize(
    ("platform", "field", "raw", "normal", "sha256"),
    [
        ("google", "email", " Test@gmail.com", "test@gmail.com",
         "87924606b4131a8aceeeae8868531fbb9712aaa07a5d3a756b26ce0f5d6ca674"),
        ("google", "email", "Jane.Doe+Shopping@googlemail.com", "janedoe@googlemail.com",
         "338abf9ef1c8793cadc7bcf51ed595338eb727ed9e06ce3d91d566d60b975937"),
        ("google", "email", "user.name+NYC@Example.com", "user.name+nyc@example.com",
         "f109a2a632fbcea5fc82049f50beed3d8621bf9034399f437fb622222acccdac"),
        ("google", "phone", "(800)555-0101", "+18005550101",
         "61d6c2976b5d92b1ad63073a12fddd26040cd980067d03a93dd1cc50f1a3ac68"),
        ("meta", "email", "John_Smith@gmail.com ", "john_smith@gmail.com",
         "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"),
        ("meta", "phone", "+1 (650) 555-1212", "16505551212",
         "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
        ("meta", "first_name", "Mary", "mary", "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"),
        ("meta", "first_name", "정", "정", "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14"),
        ("meta", "first_name", "Valéry", "valéry",
         "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
        ("meta", "last_name", "Vale\u0301ry", "valéry",
         "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
        ("tiktok", "email", "JaneDoe@gmail.com", "janedoe@gmail.com",
         "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69"),
    ],
)  # fmt: skip
def test_the_published_vectors(platform: str, field: str, raw: str, normal: str, sha256: str) -> None:
    rule = rule_of(platform, field)
    assert apply(rule, raw) == normal
    assert digest(rule, raw) == sha256


def test_tiktok_hashes_a_phone_number_without_its_plus() -> None:
    value = digest(rule_of("tiktok", "phone"), "+374 93 828222")
    assert value == hashlib.sha256(b"37493828222").hexdigest()
    assert value is not None
    assert value.startswith("65b7e6dc")


def test_x_hashes_a_handle_without_its_at() -> None:
    value = digest(rule_of("x", "handle"), "@AdsAPI")
    assert value is not None
    assert value.startswith("49e0be2a")


@pytest.mark.parametrize(
    ("platform", "field", "raw", "country", "normal"),
    [
        ("google", "phone", "030 901820", "DE", "+4930901820"),
        ("google", "phone", "001 800 555 0100", "DE", "+18005550100"),
        ("google", "phone", "+0000000000", "US", None),
        ("google", "phone", "12", "US", None),
        ("google", "phone", "030 901820", None, None),
        ("google", "email", "+spam@gmail.com", "US", None),
        ("google", "email", "no address", "US", None),
        ("google", "first_name", "  Dr. Mary  Ann ", "US", "mary  ann"),
        ("google", "last_name", "King, Jr.", "US", "king"),
        ("google", "country", " us", None, "US"),
        ("google", "country", "United States", None, None),
        ("google", "zip", " 01234-5678 ", "US", "01234-5678"),
        ("meta", "phone", "+1 (555) 123-4567", "US", "15551234567"),
        ("meta", "zip", "01234-5678", "US", "01234"),
        ("meta", "zip", "SW1A 1AA", "GB", "sw1a1aa"),
        ("meta", "city", "St. Louis", "US", "stlouis"),
        ("meta", "state", "CA", "US", "ca"),
        ("meta", "state", "California", "US", None),
        ("meta", "country", "DE", None, "de"),
        ("meta", "madid", "AEBE52E7-03EE-455A-B3C4-E57283966239", None, "aebe52e7-03ee-455a-b3c4-e57283966239"),
        ("meta", "madid", "00000000-0000-0000-0000-000000000000", None, None),
        ("tiktok", "email", "jane doe@gmail.com", "US", "janedoe@gmail.com"),
        ("linkedin", "first_name", "J" * 36, "US", None),
        ("linkedin", "first_name", " Jane ", "US", "Jane"),
    ],
)
def test_values_read_as_the_platform_says(
    platform: str, field: str, raw: str, country: str | None, normal: str | None
) -> None:
    assert apply(rule_of(platform, field), raw, country) == normal


@given(value=TEXTS, country=COUNTRIES, name=st.sampled_from(sorted(set(RULES) - {"phone_digits"})))
def test_a_normal_form_stays_as_it_is(value: str, country: str | None, name: str) -> None:
    """Of digits alone nobody can tell the country, so `phone_digits` is checked as `phone`."""
    once = apply(RULES[name], value, country)
    if once is not None:
        assert apply(RULES[name], once, country) == once
        assert once != ""


@given(value=TEXTS, country=COUNTRIES, name=st.sampled_from(sorted(RULES)))
def test_nothing_is_hashed_twice(value: str, country: str | None, name: str) -> None:
    once = digest(RULES[name], value, country)
    if once is not None:
        assert len(once) == 64
        assert digest(RULES[name], once, country) == once
        assert digest(RULES[name], f" {once.upper()} ", country) == once


@given(st.lists(st.sampled_from(["+18005550100", "800 555 0100", "+0000000000", "", None]), max_size=8))
def test_one_bad_number_does_not_spoil_the_others(numbers: list[str | None]) -> None:
    frame = pl.DataFrame({"x": numbers}, schema={"x": pl.String})
    read = frame.select(normalise.phone(pl.col("x"), pl.lit("US")).alias("x"))["x"].to_list()
    assert read == ["+18005550100" if number and "5550100" in number.replace(" ", "") else None for number in numbers]
