"""From raw tables to a ranked audience in Python: what each command calls, on 300 households of Complete Journey.

Run it with: python examples/api.py FOLDER
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from findcli.audiences.select import Selection
from findcli.audiences.target import target
from findcli.data.pairs import build_pairs
from findcli.datasets import complete_journey
from findcli.evaluation.probe import probe
from findcli.models.align import align
from findcli.models.find.pretrain_sequence import pretrain_sequence
from findcli.models.find.pretrain_tabular import pretrain_tabular
from findcli.models.text.pretrain import pretrain_text
from findcli.scoring.embed import embed
from findcli.workspace.folder import Workspace, load_workspace


def with_steps(workspace: Workspace, *, sequence: int, tabular: int, aligned: int) -> Workspace:
    """The workspace with other numbers of optimiser steps, as if findcli.toml said so."""
    settings = workspace.settings
    changed = replace(
        settings,
        sequence=replace(settings.sequence, steps=sequence),
        tabular=replace(settings.tabular, steps=tabular),
        align=replace(settings.align, steps=aligned),
    )
    return replace(workspace, settings=changed)


def main(folder: Path) -> None:
    """Make the workspace, train every stage, ask one question and probe one task."""
    complete_journey.create(folder, users=300)
    workspace = with_steps(load_workspace(folder), sequence=100, tabular=100, aligned=60)

    pairs = build_pairs(workspace)
    print("sentences:", len(pairs.table("sentences.parquet")))

    pretrain_text(workspace)
    for stage in (pretrain_sequence, pretrain_tabular, align):
        run = stage(workspace)
        print(run.manifest.kind, run.manifest.metrics)

    users = embed(workspace).tensors("users.safetensors")["embeddings"]
    print("users:", users.shape)

    (audience,) = target(workspace, ["users who will buy flowers"], selection=Selection(top_k=20))
    print(audience.selected)

    for row in probe(workspace, "d2").rows:
        print(f"{row.vectors}: AUC {row.auc.value:.3f}, KS {row.ks.value:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
