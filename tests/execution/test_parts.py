"""Parts are whole or not there, are computed once, and come in order whatever order they end in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.execution.local import Local
from findcli.execution.parts import Task, map_parts, perform_part


@dataclass
class Note:
    """Writes its part's name, and remembers what it was asked for."""

    calls: list[str]
    fails: str = ""
    result: Any = None

    def __call__(self, part: str, folder: Path) -> Any:
        self.calls.append(part)
        (folder / "deep").mkdir()
        (folder / "deep/name.txt").write_text(part, encoding="utf-8")
        if part == self.fails:
            raise RuntimeError("out of luck")
        return len(part) if self.result is None else self.result


@dataclass(frozen=True)
class Shuffled:
    """Ends parts in an order of its own, and does some of them twice, as a cluster may."""

    order: Sequence[int]
    name: ClassVar[str] = "shuffled"

    def perform(self, task: Task, parts: Sequence[str], store: Path) -> Iterator[str]:
        for i in self.order:
            if i < len(parts):
                yield perform_part(task, parts[i], store)
        for part in parts:
            yield perform_part(task, part, store)


@given(st.lists(st.integers(0, 5), max_size=8))
def test_results_come_in_the_order_of_the_parts(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    parts = [f"part-{i}" * (i + 1) for i in range(6)]
    task = Note([])
    store = tmp_path_factory.mktemp("store") / "parts"
    done = map_parts(task, parts, store, Shuffled(order))
    assert [part.name for part in done] == parts
    assert [part.result for part in done] == [len(part) for part in parts]
    assert sorted(task.calls) == sorted(parts), "each is computed once"
    assert sorted(path.name for path in store.iterdir()) == sorted(parts), "nothing else is left"


def test_what_is_finished_stays_when_a_part_fails_and_is_not_computed_again(tmp_path: Path) -> None:
    task = Note([], fails="c")
    with pytest.raises(RuntimeError, match="luck"):
        map_parts(task, ["a", "b", "c", "d"], tmp_path, Local())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    again = Note([])
    seen: list[tuple[int, int]] = []
    map_parts(again, ["a", "b", "c", "d"], tmp_path, Local(), progress=lambda i, n, _: seen.append((i, n)))
    assert again.calls == ["c", "d"]
    assert seen == [(3, 4), (4, 4)]


def test_what_a_killed_worker_left_is_swept_and_done_anew(tmp_path: Path) -> None:
    half = tmp_path / "a.draft-1-2"
    half.mkdir()
    (half / "name.txt").write_text("torn", encoding="utf-8")
    (done,) = map_parts(Note([]), ["a"], tmp_path, Local())
    assert (done.folder / "deep/name.txt").read_text(encoding="utf-8") == "a"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_large_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="part a has 2,000,002 bytes"):
        map_parts(Note([], result="x" * 2_000_000), ["a"], tmp_path, Local())
    assert not list(tmp_path.iterdir())


def test_files_are_handed_on_under_their_paths_and_kept(tmp_path: Path) -> None:
    (done,) = map_parts(Note([]), ["a"], tmp_path / "store", Local())
    done.hand_on(tmp_path / "run")
    assert [path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*.*")] == [
        "deep/name.txt"
    ]
    assert (done.folder / "deep/name.txt").is_file()
    done.hand_on(tmp_path / "other", but="deep/name.txt")
    assert not list((tmp_path / "other").rglob("*.txt"))
