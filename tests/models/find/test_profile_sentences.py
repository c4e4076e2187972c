import numpy as np
import polars as pl

from findcli.data.profile_codes import ProfileCodes
from findcli.data.profiles import Column
from findcli.models.find.profile_sentences import ProfileSentences

PROFILES = pl.DataFrame(
    {
        "home_region": ["north", "south", None, "north"] * 50,
        "inflow": [10.0, 20.0, 300.0, None] * 50,
        "same": ["yes"] * 200,
    }
)
COLUMNS = [Column("home_region", "categorical"), Column("inflow", "numeric"), Column("same", "categorical")]


def sentences(profiles: pl.DataFrame = PROFILES) -> ProfileSentences:
    codes = ProfileCodes.fit(PROFILES, COLUMNS, bins=8)
    return ProfileSentences.of(profiles, codes, subject="customer")


def test_sentences_say_values_and_bounds_of_those_pairs_that_have_them() -> None:
    said = sentences()
    of = dict(zip(said.words, said.true.T, strict=True))
    assert of["The customer's home region is north."].tolist() == [True, False, False, True] * 50
    above = next(text for text in said.words if "inflow is above 20." in text or "inflow is above 15." in text)
    assert not of[above][3], "who has no amount is above none"
    assert of[above][2]


def test_what_holds_of_everybody_or_nobody_is_not_said() -> None:
    said = sentences()
    assert not [text for text in said.words if "same" in text]
    shares = said.true.mean(0)
    assert np.all((shares > 0) & (shares < 1))


def test_a_profile_without_columns_says_nothing() -> None:
    said = sentences(pl.DataFrame({"other": [1, 2, 3]}))
    assert said.words == []
    assert said.true.shape == (3, 0)
