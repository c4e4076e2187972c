"""One engine: loaded once, asked many times, opened anew when what it stands on changes; and how a demand travels."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np
import pytest

import findcli
from findcli.audiences.target import target
from findcli.errors import FindCLIError
from findcli.models.text import encoder
from findcli.scoring.embed import embed
from findcli.scoring.engine import describe_engine, open_engine
from findcli.workspace.folder import Workspace, load_workspace

# From the top; a call between rooms may only point down.
ROOMS = (
    "cli", "quickstart", "evaluation", "pipeline", "audiences", "scoring", "demands", "models", "training", "datasets",
    "data", "workspace",
)  # fmt: skip
BESIDE = (  # errors, progress and the workspace file's settings
    "findcli.errors", "findcli.progress", "findcli.workspace.settings", "findcli.workspace.folder",
    "findcli.workspace.durations",
)  # fmt: skip


def test_models_are_loaded_once_for_many_questions(
    trained_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    real = encoder.AutoModel.from_pretrained

    def counted(folder: str, *words: Any, **options: Any) -> Any:
        loaded.append(folder)
        return real(folder, *words, **options)

    monkeypatch.setattr(encoder.AutoModel, "from_pretrained", counted)
    answers = [target(trained_workspace, ["people who like hot drinks"], device="cpu")[0] for _ in range(3)]
    assert len(loaded) <= 1
    assert answers[0].ranking.equals(answers[2].ranking)


def test_what_nobody_asks_for_is_not_loaded(trained_workspace: Workspace) -> None:
    engine = open_engine(trained_workspace, as_of=trained_workspace.train_until, device="cpu")
    engine.score(["The user purchased tea."])
    assert not {"tower", "sentences"} & vars(engine.model).keys()
    assert engine.model.space._encoder is None  # a concept's own sentence has its vector already


def test_the_engine_is_opened_anew_when_model_embeddings_or_settings_change(trained_workspace: Workspace) -> None:
    at = trained_workspace.train_until
    first = open_engine(trained_workspace, as_of=at, device="cpu")
    assert open_engine(load_workspace(trained_workspace.folder), as_of=at, device="cpu") is first
    assert open_engine(trained_workspace, device="cpu") is first
    settings = replace(
        trained_workspace.settings, workspace=replace(trained_workspace.settings.workspace, currency="euros")
    )
    assert open_engine(replace(trained_workspace, settings=settings), as_of=at, device="cpu") is not first
    embed(trained_workspace, device="cpu")
    assert open_engine(trained_workspace, device="cpu") is not first


def test_users_described_for_this_alone_score_as_those_embedded(trained_workspace: Workspace) -> None:
    at = trained_workspace.train_until
    stored = open_engine(trained_workspace, as_of=at, device="cpu")
    described = describe_engine(trained_workspace, as_of=at, device="cpu")
    assert described.users.equals(stored.users)
    for engine in (stored, described):
        assert engine.scorer.unit == "log odds"
    words = ["The user purchased tea.", "people who like hot drinks"]
    np.testing.assert_array_equal(described.score(words).scores, stored.score(words).scores)
    assert not described.reads
    with pytest.raises(ValueError, match="not in a run folder"):
        described.read(words)


def test_without_a_model_the_command_that_trains_it_is_named(tiny_workspace: Workspace) -> None:
    with pytest.raises(FindCLIError, match="there is no aligned run") as error:
        open_engine(tiny_workspace)
    assert "findcli align" in error.value.hint


def test_without_users_the_command_that_embeds_them_is_named(trained_workspace: Workspace) -> None:
    for folder in (trained_workspace.runs / "embeddings").iterdir():
        if folder.is_dir():
            folder.rename(folder.with_name(f"x{folder.name}"))
    with pytest.raises(FindCLIError, match="no user is embedded") as error:
        open_engine(trained_workspace)
    assert "findcli embed" in error.value.hint


def test_the_way_of_a_demand_crosses_few_modules_and_only_points_down(trained_workspace: Workspace) -> None:
    for module in pkgutil.walk_packages(findcli.__path__, "findcli."):
        importlib.import_module(module.name)  # what an import runs is no step of the way
    with tracing() as (modules, calls):
        target(trained_workspace, ["people who like hot drinks"], device="cpu")
    assert "findcli.demands.rewriter" in modules
    assert "findcli.models.ranker.features" in modules
    assert len(modules) <= 50, "\n".join(sorted(modules))
    up = {(a, b) for a, b in calls if ROOMS.index(_room(a)) > ROOMS.index(_room(b))}
    assert not up


@contextmanager
def tracing() -> Iterator[tuple[set[str], set[tuple[str, str]]]]:
    """The modules of findcli that run, and which of them calls which; what stands beside the rooms left out."""
    modules: set[str] = set()
    calls: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        name = str(frame.f_globals.get("__name__", ""))
        if event != "call" or not _counts(name):
            return
        modules.add(name)
        caller = frame.f_back
        while caller is not None and not _counts(str(caller.f_globals.get("__name__", ""))):
            caller = caller.f_back
        if caller is not None:
            calls.add((caller.f_globals["__name__"], name))

    sys.setprofile(note)
    try:
        yield modules, calls
    finally:
        sys.setprofile(None)


def _counts(name: str) -> bool:
    return name.startswith("findcli.") and not name.startswith(BESIDE)


def _room(name: str) -> str:
    return name.split(".")[1]
