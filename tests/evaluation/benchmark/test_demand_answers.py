"""Judging readings: sets by their events, levels, the past, filters and refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from findcli.cli.main import main
from findcli.data.vocabulary import SCHEMA
from findcli.demands.reading import Clause, Meant, Past, Rewriting
from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.demand_answers import Answer, Judge, read_answers
from findcli.workspace.folder import Workspace

EXAMPLES = Path(__file__).parents[3] / "examples" / "demands"
AS_OF = datetime(2024, 5, 1)
NAMES = {"red bag": 50, "blue bag": 30, "green bag": 15, "tea mug": 40, "anything": 200}
DEMANDS = """demand\tcategories\talso\twithout\tlevel\tpast\twhere\tkind
people who will buy tea\ttea\t\t\t\t\t\tthing
buy tea at least 3 times\ttea\t\t\tcount 3\t\t\tcount
gold tier users who buy tea\ttea\t\t\t\t\ttier == 'gold'\tprofile
never bought soap\t\t\t\t\tnot any ever soap\t\tpast
"""


def judge() -> Judge:
    rows = [(f"The user purchased {name}.", "purchase", "item", name, [name], n, None, []) for name, n in NAMES.items()]
    return Judge(pl.DataFrame(rows, schema=SCHEMA, orient="row"), AS_OF)


def clause(*names: str, **how: object) -> Clause:
    settings = {"negated": False, **how}
    return Clause("x", any_of=tuple(Meant(f"The user purchased {n}.", 1.0, None) for n in names), **settings)  # type: ignore[arg-type]


def is_right(answer: Answer, *clauses: Clause, past: tuple[Past, ...] = (), where: str | None = None) -> bool:
    return judge().is_right(answer, Rewriting("x", "y", clauses, answerable=True, past=past), where)


def test_a_set_is_right_if_most_of_its_events_are_read_and_few_others() -> None:
    bags = Answer("bags", categories="all:*bag;!green*")
    assert is_right(bags, clause("red bag", "blue bag"))
    assert is_right(bags, clause("red bag", "blue bag", "green bag"))
    assert not is_right(bags, clause("red bag"))
    assert not is_right(bags, clause("red bag", "blue bag", "tea mug"))
    assert not is_right(bags, clause("red bag", "blue bag", negated=True))


def test_the_level_must_be_that_asked_for() -> None:
    often = Answer("x", categories="anything", level="count 3")
    assert is_right(often, clause("anything", measure="count", least=3.0))
    assert not is_right(often, clause("anything", measure="count", least=2.0))
    assert not is_right(often, clause("anything"))
    assert is_right(replace(often, level="below count 3"), clause("anything", measure="count", least=3.0, negated=True))


def test_the_past_and_the_filter_must_be_those_asked_for() -> None:
    lapsed = Answer("x", past="not any 30d", where="a == 1 and b == 2")
    was = Past(clause("anything", negated=True), "for a month", AS_OF - timedelta(days=30))
    assert is_right(lapsed, clause("anything"), past=(was,), where="b == 2 and (a == 1)")
    assert not is_right(lapsed, clause("anything"), where="a == 1 and b == 2")
    assert not is_right(lapsed, clause("anything"), past=(was,))
    early = replace(was, since=AS_OF - timedelta(days=90))
    assert not is_right(lapsed, clause("anything"), past=(early,), where="a == 1 and b == 2")


def test_what_cannot_be_answered_must_be_refused() -> None:
    refused = Rewriting("x", "y", answerable=False)
    assert judge().is_right(Answer("x"), refused, None)
    assert not judge().is_right(Answer("x", categories="tea mug"), refused, None)
    assert not is_right(Answer("x"), clause("tea mug"))


def test_the_command_prints_shares_and_what_is_wrong(
    trained_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "demands.tsv"
    path.write_text(DEMANDS)
    words = ["benchmark", "reading", "--demands", str(path), "-w", str(trained_workspace.folder)]
    with pytest.raises(SystemExit) as done:
        main([*words, "--json"])
    assert done.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert [row["right"] for row in printed["demands"]] == [True] * 4
    assert printed["kinds"][-1] == {"kind": "all", "demands": 4, "right": 1.0}
    path.write_text(DEMANDS.replace("\ttea\t", "\tsoap\t"))
    with pytest.raises(SystemExit):
        main(words)
    assert 'wrong: "people who will buy tea"' in capsys.readouterr().out


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "demands.tsv"
    path.write_text("sentence\tcategories\ntea\ttea\n")
    with pytest.raises(FindCLIError, match="cannot be read"):
        read_answers(path)
    path.write_text("demand\tcategories\n")
    with pytest.raises(FindCLIError, match="holds no demand"):
        read_answers(path)


def test_the_examples_are_120_and_both_halves_hold_some() -> None:
    names = ("gift-shop", "table", "grocer")
    assert sum(len(read_answers(EXAMPLES / f"{name}.tsv")) for name in names) == 120
    for name in names:
        assert len(read_answers(EXAMPLES / f"{name}.tsv", "final")) >= 10
