"""Which engine a command works on."""

from __future__ import annotations

from typing import Literal

from findcli.errors import FindCLIError
from findcli.execution.local import Local
from findcli.execution.parts import Engine

EngineName = Literal["local", "ray"]
HERE = Local()


def choose_engine(name: EngineName = "local", *, workers: int | None = None, address: str | None = None) -> Engine:
    """The engine of a name.

    Args:
        name: "local" or "ray".
        workers: processes of this machine, by default one; tasks at a time of a cluster, by default one a core.
        address: of a Ray cluster; by default one is started on this machine.

    Raises:
        FindCLIError: an address is named for an engine that has none.
    """
    if name == "ray":
        from findcli.execution.ray_core import RayCore

        return RayCore(address, workers or 0)
    if address is not None:
        raise FindCLIError(f"--address {address} is of a Ray cluster", hint="add --engine ray")
    return Local(workers or 1)
