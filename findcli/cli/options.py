"""The options that several commands share, each written once, and the class of command groups.

Tested in tests/test_cli.py.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup, TyperOption

WorkspaceDir = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        metavar="DIR",
        help="Workspace folder; default: this folder or the nearest parent with a findcli.toml.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Hide the progress bar.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Random seed; default: the seed in findcli.toml.")]
Device = Annotated[
    str | None, typer.Option("--device", help="Torch device: cpu, cuda or mps; default: the fastest available.")
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads for torch and polars; default: one per core.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, without doing it.")]
Force = Annotated[bool, typer.Option("--force", help="Redo it even if the result is up to date.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="Date or time before which histories end, such as 2017-10-30."),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="TABLE.KEY=VALUE", help="Override a setting of findcli.toml; may be repeated."),
]

EngineChoice = Annotated[
    Literal["local", "ray"], typer.Option("--engine", help="Where partitions are worked on: here, or a Ray cluster.")
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Partitions at a time; default: one here, on a cluster one a core."),
]
Address = Annotated[
    str | None,
    typer.Option("--address", metavar="HOST:PORT", help="With --engine ray: the cluster; default: one started here."),
]
Model = Annotated[
    Path | None,
    typer.Option("--model", metavar="DIR", help="Workspace whose trained model to use; default: this one."),
]
TaskName = Annotated[
    str, typer.Option("--dataset", "-d", metavar="TASK", help="Task of the workspace, such as d1, or all.")
]
RivalNames = Annotated[
    str, typer.Option("--rivals", metavar="NAMES", help="Rivals to compare with: all, none, or names, comma-separated.")
]
VariantNames = Annotated[
    str,
    typer.Option(
        "--variants", metavar="NAMES", help="Forms of findcli to train: all, none, or names, comma-separated."
    ),
]
RivalSeconds = Annotated[
    float,
    typer.Option("--rival-seconds", min=0, help="Seconds one rival may take on one split, or it is left out."),
]
Draws = Annotated[int, typer.Option("--draws", min=2, help="How many times seed users are drawn.")]
SeedUsers = Annotated[int, typer.Option("--seeds", min=2, help="Seed users of each label in a draw.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Parquet file to write all figures to.")
]


class Group(TyperGroup):
    """A group whose flags default to False, not None: to read a None, Typer imports pydantic (85 ms)."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """The group's options and arguments."""
        params = super().get_params(ctx)
        for param in params:
            if isinstance(param, TyperOption) and param.is_flag and param.default is None:
                param.default = False
        return params

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """A command of the group, each paragraph of its help on one line, so that it fills any terminal."""
        command = super().get_command(ctx, cmd_name)
        if command is not None and command.help:
            command.help = "\n\n".join(" ".join(part.split()) for part in command.help.split("\n\n"))
        return command
