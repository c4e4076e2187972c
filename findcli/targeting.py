"""`findcli target`: a sentence -> a ranked audience (FIND Eq 2).

Where the model scores by query (the default), a score is the log odds that the sentence comes true of the user. For a
demand that is a concept's own sentence they are calibrated into a probability; any other is ranked only, and
`probability` is null. Where it scores by FIND's single vector, a score is the cosine of the sentence's and the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import torch
from safetensors.torch import load_file
from scipy.special import expit

from findcli import artifacts
from findcli.artifacts import Run, replacing
from findcli.co_occurrence import CoOccurrence
from findcli.embeddings import embed, scores_by_query
from findcli.encoders.ranker import Ranker
from findcli.encoders.sentence import SentenceEncoder
from findcli.encoders.text import load_text_encoder
from findcli.errors import FindCLIError
from findcli.module_files import load_module
from findcli.query_scoring import NAMED, pick_concepts, score
from findcli.snapshots import Snapshot, read_snapshot
from findcli.text_space import TextSpace
from findcli.training import select_device
from findcli.workspace import Workspace, to_utc

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
            hint = "use --top-k, --top-percent or --min-score"
            raise FindCLIError(
                f"probability of at least {self.min_probability}: this model ranks only, it is not calibrated",
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
class Audience:
    """The answer to one demand.

    Attributes:
        demand: the sentence.
        as_of: the users' histories end before this instant.
        ranking: user_id, score, probability, rank of everyone, best first.
        selected: the rows of those who make the audience.
        nearest: training sentences closest to the demand, with their cosine: how the model reads it.
    """

    demand: str
    as_of: datetime
    ranking: pl.DataFrame
    selected: pl.DataFrame
    nearest: list[tuple[str, float]]


def target(
    workspace: Workspace,
    demands: Sequence[str],
    *,
    selection: Selection | None = None,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    device: str = "auto",
) -> list[Audience]:
    """Rank every embedded user for each demand.

    Args:
        workspace: whose users.
        demands: sentences.
        selection: who makes the audience; everyone when not given.
        as_of: which embeddings; those are made when missing. The newest when not given.
        model: the workspace whose trained model ranks; the same when not given.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: a demand is empty, nobody is embedded, or no model is trained.
    """
    empty = [i for i, demand in enumerate(demands, 1) if not demand.strip()]
    if empty or not demands:
        where = f"demand {empty[0]} is empty" if empty else "there is no demand"
        raise FindCLIError(where, hint='write a sentence, such as "users likely to rent phones"')
    trained = model or workspace
    aligned = artifacts.open_run(trained.run("aligned"), "aligned")
    run = find_embeddings(workspace, aligned, as_of, model=model, device=device)
    if scores_by_query(trained):
        scored = score_by_query(trained, read_snapshot(run), demands, device=device)
    else:
        scored = score_by_vector(aligned, run.tensors("users.safetensors")["embeddings"], demands, device=device)
    ids = run.table("users.parquet")["user_id"]
    instant = datetime.fromisoformat(run.manifest.settings["as_of"])
    chosen = selection or Selection()
    probabilities = scored.probabilities if model is None else np.full_like(scored.scores, np.nan)
    rankings = [rank(ids, scored.scores[:, i], probabilities[:, i]) for i in range(len(demands))]
    return [
        Audience(demand, instant, ranking, chosen.keep(ranking), near)
        for demand, ranking, near in zip(demands, rankings, scored.nearest, strict=True)
    ]


@dataclass(frozen=True)
class Scored:
    """N users for Q demands.

    Attributes:
        scores: (N, Q), higher is likelier.
        probabilities: (N, Q), NaN where a demand is ranked only.
        nearest: for each demand the sentences that it was read as, with their cosine.
    """

    scores: np.ndarray
    probabilities: np.ndarray
    nearest: list[list[tuple[str, float]]]


def score_by_vector(aligned: Run, embeddings: np.ndarray, demands: Sequence[str], *, device: str = "auto") -> Scored:
    """The cosine of sentences with FIND's single vector of users (FIND Eq 2).

    Args:
        aligned: the trained model.
        embeddings: unit vectors of users, (N, D).
        demands: Q sentences.
        device: "auto", "cpu", "cuda" or "mps".
    """
    vectors = load_sentence_encoder(aligned, device=device).vectors(demands)  # (Q, D)
    scores = (torch.from_numpy(embeddings) @ vectors.T).numpy()  # (N, Q)
    return Scored(scores, np.full_like(scores, np.nan), nearest_sentences(aligned, vectors))


def score_by_query(trained: Workspace, snapshot: Snapshot, demands: Sequence[str], *, device: str = "auto") -> Scored:
    """The log odds of sentences by what they pick from histories; see `query_scoring`.

    Args:
        trained: the workspace whose model reads them.
        snapshot: N users and their concepts as of a date.
        demands: Q sentences.
        device: "auto", "cpu", "cuda" or "mps".
    """
    aligned = artifacts.open_run(trained.run("aligned"), "aligned")
    space = TextSpace(artifacts.open_run(trained.run("text"), "text"), device=str(select_device(device)))
    vectors = space.encode(demands)  # (Q, d_text)
    query = pick_concepts(vectors, snapshot.concepts)
    learned = CoOccurrence.from_tensors(aligned.tensors("concepts.safetensors"))
    ranker = load_module(aligned, "ranker", Ranker)
    odds = score(snapshot.habits, snapshot.concepts, query, learned, ranker)  # (N, Q)
    probabilities = np.full(odds.shape, np.nan)
    if aligned.files("calibration.json"):
        line = aligned.json("calibration.json")
        calibrated = expit(line["slope"] * odds.astype(np.float64) + line["intercept"])
        probabilities = np.where(query.nearest >= NAMED, calibrated, np.nan)
    return Scored(odds, probabilities, _picked(snapshot, vectors))


def _picked(snapshot: Snapshot, vectors: np.ndarray, *, most: int = 3) -> list[list[tuple[str, float]]]:
    """For each demand the concepts that it is nearest to."""
    cosine = vectors @ snapshot.concepts.vectors.T  # (Q, n_concepts)
    best = np.argsort(-cosine, axis=1, kind="stable")[:, :most]
    return [[(snapshot.texts[int(i)], float(row[i])) for i in chosen] for row, chosen in zip(cosine, best, strict=True)]


def rank(ids: pl.Series, scores: np.ndarray, probabilities: np.ndarray | None = None) -> pl.DataFrame:
    """Users best first, ties by id: user_id, score, probability (null: not calibrated), rank from 1."""
    likely = np.full(len(ids), np.nan) if probabilities is None else probabilities.astype(np.float64)
    frame = pl.DataFrame({"user_id": ids, "score": scores.astype(np.float64), "probability": likely})
    ranked = frame.sort("score", "user_id", descending=[True, False])
    return ranked.with_columns(pl.col("probability").fill_nan(None), rank=pl.int_range(1, pl.len() + 1))


def load_sentence_encoder(aligned: Run, *, device: str) -> SentenceEncoder:
    """The sentence's side, LoRA merged, in eval mode."""
    max_tokens = aligned.manifest.settings["max_tokens"]
    tower = load_text_encoder(str(aligned.folder / "tower"), max_tokens=max_tokens)
    with aligned.reading("sentence.safetensors"):
        weights = load_file(aligned.folder / "sentence.safetensors")
    encoder = SentenceEncoder(tower=tower, d_embedding=len(weights["bias"]))
    encoder.project.load_state_dict(weights)
    return encoder.to(select_device(device)).eval()


def nearest_sentences(aligned: Run, vectors: torch.Tensor, *, most: int = 3) -> list[list[tuple[str, float]]]:
    """For each vector (n, D) the training sentences with the highest cosine."""
    known = torch.from_numpy(aligned.tensors("sentences.safetensors")["vectors"])  # (S, D)
    words = aligned.table("sentences.parquet")["text"]
    best = (vectors @ known.T).topk(min(most, len(known)), dim=1)
    return [
        [(words[int(i)], float(v)) for i, v in zip(row, value, strict=True)]
        for row, value in zip(best.indices, best.values, strict=True)
    ]


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
        manifest = artifacts.read_manifest(folder)
        if manifest is not None and manifest.inputs.get("aligned") == digest:
            runs.append((manifest.settings["as_of"], folder))
    if not runs:
        command = "findcli embed" if model is None else f"findcli embed --model {model.folder}"
        raise FindCLIError("no user is embedded by the current model", hint=f"embed them with: {command}")
    return artifacts.open_run(max(runs)[1], "embeddings")


def read_demands(path: Path) -> list[str]:
    """The demands of a file: the column `demand` of a CSV, TSV or Parquet file, or else one sentence a line.

    Raises:
        FindCLIError: the file cannot be read or holds none.
    """
    separators = {".csv": ",", ".tsv": "\t"}
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            demands = pl.read_parquet(path)["demand"].cast(pl.String).to_list()
        elif suffix in separators and "demand" in (
            columns := pl.read_csv(path, separator=separators[suffix], n_rows=0).columns
        ):
            demands = pl.read_csv(
                path, separator=separators[suffix], schema_overrides=dict.fromkeys(columns, pl.String)
            )["demand"].to_list()
        else:
            demands = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        hint = "give a text file with a sentence a line, or a CSV, TSV or Parquet file with a column `demand`"
        raise FindCLIError(f"the demands in {path} cannot be read: {artifacts.first_line(error)}", hint=hint) from error
    found = [demand for demand in demands if demand]
    if not found:
        raise FindCLIError(f"{path} holds no demand", hint="write a sentence a line, or a column `demand`")
    return found


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
