"""`findcli tune-prompt`: a sentence and a few seed users -> a learned prompt in `runs/prompts/NAME` (FIND Eq 14).

Nothing but the prompt changes: the model's runs are read alone, and the prompt lies in a folder of its own.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import numpy as np

from findcli.audiences.prompts.descent import PromptTuner
from findcli.audiences.prompts.readers import open_reader
from findcli.audiences.prompts.seeds import Seeds, mine_hard_negatives, read_seeds, seeds_digest
from findcli.audiences.prompts.store import model_inputs, prompt_folder
from findcli.audiences.target import find_embeddings
from findcli.errors import FindCLIError
from findcli.scoring.embed import scores_by_query
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run, build, open_run


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
) -> Run:
    """Tune a prompt where it is missing, or its seeds, settings or model have changed.

    Args:
        workspace: whose users.
        sentence: where the prompt begins.
        seeds: file of `user_id` and `label`: 1 for a positive seed, 0 for a hard negative. Without a negative, as many
            hard negatives as positives are mined; see `seeds.mine_hard_negatives`.
        name: of the prompt.
        as_of: which embeddings show who the seeds are; those are made when missing. The newest when not given.
        model: the workspace whose trained model is used; the same when not given.
        device: "auto", "cpu", "cuda" or "mps".
        force: tune even where it stands.

    Raises:
        FindCLIError: the sentence is empty, the name or the seeds cannot be used, nobody is embedded, or no model is
            trained.
    """
    if not sentence.strip():
        raise FindCLIError("the sentence is empty", hint='write one, such as "users likely to rent phones"')
    folder, trained = prompt_folder(workspace, name), model or workspace
    aligned = open_run(trained.run("aligned"), "aligned")
    run = find_embeddings(workspace, aligned, as_of, model=model, device=device)
    users = run.table("users.parquet")["user_id"]
    given = read_seeds(seeds, users)
    settings = workspace.settings.prompt

    def write(draft: Draft, _: Path) -> None:
        reader = open_reader(trained, run, device=device)
        tuner = PromptTuner(
            reader, sentence, users=len(users), without=given.rows, settings=settings,
            seed=workspace.settings.workspace.seed,
        )  # fmt: skip
        chosen = given if len(given.negatives) else _with_mined(given, tuner, run)
        (tuned,) = tuner.tune([chosen])
        draft.tensors(
            "prompt.safetensors",
            {"began": tuner.start.cpu().numpy(), "tokens": tuned.tokens, "reading": tuned.reading},
        )
        found = {key: value for key, value in asdict(tuned).items() if key not in ("tokens", "query", "reading")}
        draft.metrics |= {key: None if value != value else value for key, value in found.items()}
        draft.metrics |= {
            "gain": tuner.gain, "positives": len(chosen.positives), "hard_negatives": len(chosen.negatives),
            "mined": chosen.mined, "learned_tokens": len(tuned.tokens),
        }  # fmt: skip

    return build(
        folder, write, kind="prompt",
        settings={
            "sentence": sentence, "reader": "query_aware" if scores_by_query(trained) else "vector",
            "model": None if trained.folder == workspace.folder else trained.folder.name,
            "as_of": run.manifest.settings["as_of"],
        } | asdict(settings),
        inputs=model_inputs(trained) | {"embeddings": run.manifest.digest(), "seeds": seeds_digest(users, given)},
        seed=workspace.settings.workspace.seed, force=force,
    )  # fmt: skip


def _with_mined(given: Seeds, tuner: PromptTuner, run: Run) -> Seeds:
    """Positive seeds, and as many hard negatives as there are of them."""
    scores = tuner.score(tuner.query[None].numpy())[:, 0]
    vectors = run.tensors("users.safetensors")["embeddings"]
    mined = mine_hard_negatives(scores, vectors, given.positives, most=len(given.positives))
    return Seeds(given.positives, np.asarray(mined), mined=True)
