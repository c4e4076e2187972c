from __future__ import annotations

import pytest

from findcli.errors import FindCLIError
from findcli.evaluation.name_selection import chosen_names

KNOWN = {"counts": 1, "svd": 2, "als": 3}


def test_names_are_taken_once_in_the_order_given() -> None:
    assert chosen_names("svd, counts,svd", KNOWN, what="rival") == ["svd", "counts"]
    assert chosen_names("all", KNOWN, what="rival") == ["counts", "svd", "als"]
    assert chosen_names("none", KNOWN, what="rival") == []


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(FindCLIError, match="there is no rival 'coles'") as told:
        chosen_names("svd,coles", KNOWN, what="rival")
    assert told.value.hint == "name all, none, or some of counts, svd, als"
