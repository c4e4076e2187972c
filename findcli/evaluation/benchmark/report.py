"""The ranking tables as a Markdown page, which names the command that makes it.

Tested in tests/evaluation/benchmark/test_run.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from findcli.evaluation.benchmark.figures import AVERAGE, COLUMNS, Difference
from findcli.evaluation.benchmark.run import Ranked
from findcli.evaluation.variants import OWN, Variant
from findcli.workspace.disk import replacing


def write_report(ranked: Ranked, variants: Sequence[Variant], path: Path, *, tune: bool, command: str = "") -> None:
    """Write the figures as Markdown, in full or not at all.

    Args:
        ranked: the figures.
        variants: forms that some of the rows are of.
        path: the file to write.
        tune: whether the splits are those for tuning.
        command: the command that makes the page.
    """
    kind = "tuning splits" if tune else "splits"
    salts = ", ".join(f'"{salt}"' for salt in ranked.splits)
    says = {OWN: "the default"} | {variant.name: variant.says for variant in variants}
    parts = [
        "# Sentence ranking on Complete Journey",
        f"Mean AUC over categories, {ranked.users:,.0f} held-out users a split; {kind} {salts}. A difference is a row "
        f"less {OWN}'s, with a 95 % interval by bootstrap over users and categories.",
        _markdown(_aucs(ranked, says)),
        "## Apart from the default",
        _markdown(_differences(ranked.differences)),
    ]
    if ranked.calibration:
        parts += ["## Probabilities", _markdown(_calibration(ranked))]
    if command:
        parts += ["## Made by", f"```bash\n{command}\n```"]
    with replacing(path) as draft:
        draft.write_text("\n\n".join([*parts, *(f"- {note}" for note in ranked.notes)]) + "\n", encoding="utf-8")


def _aucs(ranked: Ranked, says: dict[str, str]) -> pl.DataFrame:
    by_cell = {(row.by, row.column): row for row in ranked.rows}
    names = list(dict.fromkeys(row.by for row in ranked.rows))
    columns = [column for column in COLUMNS if any(row.column == column for row in ranked.rows)]
    rows = []
    for name in names:
        areas = [by_cell[name, column].auc.value for column in columns]
        figures = {
            column: f"{value:.4f}"
            for column, value in zip([*columns, AVERAGE], [*areas, sum(areas) / len(areas)], strict=True)
        }
        rows.append({"ranking": name, **figures, "what": says.get(name, "rival")})
    return pl.DataFrame(rows)


def _differences(differences: Sequence[Difference]) -> pl.DataFrame:
    """The difference of every other row from findcli's, in every column."""
    rows: dict[str, dict[str, str]] = {}
    for one in differences:
        value, low, high = -one.auc.value, -one.auc.high, -one.auc.low
        rows.setdefault(one.beside, {"ranking": one.beside})[one.column] = f"{value:+.4f} ({low:+.4f} to {high:+.4f})"
    return pl.DataFrame(list(rows.values()))


def _calibration(ranked: Ranked) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "by": row.by, "column": row.column, "pairs": f"{row.pairs:,}", "Brier skill": f"{row.brier_skill:.3f}",
                "log-loss skill": f"{row.log_loss_skill:.3f}", "slope": f"{row.slope:.2f}",
                "intercept": f"{row.intercept:+.2f}", "error": f"{row.error:.3f}",
            }
            for row in ranked.calibration
        ]
    )  # fmt: skip


def _markdown(frame: pl.DataFrame) -> str:
    with pl.Config(
        tbl_formatting="MARKDOWN", tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_rows=-1,
        tbl_cols=-1, tbl_width_chars=2000, fmt_str_lengths=500,
    ):  # fmt: skip
        return str(frame)
