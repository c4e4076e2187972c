"""The engine of one machine: this process, or several that it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import ClassVar

from findcli.errors import FindCLIError
from findcli.execution.parts import Task, perform_part

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")


@dataclass(frozen=True)
class Local:
    """Performs tasks on this machine.

    Attributes:
        workers: processes; 1 is this process itself.
    """

    workers: int = 1
    name: ClassVar[str] = "local"

    def perform(self, task: Task, parts: Sequence[str], store: Path) -> Iterator[str]:
        """Perform a task on every part; with one worker in order.

        Raises:
            FindCLIError: a worker was killed, or a task said so.
        """
        if self.workers == 1 or len(parts) < 2:
            for part in parts:
                yield perform_part(task, part, store)
            return
        with _threads_of_a_worker(self.workers):
            pool = ProcessPoolExecutor(min(self.workers, len(parts)), mp_context=get_context("spawn"))
            try:
                running = {pool.submit(perform_part, task, part, store) for part in parts}
                while running:
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in ended:
                        yield future.result()
            except BrokenProcessPool as error:
                hint = "run the same command again; the parts that are finished are kept"
                raise FindCLIError("a worker process was killed, perhaps for want of memory", hint=hint) from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _threads_of_a_worker(workers: int) -> Iterator[None]:
    """While processes start, share the cores among them; what they inherit is read when they import libraries."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(max(1, (os.cpu_count() or 1) // workers))))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
