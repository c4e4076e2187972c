"""`findcli align`: users and sentences in one space."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from findcli.cli.stage import training_command

if TYPE_CHECKING:
    from findcli.workspace.runs import Run

HELP = "Fuse the encoders, and align users with sentences about their future."


def _align() -> Callable[..., Run]:
    from findcli.models.align import align

    return align


align = training_command("aligned", _align)
