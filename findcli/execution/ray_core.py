"""The engine of many machines: Ray Core tasks, one a part. Ray is imported here and nowhere else.

All machines see the workspace under the same path. Ray restarts tasks of machines that are lost; if the head is lost,
the same command goes on where it stood, since finished parts are files. Each task computes with one thread.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from findcli.errors import FindCLIError, first_line
from findcli.execution.parts import Task, perform_part

RETRIES = 3  # of a task whose machine or process was lost
AHEAD = 2  # tasks submitted for each core of the cluster, so that its queue stays short
PATIENCE = 10.0  # seconds until a cluster has to answer
HINT = "start one with: ray start --head; or work on this machine with --engine local"
LOOKS = 5.0  # seconds between looks at a growing cluster


@dataclass(frozen=True)
class RayCore:
    """Performs tasks on a Ray cluster.

    Attributes:
        address: of the cluster, such as "10.0.0.1:6379" or "auto"; None starts one on this machine that ends with it.
        workers: tasks at a time; 0 takes all cores of the cluster.
    """

    address: str | None = None
    workers: int = 0
    name: ClassVar[str] = "ray"

    def perform(self, task: Task, parts: Sequence[str], store: Path) -> Iterator[str]:
        """Perform a task on every part, as machines are free.

        Raises:
            FindCLIError: Ray is not installed, no cluster answers, or a task failed on every try.
        """
        if not parts:
            return
        ray = self._connected()
        try:
            yield from self._performed(ray, task, parts, store)
        finally:
            ray.shutdown()

    def _connected(self) -> Any:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        try:
            import ray
        except ImportError as error:
            raise FindCLIError("--engine ray needs the package ray", hint='pip install "findcli[ray]"') from error
        self._require_answer()
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
        if self.address is None:
            quiet |= {"include_dashboard": False} | ({"num_cpus": self.workers} if self.workers else {})
        try:
            ray.init(address=self.address or "local", **quiet)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            where = f"no Ray cluster answers at {self.address!r}" if self.address else "Ray could not start here"
            raise FindCLIError(f"{where}: {first_line(error)}", hint=HINT) from error
        return ray

    def _require_answer(self) -> None:
        """Knock at the cluster's door; Ray itself would wait for minutes, and then end the process.

        Raises:
            FindCLIError: nothing listens there.
        """
        host, colon, port = (self.address or "").rpartition(":")
        if not colon or not port.isdigit():
            return
        try:
            socket.create_connection((host, int(port)), timeout=PATIENCE).close()
        except OSError as error:
            raise FindCLIError(f"no Ray cluster answers at {self.address!r}: {first_line(error)}", hint=HINT) from error

    def _performed(self, ray: Any, task: Task, parts: Sequence[str], store: Path) -> Iterator[str]:
        remote = ray.remote(max_retries=RETRIES, num_cpus=1)(perform_part)
        shared, waiting = ray.put(task), list(parts)
        running: list[Any] = []
        while waiting or running:
            room = (self.workers or int(ray.cluster_resources().get("CPU", 1)) * AHEAD) - len(running)
            running += [remote.remote(shared, part, store) for part in waiting[: max(0, room)]]
            waiting = waiting[max(0, room) :]
            ended, running = ray.wait(running, num_returns=1, timeout=LOOKS)
            for reference in ended:
                try:
                    yield ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    cause = error.cause
                    raise (cause if isinstance(cause, FindCLIError) else _failed(cause)) from error
                except ray.exceptions.RayError as error:
                    raise _failed(error) from error


def _failed(error: Exception) -> FindCLIError:
    hint = "run the same command again; the parts that are finished are kept"
    return FindCLIError(f"a task failed on the cluster: {first_line(error)}", hint=hint)
