"""Run folders: how stages hand their results on, whole or not at all.

A run folder holds safetensors, Parquet and one `manifest.json`. It is written beside its final name and renamed into
place under a lock, so that an interrupted command leaves nothing half-made and what stood there before stays.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from findcli import __version__
from findcli.errors import FindCLIError, doing, first_line
from findcli.workspace.disk import (
    bring_back,
    disk_problems,
    hash_file,
    locked,
    replacing_folder,
    set_modes,
    settle,
    swap_in,
)
from findcli.workspace.durations import in_calendar
from findcli.workspace.stages import STAGES
from findcli.workspace.usage import Usage

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from pydantic import TypeAdapter

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a run folder says of itself.

    Attributes:
        kind: which stage wrote it.
        format: version of the folder's form.
        findcli: version that wrote it.
        settings: the stage's own settings.
        inputs: digest of every input by name.
        seed: the seed.
        metrics: what the stage measured.
        files: hash of every file by its path within the folder.
        started: when the stage began, ISO 8601, UTC.
        seconds: how long it took.
        overrides: settings of the command line that went before the file; see `Workspace.overrides`.
        cpu_seconds: CPU seconds of all threads.
        peak_bytes: the most memory the process had held until then; 0 where the system does not say.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    kind: str
    format: int
    findcli: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    seed: int
    metrics: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    started: str = ""
    seconds: float = 0.0
    overrides: dict[str, Any] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    peak_bytes: int = 0

    def digest(self, under: str = "") -> str:
        """The hash of the content: of every file whose path begins with `under`."""
        chosen = {name: value for name, value in self.files.items() if name.startswith(under)}
        return hash_json(chosen)


@dataclass(frozen=True)
class Run:
    """A finished run folder, opened for reading."""

    folder: Path
    manifest: Manifest

    def table(self, name: str) -> pl.DataFrame:
        """Read one Parquet file of the folder."""
        import polars as pl

        with self.reading(name):
            return pl.read_parquet(self.folder / name, glob=False)

    def tensors(self, name: str) -> dict[str, np.ndarray]:
        """Read one safetensors file of the folder as numpy arrays."""
        from safetensors.numpy import load_file

        with self.reading(name):
            return load_file(self.folder / name)

    def json(self, name: str) -> Any:
        """Read one JSON file of the folder."""
        with self.reading(name):
            return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def files(self, pattern: str) -> list[Path]:
        """The folder's files that match a glob, sorted."""
        return sorted(self.folder.glob(pattern))

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Turn what libraries say of a torn file of the folder into an error that names the command that mends it."""
        import polars as pl
        from safetensors import SafetensorError

        try:
            yield
        except (OSError, ValueError, pl.exceptions.PolarsError, SafetensorError) as error:
            message = f"{self.folder / name} cannot be read: {first_line(error)}"
            raise FindCLIError(message, hint=f"make it again: {STAGES[self.manifest.kind].command} --force") from error


@dataclass
class Draft:
    """A run folder being written; `metrics` is filled by the stage."""

    folder: Path
    metrics: dict[str, Any] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Where a file of the folder goes; its parent folder is made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def table(self, name: str, frame: pl.DataFrame) -> None:
        """Write a Parquet file."""
        frame.write_parquet(self.path(name))

    def tensors(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        """Write a safetensors file; arrays are made contiguous."""
        import numpy as np
        from safetensors.numpy import save_file

        save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, self.path(name))

    def json(self, name: str, value: Any) -> None:
        """Write a JSON file with sorted keys."""
        self.path(name).write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8")


def hash_json(value: Any) -> str:
    """A digest of plain values that does not depend on the order of keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a run folder, or None where there is no finished folder.

    Raises:
        FindCLIError: the manifest is there and cannot be read.
    """
    require_own(folder)
    bring_back(folder, holding=MANIFEST)
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        return _parse_manifest(path.read_bytes())
    except Exception as error:  # whatever stands there: a manifest is read or it is not
        raise FindCLIError(
            f"{path} is not a manifest that findcli {__version__} can read: {first_line(error)}",
            hint=f"remove the folder {folder} and make it again with findcli run",
        ) from error


def _parse_manifest(content: bytes) -> Manifest:
    """Read and check a manifest: every field of its type, an instant that the calendar has."""
    manifest = _adapter().validate_json(content, strict=True)
    in_calendar(datetime.fromisoformat(manifest.started) + timedelta(seconds=manifest.seconds))
    return manifest


@cache
def _adapter() -> TypeAdapter[Manifest]:
    from pydantic import TypeAdapter

    return TypeAdapter(Manifest)


def is_own(folder: Path) -> bool:
    """Whether a folder is a finished run of findcli and holds nothing else: a manifest of its kind, and its files."""
    if folder.is_symlink() or not (folder / MANIFEST).is_file():
        return False
    try:
        manifest = _parse_manifest((folder / MANIFEST).read_bytes())
    except Exception:  # noqa: BLE001, whatever stands there is then no manifest of findcli's
        return False
    held = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return manifest.kind in STAGES and held <= {*manifest.files, MANIFEST}


def require_own(folder: Path) -> None:
    """Refuse a run folder that is a link: what it points to is somebody else's.

    Raises:
        FindCLIError: it is one.
    """
    if folder.is_symlink():
        hint = "remove the link; to keep runs elsewhere, name a folder with `runs` in [workspace]"
        raise FindCLIError(f"{folder} is a link, not a run folder", hint=hint)


def open_run(folder: Path, kind: str) -> Run:
    """Open a finished run folder of one kind.

    Raises:
        FindCLIError: there is none, it is of another kind, or of another format version; the hint names the command.
    """
    manifest = read_manifest(folder)
    command = STAGES[kind].command
    if manifest is None:
        raise FindCLIError(
            f"there is no {kind} run in {folder}", hint=f"make it with: {command} (or everything with: findcli run)"
        )
    if manifest.kind != kind:
        raise FindCLIError(
            f"{folder} holds a run of kind {manifest.kind!r}, not {kind!r}", hint=f"make it again: {command} --force"
        )
    if manifest.format != STAGES[kind].format:
        raise FindCLIError(
            f"{folder} is of format version {manifest.format}; "
            f"this findcli ({__version__}) reads {STAGES[kind].format}",
            hint=f"make it again: {command} --force",
        )
    return Run(folder, manifest)


def why_stale(
    folder: Path, *, kind: str, settings: Mapping[str, Any], inputs: Mapping[str, str], seed: int
) -> str | None:
    """Why a stage has to run (again): missing, another format, other settings, seed or inputs; None when it stands."""
    manifest = read_manifest(folder)
    if manifest is None:
        return "missing"
    if (manifest.kind, manifest.format) != (kind, STAGES[kind].format):
        return f"written in format {manifest.kind} {manifest.format}"
    wanted, made_with = as_json(settings), manifest.settings
    if wanted != made_with:
        changed = sorted(key for key in wanted.keys() | made_with.keys() if wanted.get(key) != made_with.get(key))
        return "settings changed: " + ", ".join(changed)
    if seed != manifest.seed:
        return f"seed changed: {manifest.seed} -> {seed}"
    if dict(inputs) != manifest.inputs:
        changed = sorted(
            key for key in inputs.keys() | manifest.inputs.keys() if inputs.get(key) != manifest.inputs.get(key)
        )
        return "inputs changed: " + ", ".join(changed)
    return None


@contextmanager
def writing(
    folder: Path,
    *,
    kind: str,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    seed: int,
    overrides: Mapping[str, Any] | None = None,
) -> Iterator[Draft]:
    """Write a run folder: yields a draft beside the final name, and renames it into place when the block ends well.

    Raises:
        FindCLIError: another command is writing the folder, or the disk is full.
    """
    require_own(folder)
    with locked(folder), disk_problems(folder), doing(f"writing {folder}"):
        temporary = folder.with_name(f".{folder.name}.draft")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        started, used = datetime.now(UTC), Usage()
        draft = Draft(temporary)
        try:
            yield draft
            set_modes(temporary)
            manifest = Manifest(
                kind=kind, format=STAGES[kind].format, findcli=__version__,
                settings=as_json(settings), inputs=dict(inputs), seed=seed, metrics=draft.metrics,
                files=_hash_files(temporary), started=started.isoformat(timespec="seconds"),
                seconds=round(used.seconds, 3), overrides=as_json(overrides or {}),
                cpu_seconds=round(used.cpu_seconds, 3), peak_bytes=used.peak_bytes,
            )  # fmt: skip
            draft.json(MANIFEST, asdict(manifest))
            settle(temporary)
            swap_in(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def rewriting(run: Run, *, inputs: Mapping[str, str] | None = None) -> Iterator[Draft]:
    """Change files of a finished run folder, whole or not at all: yields a draft that holds what the run holds.

    Args:
        run: the run.
        inputs: digests that its manifest names from now on, beside those it has.

    Raises:
        FindCLIError: another command is writing the folder, or the disk is full.
    """
    require_own(run.folder)
    with replacing_folder(run.folder, holding=MANIFEST) as temporary:
        shutil.copytree(run.folder, temporary, dirs_exist_ok=True)
        (temporary / MANIFEST).unlink()
        draft = Draft(temporary, dict(run.manifest.metrics))
        yield draft
        named = {**run.manifest.inputs, **(inputs or {})}
        changed = replace(run.manifest, metrics=draft.metrics, files=_hash_files(temporary), inputs=named)
        draft.json(MANIFEST, asdict(changed))


def build(
    folder: Path,
    write: Callable[[Draft, Path], None],
    *,
    kind: str,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    seed: int,
    overrides: Mapping[str, Any] | None = None,
    force: bool = False,
) -> Run:
    """Run a stage where its folder is missing or out of date, and open the folder.

    Args:
        folder: the run folder.
        write: fills the draft; its second argument is a folder for checkpoints of this very work, removed at the end.
        kind: the stage.
        settings: the stage's own settings.
        inputs: digest of every input by name.
        seed: the stage's seed.
        overrides: settings of the command line, as `Workspace.overrides` gives them.
        force: run it even when it stands.

    Raises:
        FindCLIError: the stage cannot run, the folder is being written, or the disk is full.
    """
    if force or why_stale(folder, kind=kind, settings=settings, inputs=inputs, seed=seed) is not None:
        work = hash_json([kind, STAGES[kind].format, as_json(settings), dict(inputs), seed])
        checkpoints = folder.with_name(f".{folder.name}.checkpoints")
        with writing(folder, kind=kind, settings=settings, inputs=inputs, seed=seed, overrides=overrides) as draft:
            write(draft, checkpoints / work)
        shutil.rmtree(checkpoints, ignore_errors=True)
    return open_run(folder, kind)


def as_json(value: Any) -> Any:
    """Plain values as JSON gives them back: tuples as lists, dates as text."""
    return json.loads(json.dumps(value, default=str))


def _hash_files(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in files}
