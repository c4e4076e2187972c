"""A workspace under other settings: what changes, what is linked, and that the original stays as it is."""

from __future__ import annotations

from findcli.workspace.folder import Workspace
from findcli.workspace.other_settings import link_stages, under_other_settings


def halved(workspace: Workspace) -> Workspace:
    return under_other_settings(workspace, {"align": {"d_embedding": 8}}, group="widths", name="half")


def test_only_the_named_settings_and_the_run_folders_change(tiny_workspace: Workspace) -> None:
    derived = halved(tiny_workspace)
    assert derived.settings.align.d_embedding == 8
    assert derived.settings.align.layers == tiny_workspace.settings.align.layers
    assert derived.settings.windows == tiny_workspace.settings.windows
    assert derived.runs == tiny_workspace.runs / "benchmark/widths/half"
    assert tiny_workspace.settings.align.d_embedding == 16


def test_stages_before_alignment_are_linked_and_a_replaced_file_leaves_the_original(tiny_workspace: Workspace) -> None:
    for name in ("pairs", "text", "aligned", "cache"):
        (tiny_workspace.runs / name).mkdir(parents=True)
        (tiny_workspace.runs / name / "file").write_text(name)
    derived = halved(tiny_workspace)
    (derived.runs / "text").mkdir(parents=True)
    (derived.runs / "text/file").write_text("of the other settings")
    link_stages(tiny_workspace, derived, but=["text"])
    assert sorted(path.name for path in derived.runs.iterdir() if path.is_dir()) == ["cache", "pairs", "text"]
    assert (derived.runs / "pairs/file").samefile(tiny_workspace.runs / "pairs/file")
    assert (derived.runs / "text/file").read_text() == "of the other settings"
    (derived.runs / "new").write_text("rebuilt")
    (derived.runs / "new").replace(derived.runs / "pairs/file")
    assert (tiny_workspace.runs / "pairs/file").read_text() == "pairs"
