"""`findcli plot`: a map of users by t-SNE (or UMAP), as in FIND's Figures 3 and 4, as PNG or an interactive page.

Users who are alike lie near each other. They are coloured by a task's outcome or by the score of a demand or prompt;
a prompt's seeds are marked where they are given, and so are the users nearest to the sentence before and after it was
tuned: a sentence has no history and so no place of its own, and stands at the middle of the users that it ranks first.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from findcli.audiences.prompts.seeds import Seeds, read_seeds
from findcli.audiences.prompts.store import open_prompt, score_prompt
from findcli.data.tasks import find_task, read_labels
from findcli.errors import FindCLIError
from findcli.scoring.engine import Engine, open_engine
from findcli.workspace.disk import replacing
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run

Method = Literal["tsne", "umap"]
SUFFIXES = (".png", ".html")
NEAREST = 0.01  # a sentence stands at the middle of this share of users, whom it ranks first
# Okabe and Ito's colours, which people of any colour vision tell apart; grey for the many. Scores go from light to dark
# in one hue, so that who scores low stays behind, and rings of another hue stand out from all of it.
GREY, BLUE, ORANGE, VERMILION = "#a6a6a6", "#0072b2", "#e69f00", "#d55e00"
YELLOW, PURPLE, BLACK, WHITE = "#f0e442", "#cc79a7", "#000000", "#ffffff"
SCALE = ("#dcdcdc", "#7fbfe3", "#0072b2", "#00294d")
METHODS = {"tsne": "t-SNE", "umap": "UMAP"}


@dataclass(frozen=True)
class Marks:
    """Some users, drawn over the others.

    Attributes:
        name: in the legend.
        places: (m, 2).
        colour: of the markers.
        symbol: "o", "*", "X", "P" or "D".
        size: of a marker, in points.
        hover: what the page says of each.
        edge: the colour around a marker.
    """

    name: str
    places: np.ndarray
    colour: str
    symbol: str
    size: float
    hover: list[str]
    edge: str = WHITE


@dataclass(frozen=True)
class UserMap:
    """What is drawn.

    Attributes:
        title: what it shows.
        note: how it was made, in small print.
        places: of the users, (n, 2).
        values: scores that colour them, (n,), or None.
        values_name: what the scores are.
        hover: what the page says of each.
        marks: groups drawn over them, the last on top.
        moved: from where to where tuning has moved a prompt, (2, 2), or None.
    """

    title: str
    note: str
    places: np.ndarray
    values: np.ndarray | None
    values_name: str
    hover: list[str]
    marks: list[Marks]
    moved: np.ndarray | None = None


def plot_users(
    workspace: Workspace,
    output: Path,
    *,
    task: str | None = None,
    demand: str | None = None,
    prompt: str | None = None,
    seeds: Path | None = None,
    users: int = 3000,
    method: Method = "tsne",
    as_of: datetime | None = None,
    model: Workspace | None = None,
    seed: int = 0,
    device: str = "auto",
) -> UserMap:
    """Draw a map of users.

    Args:
        workspace: whose users.
        output: a .png or .html file.
        task: whose outcome colours them; its date is that of the map.
        demand: whose score colours them, a sentence.
        prompt: a learned prompt whose score colours them, its sentence marked beside it.
        seeds: a file of seed users, marked.
        users: at most so many are drawn, at random; positives of a task, and seeds, are kept.
        method: "tsne" (scikit-learn) or "umap" (umap-learn, where it is installed).
        as_of: the date of the map; the task's, or the newest embeddings, when not given.
        model: the workspace whose trained model is used; the same when not given.
        seed: of the sample and the map.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: a library is missing, the file cannot be named so, or the task, prompt or seeds cannot be used.
    """
    draw = writer(output)
    place = _projection(method)
    when = find_task(workspace, task).as_of if task is not None and as_of is None else as_of
    engine = open_engine(workspace, as_of=when, model=model, device=device)
    run, ids = engine.run, engine.users
    given = None if seeds is None else read_seeds(seeds, ids)
    labels = None if task is None else _labels(workspace, task, ids)
    scores = _scores(engine, demand, prompt)
    shown = _sample(len(ids), users, seed=seed, given=given, labels=labels, scores=scores)
    places = place(engine.population.tensors["embeddings"][shown], seed)
    found = _compose(workspace, task, demand, prompt, run, ids, shown, places, given, labels, scores, method)
    with replacing(output) as temporary:
        draw(found, temporary)
    return found


def _labels(workspace: Workspace, task: str, ids: pl.Series) -> pl.DataFrame:
    """Every user's label, and whether a hard negative, null without one: a row a user."""
    labels = read_labels(workspace, task, find_task(workspace, task))
    found = pl.DataFrame({"user_id": ids}).join(labels, on="user_id", how="left", maintain_order="left")
    hard = pl.col("hard_negative") if "hard_negative" in labels.columns else pl.lit(None, pl.Boolean)
    return found.select("label", hard_negative=hard)


def _scores(engine: Engine, demand: str | None, prompt: str | None) -> dict[str, np.ndarray]:
    """Of all users, by "before" (the sentence's) and "after" (the prompt's), as far as they are asked for."""
    scores = {}
    sentence = demand
    if prompt is not None:
        sentence = open_prompt(engine.workspace, prompt, trained=engine.model.workspace)[0].sentence
    if sentence is not None:
        scores["before"] = engine.score([sentence]).scores[:, 0]
    if prompt is not None:
        scores["after"] = score_prompt(engine, prompt).scores[:, 0]
    return scores


def _sample(
    n: int, most: int, *, seed: int, given: Seeds | None, labels: pl.DataFrame | None, scores: dict[str, np.ndarray]
) -> np.ndarray:
    """Rows that are drawn: seeds, those that a sentence ranks first, and others at random; ascending."""
    rng = np.random.default_rng(seed)
    kept = [rng.permutation(n)[: min(n, most)]]
    kept += [] if given is None else [given.rows]
    kept += [_first(each) for each in scores.values()]
    if labels is not None:
        positive = np.flatnonzero(labels["label"].fill_null(value=False).to_numpy())
        kept.append(rng.permutation(positive)[: max(1, most // 5)])
    return np.unique(np.concatenate(kept))


def _first(scores: np.ndarray) -> np.ndarray:
    """The rows that a sentence ranks first."""
    found: np.ndarray = np.argsort(-scores, kind="stable")[: max(10, int(NEAREST * len(scores)))]
    return found


def _compose(
    workspace: Workspace, task: str | None, demand: str | None, prompt: str | None, run: Run, ids: pl.Series,
    shown: np.ndarray, places: np.ndarray, given: Seeds | None, labels: pl.DataFrame | None,
    scores: dict[str, np.ndarray], method: Method,
) -> UserMap:  # fmt: skip
    row = {int(user): i for i, user in enumerate(shown)}
    final = scores.get("after", scores.get("before"))
    hover = _hover(ids, shown, labels, final)

    def marks(name: str, rows: np.ndarray, colour: str, symbol: str, size: float, edge: str = WHITE) -> Marks:
        index = np.array([row[int(user)] for user in rows if int(user) in row], np.int64)
        return Marks(f"{name} ({len(index):,})", places[index], colour, symbol, size, [hover[i] for i in index], edge)

    found = []
    if labels is not None:
        hard = np.flatnonzero(labels["hard_negative"].fill_null(value=False).to_numpy())
        found += [marks("hard negatives", hard, ORANGE, "o", 4)] if len(hard) and final is None else []
        positive = np.flatnonzero(labels["label"].fill_null(value=False).to_numpy())
        found.append(marks("positives", positive, BLUE if final is None else VERMILION, "o", 5))
    if given is not None:
        found += [
            marks("seeds", given.positives, YELLOW, "*", 17, BLACK),
            marks("hard negative seeds", given.negatives, PURPLE, "X", 11, BLACK),
        ]
    middles = {
        when: np.median(places[[row[int(user)] for user in _first(each)]], axis=0) for when, each in scores.items()
    }
    for when, colour, edge in (("before", WHITE, BLACK), ("after", BLACK, WHITE)):
        if when in middles:
            told = (
                "the sentence" if prompt is None else f"the prompt {'before' if when == 'before' else 'after'} tuning"
            )
            found.append(
                Marks(
                    told,
                    middles[when][None],
                    colour,
                    "D",
                    11,
                    [f"{told}: the middle of the users it ranks first"],
                    edge,
                )
            )
    about = [] if task is None else [find_task(workspace, task).title or task]
    about += [] if prompt is None else [f"prompt {prompt}"]
    about += [f'"{demand}"'] if demand is not None else []
    title = f"{workspace.settings.workspace.name}: " + (", ".join(about) or "users by what they do")
    day = str(run.manifest.settings["as_of"])[:10]
    note = f"{len(shown):,} of {len(ids):,} users, histories before {day}, {METHODS[method]} of their vectors"
    note += "; positives are drawn more often" if labels is not None and len(shown) < len(ids) else ""
    return UserMap(
        title,
        note,
        places,
        None if final is None else final[shown],
        "score" if prompt is None else "prompt's score",
        hover,
        found,
        np.stack([middles["before"], middles["after"]]) if len(middles) == 2 else None,
    )


def _hover(ids: pl.Series, shown: np.ndarray, labels: pl.DataFrame | None, scores: np.ndarray | None) -> list[str]:
    """What the page says of each user: the id, the score and the outcome, as far as they are known."""
    known = [[f"user {ids[int(user)]}"] for user in shown]
    for i, user in enumerate(shown):
        known[i] += [] if scores is None else [f"score {scores[user]:.2f}"]
        label, hard = (None, None) if labels is None else labels.row(int(user))
        known[i] += [] if label is None else ["positive" if label else "hard negative" if hard else "negative"]
    return ["<br>".join(words) for words in known]


def _projection(method: Method) -> Callable[[np.ndarray, int], np.ndarray]:
    """What places vectors (n, D) on a plane (n, 2).

    Raises:
        FindCLIError: the library is not installed.
    """
    if method == "umap":
        try:
            from umap import UMAP
        except ImportError as error:
            raise FindCLIError("UMAP needs the package umap-learn", hint="pip install umap-learn") from error
        return lambda vectors, seed: UMAP(metric="cosine", random_state=seed, n_jobs=1).fit_transform(vectors)

    def tsne(vectors: np.ndarray, seed: int) -> np.ndarray:
        from sklearn.manifold import TSNE

        if len(vectors) < 4:
            raise FindCLIError(f"{len(vectors)} users make no map", hint="draw at least 4, with --users")
        nearby = min(30.0, (len(vectors) - 1) / 3)
        model = TSNE(metric="cosine", init="random", perplexity=nearby, random_state=seed, n_jobs=1)
        found: np.ndarray = model.fit_transform(vectors)
        return found

    return tsne


def writer(output: Path) -> Callable[[UserMap, Path], None]:
    """What writes a map to a file of this name.

    Raises:
        FindCLIError: the name ends otherwise, its folder is missing, or a library is not installed.
    """
    if output.suffix.lower() not in SUFFIXES:
        hint = f"name a file that ends in {' or '.join(SUFFIXES)}"
        raise FindCLIError(f"{output} ends in {output.suffix or 'nothing'}", hint=hint)
    if not output.absolute().parent.is_dir():
        raise FindCLIError(f"there is no folder {output.parent}", hint="name a file in a folder that exists")
    library, draw = ("matplotlib", _write_png) if output.suffix.lower() == ".png" else ("plotly", _write_html)
    try:
        __import__(library)
    except ImportError as error:
        raise FindCLIError(f"pictures need the package {library}", hint='pip install "findcli[plot]"') from error
    return draw


def _write_png(found: UserMap, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 7), dpi=150, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    x, y = found.places.T
    if found.values is None:
        axes.scatter(x, y, s=5, c=GREY, alpha=0.6, linewidths=0, label=f"users ({len(x):,})")
    else:
        low, high = np.percentile(found.values, [2, 98])
        order = np.argsort(found.values, kind="stable")
        dots = axes.scatter(
            x[order], y[order], s=9, c=found.values[order], cmap=LinearSegmentedColormap.from_list("scores", SCALE),
            vmin=low, vmax=high, linewidths=0,
        )  # fmt: skip
        figure.colorbar(dots, ax=axes, label=found.values_name, shrink=0.6, pad=0.02)
    for marks in found.marks:
        filled = found.values is None or marks.size > 6
        axes.scatter(
            marks.places[:, 0], marks.places[:, 1], s=marks.size**2, marker=marks.symbol, label=marks.name,
            facecolors=marks.colour if filled else "none", edgecolors=marks.edge if filled else marks.colour,
            linewidths=0.9 if marks.size > 6 else 0.2 if filled else 0.8, zorder=3,
        )  # fmt: skip
    if found.moved is not None:
        axes.plot(found.moved[:, 0], found.moved[:, 1], color=BLACK, linewidth=1.2, zorder=2)
    axes.set_title(found.title, loc="left", fontsize=13)
    axes.set_xlabel(found.note, fontsize=9, color="#555555")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#cccccc")
    figure.legend(loc="outside lower left", ncols=3, frameon=False, fontsize=10)
    figure.savefig(path, format="png", metadata={"Software": None})


def _write_html(found: UserMap, path: Path) -> None:
    import plotly.graph_objects as go

    x, y = found.places.T
    marker: dict[str, Any] = {"size": 5, "color": GREY, "opacity": 0.6}
    if found.values is not None:
        low, high = np.percentile(found.values, [2, 98])
        marker = {
            "size": 6, "color": found.values, "colorscale": list(SCALE), "cmin": low, "cmax": high,
            "colorbar": {"title": found.values_name, "thickness": 12, "len": 0.6},
        }  # fmt: skip
    figure = go.Figure(
        go.Scattergl(
            x=x, y=y, mode="markers", marker=marker, name=f"users ({len(x):,})", text=found.hover, hoverinfo="text"
        )
    )
    if found.moved is not None:
        figure.add_scattergl(
            x=found.moved[:, 0], y=found.moved[:, 1], mode="lines", line={"color": BLACK, "width": 1.5},
            showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    symbols = {"o": "circle", "*": "star", "X": "x", "P": "cross", "D": "diamond"}
    for marks in found.marks:
        symbol = symbols[marks.symbol] + ("-open" if found.values is not None and marks.size <= 6 else "")
        edge = {"width": 1.2 if marks.size > 6 or found.values is not None else 0, "color": marks.edge}
        figure.add_scattergl(
            x=marks.places[:, 0], y=marks.places[:, 1], mode="markers", name=marks.name, text=marks.hover,
            hoverinfo="text", marker={"size": marks.size + 2, "color": marks.colour, "symbol": symbol, "line": edge},
        )  # fmt: skip
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False, "title": ""}
    figure.update_layout(
        title={"text": f"{found.title}<br><sub>{found.note}</sub>"}, template="plotly_white",
        xaxis=bare, yaxis=bare | {"scaleanchor": "x"},
        legend={"orientation": "h", "y": -0.02, "itemsizing": "constant", "font": {"size": 14}},
        margin={"l": 20, "r": 20, "t": 70, "b": 60}, dragmode="pan",
        hoverlabel={"bgcolor": WHITE, "font": {"color": BLACK, "size": 14}, "bordercolor": GREY},
    )  # fmt: skip
    tools = [["pan2d", "zoom2d", "zoomIn2d", "zoomOut2d", "resetScale2d"], ["toImage"]]
    page = figure.to_html(
        include_plotlyjs=True, full_html=True, div_id="map",
        config={"displaylogo": False, "scrollZoom": True, "modeBarButtons": tools},
    )  # fmt: skip
    style = "<style>body {margin: 0;}</style>"  # else it scrolls
    head = f'<html lang="en">\n<head>\n    <title>{html.escape(found.title)}</title>\n    {style}'
    path.write_text(page.replace("<html>\n<head>", head, 1), encoding="utf-8")
