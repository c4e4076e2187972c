"""What a workspace has trained, opened once: each part is loaded when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from safetensors.torch import load_file

from findcli.data.profile_codes import ProfileCodes
from findcli.models.find.summary import Directions
from findcli.models.find.tower import FusionTower
from findcli.models.ranker.co_occurrence import CoOccurrence
from findcli.models.ranker.query_aware import Ranker
from findcli.models.text.encoder import load_text_encoder
from findcli.models.text.sentence import SentenceEncoder
from findcli.models.text.space import TextSpace
from findcli.models.tower import UserTower
from findcli.models.weights import load_module, select_device
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run, open_run

# A user tower is added here and in a folder of its own.
TOWERS: dict[str, type[UserTower[Any]]] = {FusionTower.name: FusionTower}


class TrainedModel:
    """The model of a workspace.

    Args:
        workspace: that has trained it.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: `runs/aligned` or `runs/text` is missing or of another format.
    """

    def __init__(self, workspace: Workspace, *, device: str = "auto") -> None:
        self.workspace = workspace
        self.aligned: Run = open_run(workspace.run("aligned"), "aligned")
        self.text: Run = open_run(workspace.run("text"), "text")
        self.device: torch.device = select_device(device)

    @property
    def digest(self) -> str:
        """Changes with anything that training has left."""
        return f"{self.aligned.manifest.digest()} {self.text.manifest.digest()}"

    @property
    def scorer(self) -> str:
        """What scores sentences: "query_aware", or "vector" where no event of training users says anything."""
        asked = str(self.aligned.manifest.settings["scorer"])
        return asked if asked == "vector" or self.aligned.files("ranker.json") else "vector"

    @cached_property
    def tower(self) -> UserTower[Any]:
        """The user tower, in eval mode."""
        return self.load_tower()

    def load_tower(self, *, trained: bool = True) -> UserTower[Any]:
        """The user tower, or the untrained self that its training began with."""
        name = self.aligned.manifest.settings.get("user_tower", FusionTower.name)
        return TOWERS[name].load(self.aligned, device=str(self.device), trained=trained)

    @cached_property
    def space(self) -> TextSpace:
        """Where history texts have vectors."""
        return TextSpace(self.text, device=str(self.device))

    @cached_property
    def sentences(self) -> SentenceEncoder:
        """FIND's sentence side, LoRA merged, in eval mode."""
        return self.load_sentences()

    def load_sentences(self) -> SentenceEncoder:
        """The sentence side, loaded anew."""
        tower = load_text_encoder(
            str(self.aligned.folder / "tower"), max_tokens=self.aligned.manifest.settings["max_tokens"]
        )
        with self.aligned.reading("sentence.safetensors"):
            weights = load_file(self.aligned.folder / "sentence.safetensors")
        encoder = SentenceEncoder(tower=tower, d_embedding=len(weights["bias"]))
        encoder.project.load_state_dict(weights)
        return encoder.to(self.device).eval().requires_grad_(requires_grad=False)

    @cached_property
    def ranker(self) -> Ranker:
        """Log odds from features of a user and a sentence."""
        return load_module(self.aligned, "ranker", Ranker).requires_grad_(requires_grad=False)

    @cached_property
    def co_occurrence(self) -> CoOccurrence:
        """What comes with what."""
        return CoOccurrence.from_tensors(self.aligned.tensors("concepts.safetensors"))

    @cached_property
    def columns(self) -> ProfileCodes:
        """How a profile becomes codes."""
        return ProfileCodes.from_json(self.aligned.json("columns.json"))

    @cached_property
    def directions(self) -> Directions:
        """The leading directions of fused vectors, for a user's summary."""
        return Directions.from_tensors(self.aligned.tensors("summary.safetensors"))

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of behaviour that a user's rhythm counts."""
        return tuple(self.aligned.json("summary.json")["kinds"])
