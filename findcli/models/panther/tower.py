"""PANTHER as a user tower: behaviour tokens alone, projected to the space of sentences and tuned by alignment.

The next-event encoder (`models/next_event`) is pre-trained on what comes next; FIND's alignment then trains it, with a
projection in place of fusion, so that its vector answers sentences. Where FIND's fusion should read it beside other
modalities, name "next_event" under modalities in [align] instead.
"""

from __future__ import annotations

from typing import ClassVar

from findcli.models.find.tower import FusionTower
from findcli.workspace.training_settings import PANTHER


class PantherTower(FusionTower):
    """One vector per user, e_u projected (arXiv 2510.10102), scored by cosine."""

    name: ClassVar[str] = PANTHER
