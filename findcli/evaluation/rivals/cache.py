"""What rivals compute, within a bound of time, kept on disk until they or their inputs change.

Tested in tests/evaluation/rivals/test_ranking_registry.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from findcli.errors import FindCLIError
from findcli.workspace.disk import replacing

OVER_TIME = "over time"


@dataclass(frozen=True)
class Kept:
    """What one rival came to.

    Attributes:
        array: float32; None where it did not finish.
        seconds: what it took when it was computed.
        note: why it did not finish, "" where it did.
    """

    array: np.ndarray | None
    seconds: float
    note: str = ""


class _OverTimeError(Exception):
    """A rival has had its time."""


def computed_or_kept(
    path: Path, name: str, compute: Callable[[Callable[[], None]], np.ndarray], *, seconds: float
) -> Kept:
    """An array from the disk where it stands, else computed and put there.

    Args:
        path: where it is kept.
        name: what the file calls it.
        compute: given what it calls between its steps, which raises when it has had its time.
        seconds: the bound; looked at between its steps and at its end.

    Returns:
        The array; or none, with the reason, where it took too long or cannot be computed here.
    """
    if (kept := _read(path, name)) is not None:
        return _within(kept, seconds)
    clock = time.perf_counter()

    def keep_time() -> None:
        if time.perf_counter() - clock > seconds:
            raise _OverTimeError

    try:
        array = np.ascontiguousarray(compute(keep_time), np.float32)
    except _OverTimeError:
        return Kept(None, time.perf_counter() - clock, OVER_TIME)
    except FindCLIError as error:
        return Kept(None, time.perf_counter() - clock, f"{error.message} ({error.hint})")
    took = time.perf_counter() - clock
    with replacing(path) as draft:
        save_file({name: array, "seconds": np.array([took])}, draft)
    return _within(Kept(array, took), seconds)


def _within(kept: Kept, seconds: float) -> Kept:
    """The same, without its array where it took longer than the bound."""
    return kept if kept.seconds <= seconds else Kept(None, kept.seconds, OVER_TIME)


def _read(path: Path, name: str) -> Kept | None:
    """What is kept, None where nothing is or it is torn: it is made again."""
    try:
        tensors = load_file(path) if path.is_file() else None
    except (OSError, SafetensorError):
        return None
    return None if tensors is None else Kept(tensors[name], float(tensors["seconds"][0]))
