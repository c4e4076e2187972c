"""`findcli target`: a sentence -> a ranked audience (FIND Eq 2).

A demand is first rewritten into sentences of the workspace's vocabulary (`rewriting`), unless that is turned off. Where
the model scores by query (the default), a score is the log odds that what was understood comes true of the user. Those
of a concept's own sentence, and so of a rewritten demand, are calibrated into a probability; a demand that stands as it
is is ranked only, and `probability` is null. Where the model scores by FIND's single vector, a score is the cosine of
the sentence's and the user's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from findcli.audiences.prompts.store import open_prompt, score_prompt
from findcli.audiences.where.filter import parse_filter
from findcli.audiences.where.offer import offered_filter
from findcli.data import events
from findcli.data.profile_codes import ProfileCodes
from findcli.data.profiles import profile_columns, profiles_as_of
from findcli.data.reader.files import PACKED, look_at
from findcli.data.reader.tables import open_table, reading
from findcli.data.reader.text import read_lines
from findcli.demands.rewriter import Rewriting
from findcli.errors import FindCLIError
from findcli.scoring.as_read import AUTO, rewrite_demands, score_rewritings
from findcli.scoring.embed import embed
from findcli.workspace.folder import Workspace, to_utc
from findcli.workspace.runs import Run, open_run, read_manifest, replacing

WRITERS: dict[str, Callable[[pl.DataFrame, Path], None]] = {
    ".parquet": lambda frame, path: frame.write_parquet(path),
    ".csv": lambda frame, path: frame.write_csv(path),
    ".jsonl": lambda frame, path: frame.write_ndjson(path),
}


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Who of the ranked users makes the audience; everyone when nothing is given.

    Attributes:
        top_k: at most so many.
        top_percent: at most this percentage, in (0, 100].
        min_score: at least this score.
        min_probability: at least this probability; needs a calibration.
    """

    top_k: int | None = None
    top_percent: float | None = None
    min_score: float | None = None
    min_probability: float | None = None

    def keep(self, ranked: pl.DataFrame) -> pl.DataFrame:
        """The selected rows of a ranking that is in order of rank.

        Raises:
            FindCLIError: a probability is asked for that nobody has calibrated.
        """
        if self.min_probability is not None and ranked["probability"].null_count():
            hint = (
                "ask in a concept's own sentence, as `read as` shows it, or use --top-k, --top-percent or --min-score"
            )
            raise FindCLIError(
                f"probability of at least {self.min_probability}: this demand is ranked only, not calibrated",
                hint=hint,
            )
        if self.top_percent is not None and not 0 < self.top_percent <= 100:
            raise FindCLIError(f"top percent is {self.top_percent}", hint="name a percentage above 0, at most 100")
        most = [len(ranked)] if self.top_k is None else [self.top_k]
        most += [] if self.top_percent is None else [max(1, int(len(ranked) * self.top_percent / 100))]
        kept = ranked.head(min(most))
        if self.min_score is not None:
            kept = kept.filter(pl.col("score") >= self.min_score)
        return kept if self.min_probability is None else kept.filter(pl.col("probability") >= self.min_probability)


@dataclass(frozen=True)
class Passed:
    """Whom a filter let through.

    Attributes:
        expression: the filter.
        users: how many of the embedded users pass it.
        notes: how it was read, where that is not plain, such as a band that straddles a number.
    """

    expression: str
    users: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Audience:
    """The answer to one demand.

    Attributes:
        demand: the sentence.
        as_of: the users' histories end before this instant.
        ranking: user_id, score, probability, rank of everyone who passes the filter, best first.
        selected: the rows of those who make the audience.
        nearest: the sentences that the demand was read as, with their cosine where they were looked for.
        embedded: how many users are embedded, whether they pass or not.
        where: whom the filter let through; None without one.
        offer: without a filter, one that the demand's own words write; None where they name nothing of the profile.
        rewriting: how the demand was understood; what the vocabulary cannot answer selects nobody.
        prompt: the name of the learned prompt that ranks in the sentence's place; None without one.
    """

    demand: str
    as_of: datetime
    ranking: pl.DataFrame
    selected: pl.DataFrame
    nearest: list[tuple[str, float | None]]
    embedded: int
    where: Passed | None = None
    offer: str | None = None
    rewriting: Rewriting | None = None
    prompt: str | None = None


def target(
    workspace: Workspace,
    demands: Sequence[str] = (),
    *,
    prompt: str | None = None,
    selection: Selection | None = None,
    where: str | None = None,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    rewrite: str = AUTO,
    device: str = "auto",
) -> list[Audience]:
    """Rank every embedded user for each demand, or those who pass a filter.

    Args:
        workspace: whose users.
        demands: sentences.
        prompt: a learned prompt that ranks in the place of sentences; its scores are ranked only.
        selection: who of those ranked makes the audience; everyone when not given.
        where: who is ranked at all: an expression over the columns of the profile as of the same date, such as
            "age >= 25 and region in ('north', 'east')"; see `filters`. Everyone when not given.
        as_of: which embeddings; those are made when missing. The newest when not given.
        model: the workspace whose trained model ranks; the same when not given.
        rewrite: "auto", "off", or the sentences that stand for the one demand; see `rewritten_scoring.rewrite_demands`.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: a demand is empty, there is no such prompt or it is another model's, the filter or the rewriting
            cannot be read, the filter names what nobody has, nobody is embedded, or no model is trained.
    """
    if prompt is not None:
        demands = [open_prompt(workspace, prompt, trained=model)[0].sentence]
    require_demands(demands)
    chosen = None if where is None else parse_filter(where, profile_columns(workspace.settings.profile))
    trained = model or workspace
    aligned = open_run(trained.run("aligned"), "aligned")
    run = find_embeddings(workspace, aligned, as_of, model=model, device=device)
    rewritings: Sequence[Rewriting | None] = [None]
    if prompt is None:
        rewritings = rewrite_demands(workspace, trained, run, demands, rewrite, device=device)
        scored = score_rewritings(workspace, trained, run, rewritings, device=device)
    else:
        scored = score_prompt(workspace, trained, run, prompt, device=device)
    ids = run.table("users.parquet")["user_id"]
    instant = datetime.fromisoformat(run.manifest.settings["as_of"])
    passed, embedded = None, len(ids)
    if chosen is not None:
        passes = chosen.passes(_profiles(workspace, ids, instant, chosen.columns))
        ids, kept = ids.filter(passes), passes.to_numpy()
        scored = replace(scored, scores=scored.scores[kept], probabilities=scored.probabilities[kept])
        passed = Passed(chosen.text, len(ids), chosen.notes)
    rankings = [rank(ids, scored.scores[:, i], scored.probabilities[:, i]) for i in range(len(demands))]
    policy = selection or Selection()
    offers = _offers(workspace, aligned, demands) if chosen is None else [None] * len(demands)
    return [
        Audience(demand, instant, ranking, _selected(policy, ranking, how), near, embedded, passed, offer, how, prompt)
        for demand, ranking, near, offer, how in zip(demands, rankings, scored.nearest, offers, rewritings, strict=True)
    ]


def explain(
    workspace: Workspace,
    demands: Sequence[str],
    *,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    rewrite: str = AUTO,
    device: str = "auto",
) -> list[Rewriting]:
    """How demands are understood, without ranking anybody; arguments and errors as `target`."""
    require_demands(demands)
    trained = model or workspace
    run = find_embeddings(workspace, open_run(trained.run("aligned"), "aligned"), as_of, model=model, device=device)
    return rewrite_demands(workspace, trained, run, demands, rewrite, device=device)


def require_demands(demands: Sequence[str]) -> None:
    """Refuse an empty demand, or none.

    Raises:
        FindCLIError: there is one.
    """
    empty = [i for i, demand in enumerate(demands, 1) if not demand.strip()]
    if empty or not demands:
        told = f"demand {empty[0]} is empty" if empty else "there is no demand"
        raise FindCLIError(told, hint='write a sentence, such as "users likely to rent phones"')


def _selected(policy: Selection, ranking: pl.DataFrame, how: Rewriting | None) -> pl.DataFrame:
    return ranking.clear() if how is not None and how.answerable is False else policy.keep(ranking)


def _offers(workspace: Workspace, aligned: Run, demands: Sequence[str]) -> list[str | None]:
    """For each demand the filter that its own words write, in the values that the model was trained on."""
    # Aggregates are about events, as demands are: "will spend over 500" does not say who did.
    columns = profile_columns(replace(workspace.settings.profile, aggregates=()))
    if not columns:
        return [None] * len(demands)
    values = {codes.name: codes.values for codes in ProfileCodes.from_json(aligned.json("columns.json")).columns}
    spoken = aligned.table("sentences.parquet")["text"].to_list()
    return [offered_filter(demand, columns, values=values, spoken=spoken) for demand in demands]


def _profiles(workspace: Workspace, users: pl.Series, as_of: datetime, names: frozenset[str]) -> pl.DataFrame:
    """The users' profiles, a row each in their order; of the aggregates only the named, so that few need the events."""
    profile = workspace.settings.profile
    aggregates = tuple(aggregate for aggregate in profile.aggregates if aggregate.name in names)
    settings = replace(workspace.settings, profile=replace(profile, aggregates=aggregates))
    asked = replace(workspace, settings=settings)
    if not aggregates:
        none = pl.DataFrame(schema={"user_id": users.dtype, "time": pl.Datetime("us"), "source": pl.String})
        return profiles_as_of(asked, none, users, as_of)
    log = events.build_events(workspace)
    frames = []
    for part in events.parts(log):
        own = events.read_part(log, part, before=as_of)
        here = users.filter(users.is_in(own["user_id"].unique().implode()))
        frames.append(profiles_as_of(asked, own, here, as_of))
    return pl.DataFrame({"user_id": users}).join(pl.concat(frames), on="user_id", how="left", maintain_order="left")


def rank(ids: pl.Series, scores: np.ndarray, probabilities: np.ndarray | None = None) -> pl.DataFrame:
    """Users best first, ties by id: user_id, score, probability (null: not calibrated), rank from 1."""
    likely = np.full(len(ids), np.nan) if probabilities is None else probabilities.astype(np.float64)
    frame = pl.DataFrame({"user_id": ids, "score": scores.astype(np.float64), "probability": likely})
    ranked = frame.sort("score", "user_id", descending=[True, False])
    return ranked.with_columns(pl.col("probability").fill_nan(None), rank=pl.int_range(1, pl.len() + 1))


def find_embeddings(
    workspace: Workspace, aligned: Run, as_of: datetime | None, *, model: Workspace | None = None, device: str = "auto"
) -> Run:
    """The embeddings as of an instant, made when missing or out of date; or the newest of the model.

    Raises:
        FindCLIError: none is there and no date is named.
    """
    if as_of is not None:
        return embed(workspace, as_of=to_utc(as_of), model=model, device=device)
    digest = aligned.manifest.digest()
    runs = []
    for folder in (workspace.runs / "embeddings").glob("[0-9]*"):
        manifest = read_manifest(folder)
        if manifest is not None and manifest.inputs.get("aligned") == digest:
            runs.append((manifest.settings["as_of"], folder))
    if not runs:
        command = "findcli embed" if model is None else f"findcli embed --model {model.folder}"
        raise FindCLIError("no user is embedded by the current model", hint=f"embed them with: {command}")
    return open_run(max(runs)[1], "embeddings")


def read_demands(path: Path) -> list[str]:
    """The demands of a file: the column `demand` of a table, however it is written, or else one sentence a line.

    Raises:
        FindCLIError: the file cannot be read or holds none.
    """
    column = _column_of_demands(path)
    demands = read_lines(path, what="the file of demands") if column is None else column
    present = [demand.strip() for demand in demands if demand and demand.strip()]
    if not present:
        raise FindCLIError(f"{path} holds no demand", hint="write a sentence a line, or a column `demand`")
    return present


def _column_of_demands(path: Path) -> list[str | None] | None:
    """The column `demand` of a table, in whatever case; None where the file is no table that has one."""
    what = "the table of demands"
    stored = look_at(path, what=what) if path.suffix.lower() not in ("", ".md") else None
    if stored is None or (stored.kind == "text" and not _names_demands(path)):
        return None
    table = open_table([path], what=what)
    column = next((name for name in table.schema.names() if name.strip().lower() == "demand"), None)
    if column is None:
        hint = "name the column of sentences demand, or give a text file with a sentence a line"
        raise FindCLIError(f"{path} has no column demand, only: {', '.join(table.schema.names())}", hint=hint)
    with reading(what, [path]):
        return table.frame.select(pl.col(column).cast(pl.String)).collect().to_series().to_list()


def _names_demands(path: Path) -> bool:
    """Whether the first line of a text that says anything is that of a table with a column `demand`."""
    lines = read_lines(path, what="the file of demands") if path.suffix.lower() not in PACKED else ["demand"]
    first = next((line for line in lines if line.strip()), "")
    return "demand" in [name.strip(' "').lower() for name in re.split(r"[,;\t|]", first)]


def one_table(audiences: Sequence[Audience], *, named: bool) -> pl.DataFrame:
    """The selected users of all audiences: user_id, score, probability, rank, and `demand` where it is asked for."""
    frames = [audience.selected.with_columns(demand=pl.lit(audience.demand)) for audience in audiences]
    table = pl.concat(frames)
    return table if named else table.drop("demand")


def require_writable(path: Path) -> None:
    """Refuse a file name that no table can be written to, before any work is done.

    Raises:
        FindCLIError: the extension is none of .parquet, .csv and .jsonl, it is a folder, or its folder is missing.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        what = f"{path} is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise FindCLIError(what, hint="name a file in a folder that exists")
    if path.suffix.lower() not in WRITERS:
        raise FindCLIError(
            f"{path} ends in {path.suffix or 'nothing'}", hint=f"name a file that ends in {', '.join(WRITERS)}"
        )


def write_audience(frame: pl.DataFrame, path: Path) -> None:
    """Write a table by its extension, whole or not at all.

    Raises:
        FindCLIError: the extension is none of .parquet, .csv and .jsonl, or the disk is full.
    """
    require_writable(path)
    with replacing(path) as temporary:
        WRITERS[path.suffix.lower()](frame, temporary)
