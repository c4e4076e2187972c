"""What query-aware scoring reads of users: stored as described, none of what is left out, and the fond first."""

from __future__ import annotations

import numpy as np
import pytest

from findcli.audiences.target import target
from findcli.data import events
from findcli.metrics import weighted_auc_ks
from findcli.models.ranker.concepts import SUMS
from findcli.models.ranker.user_snapshot import read_snapshot
from findcli.models.trained import TrainedModel
from findcli.scoring.engine import open_engine
from findcli.scoring.population import describe_users
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import open_run


def test_what_is_stored_is_what_was_described(trained_workspace: Workspace) -> None:
    as_of = trained_workspace.train_until
    stored = read_snapshot(open_run(trained_workspace.embeddings(as_of), "embeddings"))
    log = events.build_events(trained_workspace)
    taken = describe_users(trained_workspace, TrainedModel(trained_workspace, device="cpu"), log, as_of).snapshot
    assert taken is not None
    assert stored.texts.to_list() == taken.texts.to_list()
    assert all((stored.habits.sums[name] != taken.habits.sums[name]).nnz == 0 for name in SUMS)
    assert np.array_equal(stored.habits.activity, taken.habits.activity)
    assert np.array_equal(stored.concepts.vectors, taken.concepts.vectors)
    assert (stored.concepts.translation != taken.concepts.translation).nnz == 0


@pytest.mark.parametrize("left_out", [{"without_sources": ["searches"]}, {"masked": ["search"]}])
def test_a_source_left_out_says_nothing(trained_workspace: Workspace, left_out: dict[str, list[str]]) -> None:
    as_of, model = trained_workspace.train_until, TrainedModel(trained_workspace, device="cpu")
    log = events.build_events(trained_workspace)
    taken = describe_users(trained_workspace, model, log, as_of, **left_out).snapshot
    assert taken is not None
    assert not any("searched" in text for text in taken.texts)
    run = open_run(trained_workspace.embeddings(as_of), "embeddings")
    assert any("searched" in text for text in read_snapshot(run).texts)


def test_those_who_did_it_often_come_first(trained_workspace: Workspace) -> None:
    engine = open_engine(trained_workspace, as_of=trained_workspace.train_until, device="cpu")
    scores = engine.score(["The user purchased tea."]).scores[:, 0]
    snapshot = engine.population.snapshot
    assert snapshot is not None
    column = snapshot.texts.to_list().index("The user purchased tea.")
    often = np.asarray(snapshot.habits.sums["decay 0.9"][:, [column]].todense()).ravel()
    fond = often >= np.quantile(often, 0.8)
    assert weighted_auc_ks(scores, fond, np.ones((1, len(fond))))[0][0] > 0.5


def test_a_concepts_own_sentence_gets_probabilities_and_other_words_ranks_only(trained_workspace: Workspace) -> None:
    own, other = target(
        trained_workspace,
        ["The user purchased tea.", "someone fond of hot drinks"],
        as_of=trained_workspace.train_until,
        device="cpu",
    )
    assert own.ranking["probability"].is_between(0, 1).all()
    assert own.ranking["probability"].is_sorted(descending=True)
    assert other.ranking["probability"].null_count() == len(other.ranking)
    assert own.nearest[0] == ("The user purchased tea.", pytest.approx(1, abs=1e-4))


def test_the_single_vector_stays_selectable(trained_workspace: Workspace) -> None:
    from findcli.models.align import align
    from findcli.scoring.embed import embed
    from findcli.workspace.folder import load_workspace

    file = trained_workspace.folder / "findcli.toml"
    file.write_text(file.read_text().replace("[align]", '[align]\nscorer = "vector"'))
    workspace = load_workspace(trained_workspace.folder)
    align(workspace, device="cpu")
    run = embed(workspace, as_of=workspace.train_until, device="cpu")
    assert not run.files("habits.safetensors")
    (audience,) = target(workspace, ["The user purchased tea."], as_of=workspace.train_until, device="cpu")
    assert audience.ranking["score"].is_between(-1.001, 1.001).all()
    assert audience.ranking["probability"].null_count() == len(audience.ranking)


def test_a_first_time_is_lost_by_whoever_did_it_and_by_nobody_else(trained_workspace: Workspace) -> None:
    engine = open_engine(trained_workspace, as_of=trained_workspace.train_until, device="cpu")
    snapshot = engine.population.snapshot
    assert snapshot is not None
    text = "The user purchased plain tea."
    column = snapshot.texts.to_list().index(text)
    met = snapshot.habits.sums["latest"][:, [column]].toarray()[:, 0] > 0
    scored = engine.score([text, text.replace(".", " for the first time.")])
    assert met.any()
    assert np.array_equal(scored.probabilities[:, 1] == 0, met)
