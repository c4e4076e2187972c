"""Opening a rewriter: what it says of the horizon is what the model was trained for, whatever the file says now."""

from __future__ import annotations

from datetime import timedelta

from findcli.demands.rewriter import open_rewriter
from findcli.models.trained import TrainedModel
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import open_run


def test_the_horizon_is_that_of_the_trained_model(trained_workspace: Workspace) -> None:
    file = trained_workspace.folder / "findcli.toml"
    file.write_text(file.read_text().replace('future = "4w"', 'future = "2w"'))
    changed = load_workspace(trained_workspace.folder)
    run = open_run(changed.embeddings(changed.train_until), "embeddings")
    assert open_rewriter(changed, TrainedModel(changed, device="cpu"), run).future == timedelta(weeks=4)
