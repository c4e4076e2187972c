"""A table at s3://: files in any dialect, copied as they are, or a Delta or Iceberg table."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from findcli.data.places.delta import LOG, Delta
from findcli.data.places.iceberg import METADATA, Iceberg, newest_metadata
from findcli.data.places.place import Place
from findcli.errors import FindCLIError
from findcli.workspace import objects
from findcli.workspace.objects import SCHEME, Object
from findcli.workspace.runs import hash_json

TAGS = "objects.json"
PATTERN = re.compile(r"[*?]")


@dataclass(frozen=True)
class Bucket:
    """What a path at s3:// names.

    Attributes:
        path: an object, a "folder" or a glob.
    """

    path: str

    @property
    def settings(self) -> dict[str, str]:
        """See `Place`."""
        return {"kind": "s3", "path": self.path}

    def version(self) -> str | None:
        """See `Place`: the tags of all objects, or the version of the Delta or Iceberg table."""
        if self._table is not None:
            return self._table.version()
        return hash_json([[each.key, each.size, each.tag] for each in self._chosen])

    def read(self, folder: Path, *, before: Path | None) -> None:
        """See `Place`: an object whose tag is that of the last copy is not read again."""
        if self._table is not None:
            self._table.read(folder, before=before)
            return
        if not self._chosen:
            raise FindCLIError(f"no object matches {self.path}", hint="correct `path`, or put the table there")
        earlier = _tags(before)
        for each in self._chosen:
            name = each.key.removeprefix(self._root)
            if ".." in PurePosixPath(name).parts:
                raise FindCLIError(f"the object {each.key} of {self.path} has '..' in its name", hint="rename it")
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if before is not None and earlier.get(name) == each.tag and (before / name).is_file():
                _link(before / name, target)
            else:
                objects.download(f"{SCHEME}{self._bucket}/{each.key}", target)
        tags = {each.key.removeprefix(self._root): each.tag for each in self._chosen}
        (folder.parent / TAGS).write_text(json.dumps(tags, indent=1), encoding="utf-8")

    @property
    def _bucket(self) -> str:
        return self.path.removeprefix(SCHEME).partition("/")[0]

    @property
    def _key(self) -> str:
        return self.path.removeprefix(SCHEME).partition("/")[2].rstrip("/")

    @cached_property
    def _root(self) -> str:
        """The part of the key before its first pattern or "column=value", with a slash at its end."""
        parts = PurePosixPath(self._key).parts[:-1]
        fixed = next((i for i, part in enumerate(parts) if PATTERN.search(part) or "=" in part), len(parts))
        whole = "".join(f"{part}/" for part in parts[:fixed])
        name = PurePosixPath(self._key).name
        is_folder = (
            fixed == len(parts) and "=" not in name and any(o.key.startswith(f"{self._key}/") for o in self._all)
        )
        return f"{self._key}/" if is_folder and self._key else whole

    @cached_property
    def _all(self) -> list[Object]:
        """Every object below the part of the path that is no pattern."""
        parts = PurePosixPath(self._key).parts
        fixed = next((i for i, part in enumerate(parts) if PATTERN.search(part)), len(parts))
        return objects.below(f"{SCHEME}{self._bucket}/{'/'.join(parts[:fixed])}")

    @cached_property
    def _chosen(self) -> list[Object]:
        """The objects that are files of the table."""
        return [each for each in self._all if self._is_chosen(each.key)]

    def _is_chosen(self, key: str) -> bool:
        if key == self._key:
            return True
        if PATTERN.search(self._key):
            return re.fullmatch(_glob(self._key), key) is not None
        inside = PurePosixPath(key.removeprefix(f"{self._key}/"))
        return bool(inside.suffix) and not any(part.startswith((".", "_")) for part in inside.parts)

    @cached_property
    def _table(self) -> Place | None:
        """The Delta or Iceberg table that the path names, if it is one."""
        storage = objects.storage_options()
        if self.path.endswith(METADATA):
            return Iceberg(path=self.path, uri=self.path, storage=storage)
        keys = [each.key for each in self._all]
        if any(key.startswith(f"{self._key}/{LOG}/") for key in keys):
            return Delta(uri=self.path.rstrip("/"), path=self.path, storage=storage)
        newest = newest_metadata([k for k in keys if k.startswith(f"{self._key}/metadata/") and k.endswith(METADATA)])
        return Iceberg(path=self.path, uri=f"{SCHEME}{self._bucket}/{newest}", storage=storage) if newest else None


def _tags(before: Path | None) -> dict[str, str]:
    file = None if before is None else before.parent / TAGS
    return json.loads(file.read_text(encoding="utf-8")) if file is not None and file.is_file() else {}


def _glob(pattern: str) -> str:
    """A pattern as a regular expression in which `*` stays within a folder and `**` does not."""
    regex = re.escape(pattern).replace(r"\*\*/", "(?:[^/]+/)*").replace(r"\*", "[^/]*")
    return regex.replace(r"\?", "[^/]")


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except OSError:  # a disk that knows no links
        shutil.copyfile(file, target)
