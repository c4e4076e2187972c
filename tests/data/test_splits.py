"""Held-out users and categories, as benchmark.md states the hash."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.data.splits import bucket, held_out
from findcli.errors import FindCLIError


@given(st.sampled_from(["user", "category"]), st.integers() | st.text(), st.text(), st.integers(1, 50))
def test_the_bucket_is_the_published_hash(kind: str, name: object, salt: str, buckets: int) -> None:
    key = f"{kind}:{salt}:{name}" if salt else f"{kind}:{name}"
    assert (
        bucket(kind, name, salt=salt, buckets=buckets)
        == int(blake2b(key.encode(), digest_size=8).hexdigest(), 16) % buckets
    )


def test_the_hash_stays_what_it_was() -> None:
    assert [user for user in range(1, 31) if bucket("user", user, salt="", buckets=5) == 0] == [
        15,
        19,
        20,
        22,
        25,
        27,
        28,
        29,
    ]


@given(st.sets(st.integers(0, 10**6), max_size=60), st.integers(0, 6), st.sampled_from(["", "1"]))
def test_a_hash_holds_out_the_names_of_bucket_0_whoever_is_beside_them(names: set[int], one_in: int, salt: str) -> None:
    held = held_out("user", names, salt=salt, one_in=one_in)
    alone = {name for name in names if held_out("user", [name], salt=salt, one_in=one_in)}
    assert held == alone
    assert held == (
        {name for name in names if bucket("user", name, salt=salt, buckets=one_in) == 0} if one_in else set()
    )


def test_a_file_replaces_the_hash_and_numbers_are_read_as_text(tmp_path: Path) -> None:
    file = tmp_path / "held.txt"
    file.write_text("7\n\n  9 \nunknown\n")
    assert held_out("user", range(10), salt="", one_in=2, file=file) == {7, 9}
    assert held_out("category", ["9", "Tea"], salt="", one_in=2, file=file) == {"9"}


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00ba"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "held.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(FindCLIError, match=r"held\.txt") as error:
        held_out("user", [1], salt="", one_in=2, file=file)
    assert error.value.hint
