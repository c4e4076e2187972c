"""Results of rivals, computed within a time limit and kept on disk until the rivals or their inputs change.

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
    """The result of one rival.

    Attributes:
        array: float32; None if it did not finish.
        seconds: the time it took when it was computed.
        note: why it did not finish; "" if it did.
    """

    array: np.ndarray | None
    seconds: float
    note: str = ""


class _OverTimeError(Exception):
    """A rival's time is up."""


def computed_or_kept(
    path: Path, name: str, compute: Callable[[Callable[[], None]], np.ndarray], *, seconds: float
) -> Kept:
    """Read an array from disk, or compute it and keep it there.

    Args:
        path: the file it is kept in.
        name: its name in the file.
        compute: computes it; its argument is to be called between steps, and raises once the time is up.
        seconds: the time limit, checked between its steps and at its end.

    Returns:
        The array; or None, with the reason, if it took too long or cannot be computed here.
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
    """The result, without its array if it took longer than the limit."""
    return kept if kept.seconds <= seconds else Kept(None, kept.seconds, OVER_TIME)


def _read(path: Path, name: str) -> Kept | None:
    """The kept result; None if there is none or the file is torn, so that it is computed again."""
    try:
        tensors = load_file(path) if path.is_file() else None
    except (OSError, SafetensorError):
        return None
    return None if tensors is None else Kept(tensors[name], float(tensors["seconds"][0]))
