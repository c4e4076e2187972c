"""What findcli must not lose, leak or run: foreign models, forged manifests, other people's folders, closed outputs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from findcli import pipeline
from findcli.audiences.export import require_writable
from findcli.cli.console import print_table, visible
from findcli.cli.main import main
from findcli.errors import FindCLIError, doing
from findcli.models.text.encoder import load_text_encoder
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import MANIFEST

WEIGHTS = "model.safetensors"


def reweigh(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, metadata={"format": "pt"})

    return spoil


def reconfigure(**changes: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text()) | changes
        (folder / "config.json").write_text(json.dumps(config))

    return spoil


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def remote(folder: Path) -> None:
    reconfigure(model_type="evil", auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Model"})(folder)
    (folder / "evil.py").write_text(f"open({str(folder / 'RAN')!r}, 'w')\nclass Config: pass\nclass Model: pass\n")


SPOILS: dict[str, Callable[[Path], None]] = {
    "no weights": reweigh(lambda _: {}),
    "some weights missing": reweigh(lambda weights: dict(list(weights.items())[1:])),
    "weights that are not finite": reweigh(lambda weights: {k: v * float("nan") for k, v in weights.items()}),
    "weights as whole numbers": reweigh(lambda weights: {k: v.to(torch.int8) for k, v in weights.items()}),
    "weights of other shapes": reweigh(lambda weights: {k: v[:1].contiguous() for k, v in weights.items()}),
    "torn weights": lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:99]),
    "pickled weights": pickled,
    "code of its own": remote,
    "a width that is text": reconfigure(hidden_size="big"),
    "no attention heads": reconfigure(num_attention_heads=0),
    "an unknown activation": reconfigure(hidden_act="nix"),
    "a config too deep": lambda folder: (folder / "config.json").write_text('{"a":' * 5000 + "1" + "}" * 5000),
    "a tokenizer of nothing": lambda folder: (folder / "tokenizer.json").write_text("{}"),
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_a_model_folder_that_is_not_whole_or_not_safe_is_refused(
    tiny_llama: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    folder = shutil.copytree(tiny_llama, tmp_path / "model")
    load_text_encoder(str(folder), max_tokens=16)
    spoil(folder)
    with pytest.raises(FindCLIError, match="cannot be loaded from") as error:
        load_text_encoder(str(folder), max_tokens=16)
    assert error.value.hint
    assert not (folder / "RAN").exists()


FORGED = {
    "metrics": None, "inputs": [], "files": None, "settings": None, "started": "yesterday", "seconds": "x",
    "kind": 3, "format": "1",
}  # fmt: skip


@pytest.mark.parametrize(("key", "value"), [*FORGED.items(), ("started", "9999-12-31T23:59:59+00:00")])
def test_a_forged_manifest_is_one_error(
    finished_workspace: Workspace, capsys: pytest.CaptureFixture[str], key: str, value: object
) -> None:
    path = finished_workspace.run("text") / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    assert exit_code("status", "-w", str(finished_workspace.folder)) == 1
    printed = capsys.readouterr().err
    assert "is not a manifest that findcli" in printed
    assert "remove the folder" in printed


def test_a_manifest_too_deep_to_read_is_one_error(
    finished_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (finished_workspace.run("text") / MANIFEST).write_text("[" * 100_000)
    assert exit_code("status", "-w", str(finished_workspace.folder)) == 1
    assert "is not a manifest" in capsys.readouterr().err


def test_clean_removes_nothing_that_is_not_findclis_own(finished_workspace: Workspace) -> None:
    foreign = [
        finished_workspace.runs / name
        for name in ("embeddings/mine", "prompts/notes", "cache/text-corpus", "cache/text-" + "0" * 32)
    ]
    for folder in foreign:
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_text('{"name": "not findcli"}')
        (folder / "thesis.txt").write_text("x")
    kept = finished_workspace.run("tabular")
    (kept / "notes.txt").write_text("my own file in a run folder")
    pipeline.clean(finished_workspace, everything=True)
    assert all((folder / "thesis.txt").is_file() for folder in foreign)
    assert (kept / "notes.txt").is_file()
    assert not finished_workspace.run("aligned").exists()


def test_a_linked_run_folder_is_refused_and_what_it_points_to_stays(
    finished_workspace: Workspace, tmp_path: Path
) -> None:
    elsewhere = shutil.move(finished_workspace.run("text"), tmp_path / "elsewhere")
    finished_workspace.run("text").symlink_to(elsewhere)
    with pytest.raises(FindCLIError, match="is a link"):
        pipeline.run(finished_workspace)
    assert (Path(elsewhere) / MANIFEST).is_file()


def test_files_have_the_mode_that_the_umask_asks_for(finished_workspace: Workspace) -> None:
    mask = os.umask(0)
    os.umask(mask)
    modes = {path.stat().st_mode & 0o777 for path in finished_workspace.run("text").rglob("*") if path.is_file()}
    assert modes == {0o666 & ~mask}


@pytest.mark.parametrize(
    "setting",
    ["text.layers=" + "9" * 20, "text.vocabulary=" + "9" * 20, "text.steps=" + "1" * 5000, "text.steps=" + "[" * 3000],
)
def test_a_setting_beyond_all_bounds_is_refused_before_any_work(
    tiny_workspace: Workspace, capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    assert exit_code("run", "-w", str(tiny_workspace.folder), "--set", setting) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err
    assert not tiny_workspace.runs.exists()


@pytest.mark.parametrize("lines", ["[x]\na=" + "[" * 3000 + "]" * 3000, "[split]\nheld_out_users=" + "9" * 5000])
def test_a_workspace_file_too_deep_or_long_is_one_error(tiny_workspace: Workspace, lines: str) -> None:
    path = tiny_workspace.folder / "findcli.toml"
    path.write_text(lines)
    with pytest.raises(FindCLIError, match="cannot be read"):
        load_workspace(tiny_workspace.folder)


def test_dates_stay_within_the_calendar(tiny_workspace: Workspace) -> None:
    path = tiny_workspace.folder / "findcli.toml"
    path.write_text(path.read_text().replace("train_until = 2024-09-09", "train_until = 0001-01-01T00:00:00+14:00"))
    with pytest.raises(FindCLIError, match=r"windows\.train_until: .*outside the years"):
        load_workspace(tiny_workspace.folder)


def test_training_that_does_not_fit_into_memory_is_refused_before_it_is_taken(tiny_workspace: Workspace) -> None:
    big = {"sequence": {"d_model": 16384, "layers": 256, "heads": 2}}
    pipeline.bind(tiny_workspace, "pairs").build()
    pipeline.bind(tiny_workspace, "text").build()
    with pytest.raises(FindCLIError, match="GB of memory"):
        pipeline.bind(load_workspace(tiny_workspace.folder, overrides=big), "sequence").build()


def test_an_audience_overwrites_no_pipe_no_device_and_nothing_that_the_workspace_reads(
    tiny_workspace: Workspace, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with pytest.raises(FindCLIError, match="a pipe or a device"):
        require_writable(pipe)
    orders = tiny_workspace.folder / "data/orders.parquet"
    with pytest.raises(FindCLIError, match="a file that the workspace reads") as error:
        require_writable(orders, workspace=tiny_workspace)
    assert "--force" in error.value.hint
    require_writable(orders, workspace=tiny_workspace, force=True)


def test_control_characters_of_data_are_written_out() -> None:
    assert visible("a\x1b]0;pwn\x07 \u202eb") == "a\\x1b]0;pwn\\x07 \\u202eb"
    assert visible("ÄÖ 漢字 👍 line\n") == "ÄÖ 漢字 👍 line\n"


def test_ids_and_figures_are_whole_on_a_narrow_terminal_and_emoji_codes_stay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    print_table(["rank", "user", "score", "probability"], [[1, "crm:id:1003", 0.123, 1234567]])
    printed = capsys.readouterr().out
    assert "crm:id:1003" in printed
    assert "1,234,567" in printed


def test_whatever_is_raised_ends_in_one_message_with_what_was_being_done(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        with doing("reading data/orders.csv"):
            raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(pipeline, "plan", fail)
    assert exit_code("status", "-w", str(tiny_workspace.folder)) == 1
    printed = capsys.readouterr().err
    assert "while reading data/orders.csv: ZeroDivisionError: division by zero" in " ".join(printed.split())
    assert "--traceback" in printed
    assert "Traceback" not in printed
    assert exit_code("--traceback", "status", "-w", str(tiny_workspace.folder)) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_is_said_to_be_one_whatever_library_meets_it(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise pl.exceptions.ComputeError("parquet: underlying IO error: No space left on device (os error 28)")

    monkeypatch.setattr(pipeline, "plan", fail)
    assert exit_code("status", "-w", str(tiny_workspace.folder)) == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert "a file could not be written: No space left on device" in printed
    assert "free some space" in printed


@pytest.mark.parametrize("sink", ["/dev/full", "closed"])
def test_a_full_or_closed_stdout_is_no_traceback(finished_workspace: Workspace, sink: str) -> None:
    program = [sys.executable, "-c", "from findcli.cli.main import main; main()", "status"]
    words = [*program, "-w", str(finished_workspace.folder)]
    reader, writer = os.pipe()
    os.close(reader)
    with Path(sink).open("w") if sink != "closed" else os.fdopen(writer, "w") as stdout:
        done = subprocess.run(words, stdout=stdout, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert ("stdout cannot be written" in done.stderr) == (sink != "closed")
    assert "Traceback" not in done.stderr


def test_an_encoding_that_lacks_letters_shows_others(finished_workspace: Workspace) -> None:
    words = [sys.executable, "-c", "from findcli.cli.main import main; main()", "status"]
    variables = os.environ | {"PYTHONIOENCODING": "ascii"}
    folder = str(finished_workspace.folder)
    done = subprocess.run([*words, "-w", folder], capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["ws [old]", "ws *", "ws?"])
def test_a_workspace_may_have_any_name(tiny_template: Path, tmp_path: Path, name: str) -> None:
    workspace = load_workspace(shutil.copytree(tiny_template, tmp_path / name))
    run = pipeline.bind(workspace, "pairs").build()
    assert isinstance(run.table("sentences.parquet"), pl.DataFrame)


def exit_code(*words: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(list(words))
    return int(done.value.code or 0)
