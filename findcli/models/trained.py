"""A workspace's trained model, opened once; each part loads on first use.

Tested in tests/models/test_tower.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

from findcli.data.profile_codes import ProfileCodes
from findcli.models.anchor.tower import AnchorTower
from findcli.models.find.tower import FusionTower
from findcli.models.next_event.reader import TokenReader
from findcli.models.panther.tower import PantherTower
from findcli.models.ranker.candidates import COUNTS, NETWORK, START, TREES, Count, Kept, Ranker, parts_of
from findcli.models.ranker.co_occurrence import CoOccurrence
from findcli.models.ranker.trees import Trees
from findcli.models.text.space import TextSpace
from findcli.models.through_tower import SentenceSpace, ThroughTower
from findcli.models.tower import UserTower
from findcli.models.user_summary import Directions
from findcli.models.weights import load_module, select_device
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run, open_run

if TYPE_CHECKING:
    pass

# A user tower is added here and in a folder of its own.
TOWERS: dict[str, type[UserTower[Any]]] = {tower.name: tower for tower in (FusionTower, PantherTower, AnchorTower)}


class TrainedModel:
    """The trained model of a workspace.

    Args:
        workspace: the workspace that trained it.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: `runs/aligned` or `runs/text` is missing or has another format.
    """

    def __init__(self, workspace: Workspace, *, device: str = "auto") -> None:
        self.workspace = workspace
        self.aligned: Run = open_run(workspace.run("aligned"), "aligned")
        self.text: Run = open_run(workspace.run("text"), "text")
        self.device: torch.device = select_device(device)

    @property
    def digest(self) -> str:
        """Identifies the trained files: it changes whenever any of them does."""
        return f"{self.aligned.manifest.digest()} {self.text.manifest.digest()}"

    @property
    def scorer(self) -> str:
        """What scores sentences: "query_aware", or "vector" if training events yielded no sentence for a ranker."""
        requested = str(self.aligned.manifest.settings["scorer"])
        return "vector" if requested == "query_aware" and not self.aligned.files("ranker.json") else requested

    @property
    def scores_by_tower(self) -> bool:
        """Whether the tower's own scorer scores sentences, and no other that stands beside it."""
        return self.scorer not in ("vector", "query_aware")

    @cached_property
    def tower(self) -> UserTower[Any]:
        """The user tower, in eval mode."""
        return self.load_tower()

    def load_tower(self, *, trained: bool = True) -> UserTower[Any]:
        """Load the user tower, or the exact weights its training started from."""
        name = self.aligned.manifest.settings["user_tower"]
        return TOWERS[name].load(self.aligned, device=str(self.device), trained=trained)

    @cached_property
    def space(self) -> TextSpace:
        """The space of history texts."""
        return TextSpace(self.text, device=str(self.device))

    @cached_property
    def sentences(self) -> SentenceSpace:
        """What encodes sentences into the space of users, LoRA merged, in eval mode."""
        return self.load_sentences()

    def load_sentences(self, *, trained: bool = True) -> SentenceSpace:
        """Load what encodes sentences, or the same with weights that alignment began with.

        A tower that reads sentences itself has no encoder beside it.
        """
        if not self.aligned.files("sentence.safetensors"):
            reader: Any = self.tower if trained else self.load_tower(trained=False)
            return ThroughTower(self.space, reader)
        from findcli.models.text.encoder import load_text_encoder  # transformers' models take seconds to import
        from findcli.models.text.sentence import SentenceEncoder

        tower = load_text_encoder(
            str(self.aligned.folder / "tower"), max_tokens=self.aligned.manifest.settings["max_tokens"]
        )
        with self.aligned.reading("sentence.safetensors"):
            weights = load_file(self.aligned.folder / "sentence.safetensors")
        encoder = SentenceEncoder(tower=tower, d_embedding=len(weights["bias"]))
        encoder.project.load_state_dict(weights)
        if not trained:
            torch.manual_seed(self.aligned.manifest.seed)
            encoder.project.reset_parameters()
        return encoder.to(self.device).eval().requires_grad_(requires_grad=False)

    @cached_property
    def network(self) -> Ranker:
        """The network among the rankers; prompts move along its slopes, whatever ranks."""
        return load_module(self.aligned, "ranker", Ranker).requires_grad_(requires_grad=False)

    @cached_property
    def ranker(self) -> Kept:
        """What turns features of a user and a question into log odds: the candidate that was kept."""
        return self.candidate(self.aligned.json("ranking.json")["kept"])

    def candidate(self, name: str) -> Kept:
        """One of the candidates that were trained, by its name."""
        parts: dict[str, Callable[[], Ranker | Trees | Count]] = {
            NETWORK: lambda: self.network,
            TREES: lambda: Trees.from_tensors(self.aligned.tensors("trees.safetensors")),
            START: lambda: load_module(self.aligned, "start", Ranker),
            COUNTS: lambda: load_module(self.aligned, "count", Count),
        }
        return Kept(name, [parts[part]() for part in parts_of(name)])

    @cached_property
    def co_occurrence(self) -> CoOccurrence:
        """The co-occurrence model."""
        return CoOccurrence.from_tensors(self.aligned.tensors("concepts.safetensors"))

    @cached_property
    def columns(self) -> ProfileCodes:
        """The codes of the profile's columns."""
        return ProfileCodes.from_json(self.aligned.json("columns.json"))

    @cached_property
    def token_reader(self) -> TokenReader | None:
        """What reads events as behaviour tokens, where the tower reads them."""
        return TokenReader.load(self.aligned)

    @cached_property
    def directions(self) -> Directions:
        """The leading directions of fused vectors, for users' short vectors."""
        return Directions.from_tensors(self.aligned.tensors("summary.safetensors"))

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of behaviour that rhythms count."""
        return tuple(self.aligned.json("summary.json")["kinds"])
