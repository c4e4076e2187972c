"""What a piece of work takes of this process: wall time, CPU seconds, and memory.

Tested in tests/workspace/test_cost.py.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field


@dataclass
class Usage:
    """Measures from its making on."""

    _wall: float = field(default_factory=time.perf_counter)
    _cpu: float = field(default_factory=lambda: _cpu())

    @property
    def seconds(self) -> float:
        """Wall time."""
        return time.perf_counter() - self._wall

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all threads, and of children that ended."""
        return _cpu() - self._cpu

    @property
    def peak_bytes(self) -> int:
        """The most memory the process has held since it started; 0 where the system does not say."""
        try:
            import resource
        except ImportError:  # Windows
            return 0
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _cpu() -> float:
    used = os.times()
    return time.process_time() + used.children_user + used.children_system
