"""What `findcli run` will cost: lines fitted to finished runs of several sizes, stage by stage.

Every stage takes a fixed part (training steps, loading) and a part that grows with what it reads: events, pairs or
users. The fixed and the growing part come from the manifests of finished runs, by least squares on relative errors with
neither below zero. Memory is fitted alike. The lines hold for one machine and for the settings of the runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from findcli.errors import FindCLIError, first_line
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Manifest, read_manifest
from findcli.workspace.stages import STAGES

STAGES_OF_RUN = tuple(name for name, stage in STAGES.items() if stage.in_run)
HOUR = 3600.0


@dataclass(frozen=True)
class Sizes:
    """How large a run was."""

    users: int
    events: int


@dataclass(frozen=True)
class Line:
    """A fixed part, and one that grows with each event."""

    fixed: float
    an_event: float

    def at(self, events: float) -> float:
        """The value for so many events."""
        return self.fixed + self.an_event * events


@dataclass(frozen=True)
class Constants:
    """Lines of CPU seconds by stage, and of the peak of memory in bytes; and what they were fitted to.

    Attributes:
        cpu: CPU seconds of each stage.
        peak: bytes held at most.
        events_a_user: of the runs.
        fitted_to: the sizes of the runs.
        machine: what they were measured on.
    """

    cpu: Mapping[str, Line]
    peak: Line
    events_a_user: float
    fitted_to: tuple[Sizes, ...]
    machine: str

    def to_json(self) -> str:
        """The constants as a file holds them."""
        return json.dumps(asdict(self), indent=1)


@dataclass(frozen=True)
class Observed:
    """A finished run: its size, CPU seconds by stage, and the peak of memory in bytes."""

    sizes: Sizes
    cpu: Mapping[str, float]
    peak: int


@dataclass(frozen=True)
class Cost:
    """What a run of a size is expected to take.

    Attributes:
        sizes: the size.
        cpu: CPU seconds of each stage.
        peak: bytes held at most.
        cores: the cores that share the work.
    """

    sizes: Sizes
    cpu: Mapping[str, float]
    peak: float
    cores: int

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all stages."""
        return sum(self.cpu.values())

    @property
    def seconds(self) -> float:
        """Wall time on an idle machine whose cores all work: no run is faster."""
        return self.cpu_seconds / self.cores

    @property
    def machine_hours(self) -> float:
        """Hours of this machine."""
        return self.seconds / HOUR


def observe(workspace: Workspace) -> Observed:
    """What the finished run of a workspace took.

    Raises:
        FindCLIError: a stage is missing, or an earlier findcli made it, which did not measure CPU seconds.
    """
    manifests = {name: manifest for name in STAGES_OF_RUN if (manifest := _newest(workspace, name)) is not None}
    if "events" not in manifests or "embeddings" not in manifests:
        hint = f"run it to the end with: findcli run --workspace {workspace.folder}"
        raise FindCLIError(f"{workspace.folder} has no finished run", hint=hint)
    if unmeasured := [name for name, manifest in manifests.items() if not manifest.cpu_seconds]:
        hint = f"run it again with: findcli run --force-from {unmeasured[0]}"
        raise FindCLIError(f"the stage {unmeasured[0]} of {workspace.folder} has no CPU seconds", hint=hint)
    metrics = manifests["events"].metrics
    cpu = {name: manifest.cpu_seconds for name, manifest in manifests.items()}
    peak = max(manifest.peak_bytes for manifest in manifests.values())
    return Observed(Sizes(metrics["users"], metrics["rows"]), cpu, peak)


def _newest(workspace: Workspace, name: str) -> Manifest | None:
    made = [manifest for folder in STAGES[name].folders(workspace.runs) if (manifest := read_manifest(folder))]
    return max(made, key=lambda manifest: manifest.started, default=None)


def fit(runs: Sequence[Observed], *, machine: str) -> Constants:
    """Fit the lines to runs of at least two sizes.

    Raises:
        FindCLIError: all runs are of one size.
    """
    if len({run.sizes.events for run in runs}) < 2:
        hint = "name workspaces with finished runs of at least two sizes"
        raise FindCLIError(f"{len(runs)} runs of one size tell nothing about growth", hint=hint)
    events = [float(run.sizes.events) for run in runs]
    names = [name for name in STAGES_OF_RUN if any(name in run.cpu for run in runs)]
    cpu = {name: _line(events, [run.cpu.get(name, 0.0) for run in runs]) for name in names}
    sizes = tuple(run.sizes for run in runs)
    users = sum(size.users for size in sizes)
    return Constants(cpu, _line(events, [float(run.peak) for run in runs]), sum(events) / users, sizes, machine)


def of_one(run: Observed, *, machine: str) -> Constants:
    """Constants of one run, all of which is taken to grow: too much for larger sizes, since training steps do not."""
    events = float(run.sizes.events)
    cpu = {name: Line(0.0, seconds / events) for name, seconds in run.cpu.items()}
    return Constants(cpu, Line(0.0, run.peak / events), events / run.sizes.users, (run.sizes,), machine)


def _line(x: Sequence[float], y: Sequence[float]) -> Line:
    """The line of the least relative squares with no part below zero."""
    weights = [1 / max(value, 1e-9) ** 2 for value in y]
    total = sum(weights)
    mean_x = sum(w * a for w, a in zip(weights, x, strict=True)) / total
    mean_y = sum(w * b for w, b in zip(weights, y, strict=True)) / total
    spread = sum(w * (a - mean_x) ** 2 for w, a in zip(weights, x, strict=True))
    slope = sum(w * (a - mean_x) * (b - mean_y) for w, a, b in zip(weights, x, y, strict=True)) / spread
    if slope < 0:
        return Line(mean_y, 0.0)
    if mean_y - slope * mean_x < 0:
        squares = sum(w * a * a for w, a in zip(weights, x, strict=True))
        return Line(0.0, sum(w * a * b for w, a, b in zip(weights, x, y, strict=True)) / squares)
    return Line(mean_y - slope * mean_x, slope)


def predict(constants: Constants, sizes: Sizes, *, cores: int) -> Cost:
    """What a run of a size will take on so many cores."""
    cpu = {name: line.at(sizes.events) for name, line in constants.cpu.items()}
    return Cost(sizes, cpu, constants.peak.at(sizes.events), cores)


def sizes_for(constants: Constants, users: int, events_a_user: float | None = None) -> Sizes:
    """The size of so many users, each with as many events as the workspace's own have, or those of the fitted runs."""
    return Sizes(users, round(users * (events_a_user or constants.events_a_user)))


def read_constants(path: Path) -> Constants:
    """Read what `Constants.to_json` wrote.

    Raises:
        FindCLIError: the file cannot be read, or holds something else.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return Constants(
            {name: Line(**line) for name, line in plain["cpu"].items()}, Line(**plain["peak"]),
            float(plain["events_a_user"]), tuple(Sizes(**each) for each in plain["fitted_to"]), plain["machine"],
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "make it with: findcli benchmark cost SMALL LARGE -o FILE.json"
        raise FindCLIError(f"{path} holds no constants: {first_line(error)}", hint=hint) from error
