"""How long work tells where it stands; the command line draws it, a notebook may ignore it.

Tested in tests/test_pipeline.py.
"""

from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    """Told after every step of long work."""

    def __call__(self, step: int, total: int, metrics: Mapping[str, float]) -> None:
        """Show that `step` of `total` are done, with what was measured."""


def no_progress(step: int, total: int, metrics: Mapping[str, float]) -> None:
    """Show nothing."""
