"""Contacts in the form that platforms match: normalised, then SHA-256, never hashed twice.

A rule turns a column of text into its normal form, null where a value has none; applied to its own result it changes
nothing. Sources: Google Ads help 7659867 and 7475964 and its Data Manager API; Meta's customer information parameters;
TikTok's customer file; LinkedIn's matched audiences; X's tailored audiences.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import polars as pl

from findcli.errors import FindCLIError

Rule = Callable[[pl.Expr, pl.Expr], pl.Expr]  # a column of text, the country of each row (ISO-2) -> its normal form

HASH = r"^[0-9a-fA-F]{64}$"
ADDRESS = r"^[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+$"
GMAIL = r"^([^@]+)@(gmail\.com|googlemail\.com)$"
TITLES = r"^(?:(?:mr|mrs|ms|miss|dr|prof)\.?\s+)+"
SUFFIXES = r"(?:,?\s+(?:jr|sr|ii|iii|phd|md)\.?)+$"
MADID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
NO_DEVICE = "00000000-0000-0000-0000-000000000000"  # what a phone gives whose owner limits tracking
LONGEST_NAME = 35  # LinkedIn's
NO_PHONES = 'install its reader with: pip install "findcli[contacts]", or leave `phone` out of [contacts]'


def email(text: pl.Expr, country: pl.Expr) -> pl.Expr:  # noqa: ARG001, a Rule
    """Trimmed and in lower case; dots and what follows a plus are kept."""
    return _matching(_lower(text), ADDRESS)


def email_for_google(text: pl.Expr, country: pl.Expr) -> pl.Expr:
    """The same; dots and what follows a plus go from addresses of gmail.com and googlemail.com, and of no other."""
    plain = email(text, country)
    local = plain.str.extract(GMAIL, 1).str.replace(r"\+.*$", "").str.replace_all(".", "", literal=True)
    domain = plain.str.extract(GMAIL, 2)
    return pl.when(domain.is_null()).then(plain).when(local != "").then(local + "@" + domain)


def email_without_spaces(text: pl.Expr, country: pl.Expr) -> pl.Expr:
    """The same without spaces anywhere, as TikTok says."""
    return email(text.str.replace_all(r"\s", ""), country)


def phone(text: pl.Expr, country: pl.Expr) -> pl.Expr:
    """E.164 with a plus: "(800) 555-0100" of the US is "+18005550100"."""
    return pl.struct(text.alias("number"), country.alias("country")).map_batches(_e164, return_dtype=pl.String)


def phone_digits(text: pl.Expr, country: pl.Expr) -> pl.Expr:
    """E.164 without the plus: digits alone, country code first."""
    return phone(text, country).str.strip_prefix("+")


def name(text: pl.Expr, country: pl.Expr) -> pl.Expr:  # noqa: ARG001, a Rule
    """Trimmed and in lower case, without titles and suffixes; spaces inside a name are kept."""
    return _filled(_lower(text).str.replace(TITLES, "").str.replace(SUFFIXES, "").str.strip_chars())


def name_of_letters(text: pl.Expr, country: pl.Expr) -> pl.Expr:  # noqa: ARG001, a Rule
    """In lower case without punctuation, as Meta says; letters of every script are kept."""
    return _filled(_lower(text).str.replace_all(r"[\p{P}\p{S}]", "").str.strip_chars())


def name_as_written(text: pl.Expr, country: pl.Expr) -> pl.Expr:  # noqa: ARG001, a Rule
    """As it is written; null if it is longer than LinkedIn takes."""
    trimmed = _filled(text.str.strip_chars())
    return pl.when(trimmed.str.len_chars() <= LONGEST_NAME).then(trimmed)


def letters(text: pl.Expr, country: pl.Expr) -> pl.Expr:  # noqa: ARG001, a Rule
    """Letters alone, in lower case: "New York" is "newyork"."""
    return _filled(_lower(text).str.replace_all(r"[^\p{L}\p{M}]", ""))


def state(text: pl.Expr, country: pl.Expr) -> pl.Expr:
    """Letters alone; in the US the two letters of a state."""
    plain = letters(text, country)
    return pl.when((country != "US") | country.is_null() | (plain.str.len_chars() == 2)).then(plain)


def postal_code(text: pl.Expr, country: pl.Expr) -> pl.Expr:  # noqa: ARG001, a Rule
    """Trimmed."""
    return _filled(text.str.strip_chars())


def postal_code_short(text: pl.Expr, country: pl.Expr) -> pl.Expr:
    """In lower case without spaces and dashes; in the US the first five digits."""
    plain = _lower(text).str.replace_all(r"[\s\-]", "")
    return _filled(pl.when(country == "US").then(plain.str.slice(0, 5)).otherwise(plain))


def country_code(text: pl.Expr, country: pl.Expr) -> pl.Expr:  # noqa: ARG001, a Rule
    """Two capital letters (ISO 3166-1)."""
    return _matching(text.str.strip_chars().str.to_uppercase(), "^[A-Z]{2}$")


def country_code_lower(text: pl.Expr, country: pl.Expr) -> pl.Expr:
    """Two small letters."""
    return country_code(text, country).str.to_lowercase()


def madid(text: pl.Expr, country: pl.Expr) -> pl.Expr:  # noqa: ARG001, a Rule
    """A mobile advertising id in lower case with its dashes; null where its owner limits tracking."""
    plain = _matching(_lower(text), MADID)
    return pl.when(plain != NO_DEVICE).then(plain)


def handle(text: pl.Expr, country: pl.Expr) -> pl.Expr:  # noqa: ARG001, a Rule
    """A name on X in lower case, without the @."""
    return _matching(_lower(text).str.strip_prefix("@"), "^[a-z0-9_]{1,15}$")


def hashed(text: pl.Expr, rule: Rule, country: pl.Expr) -> pl.Expr:
    """SHA-256 of the normal form, 64 small hexadecimal digits; what is such a hash already is passed on."""
    trimmed = text.str.strip_chars()
    passed = trimmed.str.contains(HASH)
    return (
        pl.when(passed).then(trimmed.str.to_lowercase()).otherwise(_sha256(rule(pl.when(~passed).then(text), country)))
    )


def _lower(text: pl.Expr) -> pl.Expr:
    """Trimmed, in lower case, letters with accents as one character each: the hash depends on it."""
    return text.str.normalize("NFC").str.strip_chars().str.to_lowercase().str.normalize("NFC")


def _filled(text: pl.Expr) -> pl.Expr:
    return pl.when(text != "").then(text)


def _matching(text: pl.Expr, pattern: str) -> pl.Expr:
    return pl.when(text.str.contains(pattern)).then(text)


def _sha256(text: pl.Expr) -> pl.Expr:
    def hash_all(values: pl.Series) -> pl.Series:
        digests = [None if v is None else hashlib.sha256(v.encode()).hexdigest() for v in values]
        return pl.Series(values.name, digests, dtype=pl.String)

    return text.map_batches(hash_all, return_dtype=pl.String)


def _e164(rows: pl.Series) -> pl.Series:
    """E.164 of structs of a number and a country; null where it is no possible number.

    Raises:
        FindCLIError: the package phonenumbers is not installed.
    """
    try:
        import phonenumbers
    except ImportError as error:
        raise FindCLIError("phone numbers need the package phonenumbers", hint=NO_PHONES) from error

    def parsed(number: str, country: str | None) -> str | None:
        try:
            read = phonenumbers.parse(number, country)
        except phonenumbers.NumberParseException:
            return None
        possible = phonenumbers.is_possible_number(read)
        return phonenumbers.format_number(read, phonenumbers.PhoneNumberFormat.E164) if possible else None

    distinct = rows.to_frame("pair").unnest("pair")
    pairs = distinct.drop_nulls("number").unique()
    known = pairs.with_columns(pl.Series("e164", [parsed(*row) for row in pairs.iter_rows()], dtype=pl.String))
    joined = distinct.join(known, on=["number", "country"], how="left", nulls_equal=True, maintain_order="left")
    return joined["e164"].rename(rows.name)
