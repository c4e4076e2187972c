"""The picture of a user map: its contents, and the PNG or interactive page that it is written to.

Tested in tests/evaluation/test_maps.py.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from findcli.errors import FindCLIError
from findcli.workspace.objects import url_of

SUFFIXES = (".png", ".html")
# Okabe and Ito's colours, which people of any colour vision tell apart; grey for the many. Scores go from light to dark
# in one hue, so that who scores low stays behind, and rings of another hue stand out from all of it.
GREY, BLUE, ORANGE, VERMILION = "#a6a6a6", "#0072b2", "#e69f00", "#d55e00"
YELLOW, PURPLE, BLACK, WHITE = "#f0e442", "#cc79a7", "#000000", "#ffffff"
SCALE = ("#dcdcdc", "#7fbfe3", "#0072b2", "#00294d")


@dataclass(frozen=True)
class Marks:
    """A group of users, drawn over the others.

    Attributes:
        name: its name in the legend.
        places: (m, 2).
        colour: of the markers.
        symbol: "o", "*", "X", "P" or "D".
        size: of a marker, in points.
        hover: the page's text for each.
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
    """The contents of a map.

    Attributes:
        title: the title.
        note: how it was made, in small print.
        places: positions of the users, (n, 2).
        values: scores that colour the users, (n,), or None.
        values_name: the name of those scores.
        hover: the page's text for each.
        marks: groups drawn over them, the last on top.
        moved: a prompt's position before and after it was tuned, (2, 2), or None.
    """

    title: str
    note: str
    places: np.ndarray
    values: np.ndarray | None
    values_name: str
    hover: list[str]
    marks: list[Marks]
    moved: np.ndarray | None = None


def writer(output: Path) -> Callable[[UserMap, Path], None]:
    """The function that writes a map to a file of this name.

    Raises:
        FindCLIError: the file extension is not supported, the folder is missing, or a library is not installed.
    """
    if output.suffix.lower() not in SUFFIXES:
        hint = f"name a file that ends in {' or '.join(SUFFIXES)}"
        ending = f"ends in {output.suffix}" if output.suffix else "has no file extension"
        raise FindCLIError(f"{output} {ending}", hint=hint)
    if url_of(output) is None and not output.absolute().parent.is_dir():
        raise FindCLIError(f"there is no folder {output.parent}", hint="name a file in a folder that exists")
    library, draw = ("matplotlib", _write_png) if output.suffix.lower() == ".png" else ("plotly", _write_html)
    try:
        __import__(library)
    except ImportError as error:
        raise FindCLIError(f"pictures need the package {library}", hint='pip install "findcli[plot]"') from error
    return draw


def _write_png(user_map: UserMap, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 7), dpi=150, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    x, y = user_map.places.T
    if user_map.values is None:
        axes.scatter(x, y, s=5, c=GREY, alpha=0.6, linewidths=0, label=f"users ({len(x):,})")
    else:
        low, high = np.percentile(user_map.values, [2, 98])
        order = np.argsort(user_map.values, kind="stable")
        dots = axes.scatter(
            x[order], y[order], s=9, c=user_map.values[order], cmap=LinearSegmentedColormap.from_list("scores", SCALE),
            vmin=low, vmax=high, linewidths=0,
        )  # fmt: skip
        figure.colorbar(dots, ax=axes, label=user_map.values_name, shrink=0.6, pad=0.02)
    for marks in user_map.marks:
        filled = user_map.values is None or marks.size > 6
        axes.scatter(
            marks.places[:, 0], marks.places[:, 1], s=marks.size**2, marker=marks.symbol, label=marks.name,
            facecolors=marks.colour if filled else "none", edgecolors=marks.edge if filled else marks.colour,
            linewidths=0.9 if marks.size > 6 else 0.2 if filled else 0.8, zorder=3,
        )  # fmt: skip
    if user_map.moved is not None:
        axes.plot(user_map.moved[:, 0], user_map.moved[:, 1], color=BLACK, linewidth=1.2, zorder=2)
    axes.set_title(user_map.title, loc="left", fontsize=13)
    axes.set_xlabel(user_map.note, fontsize=9, color="#555555")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#cccccc")
    figure.legend(loc="outside lower left", ncols=3, frameon=False, fontsize=10)
    figure.savefig(path, format="png", metadata={"Software": None})


def _write_html(user_map: UserMap, path: Path) -> None:
    import plotly.graph_objects as go

    x, y = user_map.places.T
    marker: dict[str, Any] = {"size": 5, "color": GREY, "opacity": 0.6}
    if user_map.values is not None:
        low, high = np.percentile(user_map.values, [2, 98])
        marker = {
            "size": 6, "color": user_map.values, "colorscale": list(SCALE), "cmin": low, "cmax": high,
            "colorbar": {"title": user_map.values_name, "thickness": 12, "len": 0.6},
        }  # fmt: skip
    figure = go.Figure(
        go.Scattergl(
            x=x, y=y, mode="markers", marker=marker, name=f"users ({len(x):,})", text=user_map.hover, hoverinfo="text"
        )
    )
    if user_map.moved is not None:
        figure.add_scattergl(
            x=user_map.moved[:, 0], y=user_map.moved[:, 1], mode="lines", line={"color": BLACK, "width": 1.5},
            showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    symbols = {"o": "circle", "*": "star", "X": "x", "P": "cross", "D": "diamond"}
    for marks in user_map.marks:
        symbol = symbols[marks.symbol] + ("-open" if user_map.values is not None and marks.size <= 6 else "")
        edge = {"width": 1.2 if marks.size > 6 or user_map.values is not None else 0, "color": marks.edge}
        figure.add_scattergl(
            x=marks.places[:, 0], y=marks.places[:, 1], mode="markers", name=marks.name, text=marks.hover,
            hoverinfo="text", marker={"size": marks.size + 2, "color": marks.colour, "symbol": symbol, "line": edge},
        )  # fmt: skip
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False, "title": ""}
    figure.update_layout(
        title={"text": f"{user_map.title}<br><sub>{user_map.note}</sub>"}, template="plotly_white",
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
    head = f'<html lang="en">\n<head>\n    <title>{html.escape(user_map.title)}</title>\n    {style}'
    path.write_text(page.replace("<html>\n<head>", head, 1), encoding="utf-8")
