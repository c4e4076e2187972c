"""Several processes of this machine: the bytes of one, and an error where one of them is killed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from findcli.errors import FindCLIError
from findcli.execution.local import THREADS, Local
from findcli.execution.parts import map_parts


@dataclass(frozen=True)
class Tell:
    """Writes the process it ran in, and the threads it was given."""

    dies: str = ""
    refuses: str = ""

    def __call__(self, part: str, folder: Path) -> list[str]:
        if part == self.dies:
            os.kill(os.getpid(), 9)
        if part == self.refuses:
            raise FindCLIError(f"part {part} cannot be read", hint="mend it")
        (folder / "name.txt").write_text(part, encoding="utf-8")
        return [str(os.getpid()), *(os.environ.get(name, "") for name in THREADS)]


def test_processes_share_the_cores_and_this_one_keeps_its_own(tmp_path: Path) -> None:
    before = dict(os.environ)
    done = map_parts(Tell(), ["a", "b", "c"], tmp_path, Local(2))
    assert str(os.getpid()) not in {part.result[0] for part in done}
    share = str(max(1, (os.cpu_count() or 1) // 2))
    assert {tuple(part.result[1:]) for part in done} == {(share,) * len(THREADS)}
    assert dict(os.environ) == before


def test_a_killed_process_is_told_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(FindCLIError, match="killed") as error:
        map_parts(Tell(dies="c"), ["a", "b", "c"], tmp_path, Local(2))
    assert "again" in error.value.hint
    kept = {path.name for path in tmp_path.iterdir() if "draft" not in path.name}
    done = map_parts(Tell(), ["a", "b", "c"], tmp_path, Local(1))
    assert {part.name for part in done if part.result[0] != str(os.getpid())} == kept
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "c"}


def test_what_a_task_says_arrives_with_its_hint(tmp_path: Path) -> None:
    with pytest.raises(FindCLIError, match="part b cannot be read") as error:
        map_parts(Tell(refuses="b"), ["a", "b"], tmp_path, Local(2))
    assert error.value.hint == "mend it"
