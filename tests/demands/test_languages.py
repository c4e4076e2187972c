"""The language of a demand: by its small words and its script."""

from __future__ import annotations

import pytest

from findcli.demands.languages import foreign_language, without_frame


@pytest.mark.parametrize(
    ("demand", "language"),
    [
        ("Kunden, die Kerzen kaufen werden", "German"),
        ("les clients qui vont acheter du thé", "French"),
        ("clientes que van a comprar velas", "Spanish"),
        ("clienti che compreranno di nuovo", "Italian"),
        ("quem vai comprar de novo?", "Portuguese"),
        ("klanten die kaas zullen kopen", "Dutch"),
        ("покупатели кофе", "Cyrillic"),
        ("会购买咖啡的顾客", "Chinese or Japanese"),
        ("customers who will buy tea", None),
        ("tea or coffee or bread", None),
        ("mugs", None),
        ("café au lait", None),
        ("", None),
    ],
)
def test_languages(demand: str, language: str | None) -> None:
    assert foreign_language(demand) == language


def test_names_of_the_workspace_tell_nothing() -> None:
    assert foreign_language("кофе", {"кофе"}) is None
    assert foreign_language("tarte des pommes", {"tarte", "des", "pommes"}) is None


def test_the_words_of_a_thing_are_left() -> None:
    assert without_frame("Kunden, die Kerzen kaufen werden", "German") == ["kerzen"]
