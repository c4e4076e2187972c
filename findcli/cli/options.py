"""Options that several commands share, each written once."""

from pathlib import Path
from typing import Annotated

import typer

WorkspaceDir = Annotated[
    Path | None,
    typer.Option(
        "--workspace", "-w", metavar="DIR", help="The workspace; else the nearest folder upwards that is one."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed; else that of the workspace file.")]
Device = Annotated[str | None, typer.Option("--device", help="Device of torch, such as cpu, cuda or mps.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads of torch and polars.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]
Force = Annotated[bool, typer.Option("--force", help="Do it again even where the result stands.")]
