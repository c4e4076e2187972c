"""How well demands are understood: whether the first sentence is right, and how well the reading ranks users.

Shapes: N held-out users, R replicates of the bootstrap.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from findcli.data import events
from findcli.data.people import groups_of
from findcli.data.splits import held_out_users
from findcli.demands.rewriter import AS_IT_STANDS, BY_LIKENESS, Rewriting, open_rewriter
from findcli.errors import FindCLIError, first_line
from findcli.evaluation.benchmark.figures import FEWEST
from findcli.evaluation.benchmark.run import require_trained
from findcli.metrics import Interval, grouped_weights, interval, resampled_means, weighted_auc_ks
from findcli.models.ranker.concepts import concept_events
from findcli.scoring.as_read import language_model
from findcli.scoring.engine import Engine, open_engine
from findcli.scoring.scores import Scored
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import open_run

Half = Literal["tuning", "final", "all"]
REPLICATES = 1000
NEAREST = "nearest sentence"


@dataclass(frozen=True)
class Asked:
    """A demand with its right answers.

    Attributes:
        text: the demand.
        right: names or whole sentences that answer it; none if nothing does.
        also: the same for a second part that must hold too.
        without: the same for a part that must not hold.
    """

    text: str
    right: tuple[str, ...]
    also: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def half(self) -> Half:
        """The half that the demand belongs to, by a hash of its words."""
        digest = hashlib.blake2b(self.text.encode(), digest_size=8).hexdigest()
        return "final" if int(digest, 16) % 2 else "tuning"


@dataclass(frozen=True)
class Reader:
    """The figures of one way of reading demands.

    Attributes:
        by: name of the way of reading.
        first_right: share of answerable demands whose first sentence is right, with Wilson's interval.
        answerable: number of answerable demands.
        refused: share of answerable demands called unanswerable; None if it never refuses.
        caught: share of unanswerable demands called unanswerable; None if it never refuses.
        unanswerable: number of unanswerable demands.
        milliseconds: time per demand once loaded, median and maximum.
    """

    by: str
    first_right: Interval
    answerable: int
    refused: float | None
    caught: float | None
    unanswerable: int
    milliseconds: tuple[float, float]


@dataclass(frozen=True)
class DemandRanking:
    """Mean AUC of the held-out users' rankings over the answerable demands.

    Attributes:
        demands: number of demands that enough users answered.
        raw: ranked by the demand as worded.
        rewritten: ranked by the demand as understood.
        difference: rewritten minus raw, paired; bootstrap over users and demands.
    """

    demands: int
    raw: Interval
    rewritten: Interval
    difference: Interval


@dataclass(frozen=True)
class DemandReading:
    """The result of `measure_rewriting`.

    Attributes:
        readers: one per way of reading.
        ranking: raw compared with rewritten; None if too few users answered.
        table: one row per demand and reader: demand, by, sentence, right, answerable, and the two AUCs.
    """

    readers: list[Reader]
    ranking: DemandRanking | None
    table: pl.DataFrame


def read_asked(path: Path, half: Half = "all") -> list[Asked]:
    """Read the demands of a tab-separated file with the columns demand, categories and, optionally, also and without.

    Raises:
        FindCLIError: the file cannot be read, lacks a column or holds none of the half.
    """
    hint = "give a tab-separated file with the columns demand and categories, as examples/demands/README.md says"
    try:
        table = pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)
        columns = [name for name in ("categories", "also", "without") if name in table.columns or name == "categories"]
        rows = table.select("demand", *columns).filter(pl.col("demand").is_not_null()).fill_null("").rows()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FindCLIError(f"the demands in {path} cannot be read: {first_line(error)}", hint=hint) from error
    demands = [
        Asked(text, *(tuple(filter(None, map(str.strip, cell.split("|")))) for cell in cells)) for text, *cells in rows
    ]
    kept = [asked for asked in demands if half in ("all", asked.half)]
    if not kept:
        raise FindCLIError(f"{path} holds no demand of the half {half!r}", hint=hint)
    return kept


def measure_rewriting(
    workspace: Workspace, path: Path, *, half: Half = "all", without: Iterable[str] = (), device: str = "auto"
) -> DemandReading:
    """Measure how a workspace reads the demands of a file, as of its `train_until`.

    Args:
        workspace: trained, and embedded as of `train_until`.
        path: the file of demands.
        half: which half of them.
        without: categories that must not be evaluated; users are not ranked for demands that name one.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: the file cannot be used, or no model is trained.
    """
    require_trained(workspace)
    asked = read_asked(path, half)
    engine = open_engine(workspace, as_of=workspace.train_until, device=device)
    vocabulary = Vocabulary.of(engine.run.table("vocabulary.parquet"))
    excluded = {name.lower() for name in without}
    scored, users = _own_scores(engine, [each.text for each in asked])
    nearest = [near[0][0] for near in scored.nearest]
    frames = [_nearest_rows(asked, nearest, vocabulary)]
    readers = [_reader(NEAREST, frames[0], asked, [0.0])]
    understood: list[Rewriting] = []
    model = language_model(workspace)
    for reranker in (None, *([model] if model is not None else [])):
        rewriter = open_rewriter(workspace, engine.model, engine.run, reranker=reranker)
        rewriter.rewrite("people who will buy something")  # what is loaded at the first demand is no demand's time
        understood, spent = [], []
        for each in asked:
            clock = time.perf_counter()
            understood.append(rewriter.rewrite(each.text))
            spent.append(1000 * (time.perf_counter() - clock))
        frames.append(_rows(asked, understood, vocabulary, by=BY_LIKENESS if reranker is None else reranker.name))
        readers.append(_reader(frames[-1]["by"][0], frames[-1], asked, spent))
    ranking, table = _rank(engine, users, asked, understood, scored, vocabulary, excluded)
    return DemandReading(
        readers, ranking, pl.concat(frames).join(table, on="demand", how="left", maintain_order="left")
    )


@dataclass(frozen=True)
class Vocabulary:
    """The sentences of a vocabulary, and what each names.

    Attributes:
        names: names by sentence, in lower case.
    """

    names: dict[str, set[str]]

    @classmethod
    def of(cls, table: pl.DataFrame) -> Vocabulary:
        """Made from the table of `vocabulary.build_vocabulary`."""
        return cls({text: set(names) for text, names in table.select("text", "names").iter_rows()})

    def is_right(self, sentence: str, right: Sequence[str]) -> bool:
        """Whether a sentence is right: one of the answers, or names one."""
        return any(
            sentence == each if each.endswith(".") else each.lower() in self.names.get(sentence, set())
            for each in right
        )

    def sentences(self, right: Sequence[str]) -> list[str]:
        """Every right sentence."""
        return [sentence for sentence in self.names if self.is_right(sentence, right)]


def wilson(hits: int, n: int) -> Interval:
    """A share with Wilson's 95 % interval."""
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    z, p = 1.959964, hits / n
    centre, spread = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return Interval(p, float((centre - spread) / scale), float((centre + spread) / scale))


def _own_scores(engine: Engine, sentences: Sequence[str]) -> tuple[Scored, pl.Series]:
    """The held-out users' scores for sentences, as worded."""
    held = engine.users.is_in(list(held_out_users(engine.workspace, engine.users)))
    if not held.any():
        raise FindCLIError("nobody is held out", hint="set held_out_users in [split], such as 5")
    scored, rows = engine.score(sentences), held.to_numpy()
    return replace(scored, scores=scored.scores[rows], probabilities=scored.probabilities[rows]), engine.users.filter(
        held
    )


def _nearest_rows(asked: Sequence[Asked], nearest: Sequence[str], vocabulary: Vocabulary) -> pl.DataFrame:
    as_read = [Rewriting(each.text, AS_IT_STANDS) for each in asked]
    return _rows(asked, as_read, vocabulary, by=NEAREST, firsts=nearest)


def _rows(
    asked: Sequence[Asked], understood: Sequence[Rewriting], vocabulary: Vocabulary, *, by: str,
    firsts: Sequence[str | None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    first = firsts or [how.clauses[0].any_of[0].sentence if how.clauses else None for how in understood]
    return pl.DataFrame({
        "demand": [each.text for each in asked], "by": by, "sentence": first,
        "right": [s is not None and vocabulary.is_right(s, each.right) for s, each in zip(first, asked, strict=True)],
        "answerable": [how.answerable for how in understood],
        "expression": [how.expression for how in understood],
    }, schema_overrides={"sentence": pl.String, "answerable": pl.Boolean})  # fmt: skip


def _reader(by: str, rows: pl.DataFrame, asked: Sequence[Asked], spent: Sequence[float]) -> Reader:
    can = pl.Series([bool(each.right) for each in asked])
    answerable, strange = rows.filter(can), rows.filter(~can)
    refuses = rows["answerable"].is_not_null().any()
    called = [(~frame["answerable"].fill_null(True)).mean() if len(frame) else None for frame in (answerable, strange)]
    return Reader(
        by, wilson(int(answerable["right"].sum()), len(answerable)), len(answerable),
        float(called[0]) if refuses and called[0] is not None else None,  # type: ignore[arg-type]
        float(called[1]) if refuses and called[1] is not None else None,  # type: ignore[arg-type]
        len(strange), (float(np.median(spent)), float(np.max(spent))),
    )  # fmt: skip


def _rank(
    engine: Engine, users: pl.Series, asked: Sequence[Asked], understood: Sequence[Rewriting], raw: Scored,
    vocabulary: Vocabulary, excluded: set[str],
) -> tuple[DemandRanking | None, pl.DataFrame]:  # fmt: skip
    """Rank the held-out users both ways, for the demands that enough of them answered."""
    read = engine.score_read(understood).scores[engine.users.is_in(users.implode()).to_numpy()]  # (N, demands)
    truth = Truth.of(engine.workspace, users, [s for each in asked for s in vocabulary.sentences(_all_of(each))])
    weights = grouped_weights(groups_of(engine.workspace, users).to_list(), REPLICATES)
    rows, areas = [], []
    for i, each in enumerate(asked):
        came = truth.answers(each, vocabulary)
        named = {name.lower() for name in _all_of(each)}
        if not each.right or named & excluded or min(came.sum(), (~came).sum()) < FEWEST:
            continue
        pair = [weighted_auc_ks(scores[:, i], came, weights)[0] for scores in (raw.scores, read)]
        rows.append((each.text, int(came.sum()), float(pair[0][0]), float(pair[1][0])))
        areas.append(pair)
    schema = {"demand": pl.String, "positives": pl.Int64, "auc_raw": pl.Float64, "auc_rewritten": pl.Float64}
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return (_ranking(np.array(areas)) if rows else None), table


def _ranking(areas: np.ndarray) -> DemandRanking:
    """Means over demands, of (demands, 2, 1 + R) areas, with intervals over users and demands."""
    picked = np.random.default_rng(1).integers(len(areas), size=(REPLICATES, len(areas))).T
    raw, rewritten = resampled_means(areas, picked)
    return DemandRanking(len(areas), interval(raw), interval(rewritten), interval(rewritten - raw))


def _all_of(asked: Asked) -> tuple[str, ...]:
    return (*asked.right, *asked.also, *asked.without)


@dataclass(frozen=True)
class Truth:
    """Which sentences came true for which users.

    Attributes:
        column: column of each sentence.
        came: bool (N, S).
    """

    column: dict[str, int]
    came: np.ndarray

    @classmethod
    def of(cls, workspace: Workspace, users: pl.Series, sentences: Sequence[str]) -> Truth:
        """Read it from the events in [train_until, train_until + future)."""
        column = {sentence: i for i, sentence in enumerate(dict.fromkeys(sentences))}
        came = np.zeros((len(users), len(column)), bool)
        log = open_run(workspace.run("events"), "events")
        end = workspace.train_until + parse_duration(workspace.settings.windows.future)
        rows = pl.DataFrame({"user_id": users}).with_row_index("row")
        columns = pl.DataFrame({"concept": list(column), "column": list(column.values())})
        for part in events.parts(log):
            after = events.read_part(log, part, before=end).filter(pl.col("time") >= workspace.train_until)
            met = concept_events(workspace, after).join(rows, on="user_id").join(columns, on="concept")
            came[met["row"].to_numpy(), met["column"].to_numpy()] = True
        return cls(column, came)

    def answers(self, asked: Asked, vocabulary: Vocabulary) -> np.ndarray:
        """Whether a demand came true for each user, bool (N,)."""
        everyone = np.ones(len(self.came), bool)
        also = self._any(vocabulary.sentences(asked.also)) if asked.also else everyone
        refused = self._any(vocabulary.sentences(asked.without))
        return np.asarray(self._any(vocabulary.sentences(asked.right)) & also & ~refused)

    def _any(self, sentences: Sequence[str]) -> np.ndarray:
        return np.asarray(self.came[:, [self.column[sentence] for sentence in sentences]].any(1))
