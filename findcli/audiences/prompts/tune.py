"""`findcli tune-prompt`: a sentence and a few seed users -> a learned prompt in `runs/prompts/NAME` (FIND Eq 14).

Nothing but the prompt changes: the model's runs are only read, and the prompt has a folder of its own.

Tested in tests/audiences/prompts/test_store.py.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import numpy as np

from findcli.audiences.prompts.clusters import METHOD, STEPS, tower_scorer, tune_clusters
from findcli.audiences.prompts.descent import PromptTuner
from findcli.audiences.prompts.seeds import Seeds, mine_hard_negatives, read_seeds, remember_seeds, seeds_digest
from findcli.audiences.prompts.store import SEEDS, model_inputs, prompt_folder
from findcli.errors import FindCLIError
from findcli.scoring.engine import Engine, open_engine
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run, build

DESCENT = "descent"


def tune_prompt(
    workspace: Workspace,
    sentence: str,
    seeds: Path,
    name: str,
    *,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    device: str = "auto",
    force: bool = False,
    method: str = DESCENT,
) -> Run:
    """Tune a prompt if it is missing, or its seeds, settings or model have changed.

    Args:
        workspace: the workspace of the users.
        sentence: the sentence that the prompt starts from.
        seeds: file of `user_id` and `label`: 1 for a positive seed, 0 for a hard negative. Without a negative, as many
            hard negatives as positives are mined; see `seeds.mine_hard_negatives`.
        name: the name of the prompt.
        as_of: the date of the seeds' embeddings, which are made if missing; default: the newest.
        model: the workspace whose trained model is used; default: `workspace`.
        device: "auto", "cpu", "cuda" or "mps".
        force: tune even when the prompt is up to date.
        method: "descent" moves the sentence's own tokens (FIND Eq 14); "clusters" learns tokens before it and a
            prototype of each class (Query-as-Anchor), of a tower that reads questions.

    Raises:
        FindCLIError: the sentence is empty, the name or the seeds cannot be used, no user is embedded, or no model is
            trained.
    """
    if not sentence.strip():
        raise FindCLIError("the sentence is empty", hint='write one, such as "users likely to rent phones"')
    folder, trained = prompt_folder(workspace, name), model or workspace
    engine = open_engine(workspace, as_of=as_of, model=model, device=device)
    seed_users = read_seeds(seeds, engine.users)
    settings = workspace.settings.prompt

    def write(draft: Draft, _: Path) -> None:
        if method == METHOD:
            _write_clusters(draft, engine, sentence, seed_users)
            return
        tuner = PromptTuner(
            engine.scorer, sentence, users=len(engine.users), without=seed_users.rows, settings=settings,
            seed=workspace.settings.workspace.seed,
        )  # fmt: skip
        chosen = seed_users if len(seed_users.negatives) else _with_mined(seed_users.positives, tuner, engine)
        (tuned,) = tuner.tune([chosen])
        start = tuner.coordinates.start.cpu().numpy()
        draft.tensors("prompt.safetensors", {"began": start, "tokens": tuned.tokens, "reading": tuned.reading})
        draft.json(SEEDS, remember_seeds(engine.users, seed_users))
        figures = {key: value for key, value in asdict(tuned).items() if key not in ("tokens", "query", "reading")}
        draft.metrics |= {key: None if value != value else value for key, value in figures.items()}
        draft.metrics |= {
            "gain": tuner.coordinates.gain, "positives": len(chosen.positives),
            "hard_negatives": len(chosen.negatives), "mined": chosen.mined, "learned_tokens": len(tuned.tokens),
        }  # fmt: skip

    return build(
        folder, write, kind="prompt",
        settings={
            "sentence": sentence, "reader": engine.model.scorer,
            "model": None if trained.folder == workspace.folder else trained.folder.name,
            "as_of": engine.run.manifest.settings["as_of"],
        } | ({"method": method} if method != DESCENT else {}) | asdict(settings),
        inputs=model_inputs(trained)
        | {"embeddings": engine.run.manifest.digest(), "seeds": seeds_digest(engine.users, seed_users)},
        seed=workspace.settings.workspace.seed, force=force,
    )  # fmt: skip


def _write_clusters(draft: Draft, engine: Engine, sentence: str, seeds: Seeds) -> None:
    """Fill a draft by clusters."""
    scorer, settings = tower_scorer(engine), engine.workspace.settings
    chosen = seeds
    if not len(seeds.negatives):
        query = scorer.query_of(sentence).cpu().numpy()
        scores = scorer.moved(query, query[None], gain=1.0)[:, 0]
        chosen = _lookalikes(seeds.positives, scores, engine)
    learned = tune_clusters(
        scorer, sentence, chosen, users=len(engine.users), folds=settings.prompt.folds,
        seed=settings.workspace.seed,
    )  # fmt: skip
    draft.tensors("prompt.safetensors", {"tokens": learned.tokens, "prototypes": learned.prototypes})
    draft.json(SEEDS, remember_seeds(engine.users, seeds))
    draft.metrics |= {
        "attention_before": learned.before, "attention_after": learned.after, "auc": learned.auc,
        "sentence_auc": learned.sentence_auc, "hard_auc": learned.hard_auc,
        "sentence_hard_auc": learned.sentence_hard_auc, "steps": STEPS, "weight": 0.0, "gain": 1.0,
        "positives": len(chosen.positives), "hard_negatives": len(chosen.negatives), "mined": chosen.mined,
        "learned_tokens": len(learned.tokens),
    }  # fmt: skip


def _with_mined(positives: np.ndarray, tuner: PromptTuner, engine: Engine) -> Seeds:
    """Seeds of the positives and as many mined hard negatives."""
    return _lookalikes(positives, tuner.score(tuner.query[None])[:, 0], engine)


def _lookalikes(positives: np.ndarray, scores: np.ndarray, engine: Engine) -> Seeds:
    """Seeds of the positives and as many hard negatives, mined among the users with the best scores (N,)."""
    vectors = engine.population.tensors["embeddings"]
    mined = mine_hard_negatives(scores, vectors, positives, most=len(positives))
    return Seeds(positives, np.asarray(mined), mined=True)
