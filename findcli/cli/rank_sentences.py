"""`findcli rank-sentences`: how well one sentence per category ranks the held-out users.

Tested in tests/evaluation/benchmark/test_run.py.
"""

from __future__ import annotations

from findcli.cli import console, ranking
from findcli.cli.options import Device, Json, Output, Quiet, RivalNames, RivalSeconds, Threads, WorkspaceDir
from findcli.cli.stage import settle_threads


def rank_sentences(
    rivals: RivalNames = "none",
    rival_seconds: RivalSeconds = 600,
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

    Example: findcli rank-sentences --rivals counts,als --output figures.parquet
    """
    from findcli.evaluation.benchmark import run
    from findcli.evaluation.rivals.ranking_registry import chosen_rivals
    from findcli.workspace.folder import load_workspace

    rankers = chosen_rivals(rivals)
    ranking.require_parquet(output)
    settle_threads(threads)
    workspace = load_workspace(folder)
    with console.progress("rank", quiet=quiet) as progress:
        ranked = run.rank_sentences(
            [workspace], rankers, seconds=rival_seconds, device=device or "auto", progress=progress
        )
    ranking.report(ranked, output=output, as_json=as_json)
