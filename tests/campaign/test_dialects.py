"""A table of known content in many dialects: each reads as that content, or is refused where two readings fit."""

from __future__ import annotations

import json
from pathlib import Path

import dialect_files
import dialects
import polars as pl
import pytest
from dialects import Dialect, Row

from findcli.data.reader import nulls, time_formats
from findcli.data.sources import scan_source
from findcli.errors import FindCLIError
from findcli.workspace.folder import load_workspace

pytestmark = pytest.mark.campaign
CASES, CAMPAIGN = 150, 1000
TOML = """
[windows]
train_until = 2024-09-01
history = "12w"
future = "4w"
every = "4w"
min_history = "8w"

[[sources]]
name = "log"
path = {path}
families = ["browse"]
user = {user}
time = {time}
item = {item}
amount = {amount}
duplicates = "keep"
"""


def read(one: Dialect, folder: Path) -> tuple[list[Row], list[Row]]:
    """What the table should read as and what it reads as, both sorted; rows without user or time left out."""
    rows, files, names = dialect_files.write(one, folder)
    columns = {key: json.dumps(name) for key, name in zip(("user", "time", "amount", "item"), names, strict=False)}
    lines = [f"{key} = {as_toml(value)}" for key, value in one.declared.items()]
    text = TOML.format(path=json.dumps(files), **columns) + "\n".join(lines)
    (folder / "findcli.toml").write_text(text, encoding="utf-8")
    workspace = load_workspace(folder)
    frame = scan_source(workspace, workspace.settings.sources[0]).collect()
    got = frame.select(pl.col("user_id").cast(pl.String), "time", "amount", "item").rows()
    if one.kind == "excel" or (one.kind == "text" and one.packed == ".zst"):  # neither keeps how a line in a text ends
        rows = [(user, time, amount, text and text.replace("\r\n", "\n")) for user, time, amount, text in rows]
    wanted = [row for row in rows if row[0] and row[1]]
    return sorted(wanted, key=repr), sorted(got, key=repr)


def as_toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else json.dumps(value)


def differences(wanted: list[Row], got: list[Row]) -> list[str]:
    """What is not as it should be; amounts may differ by what a Float32 cuts off."""
    problems = [f"{len(got)} rows, not {len(wanted)}"] if len(wanted) != len(got) else []
    for one, other in zip(wanted, got, strict=False):
        same = one[2] == pytest.approx(other[2], rel=1e-6) if None not in (one[2], other[2]) else one[2] is other[2]
        if (one[0], one[1], one[3]) != (other[0], other[1], other[3]) or not same:
            problems.append(f"{one} reads as {other}")
    return problems


def test_a_dialect(seed: int, tmp_path: Path) -> None:
    one = dialects.dialect_of(seed)
    if dialects.has_two_readings(one, dialects.truth_of(one)):
        with pytest.raises(FindCLIError) as error:
            read(one, tmp_path)
        assert "say which" in error.value.hint, one
        return
    try:
        wanted, got = read(one, tmp_path)
    except FindCLIError as error:
        pytest.fail(f"refused: {error.message} ({error.hint})\n{one}")
    problems = differences(wanted, got)
    assert not problems, "\n".join([*problems[:5], str(one)])


def test_few_dialects_read_in_two_ways() -> None:
    drawn = [dialects.dialect_of(seed) for seed in range(CAMPAIGN)]
    doubtful = sum(dialects.has_two_readings(one, dialects.truth_of(one)) for one in drawn)
    assert 0 < doubtful <= CAMPAIGN * 0.05


def test_a_reader_that_reads_wrong_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells that a break of the reader changes are among the differences."""
    one = Dialect(0, "text", times="epoch s", word_null="\\N")
    (tmp_path / "whole").mkdir()
    assert differences(*read(one, tmp_path / "whole")) == []
    for target, name, value in ((nulls, "IN_WORDS", ("None", "")), (time_formats, "UNITS", {"epoch_s": 10})):
        folder = tmp_path / name
        folder.mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(target, name, value)
            assert differences(*read(one, folder)), name
