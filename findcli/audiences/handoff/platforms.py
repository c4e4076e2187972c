"""What each advertising platform takes: headers, rules, what is hashed, and how few users it serves.

A new platform is a line in `PLATFORMS`. Headers stand as the platforms write them; LinkedIn's could not be checked
against its template, and the command says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from findcli.audiences.handoff import normalise
from findcli.audiences.handoff.normalise import Rule

Identifier = Literal["email", "madid", "handle"]
NAME_AND_PLACE = ("first_name", "last_name", "country", "zip")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a platform's file.

    Attributes:
        header: its header.
        field: the key of [contacts] that it is made of; of several columns each makes one.
        rule: how a value is normalised.
        hashed: whether the file holds the SHA-256 of it.
    """

    header: str
    field: str
    rule: Rule
    hashed: bool = True


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A platform's file of customers.

    Attributes:
        title: what people call it.
        columns: of the file, in order.
        identifiers: the fields one of which a row needs, unless it has a whole address.
        address: the fields that only help together; a row without one of them has none of them.
        header: whether the file begins with the headers.
        least: fewer users than this the platform does not serve, or refuses.
        most: more rows than this it refuses; None where none is known.
        note: what else to know before the file is handed on.
    """

    title: str
    columns: tuple[Column, ...]
    identifiers: tuple[str, ...]
    address: tuple[str, ...] = ()
    header: bool = True
    least: int = 0
    most: int | None = None
    note: str = ""


PLATFORMS: dict[str, Platform] = {
    "google": Platform(
        title="Google Customer Match",
        columns=(
            Column(header="Email", field="email", rule=normalise.email_for_google),
            Column(header="Phone", field="phone", rule=normalise.phone),
            Column(header="First Name", field="first_name", rule=normalise.name),
            Column(header="Last Name", field="last_name", rule=normalise.name),
            Column(header="Country", field="country", rule=normalise.country_code, hashed=False),
            Column(header="Zip", field="zip", rule=normalise.postal_code, hashed=False),
        ),
        identifiers=("email", "phone"),
        address=NAME_AND_PLACE,
        least=100,
        note="users in the EEA need consent to ad_user_data and ad_personalization; a list lapses after 540 days",
    ),
    "meta": Platform(
        title="Meta custom audience",
        columns=(
            Column(header="email", field="email", rule=normalise.email),
            Column(header="phone", field="phone", rule=normalise.phone_digits),
            Column(header="madid", field="madid", rule=normalise.madid, hashed=False),
            Column(header="fn", field="first_name", rule=normalise.name_of_letters),
            Column(header="ln", field="last_name", rule=normalise.name_of_letters),
            Column(header="ct", field="city", rule=normalise.letters),
            Column(header="st", field="state", rule=normalise.state),
            Column(header="zip", field="zip", rule=normalise.postal_code_short),
            Column(header="country", field="country", rule=normalise.country_code_lower),
        ),
        identifiers=("email", "phone", "madid"),
        least=100,
    ),
    "tiktok": Platform(
        title="TikTok customer file",
        columns=(
            Column(header="Email_SHA256", field="email", rule=normalise.email_without_spaces),
            Column(header="Phone_SHA256", field="phone", rule=normalise.phone_digits),
            Column(header="MAID_SHA256", field="madid", rule=normalise.madid),
        ),
        identifiers=("email", "phone", "madid"),
        least=1000,
    ),
    "linkedin": Platform(
        title="LinkedIn contact list",
        columns=(
            Column(header="email", field="email", rule=normalise.email),
            Column(header="firstname", field="first_name", rule=normalise.name_as_written, hashed=False),
            Column(header="lastname", field="last_name", rule=normalise.name_as_written, hashed=False),
            Column(header="country", field="country", rule=normalise.country_code, hashed=False),
            Column(header="googleaid", field="madid", rule=normalise.madid, hashed=False),
        ),
        identifiers=("email", "madid"),
        least=300,
        most=300_000,
        note="the headers were not checked against LinkedIn's own template: compare them; names are not hashed there",
    ),
    "x": Platform(
        title="X list",
        columns=(
            Column(header="email", field="email", rule=normalise.email),
            Column(header="madid", field="madid", rule=normalise.madid),
            Column(header="handle", field="handle", rule=normalise.handle),
        ),
        identifiers=("email", "madid", "handle"),
        header=False,
        note="a file of X holds one kind of identifier: choose it with --by",
    ),
}
