"""The scope of a concept is the sentence about anything of its family."""

from __future__ import annotations

import polars as pl

from findcli.models.ranker.scopes import scopes_of
from findcli.workspace.folder import Workspace


def test_things_belong_to_what_says_anything_of_their_source(tiny_workspace: Workspace) -> None:
    texts = pl.Series(
        ["The user purchased anything.", "The user purchased tea.", "The user searched for tea.", "Who knows."]
    )
    assert scopes_of(tiny_workspace.settings, texts).tolist() == [0, 0, -1, -1]
