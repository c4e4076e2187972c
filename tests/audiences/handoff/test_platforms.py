"""The platforms' files: what their headers are, and which of their columns may be plain."""

from __future__ import annotations

import pytest

from findcli.audiences.handoff.contacts import FIELDS
from findcli.audiences.handoff.platforms import PLATFORMS

HEADERS = {
    "google": ["Email", "Phone", "First Name", "Last Name", "Country", "Zip"],
    "meta": ["email", "phone", "madid", "fn", "ln", "ct", "st", "zip", "country"],
    "tiktok": ["Email_SHA256", "Phone_SHA256", "MAID_SHA256"],
}
PLAIN = {"google": {"Country", "Zip"}, "meta": {"madid"}, "tiktok": set(), "x": set(),
         "linkedin": {"firstname", "lastname", "country", "googleaid"}}  # fmt: skip


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_headers_stand_as_the_platform_writes_them(name: str) -> None:
    assert [column.header for column in PLATFORMS[name].columns] == HEADERS[name]


@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_only_what_the_platform_wants_plain_is_plain(name: str) -> None:
    platform = PLATFORMS[name]
    assert {column.header for column in platform.columns if not column.hashed} == PLAIN[name]
    fields = {column.field for column in platform.columns}
    assert fields <= set(FIELDS)
    assert set(platform.identifiers) <= fields
    assert set(platform.address) <= fields
