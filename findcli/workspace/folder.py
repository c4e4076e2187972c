"""The workspace: a folder with a findcli.toml, and where its sources and run folders lie."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from findcli.errors import FindCLIError, first_line
from findcli.workspace.disk import replacing
from findcli.workspace.objects import require_folder
from findcli.workspace.runs import MANIFEST, as_json
from findcli.workspace.settings import Settings
from findcli.workspace.stages import STAGES
from findcli.workspace.toml_file import parse_settings, render_settings
from findcli.workspace.toml_file import to_utc as to_utc

FILE = "findcli.toml"


@dataclass(frozen=True)
class Workspace:
    """A folder with a findcli.toml.

    Attributes:
        folder: where the file lies; paths of the file are relative to it.
        settings: what the file says; every instant in it is naive UTC.
        overrides: settings of the command line that go before the file, now or when a run was made: by "table.key",
            the value and what the file says instead.
    """

    folder: Path
    settings: Settings
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def train_until(self) -> datetime:
        """No event at or after this instant is read by any training stage; naive UTC."""
        return self.settings.windows.train_until

    @property
    def runs(self) -> Path:
        """The folder of the run folders."""
        return self.folder / self.settings.workspace.runs

    def run(self, name: str) -> Path:
        """A stage's run folder: events, pairs, text, sequence, tabular or aligned."""
        return self.runs / name

    def embeddings(self, as_of: date, *, model: Workspace | None = None) -> Path:
        """The folder of the users' vectors as of an instant, named by its date and any time of day.

        The vectors that another workspace's model gave lie beside them, named "DATE+NAME" after its folder.
        """
        instant = to_utc(as_of)
        midnight = instant.time() == time()
        name = instant.date().isoformat() if midnight else instant.strftime("%Y-%m-%dT%H%M%S")
        other = model is not None and model.folder != self.folder
        return self.runs / "embeddings" / (f"{name}+{model.folder.name}" if model is not None and other else name)

    @property
    def prompts(self) -> Path:
        """The folder of the learned prompts, a run folder each."""
        return self.runs / "prompts"

    @property
    def audiences(self) -> Path:
        """The folder of the saved audiences, a folder each, beside their log."""
        return self.folder / "audiences"

    def path(self, name: str) -> Path:
        """A path of the workspace file, which is relative to it."""
        return self.folder / name


def literal_part(path: Path, *, start: Path) -> Path:
    """The folder that a path names before its first pattern or "column=value"; brackets of a real name are none.

    Args:
        path: a file, a folder or a glob.
        start: a folder whose own name says nothing.
    """
    for folder in reversed(path.parents):
        if not folder.is_dir() or ("=" in folder.name and not start.is_relative_to(folder)):
            return folder.parent
    return path if path.is_dir() else path.parent


def files_of(path: Path) -> list[Path]:
    """The files that a path names, sorted: the file of that name, those below the folder, or those of a glob."""
    if path.is_file():
        return [path]
    if path.is_dir():
        inside = (file for file in path.rglob("*") if file.suffix and file.is_file())
        return sorted(file for file in inside if not _is_hidden(file.relative_to(path)))
    root = next(folder for folder in path.parents if folder.is_dir())
    return sorted(file for file in root.glob(str(path.relative_to(root))) if file.is_file())


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def find_workspace(start: Path | None = None) -> Path:
    """The nearest folder upwards that holds a findcli.toml.

    Raises:
        FindCLIError: there is none.
    """
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / FILE).is_file():
            return candidate
    hint = "make a workspace with: findcli init, or name one with --workspace DIR"
    raise FindCLIError(f"there is no {FILE} in {folder} or any folder above it", hint=hint)


def load_workspace(folder: Path | None = None, *, overrides: Mapping[str, Any] | None = None) -> Workspace:
    """Read the workspace of a folder; without one, of the nearest folder upwards.

    Args:
        folder: where findcli.toml lies.
        overrides: nested tables that go before what the file says, such as {"sequence": {"steps": 50}}. Those that a
            run was made with go before it too, as long as the file says there what it said then.

    Raises:
        FindCLIError: there is no findcli.toml, or it has mistakes; all of them are named.
    """
    if folder is not None:
        require_folder(folder)
    root = find_workspace() if folder is None else folder.resolve()
    path = root / FILE
    if not path.is_file():
        raise FindCLIError(f"there is no {FILE} in {root}", hint=f"make a workspace with: findcli init {root}")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError) as error:
        hint = "correct the file there; it is TOML in UTF-8"
        raise FindCLIError(f"{path} cannot be read: {first_line(error)}", hint=hint) from error
    name = f"{path} with the options given" if overrides else str(path)
    settings = parse_settings(_overridden(raw, overrides or {}), name=name)
    told = {key: {"value": value, "file": setting(raw, key)} for key, value in _leaves(overrides or {})}
    with suppress(FindCLIError):  # what an older version remembers may be no setting now
        remembered = _remembered(raw, root / settings.workspace.runs)
        both = {**remembered, **told}
        merged = _overridden(raw, _nested({key: each["value"] for key, each in remembered.items()}))
        return Workspace(root, parse_settings(_overridden(merged, overrides or {}), name=name), both)
    return Workspace(root, settings, told)


def _remembered(raw: Mapping[str, Any], runs: Path) -> dict[str, dict[str, Any]]:
    """The overrides that the runs were made with, of the latest first, where the file says what it said then."""
    manifests = []
    for path in (runs / name / MANIFEST for name in STAGES):
        with suppress(OSError, ValueError, RecursionError, TypeError, AttributeError, KeyError):
            manifest = json.loads(path.read_bytes())
            overrides = {
                key: {"value": each["value"], "file": each["file"]} for key, each in manifest["overrides"].items()
            }
            manifests.append((str(manifest["started"]), overrides))
    latest = {key: each for _, several in sorted(manifests, key=lambda pair: pair[0]) for key, each in several.items()}
    return {
        key: each
        for key, each in latest.items()
        if key != "workspace.runs" and as_json(setting(raw, key)) == each["file"] != each["value"]
    }


def _leaves(tables: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tables.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for name, value in leaves.items():
        *above, key = name.split(".")
        inner = tables
        for table in above:
            inner = inner.setdefault(table, {})
        inner[key] = value
    return tables


def setting(raw: Mapping[str, Any], name: str) -> Any:
    """What nested tables say of "table.key", or None."""
    value: Any = raw
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _overridden(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables with those of `overrides` laid over them, key by key."""
    merged = dict(values)
    for key, value in overrides.items():
        inner = merged.get(key)
        nested = isinstance(inner, dict) and isinstance(value, dict)
        merged[key] = _overridden(inner or {}, value) if nested else value
    return merged


def write_settings(
    folder: Path, values: dict[str, Any], *, header: str, remarks: Mapping[str, Sequence[str]] | None = None
) -> Workspace:
    """Write a commented findcli.toml whole or not at all, and load it.

    Args:
        folder: the workspace; made where it is missing.
        values: the nested tables of the file, as far as they differ from the defaults.
        header: what the file says of itself at its top, in one or more lines.
        remarks: comments below a key or table, by its path; see `render_settings`.

    Raises:
        FindCLIError: the folder has a findcli.toml already, or the values are no valid settings.
    """
    parse_settings(values, name=str(folder / FILE))
    write_draft(folder, values, header=header, remarks=remarks)
    return load_workspace(folder)


def write_draft(
    folder: Path, values: dict[str, Any], *, header: str, remarks: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Write a commented findcli.toml that may lack what only its reader can say; see `write_settings`.

    Raises:
        FindCLIError: the folder has a findcli.toml already.
    """
    require_no_workspace(folder)
    with replacing(folder / FILE) as draft:
        draft.write_text(render_settings(values, header=header, remarks=remarks), encoding="utf-8")


def require_no_workspace(folder: Path) -> None:
    """Refuse a folder that is a workspace already.

    Raises:
        FindCLIError: it holds a findcli.toml.
    """
    require_folder(folder)
    if (folder / FILE).exists():
        raise FindCLIError(f"{folder} is a workspace already", hint=f"name another folder, or remove {folder / FILE}")
