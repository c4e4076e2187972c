"""findcli in other forms: FIND's single vector, the paper's own objectives, and the model without one of its parts.

Each is trained in run folders of its own, and ranks the same users for the same sentences as the workspace's model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from findcli import pipeline
from findcli.errors import FindCLIError
from findcli.evaluation.name_selection import chosen_names
from findcli.models.align import input_digests
from findcli.models.find.assemble import StageRuns, encoder_names
from findcli.models.ranker.features import GROUPS
from findcli.progress import Progress, no_progress
from findcli.workspace.folder import Workspace
from findcli.workspace.other_settings import link_stages, under_other_settings
from findcli.workspace.runs import open_run, read_manifest
from findcli.workspace.stages import BEFORE_ALIGNMENT

OWN = "findcli"


@dataclass(frozen=True)
class Variant:
    """A form of findcli to compare.

    Attributes:
        name: its name.
        says: what differs, in a few words.
        changes: the settings that make it, by table and key.
        whole: the form that it lacks or changes one thing of; "findcli" is the workspace's own model.
    """

    name: str
    says: str
    changes: Mapping[str, Mapping[str, Any]]
    whole: str = OWN

    def of(self, workspace: Workspace) -> Workspace:
        """The workspace in this form, with run folders of its own."""
        return under_other_settings(workspace, self.changes, group="variants", name=self.name)


FIND, PAPER_FIND = "find", "find-paper"
VECTOR = {"scorer": "vector", "lora_rank": 8}  # LoRA on the tower, as in the paper
PAPER = {"sequence": {"paper_exact": True}, "tabular": {"paper_exact": True}}
NO_VECTOR = {"steps": 0, "lora_rank": 0}  # a ranker reads neither the tower nor the users' vectors


def _vector(name: str, says: str, **align: Any) -> Variant:
    return Variant(name, says, {"align": VECTOR | align}, OWN if name == FIND else FIND)


def _ranker(name: str, says: str, **ranker: Any) -> Variant:
    return Variant(name, says, {"align": NO_VECTOR, "ranker": ranker})


VARIANTS = (
    Variant(PAPER_FIND, "FIND with the paper's own objectives", PAPER | {"align": VECTOR | {"paper_exact": True}}),
    Variant(
        "find-concatenation", "the same, concatenation for attention",
        PAPER | {"align": VECTOR | {"paper_exact": True, "fusion": "concat"}}, PAPER_FIND,
    ),
    _vector(FIND, "FIND's single vector, truth-labelled pairs"),
    _vector("find-infonce", "one positive a user", loss="infonce"),
    _vector("find-sigmoid", "pairwise sigmoid", loss="sigmoid"),
    _vector("find-frozen-tower", "without LoRA", lora_rank=0),
    _vector("find-concat", "concatenation for attention", fusion="concat"),
    _vector("find-skip", "each modality past the attention too", skip=0.75, modality_weight=1.0),
    _vector("find-gates", "a gate for each modality", gates=True),
    _vector("find-modality-loss", "a loss for each modality too", modality_weight=1.0),
    _vector("find-profile-sentences", "a third of the sentences about the profile", profile_sentences=0.33),
    _vector(
        "find-profile-skip", "the same, and each modality past the attention",
        profile_sentences=0.33, skip=0.75, modality_weight=1.0,
    ),
    _vector("find-modality-dropout", "a third of the modalities hidden in training", modality_dropout=0.33),
    _vector(
        "find-sources", "all of these together", skip=0.75, modality_weight=1.0, gates=True, modality_dropout=0.33
    ),
    _vector("find-without-sequence", "without behaviour", modalities=("tabular", "search")),
    _vector("find-without-table", "without the table", modalities=("sequence", "search")),
    _vector("find-without-search", "without searches", modalities=("sequence", "tabular")),
    _vector("find-next-event", "behaviour tokens too", modalities=("sequence", "tabular", "search", "next_event")),
    _vector("panther", "PANTHER, behaviour tokens alone", user_tower="panther"),
    *(_ranker(f"without-{name}", f"the ranker without {name}", without=(name,)) for name in GROUPS),
    _ranker("without-ranking-loss", "log loss alone", ranking_weight=0.0),
    _ranker("factors-16", "users' places half as wide", factors=16),
    _ranker("factors-64", "users' places twice as wide", factors=64),
    _ranker("ridge-1", "the autoencoder's penalty a third", ridge=1.0),
    _ranker("ridge-10", "the autoencoder's penalty threefold", ridge=10.0),
    _ranker("width-32", "a smaller perceptron", width=32),
    _ranker("sentences-64", "more sentences a step", sentences=64),
)  # fmt: skip


def chosen_variants(wanted: str) -> tuple[Variant, ...]:
    """The variants that "all", "none" or comma-separated names stand for.

    Raises:
        FindCLIError: a name is unknown.
    """
    by_name = {variant.name: variant for variant in VARIANTS}
    return tuple(by_name[name] for name in chosen_names(wanted, by_name, what="variant"))


def require_stages(workspace: Workspace) -> None:
    """Refuse a workspace whose stages before the alignment are not up to date.

    Raises:
        FindCLIError: one is missing or out of date; the hint names the command.
    """
    for status in pipeline.plan(workspace, as_of=workspace.train_until):
        if status.name in BEFORE_ALIGNMENT and status.state != "current":
            raise FindCLIError(
                f"{status.name} in {workspace.runs} is {status.state} ({status.reason or 'never made'})",
                hint=f"bring it up to date with: findcli run --workspace {workspace.folder}",
            )


def plan_variants(workspace: Workspace, variants: Sequence[Variant]) -> list[tuple[Variant, str]]:
    """The variants that would be trained, and why; nothing is written.

    Raises:
        FindCLIError: a stage before the alignment is missing or out of date.
    """
    require_stages(workspace)
    reasons = ((variant, _why_stale(workspace, variant)) for variant in variants)
    return [(variant, reason) for variant, reason in reasons if reason is not None]


def _why_stale(workspace: Workspace, variant: Variant) -> str | None:
    """Why a variant has to be trained (again); stages that it does not change are those of the workspace."""
    form = variant.of(workspace)
    planned = {stage.name: stage for stage in pipeline.stages(form, as_of=form.train_until)}
    encoders = {}
    for name in encoder_names(form):
        shared = read_manifest(workspace.run(name))
        if name in variant.changes or shared is None:
            reason = "never made" if shared is None else planned[name].why_stale(shared.inputs)
            if reason:
                return f"{name}: {reason}"
        encoders[name] = open_run((form if name in variant.changes else workspace).run(name), name)
    runs = replace(StageRuns.open(workspace), encoders=encoders)
    return planned["aligned"].why_stale(input_digests(runs, form))


def train_variant(
    workspace: Workspace,
    variant: Variant,
    *,
    device: str = "auto",
    progress_for: Callable[[str], AbstractContextManager[Progress]] = lambda _: nullcontext(no_progress),
) -> tuple[Workspace, bool]:
    """Train a variant if it is not up to date.

    Args:
        workspace: its stages before the alignment are shared with the variant.
        variant: the form to train.
        device: "auto", "cpu", "cuda" or "mps".
        progress_for: makes, from a stage's name, the context whose progress is called after each of its steps.

    Returns:
        The workspace in this form, embedded as of `train_until`, and whether anything had to be trained.
    """
    form = variant.of(workspace)
    link_stages(workspace, form, but=variant.changes)
    return form, bool(pipeline.run(form, as_of=form.train_until, device=device, progress_for=progress_for))
