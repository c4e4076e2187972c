"""Whether demands are read right: sets of sentences, levels, the past and the profile, or a refusal.

The form of the files is told in examples/demands/README.md. A set is read right if at least `ENOUGH` of its events are
read and at least `ENOUGH` of the events read are of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import polars as pl

from findcli.audiences.read import Understood, read
from findcli.demands.reading import Clause, Past, Rewriting
from findcli.errors import FindCLIError, first_line
from findcli.evaluation.benchmark.demand_reading import Asked, Half
from findcli.scoring.engine import open_engine
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace

ENOUGH = 0.7
NEAR = timedelta(days=4)
SET, RETURNED, ANYTHING, BEST = "all:", "return:", "anything", "high"
HINT = "give a tab-separated file with the columns of examples/demands/README.md"


@dataclass(frozen=True)
class Answer:
    """A demand, and the reading of it that is right.

    Attributes:
        demand: the sentence.
        categories: what must come true; empty where nothing is asked of the future, or the demand cannot be answered.
        also: what must come true too.
        without: what must not.
        level: how much of it, such as "count 3".
        past: what must have been so, such as "not any 91d".
        where: the filter over the profile.
        kind: what is asked, for the table.
    """

    demand: str
    categories: str = ""
    also: str = ""
    without: str = ""
    level: str = ""
    past: str = ""
    where: str = ""
    kind: str = ""

    @property
    def is_answerable(self) -> bool:
        """Whether a workspace can answer it at all."""
        return any((self.categories, self.without, self.past, self.where))


class Judge:
    """Judges readings in one vocabulary.

    Args:
        vocabulary: as `vocabulary.build_vocabulary` returns it.
        as_of: the date that the past is relative to.
    """

    def __init__(self, vocabulary: pl.DataFrame, as_of: datetime) -> None:
        self.as_of = as_of
        self._rows = {row["text"]: row for row in vocabulary.iter_rows(named=True)}

    def is_right(self, answer: Answer, rewriting: Rewriting, where: str | None) -> bool:
        """Whether a demand is read right or rightly refused.

        Args:
            answer: what is right.
            rewriting: how its words were read.
            where: the filter that was read from its words.
        """
        if not answer.is_answerable:
            return rewriting.answerable is False
        if not rewriting.answerable or _conditions(where) != _conditions(answer.where):
            return False
        wanted = [clause for clause in rewriting.clauses if not clause.negated]
        refused = [clause for clause in rewriting.clauses if clause.negated]
        if answer.level.startswith("below"):
            wanted, refused = refused, wanted
        expected = [part for part in (answer.categories, answer.also) if part]
        if not expected and not answer.without:
            expected = [ANYTHING]
        if len(wanted) != len(expected) or len(refused) != bool(answer.without):
            return False
        means = all(self._means(clause, part) for clause, part in zip(wanted, expected, strict=True))
        means = means and all(self._means(clause, answer.without) for clause in refused)
        return means and all(_is_level(clause, answer.level) for clause in wanted) and self._was(answer, rewriting.past)

    def _means(self, clause: Clause, part: str) -> bool:
        texts = [meant.sentence for meant in clause.any_of]
        if part == ANYTHING:
            return all(text.endswith(" anything.") for text in texts)
        if part.startswith((SET, RETURNED)):
            right = self._set(part)
            shares = {meant.sentence: meant.share for meant in clause.any_of}
            read = sum(self._events(text) * share for text, share in shares.items())
            both = sum(self._events(text) * share for text, share in shares.items() if text in right)
            of_all = sum(map(self._events, right))
            return bool(of_all) and both >= ENOUGH * of_all and both >= ENOUGH * read
        return self._names(texts[0], part)

    def _names(self, text: str, part: str) -> bool:
        names = set(self._rows[text]["names"]) if text in self._rows else set()
        return any(text == each if each.endswith(".") else each.lower() in names for each in part.split("|"))

    def _set(self, part: str) -> set[str]:
        family = "return" if part.startswith(RETURNED) else "purchase"
        patterns = [each.strip() for each in part.split(":", 1)[1].split(";")]
        kept = [each for each in patterns if not each.startswith("!")]
        left = [each[1:] for each in patterns if each.startswith("!")]
        return {
            text
            for text, row in self._rows.items()
            if row["family"] == family
            and any(fnmatchcase(f" {row['name']}" if each.startswith(" ") else row["name"], each) for each in kept)
            and not any(fnmatchcase(row["name"], each) for each in left)
        }

    def _events(self, text: str) -> int:
        return int(self._rows[text]["events"]) if text in self._rows else 0

    def _was(self, answer: Answer, past: Sequence[Past]) -> bool:
        expected = [each for each in answer.past.split("&") if each]
        # "Again" says of the past what the sentence itself says of the future.
        said = [each for each in past if each.words != "again"]
        if len(said) != len(expected):
            return False
        return all(any(self._is_past(one, each) for one in said) for each in expected)

    def _is_past(self, past: Past, expected: str) -> bool:
        words = expected.split()
        negated = words[0] == "not"
        words = words[negated:]
        if words == [BEST]:
            return past.since is not None or past.before is not None
        measure, words = words[0], words[1:]
        if words[0].isdigit() and measure in ("count", "amount"):
            level, words = f"{measure} {words[0]}", words[1:]
        else:
            level = ""
        clause = past.clause
        if level == "count 1":
            level = ""
        if clause.negated != negated or not _is_level(clause, level):
            return False
        if words == [BEST]:
            return past.since is not None
        since, before, words = self._window(words)
        things = " ".join(words)
        return (
            _near(past.since, since)
            and _near(self._end(past.before), self._end(before))
            and self._means(clause, things or ANYTHING)
        )

    def _end(self, before: datetime | None) -> datetime:
        """Where a period ends, which is the as-of date at the latest."""
        return self.as_of if before is None else min(before, self.as_of)

    def _window(self, words: list[str]) -> tuple[datetime | None, datetime | None, list[str]]:
        if words[0] == "ever":
            return None, None, words[1:]
        if words[0][0].isdigit() and words[0][-1].isalpha():
            return self.as_of - parse_duration(words[0]), None, words[1:]
        return datetime.fromisoformat(words[0]), datetime.fromisoformat(words[1]), words[2:]


def _near(one: datetime | None, other: datetime | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= NEAR


def _is_level(clause: Clause, level: str) -> bool:
    if not level:
        return clause.measure == "any"
    measure, *least = level.removeprefix("below ").split()
    if measure == BEST:
        return clause.measure in ("amount", "count") and clause.least > 1
    return clause.measure == measure and (not least or clause.least == float(least[0]))


def _conditions(where: str | None) -> set[str]:
    return {part.strip("() ") for part in (where or "").split(" and ") if part}


def read_answers(path: Path, half: Half = "all") -> list[Answer]:
    """Read the answers of a tab-separated file.

    Raises:
        FindCLIError: the file cannot be read, or holds none of the half.
    """
    names = list(Answer.__dataclass_fields__)
    try:
        table = pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None).fill_null("")
        rows = table.select("demand", *(name for name in names[1:] if name in table.columns)).rows(named=True)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FindCLIError(f"the demands in {path} cannot be read: {first_line(error)}", hint=HINT) from error
    kept = [Answer(**row) for row in rows if half in ("all", Asked(row["demand"], ()).half)]
    if not kept:
        raise FindCLIError(f"{path} holds no demand of the half {half!r}", hint=HINT)
    return kept


def measure_reading(
    workspace: Workspace, path: Path, *, half: Half = "all", as_of: datetime | None = None, device: str = "auto"
) -> pl.DataFrame:
    """Read the demands of a file in a workspace, and judge each; see `judge`.

    Args:
        workspace: trained and embedded.
        path: the file of demands and answers.
        half: which half of them.
        as_of: the date of the embeddings; default: the newest.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: the file cannot be used, or no model is trained.
    """
    answers = read_answers(path, half)
    engine = open_engine(workspace, as_of=as_of, device=device)
    understood = read(engine, [answer.demand for answer in answers])
    return judge(answers, Judge(engine.run.table("vocabulary.parquet"), engine.as_of), understood)


def judge(answers: Sequence[Answer], judge: Judge, understood: Sequence[Understood]) -> pl.DataFrame:
    """Judge readings: demand, kind, right, answerable, expression, past and where.

    Args:
        answers: what is right, of Q demands.
        judge: of their workspace.
        understood: the Q demands as they were read.
    """
    rows = []
    for answer, each in zip(answers, understood, strict=True):
        rewriting, where = each.rewriting, each.where
        past = "; ".join(f"{was.clause.expression} ({was.words})" for was in rewriting.past)
        right = judge.is_right(answer, rewriting, where)
        rows.append((answer.demand, answer.kind, right, rewriting.answerable, rewriting.expression, past, where))
    schema = {
        "demand": pl.String, "kind": pl.String, "right": pl.Boolean, "answerable": pl.Boolean, "expression": pl.String,
        "past": pl.String, "where": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def by_kind(judged: pl.DataFrame) -> pl.DataFrame:
    """Shares of demands read right or rightly refused: kind, demands, right; the last row is of all."""
    counts = [pl.len().alias("demands"), pl.col("right").mean()]
    kinds = judged.group_by("kind").agg(*counts).sort("kind")
    return pl.concat([kinds, judged.select(kind=pl.lit("all"), demands=pl.len(), right=pl.col("right").mean())])
