"""`findcli rank-sentences`: how well one sentence per category ranks the held-out users.

Tested in tests/evaluation/benchmark/test_run.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console, ranking
from findcli.cli.options import Device, Json, Output, Quiet, RivalNames, RivalSeconds, Threads, WorkspaceDir
from findcli.cli.stage import settle_threads
from findcli.cli.tables import signed, signed_bounds

if TYPE_CHECKING:
    from findcli.workspace.folder import Workspace


EveryKindOption = Annotated[
    bool,
    typer.Option(
        "--every-kind",
        help="Ask for things, sets of things, levels and anything at all, in any workspace, beside plain counters.",
    ),
]


def rank_sentences(
    rivals: RivalNames = "none",
    rival_seconds: RivalSeconds = 600,
    every_kind: EveryKindOption = False,
    output: Output = None,
    folder: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rank the held-out users by one sentence per common category, beside rivals that see the same purchases.

    A sentence such as "The user purchased tea." is compared with who buys tea after train_until; no task is needed.
    Prints AUC with a 95 % interval, KS, the share of buyers in the top tenth, lift and calibration, mean over
    categories: those that training sentences name, and those held out.

    With --every-kind, sentences are taken from what happened after train_until: of items as of categories, sets that
    share a word, "at least 2 times", "for more than 50 dollars", anything and nothing; no rivals are trained. Each kind
    is compared with each other ranking: difference, 95 % interval, and p after Holm's correction for all of them.

    Example: findcli rank-sentences --rivals counts,als --output figures.parquet
    """
    from findcli.evaluation.benchmark import run
    from findcli.evaluation.rivals.ranking_registry import chosen_rivals
    from findcli.workspace.folder import load_workspace

    rankers = chosen_rivals(rivals)
    ranking.require_parquet(output)
    if every_kind and rankers:
        raise typer.BadParameter("plain counters stand beside --every-kind; leave --rivals out", param_hint="--rivals")
    settle_threads(threads)
    workspace = load_workspace(folder)
    if every_kind:
        _rank_every_kind(workspace, output=output, device=device or "auto", as_json=as_json)
        return
    with console.progress("rank", quiet=quiet) as progress:
        ranked = run.rank_sentences(
            [workspace], rankers, seconds=rival_seconds, device=device or "auto", progress=progress
        )
    ranking.report(ranked, output=output, as_json=as_json)


def _rank_every_kind(workspace: Workspace, *, output: Path | None, device: str, as_json: bool) -> None:
    from findcli.audiences.export import write_audience
    from findcli.evaluation.benchmark.every_kind import rank_every_kind
    from findcli.evaluation.benchmark.run import require_trained
    from findcli.scoring.engine import open_engine

    require_trained(workspace)
    ranked = rank_every_kind(open_engine(workspace, as_of=workspace.train_until, device=device))
    if output is not None:
        write_audience(ranked.table, output)
    if as_json:
        from dataclasses import asdict

        plain = asdict(ranked)
        console.print_json({name: value for name, value in plain.items() if name not in ("table", "replicates")})
        return
    kinds = list(dict.fromkeys(row.kind for row in ranked.rows))
    counts = ", ".join(f"{row.questions} about {row.kind}" for row in ranked.rows if row.by == ranked.rows[0].by)
    console.print_line(f"{ranked.users:,} held-out users; {counts}; findcli ranks by its {ranked.kept}")
    cells = {(row.by, row.kind): row.auc.value for row in ranked.rows}
    names = dict.fromkeys(row.by for row in ranked.rows)
    console.print_table(["AUC", *kinds], [[name, *(cells.get((name, kind)) for kind in kinds)] for name in names])
    console.print_table(
        ["findcli less", "of", "AUC", "95 %", "p, Holm", "so findcli is"],
        [[c.beside, c.kind, signed(c.auc.value), signed_bounds(c.auc), c.holm, c.verdict] for c in ranked.comparisons],
    )
    verdicts = [c.verdict for c in ranked.comparisons if c.verdict is not None]
    said = ", ".join(f"{verdict} in {verdicts.count(verdict)}" for verdict in ("above", "undecided", "below"))
    console.print_line(f"of {len(verdicts)} columns, corrected for their number (Holm), findcli is {said}")
    console.print_table(
        ["of", "users expected", "came true", "ratio"],
        [[p.kind, f"{p.expected:,.0f}", p.realised, p.ratio] for p in ranked.promises],
    )
    if output is not None:
        console.print_line(f"wrote {len(ranked.table):,} rows to {console.shown(output)}")
