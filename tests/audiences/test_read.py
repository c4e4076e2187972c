"""Demands as users and sentences: what is a filter is no longer asked for."""

from __future__ import annotations

from findcli.audiences.read import read
from findcli.scoring.as_read import OFF
from findcli.scoring.engine import open_engine
from findcli.workspace.folder import Workspace


def test_who_people_are_is_apart_from_what_they_will_do(trained_workspace: Workspace) -> None:
    engine = open_engine(trained_workspace, device="cpu")
    both, alone, plain = read(engine, ["gold tier users who buy tea", "people from the north", "people who buy tea"])
    assert both.where == "tier == 'gold'"
    assert both.rewriting.sentences == plain.rewriting.sentences == ["The user purchased tea."]
    assert both.rewriting.demand == "gold tier users who buy tea"
    assert alone.where == "city == 'north'"
    assert alone.rewriting.sentences == ["The user purchased anything."]
    assert "nothing of the future" in alone.rewriting.notes[0]
    assert plain.where is None


def test_words_that_are_not_rewritten_write_no_filter(trained_workspace: Workspace) -> None:
    (as_it_stands,) = read(open_engine(trained_workspace, device="cpu"), ["gold tier users who buy tea"], OFF)
    assert as_it_stands.where is None
    assert as_it_stands.offer == "tier == 'gold'"
