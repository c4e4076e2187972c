"""Builds FIND's user encoder: from the pre-trained encoders for alignment, and from `runs/aligned` for use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from findcli.data.profile_codes import ProfileCodes
from findcli.data.profiles import profile_columns
from findcli.data.templates import is_search
from findcli.errors import FindCLIError
from findcli.models.find.fusion import Concatenation, Fusion
from findcli.models.find.sequence import SequenceEncoder
from findcli.models.find.tabular import TabularEncoder
from findcli.models.find.user import UserEncoder
from findcli.models.next_event.encoder import NextEventEncoder
from findcli.models.weights import load_module, new_module
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run, open_run
from findcli.workspace.settings import Align
from findcli.workspace.training_settings import PANTHER

ENCODERS = {"sequence": SequenceEncoder, "tabular": TabularEncoder, "next_event": NextEventEncoder}


@dataclass(frozen=True)
class StageRuns:
    """The opened runs that alignment reads.

    Attributes:
        events: the event log.
        pairs: user-text pairs.
        text: the text encoder and the vectors of texts.
        encoders: runs of the modality encoders in use, "sequence", "tabular" and "next_event".
    """

    events: Run
    pairs: Run
    text: Run
    encoders: dict[str, Run]

    @classmethod
    def open(cls, workspace: Workspace) -> StageRuns:
        """Open the runs.

        Raises:
            FindCLIError: one is missing; the hint names the command that makes it.
        """
        events, pairs, text = (open_run(workspace.run(name), name) for name in ("events", "pairs", "text"))
        encoders = {name: open_run(workspace.run(name), name) for name in encoder_names(workspace)}
        return cls(events, pairs, text, encoders)

    def columns(self) -> ProfileCodes:
        """The profile's codes; no columns if the tabular encoder is not in use."""
        run = self.encoders.get("tabular")
        return ProfileCodes(()) if run is None else ProfileCodes.from_json(run.json("columns.json"))


def encoder_names(workspace: Workspace) -> list[str]:
    """The modality encoders that this workspace pre-trains: none where its user tower reads none."""
    wanted = workspace.settings.align.read_by_tower
    behaves = not all(is_search(source) for source in workspace.settings.sources)
    has_profile = bool(profile_columns(workspace.settings.profile))
    has_data = {"sequence": behaves, "tabular": has_profile, "next_event": True}
    return [name for name, present in has_data.items() if present and name in wanted]


def modalities_of(workspace: Workspace, runs: StageRuns) -> list[str]:
    """The modalities to fuse: those named in [align] for which the workspace has data.

    Raises:
        FindCLIError: it has data for none of them.
    """
    wanted = workspace.settings.align.read_by_tower
    searches = bool(runs.pairs.table("texts.parquet")["search"].any())
    modalities = [*runs.encoders, *(["search"] if searches and "search" in wanted else [])]
    if not modalities:
        raise FindCLIError(
            f"this workspace has no data for any modality of [align]: {', '.join(wanted)}",
            hint="name others under modalities in [align]",
        )
    return modalities


def new_user_encoder(
    settings: Align, runs: StageRuns, modalities: Sequence[str], *, seed: int
) -> tuple[dict[str, Any], UserEncoder]:
    """The arguments of `assemble`, and the user encoder it makes: encoders as pre-trained, fusion untrained."""
    encoders = {name: run.json("encoder.json") for name, run in runs.encoders.items()}
    made_of = {
        "encoders": encoders,
        "d_search": int(runs.text.manifest.metrics["d_space"]) if "search" in modalities else 0,
        "fusion": {
            "kind": "concat" if settings.user_tower == PANTHER else settings.fusion,
            "layers": settings.layers,
            "heads": settings.heads,
            "dropout": settings.dropout,
            "skip": int(settings.skip * settings.d_embedding / len(modalities)),
            "gates": settings.gates,
        },
        "d_embedding": settings.d_embedding,
    }
    encoder = new_module(assemble, made_of, seed=seed)
    for name, run in runs.encoders.items():
        getattr(encoder, name).load_state_dict(load_module(run, "encoder", ENCODERS[name]).state_dict())
    return made_of, encoder


def assemble(
    *, encoders: Mapping[str, Mapping[str, Any]], d_search: int, fusion: Mapping[str, Any], d_embedding: int
) -> UserEncoder:
    """Build a user encoder from plain values.

    Args:
        encoders: constructor arguments of the "sequence", "tabular" and "next_event" encoders in use.
        d_search: width of a search vector; 0 leaves searches out.
        fusion: "kind" ("attention" or "concat"), "layers", "heads", "dropout", "skip", "gates".
        d_embedding: width of the user's vector.
    """
    sequence = SequenceEncoder(**encoders["sequence"]) if "sequence" in encoders else None
    tabular = TabularEncoder(**encoders["tabular"]) if "tabular" in encoders else None
    d_inputs = {} if sequence is None else {"sequence": int(encoders["sequence"]["d_model"])}
    if tabular is not None:
        d_inputs["tabular"] = len(encoders["tabular"]["cardinalities"]) * int(encoders["tabular"]["d_token"])
    next_event = NextEventEncoder(**encoders["next_event"]) if "next_event" in encoders else None
    if next_event is not None:
        d_inputs["next_event"] = next_event.width
    if d_search:
        d_inputs["search"] = d_search
    options = {name: value for name, value in fusion.items() if name != "kind"}
    mixer = (
        Concatenation(d_inputs=d_inputs, d_model=d_embedding)
        if fusion["kind"] == "concat"
        else Fusion(d_inputs=d_inputs, d_model=d_embedding, **options)
    )
    return UserEncoder(sequence=sequence, tabular=tabular, search=bool(d_search), fusion=mixer, next_event=next_event)


def load_user_encoder(aligned: Run, *, trained: bool = True) -> UserEncoder:
    """Load the aligned user encoder in eval mode, or the exact weights its training started from."""
    return load_module(aligned, "user", assemble, trained=trained)
